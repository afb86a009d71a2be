"""The page of an execution: what happened in each step, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.errors import Problem
from console.executions.building import Asked, execution_page
from console.executions.step import UnknownStep
from console.executions.views import Shown
from console.rendering import page, see
from console.site import Site
from workflow.asl.graph import stylesheet
from workflow.operations.executions import ExecutionGone, ExecutionUnreadable

__all__ = ["routes", "writing"]


_MAX_ARN = 256
"""Step Functions refuses a longer ARN as invalid input (DescribeExecution, "executionArn")."""


def routes(site: Site) -> list[Route]:
    """The page, and the style sheet of its graph."""
    return [
        Route("/executions/{name:path}", _execution, name="execution"),
        Route("/graph.css", _style, name="graph_style"),
    ]


def writing(site: Site) -> list[Route]:
    """The button that processes the status change again."""
    return [Route("/executions/{name:path}/run-again", _run_again, name="run_again", methods=["POST"])]


def _execution(request: Request) -> Response:
    site: Site = request.app.state.site
    key = request.path_params["name"]
    asked = _asked(request)
    arn = _arn(site, key)
    try:
        if len(arn) > _MAX_ARN:
            raise ExecutionGone(f"no execution has an ARN of {len(arn):,} characters")
        execution = site.connection.executions.read(arn)
    except ExecutionGone as error:
        raise Problem(
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            title="This execution does not exist",
            commands=(f"python deploy.py loops list --stage {site.stage}",),
        ) from None
    except ExecutionUnreadable as error:
        raise Problem(f"{error}.", title="This execution cannot be shown") from None
    try:
        view = execution_page(
            site.connection, execution, key, asked, now=datetime.now(UTC), link=_links(request)
        )
    except UnknownStep as error:
        raise Problem(str(error), title="No such step") from None
    return page(request, "execution.html", view)


def _links(request: Request) -> Callable[[str], str]:
    """Returns what gives the address of a step in the graph."""
    here = request.url.path
    return lambda state: f"{here}?{urlencode({'state': state})}#step"


def _style(request: Request) -> Response:
    return Response(stylesheet(), media_type="text/css")


def _run_again(request: Request) -> Response:
    site: Site = request.app.state.site
    arn = _arn(site, request.path_params["name"])
    redriven = site.loops.redrive_execution(arn)
    name = redriven.execution.rpartition(":")[2]
    return see(
        request, "execution", "The status change is being processed again, by this execution.", name=name
    )


def _arn(site: Site, key: str) -> str:
    """Returns the ARN of an execution of the stage's workflow, by name. An ARN is returned unchanged.

    Executions of other state machines have pages, too: those that a step started, the items of a Distributed Map, the
    workflows that wait for a human loop.
    """
    if key.startswith("arn:"):
        return key
    machine = site.connection.resources.state_machine_arn
    return f"{machine.replace(':stateMachine:', ':execution:')}:{key}"


def _asked(request: Request) -> Asked:
    query = request.query_params
    return Asked(
        showing=_shown(query.get("view")),
        state=query.get("state"),
        visit=_number(query.get("visit"), "visit"),
        page=_number(query.get("page"), "page") or 1,
    )


def _shown(text: str | None) -> Shown | None:
    if text is not None and text not in (known := get_args(Shown)):
        raise Problem(f"There is no view {text!r}: use {', '.join(known)}.", status=400, title="No such view")
    return cast(Shown | None, text)


def _number(text: str | None, what: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise Problem(f"The {what} is a number from 1, not {text!r}.", status=400, title="Invalid address")
    return int(text)
