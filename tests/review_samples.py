"""Outputs of A2I: functions that build small ones, and hypothesis strategies that generate them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from lambdas.reviews.event import CompletedLoop, StoppedLoop, parse_status_change
from lambdas.reviews.output import REKOGNITION, TEXTRACT, Output, parse_output
from lambdas.reviews.record import FieldRecord, ReviewRecord
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from workflow import ROOT

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/my-flow"


def answer(content: dict[str, Any], worker: str = "w1", minute: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "answerContent": content,
        "submissionTime": f"2026-03-01T10:{minute:02}:00.000Z",
        "workerId": worker,
        **more,
    }


def answers(*contents: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer(content, f"w{index}", index) for index, content in enumerate(contents)]


def custom(input_content: Any, *contents: dict[str, Any]) -> dict[str, Any]:
    """A custom task's output, one answer for each content."""
    return {
        "flowDefinitionArn": FLOW,
        "humanAnswers": answers(*contents),
        "humanLoopName": "loop-1",
        "inputContent": input_content,
    }


PLACES = ("by the element's name", "for the only element", "named like the element")
"""The places where a prediction for the element "e" can be."""


def with_prediction(place: str, prediction: Any, answered: Any) -> dict[str, Any]:
    """A custom task's output with one element, "e", one answer, and a prediction in one of the places."""
    input_content = {
        "by the element's name": {"prediction": {"e": prediction}},
        "for the only element": {"prediction": prediction},
        "named like the element": {"e": prediction},
    }[place]
    return custom(input_content, {"e": answered})


def rekognition(
    predicted: list[tuple[str, str, float]], *answered: list[tuple[str, str]], **more: Any
) -> dict[str, Any]:
    """A moderation output: predicted (name, parent, confidence of 0 to 100), and each worker's (name, parent)."""
    labels = [{"name": name, "parentName": parent, "confidence": score} for name, parent, score in predicted]
    contents = [
        {REKOGNITION: {"moderationLabels": [{"name": name, "parentName": parent} for name, parent in given]}}
        for given in answered
    ]
    response = {"moderationLabels": labels, "moderationModelVersion": "3.0"}
    return {
        "awsManagedHumanLoopRequestSource": REKOGNITION,
        "flowDefinitionArn": FLOW,
        "humanAnswers": answers(*contents),
        "humanLoopName": "loop-1",
        "inputContent": {
            "aiServiceRequest": {"image": {"s3Object": {"bucket": "images", "name": "cat.jpg"}}},
            "aiServiceResponse": response,
            "selectedAiServiceResponse": response,
            **more,
        },
    }


def word(id_: str, text: str, confidence: float = 99.0) -> dict[str, Any]:
    return {
        "blockType": "WORD",
        "id": id_,
        "text": text,
        "confidence": confidence,
        "geometry": {"polygon": []},
    }


def checkbox(id_: str, status: str, confidence: float = 99.0) -> dict[str, Any]:
    return {
        "blockType": "SELECTION_ELEMENT",
        "id": id_,
        "selectionStatus": status,
        "confidence": confidence,
    }


def key_value(
    id_: str, key: list[dict[str, Any]], value: list[dict[str, Any]], confidence: float = 90.0
) -> list[dict[str, Any]]:
    """A predicted pair: its KEY and VALUE block, and their words or check boxes."""
    return [
        {
            "blockType": "KEY_VALUE_SET",
            "id": f"{id_}-key",
            "entityTypes": ["KEY"],
            "confidence": confidence,
            "relationships": [
                {"type": "VALUE", "ids": [f"{id_}-value"]},
                {"type": "CHILD", "ids": [part["id"] for part in key]},
            ],
        },
        {
            "blockType": "KEY_VALUE_SET",
            "id": f"{id_}-value",
            "entityTypes": ["VALUE"],
            "confidence": confidence,
            "relationships": [{"type": "CHILD", "ids": [part["id"] for part in value]}],
        },
        *key,
        *value,
    ]


def pair(id_: str, key: str, value: str, confidence: float = 90.0) -> list[dict[str, Any]]:
    """A predicted pair of texts."""
    return key_value(
        id_,
        [word(f"{id_}-k{index}", text) for index, text in enumerate(key.split())],
        [word(f"{id_}-v{index}", text) for index, text in enumerate(value.split())],
        confidence,
    )


def answered_pair(id_: str, key: str | None, value: str | None, **value_more: Any) -> list[dict[str, Any]]:
    """A pair as a worker submits it: the blocks have the texts themselves."""
    return [
        {
            "blockType": "KEY_VALUE_SET",
            "id": f"{id_}-key",
            "entityTypes": ["KEY"],
            "relationships": [{"type": "VALUE", "ids": [f"{id_}-value"]}],
            "text": key,
        },
        {
            "blockType": "KEY_VALUE_SET",
            "id": f"{id_}-value",
            "entityTypes": ["VALUE"],
            "text": value,
            **value_more,
        },
    ]


