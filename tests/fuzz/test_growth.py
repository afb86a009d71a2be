"""The work for an input grows with its size, and not faster, whatever the input is made of.

Work is counted in calls of functions, which do not depend on the machine; what a single call does in C is counted by
the sizes of what it gives back. `benchmarks/bench_parse.py` measures seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lambdas.loops.start_request import InvalidRequest, StartRequest
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.event import parse_status_change
from lambdas.reviews.output import parse_output
from lambdas.reviews.review import build_record
from lambdas.reviews.rules import FieldSettings
from lambdas.reviews.settings import FlowReviewSettings, ReviewSettings
from tests import review_samples as samples
from tests.counting import calls
from tests.review_samples import answered_pair, custom, pair, textract, word

STARS = ReviewSettings(
    flow_definitions={"my-flow": FlowReviewSettings(fields={"*a*a*a*a*b": FieldSettings(same="text")})}
)
GROWTH = 8
"""The large input has so many times the parts of the small one."""


def document(raw: object) -> bytes:
    return json.dumps(raw).encode()


def named_often(parts: int) -> bytes:
    """A key with one long word as a child, which it names again and again."""
    key = answered_pair("a", None, "v")
    key[0]["relationships"].append({"type": "CHILD", "ids": ["w"] * parts})
    return document(textract([pair("a", "k", "v")], [[*key, word("w", "x" * parts)]]))


OUTPUTS: dict[str, Callable[[int], bytes]] = {
    "open lists": lambda parts: b'{"x": ' + b"[" * parts,
    "open objects": lambda parts: b'{"a":' * parts,
    "nested lists": lambda parts: b'{"humanAnswers": [], "x": ' + b"[" * parts + b"]" * parts + b"}",
    "backslashes": lambda parts: b'{"' + b"\\" * parts,
    "digits": lambda parts: b'{"humanAnswers": [], "x": ' + b"9" * parts + b"}",
    "odd answers": lambda parts: document({**custom({}, {"a": 1}), "humanAnswers": [7] * parts}),
    "elements": lambda parts: document(custom({}, {f"a{at}": "x" for at in range(parts)})),
    "predictions": lambda parts: document(
        custom({"prediction": [{"name": f"a{at}", "value": "x"} for at in range(parts)]}, {"a0": "x"})
    ),
    "check boxes": lambda parts: document(custom({}, {"c": {f"k{at}": at == 3 for at in range(parts)}})),
    "a long name": lambda parts: document(custom({}, {"a" * parts: "x"})),
    "a long text": lambda parts: document(custom({"prediction": {"a": "y" * parts}}, {"a": "x" * parts})),
    "odd blocks": lambda parts: document(textract([[{"id": [], "blockType": 7}] * parts], [[{}] * parts])),
    "pairs": lambda parts: document(
        textract(
            [pair(f"p{at}", "k", "v") for at in range(parts)],
            [answered_pair(f"q{at}", "k", "w") for at in range(parts)],
        )
    ),
    "a word named often": named_often,
}


@pytest.mark.parametrize("made_of", OUTPUTS)
def test_work_for_an_output_is_linear(made_of: str) -> None:
    def made(parts: int) -> int:
        raw = OUTPUTS[made_of](parts)
        return calls(lambda: refused_or_made(raw))

    made(1)  # the first review imports and builds models
    assert made(40 * GROWTH) < 1.5 * GROWTH * made(40)


def refused_or_made(raw: bytes) -> None:
    with suppress(InvalidDocument):
        record = build_record(samples.change(), parse_output(raw), STARS, "dev")
        assert len(record.to_line()) < 60 * len(raw) + 10_000


@pytest.mark.parametrize("made_of", ["keys", "levels", "text"])
def test_work_for_a_request_is_linear(made_of: str) -> None:
    def made(parts: int) -> int:
        levels: Any = {}
        for _ in range(min(parts, 900)):
            levels = {"a": levels}
        request = {
            "keys": {f"k{at}": at for at in range(parts)},
            "levels": levels,
            "text": {"a": "x" * parts},
        }
        task = {"type": "custom", "inputContent": request[made_of]}
        return calls(
            lambda: read(
                StartRequest.read, {"key": "a", "flowDefinitionArn": samples.FLOW, "task": task, **request}
            )
        )

    made(1)
    assert made(100 * GROWTH) < 1.5 * GROWTH * made(100)


@pytest.mark.parametrize("made_of", ["[", '{"detail":', '{"a":1,"b":', '"'])
def test_work_for_an_event_is_linear(made_of: str) -> None:
    assert calls(lambda: read(parse_status_change, made_of * 100 * GROWTH)) < 1.5 * GROWTH * calls(
        lambda: read(parse_status_change, made_of * 100)
    )


def read(reader: Callable[[Any], object], value: Any) -> None:
    with pytest.raises((InvalidDocument, InvalidRequest)):
        reader(value)
