"""Sample predictions and answers, with the structure that the real services return.

Among the samples are a job application read by Textract, an image moderated by Rekognition, and, for custom models, a
support message to classify, an animal to choose a name for, animals to draw boxes around, and an order with spans to
mark. Each has the answers of three workers. `form`, `form_answer` and `moderation_answer` create more.

    sandbox.client("textract").analyze_document(
        Document=JOB_APPLICATION.upload(sandbox.client("s3"), "documents"), FeatureTypes=["FORMS"], HumanLoopConfig=…
    )
    sandbox.loops.answer(name, JOB_APPLICATION.answers[0])
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.worker_tasks.elements.form import Pair, answer, pairs
from lambdas.reviews.output import REKOGNITION
from lambdas.reviews.record import TaskType
from sandbox import pictures
from sandbox.protocol import camel_case

__all__ = [
    "ANIMALS",
    "ANIMAL_NAME",
    "INVOICE",
    "JOB_APPLICATION",
    "MODERATION",
    "ORDER",
    "SUPPORT_MESSAGE",
    "Field",
    "Sample",
    "TaskType",
    "form",
    "form_answer",
    "moderation_answer",
]


@dataclass(frozen=True)
class Sample:
    """A prediction and the answers of three workers.

    Attributes:
        name: The name, also of its object in S3 (plus the extension).
        task_type: `textract`, `rekognition` or `custom`.
        prediction: The service's response, as boto3 returns it. For a custom task, the InputContent.
        answers: The answerContent of each worker.
        conditions: Activation conditions that are true for it, as JSON. None for a custom task.
        actual: For a form, what the document really says, by key, where Textract read something else.
        draw: Draws the image, as PNG. None for a form, which is drawn from the prediction, and for a text.
    """

    name: str
    task_type: TaskType
    prediction: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    conditions: str | None = None
    actual: Mapping[str, str | bool] = dataclasses.field(default_factory=dict)
    draw: Callable[[], bytes] | None = None

    @property
    def has_picture(self) -> bool:
        """Whether it is about a document or an image, which needs a bucket."""
        return self.draw is not None or self.task_type == "textract"

    @property
    def input_content(self) -> str:
        """The InputContent of a StartHumanLoop call for a text, as JSON."""
        return json.dumps(self.prediction)

    def content(self, s3: Any, bucket: str) -> dict[str, Any]:
        """Returns the InputContent for a custom task. If it is about an image, uploads that.

        Args:
            s3: A boto3 client for S3.
            bucket: An existing bucket.
        """
        if self.draw is None:
            return self.prediction
        place = self.upload(s3, bucket)["S3Object"]
        return {"taskObject": f"s3://{place['Bucket']}/{place['Name']}", **self.prediction}

    def upload(self, s3: Any, bucket: str) -> dict[str, Any]:
        """Uploads the document or image.

        Args:
            s3: A boto3 client for S3.
            bucket: An existing bucket.

        Returns:
            The Document or Image parameter for the object.
        """
        key = f"{self.name}.png"
        s3.put_object(Bucket=bucket, Key=key, Body=self.picture(), ContentType="image/png")
        return {"S3Object": {"Bucket": bucket, "Name": key}}

    def picture(self) -> bytes:
        """Returns the document or image, as PNG."""
        if self.draw is not None:
            return self.draw()
        if self.task_type == "textract":
            return pictures.form_page(self.prediction, self.actual)
        return pictures.blank()


@dataclass(frozen=True)
class Field:
    """A field of a form, as Textract reads it.

    Attributes:
        key: The printed label, with its colon.
        value: The words in the field. True or False for a check box.
        confidence: The confidence that key and value belong together, 0 to 100.
        word_confidence: The confidence of each word of the value, or of the check box's state.
        handwritten: Whether the value is handwritten.
    """

    key: str
    value: str | bool
    confidence: float = 97.5
    word_confidence: float = 98.9
    handwritten: bool = True


def form(fields: Sequence[Field], title: str = "") -> dict[str, Any]:
    """Returns the response of AnalyzeDocument with FORMS for a page with these fields, one below the other."""
    page: dict[str, Any] = {
        "BlockType": "PAGE",
        "Geometry": _geometry(0, 0, 1, 1),
        "Id": _id("page", title, *(field.key for field in fields)),
    }
    lines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    if title:
        _add_line(title, 0.1, 0.05, 99.8, "PRINTED", page["Id"], lines, words)
    for row, field in enumerate(fields):
        top = 0.15 + row * 0.8 / max(len(fields), 1)
        key_words, key_width = _add_line(field.key, 0.1, top, 99.2, "PRINTED", page["Id"], lines, words)
        if isinstance(field.value, bool):
            value_children, value_width = [_add_check_box(field, top, page["Id"], words)], _CHECK_BOX[0]
        else:
            style = "HANDWRITING" if field.handwritten else "PRINTED"
            value_children, value_width = _add_line(
                field.value, 0.5, top, field.word_confidence, style, page["Id"], lines, words
            )
        value = _key_value_block("VALUE", field, (0.5, top, value_width), page["Id"], value_children)
        key = _key_value_block("KEY", field, (0.1, top, key_width), page["Id"], key_words)
        key["Relationships"].insert(0, {"Type": "VALUE", "Ids": [value["Id"]]})
        pairs += [key, value]
    children = [block["Id"] for block in (*lines, *pairs)]
    page["Relationships"] = [{"Type": "CHILD", "Ids": children}]
    return {
        "DocumentMetadata": {"Pages": 1},
        "Blocks": [page, *lines, *words, *pairs],
        "AnalyzeDocumentModelVersion": "1.0",
    }


def form_answer(
    prediction: Mapping[str, Any], changes: Mapping[str, str | bool] | None = None
) -> dict[str, Any]:
    """Returns a worker's answer to a form: each field as predicted, except for the changes.

    An answer repeats keys and values as KEY_VALUE_SET blocks with their text, and a check box as a separate block.

    Args:
        prediction: The response of AnalyzeDocument.
        changes: Key of the form → the value that the worker typed, or the state of the check box.

    Raises:
        ValueError: The form does not have such a key.
    """
    remaining = dict(changes or {})
    found = [
        _changed(pair, remaining.pop(pair.key, None))
        for pair in pairs({"aiServiceResponse": camel_case(prediction)})
    ]
    if remaining:
        raise ValueError(f"the form has no key {', '.join(map(repr, remaining))}")
    return answer(found)


def _changed(pair: Pair, change: str | bool | None) -> Pair:
    if change is None:
        return pair
    values = (
        dataclasses.replace(
            value,
            text=change if isinstance(change, str) else value.text,
            checks=tuple(dataclasses.replace(check, is_selected=bool(change)) for check in value.checks),
        )
        for value in pair.values
    )
    return dataclasses.replace(pair, values=tuple(values))


def moderation_answer(labels: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Returns a worker's answer to a moderation task: the labels (name, name of the parent or "") that apply."""
    found = [{"name": name, "parentName": parent} for name, parent in labels]
    return {REKOGNITION: {"moderationLabels": found}}


