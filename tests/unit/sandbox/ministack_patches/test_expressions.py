"""How JSONata expressions are parsed, and how long they may take."""

from __future__ import annotations

import gc
import itertools
import time

import jsonata
import pytest
from jsonata import parser, timebox

from sandbox.ministack_patches import expressions


@pytest.fixture(autouse=True)
def _corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser.Parser, "parse", parser.Parser.parse)
    for name in ("__init__", "check_runaway"):
        monkeypatch.setattr(timebox.Timebox, name, getattr(timebox.Timebox, name))
    expressions.correct()


def test_expression_is_parsed_once_and_evaluated_each_time():
    first, second = (jsonata.Jsonata.jsonata("$states.input.n + 1") for _ in range(2))
    assert first.ast is second.ast
    values = [one.evaluate(None, {"states": {"input": {"n": n}}}) for one, n in ((first, 1), (second, 41))]
    assert values == [2, 42]


def test_expression_that_cannot_be_parsed_is_refused_each_time():
    for _ in range(2):
        with pytest.raises(Exception, match="Expected"):
            jsonata.Jsonata.jsonata("(1 +")


def test_expression_may_wait_for_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=10)  # each look at the clock is ten seconds later
    monkeypatch.setattr(time, "time", lambda: next(clock))
    assert jsonata.Jsonata.jsonata("1 + 1", timeout=1000).evaluate(None) == 2


def test_endless_expression_is_ended() -> None:
    endless = "($again := function($n) {$again($n + 1)}; $again(0))"
    with pytest.raises(jsonata.JException) as ended:
        jsonata.Jsonata.jsonata(endless, timeout=20).evaluate(None)
    assert ended.value.error == "D1012"


def test_collection_of_garbage_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 4.0, 4.5])  # the collection begins, it ends, and the expression looks at the clock
    before = expressions._milliseconds() - time.thread_time() * 1000
    monkeypatch.setattr(time, "thread_time", lambda: next(seconds))
    for phase in ("start", "stop"):
        expressions._count_collection(phase, {})

    assert expressions._milliseconds() == pytest.approx(1500 + before, abs=1)


def test_garbage_collector_reports_to_the_clock() -> None:
    assert gc.callbacks.count(expressions._count_collection) == 1
