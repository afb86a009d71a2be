"""What one worker can write costs time and memory in proportion to its size, and never the review."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest

from lambdas.reviews.comparison import compare
from lambdas.reviews.comparison.sameness.distances import SameWithin
from lambdas.reviews.comparison.values import MAX_NAME, joined_name
from lambdas.reviews.output import TEXTRACT
from lambdas.reviews.rules import FieldSettings, FlowRules
from tests import review_samples as samples
from tests.counting import calls
from tests.review_samples import custom, fields_of, parsed, record_of


def length_of_record(document: Any) -> int:
    return len(record_of(document).to_line())


def row_of_boxes(count: int) -> list[dict[str, Any]]:
    return [{"label": "a", "left": at * 9, "top": 0, "width": 5, "height": 5} for at in range(count)]


LONG = "n" * 20_000


@pytest.mark.parametrize(
    "content",
    [
        {LONG: {"labels": [f"l{at}" for at in range(200)]}},
        {LONG: {f"k{at}": at for at in range(200)}},
        {LONG: {f"k{at}": True for at in range(200)}},
        {LONG: {"boundingBoxes": row_of_boxes(200)}},
    ],
    ids=["labels", "judgements", "check boxes", "boxes"],
)
def test_long_name_of_element_is_not_repeated_in_each_field(content: dict[str, Any]) -> None:
    document = custom({}, content)
    assert len(record_of(document).fields) == 200
    assert length_of_record(document) < 10 * len(json.dumps(document))


def test_long_name_of_moderation_parent_is_not_repeated() -> None:
    document = samples.rekognition([], [(LONG, ""), *((f"l{at}", LONG) for at in range(100))])
    assert length_of_record(document) < 4 * len(json.dumps(document))


def test_long_parts_of_names_stay_different() -> None:
    assert joined_name("a", "b") == "a/b"
    one, other = joined_name("e", LONG + "1"), joined_name("e", LONG + "2")
    assert one != other
    assert len(one) == len(other) == len("e/") + MAX_NAME


def with_blocks(*blocks: dict[str, Any]) -> Any:
    document = samples.textract(samples.pair("p", "Name", "Ann"), [])
    document["humanAnswers"] = samples.answers({TEXTRACT: {"blocks": list(blocks)}})
    return document


def key(id_: str, *values: str) -> dict[str, Any]:
    relationships = [{"type": "VALUE", "ids": list(values)}]
    return {"id": id_, "entityTypes": ["KEY"], "text": f"key {id_}", "relationships": relationships}


def value(id_: str, *parts: str) -> dict[str, Any]:
    return {"id": id_, "entityTypes": ["VALUE"], "relationships": [{"type": "CHILD", "ids": list(parts)}]}


def test_repeated_references_of_a_block_count_once() -> None:
    document = with_blocks(key("k", *["v"] * 1000), value("v", *["w"] * 1000), {"id": "w", "text": "Bob"})
    assert [field.reviewed for field in fields_of(document) if field.name == "key k"] == ['"Bob"']


def test_keys_that_share_a_large_value_are_not_compared() -> None:
    words = [{"id": f"w{at}", "text": "x" * 100} for at in range(100)]
    parts = [word["id"] for word in words]
    document = with_blocks(*(key(f"k{at}", "v") for at in range(200)), value("v", *parts), *words)
    assert length_of_record(document) < 20 * len(json.dumps(document))
    # What is shared up to the limit is read.
    assert 10 <= sum(field.reviewed is not None for field in fields_of(document)) < 200


def test_many_elements_and_a_large_prediction_are_not_paired() -> None:
    def document(elements: int) -> Any:
        boxes = row_of_boxes(200)
        return custom(
            {"prediction": boxes}, {f"e{at}": {"boundingBoxes": boxes[:1]} for at in range(elements)}
        )

    assert record_of(document(1)).prediction_source == "search"
    outputs = {count: parsed(document(count)) for count in (600, 1200)}
    calls(lambda: compare(outputs[600]))
    assert calls(lambda: compare(outputs[1200])) < 3 * calls(lambda: compare(outputs[600]))


def test_values_of_a_key_that_are_long_are_compared_exactly() -> None:
    rules = FlowRules(fields={"*": FieldSettings(same="distance", max_distance=5)})

    def distances(length: int) -> int:
        found = [
            part
            for at in range(40)
            for part in (
                key(f"k{at}", f"v{at}") | {"text": "same"},
                {"id": f"v{at}", "text": f"{'x' * length}{at}"},
            )
        ]
        between, count = SameWithin.between, 0

        def counted(self: SameWithin, one: str, other: str) -> int | None:
            nonlocal count
            count += 1
            return between(self, one, other)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SameWithin, "between", counted)
            compare(parsed(with_blocks(*found)), rules)
        return count

    assert distances(10) >= len(list(combinations(range(40), 2)))
    assert distances(5000) == 0
