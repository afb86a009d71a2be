"""Pydantic's validation problems in one line: `key: what is wrong. What the key means.`

Used for stage settings (TOML), and for what a person declares in Python.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ValidationError

from lambdas.reviews.errors import shortened

__all__ = ["did_you_mean", "explained", "with_key"]

MAX_QUOTED = 200
"""Characters of a value that a message quotes."""


def explained(error: ValidationError, model: type[BaseModel], key: str = "") -> str:
    """Returns all problems in one line.

    Args:
        error: Pydantic's error.
        model: The model that it validated.
        key: The key of the model itself; empty if it is the whole document.
    """
    # A list whose items are all invalid is also reported as too short.
    problems = [one for one in error.errors() if not (one["type"] == "too_short" and one["input"])]
    *others, last = (_text(problem, model, key) for problem in problems)
    return "; ".join([*(other.removesuffix(".") for other in others), last])


@contextmanager
def with_key(model: type[BaseModel], key: str = "") -> Iterator[None]:
    """Turns a model's ValidationError into a ValueError that names the key, for use in another model's validator."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(explained(error, model, key)) from None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean …?` if one of the known words is close, otherwise an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _text(problem: Any, model: type[BaseModel], at: str) -> str:
    key = _key(at, *problem["loc"])
    return f"{key}: {_wrong(problem, model)}" if key else _wrong(problem, model)


def _key(*location: Any) -> str:
    # Pydantic ends the location of an invalid key with "[key]". The forms of a value have such names, too.
    parts = [part for part in location if part != "" and not re.fullmatch(r"\[\w+\]", str(part))]
    return ".".join(
        text if (text := str(part)).isprintable() and len(text) <= MAX_QUOTED else shortened(text, MAX_QUOTED)
        for part in parts
    )


def _wrong(problem: Any, model: type[BaseModel]) -> str:
    model, meaning = _field_at(model, problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            # At the top, the table's name is not a key.
            keys = [field for field in model.model_fields if field != "name" or len(problem["loc"]) > 1]
            close = did_you_mean(str(problem["loc"][-1]), keys)
            return f"unknown key{close or '; the keys are ' + ', '.join(keys)}"
        case "missing":
            wrong = "is missing"
        case "value_error":
            return str(problem["msg"].removeprefix("Value error, "))
        case "string_pattern_mismatch":
            wrong = f"{shortened(problem['input'], MAX_QUOTED)} is invalid"
        case _:
            # Pydantic's messages use terms of Python or JSON, and describe the value before and after validation.
            pattern = r"^(Input|Tuple|String) | or instance of \w+| after validation.*|, (unable|got) .*"
            words = (
                re.sub(pattern, "", problem["msg"]).replace("an object", "a table").replace("tuple", "list")
            )
            wrong = f"{words}, not {shortened(problem['input'], MAX_QUOTED)}"
    return f"{wrong}. {meaning}" if meaning else wrong


def _field_at(model: type[BaseModel], location: tuple[Any, ...]) -> tuple[type[BaseModel], str]:
    """The model that a problem is in, and the first sentence about the field."""
    meaning = ""
    for part in location:
        if field := model.model_fields.get(str(part)):
            meaning = field.description or "See docs/reference/settings.md."
            model = next(_models_in(field.annotation), model)
    return model, re.sub(r"\. .*", ".", " ".join(meaning.split()))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
