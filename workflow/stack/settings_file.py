"""The settings file: its tables, and the lines that its settings are in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow.errors import SettingsError

__all__ = ["UnknownStage", "line_of", "read_tables"]


class UnknownStage(SettingsError):
    """The settings file is missing, or it has no stage of that name."""


def read_tables(path: Path) -> tuple[dict[str, Any], str]:
    """Returns the tables of the stages by name, and the text that they are from.

    Raises:
        UnknownStage: The file is missing.
        SettingsError: It cannot be read, is not TOML, or has no stage.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Editors on Windows write a mark at the beginning.
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise UnknownStage(
            f"{path}: the file does not exist; create it with `python deploy.py init`"
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: cannot be read: {error}; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits for `int`
        raise SettingsError(_not_toml(path.name, str(error))) from None
    except RecursionError:
        raise SettingsError(f"{path.name}: not valid TOML: nested too deeply") from None
    unknown_keys = [key for key in document if key != "stages"]
    if unknown_keys:
        line = line_of(text, unknown_keys[:1])
        raise SettingsError(
            f"{path.name}{f':{line}' if line else ''}: unknown key {unknown_keys[0]!r} at the top level; each stage is "
            "a table [stages.NAME]"
        )
    tables = document.get("stages")
    if not isinstance(tables, dict) or not tables:
        raise SettingsError(
            f"{path.name}: no stage found; add a table [stages.dev], or run `python deploy.py init`"
        )
    return tables, text


def _not_toml(file: str, message: str) -> str:
    """tomllib's message, with the line first."""
    found = re.match(r"(.*) \(at line (\d+), column (\d+)\)$", message)
    if not found:
        return f"{file}: not valid TOML: {message}"
    advice = ""
    if found[1] == "Invalid value":
        advice = '; a text is in "straight quotes", and true and false are in lowercase without them'
    elif found[1].startswith("Expected '='"):
        advice = "; write key = value"
    return f"{file}:{found[2]}: not valid TOML: {found[1]} (column {found[3]}){advice}"


_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_KEY})\s*\]")
_VALUE = re.compile(rf"\s*({_KEY})\s*=")


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Returns the line of a key, or of the table that should have it; None if it has no line of its own.

    Parsers of TOML do not say.

    Args:
        text: The file.
        path: The key, after the tables that it is in.
    """
    table: tuple[str, ...] = ()
    known, line = 0, None
    for number, content in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(content):
            here = table = _parts(header[1])
        elif value := _VALUE.match(content):
            here = (*table, *_parts(value[1]))
        else:
            continue  # a comment, or a line of an array or of a text
        here = here[: len(path)]  # `restart.max_attempts = 3` has the line of `restart`, too.
        if len(here) > known and here == tuple(path[: len(here)]):
            known, line = len(here), number
    return line


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
