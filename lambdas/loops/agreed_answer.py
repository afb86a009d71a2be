"""The answer that a waiting workflow receives: the agreed values of a review, or a prediction that needed no review.

The answer becomes part of the waiting execution's state. Nothing in this module calls AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdas.reviews.record import DRAWN, FieldRecord, ReviewRecord

__all__ = ["MAX_BYTES", "of_prediction", "of_review", "to_text"]

MAX_BYTES = 128 * 1024
"""The largest answer that is sent in full. Of a larger one, the workflow receives only the location.

Step Functions limits a state to 262,144 bytes. Half of that remains for the waiting workflow's own data."""


def of_review(record: ReviewRecord, location: str, *, attempt: int = 1) -> dict[str, Any]:
    """Returns the answer for a completed loop.

    Args:
        record: The stored review.
        location: Where the review is stored, `s3://bucket/key`.
        attempt: The loop's place in the lineage; 1 for the first loop.

    Returns:
        `humanLoopName`, `status` ("Completed"), `needed` (True), `attempt`, `reviewLocation`,
        `agreement` (0 to 1; None for fewer than two workers), `overruled`, `answersIncluded`. If
        `answersIncluded` is True, also:

        `answers`: field name → the value that most workers agree on; None if they agree that the field is
        empty. A list of values if several fields share the name, and always for boxes, spans, keypoints,
        polygons and lines. Of masks, the labels and a digest.
        `unresolved`: names of the fields in which no value has a majority. `answers` contains none of the
        fields with such a name: a list is complete or left out.
    """
    answer: dict[str, Any] = {
        "humanLoopName": record.human_loop_name,
        "status": "Completed",
        "needed": True,
        "attempt": attempt,
        "reviewLocation": location,
        "agreement": record.agreement,
        "overruled": record.overruled,
    }
    unresolved = {field.name for field in record.fields if field.outcome == "unresolved"}
    values = {
        "answers": _agreed_values([field for field in record.fields if field.name not in unresolved]),
        "unresolved": sorted(unresolved),
    }
    return _with_values_if_they_fit(answer, "answersIncluded", values)


def of_prediction(
    human_loop_name: str, prediction: Mapping[str, Any], location: str, *, attempt: int = 1
) -> dict[str, Any]:
    """Returns the answer for a loop that Textract or Rekognition did not start, because no review was needed.

    Returns:
        `humanLoopName`, `status` ("NotNeeded"), `needed` (False), `attempt`, `predictionLocation`,
        `predictionIncluded`. If `predictionIncluded` is True, also `prediction`: the response of the service,
        as boto3 returns it.
    """
    answer = {
        "humanLoopName": human_loop_name,
        "status": "NotNeeded",
        "needed": False,
        "attempt": attempt,
        "predictionLocation": location,
    }
    return _with_values_if_they_fit(answer, "predictionIncluded", {"prediction": prediction})


def to_text(answer: Mapping[str, Any]) -> str:
    """Returns an answer as the JSON text that SendTaskSuccess takes."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def _agreed_values(fields: list[FieldRecord]) -> dict[str, Any]:
    by_name: dict[str, list[FieldRecord]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field)
    return {
        # A list even for a single box: the waiting workflow must not depend on how many objects an image shows.
        name: [_value(field) for field in same] if len(same) > 1 or same[0].kind in DRAWN else _value(same[0])
        for name, same in by_name.items()
    }


def _value(field: FieldRecord) -> Any:
    return None if field.reviewed is None else json.loads(field.reviewed)


def _with_values_if_they_fit(
    answer: Mapping[str, Any], flag: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    full = {**answer, flag: True, **values}
    return full if len(to_text(full).encode()) <= MAX_BYTES else {**answer, flag: False}
