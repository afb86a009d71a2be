"""The sandbox's own routes, `/_sandbox/...`: what happens to human loops outside of the AWS API.

`sandbox.loops`, `sandbox.flow_definitions` and `sandbox.events` call them. Requests and responses are JSON, errors are
`{"message": …}`. The Region is in the query (`?region=`).

    GET  /_sandbox/health
    POST /_sandbox/config                    {"wait_scale"?, "minute_seconds"?}
    GET  /_sandbox/permissions               what roles were allowed: see sandbox.ministack_patches.decisions
    GET  /_sandbox/emails                    what SNS sent: see sandbox.ministack_patches.deliveries
    GET  /_sandbox/chat                      what channels show: see sandbox.ministack_patches.chat
    PUT  /_sandbox/flow-definitions/NAME/task   what its tasks ask of a worker: see console.worker_tasks.description
    POST /_sandbox/flow-definitions/NAME/fail   {"reason"}
    GET  /_sandbox/loops                     ?status=InProgress: only those with the status; ?limit=100: the oldest,
                                             without inputs and answers
    GET  /_sandbox/loops/NAME
    POST /_sandbox/loops/NAME/answer         {"content", "worker"?, "seconds_spent"?}
    POST /_sandbox/loops/NAME/fail           {"code", "reason"?}
    POST /_sandbox/loops/NAME/expire
    POST /_sandbox/loops/NAME/redeliver
    POST /_sandbox/events                    {"detail"}
    POST /_sandbox/events/lose               {"times"}
    POST /_sandbox/faults                    a rule, as sandbox/faults.py writes it; responds with {"id"}
    GET  /_sandbox/faults/ID
    DELETE /_sandbox/faults/ID
    POST /_sandbox/results                   {"results", "machine"?}: canned results; responds with {"id"}
    PUT  /_sandbox/results/ID                {"results"}: others instead
    DELETE /_sandbox/results/ID
    POST /_sandbox/not-run                   {"definition"}: responds with {"states": {STATE: MESSAGE}}, those that the
                                             engine does not run and that have no canned results, and with
                                             {"unknown": {STATE: MESSAGE}}, those with results that do not exist
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ministack.services import stepfunctions

from console.worker_tasks.description import InvalidDescription, parse_description
from lambdas.reviews.event import DETAIL_TYPE, SOURCE, TERMINAL_STATUSES
from lambdas.reviews.times import timestamp
from sandbox.a2i import HumanLoop, HumanLoopService
from sandbox.canned_results import parse_results
from sandbox.errors import SandboxError
from sandbox.fault_rules import FaultRules
from sandbox.identity import ACCOUNT_ID, REGION
from sandbox.ministack_patches import canned, chat, deliveries, deployments, permissions_used
from sandbox.protocol import ServiceError
from sandbox.supported import advice, why_not_run
from sandbox.tenant import Tenant
from workflow.asl.checks.problem import hint
from workflow.asl.walk import states

__all__ = ["ControlRoutes"]

_DEFAULT_SECONDS_SPENT = 30.0
_MAX_NUMBER = 1e9
"""About 30 years, in seconds. More is taken for this: dates are limited, too."""

T = TypeVar("T", str, dict[str, Any])


class ControlRoutes:
    """Responds to requests for these routes."""

    def __init__(self, loops: HumanLoopService, faults: FaultRules) -> None:
        self._loops = loops
        self._faults = faults
        self._routes: list[tuple[str, str, Callable[..., Awaitable[Any]]]] = [
            ("GET", r"/_sandbox/health", self._health),
            ("POST", r"/_sandbox/config", self._configure),
            ("GET", r"/_sandbox/permissions", self._permissions),
            ("GET", r"/_sandbox/emails", self._emails),
            ("GET", r"/_sandbox/chat", self._chat),
            ("PUT", r"/_sandbox/flow-definitions/([^/]+)/task", self._describe_task),
            ("POST", r"/_sandbox/flow-definitions/([^/]+)/fail", self._fail_flow_definition),
            ("GET", r"/_sandbox/loops", self._list_loops),
            ("GET", r"/_sandbox/loops/([^/]+)", self._show_loop),
            ("POST", r"/_sandbox/loops/([^/]+)/answer", self._answer),
            ("POST", r"/_sandbox/loops/([^/]+)/fail", self._fail),
            ("POST", r"/_sandbox/loops/([^/]+)/expire", self._expire),
            ("POST", r"/_sandbox/loops/([^/]+)/redeliver", self._redeliver),
            ("POST", r"/_sandbox/events", self._deliver),
            ("POST", r"/_sandbox/events/lose", self._lose),
            ("POST", r"/_sandbox/faults", self._add_fault),
            ("GET", r"/_sandbox/faults/(\d+)", self._count_fault),
            ("DELETE", r"/_sandbox/faults/(\d+)", self._remove_fault),
            ("POST", r"/_sandbox/results", self._give_results),
            ("PUT", r"/_sandbox/results/(\d+)", self._replace_results),
            ("DELETE", r"/_sandbox/results/(\d+)", self._remove_results),
            ("POST", r"/_sandbox/not-run", self._not_run),
        ]

    async def respond(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, Any]:
        """Returns the HTTP status and the JSON value for a request."""
        try:
            request = _Request(query, body)
            for known, pattern, route in self._routes:
                match = re.fullmatch(pattern, path)
                if match and known == method:
                    return 200, await route(request, *match.groups())
            return 404, {"message": f"the local engine has no route {method} {path}"}
        except SandboxError as error:
            return 400, {"message": str(error)}
        except ServiceError as error:
            return 400, {"message": error.message}

    async def _health(self, request: _Request) -> Any:
        return {"status": "ready"}

    async def _configure(self, request: _Request) -> Any:
        if "wait_scale" in request.body:
            stepfunctions._SFN_WAIT_SCALE = request.number("wait_scale", 1.0)
        if "minute_seconds" in request.body:
            deployments.MINUTE_SECONDS = request.number("minute_seconds", 60.0)
        return {}

    async def _permissions(self, request: _Request) -> Any:
        return permissions_used()

    async def _emails(self, request: _Request) -> Any:
        return deliveries.emails()

    async def _chat(self, request: _Request) -> Any:
        return chat.messages()

    async def _describe_task(self, request: _Request, name: str) -> Any:
        try:
            description = parse_description(request.body)
        except InvalidDescription as error:
            raise SandboxError(str(error)) from None
        self._loops.describe_task(request.tenant, name, description.model_dump(mode="json", by_alias=True))
        return {}

    async def _fail_flow_definition(self, request: _Request, name: str) -> Any:
        self._loops.fail_flow_definition(request.tenant, name, request.value("reason", str))
        return {}

    async def _list_loops(self, request: _Request) -> Any:
        loops = [loop for loop in self._loops.loops() if request.status in (None, loop.status)]
        if request.limit is None:
            return [_as_json(loop) for loop in loops]
        return [_without_content(_as_json(loop)) for loop in loops[: request.limit]]

    async def _show_loop(self, request: _Request, name: str) -> Any:
        return _as_json(self._loops.loop(request.tenant, name))

    async def _answer(self, request: _Request, name: str) -> Any:
        loop = self._loops.loop(request.tenant, name)
        seconds = request.number("seconds_spent", _DEFAULT_SECONDS_SPENT)
        worker = request.value("worker", str, None)
        await self._loops.answer(loop, request.value("content", dict), worker, seconds)
        return _as_json(loop)

    async def _fail(self, request: _Request, name: str) -> Any:
        loop = self._loops.loop(request.tenant, name)
        await self._loops.fail(loop, request.value("code", str), request.value("reason", str, None))
        return _as_json(loop)

    async def _expire(self, request: _Request, name: str) -> Any:
        loop = self._loops.loop(request.tenant, name)
        await self._loops.expire(loop)
        return _as_json(loop)

    async def _redeliver(self, request: _Request, name: str) -> Any:
        loop = self._loops.loop(request.tenant, name)
        if loop.status not in TERMINAL_STATUSES:
            raise SandboxError(
                f"human loop {name} is {loop.status}: only a loop that has ended sends an event"
            )
        await self._loops.emit(loop.tenant, loop.event())
        return {}

    async def _deliver(self, request: _Request) -> Any:
        event = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Resources": [],
            "Detail": request.value("detail", dict),
        }
        await self._loops.emit(request.tenant, event)
        return {}

    async def _lose(self, request: _Request) -> Any:
        self._loops.lose_events(int(request.number("times", 1)))
        return {}

    async def _add_fault(self, request: _Request) -> Any:
        return {"id": self._faults.add(request.body)}

    async def _count_fault(self, request: _Request, number: str) -> Any:
        return self._faults.counts(int(number))

    async def _remove_fault(self, request: _Request, number: str) -> Any:
        return self._faults.remove(int(number))

    async def _give_results(self, request: _Request) -> Any:
        machine = request.value("machine", str, None)
        return {"id": canned.given.add(parse_results(request.value("results", dict)), machine)}

    async def _replace_results(self, request: _Request, number: str) -> Any:
        if not canned.given.replace(int(number), parse_results(request.value("results", dict))):
            raise SandboxError(f"there are no canned results {number}")
        return {}

    async def _remove_results(self, request: _Request, number: str) -> Any:
        canned.given.remove(int(number))
        return {}

    async def _not_run(self, request: _Request) -> Any:
        definition = request.value("definition", dict)
        try:
            found = dict(states(definition))
            not_run = {
                name: advice(state, what)
                for name, state in found.items()
                if (what := why_not_run(state)) and not _has_result(name, state)
            }
        except (AttributeError, TypeError, ValueError):
            raise SandboxError("invalid definition: it is no state machine") from None
        unknown = {
            name: f"the canned results have a state {name!r}, which does not exist{hint(name, found)}"
            for name in sorted(canned.given.states() - set(found))
        }
        return {"states": not_run, "unknown": unknown}


def _has_result(name: str, state: Any) -> bool:
    resource = str(state.get("Resource")).replace("${AWS::Partition}", "aws")
    return canned.given.has(name, resource)


class _Request:
    """The body and the caller's Region."""

    def __init__(self, query: dict[str, list[str]], body: bytes) -> None:
        try:
            self.body = json.loads(body or b"{}")
        except (ValueError, RecursionError) as error:
            raise SandboxError(f"the body is not JSON: {error}") from None
        if not isinstance(self.body, dict):
            raise SandboxError(f"the body is {type(self.body).__name__}; send a JSON object")
        self.tenant = Tenant(ACCOUNT_ID, query.get("region", [REGION])[0])
        self.status = query.get("status", [None])[0]
        limit = query.get("limit", [""])[0]
        self.limit = int(limit) if re.fullmatch(r"[0-9]{1,9}", limit) else None

    def number(self, name: str, default: float) -> float:
        value = self.body.get(name, default)
        # The JSON of Python may hold NaN and Infinity.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise SandboxError(f"invalid {name}: {value!r:.100}; use a number of 0 or more")
        return float(min(value, _MAX_NUMBER))

    def value(self, name: str, kind: type[T], *default: T | None) -> Any:
        """Returns a value of the body, which must be a string or an object."""
        value = self.body.get(name, *default)
        if isinstance(value, kind) or (default and value in default):
            return value
        what = {str: "a string", dict: "an object"}[kind]
        raise SandboxError(f"invalid {name}: {value!r:.100}; use {what}")


def _as_json(loop: HumanLoop) -> dict[str, Any]:
    return {
        "name": loop.name,
        "arn": loop.arn,
        "flow_definition_arn": loop.flow.arn,
        "status": loop.status,
        "created_at": timestamp(loop.created),
        "expires_at": timestamp(loop.expires),
        "failure_code": loop.failure_code,
        "failure_reason": loop.failure_reason,
        "output_uri": loop.output_uri,
        "task_count": loop.flow.task_count,
        "source": loop.flow.source,
        "title": loop.flow.title,
        "task": loop.flow.task,
        "input_content": loop.input_content,
        "answers": [
            {
                "worker": answer.worker_id,
                "content": answer.content,
                "submitted_at": timestamp(answer.submitted),
            }
            for answer in loop.answers
        ],
    }


def _without_content(loop: dict[str, Any]) -> dict[str, Any]:
    answers = [{**answer, "content": {}} for answer in loop["answers"]]
    return {**loop, "input_content": {}, "answers": answers}
