"""The steps of a JSONPath.

Source: Amazon States Language, "Paths".
"""

from __future__ import annotations

import re
from functools import cache

from workflow.asl.checks.flow import Path, Root
from workflow.asl.checks.shapes import Part

__all__ = ["parts_of"]


@cache
def parts_of(path: str) -> Path | None:
    """What a path starts from, and its steps: `$.a[0]`, `$$.State.Name`, `$variable.a`. None for anything else."""
    match = _START.match(path)
    if match is None:
        return None
    root: Root = "context" if match[1] else "variables" if match[2] else "input"
    parts: list[Part] = [match[2]] if match[2] else []
    position = match.end()
    while step := _STEP.match(path, position):
        name, index = step["name"] or step["single"] or step["double"], step["index"]
        parts.append(int(index) if index is not None else name or "")
        position = step.end()
    if position < len(path):
        parts.append(None)  # A wildcard, a filter, a slice or a function: it can select anything.
    return root, tuple(parts)


_START = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*))?(?=[.\[]|$)")
_STEP = re.compile(
    r"""\.(?P<name>\w[\w-]*)(?![\w(])|\[\s*'(?P<single>[^'\\]*)'\s*\]|\[\s*"(?P<double>[^"\\]*)"\s*\]"""
    r"""|\[(?P<index>\d+)\]"""
)
