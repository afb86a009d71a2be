"""The review of a human loop: a part of the loop's page, and a page of its own for large reviews; and its documents."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.errors import Problem
from console.objects import sent
from console.rendering import page
from console.site import Site
from console.views import View
from lambdas.loops.loop import Loop
from workflow.operations.review_view import ReviewView
from workflow.operations.review_view.model import DocumentView
from workflow.operations.review_view.objects import DocumentError
from workflow.operations.review_view.reading import MAX_ROWS, ReviewUnreadable

__all__ = ["ReviewPart", "review_part", "routes"]

ALL = "all"
"""The value of `first` that shows all fields."""


class ReviewPart(View):
    """The review of a loop, as `_review.html` shows it.

    Attributes:
        key: The loop, for links.
        review: The review; None if there is none, or if it cannot be read.
        documents: What the input of a loop without a review names.
        problem: Why the review or the documents cannot be read, and what to do.
        next: The number of the first field that comes next; None if none does.
        previous: The number of the first field of the part before; None at the beginning.
    """

    key: str
    review: ReviewView | None
    documents: tuple[DocumentView, ...] = ()
    problem: str | None = None
    next: int | None = None
    previous: int | None = None


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


def review_part(site: Site, loop: Loop, *, first: str = "1") -> ReviewPart:
    """Returns the review of a loop for `_review.html`.

    Args:
        site: The site.
        loop: The loop.
        first: The number of the first field to show, from 1, or "all".
    """
    reader = site.connection.reviews
    key = loop.human_loop_name
    number = int(first) if first.isdecimal() and len(first) < 10 else 1
    try:
        review = reader.review(loop, first=number, limit=None if first == ALL else MAX_ROWS)
        documents = () if review else tuple(reader.documents(loop))
    except (ReviewUnreadable, DocumentError) as error:
        return ReviewPart(key=key, review=None, problem=str(error))
    if review is None:
        return ReviewPart(key=key, review=None, documents=documents)
    after = review.first + len(review.rows)
    return ReviewPart(
        key=key,
        review=review,
        next=after if after <= review.counts.fields else None,
        previous=max(review.first - MAX_ROWS, 1) if review.first > 1 else None,
    )


def _review(request: Request) -> Response:
    site: Site = request.app.state.site
    loop = _loop(request)
    part = review_part(site, loop, first=request.query_params.get("first", "1"))
    return page(request, "review.html", ReviewPage(name=loop.name, part=part))


def _document(request: Request) -> Response:
    """Sends an object that the input of a loop names: an image as itself, anything else as a download."""
    site: Site = request.app.state.site
    index = request.query_params.get("object", "0")
    try:
        opened = site.connection.reviews.open(
            _loop(request), int(index) if index.isdecimal() and len(index) < 10 else -1
        )
    except (DocumentError, ReviewUnreadable) as error:
        raise Problem(str(error), title="The document cannot be shown") from error
    return sent(request, opened)


def _loop(request: Request) -> Loop:
    site: Site = request.app.state.site
    name = request.path_params["key"]
    loop = site.loops.find(name)
    if loop is None:
        raise Problem(
            f"The ledger of stage {site.stage} has no human loop {name!r}.",
            title="No such human loop",
            commands=(f"python deploy.py loops list --stage {site.stage}",),
        )
    return loop
