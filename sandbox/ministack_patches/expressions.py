"""JSONata expressions: each is parsed once."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Keeps the parsed form of an expression.

    AWS parses the expressions of a state machine once, when it is created. MiniStack parses an expression each time it
    is evaluated, which takes about a quarter of the processor time of an execution. Evaluation does not change the
    parsed form, so that all executions can share it.
    """
    from jsonata import parser  # type: ignore[import-untyped]

    parse = parser.Parser.parse

    @functools.lru_cache(maxsize=2_000)
    def parsed(source: str, regex_engine: Any) -> Any:
        return parse(parser.Parser(), source, regex_engine)

    def parse_once(self: Any, source: str, regex_engine: Any = parser.default_regex_engine) -> Any:
        return parsed(source, regex_engine)

    parser.Parser.parse = parse_once
