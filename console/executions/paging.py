"""Parts of long lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from console.executions.views import PagesView

__all__ = ["part_of"]

T = TypeVar("T")


def part_of(items: Sequence[T], page: int, size: int) -> tuple[Sequence[T], PagesView]:
    """Returns a page of a list, and where it is in the list.

    Args:
        items: The whole list.
        page: The page, from 1. One that does not exist gives the nearest.
        size: How many items are on a page.
    """
    pages = max(-(-len(items) // size), 1)
    page = min(max(page, 1), pages)
    start = (page - 1) * size
    part = items[start : start + size]
    first = start + 1 if part else 0
    return part, PagesView(page=page, pages=pages, first=first, last=start + len(part), total=len(items))
