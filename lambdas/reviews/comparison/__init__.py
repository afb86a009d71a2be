"""Compares the prediction with the answers of the workers: one row per field.

rows.py         the row
values.py       when two values are equal
textract.py     key-value pairs: matched by block id, then by the text of the key
rekognition.py  moderation labels with their parents
custom.py       crowd elements, each paired with its prediction
elements/       the rules of each crowd element, one module per kind
alignment.py    matches shapes that mark the same object
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.reviews.comparison.rows import Row, Scored

if TYPE_CHECKING:
    from lambdas.reviews.output import Output

__all__ = ["Row", "Scored", "compare"]


def compare(output: Output, prediction_path: str | None = None) -> list[Row]:
    """Returns a row for each field of a review; empty without answers.

    Args:
        output: The output.
        prediction_path: For a custom task, the JMESPath from `inputContent` to the prediction.
    """
    # Each kind of task imports only its own modules, for a short cold start.
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
