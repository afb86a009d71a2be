"""What a waiting workflow is answered with: the agreed values of a review, or the prediction nobody had to review.

An answer becomes part of the waiting execution's state, which holds 256 KiB in all, what was there before
included. So an answer has at most `MOST_BYTES`: of a larger one only the location is given, and a flag says so.
Nothing in here calls AWS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdas.reviews.record import DRAWN, FieldRecord, ReviewRecord

__all__ = ["MOST_BYTES", "of_prediction", "of_review", "to_text"]

MOST_BYTES = 128 * 1024
"""Half of the 262,144 bytes that Step Functions allows a state: the other half is the waiting workflow's own."""


def of_review(record: ReviewRecord, location: str, *, attempt: int = 1) -> dict[str, Any]:
    """The answer of a completed loop.

    Args:
        record: The stored review.
        location: Where it is stored, `s3://bucket/key`.
        attempt: Which loop of the lineage it was; 1 for the first.

    Returns:
        `humanLoopName`, `status` ("Completed"), `needed` (True), `attempt`, `reviewLocation`,
        `agreement` (0 to 1; None for fewer than two workers), `overruled`, `answersIncluded`, and if that is True:

        `answers`: field name → the value that most workers agree on, None if they agree that nothing is there. A
        list of such values where fields share a name, and always for boxes, spans, keypoints and polygons.
        `unresolved`: names of the fields in which no value has most of the votes. They are not in `answers`, nor
        are the fields that share such a name: a list is whole, or it is not there.
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
    return _if_it_fits(answer, "answersIncluded", values)


def of_prediction(
    human_loop_name: str, prediction: Mapping[str, Any], location: str, *, attempt: int = 1
) -> dict[str, Any]:
    """The answer when Textract or Rekognition decided that no person has to look.

    Returns:
        `humanLoopName`, `status` ("NotNeeded"), `needed` (False), `attempt`, `predictionLocation`,
        `predictionIncluded`, and if that is True `prediction`: the service's response, as boto3 returns it.
    """
    answer = {
        "humanLoopName": human_loop_name,
        "status": "NotNeeded",
        "needed": False,
        "attempt": attempt,
        "predictionLocation": location,
    }
    return _if_it_fits(answer, "predictionIncluded", {"prediction": prediction})


def to_text(answer: Mapping[str, Any]) -> str:
    """An answer as the JSON text that Step Functions takes."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def _agreed_values(fields: list[FieldRecord]) -> dict[str, Any]:
    by_name: dict[str, list[FieldRecord]] = {}
    for field in fields:
        by_name.setdefault(field.name, []).append(field)
    return {
        name: [_value(field) for field in same] if len(same) > 1 or same[0].kind in DRAWN else _value(same[0])
        for name, same in by_name.items()
    }


def _value(field: FieldRecord) -> Any:
    return None if field.reviewed is None else json.loads(field.reviewed)


def _if_it_fits(answer: Mapping[str, Any], flag: str, large: Mapping[str, Any]) -> dict[str, Any]:
    whole = {**answer, flag: True, **large}
    return whole if len(to_text(whole).encode()) <= MOST_BYTES else {**answer, flag: False}
