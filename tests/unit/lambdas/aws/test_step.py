from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from lambdas.aws.step import logs_step
from tests.unit.lambdas.conftest import Context

STEP = {"execution": "arn:run", "state": "Collect review", "retryCount": 1}
CALLER = {"execution": "arn:run", "state": "Collect review", "attempt": 2}


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Logger:
    return Logger(service=f"afterloop-{uuid.uuid4()}", stream=stream)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_has_the_step(logger: Logger, stream: io.StringIO, context: Context) -> None:
    @logs_step(logger)
    def handler(event: Any, context: Any) -> Any:
        logger.info("working", extra={"more": 1})
        return event

    assert handler({"key": "a", "step": STEP}, context) == {"key": "a"}
    assert [line["message"] for line in lines(stream)] == ["called", "working"]
    for line in lines(stream):
        assert line.items() >= CALLER.items()
        assert line["function_request_id"] == "1"


def test_failed_call_has_a_line_with_the_step(logger: Logger, stream: io.StringIO, context: Context) -> None:
    @logs_step(logger)
    def handler(event: Any, context: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        handler({"step": STEP}, context)
    (line,) = lines(stream)
    assert line.items() >= CALLER.items()


def test_keys_end_with_the_call(logger: Logger, stream: io.StringIO, context: Context) -> None:
    @logs_step(logger)
    def handler(event: Any, context: Any) -> None:
        logger.append_keys(**event)
        logger.info("working")

    handler({"loop": "a", "step": STEP}, context)
    handler({}, context)
    *_, last = lines(stream)
    assert not {"execution", "state", "attempt", "loop"} & last.keys()


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        (None, {}),
        ("x", {}),
        ([1], {}),
        ({}, {}),
        ({"execution": 7, "state": None, "retryCount": "1"}, {}),
        ({"execution": "arn:run", "state": [], "retryCount": True}, {"execution": "arn:run"}),
        ({**STEP, "more": {"a": 1}}, CALLER),
    ],
)
def test_odd_step_does_not_keep_the_function_from_its_work(
    step: Any, keys: Any, logger: Logger, stream: io.StringIO, context: Context
) -> None:
    @logs_step(logger)
    def handler(event: Any, context: Any) -> Any:
        logger.info("working")
        return event

    assert handler({"key": "a", "step": step}, context) == {"key": "a"}
    last = lines(stream)[-1]
    assert {name: last[name] for name in ("execution", "state", "attempt", "more") if name in last} == keys


@pytest.mark.parametrize("event", [[], None, "text", {"detail": {"step": STEP}}])
def test_event_without_step_is_passed_on_unchanged(
    event: Any, logger: Logger, stream: io.StringIO, context: Context
) -> None:
    assert logs_step(logger)(lambda given, _: given)(event, context) is event
    assert lines(stream) == []
