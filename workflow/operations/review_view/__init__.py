"""One review for people to look at: its fields, and where they are on the document.

model.py      what there is to show: rows, workers, shapes on an image, marks in a text, documents
reading.py    reads the stored record, A2I's output and the document of a loop
composing.py  the view of a review from what was read
record.py     what can be read of a stored record; one odd value costs its field
rows.py       the fields of a record, what needs a look first
wording.py    a value as text for people
differences.py  which parts of two texts differ
inputs.py     the input of a loop, from A2I's output or as it was stored
subject.py    which objects and texts the input of a loop names
objects.py    reads an object in S3: what it is, how large the image is, its content
shapes.py     boxes, polygons, lines and points, as parts of the image
forms.py      where Textract found the pairs of a form
spans.py      a text in pieces, each with the spans that cover it
"""

from workflow.operations.review_view.model import ReviewView
from workflow.operations.review_view.reading import ReviewReader

__all__ = ["ReviewReader", "ReviewView"]
