"""The page of one human loop: what happened to it, its review, and what one can do now."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.errors import Problem
from console.human_loop.building import human_loop_view
from console.posted import Posted, with_form
from console.rendering import page, see
from console.review_part import review_part
from console.site import Site
from lambdas.loops.bounded import MAX_REASON
from workflow.operations.client import refusals_as_errors
from workflow.operations.loops import LoopError
from workflow.operations.story import Story

__all__ = ["routes", "writing"]


def routes(site: Site) -> list[Route]:
    """The page. It comes after the pages of its parts: a name is any text."""
    return [Route("/loops/{key:path}", _loop, name="loop")]


def writing(site: Site) -> list[Route]:
    """The buttons."""
    return [
        Route(f"/loops/{{key:path}}/{action}", with_form(handler), name=action, methods=["POST"])
        for action, handler in (
            ("restart", _restart),
            ("stop", _stop),
            ("close", _close),
            ("redrive", _redrive),
            ("reconcile", _reconcile),
        )
    ]


def _loop(request: Request) -> Response:
    return _page(request, _story(request))


def _page(request: Request, story: Story, *, note: str = "", note_problem: str = "") -> Response:
    site: Site = request.app.state.site
    # Without a status, the row is not one of the ledger: only A2I has the loop.
    part = review_part(site, story.loop) if story.loop.status else None
    view = human_loop_view(
        story,
        stage=site.stage,
        machine=site.connection.resources.state_machine_arn,
        review=part,
        newer=site.loops.newer_of_name(story.loop) if part else None,
        note=note,
        note_problem=note_problem,
    )
    return page(request, "loop.html", view, status=400 if note_problem else 200)


def _story(request: Request) -> Story:
    site: Site = request.app.state.site
    name = request.path_params["key"]
    try:
        return site.loops.show(name)
    except LoopError as error:
        text = f"{error}."
        raise Problem(
            text[0].upper() + text[1:],
            title="No such human loop",
            commands=(f"python deploy.py loops list --stage {site.stage}",),
        ) from None


def _key(request: Request) -> str:
    return str(request.path_params["key"])


def _restart(request: Request, posted: Posted) -> Response:
    site: Site = request.app.state.site
    with refusals_as_errors():
        started = site.loops.restart(_key(request))
    name = started.human_loop_name
    return see(request, "loop", f"Restarted {_key(request)} as {name}.", key=name)


def _stop(request: Request, posted: Posted) -> Response:
    site: Site = request.app.state.site
    name = site.loops.stop(_key(request))
    return see(request, "loop", f"{name} is stopping. Answers that were given are kept.", key=_key(request))


def _close(request: Request, posted: Posted) -> Response:
    site: Site = request.app.state.site
    note = posted.text("note").strip()
    if not note:
        problem = "Say why the loop needs no more action. The ledger keeps the note."
    elif len(note) > MAX_REASON:
        problem = f"The note has {len(note):,} characters; the maximum is {MAX_REASON:,}."
    else:
        closed = site.loops.close(_key(request), note)
        notified = f" Waiting workflows that were notified: {closed.answered}." if closed.answered else ""
        return see(
            request, "loop", f"Closed by {closed.loop.closed_by}.{notified}", key=closed.loop.human_loop_name
        )
    return _page(request, _story(request), note=note, note_problem=problem)


def _redrive(request: Request, posted: Posted) -> Response:
    site: Site = request.app.state.site
    redriven = site.loops.redrive(_key(request))
    return see(request, "loop", "The status change is being processed again.", key=redriven.human_loop_name)


def _reconcile(request: Request, posted: Posted) -> Response:
    site: Site = request.app.state.site
    found = site.loops.reconcile()
    text = f"Human loops checked: {found.looked_at:,}."
    if found.problems:
        text += f" Problems: {'; '.join(map(str, found.problems))}"
    return see(request, "loop", text, key=_key(request))
