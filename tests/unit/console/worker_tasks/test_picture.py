"""Which image a task is about, and how large it is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from console.worker_tasks.description import TaskDescription
from console.worker_tasks.elements.text import Text
from console.worker_tasks.picture import Place, place_of, size_of
from lambdas.reviews.output import REKOGNITION, TEXTRACT

DESCRIBED = TaskDescription(elements=(Text(element="crowd-input", name="a"),), picture="taskObject")
S3 = {"s3Object": {"bucket": "b", "name": "n.png"}}


@pytest.mark.parametrize(
    ("source", "content", "place"),
    [
        (TEXTRACT, {"aiServiceRequest": {"document": S3}}, Place("b", "n.png")),
        (REKOGNITION, {"aiServiceRequest": {"image": S3}}, Place("b", "n.png")),
        (REKOGNITION, {"aiServiceRequest": {"image": {}}}, None),
        (None, {"taskObject": "s3://b/folder/n.png"}, Place("b", "folder/n.png")),
        (None, {"taskObject": "https://example.com/n.png"}, None),
        (None, {"taskObject": 1}, None),
        (None, {}, None),
    ],
)
def test_place_of_the_image(source: str | None, content: dict[str, Any], place: Place | None) -> None:
    assert place_of(source, DESCRIBED, content) == place


def test_size_is_that_which_a_browser_shows() -> None:
    def file(kind: str, **options: Any) -> bytes:
        written = io.BytesIO()
        Image.new("RGB", (30, 20)).save(written, kind, **options)
        return written.getvalue()

    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees, as phones do
    assert size_of(file("PNG")) == (30, 20)
    assert size_of(file("JPEG", exif=exif)) == (20, 30)
    assert size_of(file("PNG")[:20]) is None
    assert size_of(b"%PDF-1.7") is None
    assert size_of(b"") is None
