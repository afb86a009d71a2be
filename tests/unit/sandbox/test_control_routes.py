"""The sandbox's own routes: what they refuse, and how."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.control_routes import ControlRoutes
from sandbox.fault_rules import FaultRules
from sandbox.faults import Throttle, rule
from tests.unit.sandbox.test_a2i import World

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
ROUTES = [
    ("POST", "/_sandbox/config", ("wait_scale",)),
    ("POST", "/_sandbox/loops/loop/answer", ("content", "worker", "seconds_spent")),
    ("POST", "/_sandbox/loops/loop/fail", ("code", "reason")),
    ("POST", "/_sandbox/loops/loop/expire", ()),
    ("POST", "/_sandbox/loops/loop/redeliver", ()),
    ("PUT", "/_sandbox/flow-definitions/flow/task", ("elements", "instructions", "picture", "text")),
    ("POST", "/_sandbox/events", ("detail",)),
    ("POST", "/_sandbox/events/lose", ("times",)),
    ("POST", "/_sandbox/faults", tuple(rule(Throttle()))),
    ("GET", "/_sandbox/faults/1", ()),
    ("DELETE", "/_sandbox/faults/99999999999999999999", ()),
    ("POST", "/_sandbox/results", ("results", "machine")),
    ("PUT", "/_sandbox/results/99999999999999999999", ("results",)),
    ("DELETE", "/_sandbox/results/99999999999999999999", ()),
    ("POST", "/_sandbox/not-run", ("definition",)),
]


def respond(method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> tuple[int, Any]:
    """Sends a request to routes with one loop, which waits for one answer."""

    async def scenario() -> tuple[int, Any]:
        world = World(task_count=1)
        world.start("loop")
        sent = json.dumps(body).encode() if raw is None else raw
        return await ControlRoutes(world.service, FaultRules()).respond(method, path, {}, sent)

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def _same_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ministack.services.stepfunctions._SFN_WAIT_SCALE", 1.0)


@given(st.sampled_from(ROUTES), st.data())
def test_any_body_gets_an_answer_in_words(
    route: tuple[str, str, tuple[str, ...]], data: st.DataObject
) -> None:
    method, path, names = route
    values = st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))
    valid = rule(Throttle()) if path.endswith("/faults") else {}
    body = data.draw(JSON | values.map(lambda some: valid | some))
    status, answer = respond(method, path, body)
    assert status in (200, 400)
    assert status == 200 or set(answer) == {"message"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("loops/loop/answer", {}, "invalid content: None; use an object"),
        ("loops/loop/answer", {"content": []}, "invalid content: []; use an object"),
        ("loops/loop/answer", {"content": {}, "worker": 1}, "invalid worker: 1; use a string"),
        ("loops/loop/answer", {"content": {}, "seconds_spent": "1"}, "invalid seconds_spent: '1'; use a number"),
        ("loops/loop/fail", {"reason": "x"}, "invalid code: None; use a string"),
        ("events", {"detail": "x"}, "invalid detail: 'x'; use an object"),
        ("events/lose", {"times": True}, "invalid times: True; use a number"),
        ("results", {"results": []}, "invalid results: []; use an object"),
        ("results", {"results": {"state": {}}}, "canned results: state: unknown key; did you mean 'states'?"),
        ("not-run", {"definition": {"States": 7}}, "invalid definition: it is no state machine"),
        ("not-run", {"definition": {"States": {"A": 7}}}, "invalid definition: it is no state machine"),
        ("faults", {}, "invalid rule of a fault: 'fault'"),
        ("faults", {**rule(Throttle()), "times": "x"}, "invalid times: 'x'; use a whole number of 1 or more"),
        ("faults", {**rule(Throttle()), "function": 1}, "invalid function: 1; use a part"),
        ("faults", {**rule(Throttle()), "other": 1}, "invalid rule of a fault: "),
        ("faults", {**rule(Throttle()), "fault": {"kind": "Error", "code": {}}}, "invalid code: {}; use an error"),
        ("faults", {**rule(Throttle()), "fault": {"kind": "ServerError", "status": 500.5}}, "invalid status: 500.5"),
    ],
)  # fmt: skip
def test_wrong_value_is_named(path: str, body: dict[str, Any], message: str) -> None:
    status, answer = respond("POST", f"/_sandbox/{path}", body)
    assert (status, answer["message"][: len(message)]) == (400, message)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "the body is not JSON: "),
        (b"\xff", "the body is not JSON: "),
        (b"1" * 5000, "the body is not JSON: "),
        (b"[" * 100_000, "the body is not JSON: "),
        (b"[]", "the body is list; send a JSON object"),
    ],
)
def test_body_that_is_no_object_is_refused(raw: bytes, message: str) -> None:
    status, answer = respond("POST", "/_sandbox/config", raw=raw)
    assert (status, answer["message"][: len(message)]) == (400, message)


def test_very_long_work_is_no_error() -> None:
    body = {"content": {"n": 1}, "seconds_spent": 1e300}
    status, answer = respond("POST", "/_sandbox/loops/loop/answer", body)
    assert (status, answer["status"]) == (200, "Completed")


TASK = {"elements": [{"element": "crowd-input", "name": "comment"}], "instructions": "Read it."}


def test_description_of_a_task_is_kept_with_its_flow_definition():
    async def scenario() -> None:
        world = World(task_count=1)
        world.start("loop")
        routes = ControlRoutes(world.service, FaultRules())

        async def task() -> Any:
            return (await routes.respond("GET", "/_sandbox/loops/loop", {}, b""))[1]["task"]

        async def describe(flow: str, value: Any) -> tuple[int, Any]:
            path = f"/_sandbox/flow-definitions/{flow}/task"
            return await routes.respond("PUT", path, {}, json.dumps(value).encode())

        assert await task() is None
        assert await describe("flow", TASK) == (200, {})
        kept = await task()
        assert (kept["instructions"], kept["elements"][0]["name"]) == ("Read it.", "comment")
        status, answer = await describe("flow", {"elements": []})
        assert (status, "invalid description of a task: elements" in answer["message"]) == (400, True)
        assert await task() == kept
        assert (await describe("other", TASK))[0] == 400

    asyncio.run(scenario())


def test_loops_are_listed_by_status_and_expire():
    async def scenario() -> None:
        world = World(task_count=1)
        world.start("one")
        world.start("two")
        routes = ControlRoutes(world.service, FaultRules())
        status, ended = await routes.respond("POST", "/_sandbox/loops/one/expire", {}, b"")
        assert (status, ended["status"], ended["failure_code"]) == (200, "Failed", "Expired")
        assert "expired" in ended["failure_reason"]
        _, waiting = await routes.respond("GET", "/_sandbox/loops", {"status": ["InProgress"]}, b"")
        assert [loop["name"] for loop in waiting] == ["two"]
        _, oldest = await routes.respond("GET", "/_sandbox/loops", {"limit": ["1"]}, b"")
        assert [(loop["name"], loop["input_content"]) for loop in oldest] == [("one", {})]
        status, answer = await routes.respond("POST", "/_sandbox/loops/one/expire", {}, b"")
        assert (status, answer["message"]) == (
            400,
            "human loop one is Failed: it cannot be answered or ended",
        )

    asyncio.run(scenario())
