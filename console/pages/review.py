"""The review of a human loop: a part of the loop's page, and a page of its own for large reviews; and its documents."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.errors import Problem
from console.objects import sent
from console.rendering import page
from console.review_part import ReviewPart, review_part
from console.site import Site
from console.views import View
from lambdas.loops.loop import Loop
from workflow.operations.review_view.objects import DocumentError
from workflow.operations.review_view.reading import ReviewUnreadable

__all__ = ["routes"]


class ReviewPage(View):
    """The page of one review.

    Attributes:
        name: The loop's name.
        part: The review.
    """

    name: str
    part: ReviewPart


def routes(site: Site) -> list[Route]:
    """The page of a review, and its documents."""
    return [
        Route("/loops/{key:path}/review", _review, name="review"),
        Route("/loops/{key:path}/document", _document, name="document"),
    ]


def _review(request: Request) -> Response:
    site: Site = request.app.state.site
    loop = _loop(request, "review")
    if isinstance(loop, Response):
        return loop
    part = review_part(site, loop, first=request.query_params.get("first", "1"))
    return page(request, "review.html", ReviewPage(name=loop.name, part=part))


def _document(request: Request) -> Response:
    """Sends an object that the input of a loop names: an image as itself, anything else as a download."""
    site: Site = request.app.state.site
    loop = _loop(request, "document")
    if isinstance(loop, Response):
        return loop
    index = request.query_params.get("object", "0")
    try:
        opened = site.connection.reviews.open(
            loop, int(index) if index.isdecimal() and len(index) < 10 else -1
        )
    except (DocumentError, ReviewUnreadable) as error:
        raise Problem(str(error), title="The document cannot be shown") from error
    return sent(request, opened)


def _loop(request: Request, last: str) -> Loop | Response:
    """Returns the loop of a request, or where its page is: the key of a loop can end with the last part of the path."""
    site: Site = request.app.state.site
    name = request.path_params["key"]
    loop = site.loops.find(name)
    if loop is None and (other := site.loops.find(f"{name}/{last}")):
        return RedirectResponse(
            request.app.url_path_for("loop", key=quote(other.human_loop_name, safe="")), 303
        )
    if loop is None:
        raise Problem(
            f"The ledger of stage {site.stage} has no human loop {name!r}.",
            title="No such human loop",
            commands=(f"python deploy.py loops list --stage {site.stage}",),
        )
    return loop
