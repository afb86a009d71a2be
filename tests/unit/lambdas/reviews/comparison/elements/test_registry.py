from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from typing import Any, get_args

import pytest
from hypothesis import given

from lambdas.reviews.comparison import compare, elements
from lambdas.reviews.comparison.elements import Element, element_of_kind, parse_element
from lambdas.reviews.comparison.elements.boxes import BoundingBoxes
from lambdas.reviews.comparison.elements.checks import Checks
from lambdas.reviews.comparison.elements.classification import Classification
from lambdas.reviews.comparison.elements.drawn import Drawn
from lambdas.reviews.comparison.elements.keypoints import Keypoints
from lambdas.reviews.comparison.elements.labels import LabelSet
from lambdas.reviews.comparison.elements.lines import Lines
from lambdas.reviews.comparison.elements.other import Other
from lambdas.reviews.comparison.elements.polygons import Polygons
from lambdas.reviews.comparison.elements.segmentation import Segmentation
from lambdas.reviews.comparison.elements.spans import Entities
from lambdas.reviews.comparison.elements.text import Text
from lambdas.reviews.record import DRAWN, Kind
from tests import review_samples as samples

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("some text", Text),
        ({"label": "dog"}, Classification),
        ({"label": "dog", "workerComment": "sure"}, Classification),
        ({"labels": ["dog", "cat"]}, LabelSet),
        (
            {"boundingBoxes": [{"left": 1, "top": 2.5, "width": 3, "height": 4, "label": "dog"}]},
            BoundingBoxes,
        ),
        ({"boundingBoxes": [], "inputImageProperties": {"width": 1, "height": 2}}, BoundingBoxes),
        ({"entities": [{"startOffset": 0, "endOffset": 4, "label": "person"}]}, Entities),
        ({"keypoints": [{"label": "eye", "x": 1, "y": 2}]}, Keypoints),
        ({"polygons": [{"label": "dog", "vertices": [{"x": 1, "y": 2}]}]}, Polygons),
        ({"on": True}, Checks),
        ({"blurry": True, "dim": False}, Checks),
        ({"label": True}, Checks),
        ({}, Other),
        (None, Other),
        (7, Other),
        ({"lines": [{"label": "side", "vertices": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}]}, Lines),
        ({"polylines": [], "inputImageProperties": {"width": 1, "height": 2}}, Lines),
        (
            {"labeledImage": {"pngImageData": "iVBOR"}, "labelMappings": {"Cat": {"color": "#ff7f0e"}}},
            Segmentation,
        ),
        (
            {"labeledImage": {"pngImageData": "iVBOR"}, "instances": [{"color": "#fff", "label": "Cat"}]},
            Segmentation,
        ),
        ({"labels": [{}]}, Other),
        ({"label": "ok", "score": 3}, Other),
        ({"boundingBoxes": [{"left": "x"}]}, Other),
        ({"labeledImage": 7}, Other),
    ],
)
def test_element_type_follows_from_value(value: Any, model: type) -> None:
    element = parse_element(value)
    assert type(element) is model
    if isinstance(element, Other):
        assert element.value == value
    elif isinstance(element, Checks):
        assert element.checked == value
    elif not isinstance(element, Text):
        assert element.model_dump(by_alias=True, exclude_unset=True) == value  # nothing is lost


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ({"label": "a", "labels": ["a", "b"]}, LabelSet),
        ({"label": "a", "labels": [{}]}, Classification),
        ({"label": "a", "boundingBoxes": [BOX], "labels": ["a"]}, BoundingBoxes),
    ],
)
def test_value_with_keys_of_several_elements_has_one_type(value: Any, model: type) -> None:
    assert type(parse_element(value)) is model
    assert type(parse_element(dict(reversed(value.items())))) is model
    code = (
        "from lambdas.reviews.comparison.elements import parse_element; "
        f"print(type(parse_element({value!r})).__name__)"
    )
    for seed in "012":
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert run.stdout.strip() == model.__name__, run.stderr


def _subclasses(of: type[Element]) -> set[type[Element]]:
    return set(of.__subclasses__()).union(*map(_subclasses, of.__subclasses__()))


def test_registry_has_one_element_per_kind_and_module() -> None:
    registered = {kind: element_of_kind(kind) for kind in get_args(Kind)}
    assert {kind: element.kind for kind, element in registered.items()} == {kind: kind for kind in registered}
    assert len(set(registered.values())) == len(registered)
    assert {kind for kind, element in registered.items() if issubclass(element, Drawn)} == DRAWN

    rooms = [module.name for module in pkgutil.iter_modules(elements.__path__, f"{elements.__name__}.")]
    for room in rooms:
        __import__(room)
    assert set(registered.values()) == {one for one in _subclasses(Element) if hasattr(one, "kind")}
    assert {element.__module__ for element in registered.values()} == {*rooms} - {
        f"{elements.__name__}.drawn"
    }


@given(samples.custom_outputs())
def test_element_makes_fields_of_its_kind(document: dict[str, Any]) -> None:
    output = samples.parsed(document)
    answered = {name for answer in output.human_answers for name in answer.elements}
    kinds = {
        name: elements.element_of([answer.elements.get(name) for answer in output.human_answers]).kind
        for name in answered
    }
    for row in compare(output).rows:
        # None of the names has a slash.
        kind = kinds[row.name.partition("/")[0]]
        # Which of the two it is follows from all answers and the prediction.
        assert row.kind == kind or (kind, row.kind) == ("selection", "choice")


def test_answer_imports_only_its_elements() -> None:
    document = samples.custom({"prediction": "a"}, {"comment": "b"})
    code = (
        "import json, sys\n"
        "from lambdas.reviews.comparison import compare\n"
        "from lambdas.reviews.output import parse_output\n"
        f"compare(parse_output({json.dumps(document).encode()!r}))\n"
        "print(json.dumps([name for name in sys.modules if 'comparison.' in name]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.removeprefix("lambdas.reviews.comparison.") for name in json.loads(run.stdout)}
    assert imported == {"rows", "values", "custom", "answered", "elements", "elements.text"}
