from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.errors import InvalidDocument
from tests.unit.workflow.operations.review_view.samples import GOLDEN
from workflow.operations.review_view.record import read_record


def changed(name: str, change: Any) -> bytes:
    document = json.loads((GOLDEN / name).read_text())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_stored_records_of_all_versions_are_read_whole(path: Any) -> None:
    assert read_record(path.read_bytes()).lost == frozenset()


@pytest.mark.parametrize(
    ("change", "lost", "left"),
    [
        (lambda one: one["fields"][0].update(outcome="guessed"), "fields", (11, 2)),
        (lambda one: one["fields"][0].update(confidence=7), "fields", (11, 2)),
        (lambda one: one["fields"][0].update(name=None), "fields", (11, 2)),
        (lambda one: one["fields"][1].pop("votes"), "fields", (11, 2)),
        (lambda one: one["fields"].insert(0, "nothing"), "fields", (12, 2)),
        (lambda one: one["fields"][0]["per_worker"].append({}), "fields", (11, 2)),
        (lambda one: one["answers"][1].update(submitted_at="yesterday"), "answers", (12, 1)),
    ],
)
def test_odd_value_costs_its_field(change: Any, lost: str, left: tuple[int, int]) -> None:
    read = read_record(changed("custom.json", change))
    assert read.lost == {lost}
    assert (len(read.record.fields), len(read.record.answers)) == left


def test_kind_of_a_later_version_is_other() -> None:
    read = read_record(changed("custom.json", lambda one: one["fields"][0].update(kind="hologram")))
    assert (read.record.fields[0].kind, read.lost) == ("other", frozenset())


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"nonsense", b"[" * 100_000, b'{"fields": NaN}'])
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDocument):
        read_record(content)


def test_record_of_a_newer_version_says_to_update() -> None:
    with pytest.raises(InvalidDocument, match="update Afterloop"):
        read_record(changed("custom.json", lambda one: one.update(schema_version=2)))


def test_half_of_a_character_and_a_huge_number_do_not_cost_the_review() -> None:
    content = (GOLDEN / "custom.json").read_bytes().replace(b'"a dog"', b'"a \\ud800 dog"')
    content = content.replace(b'"seconds_spent":20.0', b'"seconds_spent":' + b"9" * 5_000)
    assert len(read_record(content).record.fields) >= 11
