"""Compares the prediction with the answers of the workers: one row per field.

rows.py         the row
values.py       when two values are equal
sameness/       when two values are the same by the settings of a field
textract.py     key-value pairs: matched by block id, then by the text of the key
rekognition.py  moderation labels with their parents
custom.py       crowd elements, each paired with its prediction
answered.py     the answers to each element, choice of several buttons, or judgement in an object
judgements.py   several judgements in one object
elements/       the rules of each crowd element, one module per kind
alignment.py    matches drawn shapes with the predicted ones, and with each other
grouping.py     groups the shapes that mark the same object, with bounded work
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.reviews.comparison.rows import Comparison, Row, Scored
from lambdas.reviews.rules import FlowRules

if TYPE_CHECKING:
    from lambdas.reviews.output import Output
    from lambdas.reviews.record import PredictionSource

__all__ = ["Comparison", "Row", "Scored", "compare"]


def compare(output: Output, rules: FlowRules | None = None) -> Comparison:
    """Returns a row for each field of a review, and the source of the prediction; empty without answers.

    Args:
        output: The output.
        rules: The settings of the flow definition.
    """
    rules = rules or FlowRules()
    # Each kind of task imports only its own modules, for a short cold start.
    if not output.human_answers:
        return Comparison([], None)
    if output.task_type == "textract":
        from lambdas.reviews.comparison import textract

        rows = textract.rows(output, rules)
    elif output.task_type == "rekognition":
        from lambdas.reviews.comparison import rekognition

        rows = rekognition.rows(output)
    else:
        from lambdas.reviews.comparison import custom

        return custom.comparison(output, rules)
    source: PredictionSource | None = "service" if any(row.in_prediction for row in rows) else None
    if any(answer.elements for answer in output.human_answers):
        from lambdas.reviews.comparison import custom

        rows += custom.unpredicted_rows(output, rules)
    return Comparison(rows, source)
