from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.loops.agreed_answer import of_review
from tests.review_samples import custom, fields_of, record_of

COLORS = {"Cat": {"color": "#ff7f0e"}, "Dog": {"color": "#2ca02c"}}
INSTANCES = [{"color": "#ff7f0e", "label": "Cat"}, {"color": "#2ca02c", "label": "Cat"}]
SIZE = {"inputImageProperties": {"width": 800, "height": 533}}
SHOWN = {"labelMappings": COLORS, "src": "s3://masks/1.png"}
SHOWN_INSTANCES = {"instances": INSTANCES, "src": "s3://masks/1.png"}


def mask(png: str = "iVBOR", modified: Any = None, **more: Any) -> dict[str, Any]:
    parts = more or {"labelMappings": COLORS}
    flag = {} if modified is None else {"initialValueModified": modified}
    return {"labeledImage": {"pngImageData": png}, **parts, **flag, **SIZE}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    "found",
    [
        {"initialValue": SHOWN},
        {"prediction": {"e": SHOWN}},
        {"e": SHOWN},
        {"prediction": {"e": "s3://masks/1.png"}},
        {"initialValue": SHOWN_INSTANCES},
    ],
)
@pytest.mark.parametrize(
    ("modified", "expected"),
    [(False, "kept"), (True, "changed"), (None, "answered"), ("maybe", "answered"), (1, "answered")],
)
def test_mask_is_kept_if_it_is_not_modified(
    found: dict[str, Any], modified: Any, expected: str, workers: int
) -> None:
    (field,) = fields_of(custom(found, *[{"e": mask(modified=modified)}] * workers))
    assert (field.name, field.kind, field.outcome) == ("e", "segmentation", expected)
    assert {one.outcome for one in field.per_worker} == {expected}
    assert field.predicted is None if expected == "answered" else "s3://masks/1.png" in str(field.predicted)


@pytest.mark.parametrize("modified", [False, True, None])
def test_mask_without_prediction_is_answered(modified: bool | None) -> None:
    (field,) = fields_of(custom({"image": "s3://images/1.jpg"}, {"e": mask(modified=modified)}))
    assert (field.outcome, field.predicted) == ("answered", None)


def test_same_image_as_predicted_is_kept() -> None:
    found = {"prediction": {"e": mask("same") | {"confidence": 0.8}}}
    (field,) = fields_of(custom(found, {"e": mask("same")}))
    assert (field.outcome, field.confidence) == ("kept", 0.8)
    (field,) = fields_of(custom(found, {"e": mask("other")}))
    assert field.outcome == "answered"


@pytest.mark.parametrize(
    ("parts", "labels"),
    [({"labelMappings": COLORS}, ["Cat", "Dog"]), ({"instances": INSTANCES}, ["Cat", "Cat"])],
)
def test_value_has_labels_and_digest_but_no_image(parts: dict[str, Any], labels: list[str]) -> None:
    png = "iVBOR" * 20_000
    record = record_of(custom({"initialValue": SHOWN}, {"e": mask(png, True, **parts)}))
    (field,) = record.fields
    assert field.reviewed is not None
    value = json.loads(field.reviewed)
    assert value["labels"] == labels
    assert len(value["digest"]) == 16
    assert len(field.model_dump_json()) < 1000
    assert of_review(record, "s3://reviews/1")["answers"] == {"e": value}


@pytest.mark.parametrize(
    ("workers", "outcome", "agreement"),
    [
        ([("a", False), ("a", False), ("b", True)], "kept", 2 / 3),
        ([("a", True), ("b", True), ("c", False)], "changed", None),
        ([("a", True), ("a", False)], "unresolved", 1 / 2),
    ],
)
def test_workers_vote_on_labels_and_on_what_they_modified(
    workers: list[tuple[str, bool]], outcome: str, agreement: float | None
) -> None:
    contents = [{"e": mask(png, modified)} for png, modified in workers]
    (field,) = fields_of(custom({"initialValue": SHOWN}, *contents))
    assert (field.outcome, field.agreement) == (outcome, agreement)


def test_agreement_of_different_masks_is_unknown() -> None:
    (field,) = fields_of(custom({}, *({"e": mask(png)} for png in "abc")))
    assert field.reviewed == '{"labels":["Cat","Dog"]}'
    assert field.agreement is None
    assert len({one.value for one in field.per_worker}) == 3


@pytest.mark.parametrize(
    "other", [{"words": "x"}, {"animal": {"label": "cat"}}, {"boxes": {"boundingBoxes": []}}]
)
def test_shown_mask_is_for_the_mask_only(other: dict[str, Any]) -> None:
    fields = fields_of(custom({"initialValue": SHOWN}, {"e": mask(modified=False), **other}))
    assert {field.name: field.outcome for field in fields if field.kind == "segmentation"} == {"e": "kept"}
    assert {field.outcome for field in fields if field.kind != "segmentation"} <= {"answered"}


@pytest.mark.parametrize(
    "odd",
    [
        mask() | {"labelMappings": ["Cat"]},
        mask() | {"labeledImage": {"url": "s3://x"}},
        {"labeledImage": "iVBOR", "labelMappings": COLORS},
        {"labelMappings": COLORS},
        mask(instances=[{"label": 7}, 7, {"color": "#fff"}]),
    ],
)
def test_mask_of_an_odd_form_is_answered(odd: dict[str, Any]) -> None:
    (field,) = fields_of(custom({"initialValue": SHOWN}, {"e": odd}))
    assert (field.kind, field.outcome) == ("segmentation", "answered")
