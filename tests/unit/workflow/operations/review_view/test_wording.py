from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.record import Kind
from workflow.operations.review_view.wording import MAX_CHARACTERS, value_view


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("text", "Ana", "Ana"),
        ("text", {"key": "Full name", "value": "Ana"}, "Ana (key: Full name)"),
        ("text", 3.0, "3"),
        ("selection", True, "checked"),
        ("selection", False, "not checked"),
        ("choice", "cat", "cat"),
        ("label", "dog", "dog"),
        ("labels", "dog", "dog"),
        ("box", {"label": "dog", "left": 1, "top": 2.25, "width": 3, "height": 4}, "dog: 3 by 4 at (1, 2.2)"),
        ("span", {"label": "name", "startOffset": 0, "endOffset": 3}, "name: “Ana”, characters 0 to 3"),
        ("span", {"label": "name", "startOffset": 7, "endOffset": 9}, "name: characters 7 to 9"),
        ("keypoint", {"label": "eye", "x": 1, "y": 2}, "eye: at (1, 2)"),
        (
            "polygon",
            {"label": "dog", "vertices": [{"x": 9, "y": 1}, {"x": 2, "y": 8}]},
            "dog: 2 points, from (2, 1) to (9, 8)",
        ),
        (
            "segmentation",
            {"labels": ["road", "tree"], "digest": "ab", "modified": True},
            "road, tree; mask ab; modified",
        ),
        ("segmentation", {"labels": [], "src": "s3://a/b"}, "no labels; in s3://a/b"),
        ("other", {"a": [1, 2]}, '{"a": [1, 2]}'),
        ("other", True, "true"),
        ("other", 1e300, "1e+300"),
    ],
)
def test_value_is_shown_in_words(kind: Kind, value: Any, words: str) -> None:
    view = value_view(json.dumps(value), kind, lambda start, end: "Ana" if (start, end) == (0, 3) else None)
    assert (view.text, view.empty) == (words, False)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("box", '"no box"'),
        ("box", '{"label":"dog"}'),
        ("box", '{"label":"dog","left":"a","top":0,"width":0,"height":0}'),
        ("span", '{"label":"a","startOffset":"x","endOffset":1}'),
        ("polygon", '{"label":"a","vertices":[]}'),
        ("line", "null"),
        ("keypoint", "[]"),
        ("segmentation", '{"labels":3}'),
        ("segmentation", "[1]"),
        ("selection", '"SELECTED"'),
        ("text", "not JSON"),
        ("text", "[" * 5_000),
    ],
)
def test_value_of_another_form_is_shown_as_it_is(kind: Kind, text: str) -> None:
    assert value_view(text, kind).text.strip('"') == text.strip('"')[:MAX_CHARACTERS]


@pytest.mark.parametrize("text", [None, '""'])
def test_empty_field_is_empty(text: str | None) -> None:
    assert value_view(text, "text").empty


def test_long_value_is_cut_and_says_so() -> None:
    view = value_view(json.dumps("a" * 5_000), "text")
    assert (len(view.text), view.shortened) == (MAX_CHARACTERS, 3_000)
