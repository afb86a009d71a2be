"""The review of a human loop as `_review.html` shows it: on the loop's page, and on a page of its own."""

from __future__ import annotations

from console.site import Site
from console.views import View
from lambdas.loops.loop import Loop
from workflow.operations.review_view import ReviewView
from workflow.operations.review_view.model import DocumentView
from workflow.operations.review_view.objects import DocumentError
from workflow.operations.review_view.reading import MAX_ROWS, ReviewUnreadable

__all__ = ["ALL", "ReviewPart", "review_part"]

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
