from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.unit.workflow.operations.review_view.samples import DOCUMENTS, Stage, picture
from workflow.operations.review_view import objects
from workflow.operations.review_view.objects import DocumentError, media_type_of, open_object, read_head
from workflow.operations.review_view.shapes import Size
from workflow.operations.review_view.subject import NamedObject

TURNED = {"exif": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"}


@pytest.mark.parametrize(
    ("content", "media_type", "size"),
    [
        (picture(40, 30), "image/png", Size(40, 30)),
        (picture(40, 30, "JPEG"), "image/jpeg", Size(40, 30)),
        (picture(40, 30, "JPEG", **TURNED), "image/jpeg", Size(30, 40)),
        (picture(40, 30, "GIF"), "image/gif", Size(40, 30)),
        (picture(40, 30, "WEBP"), "image/webp", Size(40, 30)),
        (picture(40, 30, "TIFF"), "image/tiff", None),
        (b"%PDF-1.7 ...", "application/pdf", None),
        (b"\x89PNG\r\n\x1a\n" + b"damaged" * 100, "image/png", None),
        (b"<html><script>alert(1)</script>", None, None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None, None),
        (b"RIFF....WAVE", None, None),
        (b"a", None, None),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_type_and_size_follow_from_the_content(
    stage: Stage, content: bytes, media_type: str | None, size: Size | None
) -> None:
    # Whatever the object was stored as.
    named = NamedObject(stage.put("file.png", content, ContentType="text/html"), "")
    assert read_head(stage.s3, named) == (media_type, len(content), size)
    opened = open_object(stage.s3, named)
    assert (opened.name, opened.media_type, opened.length) == ("file.png", media_type, len(content))
    assert b"".join(opened.chunks()) == content


def test_only_the_beginning_of_a_large_object_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "HEAD", 100)
    content = picture(400, 300) + b"x" * 1_000
    named = NamedObject(stage.put("large.png", content), "")
    assert read_head(stage.s3, named) == ("image/png", len(content), Size(400, 300))
    assert b"".join(open_object(stage.s3, named).chunks()) == content


def test_object_over_the_limit_is_refused_with_the_command_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MAX_BYTES", 10)
    with pytest.raises(DocumentError, match=r"has 11 bytes, .* up to 10; copy it with `aws s3 cp`"):
        open_object(stage.s3, NamedObject(stage.put("large", b"x" * 11), ""))


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (f"s3://{DOCUMENTS}/missing.png", "the object does not exist"),
        ("s3://nobodys-bucket/a.png", "the bucket does not exist"),
        ("https://x.example/a.png", "a web address"),
    ],
)
@pytest.mark.parametrize("read", [read_head, open_object])
def test_missing_object_says_why(stage: Stage, location: str, why: str, read: Any) -> None:
    with pytest.raises(DocumentError, match=why):
        read(stage.s3, NamedObject(location, ""))


class Refusing:
    """An S3 that refuses each call with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_object(self, **_: Any) -> Any:
        raise self.error


def refused(code: str, status: int = 403) -> Refusing:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return Refusing(ClientError(response, "GetObject"))


@pytest.mark.parametrize(
    ("s3", "why"),
    [
        (refused("AccessDenied"), "access denied; your credentials need s3:GetObject"),
        (refused("NoSuchVersion", 404), "this version of the object does not exist"),
        (refused("InvalidObjectState"), "archived; restore it"),
        (refused("ExpiredToken", 400), "the AWS session has expired"),
        (refused("SlowDown", 503), "AWS is busy"),
        (refused("Strange", 400), "Strange"),
        (Refusing(ReadTimeoutError(endpoint_url="http://x")), "cannot reach AWS"),
    ],
)
def test_refusal_of_s3_says_what_to_do(s3: Any, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        read_head(s3, NamedObject("s3://some/where", ""))


def test_empty_object_is_empty() -> None:
    with pytest.raises(DocumentError, match="is empty"):
        read_head(refused("InvalidRange", 416), NamedObject("s3://some/where", ""))  # type: ignore[arg-type]


def test_version_of_the_request_is_read(stage: Stage) -> None:
    stage.s3.create_bucket(Bucket="versioned")
    stage.s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first = stage.s3.put_object(Bucket="versioned", Key="a", Body=b"first")["VersionId"]
    stage.s3.put_object(Bucket="versioned", Key="a", Body=b"second")
    opened = open_object(stage.s3, NamedObject("s3://versioned/a", "", first))
    assert b"".join(opened.chunks()) == b"first"


@pytest.mark.parametrize("length", range(0, 13))
def test_type_of_a_short_beginning_is_unknown_or_right(length: int) -> None:
    assert media_type_of(b"RIFF....WEBP"[:length]) == ("image/webp" if length == 12 else None)
