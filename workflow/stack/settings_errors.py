"""Pydantic's validation problems in one line: `key: what is wrong. What the key means.`

Used for stage settings (TOML), and for what a person declares in Python.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError

from lambdas.reviews.errors import shortened

__all__ = ["did_you_mean", "explained", "key_of", "with_key"]

MAX_QUOTED = 200
"""Characters of a value that a message quotes."""


def explained(error: ValidationError, model: type[BaseModel], key: str = "") -> str:
    """Returns all problems in one line.

    Args:
        error: Pydantic's error.
        model: The model that it validated.
        key: The key of the model itself; empty if it is the whole document.
    """
    *others, last = (_text(problem, model, key) for problem in _problems(error))
    return "; ".join([*(other.removesuffix(".") for other in others), last])


def key_of(error: ValidationError) -> list[str]:
    """Returns the parts of the key that the first problem is about."""
    problem = _problems(error)[0]
    inner = (
        re.match(r"Value error, ([\w.-]+): ", problem["msg"]) if problem["type"] == "value_error" else None
    )
    return [str(part) for part in problem["loc"]] + (inner[1].split(".") if inner else [])


def _problems(error: ValidationError) -> list[Any]:
    # A list whose items are all invalid is also reported as too short.
    return [one for one in error.errors() if not (one["type"] == "too_short" and one["input"])]


@contextmanager
def with_key(model: type[BaseModel], key: str = "") -> Iterator[None]:
    """Turns a model's ValidationError into a ValueError that names the key, for use in another model's validator."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(explained(error, model, key)) from None


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns `; did you mean …?` if one of the known words is close, otherwise an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
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
            wrong = f"{words}, not {shortened(problem['input'], MAX_QUOTED)}{_instead(problem)}"
    return f"{wrong}{'' if wrong.endswith('?') else '.'} {meaning}" if meaning else wrong


_OF_NUMBERS = ("int_type", "int_from_float", "float_type", "int_parsing", "float_parsing")


_NUMBER = {"int": r"-?\d+", "flo": r"-?\d+(\.\d+)?"}


def _instead(problem: Any) -> str:
    """How to write the value instead; empty if that cannot be seen."""
    value, kind = problem["input"], problem["type"]
    match value:
        case str() if kind in _OF_NUMBERS and re.fullmatch(_NUMBER[kind[:3]], value):
            return f": write {value} without quotes"
        case str() if kind in _OF_NUMBERS and re.fullmatch(r"-?[\d.]+\s*[A-Za-z%]+", value):
            return ": write the number alone, without a unit"
        case float() if kind in _OF_NUMBERS and value.is_integer():
            return f": write {value:.0f}"
        case str() if kind.startswith("bool_"):
            written = {"true": "true", "yes": "true", "on": "true", "1": "true"}.get(value.lower(), "false")
            return (
                f": write {written} without quotes" if value.lower() in _BOOLEANS else ": write true or false"
            )
        case int() if kind.startswith("bool_"):
            return ": write true or false"
        case str() | int() | float() if kind in ("list_type", "tuple_type"):
            return f": write [{json.dumps(value)}]"
        case bool():
            return ""
        case int() | float() if kind == "string_type":
            return f': write "{value}" in quotes'
        case str() if kind == "literal_error":
            known = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            numbers = re.findall(r"\d+", problem["ctx"]["expected"]) if not known else ()
            return (
                f": write {value} without quotes"
                if value in numbers
                else did_you_mean(value.lower(), known, 0.8)
            )
    return ""


_BOOLEANS = ("true", "yes", "on", "1", "false", "no", "off", "0")


def _field_at(model: type[BaseModel], location: tuple[Any, ...]) -> tuple[type[BaseModel], str]:
    """The model that a problem is in, and the first sentence about the field."""
    meaning = ""
    for part in location:
        if field := model.model_fields.get(str(part)):
            meaning = _meaning(model, str(part)) or "See docs/reference/settings.md."
            model = next(_models_in(field.annotation), model)
    return model, re.sub(r"\. .*", ".", " ".join(meaning.split()))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def _meaning(model: type[BaseModel], field: str) -> str:
    """The docstring of a field; empty if it has none.

    With `use_attribute_docstrings`, Pydantic would read the source of each model whenever a command imports it.
    """
    for kind in model.__mro__:
        if field in vars(kind).get("__annotations__", {}):
            definition: Any = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
            for statement, below in pairwise(definition.body):
                match statement, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                        value=ast.Constant(value=str(text))
                    ):
                        if name == field:
                            return text
    return ""
