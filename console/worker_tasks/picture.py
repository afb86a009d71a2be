"""The image that a task is about."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from console.worker_tasks.description import TaskDescription
from console.worker_tasks.elements import at, text_at
from lambdas.reviews.output import REKOGNITION, TEXTRACT

__all__ = ["Place", "place_of", "size_of"]

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""The values of Orientation in EXIF with which browsers turn an image by 90 degrees."""


class Place(NamedTuple):
    """An object in S3."""

    bucket: str
    key: str


def place_of(
    source: str | None, described: TaskDescription | None, content: Mapping[str, Any]
) -> Place | None:
    """Returns where the image or document of a task is; None if its input names none.

    Args:
        source: The AI service of a built-in task.
        described: The description of the flow definition.
        content: The input of the loop.
    """
    if source in (TEXTRACT, REKOGNITION):
        key = "document" if source == TEXTRACT else "image"
        found = at(content, f"aiServiceRequest.{key}.s3Object")
        bucket, name = text_at(found, "bucket"), text_at(found, "name")
        return Place(bucket, name) if bucket and name else None
    uri = text_at(content, described.picture) if described else None
    match = re.fullmatch(r"s3://([^/]+)/(.+)", uri or "", re.DOTALL)
    return Place(match[1], match[2]) if match else None


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Returns width and height of an image as a browser shows it, in pixels; None if it cannot be read as one."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only its header is read
            with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
                is_turned = image.getexif().get(_ORIENTATION) in _TURNED
                return (image.height, image.width) if is_turned else (image.width, image.height)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
