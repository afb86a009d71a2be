"""What the input of a loop names: the document or image that people reviewed, and the text that they marked.

Textract and Rekognition say which document they read. The input of a custom task is whatever its caller sent, so that
each location in it counts, in the order in which a person would look: the one that the settings call the document, then
`taskObject`, which the templates of AWS use, then what is named like an image.

Source: "Amazon A2I Output Data", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lambdas.reviews.errors import json_path
from lambdas.reviews.location import S3Location

__all__ = ["NamedObject", "NamedText", "named_objects", "named_text", "requested_object"]

MAX_OBJECTS = 25
"""The number of objects that are listed."""
MAX_VALUES = 20_000
"""The values of an input that are looked at. An input has up to 3 MiB."""
MAX_DEPTH = 12

_TASK_OBJECT = "taskobject"
_TEXT_KEYS = (_TASK_OBJECT, "originaltext", "text", "document", "content", "source")
"""Keys, in lower case, that usually have the text that people mark."""
_IMAGE = re.compile(r"\.(png|jpe?g|gif|webp)$", re.IGNORECASE)
_WEB = re.compile(r"https?://\S+", re.IGNORECASE)

Place = tuple[str | int, ...]


class NamedObject(NamedTuple):
    """An object that an input names.

    Attributes:
        location: `s3://bucket/key`, or a web address.
        named_in: Where the input names it, as a JSON path.
        version: The version of the object; None for the newest.
    """

    location: str
    named_in: str
    version: str | None = None

    @property
    def s3(self) -> S3Location | None:
        """The location in S3; None for a web address."""
        return S3Location.parse(self.location) if self.location.startswith("s3://") else None


class NamedText(NamedTuple):
    """A text of an input, and where the input has it, as a JSON path."""

    text: str
    named_in: str


def requested_object(request: Any, named_in: str) -> NamedObject | None:
    """Returns the object of a request of Textract or Rekognition, in A2I's keys or in the service's own.

    Args:
        request: The request.
        named_in: Where it is, as a JSON path.
    """
    if not isinstance(request, dict):
        return None
    for key, inner in request.items():
        if key.lower() in ("document", "image") and isinstance(inner, dict):
            for name, found in inner.items():
                if name.lower() == "s3object" and (place := _in_parts(found)):
                    return place._replace(named_in=f"{named_in}.{key}")
    return None


def named_objects(content: Any, document_id: str | None = None) -> list[NamedObject]:
    """Returns the objects that the input of a custom task names, the likeliest document first; each once.

    Args:
        content: The input.
        document_id: What identifies the document according to the settings.
    """
    found: dict[str, tuple[Place, NamedObject]] = {}
    for place, value in _values(content):
        named = _location(value) if isinstance(value, str) else _in_parts(value)
        if named is not None:
            named = named._replace(named_in="inputContent" + json_path(place))
            found.setdefault(named.location, (place, named))

    def order(one: tuple[Place, NamedObject]) -> tuple[bool, ...]:
        place, named = one
        return (
            named.location != document_id,
            not any(isinstance(part, str) and part.lower() == _TASK_OBJECT for part in place),
            not _IMAGE.search(named.location.partition("?")[0]),
            not named.location.startswith("s3://"),
        )

    return [named for _, named in sorted(found.values(), key=order)[:MAX_OBJECTS]]


def named_text(content: Any, length: int) -> NamedText | None:
    """Returns the text of a custom task that spans are in; None if no text is long enough.

    Args:
        content: The input.
        length: How many characters the text has at least.
    """
    fitting = [
        (place, value)
        for place, value in _values(content)
        if isinstance(value, str) and _location(value) is None and len(value) >= length
    ]
    if not fitting:
        return None

    def order(one: tuple[Place, str]) -> tuple[int, int]:
        key = str(one[0][-1]).lower() if one[0] else ""
        return (_TEXT_KEYS.index(key) if key in _TEXT_KEYS else len(_TEXT_KEYS), -len(one[1]))

    place, text = min(fitting, key=order)
    return NamedText(text, "inputContent" + json_path(place))


def _values(content: Any) -> Iterator[tuple[Place, Any]]:
    """Yields texts and objects of an input with their places, those of the first level first."""
    level: list[tuple[Place, Any]] = [((), content)]
    seen = 0
    while level:
        deeper: list[tuple[Place, Any]] = []
        for place, value in level:
            if isinstance(value, str | dict):
                yield place, value
            if len(place) < MAX_DEPTH and seen <= MAX_VALUES:
                items: Any = ()
                if isinstance(value, dict):
                    items = value.items()
                elif isinstance(value, list):
                    items = enumerate(value)
                for key, inner in items:
                    seen += 1
                    if seen > MAX_VALUES:
                        break
                    deeper.append(((*place, key), inner))
        level = deeper


def _location(text: str) -> NamedObject | None:
    text = text.strip()
    if _WEB.fullmatch(text):
        return NamedObject(text, "")
    try:
        return NamedObject(str(S3Location.parse(text)), "")
    except ValueError:
        return None


def _in_parts(value: Any) -> NamedObject | None:
    """Returns an object that is named by its bucket and its key, such as Textract's S3Object."""
    if not isinstance(value, Mapping):
        return None
    lowered = {key.lower(): inner for key, inner in value.items() if isinstance(key, str)}
    bucket, key = lowered.get("bucket"), lowered.get("name") or lowered.get("key")
    version = lowered.get("version")
    if not isinstance(bucket, str) or not isinstance(key, str):
        return None
    try:
        location = str(S3Location.parse(f"s3://{bucket}/{key}"))
    except ValueError:
        return None
    return NamedObject(location, "", version if isinstance(version, str) else None)
