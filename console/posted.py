"""The fields of a submitted form, for handlers of routes that write."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Self
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from console.errors import Problem

__all__ = ["MAX_BYTES", "Posted", "with_form"]

MAX_BYTES = 4 * 1024 * 1024
"""The longest form that is read. The input of a human loop has at most 3 MiB."""
_MAX_FIELDS = 50_000


class Posted:
    """The fields of a submitted form.

    Args:
        pairs: Names and values, in the order of the form.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = dict(pairs)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parses the body of a form.

        Raises:
            Problem: It has too many fields.
        """
        try:
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
            )
        except ValueError:
            raise _too_long(f"more than {_MAX_FIELDS:,} fields") from None
        return cls(pairs)

    def text(self, name: str, default: str = "") -> str:
        """Returns the text of a field. Browsers send line ends as CR LF; scripts on a page see LF."""
        return self._fields.get(name, default).replace("\r\n", "\n")

    def number(self, name: str) -> int | None:
        """Returns a field that is a whole number of 0 or more, None for anything else."""
        text = self.text(name)
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None

    def has(self, name: str) -> bool:
        """Returns whether there is a field, such as a box that is checked."""
        return name in self._fields

    def rows(self, prefix: str) -> list[int]:
        """Returns the numbers of rows, sorted, from fields such as `PREFIX7-label`."""
        found = (re.match(rf"{re.escape(prefix)}([0-9]{{1,6}})-", name) for name in self._fields)
        return sorted({int(match[1]) for match in found if match})


def with_form(
    handler: Callable[[Request, Posted], Response],
) -> Callable[[Request], Awaitable[Response]]:
    """Returns the handler of a route for a handler that also takes the submitted form. It runs in a thread."""

    async def handle(request: Request) -> Response:
        chunks, length = [], 0
        async for chunk in request.stream():
            length += len(chunk)
            if length <= MAX_BYTES:
                chunks.append(chunk)
        if length > MAX_BYTES:
            raise _too_long(f"{length:,} bytes, more than the {MAX_BYTES:,} that are read")
        return await run_in_threadpool(handler, request, Posted.parse(b"".join(chunks)))

    return handle


def _too_long(what: str) -> Problem:
    return Problem(f"The form has {what}.", status=413, title="The form is too long")
