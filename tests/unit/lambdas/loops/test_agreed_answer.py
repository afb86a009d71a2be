"""The answer that a waiting workflow receives."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops import agreed_answer
from lambdas.reviews.record import FieldRecord, Kind, ReviewRecord

LOCATION = "s3://reviews/reviews/flow_definition=triage/date=2026-03-04/loop.json"
CREATED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def field(name: str, reviewed: Any, kind: Kind = "label", **changes: Any) -> FieldRecord:
    return FieldRecord.model_validate(
        {
            "name": name,
            "kind": kind,
            "predicted": None,
            "confidence": None,
            "reviewed": None if reviewed is None else json.dumps(reviewed),
            "outcome": "answered",
            "votes": [],
            "agreement": None,
            "per_worker": [],
            **changes,
        }
    )


def record(*fields: FieldRecord, **changes: Any) -> ReviewRecord:
    return ReviewRecord.model_validate(
        {
            "human_loop_name": "loop",
            "flow_definition": "triage",
            "flow_definition_arn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage",
            "status": "Completed",
            "created_at": CREATED,
            "completed_at": CREATED,
            "task_type": "custom",
            "output_location": "s3://outputs/output.json",
            "activation_conditions": [],
            "answers": [],
            "fields": fields,
            "agreement": None,
            "overruled": False,
            "seconds_spent": None,
            **changes,
        }
    )


def test_answer_has_agreed_value() -> None:
    review = record(
        field("sentiment", "complaint"),
        field("urgent", True, "selection"),
        field("comment", None, "text", outcome="removed"),
        field("topic", None, outcome="unresolved"),
        agreement=0.75,
        overruled=True,
    )
    assert agreed_answer.of_review(review, LOCATION, attempt=2) == {
        "humanLoopName": "loop",
        "status": "Completed",
        "needed": True,
        "attempt": 2,
        "reviewLocation": LOCATION,
        "agreement": 0.75,
        "overruled": True,
        "answersIncluded": True,
        "answers": {"sentiment": "complaint", "urgent": True, "comment": None},
        "unresolved": ["topic"],
    }


def test_fields_with_same_name_and_shapes_give_a_list() -> None:
    box = {"left": 1, "top": 2, "width": 3, "height": 4, "label": "dog"}
    review = record(
        field("Date:", "4 March", "text"), field("Date:", "5 March", "text"), field("animals/dog", box, "box")
    )
    answers = agreed_answer.of_review(review, LOCATION)["answers"]
    assert answers == {"Date:": ["4 March", "5 March"], "animals/dog": [box]}


def test_name_with_unresolved_field_is_left_out() -> None:
    box = {"left": 1, "top": 2, "width": 3, "height": 4, "label": "dog"}
    review = record(
        field("Item", "Pen", "text"),
        field("Item", None, "text", outcome="unresolved"),
        field("Date", "4 March", "text"),
        field("animals/dog", box, "box"),
        field("animals/dog", None, "box", outcome="unresolved"),
    )
    answer = agreed_answer.of_review(review, LOCATION)
    assert (answer["answers"], answer["unresolved"]) == ({"Date": "4 March"}, ["Item", "animals/dog"])


fields = st.builds(
    field,
    name=st.sampled_from(["Item", "Date"]) | st.text(max_size=20),
    reviewed=st.one_of(st.none(), st.booleans(), st.text(), st.dictionaries(st.text(), st.integers())),
    kind=st.sampled_from(get_args(Kind)),
    outcome=st.sampled_from(["kept", "changed", "added", "removed", "unresolved", "answered"]),
)


@given(st.lists(fields, max_size=20))
def test_every_review_gives_json_with_all_fields(given_fields: list[FieldRecord]) -> None:
    answer = agreed_answer.of_review(record(*given_fields), LOCATION)
    assert json.loads(agreed_answer.to_text(answer)) == answer
    open_ones = {one.name for one in given_fields if one.outcome == "unresolved"}
    assert set(answer["unresolved"]) == open_ones
    assert set(answer["answers"]) == {one.name for one in given_fields} - open_ones
    for name, value in answer["answers"].items():
        same = [one for one in given_fields if one.name == name]
        if len(same) > 1:
            assert len(value) == len(same)


@given(
    size=st.integers(agreed_answer.MAX_BYTES - 2000, agreed_answer.MAX_BYTES + 2000),
    letter=st.sampled_from("aä"),
)
def test_answer_too_large_has_no_values(size: int, letter: str) -> None:
    text = letter * (size // len(letter.encode()))
    for answer, flag, large in (
        (agreed_answer.of_review(record(field("t", text)), LOCATION), "answersIncluded", "answers"),
        (agreed_answer.of_prediction("loop", {"Blocks": text}, LOCATION), "predictionIncluded", "prediction"),
    ):
        assert len(agreed_answer.to_text(answer).encode()) <= agreed_answer.MAX_BYTES
        assert answer[flag] == (large in answer)
        assert LOCATION in answer.values()
        if not answer[flag]:
            whole = {**answer, flag: True, large: text}
            assert len(agreed_answer.to_text(whole).encode()) > agreed_answer.MAX_BYTES - 100


def test_prediction_is_unchanged() -> None:
    prediction = {"ModerationLabels": [{"Name": "Alcohol", "Confidence": 99.5}]}
    assert agreed_answer.of_prediction("loop", prediction, LOCATION) == {
        "humanLoopName": "loop",
        "status": "NotNeeded",
        "needed": False,
        "attempt": 1,
        "predictionLocation": LOCATION,
        "predictionIncluded": True,
        "prediction": prediction,
    }
