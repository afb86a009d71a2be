"""The summary of a review, which the workflow receives: numbers and locations, no content of documents.

`$.review` in the state of an execution, the figures in the ledger and the reference all derive from this model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.reviews.record import TaskType

MAX_CONDITIONS = 50
"""More than any flow definition has. It keeps the payload of the state small for any document."""
MAX_CONDITION_NAME = 40
"""Characters of each of their names. The longest name of A2I has 31."""

_IN_LEDGER = "in the ledger"


class ReviewSummary(BaseModel):
    """The figures and the location of a review. JSON has the names in camelCase.

    Attributes:
        location: Location of the complete review: a JSON object in the review bucket.
        output_location: Location of A2I's `output.json`.
        task_type: `custom`, `textract` or `rekognition`.
        answers: Number of workers who answered.
        fields: Number of fields.
        compared: Number of fields that could be compared with a prediction.
        changed: Number of fields whose value workers changed.
        added: Number of fields that workers added.
        removed: Number of fields that workers removed.
        unresolved: Number of fields without a majority.
        agreement: From 0 to 1; null for fewer than two answers.
        overruled: Whether workers changed, added or removed anything.
        seconds_spent: Total time of all workers; null if no answer has a time.
        activation_conditions: Names of the activation conditions that were met; at most 50.
    """

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    location: str
    output_location: str
    task_type: TaskType
    answers: Annotated[int, _IN_LEDGER]
    fields: Annotated[int, _IN_LEDGER]
    compared: int
    changed: Annotated[int, _IN_LEDGER]
    added: Annotated[int, _IN_LEDGER]
    removed: Annotated[int, _IN_LEDGER]
    unresolved: Annotated[int, _IN_LEDGER]
    agreement: Annotated[float | None, _IN_LEDGER]
    overruled: Annotated[bool, _IN_LEDGER]
    seconds_spent: float | None
    activation_conditions: list[str]

    @classmethod
    def ledger_figures(cls) -> dict[str, type]:
        """Returns the figures in `review` of a ledger row: name → int, bool, or float if the value can be null."""
        kinds: dict[str, type] = {}
        for field in cls.model_fields.values():
            if _IN_LEDGER in field.metadata:
                kinds[str(field.alias)] = field.annotation if isinstance(field.annotation, type) else float
        return kinds
