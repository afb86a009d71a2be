"""The comparison: what the model predicted beside what people said, one row a field.

rows.py         what a row is
values.py       when two values are one
textract.py     key-value pairs: by block id, then by the key's text
rekognition.py  moderation labels, with their parents
custom.py       crowd elements, each paired with the prediction that the loop was started with
elements/       all that is particular to a crowd element, one file a kind
alignment.py    which of the shapes that people draw mean the same thing
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.reviews.comparison.rows import Row, Scored

if TYPE_CHECKING:
    from lambdas.reviews.output import Output

__all__ = ["Row", "Scored", "compare"]


def compare(output: Output, prediction_path: str | None = None) -> list[Row]:
    """Returns a row for each field of a review; none if nobody answered.

    Args:
        output: The output.
        prediction_path: For a custom task, the JMESPath from `inputContent` to the prediction.
    """
    # Each kind of task pays for its own imports only.
    if not output.human_answers:
        return []
    if output.task_type == "textract":
        from lambdas.reviews.comparison import textract

        rows = textract.rows(output)
    elif output.task_type == "rekognition":
        from lambdas.reviews.comparison import rekognition

        rows = rekognition.rows(output)
    else:
        from lambdas.reviews.comparison import custom

        return custom.rows(output, prediction_path)
    if any(answer.elements for answer in output.human_answers):
        from lambdas.reviews.comparison import custom

        rows += custom.unpredicted_rows(output)
    return rows
