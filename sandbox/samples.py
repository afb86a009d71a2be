"""Invented predictions and human answers, in the shapes of the real services.

Three samples: a job application that Textract read, an image that Rekognition moderated, and a support message
that somebody's own model classified. Each has what three workers answered. The functions that make them are
public: `form`, `form_answer` and their like make others.

    sandbox.client("textract").analyze_document(
        Document=JOB_APPLICATION.upload(sandbox.client("s3"), "documents"), FeatureTypes=["FORMS"], HumanLoopConfig=…
    )
    sandbox.loops.answer(name, JOB_APPLICATION.answers[0])
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "INVOICE",
    "JOB_APPLICATION",
    "MODERATION",
    "REKOGNITION",
    "SUPPORT_MESSAGE",
    "TEXTRACT",
    "Field",
    "Sample",
    "TaskType",
    "form",
    "form_answer",
    "moderation_answer",
]

TEXTRACT = "AWS/Textract/AnalyzeDocument/Forms/V1"
REKOGNITION = "AWS/Rekognition/DetectModerationLabels/Image/V3"
TaskType = Literal["custom", "textract", "rekognition"]


@dataclass(frozen=True)
class Sample:
    """A prediction and what people made of it.

    Attributes:
        name: of the sample, and of its object in S3 without the ending.
        task_type: `textract`, `rekognition` or `custom`.
        prediction: the service's response as boto3 returns it; for a custom task, the InputContent.
        answers: what three workers answered: answerContent of each.
        conditions: activation conditions that are true for it, a JSON text; None for a custom task.
    """

    name: str
    task_type: TaskType
    prediction: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    conditions: str | None = None

    @property
    def input_content(self) -> str:
        """InputContent of a StartHumanLoop call: a JSON text."""
        return json.dumps(self.prediction)

    def upload(self, s3: Any, bucket: str) -> dict[str, Any]:
        """Puts the document or image into a bucket (a blank picture: nobody looks at it here).

        Args:
            s3: a boto3 client of S3.
            bucket: an existing bucket.

        Returns:
            The Document or Image parameter that names it.
        """
        key = f"{self.name}.png"
        s3.put_object(Bucket=bucket, Key=key, Body=_BLANK, ContentType="image/png")
        return {"S3Object": {"Bucket": bucket, "Name": key}}


@dataclass(frozen=True)
class Field:
    """One field of a form, as Textract reads it.

    Attributes:
        key: the printed label, with its colon.
        value: the words in it; True or False for a check box.
        confidence: of key and value belonging together, 0 to 100.
        word_confidence: of each word of the value, or of the check box's state.
        handwritten: whether the value is.
    """

    key: str
    value: str | bool
    confidence: float = 97.5
    word_confidence: float = 98.9
    handwritten: bool = True


def form(fields: Sequence[Field], title: str = "") -> dict[str, Any]:
    """What AnalyzeDocument with FORMS returns for one page with these fields, one below the other."""
    page: dict[str, Any] = {
        "BlockType": "PAGE",
        "Geometry": _geometry(0, 0, 1, 1),
        "Id": _id("page", title, *(field.key for field in fields)),
    }
    children: list[str] = []
    lines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    if title:
        _add_line(title, 0.1, 0.05, 99.8, "PRINTED", page["Id"], lines, words)
    for row, field in enumerate(fields):
        top = 0.15 + row * 0.8 / max(len(fields), 1)
        key_words = _add_line(field.key, 0.1, top, 99.2, "PRINTED", page["Id"], lines, words)
        if isinstance(field.value, bool):
            value_children = [_add_check_box(field, top, page["Id"], words)]
        else:
            style = "HANDWRITING" if field.handwritten else "PRINTED"
            value_children = _add_line(
                field.value, 0.5, top, field.word_confidence, style, page["Id"], lines, words
            )
        value = _key_value_block("VALUE", field, (0.5, top), page["Id"], value_children)
        key = _key_value_block("KEY", field, (0.1, top), page["Id"], key_words)
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
    """A worker's answer to a form: every field as it was predicted, but for the changes.

    Keys and values come back as KEY_VALUE_SET blocks that carry their text, a check box as its own block.

    Args:
        prediction: what AnalyzeDocument returned.
        changes: by the form's key, the value that the worker typed, or the check box's true state.

    Raises:
        ValueError: the form has no such key.
    """
    blocks = {block["Id"]: block for block in prediction["Blocks"]}
    left = dict(changes or {})
    answer: list[dict[str, Any]] = []
    for key in blocks.values():
        if "KEY" not in key.get("EntityTypes", ()):
            continue
        text = _text(key, blocks)
        change = left.pop(text, None)
        answer.append(_answer_block(key, text))
        for value in _related(key, "VALUE", blocks):
            boxes = [b for b in _related(value, "CHILD", blocks) if b["BlockType"] == "SELECTION_ELEMENT"]
            typed = change if isinstance(change, str) else _text(value, blocks)
            answer.append(_answer_block(value, None if boxes else typed))
            for box in boxes:
                state = box["SelectionStatus"] if change is None else _STATES[bool(change)]
                answer.append({"blockType": box["BlockType"], "id": box["Id"], "selectionStatus": state})
    if left:
        raise ValueError(f"the form has no key {', '.join(map(repr, left))}")
    return {TEXTRACT: {"blocks": answer}}


def moderation_answer(labels: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A worker's answer to a moderation task: the labels (name, parent's name or "") that truly apply."""
    found = [{"name": name, "parentName": parent} for name, parent in labels]
    return {REKOGNITION: {"moderationLabels": found}}


