"""The console's application: all pages, and errors as pages."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from console import pages
from console.errors import Problem
from console.rendering import STATIC, page
from console.site import Site
from console.views import ProblemView
from lambdas.loops.rows import UnreadableRow
from workflow.errors import AccountError, AfterloopError
from workflow.publish.aws_errors import error_code, explained
from workflow.publish.refused import in_words

__all__ = ["console_app"]

_GONE = ("ResourceNotFoundException", "StateMachineDoesNotExist", "NoSuchBucket")
"""What AWS answers if a table, a machine or a bucket of the stage was deleted."""


def console_app(site: Site) -> Starlette:
    """Returns the application, without its guard.

    Args:
        site: What the pages need.
    """
    routes = [*pages.routes(site), *(pages.writing(site) if site.may_write else [])]
    app = Starlette(
        routes=[*routes, Route("/static/{name}", _static, name="static")],
        exception_handlers={
            AfterloopError: _afterloop_error,
            BotoCoreError: _aws_error,
            ClientError: _aws_error,
            HTTPException: _http_error,
            UnreadableRow: _unreadable,
            Exception: _bug,
        },
    )
    app.state.site = site
    return app


_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    file = next((file for file in STATIC.iterdir() if file.name == name and file.suffix in _TYPES), None)
    if file is None:
        raise Problem(f"There is no file {name!r}.")
    return FileResponse(file, media_type=_TYPES[file.suffix])


def _problem(
    request: Request, status: int, title: str, text: str, commands: tuple[str, ...] = ()
) -> Response:
    return page(
        request, "problem.html", ProblemView(title=title, text=text, commands=commands), status=status
    )


def _afterloop_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return _problem(request, error.status, error.title, str(error), error.commands)
    if isinstance(error, AccountError):
        return _cannot_reach(request, error)
    # What the project's own errors say is what to do: the loop does not exist, or an operation is not possible on it.
    return _problem(request, 404 if request.method in ("GET", "HEAD") else 409, "Not possible", str(error))


def _aws_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientError) and error_code(error) in _GONE:
        request.app.state.site.reconnect()
        stage = request.app.state.site.stage
        text = (
            f"A part of stage {stage} no longer exists ({error.operation_name}: {error_code(error)}). Was the stage "
            "destroyed? If it was published again, load this page again."
        )
        return _problem(
            request, 404, "The stage is gone", text, (f"python deploy.py status --stage {stage}",)
        )
    if (known := explained(error)) is not None:
        return _cannot_reach(request, known)
    return _problem(request, 502, "AWS refused a call", str(in_words(error) or error))


def _cannot_reach(request: Request, error: AccountError) -> Response:
    # A new session reads new credentials.
    request.app.state.site.reconnect()
    text = f"{error}. Then load this page again."
    return _problem(request, 502, "AWS cannot be reached", text[0].upper() + text[1:])


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and not request.app.state.site.may_write:
        return _problem(
            request,
            405,
            "This console only reads",
            "A published stage is never written to from here. Run the command that the page shows.",
        )
    return _problem(request, error.status_code, error.detail, "There is no such page.")


def _unreadable(request: Request, error: Exception) -> Response:
    return _problem(request, 500, "A row cannot be read", str(error))


def _bug(request: Request, error: Exception) -> Response:
    # Starlette raises the error again, so that its traceback is logged.
    return _problem(
        request,
        500,
        "The console has a bug",
        f"{type(error).__name__}: its traceback is where you started the console. Other pages go on.",
    )