def parts_of(id_: str, parts: Sequence[str]) -> list[dict[str, Any]]:
    """The parts of a value: a check box for SELECTED or NOT_SELECTED, a word for any other text."""
    return [
        checkbox(f"{id_}-p{index}", part) if part in STATUSES else word(f"{id_}-p{index}", part)
        for index, part in enumerate(parts)
    ]


def boxed_pair(id_: str, key: str, parts: Sequence[str]) -> list[dict[str, Any]]:
    """A predicted pair whose value contains check boxes."""
    return key_value(id_, [word(f"{id_}-k", key)], parts_of(id_, parts))


def answered_boxes(
    id_: str, key: str, parts: Sequence[str], text: str | None = None, **value_more: Any
) -> list[dict[str, Any]]:
    """A pair whose value contains check boxes, as a worker submits it."""
    made = parts_of(id_, parts)
    children = [{"type": "CHILD", "ids": [part["id"] for part in made]}]
    return [*answered_pair(id_, key, text, relationships=children, **value_more), *made]


STATUSES = ("SELECTED", "NOT_SELECTED")


def textract(
    predicted: list[list[dict[str, Any]]], *answered: list[list[dict[str, Any]]], **more: Any
) -> dict[str, Any]:
    """A form's output from predicted pairs and each worker's pairs."""
    blocks = [block for blocks in predicted for block in blocks]
    contents = [{TEXTRACT: {"blocks": [block for blocks in pairs for block in blocks]}} for pairs in answered]
    return {
        "awsManagedHumanLoopRequestSource": TEXTRACT,
        "flowDefinitionArn": FLOW,
        "humanAnswers": answers(*contents),
        "humanLoopName": "loop-1",
        "inputContent": {
            "aiServiceRequest": {"document": {"s3Object": {"bucket": "forms", "name": "a.png"}}},
            "aiServiceResponse": {"blocks": blocks, "documentMetadata": {"pages": 1}},
            "selectedAiServiceResponse": {"blocks": blocks},
            **more,
        },
    }


def parsed(document: Any) -> Output:
    return parse_output(json.dumps(document).encode())


def change(status: str = "Completed", **detail: Any) -> CompletedLoop | StoppedLoop:
    event = parse_status_change(
        {
            "detail": {
                "humanLoopName": "loop-1",
                "creationTime": "2026-03-01T09:59:00.123Z",
                "humanLoopStatus": status,
                "flowDefinitionArn": FLOW,
                "humanLoopOutput": {"outputS3Uri": "s3://outputs/my-flow/loop-1/output.json"},
                **detail,
            }
        }
    )
    assert isinstance(event, CompletedLoop | StoppedLoop)
    return event


def record_of(document: Any, stage: str = "dev", **settings: Any) -> ReviewRecord:
    return build_record(change(), parsed(document), ReviewSettings(**settings), stage)


def fields_of(document: Any, **settings: Any) -> list[FieldRecord]:
    return list(record_of(document, **settings).fields)


def values_by_field(fields: list[FieldRecord]) -> dict[str, tuple[Any, Any, str]]:
    """Returns (predicted, reviewed, outcome) by the name of the field."""
    return {
        field.name: (
            None if field.predicted is None else json.loads(field.predicted),
            None if field.reviewed is None else json.loads(field.reviewed),
            field.outcome,
        )
        for field in fields
    }


MIRROR = {"added": "removed", "removed": "added", "kept": "kept", "changed": "changed"}
"""The outcome if prediction and answer are swapped."""


# Hypothesis: from few values, so that matches and ties occur often.
_labels = st.sampled_from(["cat", "dog", "bird"])
texts = st.sampled_from(["", "Ana", "Ana  Silva", "Ana Silva", "1,50 €", "東京"])
_pixel = st.integers(0, 60)
_confidence = st.floats(0, 100)

boxes = st.lists(
    st.fixed_dictionaries(
        {"label": _labels, "left": _pixel, "top": _pixel, "width": _pixel, "height": _pixel}
    ),
    max_size=5,
)
entities = st.lists(
    st.fixed_dictionaries(
        {"label": _labels, "startOffset": st.integers(0, 20), "endOffset": st.integers(0, 20)}
    ),
    max_size=5,
)
keypoints = st.lists(st.fixed_dictionaries({"label": _labels, "x": _pixel, "y": _pixel}), max_size=5)
polygons = st.lists(
    st.fixed_dictionaries(
        {
            "label": _labels,
            "vertices": st.lists(st.fixed_dictionaries({"x": _pixel, "y": _pixel}), max_size=4),
        }
    ),
    max_size=2,
)

