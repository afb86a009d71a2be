"""The pages, one module each.

A module has `routes(site)`, and `writing(site)` if it has forms that change something.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import Route

from console.pages import execution, loop, loops, report, review, tasks
from console.site import Site

__all__ = ["routes", "writing"]

_Routes = Callable[[Site], list[Route]]

_READING: tuple[_Routes, ...] = (
    loops.routes,
    execution.routes,
    report.routes,
    review.routes,
    tasks.routes,
    loop.routes,
)
_WRITING: tuple[_Routes, ...] = (execution.writing, tasks.writing, loop.writing)


def routes(site: Site) -> list[Route]:
    """Returns the routes of all pages."""
    return [route for of_module in _READING for route in of_module(site)]


def writing(site: Site) -> list[Route]:
    """Returns the routes of all forms. Only a console that may write has them."""
    return [route for of_module in _WRITING for route in of_module(site)]
