"""Reads an object that a loop names: what it is by its first bytes, how large the image is, and its content.

What an object is does not depend on its name or on the type that it was stored with: a page of HTML that is stored as
an image must not become a page of the console.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from workflow.errors import AfterloopError
from workflow.operations.review_view.shapes import Size
from workflow.operations.review_view.subject import NamedObject
from workflow.publish.aws_errors import error_code, explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["IMAGES", "MAX_BYTES", "DocumentError", "Head", "OpenedObject", "open_object", "read_head"]

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The types of images that browsers show and that cannot run anything."""
MAX_BYTES = 64 * 1024 * 1024
"""The largest object that is shown. Textract, Rekognition and A2I take images of up to 15 MB."""
HEAD = 64 * 1024
"""The bytes of an object that are read to see what it is. The size of nearly all images is in them."""
_CHUNK = 256 * 1024

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


class DocumentError(AfterloopError):
    """The object cannot be read. The message says why, and what to do."""


class Head(NamedTuple):
    """What the beginning of an object says about it.

    Attributes:
        media_type: What it is; None if it is none of the known types.
        length: Its size in bytes.
        size: The size of the image, as browsers show it; None if it is no image, or if its head is damaged.
    """

    media_type: str | None
    length: int
    size: Size | None = None


@dataclass(frozen=True)
class OpenedObject:
    """An object that is being read.

    Attributes:
        name: The last part of its key.
        media_type: What it is; None if it is none of the known types.
        length: Its size in bytes.
        body: What is left to read. Close it.
        first: The bytes that were read already.
    """

    name: str
    media_type: str | None
    length: int
    body: Any
    first: bytes

    def chunks(self) -> Iterator[bytes]:
        """Yields the content, and closes the object at the end."""
        with closing(self.body):
            yield self.first
            while chunk := self.body.read(_CHUNK):
                yield chunk


def read_head(s3: S3Client, named: NamedObject) -> Head:
    """Returns what the beginning of an object says about it.

    Raises:
        DocumentError: It cannot be read.
    """
    answer = _get(s3, named, Range=f"bytes=0-{HEAD - 1}")
    if answer is None:
        raise DocumentError(f"{named.location} is empty")
    with closing(answer["Body"]) as body, _reading(named):
        first = body.read(HEAD)
    # "bytes 0-65535/1234567"; without it, the object was sent as a whole.
    total = str(answer.get("ContentRange", "")).rpartition("/")[2]
    size = int(total) if total.isdecimal() else answer["ContentLength"]
    media_type = media_type_of(first)
    return Head(media_type, size, _image_size(first) if media_type in IMAGES else None)


def open_object(s3: S3Client, named: NamedObject) -> OpenedObject:
    """Opens an object.

    Raises:
        DocumentError: It cannot be read, or is too large.
    """
    answer = _get(s3, named)
    if answer is None:
        raise DocumentError(f"{named.location} is empty")
    body, size = answer["Body"], answer["ContentLength"]
    if size > MAX_BYTES:
        body.close()
        raise DocumentError(
            f"{named.location} has {size:,} bytes, and the console shows up to {MAX_BYTES:,}; copy it with `aws s3 cp`"
        )
    with _reading(named):
        first = body.read(min(HEAD, size))
    name = named.location.rpartition("/")[2]
    return OpenedObject(name=name, media_type=media_type_of(first), length=size, body=body, first=first)


def media_type_of(first: bytes) -> str | None:
    """Returns what a file is by its first bytes, or None if it is none of the known types."""
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES if first.startswith(start)), None)


def _image_size(first: bytes) -> Size | None:
    """Returns the size of an image as browsers show it: turned as a camera says."""
    from PIL import Image  # takes long to load, and most pages have no image

    try:
        with warnings.catch_warnings():
            # Only the head is read, so no image is too large.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(first)) as image:
                width, height = image.size
                turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION) in _TURNED
    except Exception:  # a damaged image can raise anything, and costs only the size
        return None
    return Size(height, width) if turned else Size(width, height)


_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


def _get(s3: S3Client, named: NamedObject, **more: Any) -> Any:
    """Returns S3's answer, or None for an empty object."""
    place = named.s3
    if place is None:
        raise DocumentError(f"{named.location} is a web address; the console opens only objects in S3")
    if named.version is not None:
        more["VersionId"] = named.version
    with _reading(named):
        try:
            return s3.get_object(Bucket=place.bucket, Key=place.key, **more)
        except ClientError as error:
            if error_code(error) == "InvalidRange":
                return None
            raise


@contextmanager
def _reading(named: NamedObject) -> Iterator[None]:
    """Raises errors of S3 as errors of a document."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        code = error_code(error) if isinstance(error, ClientError) else ""
        why = _WHY.get(code) or str(explained(error) or code or error)
        raise DocumentError(f"{named.location} cannot be read: {why}") from error


_DENIED = (
    "access denied; your credentials need s3:GetObject for it, and kms:Decrypt if its key is in KMS; if another "
    "account owns the bucket, add that account to `bucket_accounts`"
)
_WHY = {
    "NoSuchKey": "the object does not exist; it was deleted, or its name in the input is wrong",
    "NoSuchVersion": "this version of the object does not exist any more",
    "NoSuchBucket": "the bucket does not exist",
    "404": "the object does not exist; it was deleted, or its name in the input is wrong",
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "InvalidObjectState": "it is archived; restore it with `aws s3api restore-object`",
}
