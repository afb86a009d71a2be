"""Reads a JSON document in pieces.

A Textract output can have 20 MB, of which little is needed, and Python objects need seven times the memory of their
text. So this reader passes over the bytes once and parses only the pieces that its caller asks for, each with
pydantic's strict parser. It keeps track of its position for error messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from lambdas.reviews.errors import InvalidDocument, json_path
from lambdas.reviews.tolerant import Tolerated, tolerate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import TypeAdapter

T = TypeVar("T")

_SPACE = re.compile(rb"[ \t\n\r]*")
# Repeated groups are atomic, (?>(?:…)*), not possessive, (?:…)*+: before Python 3.11.5, those miss matches.
_STRING = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"', re.DOTALL)
_SCALAR = re.compile(rb"[^\]},: \t\n\r]+")
_NO_BRACKET = rb'[^"\[\]{}]++|"(?>(?:[^"\\]++|\\.)*)"'
_WHOLE = _NO_BRACKET
for _ in range(3):  # the depth of a Textract block, so that one match passes over it
    _WHOLE = _NO_BRACKET + rb"|[\[{](?>(?:" + _WHOLE + rb")*)[\]}]"
# Everything up to the bracket that closes the current container, or that opens a deeper one.
_TO_BRACKET = re.compile(rb"(?>(?:" + _WHOLE + rb")*)", re.DOTALL)
_OWN_PLACE = re.compile(r" at line \d+ column \d+$")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
MAX_DIGITS = 300
"""Integers with more digits become floats, which can be infinite."""
_BOM = b"\xef\xbb\xbf"


class JsonReader:
    """A reader whose position is always before a value.

    `members` and `elements` iterate over an object or a list, and must be exhausted. In the loop, read each value with
    `value`, `read` or another iteration. A value that is not read is skipped.

    Raises:
        InvalidDocument: Every method: the document is not JSON. The message says where.
    """

    def __init__(self, raw: bytes, document: str) -> None:
        self.raw = raw
        self.document = document
        self.at = len(_BOM) if raw.startswith(_BOM) else 0
        self._path: list[str | int] = []
        self._skip_space()

    @property
    def path(self) -> str:
        """The position as a JSON path."""
        return "$" + json_path(self._path)

    def peek(self) -> str:
        """Returns the first character of the next value, such as ``{`` or ``[``; "" at the end."""
        return self.raw[self.at : self.at + 1].decode("latin-1")

    def members(self) -> Iterator[str]:
        """Iterates over an object: yields each key, with the position before its value."""
        seen = set()
        for _ in self._items("{", "}", "an object"):
            match = _STRING.match(self.raw, self.at)
            if match is None:
                raise self.error("not JSON: expected a key in quotes")
            key = self._parsed(match[0], self.at)
            self._move_to(match.end())
            if self.peek() != ":":
                raise self.error("not JSON: expected ':' after a key")
            self._move_to(self.at + 1)
            if key in seen:
                raise self.error(f"duplicate key {key!r}")
            seen.add(key)
            self._path.append(key)
            yield from self._visit(key)
            self._path.pop()

    def elements(self) -> Iterator[int]:
        """Iterates over a list: yields each index, with the position before its element."""
        for index in self._items("[", "]", "a list"):
            self._path.append(index)
            yield from self._visit(index)
            self._path.pop()

    def value(self) -> Any:
        """Reads and parses the value.

        Raises:
            RecursionError: The value is nested too deeply: a few hundred levels. The position is after it.
        """
        start = self.at
        return self._parsed(self.text(), start)

    def value_or_none(self) -> Any:
        """Reads and parses the value. Returns None for a value that is nested too deeply."""
        try:
            return self.value()
        except RecursionError:
            return None

    def read(self, adapter: TypeAdapter[T]) -> Tolerated[T]:
        """Reads the value, and validates what is valid in it: nothing of a value that is nested too deeply."""
        start = self.at
        text = self.text()
        try:
            return Tolerated(adapter.validate_json(text))
        except ValidationError:
            try:
                value = self._parsed(text, start)
            except RecursionError:
                return Tolerated(None)
            return tolerate(adapter.validate_python, value)

    def text(self) -> bytes:
        """Reads the value without parsing it: it may be invalid JSON."""
        start = self.at
        if self.peek() in ("[", "{"):
            end = self._end_of_container()
        else:
            match = (_STRING if self.peek() == '"' else _SCALAR).match(self.raw, start)
            if match is None:
                raise self.error("not JSON: expected a value")
            end = match.end()
        self._move_to(end)
        return self.raw[start:end]

    def expect_end(self) -> None:
        """Checks that the document ends here."""
        if self.at < len(self.raw):
            raise self.error("not JSON: unexpected text after the end")

    def error(self, problem: str, at: int | None = None) -> InvalidDocument:
        """Returns an error with a position in the document, by default the current one."""
        at = self.at if at is None else at
        line = self.raw.count(b"\n", 0, at) + 1
        column = at - self.raw.rfind(b"\n", 0, at)
        return InvalidDocument(self.document, self.path, f"{problem}, at line {line} column {column}")

    def _items(self, opening: str, closing: str, name: str) -> Iterator[int]:
        if self.peek() != opening:
            raise self.error(f"expected {name}")
        self._move_to(self.at + 1)
        if self.peek() == closing:
            self._move_to(self.at + 1)
            return
        index = 0
        while True:
            yield index
            index += 1
            sign = self.peek()
            if sign not in (",", closing):
                raise self.error(f"not JSON: expected ',' or '{closing}'")
            self._move_to(self.at + 1)
            if sign == closing:
                return

    def _visit(self, item: Any) -> Iterator[Any]:
        before = self.at
        yield item
        if self.at == before:
            self.value_or_none()

    def _end_of_container(self) -> int:
        depth, at, raw = 0, self.at, self.raw
        to_bracket = _TO_BRACKET.match
        while True:
            if raw[at] in b"[{":
                depth += 1
            else:
                depth -= 1
            at += 1
            if not depth:
                return at
            match = to_bracket(raw, at)
            at = match.end() if match else at
            if at == len(raw) or raw[at] == 0x22:
                raise self.error("not JSON: the document ends within this value")

    def _parsed(self, text: bytes, start: int) -> Any:
        try:
            return from_json(text)
        except ValueError as error:
            # The position in pydantic's message is relative to this value.
            problem = _OWN_PLACE.sub("", str(error))
            if "recursion" in problem:
                raise RecursionError from None
            try:
                return _from_odd_json(text)
            except ValueError:
                pass
            raise self.error(f"not JSON: {problem}, in the value", start) from error

    def _move_to(self, at: int) -> None:
        match = _SPACE.match(self.raw, at)
        self.at = match.end() if match else at

    def _skip_space(self) -> None:
        self._move_to(self.at)


def _from_odd_json(text: bytes) -> Any:
    """Parses JSON that pydantic's parser refuses: a number of thousands of digits, or half of a surrogate pair.

    A page that cuts a text in the middle of an emoji writes such a half. It is replaced by U+FFFD.
    """
    import json  # here, because hardly any output needs it

    return _encodable(json.loads(text.decode(), parse_int=_integer))


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < MAX_DIGITS else float(digits)


def _encodable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in value]
    return _HALF_PAIR.sub("\ufffd", value) if isinstance(value, str) else value
