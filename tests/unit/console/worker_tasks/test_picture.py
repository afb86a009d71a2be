"""Which image or document a task is about."""

from __future__ import annotations

from typing import Any

import pytest

from console.worker_tasks.description import TaskDescription
from console.worker_tasks.elements.text import Text
from console.worker_tasks.picture import picture_of
from lambdas.reviews.output import REKOGNITION, TEXTRACT

DESCRIBED = TaskDescription(elements=(Text(element="crowd-input", name="a"),), picture="task.image")
S3 = {"s3Object": {"bucket": "documents", "name": "n.png"}}


@pytest.mark.parametrize(
    ("source", "content", "location"),
    [
        (TEXTRACT, {"aiServiceRequest": {"document": S3}}, "s3://documents/n.png"),
        (REKOGNITION, {"aiServiceRequest": {"image": S3}}, "s3://documents/n.png"),
        (REKOGNITION, {"aiServiceRequest": {"image": {}}}, None),
        (None, {"task": {"image": "s3://documents/folder/n.png"}}, "s3://documents/folder/n.png"),
        (None, {"task": {"image": "https://example.com/n.png"}}, None),
        (None, {"task": {"image": 1}}, None),
        (None, {"task": "s3://documents/n.png"}, None),
        # Only the place that the description names counts, not any text that looks like a location.
        (None, {"other": "s3://documents/n.png"}, None),
        (None, {}, None),
    ],
)
def test_picture_of_a_task(source: str | None, content: dict[str, Any], location: str | None) -> None:
    found = picture_of(source, DESCRIBED, content)
    assert (found.location if found else None) == location


def test_task_without_description_has_no_picture() -> None:
    assert picture_of(None, None, {"task": {"image": "s3://documents/n.png"}}) is None
