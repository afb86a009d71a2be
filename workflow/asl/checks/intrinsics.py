"""Calls of intrinsic functions that fail: unknown names, and arguments that do not fit.

Source: Intrinsics for JSONPath states, Step Functions developer guide; Amazon States Language, "Intrinsic functions".
"""

from __future__ import annotations

import re

from workflow.asl.checks.problem import hint

__all__ = ["arguments_of_call", "why_not_intrinsic"]

_COUNTS: dict[str, tuple[int, int | None]] = {
    "Array": (0, None),
    "ArrayContains": (2, 2),
    "ArrayGetItem": (2, 2),
    "ArrayLength": (1, 1),
    "ArrayPartition": (2, 2),
    "ArrayRange": (3, 3),
    "ArrayUnique": (1, 1),
    "Base64Decode": (1, 1),
    "Base64Encode": (1, 1),
    "Format": (1, None),
    "Hash": (2, 2),
    "JsonMerge": (3, 3),
    "JsonToString": (1, 1),
    "MathAdd": (2, 2),
    "MathRandom": (2, 3),
    "StringSplit": (2, 2),
    "StringToJson": (1, 1),
    "UUID": (0, 0),
}
"""The fewest and the most arguments of each function; None for any number."""

_CALL = re.compile(r"States\.(\w*)\s*\((.*)\)", re.DOTALL)
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_OTHER = re.compile(r"\$.*|-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null", re.DOTALL)


def why_not_intrinsic(text: str) -> str:
    """Why a text is not a call of an intrinsic function that can succeed; "" if it is one."""
    call = _CALL.fullmatch(text.strip())
    if call is None:
        return f"{text} is no call of an intrinsic function: write States.Format('…', $.path)"
    name, arguments = call[1], _arguments(call[2])
    if name not in _COUNTS:
        known = [f"States.{one}" for one in _COUNTS]
        return f"there is no intrinsic function States.{name}{hint(f'States.{name}', known)}"
    for argument in arguments:
        if argument.startswith("States."):
            if why := why_not_intrinsic(argument):
                return why
        elif not _TEXT.fullmatch(argument) and not _OTHER.fullmatch(argument):
            plain = argument.strip("\"'")
            return f"States.{name}: {argument or 'nothing'} is no argument; write a text as '{plain}', a path as $.…"
    return _why_not_arguments(name, arguments)


def arguments_of_call(text: str) -> list[str]:
    """The arguments of a call of an intrinsic function; none for any other text."""
    call = _CALL.fullmatch(text.strip())
    return _arguments(call[2]) if call else []


def _why_not_arguments(name: str, arguments: list[str]) -> str:
    least, most = _COUNTS[name]
    if len(arguments) < least or (most is not None and len(arguments) > most):
        some = str(least) if most == least else f"{least} to {most}" if most else f"at least {least}"
        noun = "argument" if some == "1" else "arguments"
        return f"States.{name} takes {some} {noun}, not {len(arguments)}"
    if name == "Format" and _TEXT.fullmatch(arguments[0]):
        places = re.sub(r"\\.", "", arguments[0], flags=re.DOTALL).count("{}")
        values = len(arguments) - 1
        if places != values:
            return f"States.Format: the text has {places} {{}} for {values} value{'s' if values != 1 else ''}"
    return ""


def _arguments(text: str) -> list[str]:
    """The arguments of a call, split at the commas that are neither in a text nor in a nested call or a path."""
    found, depth, start, quoted = [], 0, 0, False
    escaped = False
    for at, char in enumerate(text):
        if escaped or (quoted and char == "\\"):
            escaped = not escaped
        elif char == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    return [*found, text[start:].strip()] if text.strip() else []
