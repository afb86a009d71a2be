"""The summary of a review: what the workflow goes on with. Numbers and locations, never a word of the documents.

`$.review` in an execution's state, the row's figures in the ledger and the reference follow from this one model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.reviews.record import TaskType

MAX_CONDITIONS = 50
"""A flow definition has fewer; the state's payload stays small whatever the document says."""

_IN_LEDGER = "in the ledger"


class ReviewSummary(BaseModel):
    """The figures of a review, and where it is. JSON has the names in camelCase.

    Attributes:
        location: Where the whole review is: a JSON object in the review bucket.
        output_location: Where A2I wrote `output.json`.
        task_type: `custom`, `textract` or `rekognition`.
        answers: How many people answered.
        fields: How many fields the review has.
        compared: How many of them could be compared with a prediction.
        changed: Fields to which people gave another value.
        added: Fields that people added.
        removed: Fields that people took away.
        unresolved: Fields without a majority.
        agreement: From 0 to 1; null for fewer than two answers.
        overruled: Whether people changed, added or removed anything.
        seconds_spent: All people's time together; null if no answer tells.
        activation_conditions: Names of the conditions that sent the prediction to people; at most 50.
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
        """The figures that the ledger's row has as `review`, by name: int, bool, or float for one that may be null."""
        kinds: dict[str, type] = {}
        for field in cls.model_fields.values():
            if _IN_LEDGER in field.metadata:
                kinds[str(field.alias)] = field.annotation if isinstance(field.annotation, type) else float
        return kinds
