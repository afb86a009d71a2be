"""The list of human loops, which is also the first page: what needs a person first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import get_args
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.rendering import page
from console.site import Site
from console.views import View
from lambdas.loops.loop import Loop, LoopStatus, Outcome
from lambdas.loops.visible import quoted
from workflow.errors import AfterloopError
from workflow.operations.flow_definitions import UnknownFlowDefinition
from workflow.operations.listing import ListingError, LoopFilter, LoopGroup, group_of, overruled_fields, why
from workflow.operations.moments import InvalidMoment, parse_moment, past_moment

__all__ = ["routes"]

_ASKED = ("status", "outcome", "flow", "since", "until", "order")
"""The parameters of the address that select and order loops."""


class LoopRow(View):
    """A human loop.

    Attributes:
        key: Its key in the ledger: the name, and more if the name was used again.
        name: Its name in A2I.
        link: The page about it.
        group: Whether it needs a person, is active, or has ended.
        flow_definition: The name of its flow definition.
        status: Its status.
        outcome: What the workflow did about it.
        why: The reason, on one line.
        attempt: 1 for the first loop of a lineage.
        created_at: When it was created.
        fields: The number of fields of its review; null without a review.
        overruled_fields: How many of them people changed, added or removed.
    """

    key: str
    name: str
    link: str
    group: LoopGroup
    flow_definition: str
    status: str | None
    outcome: str | None
    why: str
    attempt: int
    created_at: str | None
    fields: int | None
    overruled_fields: int | None


class Unreadable(View):
    """A row of the ledger that cannot be read.

    Attributes:
        key: Its key.
        problem: What is wrong with it.
    """

    key: str
    problem: str


class LoopsView(View):
    """A page of the list.

    Attributes:
        loops: The loops, in the order of the page.
        grouped: Whether loops that need a person come first, and then active ones.
        unreadable: Rows that cannot be read.
        asked: What was asked for, by the name of the parameter: the filters and the order.
        problems: What is wrong with it, by the name of the parameter.
        first: The first page, with the same filters; null if it is this one.
        next: The next page; null if there are no more loops.
        searched: The page ended early, because few loops match: it has what was created up to, or since, this time.
        statuses: The statuses to choose from.
        outcomes: The outcomes to choose from.
        flow_definitions: The names of the stage's flow definitions; empty if it takes the events of all.
        report: The report of the same period and flow definition.
        command: The command that lists the same loops.
    """

    loops: tuple[LoopRow, ...] = ()
    grouped: bool = False
    unreadable: tuple[Unreadable, ...] = ()
    asked: dict[str, str]
    problems: dict[str, str]
    first: str | None = None
    next: str | None = None
    searched: str | None = None
    statuses: tuple[str, ...] = get_args(LoopStatus)
    outcomes: tuple[str, ...] = get_args(Outcome)
    flow_definitions: tuple[str, ...]
    report: str
    command: str


def routes(site: Site) -> list[Route]:
    """The list, and the first page."""
    return [Route("/", _loops, name="home"), Route("/loops", _loops, name="loops")]


def _loops(request: Request) -> Response:
    site: Site = request.app.state.site
    if name := request.query_params.get("find", "").strip():
        # The loop's page says what to do if there is none.
        return RedirectResponse(_link(name), 303)
    asked = {name: value for name in _ASKED if (value := request.query_params.get(name, "").strip())}
    after = request.query_params.get("after")
    problems: dict[str, str] = {}
    found = None
    try:
        site.connection.resources.flow_definition_arn(asked.get("flow", ""))
    except AfterloopError as error:
        problems["flow"] = str(error)
    loop_filter = _filter(asked, problems)
    newest_first = asked.get("order") == "newest"
    if loop_filter is not None:
        try:
            found = site.loops.page(loop_filter, after=after or None, newest_first=newest_first)
        except ListingError as error:
            problems["after"] = str(error)
    if found and not found.loops and not after and "flow" in asked:
        # An empty list may mean that the name is mistyped.
        try:
            site.loops.flow_definitions.known(asked["flow"])
        except UnknownFlowDefinition as error:
            problems["flow"] = str(error)
    view = LoopsView(
        loops=tuple(map(_row, found.loops)) if found else (),
        grouped=not newest_first and not {"status", "outcome"} & asked.keys(),
        unreadable=tuple(Unreadable(key=row.key, problem=row.problem) for row in found.unreadable)
        if found
        else (),
        asked=asked,
        problems=problems,
        first=_address("/loops", asked) if after else None,
        next=_address("/loops", {**asked, "after": found.next_cursor})
        if found and found.next_cursor
        else None,
        searched=found.searched if found else None,
        flow_definitions=_flow_definitions(site),
        report=_address(
            "/report", {name: asked[name] for name in ("flow", "since", "until") if name in asked}
        ),
        command=_command(site.stage, asked),
    )
    return page(request, "loops.html", view, status=400 if problems else 200)


def _filter(asked: Mapping[str, str], problems: dict[str, str]) -> LoopFilter | None:
    """Returns the filter; None if there are problems, which are added to those given."""

    def one_of(name: str, values: tuple[str, ...]) -> str | None:
        value = asked.get(name)
        if value is not None and value not in values:
            problems[name] = f"{value!r} is not one of {', '.join(values)}"
        return value

    def moment(name: str, parse: Callable[[str], datetime]) -> datetime | None:
        try:
            return parse(asked[name]) if name in asked else None
        except InvalidMoment as error:
            problems[name] = str(error)
            return None

    status, outcome = one_of("status", get_args(LoopStatus)), one_of("outcome", get_args(Outcome))
    since, until = moment("since", past_moment), moment("until", parse_moment)
    if problems:
        return None
    try:
        return LoopFilter(status, asked.get("flow"), outcome, since, until)
    except ListingError as error:
        problems["until"] = str(error)
        return None


def _row(loop: Loop) -> LoopRow:
    overruled, fields = overruled_fields(loop)
    return LoopRow(
        key=loop.human_loop_name,
        name=loop.name,
        link=_link(loop.human_loop_name),
        group=group_of(loop),
        flow_definition=_flow_name(loop.flow_definition_arn or ""),
        status=loop.status,
        outcome=loop.outcome,
        why=why(loop),
        attempt=loop.attempt,
        created_at=loop.created_at,
        fields=fields,
        overruled_fields=overruled,
    )


def _flow_definitions(site: Site) -> tuple[str, ...]:
    arns = site.connection.resources.parameters.get("FlowDefinitionArns", "").split(",")
    return tuple(sorted(_flow_name(arn) for arn in arns if arn.startswith("arn:")))


def _flow_name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _link(name_or_key: str) -> str:
    return f"/loops/{quote(name_or_key, safe='', errors='replace')}"


def _address(path: str, parameters: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


_OPTIONS = {
    "status": "--status",
    "outcome": "--outcome",
    "flow": "--flow-definition",
    "since": "--since",
    "until": "--until",
}


def _command(stage: str, asked: Mapping[str, str]) -> str:
    given = [f"{option} {quoted(asked[name])}" for name, option in _OPTIONS.items() if name in asked]
    order = ["--newest-first"] if asked.get("order") == "newest" else []
    return " ".join(["python deploy.py loops list", *given, *order, f"--stage {stage}"])
