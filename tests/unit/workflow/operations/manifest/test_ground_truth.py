"""The checker of manifests takes AWS's own samples, and finds what is changed in them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.ground_truth import SAMPLES, problems_of_line, problems_of_manifest


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_the_documentation_have_no_problems(name: str) -> None:
    assert problems_of_line(SAMPLES[name]) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_without_any_one_key_of_its_metadata_has_a_problem(name: str) -> None:
    (attribute,) = (key for key in SAMPLES[name] if key.endswith("-metadata"))
    for key in SAMPLES[name][attribute]:
        line = copy.deepcopy(SAMPLES[name])
        del line[attribute][key]
        assert problems_of_line(line), key


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    line = copy.deepcopy(SAMPLES[name])
    change(line)
    return line


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("image classification", lambda line: line.pop("source-ref")),
    ("image classification", lambda line: line.update(source="both")),
    ("image classification", lambda line: line.update({"source-ref": "cat.jpg"})),
    ("image classification", lambda line: line.pop("species")),
    ("image classification", lambda line: line.update(species="dog")),
    ("image classification", lambda line: line["species-metadata"].update(confidence=2)),
    ("image classification", lambda line: line["species-metadata"].update({"creation-date": "2018-10-18"})),
    (
        "text classification",
        lambda line: line["mood-metadata"].update(type="groundtruth/image-classification"),
    ),
    ("text classification", lambda line: line["mood-metadata"].update(type="groundtruth/mood")),
    ("several labels", lambda line: line["image-label-attribute-name"].append(1)),
    ("several labels", lambda line: line["image-label-attribute-name"].append(2)),
    ("several labels", lambda line: line["image-label-attribute-name-metadata"]["confidence-map"].pop("8")),
    ("boxes", lambda line: line["bounding-box-attribute-name"].update(image_size=[])),
    ("boxes", lambda line: line["bounding-box-attribute-name"]["annotations"].pop()),
    ("boxes", lambda line: line["bounding-box-attribute-name"]["annotations"][0].update(class_id=3)),
    ("boxes", lambda line: line["bounding-box-attribute-name"]["annotations"][0].update(left=1.5)),
    ("boxes", lambda line: line["bounding-box-attribute-name"]["annotations"][0].update(width=0)),
    ("boxes", lambda line: line["bounding-box-attribute-name"]["annotations"][0].pop("top")),
    ("spans", lambda line: line["ner-labeling-job-attribute-name"]["annotations"]["labels"].pop()),
    ("spans", lambda line: line["ner-labeling-job-attribute-name"]["annotations"]["entities"].pop()),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_changed_sample_has_a_problem(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    assert problems_of_line(changed(name, change))


def test_class_ids_are_successive_and_the_same_in_all_lines() -> None:
    dog = SAMPLES["image classification"]
    cat = changed("image classification", lambda line: line.update(species="1"))
    cat["species-metadata"]["class-name"] = "cat"
    assert problems_of_manifest([dog, cat]) == []
    assert "not successive" in problems_of_manifest([cat])[0]
    cat["species"] = "0"
    assert "several labels" in problems_of_manifest([dog, cat])[0]
    cat["species"], cat["species-metadata"]["class-name"] = "1", "dog"
    assert "several class IDs" in problems_of_manifest([dog, cat])[0]
