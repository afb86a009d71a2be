"""JSONata expressions: each is parsed once, and has a second of processor time."""

from __future__ import annotations

import functools
import gc
import threading
import time
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects the evaluation of JSONata."""
    _parse_once()
    _limit_processor_time()


def _parse_once() -> None:
    """Keeps the parsed form of an expression.

    AWS parses the expressions of a state machine once, when it is created. MiniStack parses an expression each time it
    is evaluated, which takes about a quarter of the processor time of an execution. Evaluation does not change the
    parsed form, so that all executions can share it.
    """
    from jsonata import Jsonata, parser  # type: ignore[import-untyped]

    parse = parser.Parser.parse

    @functools.lru_cache(maxsize=2_000)
    def parsed(source: str, regex_engine: Any) -> Any:
        # The parser of the thread. A new one takes three times as long as a short expression.
        return parse(Jsonata.get_parser(), source, regex_engine)

    def parse_once(self: Any, source: str, regex_engine: Any = parser.default_regex_engine) -> Any:
        return parsed(source, regex_engine)

    parser.Parser.parse = parse_once


def _limit_processor_time() -> None:
    """Limits the processor time of an evaluation, not the time that passes.

    AWS: an expression that is evaluated for longer than a second fails with States.QueryEvaluationError.
    MiniStack: counts the time that passes. All executions share one process here, so in a burst of a thousand an
    expression that needs a millisecond can wait for longer than a second. Nor does the garbage count that a thread
    happens to collect for all others.
    """
    from jsonata import jexception, timebox

    begin = timebox.Timebox.__init__
    if _count_collection not in gc.callbacks:
        gc.callbacks.append(_count_collection)

    def begin_by_processor(self: Any, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        self.time = _milliseconds()

    def check(self: Any) -> None:
        if self.max_depth is not None and self.depth > self.max_depth:
            raise jexception.JException("D1011", -1)
        if self.timeout is not None and _milliseconds() - self.time > self.timeout:
            raise jexception.JException("D1012", -1, self.timeout)

    timebox.Timebox.__init__ = begin_by_processor
    timebox.Timebox.check_runaway = check


class _Collected(threading.local):
    """The processor time of a thread for the collection of garbage, in seconds."""

    total = 0.0
    begun = 0.0


_collected = _Collected()


def _count_collection(phase: str, _: dict[str, int]) -> None:
    if phase == "start":
        _collected.begun = time.thread_time()
    else:
        _collected.total += time.thread_time() - _collected.begun


def _milliseconds() -> float:
    """Returns the processor time of this thread, without that for the collection of garbage."""
    return (time.thread_time() - _collected.total) * 1000