_STATES = {True: "SELECTED", False: "NOT_SELECTED"}

_CHARACTER_WIDTH = 0.012
_LINE_HEIGHT = 0.022
_LINE_END = 0.97
_CHECK_BOX = (0.028, 0.0216)
"""Parts of the width and the height of the page."""


def _key_value_block(
    kind: str, field: Field, at: tuple[float, float, float], page: str, children: Sequence[str]
) -> dict[str, Any]:
    return {
        "BlockType": "KEY_VALUE_SET",
        "Confidence": field.confidence,
        "EntityTypes": [kind],
        "Geometry": _geometry(*at, _LINE_HEIGHT),
        "Id": _id(page, kind, field.key),
        "Relationships": [{"Type": "CHILD", "Ids": list(children)}] if children else [],
    }


def _add_line(
    text: str,
    left: float,
    top: float,
    confidence: float,
    style: str,
    page: str,
    lines: list[dict[str, Any]],
    words: list[dict[str, Any]],
) -> tuple[list[str], float]:
    """Adds a LINE block and its WORD blocks. Returns the IDs of the words, and the width of the line."""
    ids = []
    at = left
    # A page has room for 43 characters on each half. Longer lines are written smaller.
    character = min(_CHARACTER_WIDTH, (_LINE_END - left) / max(len(text), 1))
    for index, word in enumerate(text.split()):
        ids.append(_id(page, "WORD", str(left), str(top), str(index), word))
        words.append(
            {
                "BlockType": "WORD",
                "Confidence": round(confidence - 0.15 * index, 4),
                "Geometry": _geometry(at, top, character * len(word), _LINE_HEIGHT),
                "Id": ids[-1],
                "Text": word,
                "TextType": style,
            }
        )
        at += character * (len(word) + 1)
    width = at - character - left if ids else _CHECK_BOX[0]
    if ids:
        lines.append(
            {
                "BlockType": "LINE",
                "Confidence": confidence,
                "Geometry": _geometry(left, top, width, _LINE_HEIGHT),
                "Id": _id(page, "LINE", str(left), str(top)),
                "Relationships": [{"Type": "CHILD", "Ids": list(ids)}],
                "Text": text,
            }
        )
    return ids, width


