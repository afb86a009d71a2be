"""Each row of the table in docs/reference/elements.md, with one to three workers, pre-filled or not."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import pytest

from docs.generate.elements import NO_ANSWER, compared
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from lambdas.reviews.record import FieldRecord
from tests import review_samples as samples
from tests.review_samples import custom, fields_of

SIZE = {"inputImageProperties": {"height": 533, "width": 800}}


class Case(NamedTuple):
    """An answer as AWS documents it, and predictions for it.

    Attributes:
        answer: The value of the element.
        same: A prediction that a worker who gave this answer kept.
        different: A prediction that this worker overruled.
        kinds: The kind of each field.
        other: Another answer, for a worker who agrees with nobody.
        reviewed: The field with the agreed value, and the value.
    """

    answer: Any
    same: Any
    different: Any
    kinds: dict[str, str]
    other: Any
    reviewed: tuple[str, Any]


def _shapes(key: str, shape: dict[str, Any], moved: dict[str, Any], kind: str) -> Case:
    answer = {key: [{"label": "dog", **shape}], **SIZE}
    return Case(
        answer=answer,
        same=[{"label": "dog", **shape}],
        different=[{"label": "dog", **moved}],
        kinds={"e/dog": kind},
        other={key: [{"label": "cat", **shape}], **SIZE},
        reviewed=("e/dog", {"label": "dog", **shape}),
    )


LEFT = {"left": 100, "top": 100, "width": 100, "height": 100}
ACROSS = [{"x": 10, "y": 10}, {"x": 410, "y": 10}]
LOWER = [{"x": 10, "y": 30}, {"x": 410, "y": 30}]
TRIANGLE = [*ACROSS, {"x": 210, "y": 210}]
CUT = [*ACROSS, {"x": 210, "y": 170}]
SHIFTED = [{"x": corner["x"] + 20, "y": corner["y"] + 20} for corner in TRIANGLE]
DIGEST = hashlib.sha256(b"iVBOR").hexdigest()[:16]
MASK = {"labeledImage": {"pngImageData": "iVBOR"}, **SIZE}
COLORS = {"labelMappings": {"Cat": {"color": "#ff7f0e"}}}
INSTANCES = {"instances": [{"color": "#ff7f0e", "label": "Cat"}]}
TEXT = Case("blue", {"value": "blue", "confidence": 0.9}, "red", {"e": "text"}, "green", ("e", "blue"))
LABEL = Case(
    {"label": "cat"},
    {"cat": 0.9, "dog": 0.1},
    {"cat": 0.4, "dog": 0.6},
    {"e": "label"},
    {"label": "bird"},
    ("e", "cat"),
)
LABELS = Case(
    {"labels": ["cat", "dog"]},
    {"cat": 0.9, "dog": 0.8, "bird": 0.1},
    ["cat", "dog", "bird"],
    {"e/cat": "labels", "e/dog": "labels"},
    {"labels": []},
    ("e/dog", "dog"),
)
CHECKS = Case(
    {"blurry": True, "dim": True, "exposed": False},
    {"blurry": True, "dim": True, "exposed": False},
    {"blurry": True, "dim": True, "exposed": True},
    {"e/blurry": "selection", "e/dim": "selection", "e/exposed": "selection"},
    {"blurry": False, "dim": False, "exposed": True},
    ("e/dim", True),
)
SWITCH = Case(
    {"on": True}, True, {"value": False, "confidence": 0.9}, {"e": "selection"}, {"on": False}, ("e", True)
)
CHOICE = Case(
    {"cat": True, "dog": False, "bird": False},
    {"cat": 0.4, "dog": 0.3, "bird": 0.3},
    {"cat": 0.3, "dog": 0.4, "bird": 0.3},
    {"e": "choice"},
    {"cat": False, "dog": False, "bird": True},
    ("e", "cat"),
)

CASES: dict[str, list[Case]] = {
    "crowd-input": [TEXT],
    "crowd-text-area": [TEXT],
    "crowd-classifier": [LABEL],
    "crowd-image-classifier": [LABEL, LABEL._replace(answer={"label": "cat", "workerComment": "It is small."})],
    "crowd-classifier-multi-select": [LABELS],
    "crowd-image-classifier-multi-select": [LABELS],
    "crowd-checkbox": [CHECKS, SWITCH],
    "crowd-toggle-button": [SWITCH],
    "crowd-radio-button": [CHOICE],
    "crowd-radio-group": [CHOICE],
    "crowd-bounding-box": [_shapes("boundingBoxes", LEFT, LEFT | {"left": 130}, "box")],
    "crowd-entity-annotation": [
        _shapes("entities", {"startOffset": 4, "endOffset": 9}, {"startOffset": 4, "endOffset": 8}, "span")
    ],
    "crowd-keypoint": [_shapes("keypoints", {"x": 10, "y": 10}, {"x": 40, "y": 10}, "keypoint")],
    "crowd-polygon": [_shapes("polygons", {"vertices": TRIANGLE}, {"vertices": CUT}, "polygon")],
    "crowd-line": [_shapes("lines", {"vertices": ACROSS}, {"vertices": LOWER}, "line")],
    "crowd-polyline": [_shapes("polylines", {"vertices": TRIANGLE}, {"vertices": SHIFTED}, "line")],
    "crowd-semantic-segmentation": [
        Case(
            MASK | COLORS | {"initialValueModified": modified},
            COLORS | {"src": "s3://masks/1.png"} if not modified else None,
            COLORS | {"src": "s3://masks/1.png"} if modified else None,
            {"e": "segmentation"},
            MASK | {"labelMappings": {"Dog": {"color": "#fff"}}, "initialValueModified": modified},
            ("e", {"digest": DIGEST, "labels": ["Cat"], "modified": modified}),
        )
        for modified in (False, True)
    ],
    "crowd-instance-segmentation": [
        Case(
            MASK | INSTANCES,
            MASK | INSTANCES,
            None,
            {"e": "segmentation"},
            MASK | {"instances": []},
            ("e", {"digest": DIGEST, "labels": ["Cat"]}),
        )
    ],
    "crowd-text-ranking": [
        Case(
            {"ranks": [{"Clarity": 1}, {"Clarity": 2}]},
            {"ranks": [{"Clarity": 1.0}, {"Clarity": 2.0}]},
            {"ranks": [{"Clarity": 2}, {"Clarity": 1}]},
            {"e": "other"},
            {"ranks": []},
            ("e", {"ranks": [{"Clarity": 1}, {"Clarity": 2}]}),
        )
    ],
    "crowd-question-answer-generation": [
        Case(
            {"pairs": [{"question": "Who?", "answer": "Ana"}]},
            {"pairs": [{"answer": "Ana", "question": "Who?"}]},
            {"pairs": [{"question": "Who?", "answer": "Eva"}]},
            {"e": "other"},
            {"pairs": []},
            ("e", {"pairs": [{"question": "Who?", "answer": "Ana"}]}),
        )
    ],
    "crowd-slider": [Case(4, {"value": "4", "confidence": 0.9}, 5, {"e": "other"}, 1, ("e", 4))],
    "An object of several values": [
        Case(
            {"helpfulness": 4, "tone": "polite"},
            {"helpfulness": 4, "tone": "polite"},
            {"helpfulness": 4, "tone": "rude"},
            {"e/helpfulness": "other", "e/tone": "text"},
            {"helpfulness": 1, "tone": "odd"},
            ("e/helpfulness", 4),
        )
    ],
}  # fmt: skip
every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, cases in CASES.items() for case in cases]
)
SERVICES = {"crowd-textract-analyze-document", "crowd-rekognition-detect-moderation-labels"}


def test_every_row_of_the_table_has_a_case() -> None:
    rows = compared()
    names = {name for row in rows for name in row.names or (row.what,)}
    assert names == CASES.keys() | SERVICES
    assert all(row.fields and row.same and row.prediction and row.about for row in rows)
    # What this project has seen of the "Crowd HTML Elements Reference", and of the elements of A2I.
    assert len(names - {"An object of several values"}) + len(NO_ANSWER) == 35


def _outcomes(fields: list[FieldRecord]) -> set[str]:
    return {field.outcome for field in fields}


@every_case
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_answer_without_prediction_is_not_compared(case: Case, workers: int) -> None:
    fields = fields_of(custom({"taskObject": "s3://images/1.jpg"}, *[{"e": case.answer}] * workers))
    assert {field.name: field.kind for field in fields} == case.kinds
    assert _outcomes(fields) == {"answered"}
    name, value = case.reviewed
    assert json.loads(next(field.reviewed for field in fields if field.name == name) or "") == value


@every_case
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("place", samples.PLACES)
def test_workers_keep_what_is_the_same(case: Case, workers: int, place: str) -> None:
    if case.same is None:
        return  # a mask that is modified
    document = samples.with_prediction(place, case.same, case.answer)
    document["humanAnswers"] = samples.answers(*[{"e": case.answer}] * workers)
    assert _outcomes(fields_of(document)) == {"kept"}


@every_case
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_overrule_what_is_different(case: Case, workers: int) -> None:
    if case.different is None:
        return  # a mask that cannot be compared
    record = samples.record_of(custom({"prediction": {"e": case.different}}, *[{"e": case.answer}] * workers))
    assert record.overruled
    assert _outcomes(list(record.fields)) <= {"kept", "changed", "removed", "added"}


@every_case
def test_two_of_three_workers_decide_and_one_of_two_does_not(case: Case) -> None:
    three = fields_of(custom({}, {"e": case.answer}, {"e": case.other}, {"e": case.answer}))
    name, value = case.reviewed
    field = next(field for field in three if field.name == name)
    assert json.loads(field.reviewed or "") == value
    assert field.agreement == pytest.approx(2 / 3)
    two = fields_of(custom({}, {"e": case.answer}, {"e": case.other}))
    assert "unresolved" in _outcomes(two)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_compares_forms_and_moderation(workers: int) -> None:
    predicted = [samples.pair("a", "Name", "Ana"), samples.pair("b", "Date", "1 May")]
    given = [samples.answered_pair("a", "Name", "Ana"), samples.answered_pair("b", "Date", "2 May")]
    fields = fields_of(samples.textract(predicted, *[given] * workers))
    assert {field.name: field.outcome for field in fields} == {"Name": "kept", "Date": "changed"}

    moderated = samples.rekognition([("Gore", "", 90.0), ("Smoking", "", 60.0)], *[[("Gore", "")]] * workers)
    fields = fields_of(moderated)
    assert {field.name: field.outcome for field in fields} == {"Gore": "kept", "Smoking": "removed"}


@pytest.mark.parametrize("service", [TEXTRACT, REKOGNITION])
def test_form_and_moderation_without_answer_make_no_field(service: str) -> None:
    document = (
        samples.textract([samples.pair("a", "Name", "Ana")], [])
        if service == TEXTRACT
        else (samples.rekognition([("Gore", "", 90.0)], []))
    )
    for answer in document["humanAnswers"]:
        answer["answerContent"] = {}
    assert fields_of(document) == []


@pytest.mark.parametrize("name", NO_ANSWER)
@pytest.mark.parametrize("workers", [1, 3])
def test_element_without_answer_makes_no_field(name: str, workers: int) -> None:
    document = custom({name: "shown", "note": "shown"}, *[{"note": "ok"}] * workers)
    assert {field.name for field in fields_of(document)} == {"note"}
