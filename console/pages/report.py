"""The report of a period and a flow definition: how often people overrule the model, and where."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.errors import Problem
from console.rendering import page, wants_json
from console.site import Site
from console.views import View
from lambdas.loops.visible import quoted
from workflow.errors import AfterloopError
from workflow.operations.flow_definitions import UnknownFlowDefinition
from workflow.operations.moments import InvalidMoment, parse_moment, past_moment

if TYPE_CHECKING:
    from workflow.operations.report.writing import Report
    from workflow.operations.reviews_source import Period, ReviewsSource

__all__ = ["routes"]

_ASKED = {"flow": "--flow-definition", "since": "--since", "until": "--until"}
"""The parameters of the address, and the options of the command that are the same."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""The report is one file with its style in it. It has no script, and loads nothing."""

_ONE_AT_A_TIME = threading.Lock()
"""What draws the charts has settings that belong to the whole process."""


class ReportView(View):
    """A report, and what was asked for.

    Attributes:
        asked: What was asked for, by the name of the parameter: flow definition and period.
        problems: What is wrong with it, by the name of the parameter.
        first: The first day of the period, in UTC; null if there are problems.
        last: Its last day.
        document: The address of the report itself; null if there are problems.
        flow_definitions: The names of the flow definitions that have reviews, to choose from.
        command: The command that makes the same report.
        report: The figures, as `report --output json` prints them. Only with `?format=json`.
    """

    asked: dict[str, str]
    problems: dict[str, str]
    first: str | None = None
    last: str | None = None
    document: str | None = None
    flow_definitions: tuple[str, ...]
    command: str
    report: dict[str, Any] | None = None


def routes(site: Site) -> list[Route]:
    """The form with the report below it, and the report itself."""
    return [
        Route("/report", _page, name="report"),
        Route("/report/document", _document, name="report_document"),
    ]


def _page(request: Request) -> Response:
    site: Site = request.app.state.site
    asked = _asked(request)
    problems: dict[str, str] = {}
    period = _period(site, asked, problems)
    view = ReportView(
        asked=asked,
        problems=problems,
        first=str(period.first) if period else None,
        last=str(period.last) if period else None,
        document=_document_of(asked, period) if period else None,
        flow_definitions=tuple(_reviews(site).flow_definitions()),
        command=_command(site.stage, asked),
        report=_figures(_report(site, asked, period)) if period and wants_json(request) else None,
    )
    return page(request, "report.html", view, status=400 if problems else 200)


def _document(request: Request) -> Response:
    site: Site = request.app.state.site
    asked = _asked(request)
    problems: dict[str, str] = {}
    period = _period(site, asked, problems)
    if period is None:
        raise Problem(". ".join(problems.values()), status=400, title="There is no such report")
    report = _report(site, asked, period)
    content = report.page.encode("utf-8", "replace")
    return Response(content, media_type="text/html", headers={"content-security-policy": _POLICY})


def _asked(request: Request) -> dict[str, str]:
    return {name: value for name in _ASKED if (value := request.query_params.get(name, "").strip())}


def _period(site: Site, asked: dict[str, str], problems: dict[str, str]) -> Period | None:
    """Returns the period; None if there are problems with it or with the flow definition, which are added."""
    from workflow.operations.reviews_source import Period

    moments: dict[str, datetime] = {}
    for name, parse in (("since", past_moment), ("until", parse_moment)):
        try:
            if name in asked:
                moments[name] = parse(asked[name])
        except InvalidMoment as error:
            problems[name] = str(error)
    try:
        period = None if problems else Period.of(moments.get("since"), moments.get("until"))
    except AfterloopError as error:
        problems["until"] = str(error)
    try:
        if "flow" in asked:
            site.loops.flow_definitions.known(asked["flow"])
    except UnknownFlowDefinition as error:
        problems["flow"] = str(error)
    return None if problems else period


def _document_of(asked: dict[str, str], period: Period) -> str:
    # Days, not ages: the report is the one of this page, whenever it is read.
    days = {"since": str(period.first), "until": str(period.until)}
    return f"/report/document?{urlencode({**asked, **days})}"


def _reviews(site: Site) -> ReviewsSource:
    from workflow.operations.reviews_source import open_reviews

    resources = site.connection.resources
    place = f"s3://{resources.review_bucket}/reviews"
    return open_reviews(place, site.connection.session, owner=resources.account_id)


def _report(site: Site, asked: dict[str, str], period: Period) -> Report:
    from workflow.operations.report.loop_facts import ledger_rows
    from workflow.operations.report.writing import make_report

    resources, session = site.connection.resources, site.connection.session
    arn = resources.flow_definition_arn(asked["flow"]) if "flow" in asked else None
    with _ONE_AT_A_TIME:
        return make_report(
            _reviews(site),
            period,
            flow_definition=arn and arn.rpartition("/")[2],
            ledger=resources.ledger_table,
            loops=ledger_rows(resources.ledger_table, session, period, arn),
        )


def _figures(report: Report) -> dict[str, Any]:
    from workflow.cli.shapes import ReportFigures

    return ReportFigures.of(report).model_dump(mode="json", by_alias=True)


def _command(stage: str, asked: dict[str, str]) -> str:
    given = [f"{option} {quoted(asked[name])}" for name, option in _ASKED.items() if name in asked]
    return " ".join(["python deploy.py report", *given, f"--stage {stage}"])