def _add_check_box(field: Field, top: float, page: str, words: list[dict[str, Any]]) -> str:
    box = {
        "BlockType": "SELECTION_ELEMENT",
        "Confidence": field.word_confidence,
        "Geometry": _geometry(0.5, top, *_CHECK_BOX),
        "Id": _id(page, "SELECTION_ELEMENT", field.key),
        "SelectionStatus": _STATES[bool(field.value)],
    }
    words.append(box)
    return str(box["Id"])


def _geometry(left: float, top: float, width: float, height: float) -> dict[str, Any]:
    left, top, width, height = (round(number, 4) for number in (left, top, width, height))
    right, bottom = round(left + width, 4), round(top + height, 4)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return {
        "BoundingBox": {"Width": width, "Height": height, "Left": left, "Top": top},
        "Polygon": [{"X": x, "Y": y} for x, y in corners],
    }


def _id(*parts: str) -> str:
    """Returns a UUID, as Textract's IDs are. The same form always has the same IDs."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)))


_APPLICATION = form(
    [
        Field("Full name:", "Jane Quillfeather", confidence=97.1, word_confidence=96.4),
        Field("Phone number:", "555-0162", confidence=95.8, word_confidence=93.7),
        Field("Home address:", "12 Harbor Lane, Anytown", confidence=94.2, word_confidence=91.9),
        Field("Date available:", "07/04/2026", confidence=71.3, word_confidence=58.6),
        Field("Desired salary:", "$ 48,000", confidence=83.9, word_confidence=64.2),
        Field("May we contact your employer?", True, confidence=66.5, word_confidence=61.8),
    ],
    title="Application for employment",
)

JOB_APPLICATION = Sample(
    name="job-application",
    task_type="textract",
    prediction=_APPLICATION,
    answers=(
        form_answer(_APPLICATION, {"Date available:": "01/04/2026", "May we contact your employer?": False}),
        form_answer(
            _APPLICATION,
            {
                "Date available:": "01/04/2026",
                "Desired salary:": "$ 43,000",
                "May we contact your employer?": False,
            },
        ),
        form_answer(_APPLICATION, {"Desired salary:": "$ 43,000"}),
    ),
    # The model reads a handwritten 1 as 7, and 3 as 8, and takes the empty box for a checked one.
    actual={
        "Date available:": "01/04/2026",
        "Desired salary:": "$ 43,000",
        "May we contact your employer?": False,
    },
    conditions=json.dumps(
        {
            "Conditions": [
                {
                    "Or": [
                        {
                            "ConditionType": "ImportantFormKeyConfidenceCheck",
                            "ConditionParameters": {
                                "ImportantFormKey": "Date available:",
                                "ImportantFormKeyAliases": ["Date available", "Available from:"],
                                "KeyValueBlockConfidenceLessThan": 85,
                                "WordBlockConfidenceLessThan": 85,
                            },
                        },
                        {
                            "ConditionType": "ImportantFormKeyConfidenceCheck",
                            "ConditionParameters": {
                                "ImportantFormKey": "Desired salary:",
                                "WordBlockConfidenceLessThan": 70,
                            },
                        },
                    ]
                },
                {
                    "ConditionType": "ImportantFormKeyConfidenceCheck",
                    "ConditionParameters": {"ImportantFormKey": "*", "KeyValueBlockConfidenceLessThan": 70},
                },
            ]
        }
    ),
)
"""A job application: the date and the check box are misread, and the confidence in the salary is low."""

_INVOICE = form(
    [
        Field("Invoice No.:", "INV-20931", confidence=99.1, word_confidence=99.4, handwritten=False),
        Field("Invoice date:", "2026-03-17", confidence=98.7, word_confidence=99.0, handwritten=False),
        Field("Total due:", "1,284.50", confidence=97.9, word_confidence=98.3, handwritten=False),
        Field("Paid", False, confidence=96.0, word_confidence=97.2),
    ],
    title="INVOICE",
)

INVOICE = Sample(
    name="invoice",
    task_type="textract",
    prediction=_INVOICE,
    answers=(form_answer(_INVOICE), form_answer(_INVOICE), form_answer(_INVOICE, {"Paid": True})),
    conditions=json.dumps(
        {
            "Conditions": [
                {
                    "ConditionType": "ImportantFormKeyConfidenceCheck",
                    "ConditionParameters": {
                        "ImportantFormKey": "Total due:",
                        "KeyValueBlockConfidenceLessThan": 99,
                    },
                }
            ]
        }
    ),
)
"""An invoice with high confidence: with the conditions of the job application, it needs no review."""

MODERATION = Sample(
    name="beach",
    task_type="rekognition",
    prediction={
        "ModerationLabels": [
            {"Confidence": 78.4132, "Name": "Swimwear or Underwear", "ParentName": "", "TaxonomyLevel": 1},
            {
                "Confidence": 78.4132,
                "Name": "Female Swimwear or Underwear",
                "ParentName": "Swimwear or Underwear",
                "TaxonomyLevel": 2,
            },
            {"Confidence": 54.9071, "Name": "Alcohol", "ParentName": "", "TaxonomyLevel": 1},
            {
                "Confidence": 54.9071,
                "Name": "Alcoholic Beverages",
                "ParentName": "Alcohol",
                "TaxonomyLevel": 2,
            },
        ],
        "ModerationModelVersion": "7.0",
        "ContentTypes": [],
    },
    answers=(
        moderation_answer(
            [("Swimwear or Underwear", ""), ("Female Swimwear or Underwear", "Swimwear or Underwear")]
        ),
        moderation_answer([("Swimwear or Underwear", "")]),
        moderation_answer([("Swimwear or Underwear", ""), ("Alcohol", "")]),
    ),
    draw=pictures.beach,
    conditions=json.dumps(
        {
            "Conditions": [
                {
                    "And": [
                        {
                            "ConditionType": "ModerationLabelConfidenceCheck",
                            "ConditionParameters": {"ModerationLabelName": "*", "ConfidenceLessThan": 90},
                        },
                        {
                            "ConditionType": "ModerationLabelConfidenceCheck",
                            "ConditionParameters": {
                                "ModerationLabelName": "*",
                                "ConfidenceGreaterThanEquals": 50,
                            },
                        },
                    ]
                }
            ]
        }
    ),
)
"""A picture of a beach. Swimwear is right; the alcohol is a lemonade."""

SUPPORT_MESSAGE = Sample(
    name="support-message",
    task_type="custom",
    prediction={
        "taskObject": "The parcel came on time, but the lamp in it was broken and nobody answers my emails.",
        "labels": ["praise", "complaint", "question"],
        "prediction": {"label": "praise", "confidence": 0.53},
    },
    answers=(
        {"sentiment": {"label": "complaint"}, "comment": "Broken on arrival"},
        {"sentiment": {"label": "complaint"}},
        {"sentiment": {"label": "question"}, "comment": "Asks for an answer"},
    ),
)
"""A support message, classified by a custom model. The prediction is at `prediction.label`."""

_SIZE = {"height": pictures.ANIMALS_SIZE[1], "width": pictures.ANIMALS_SIZE[0]}


def _boxes(*boxes: tuple[str, int, int, int, int]) -> list[dict[str, Any]]:
    return [
        {"height": height, "label": label, "left": left, "top": top, "width": width}
        for label, left, top, width, height in boxes
    ]


ANIMAL_NAME = Sample(
    name="animal",
    task_type="custom",
    prediction={"prediction": {"animal": {"label": "cat", "confidence": 0.61}}},
    answers=(
        {"animal": {"bird": False, "cat": False, "dog": True}},
        {"animal": {"bird": False, "cat": False, "dog": True}},
        {"animal": {"bird": False, "cat": True, "dog": False}},
    ),
    draw=pictures.dog,
)
"""A picture of a dog that the model takes for a cat. Workers choose with radio buttons."""

ANIMALS = Sample(
    name="animals",
    task_type="custom",
    # The model takes the cat for a dog, its box around the first dog is too small, and it misses the second.
    prediction={
        "prediction": {
            "animals": [
                {**box, "confidence": confidence}
                for box, confidence in zip(
                    _boxes(("Dog", 96, 240, 150, 120), ("Dog", 432, 310, 120, 152)), (0.82, 0.57), strict=True
                )
            ]
        }
    },
    answers=tuple(
        {
            "animals": {
                "boundingBoxes": _boxes(*boxes),
                "initialValueModified": True,
                "inputImageProperties": _SIZE,
            }
        }
        for boxes in (
            [("Dog", 82, 240, 252, 176), ("Cat", 432, 310, 120, 152), ("Dog", 584, 305, 182, 128)],
            [("Dog", 80, 238, 256, 180), ("Cat", 432, 310, 120, 152), ("Dog", 582, 306, 186, 126)],
            [("Dog", 84, 236, 250, 182), ("Cat", 430, 308, 124, 156)],
        )
    ),
    draw=pictures.animals,
)
"""A picture of two dogs and a cat, with boxes around them."""

_ORDER_TEXT = "Please send three desk lamps to Maria Quill in Springfield before 14 May, and one spare bulb."


def _spans(*found: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "endOffset": _ORDER_TEXT.index(part) + len(part),
            "label": label,
            "startOffset": _ORDER_TEXT.index(part),
        }
        for label, part in found
    ]


ORDER = Sample(
    name="order",
    task_type="custom",
    # The model takes the city for a person, and misses the bulb.
    prediction={
        "taskObject": _ORDER_TEXT,
        "prediction": {
            "parts": [
                {**span, "confidence": confidence}
                for span, confidence in zip(
                    _spans(
                        ("product", "desk lamps"),
                        ("person", "Maria Quill"),
                        ("person", "Springfield"),
                        ("date", "14 May"),
                    ),
                    (0.94, 0.9, 0.48, 0.88),
                    strict=True,
                )
            ]
        },
    },
    answers=tuple(
        {"parts": {"entities": _spans(*found)}}
        for found in (
            [
                ("product", "desk lamps"),
                ("person", "Maria Quill"),
                ("place", "Springfield"),
                ("date", "14 May"),
                ("product", "spare bulb"),
            ],
            [
                ("product", "desk lamps"),
                ("person", "Maria Quill"),
                ("place", "Springfield"),
                ("date", "14 May"),
                ("product", "bulb"),
            ],
            [("product", "desk lamps"), ("person", "Maria Quill"), ("date", "14 May")],
        )
    ),
)
"""An order in words, with spans of products, people, places and dates."""
