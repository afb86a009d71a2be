"""A filled-in form gives what the crowd element gives, to the byte; what is wrong is said, and nothing is lost.

The outputs are the samples of Amazon's Crowd HTML Elements Reference, and the answers of the sandbox's samples.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.posted import Posted
from console.worker_tasks.description import (
    InvalidDescription,
    TaskDescription,
    as_json,
    elements_of,
    fill,
    parse_description,
)
from console.worker_tasks.elements import Shown
from console.worker_tasks.elements.anything import SAMPLES
from console.worker_tasks.elements.boxes import BoundingBox
from console.worker_tasks.elements.choice import Choice
from console.worker_tasks.elements.classification import Classifier
from console.worker_tasks.elements.spans import EntityAnnotation
from console.worker_tasks.elements.text import Text
from lambdas.loops.visible import visible_lines
from lambdas.reviews.comparison.elements import is_odd_element, parse_element
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from workflow import ROOT

DOGS = BoundingBox(element="crowd-bounding-box", name="annotatedResult", labels=("Cat", "Dog"))
CORRECTED = BoundingBox(
    element="crowd-bounding-box", name="animals", labels=("Cat", "Dog"), initial_value="prediction"
)
PARTS = EntityAnnotation(
    element="crowd-entity-annotation", name="parts", labels=("person", "date"), initial_value="prediction"
)
PHOTO = Shown({}, (800, 533))


def answered(element: Any, shown: Shown, fields: dict[str, str] | None) -> tuple[Any, str | None]:
    """Returns the view, and the answer as A2I would write it; None if the form has to be corrected."""
    posted = None if fields is None else Posted((f"e0-{name}", value) for name, value in fields.items())
    (filled,), answer = fill((element,), shown, posted)
    return filled.view, json.dumps(answer, separators=(",", ":")) if filled.is_valid else None


def box(number: int, label: int | str, left: Any, top: Any, width: Any, height: Any) -> dict[str, str]:
    values = {"label": label, "left": left, "top": top, "width": width, "height": height}
    return {f"box-{number}-{name}": str(value) for name, value in values.items()}


def span(number: int, label: int | str, start: Any, end: Any) -> dict[str, str]:
    return {
        f"span-{number}-{name}": str(v) for name, v in {"label": label, "start": start, "end": end}.items()
    }


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (
            box(0, 1, 243, 117, 187, 401),
            '{"annotatedResult":{"boundingBoxes":[{"height":401,"label":"Dog","left":243,"top":117,"width":187}],'
            '"inputImageProperties":{"height":533,"width":800}}}',
        ),
        (
            box(0, 1, 241, 125, 158, 395) | box(1, 0, 699, 116, 101, 298),
            '{"annotatedResult":{"boundingBoxes":[{"height":395,"label":"Dog","left":241,"top":125,"width":158},'
            '{"height":298,"label":"Cat","left":699,"top":116,"width":101}],'
            '"inputImageProperties":{"height":533,"width":800}}}',
        ),
        ({}, '{"annotatedResult":{"boundingBoxes":[],"inputImageProperties":{"height":533,"width":800}}}'),
        # A row without a label is no box, whatever its numbers.
        (
            box(3, "", 1, 1, 1, ""),
            '{"annotatedResult":{"boundingBoxes":[],"inputImageProperties":{"height":533,"width":800}}}',
        ),
    ],
)  # fmt: skip
def test_boxes_give_the_samples_of_the_reference(fields: dict[str, str], written: str) -> None:
    assert answered(DOGS, PHOTO, fields)[1] == written


@pytest.mark.parametrize(
    ("given_box", "problem"),
    [
        (box(0, 1, "", 1, 5, 5), "Enter a number of pixels for left."),
        (box(0, 1, "1e3", "nan", 5, 5), "Enter a number of pixels for left and top."),
        (box(0, 1, 1, 1, 0, 5), "no area"),
        (box(0, 1, -1, 1, 5, 5), "beyond the image, which is 800 by 533 pixels"),
        (box(0, 1, 796, 1, 5, 5), "beyond the image"),
        (box(0, 1, 1, 529, 5, 5), "beyond the image"),
    ],
)
def test_wrong_box_is_said_beside_it_and_kept(given_box: dict[str, str], problem: str) -> None:
    view, written = answered(DOGS, PHOTO, given_box | box(1, 0, 1, 1, 2, 2))
    assert written is None
    assert problem in view.boxes[0].problem
    assert view.boxes[1].problem is None
    assert [view.boxes[0].left, view.boxes[0].top] == [given_box["box-0-left"], given_box["box-0-top"]]


def test_predicted_boxes_are_shown_and_modified_is_reported() -> None:
    predicted = [
        {"label": "Dog", "left": 1.25, "top": 2, "width": 3.0, "height": 4, "confidence": 0.9},
        "odd",
    ]
    shown = Shown({"prediction": predicted}, (800, 533))
    view, kept = answered(CORRECTED, shown, None)
    rows = [(row.label, row.left, row.top, row.width, row.height) for row in view.boxes]
    assert rows == [(1, "1.25", "2", "3", "4")]
    fields = box(0, 1, "1.25", 2, 3, 4)
    assert answered(CORRECTED, shown, fields)[1] == kept
    assert kept is not None
    assert '"boundingBoxes":[{"height":4,"label":"Dog","left":1.25,"top":2,"width":3}]' in kept
    for other, modified in ((fields, False), ({}, True), (fields | box(1, 0, 1, 1, 1, 1), True)):
        _, written = answered(CORRECTED, shown, other)
        assert written is not None
        assert json.loads(written)["animals"]["initialValueModified"] is modified


def test_boxes_without_a_readable_image_refer_to_json() -> None:
    view, written = answered(DOGS, Shown({}, None), box(0, 1, 1, 1, 1, 1))
    assert (written, view.problem) == (
        None,
        "The image cannot be read, so its size in pixels is not known. Answer as JSON.",
    )


SHARED = "It shares a part of the text with another span: remove one, or change where it starts or ends."
NO_PART = "The text has no such part: start is before end, and the text ends at 25."
TEXT = "Ann 🐦 met Bob\r\non 14 May."


@pytest.mark.parametrize(
    ("fields", "entities"),
    [
        (span(0, 0, 0, 3), [(3, "person", 0)]),
        # Offsets count characters, not bytes or halves of surrogate pairs; the answer is in the order of the text.
        (span(0, 1, 18, 24) | span(1, 0, 10, 13), [(13, "person", 10), (24, "date", 18)]),
        ({}, []),
        (span(0, "", 0, 3), []),
    ],
)
def test_spans_give_the_form_of_the_reference(
    fields: dict[str, str], entities: list[tuple[int, str, int]]
) -> None:
    view, written = answered(PARTS, Shown({}, text=TEXT), fields)
    found = [{"endOffset": end, "label": label, "startOffset": start} for end, label, start in entities]
    assert written == json.dumps({"parts": {"entities": found}}, separators=(",", ":"))
    assert "".join(token.text for token in view.tokens) == TEXT
    marked = {row.text for row in view.spans if row.label is not None}
    assert marked == {TEXT[start:end] for end, _, start in entities}


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        (span(0, 0, "x", 3), ["Enter whole numbers for start and end."]),
        (span(0, 0, 3, 3), [NO_PART]),
        (span(0, 0, 0, 999), [NO_PART]),
        (span(0, 0, 0, 9) | span(1, 1, 8, 9), [None, SHARED]),
    ],
)  # fmt: skip
def test_wrong_span_is_said_beside_it_and_kept(fields: dict[str, str], problems: list[str | None]) -> None:
    view, written = answered(PARTS, Shown({}, text=TEXT), fields)
    assert written is None
    assert [row.problem for row in view.spans] == problems
    assert view.spans[0].start == fields["span-0-start"]


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 31), st.integers(0, 31)), max_size=4))
def test_tokens_are_the_text_and_spans_have_ends_at_tokens(text: str, ends: list[tuple[int, int]]) -> None:
    fields: dict[str, str] = {}
    for number, (start, end) in enumerate(ends):
        fields |= span(number, 0, start, end)
    view, written = answered(PARTS, Shown({}, text=text), fields)
    assert "".join(token.text for token in view.tokens) == text
    assert [text[token.start : token.end] for token in view.tokens] == [token.text for token in view.tokens]
    if written is not None:
        for entity in json.loads(written)["parts"]["entities"]:
            inside = [
                token
                for token in view.tokens
                if entity["startOffset"] <= token.start and token.end <= entity["endOffset"]
            ]
            assert (inside[0].start, inside[-1].end) == (entity["startOffset"], entity["endOffset"])
            assert {token.label for token in inside} == {0}


MANY = ("bird", "cat", "dog")


@pytest.mark.parametrize(
    ("element", "fields", "written"),
    [
        (
            Classifier(element="crowd-classifier", name="category", categories=MANY),
            {"option": "1"},
            '{"category":{"label":"cat"}}',
        ),
        (
            Choice(element="crowd-radio-button", name="animal", options=("dog", "cat", "bird")),
            {"option": "0"},
            '{"animal":{"bird":false,"cat":false,"dog":true}}',
        ),
        (
            Choice(element="crowd-radio-group", name="topic", options=("tech", "politics")),
            {"option": "0"},
            '{"politics":{"politics":false},"tech":{"tech":true}}',
        ),
        (
            Choice(element="crowd-radio-button", name="animal", options=("cat", "dog"), required=False),
            {},
            '{"animal":{"cat":false,"dog":false}}',
        ),
        (Text(element="crowd-input", name="input1"), {"text": "an answer"}, '{"input1":"an answer"}'),
        (Text(element="crowd-text-area", name="why"), {"text": "one\r\ntwo"}, '{"why":"one\\ntwo"}'),
        (Text(element="crowd-input", name="input1"), {"text": " "}, "{}"),
        (
            Classifier(element="crowd-classifier", name="category", categories="labels"),
            {"option": "0"},
            '{"category":{"label":"from the input"}}',
        ),
    ],
)
def test_choices_and_texts_give_the_form_of_the_reference(
    element: Any, fields: dict[str, str], written: str
) -> None:
    assert answered(element, Shown({"labels": ["from the input"]}), fields)[1] == written


@pytest.mark.parametrize(
    ("element", "fields", "problem"),
    [
        (Classifier(element="crowd-classifier", name="category", categories=MANY), {}, "Choose one."),
        (Classifier(element="crowd-classifier", name="category", categories=MANY), {"option": "3"}, "Choose one."),
        (Choice(element="crowd-radio-button", name="animal", options=MANY), {"option": "x"}, "Choose one."),
        (Text(element="crowd-input", name="input1", required=True), {"text": " "}, "Enter a text."),
        (
            Classifier(element="crowd-classifier", name="category", categories="no.where"),
            {"option": "0"},
            "The input has no list of labels at 'no.where', so there is nothing to choose. Answer as JSON.",
        ),
    ],
)  # fmt: skip
def test_missing_choice_is_said(element: Any, fields: dict[str, str], problem: str) -> None:
    view, written = answered(element, Shown({"labels": [1]}), fields)
    assert (view.problem, written) == (problem, None)
    if "no list" not in problem:
        assert answered(element, Shown({}), None)[0].problem is None  # not before the form is submitted


MODERATED = {
    "selectedAiServiceResponse": {
        "moderationLabels": [
            {"confidence": 96.7, "name": "Suggestive", "parentName": ""},
            {"confidence": 91.2, "name": "Female Swimwear", "parentName": "Suggestive"},
            {"confidence": 1},
        ]
    }
}


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"label-1": "on"}, [{"name": "Female Swimwear", "parentName": "Suggestive"}]),
        ({"none": "on"}, []),
        ({}, None),
        ({"none": "on", "label-0": "on"}, None),
    ],
)
def test_moderation_gives_labels_that_apply(fields: dict[str, str], labels: list[Any] | None) -> None:
    (element,) = elements_of(REKOGNITION, None)
    view, written = answered(element, Shown(MODERATED), fields)
    assert (None if written is None else json.loads(written)) == (
        None if labels is None else {REKOGNITION: {"moderationLabels": labels}}
    )
    assert (view.problem is None) == (labels is not None)
    assert [category.checked for category in view.categories] == ["label-0" in fields, "label-1" in fields]


def block(id_: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"blockType": kind, "id": id_, **more}


FORM = {
    "selectedAiServiceResponse": {
        "blocks": [
            block(
                "k1",
                "KEY_VALUE_SET",
                entityTypes=["KEY"],
                relationships=[{"type": "VALUE", "ids": ["v1"]}, {"type": "CHILD", "ids": ["w1", "w2"]}],
                geometry={"boundingBox": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.1}},
            ),
            block("w1", "WORD", text="Foo"),
            block("w2", "WORD", text="bar"),
            block(
                "v1",
                "KEY_VALUE_SET",
                entityTypes=["VALUE"],
                relationships=[{"type": "CHILD", "ids": ["w3", "gone"]}],
            ),
            block("w3", "WORD", text="a\u202eb"),
            "odd",
            block(
                "k2", "KEY_VALUE_SET", entityTypes=["KEY"], relationships=[{"type": "VALUE", "ids": ["v2"]}]
            ),
            block(
                "v2", "KEY_VALUE_SET", entityTypes=["VALUE"], relationships=[{"type": "CHILD", "ids": ["s"]}]
            ),
            block("s", "SELECTION_ELEMENT", selectionStatus="SELECTED"),
        ]
    }
}


def test_form_gives_the_blocks_of_the_reference() -> None:
    (element,) = elements_of(TEXTRACT, None)
    view, written = answered(element, Shown(FORM), None)
    assert [(pair.key, pair.values[0].text, pair.values[0].checks) for pair in view.pairs] == [
        ("Foo bar", "a\u202eb", ()),
        ("", None, (True,)),
    ]
    assert view.pairs[0].areas[0].left == 0.1
    assert written is not None
    key, value, *_ = json.loads(written)[TEXTRACT]["blocks"]
    assert key == {
        "blockType": "KEY_VALUE_SET",
        "entityTypes": ["KEY"],
        "id": "k1",
        "relationships": [{"ids": ["v1"], "type": "VALUE"}, {"ids": ["w1", "w2"], "type": "CHILD"}],
        "text": "Foo bar",
    }
    assert value["text"] == "a\u202eb"
    # The page shows the control character as an escape; who does not change the field has not changed the value.
    same = {"pair-0-value-0": r"a\u202Eb", "pair-1-value-0-check-0": "on"}
    assert answered(element, Shown(FORM), same)[1] == written
    _, other = answered(element, Shown(FORM), {"pair-0-value-0": "", "pair-1-missing": "on"})
    assert other is not None
    blocks = json.loads(other)[TEXTRACT]["blocks"]
    assert [(one["id"], one["text"]) for one in blocks] == [("k1", "Foo bar"), ("v1", "")]
    _, cleared = answered(element, Shown(FORM), {})
    assert cleared is not None
    assert json.loads(cleared)[TEXTRACT]["blocks"][-1] == {
        "blockType": "SELECTION_ELEMENT",
        "id": "s",
        "selectionStatus": "NOT_SELECTED",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": }', "This is not JSON: Expecting value, in line 1, column 7."),
        ("[1]", "An answer is a JSON object"),
        ('{"a": NaN}', "This is not JSON: NaN is not valid in JSON."),
        ("[" * 100_000, "This is not JSON: maximum recursion depth exceeded"),
        ('{"a": {"boundingBoxes": 1}}', "'a' has the keys of a crowd element, but not its form"),
    ],
)
def test_wrong_json_is_said_and_kept(text: str, problem: str) -> None:
    (element,) = elements_of(None, None)
    view, written = answered(element, Shown({}), {"text": text})
    assert written is None
    assert view.text == text
    assert problem in view.problem


def test_samples_of_json_have_the_form_of_their_elements() -> None:
    (element,) = elements_of(None, None)
    for name, sample in SAMPLES.items():
        _, written = answered(element, Shown({}), {"text": json.dumps(sample)})
        assert written is not None, name
        assert not any(
            is_odd_element(value) and parse_element(value).kind == "other" for value in sample.values()
        )


def test_json_that_is_not_changed_is_the_answer_of_the_page() -> None:
    hidden = "a\x7f\u202e\ud800\x1b"
    shown = Shown({"prediction": [{"label": hidden, "startOffset": 0, "endOffset": 2}]}, text="some text")
    (filled,), _ = as_json((PARTS,), shown, None)
    on_page = visible_lines(filled.view.text)  # type: ignore[attr-defined]
    _, answer = as_json((PARTS,), shown, Posted([("e0-text", on_page.encode().decode())]))
    assert answer == fill((PARTS,), shown, None)[1]
    assert answer["parts"]["entities"][0]["label"] == hidden


def test_json_begins_with_the_answer_of_the_page() -> None:
    elements = (Classifier(element="crowd-classifier", name="kind", categories=MANY), CORRECTED)
    shown = Shown(
        {"prediction": [{"label": "Dog", "left": 1, "top": 2, "width": 3, "height": 4}]}, (800, 533)
    )
    (filled,), _ = as_json(elements, shown, None)
    _, expected = fill(elements, shown, None)
    assert json.loads(filled.view.text) == expected  # type: ignore[attr-defined]
    assert expected["animals"]["initialValueModified"] is False


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        ({}, "elements: Field required"),
        ({"elements": [{"element": "crowd-slider", "name": "a"}]}, "elements.0: Input tag 'crowd-slider'"),
        ({"elements": [{"element": "crowd-input", "name": "a"}] * 2}, "two elements have the name 'a'"),
        (
            {"elements": [{"element": "crowd-bounding-box", "name": "a", "labels": ["b"]}]},
            "'a' is about an image: say in `picture` where its S3 URI is",
        ),
        (
            {"elements": [{"element": "crowd-entity-annotation", "name": "a", "labels": "b"}]},
            "'a' is about a text: say in `text` where it is",
        ),
        ("x", "valid dictionary"),
    ],
)
def test_invalid_description_is_refused(described: Any, problem: str) -> None:
    with pytest.raises(InvalidDescription) as refused:
        parse_description(described)
    assert problem in str(refused.value)


def test_description_is_the_same_after_json() -> None:
    described = TaskDescription(
        elements=(CORRECTED, PARTS), picture="taskObject", text="text", instructions="a"
    )
    assert parse_description(described.model_dump(mode="json", by_alias=True)) == described


def test_page_about_tasks_names_every_key_of_a_description() -> None:
    page = (ROOT / "docs/how-to/answer-tasks.md").read_text()
    for model in (TaskDescription, BoundingBox, Choice, Classifier, EntityAnnotation, Text):
        keys = {field.alias for field in model.model_fields.values()}
        elements = get_args(model.model_fields["element"].annotation) if "element" in keys else ()
        assert [key for key in (*keys, *elements) if f"`{key}`" not in page] == []