lines = st.lists(
    st.fixed_dictionaries(
        {
            "label": _labels,
            "vertices": st.lists(st.fixed_dictionaries({"x": _pixel, "y": _pixel}), min_size=2, max_size=3),
        }
    ),
    max_size=3,
)
masks = st.fixed_dictionaries(
    {"labeledImage": st.fixed_dictionaries({"pngImageData": st.sampled_from(["iVBO", "iVBP"])})},
    optional={
        "labelMappings": st.dictionaries(_labels, st.just({"color": "#fff"})),
        "initialValueModified": st.booleans(),
    },
)

ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "class": st.fixed_dictionaries({"label": _labels}),
    "classes": st.fixed_dictionaries({"labels": st.lists(_labels, unique=True)}),
    "boxes": st.fixed_dictionaries({"boundingBoxes": boxes}),
    "entities": st.fixed_dictionaries({"entities": entities}),
    "points": st.fixed_dictionaries({"keypoints": keypoints}),
    "polygons": st.fixed_dictionaries({"polygons": polygons}),
    "lines": st.fixed_dictionaries({"lines": lines}),
    "mask": masks,
    "checks": st.fixed_dictionaries({"on": st.booleans(), "maybe": st.booleans()}),
    "other": st.recursive(
        st.none() | st.integers(0, 3), lambda inner: st.lists(inner, max_size=3), max_leaves=4
    ),
}
_content = st.fixed_dictionaries({}, optional=ELEMENTS)


@st.composite
def custom_outputs(draw: st.DrawFn) -> dict[str, Any]:
    input_content = draw(
        st.fixed_dictionaries(
            {}, optional={"prediction": _content, "initialValue": boxes, "taskObject": texts}
        )
    )
    return custom(input_content, *draw(st.lists(_content, max_size=3)))


_LABELS = [("Violence", ""), ("Weapons", "Violence"), ("Gore", "Violence"), ("Suggestive", "")]


@st.composite
def rekognition_outputs(draw: st.DrawFn) -> dict[str, Any]:
    predicted = draw(st.lists(st.sampled_from(_LABELS), unique=True))
    answered = draw(st.lists(st.lists(st.sampled_from(_LABELS), unique=True), max_size=3))
    return rekognition([(name, parent, draw(_confidence)) for name, parent in predicted], *answered)


_KEYS = ["Name", "Name:", "Date", "Total amount"]

parts = st.lists(st.sampled_from([*STATUSES, "Yes", "No"]), max_size=4)


@st.composite
def textract_outputs(draw: st.DrawFn) -> dict[str, Any]:
    ids = st.sampled_from("abcd")
    key = st.sampled_from(_KEYS)
    predicted = draw(st.dictionaries(ids, st.tuples(key, texts | parts, _confidence), max_size=4))
    pairs = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(key, texts | parts), max_size=6)
    answered = draw(st.lists(pairs, max_size=3))
    return textract(
        [
            pair(id_, key, value, confidence) if isinstance(value, str) else boxed_pair(id_, key, value)
            for id_, (key, value, confidence) in predicted.items()
        ],
        *[
            [
                answered_pair(id_, key, value) if isinstance(value, str) else answered_boxes(id_, key, value)
                for id_, (key, value) in pairs.items()
            ]
            for pairs in answered
        ],
    )


OUTPUTS = {"custom": custom_outputs(), "rekognition": rekognition_outputs(), "textract": textract_outputs()}
any_output = st.one_of(*OUTPUTS.values())

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


STORED_REVIEW = {
    "human_loop_name": "loop",
    "flow_definition": "triage",
    "flow_definition_arn": "arn",
    "status": "Completed",
    "created_at": "2026-03-04T05:06:07.000Z",
    "completed_at": "2026-03-04T06:06:07.000Z",
    "task_type": "custom",
    "output_location": "s3://outputs/output.json",
    "activation_conditions": [],
    "answers": [],
    "fields": [],
    "agreement": None,
    "overruled": False,
    "seconds_spent": None,
}
"""The smallest review record, as it is stored, of a loop named "loop"."""

GOLDEN_REVIEWS = sorted((ROOT / "tests/unit/golden/reviews").glob("*.json"))
"""Review records as versions of Afterloop have stored them. Files are added there, and never changed."""


def later(document: dict[str, Any]) -> bytes:
    """A record as a later version of Afterloop can write it with the same `schema_version`."""
    document = json.loads(json.dumps(document))
    parts = [document, *document["answers"], *document["fields"]]
    parts += [part for field in document["fields"] for key in ("votes", "per_worker") for part in field[key]]
    for part in parts:
        part["a_new_key"] = {"with": ["a", "value"]}
    for field in document["fields"]:
        field["kind"] = "hologram"
    return json.dumps(document).encode()
