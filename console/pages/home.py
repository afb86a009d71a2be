"""The first page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.rendering import page
from console.site import Site
from console.views import View


class HomeView(View):
    """The stage.

    Attributes:
        stage: Its name.
        state_machine: The ARN of the workflow.
    """

    stage: str
    state_machine: str


def routes(site: Site) -> list[Route]:
    """The first page."""
    return [Route("/", _home, name="home")]


def _home(request: Request) -> Response:
    site: Site = request.app.state.site
    resources = site.connection.resources
    return page(request, "home.html", HomeView(stage=site.stage, state_machine=resources.state_machine_arn))
