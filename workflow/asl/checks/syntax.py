"""JSONata that does not parse, and texts that contain Python objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from workflow.asl.walk import State, own_fields

__all__ = ["parsed", "problems_of_syntax", "texts"]


def problems_of_syntax(state: State) -> Iterator[str]:
    """Syntax errors in the expressions and texts of a state, each with its field."""
    for field, text in texts(state):
        if re.search(
            r"<[\w.]+ object at 0x[0-9a-f]+>", text
        ):  # f"… {placeholder}": another address in each run.
            yield (
                f"{field}: the text contains a Python object, not its value; use States.Format('… {{}}', $.path)"
                " under a key that ends in .$"
            )
        match = re.fullmatch(r"\s*\{%(.*)%\}\s*", text, re.DOTALL)
        if match and (error := parsed(match.group(1).strip())[1]):
            yield f"{field}: invalid JSONata: {error}"


def texts(state: State) -> Iterator[tuple[str, str]]:
    """The strings of a state with their fields, without its comment and nested machines."""
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
def parsed(expression: str) -> tuple[Any, str | None]:
    """The syntax tree of a JSONata expression, and the error if it does not parse."""
    from jsonata import Jsonata  # type: ignore[import-untyped]
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        return Jsonata(expression).ast, None
    except JException as error:
        return None, " ".join(str(error).split())
    except IndexError:
        return None, "it ends too early"
    except re.error:
        return None, None  # A regular expression that Python does not support, but Step Functions may.
