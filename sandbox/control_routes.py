"""The sandbox's own routes, `/_sandbox/...`: what people and services do to human loops from outside of AWS.

`sandbox.loops`, `sandbox.flow_definitions` and `sandbox.events` call them; JSON both ways, errors as
`{"message": …}`. The account is the sandbox's, the Region is in the query (`?region=`) or the default one.

    GET  /_sandbox/health
    POST /_sandbox/reset
    POST /_sandbox/config                    {"wait_scale"?, "lifetime_scale"?, "stopping_seconds"?}
    GET  /_sandbox/loops
    GET  /_sandbox/loops/NAME
    POST /_sandbox/loops/NAME/answer         {"content", "worker"?, "seconds_spent"?}
    POST /_sandbox/loops/NAME/fail           {"code", "reason"?}
    POST /_sandbox/loops/NAME/expire
    POST /_sandbox/loops/NAME/redeliver
    GET  /_sandbox/events                    ?loop=NAME
    POST /_sandbox/events                    {"detail", "source"?, "detail_type"?, "resources"?}
    POST /_sandbox/events/lose               {"times"}
    POST /_sandbox/refusals                  {"operation", "code", "message"?, "times"?}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app as ministack
from ministack.services import stepfunctions

from lambdas.reviews.event import DETAIL_TYPE, SOURCE, TERMINAL_STATUSES
from sandbox.a2i import HumanLoop, HumanLoopService, Tenant
from sandbox.errors import SandboxError
from sandbox.identity import ACCOUNT_ID
from sandbox.protocol import ServiceError, iso_time

__all__ = ["ControlRoutes"]

_DEFAULT_SECONDS_SPENT = 30.0


class ControlRoutes:
    """Answers them."""

    def __init__(self, loops: HumanLoopService) -> None:
        self._loops = loops
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Awaitable[Any]]]] = [
            ("GET", re.compile(r"/_sandbox/health"), self._health),
            ("POST", re.compile(r"/_sandbox/reset"), self._reset),
            ("POST", re.compile(r"/_sandbox/config"), self._configure),
            ("GET", re.compile(r"/_sandbox/loops"), self._list_loops),
            ("GET", re.compile(r"/_sandbox/loops/([^/]+)"), self._show_loop),
            ("POST", re.compile(r"/_sandbox/loops/([^/]+)/answer"), self._answer),
            ("POST", re.compile(r"/_sandbox/loops/([^/]+)/fail"), self._fail),
            ("POST", re.compile(r"/_sandbox/loops/([^/]+)/expire"), self._expire),
            ("POST", re.compile(r"/_sandbox/loops/([^/]+)/redeliver"), self._redeliver),
            ("GET", re.compile(r"/_sandbox/events"), self._list_events),
            ("POST", re.compile(r"/_sandbox/events"), self._deliver),
            ("POST", re.compile(r"/_sandbox/events/lose"), self._lose),
            ("POST", re.compile(r"/_sandbox/refusals"), self._refuse),
        ]

    async def answer(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        """Answers a request: HTTP status and a JSON value."""
        try:
            given = _Given(query, body)
            for known, pattern, route in self._routes:
                match = pattern.fullmatch(path)
                if match and known == method:
                    return 200, await route(given, *match.groups())
            return 404, {"message": f"the sandbox has no {method} {path}"}
        except SandboxError as error:
            return 400, {"message": str(error)}
        except ServiceError as error:
            return 400, {"message": error.message}

    async def _health(self, given: _Given) -> Any:
        return {"status": "ready"}

    async def _reset(self, given: _Given) -> Any:
        self._loops.reset()
        await ministack._handle_admin_reset("/_ministack/reset", "POST", {})
        return {}

    async def _configure(self, given: _Given) -> Any:
        settings = {name: given.number(name) for name in given.body}
        if unknown := settings.keys() - {"wait_scale", "lifetime_scale", "stopping_seconds"}:
            raise SandboxError(f"the sandbox has no setting {', '.join(sorted(unknown))}")
        if "wait_scale" in settings:
            stepfunctions._SFN_WAIT_SCALE = settings["wait_scale"]
        self._loops.lifetime_scale = settings.get("lifetime_scale", self._loops.lifetime_scale)
        self._loops.stopping_seconds = settings.get("stopping_seconds", self._loops.stopping_seconds)
        return {}

    async def _list_loops(self, given: _Given) -> Any:
        return [_shown(loop) for loop in self._loops.loops()]

    async def _show_loop(self, given: _Given, name: str) -> Any:
        return _shown(self._loops.loop(given.tenant, name))

    async def _answer(self, given: _Given, name: str) -> Any:
        content = given.body.get("content")
        if not isinstance(content, dict):
            raise SandboxError("an answer's content is an object: {crowd element name: what it was given}")
        loop = self._loops.loop(given.tenant, name)
        seconds = given.number("seconds_spent", _DEFAULT_SECONDS_SPENT)
        await self._loops.answer(loop, content, given.text("worker"), seconds)
        return _shown(loop)

    async def _fail(self, given: _Given, name: str) -> Any:
        loop = self._loops.loop(given.tenant, name)
        code = given.text("code")
        if not code:
            raise SandboxError("a failure needs a code, such as InternalError")
        await self._loops.fail(loop, code, given.text("reason"))
        return _shown(loop)

    async def _expire(self, given: _Given, name: str) -> Any:
        loop = self._loops.loop(given.tenant, name)
        await self._loops.expire(loop)
        return _shown(loop)

    async def _redeliver(self, given: _Given, name: str) -> Any:
        loop = self._loops.loop(given.tenant, name)
        if loop.status not in TERMINAL_STATUSES:
            raise SandboxError(f"the human loop {name} is {loop.status}: only an ended loop sends an event")
        await self._loops.emit(loop.tenant, loop.event())
        return _shown(loop)

    async def _list_events(self, given: _Given) -> Any:
        return [
            {
                "source": event["Source"],
                "detail_type": event["DetailType"],
                "detail": event["Detail"],
                "resources": event["Resources"],
            }
            for tenant, event in self._loops.events(given.loop)
            if tenant == given.tenant
        ]

    async def _deliver(self, given: _Given) -> Any:
        detail = given.body.get("detail")
        if not isinstance(detail, dict):
            raise SandboxError("an event's detail is an object: EventBridge takes nothing else")
        event = {
            "Source": given.text("source") or SOURCE,
            "DetailType": given.text("detail_type") or DETAIL_TYPE,
            "Resources": given.body.get("resources") or [],
            "Detail": detail,
        }
        await self._loops.emit(given.tenant, event)
        return {}

    async def _lose(self, given: _Given) -> Any:
        self._loops.lose_events(int(given.number("times", 1)))
        return {}

    async def _refuse(self, given: _Given) -> Any:
        operation, code = given.text("operation"), given.text("code")
        if not operation or not code:
            raise SandboxError("a refusal needs an operation and an error's code")
        error = ServiceError(code, given.text("message") or f"{operation} was refused on request of a test")
        self._loops.refuse(operation, error, int(given.number("times", 1)))
        return {}


class _Given:
    """What a request brought."""

    def __init__(self, query: dict[str, list[str]], body: bytes) -> None:
        try:
            self.body: dict[str, Any] = json.loads(body or b"{}")
        except ValueError as error:
            raise SandboxError(f"the request is not JSON: {error}") from None
        if not isinstance(self.body, dict):
            raise SandboxError("the request is not a JSON object")
        self.loop = query["loop"][0] if "loop" in query else None
        region = query.get("region", [ministack.extract_region({}, {})])[0]
        self.tenant = Tenant(ACCOUNT_ID, region)

    def text(self, name: str) -> str | None:
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise SandboxError(f"{name}: {value!r} is not a text")
        return value

    def number(self, name: str, default: float = 0.0) -> float:
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise SandboxError(f"{name}: {value!r} is not a number of 0 or more")
        return float(value)


def _shown(loop: HumanLoop) -> dict[str, Any]:
    return {
        "name": loop.name,
        "arn": loop.arn,
        "flow_definition_arn": loop.flow.arn,
        "status": loop.status,
        "created_at": iso_time(loop.created),
        "failure_code": loop.failure_code,
        "failure_reason": loop.failure_reason,
        "output_uri": loop.output_uri,
        "task_count": loop.flow.task_count,
        "source": loop.flow.source,
        "input_content": loop.input_content,
        "answers": [
            {
                "worker": answer.worker_id,
                "content": answer.content,
                "submitted_at": iso_time(answer.submitted),
            }
            for answer in loop.answers
        ],
    }
