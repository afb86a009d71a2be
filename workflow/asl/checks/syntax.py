"""Whether the JSONata of a state parses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from workflow.asl.walk import State, own_fields

__all__ = ["problems_of_syntax", "texts"]


def problems_of_syntax(state: State) -> Iterator[str]:
    """What is wrong with the expressions of a state, each with the field where it is."""
    for field, text in texts(state):
        match = re.fullmatch(r"\s*\{%(.*)%\}\s*", text, re.DOTALL)
        if match and (error := _syntax_error(match.group(1))):
            yield f"{field}: the JSONata does not parse: {error}"


def texts(state: State) -> Iterator[tuple[str, str]]:
    """Yield the strings of a state, with where they are; its comment and those of nested machines left out."""
    for field, value in own_fields(state).items():
        if field != "Comment":
            yield from _texts(value, field)


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{at}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{at}[{number}]")


@cache
def _syntax_error(expression: str) -> str | None:
    from jsonata import Jsonata  # type: ignore[import-untyped]
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        Jsonata(expression)
    except JException as error:
        return " ".join(str(error).split())
    except IndexError:
        return "it ends too early"
    except re.error:
        return None  # A regular expression of another dialect than Python's.
    return None
