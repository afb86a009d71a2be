"""Sends an object that a loop names: an image as itself, anything else as a download."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from workflow.operations.review_view.objects import IMAGES, OpenedObject

__all__ = ["sent"]


def sent(request: Request, opened: OpenedObject) -> Response:
    """Returns the response with an object, which is closed at the end.

    Only images are shown, by their first bytes and whatever they were stored as: a document from outside must not run
    anything here.

    Args:
        request: The request.
        opened: The object.
    """
    is_image = opened.media_type in IMAGES
    headers = {
        "content-length": str(opened.length),
        "content-disposition": f"{'inline' if is_image else 'attachment'}; filename*=UTF-8''{_quoted(opened.name)}",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }
    media_type = opened.media_type or "application/octet-stream"
    if request.method == "HEAD":
        opened.body.close()
        return Response(headers=headers, media_type=media_type)
    return StreamingResponse(opened.chunks(), headers=headers, media_type=media_type)


def _quoted(name: str) -> str:
    return quote(name.encode("utf-8", "replace"), safe="") or "document"