_STATES = {True: "SELECTED", False: "NOT_SELECTED"}


def _key_value_block(
    kind: str, field: Field, at: tuple[float, float], page: str, children: Sequence[str]
) -> dict[str, Any]:
    return {
        "BlockType": "KEY_VALUE_SET",
        "Confidence": field.confidence,
        "EntityTypes": [kind],
        "Geometry": _geometry(*at, 0.35, 0.04),
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
) -> list[str]:
    """Adds a LINE block and its WORD blocks; returns the ids of the words."""
    ids = []
    for index, word in enumerate(text.split()):
        ids.append(_id(page, "WORD", str(left), str(top), str(index), word))
        words.append(
            {
                "BlockType": "WORD",
                "Confidence": round(confidence - 0.15 * index, 4),
                "Geometry": _geometry(left + 0.08 * index, top, 0.07, 0.03),
                "Id": ids[-1],
                "Text": word,
                "TextType": style,
            }
        )
    if ids:
        lines.append(
            {
                "BlockType": "LINE",
                "Confidence": confidence,
                "Geometry": _geometry(left, top, 0.08 * len(ids), 0.03),
                "Id": _id(page, "LINE", str(left), str(top)),
                "Relationships": [{"Type": "CHILD", "Ids": list(ids)}],
                "Text": text,
            }
        )
    return ids


def _add_check_box(field: Field, top: float, page: str, words: list[dict[str, Any]]) -> str:
    box = {
        "BlockType": "SELECTION_ELEMENT",
        "Confidence": field.word_confidence,
        "Geometry": _geometry(0.5, top, 0.03, 0.03),
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
    """An id in the form of Textract's, the same for the same form."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _related(
    block: Mapping[str, Any], kind: str, blocks: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    return [
        blocks[related]
        for relationship in block.get("Relationships", ())
        if relationship["Type"] == kind
        for related in relationship["Ids"]
        if related in blocks
    ]


def _text(block: Mapping[str, Any], blocks: Mapping[str, dict[str, Any]]) -> str:
    return " ".join(child["Text"] for child in _related(block, "CHILD", blocks) if "Text" in child)


def _answer_block(block: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """A block as a worker's answer repeats it; a value that was cleared is an empty text."""
    answer: dict[str, Any] = {
        "blockType": block["BlockType"],
        "entityTypes": block["EntityTypes"],
        "id": block["Id"],
        "relationships": [
            {"ids": relationship["Ids"], "type": relationship["Type"]}
            for relationship in block.get("Relationships", ())
        ],
    }
    return answer if text is None else answer | {"text": text}


def _png(width: int, height: int) -> bytes:
    """A white picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\xff" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


_BLANK = _png(85, 110)

_APPLICATION = form(
    [
        Field("Full name:", "Jane Quillfeather", confidence=97.1, word_confidence=96.4),
        Field("Phone number:", "555-0162", confidence=95.8, word_confidence=93.7),
        Field("Home address:", "12 Harbor Lane, Anytown", confidence=94.2, word_confidence=91.9),
        # The model reads 7 for 1, and is not sure of it.
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
"""A job application: a misread date, an unsure salary, a check box that is read wrongly."""

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
"""An invoice that Textract is sure of: with the job application's conditions nobody needs to review it."""

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
"""A picture from a beach: swimwear rightly, and a drink that is a lemonade."""

SUPPORT_MESSAGE = Sample(
    name="support-message",
    task_type="custom",
    prediction={
        "taskObject": "The parcel came on time, but the lamp in it was broken and nobody answers my mails.",
        "labels": ["praise", "complaint", "question"],
        "prediction": {"label": "praise", "confidence": 0.53},
    },
    answers=(
        {"sentiment": {"label": "complaint"}, "comment": "Broken on arrival"},
        {"sentiment": {"label": "complaint"}},
        {"sentiment": {"label": "question"}, "comment": "Asks for an answer"},
    ),
)
"""A support message, classified by somebody's own model: the prediction is at `prediction.label`."""
