"""The image or document that a task is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.worker_tasks.description import TaskDescription
from console.worker_tasks.elements import at, text_at
from lambdas.reviews.location import S3Location
from workflow.operations.review_view.subject import NamedObject, requested_object

__all__ = ["picture_of"]


def picture_of(
    source: str | None, described: TaskDescription | None, content: Mapping[str, Any]
) -> NamedObject | None:
    """Returns the image or document that a task is about; None if its input names none in S3.

    Args:
        source: The AI service of a built-in task.
        described: The description of the flow definition.
        content: The input of the loop.
    """
    if source is not None:
        return requested_object(at(content, "aiServiceRequest"), "$.aiServiceRequest")
    place = described.picture if described else None
    uri = text_at(content, place) or ""
    try:
        return NamedObject(str(S3Location.parse(uri)), f"$.{place}")
    except ValueError:
        return None
