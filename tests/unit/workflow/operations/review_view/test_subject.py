from __future__ import annotations

import json
from typing import Any

import pytest

from workflow.operations.review_view import subject as module
from workflow.operations.review_view.subject import (
    NamedObject,
    NamedText,
    named_objects,
    named_text,
    requested_object,
)


@pytest.mark.parametrize(
    ("content", "document_id", "expected"),
    [
        ({"taskObject": "s3://bkt/a.png"}, None, [("s3://bkt/a.png", "inputContent.taskObject")]),
        (
            {"mask": "s3://bkt/mask.png", "taskObject": "s3://bkt/page"},
            None,
            [("s3://bkt/page", "inputContent.taskObject"), ("s3://bkt/mask.png", "inputContent.mask")],
        ),
        (
            {"taskObject": "s3://bkt/a.png", "page": "s3://bkt/p.pdf"},
            "s3://bkt/p.pdf",
            [("s3://bkt/p.pdf", "inputContent.page"), ("s3://bkt/a.png", "inputContent.taskObject")],
        ),
        (
            {"audio": "s3://bkt/a.mp3", "image": {"uri": "s3://bkt/i.JPG"}},
            None,
            [("s3://bkt/i.JPG", "inputContent.image.uri"), ("s3://bkt/a.mp3", "inputContent.audio")],
        ),
        ({"image": {"bucket": "bkt", "key": "i.png"}}, None, [("s3://bkt/i.png", "inputContent.image")]),
        (
            {"S3Object": {"Bucket": "bkt", "Name": "i.png"}},
            None,
            [("s3://bkt/i.png", "inputContent.S3Object")],
        ),
        (
            {"images": ["s3://bkt/1.png", "s3://bkt/1.png"]},
            None,
            [("s3://bkt/1.png", "inputContent.images[0]")],
        ),
        (
            {"web": "https://x.example/a.png?b=c", "s3": "s3://bkt/c.png"},
            None,
            [("s3://bkt/c.png", "inputContent.s3"), ("https://x.example/a.png?b=c", "inputContent.web")],
        ),
        ({"text": "see s3://bkt/c.png", "n": 3, "none": None, "list": [[], {}]}, None, []),
        ("s3://bkt/a.png", None, [("s3://bkt/a.png", "inputContent")]),
        ({"bucket": "bkt", "key": 3}, None, []),
        ({"bucket": "bkt", "key": "/x"}, None, []),
        (None, None, []),
    ],
)
def test_objects_of_an_input_are_listed_the_likeliest_first(
    content: Any, document_id: str | None, expected: list[tuple[str, str]]
) -> None:
    assert [(one.location, one.named_in) for one in named_objects(content, document_id)] == expected


def test_input_of_many_or_deep_values_is_looked_at_in_part() -> None:
    many = {"list": [f"s3://bkt/{index}" for index in range(30_000)]}
    assert len(named_objects(many)) == module.MAX_OBJECTS
    deep: Any = "s3://bkt/c"
    for _ in range(500):
        deep = {"in": deep}
    assert named_objects(deep) == []


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"document": {"s3Object": {"bucket": "bkt", "name": "n"}}}, NamedObject("s3://bkt/n", "r.document")),
        (
            {"Image": {"S3Object": {"Bucket": "bkt", "Name": "n", "Version": "v1"}}},
            NamedObject("s3://bkt/n", "r.Image", "v1"),
        ),
        ({"document": {"bytes": "…"}}, None),
        ({"document": None}, None),
        ({"document": {"s3Object": {"bucket": "bkt"}}}, None),
        (["document"], None),
        (None, None),
    ],
)
def test_object_of_a_request_is_found(request_: Any, expected: NamedObject | None) -> None:
    assert requested_object(request_, "r") == expected


@pytest.mark.parametrize(
    ("content", "length", "expected"),
    [
        ({"title": "a long title of it", "text": "short"}, 5, NamedText("short", "inputContent.text")),
        (
            {"title": "a long title of it", "text": "short"},
            6,
            NamedText("a long title of it", "inputContent.title"),
        ),
        ({"taskObject": "abc", "text": "abcdef"}, 3, NamedText("abc", "inputContent.taskObject")),
        ({"taskObject": "s3://bucket/key", "other": "abc"}, 3, NamedText("abc", "inputContent.other")),
        ({"a": {"text": "abc"}, "b": "abcd"}, 3, NamedText("abc", "inputContent.a.text")),
        ({"text": "😀"}, 1, NamedText("😀", "inputContent.text")),
        ({"text": "😀"}, 2, None),
        ({"text": "abc"}, 4, None),
        ({}, 0, None),
        (None, 0, None),
    ],
)
def test_text_with_spans_is_long_enough(content: Any, length: int, expected: NamedText | None) -> None:
    assert named_text(json.loads(json.dumps(content)), length) == expected
