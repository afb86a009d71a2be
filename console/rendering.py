"""Pages as HTML from `templates/`, or as JSON.

Every value in a page passes through `lambdas.loops.visible`, and is escaped: names, reasons and answers come from
outside. Only what this package builds itself is markup.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.signs import sign_of
from console.views import View
from lambdas.loops.visible import visible, visible_lines
from lambdas.reviews.times import in_utc, moment_of, timestamp
from workflow.cli.terminal import json_text
from workflow.operations.story import age

__all__ = ["STATIC", "page", "see", "wants_json"]

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"


def page(request: Request, template: str, view: View, *, status: int = 200) -> Response:
    """Returns a page: HTML, or JSON of the same view for `?format=json`.

    Args:
        request: The request.
        template: The file in `templates/`.
        view: What the page shows. The template gets it as `view`.
        status: The HTTP status.
    """
    if wants_json(request):
        text = json_text(view)
        return Response(text.encode("utf-8", "backslashreplace"), status, media_type="application/json")
    site = request.app.state.site
    html = _templates.get_template(template).render(
        view=view,
        site=site,
        request=request,
        path=lambda route, /, **values: _path(request, route, values),
        message=site.message(request.query_params.get("message", "")),
        as_json=request.url.include_query_params(format="json"),
    )
    return Response(html.encode("utf-8", "replace"), status, media_type="text/html")


def wants_json(request: Request) -> bool:
    """Returns whether a request is for JSON."""
    return request.query_params.get("format") == "json"


def see(request: Request, route: str, message: str, /, **values: str) -> Response:
    """Sends the browser to a page after a form was submitted. The page shows a message once.

    Args:
        request: The request with the form.
        route: The name of the page's route.
        message: What was done.
        values: The parts of the page's path.
    """
    path = _path(request, route, values)
    return RedirectResponse(f"{path}?message={request.app.state.site.keep_message(message)}", 303)


def _path(request: Request, route: str, values: dict[str, Any]) -> str:
    """Returns the path of a page. The values are escaped, so that a slash in a name stays a part of it."""
    quoted = {name: quote(str(value), safe="") for name, value in values.items()}
    return str(request.app.url_path_for(route, **quoted))


def _shown(value: Any) -> Any:
    """Returns a value as a template writes it: nothing for None, and text with its control characters as escapes."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def _lines(text: str | None) -> Markup:
    """Returns a text of several lines."""
    return Markup(escape(visible_lines(text or "")))  # noqa: S704 (escaped)


def _json_lines(value: Any) -> Markup:
    """Returns JSON with indents: a JSON text, or a value. A text that is not JSON is shown as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _lines(value)
    try:
        return _lines(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    except RecursionError:
        return _lines(str(value))


def _moment(value: str | datetime | None) -> datetime | None:
    moment = moment_of(value) if isinstance(value, str) else value
    return None if moment is None else in_utc(moment)


def _ago(value: str | datetime | None) -> Markup:
    """Returns how long ago a moment was, with the moment itself as the tooltip."""
    if (moment := _moment(value)) is None:
        return _lines(str(value or ""))
    text = timestamp(moment)
    return Markup('<time datetime="{0}" title="{0}">{1} ago</time>').format(text, age(moment))


def _at(value: str | datetime | None) -> Markup:
    """Returns a moment in UTC, to the second."""
    if (moment := _moment(value)) is None:
        return _lines(str(value or ""))
    shown = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{0}" title="{0}">{1} UTC</time>').format(timestamp(moment), shown)


def _seconds(value: float | None) -> str:
    """Returns a duration, such as `350 ms`, `2.4 s`, `12 min 5 s` or `3 h 20 min`."""
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _badge(status: str | None) -> Markup:
    """Returns a status with its sign."""
    if not status:
        return Markup("")
    sign = sign_of(status)
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        sign.tone, sign.mark, visible(sign.word or status)
    )


_templates = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    finalize=_shown,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
_templates.filters |= {
    "ago": _ago,
    "at": _at,
    "json_lines": _json_lines,
    "lines": _lines,
    "seconds": _seconds,
}
_templates.globals["badge"] = _badge
_templates.globals["sign"] = lambda status: sign_of(status).mark
