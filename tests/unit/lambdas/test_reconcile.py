"""Tests of the Reconcile function's handler."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from lambdas.aws.environment import environment
from lambdas.loops.reconciling import Reconciler, Reconciliation
from workflow.stack.functions import function

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"


@pytest.fixture
def reconcile(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The function's module, imported with the environment that the stack sets."""
    for name, value in {
        "STAGE": "dev",
        "LEDGER_TABLE": "ledger",
        "REVIEW_BUCKET": "reviews",
        "REVIEW_SETTINGS": "{}",
        "RESTART_SETTINGS": "{}",
        "STATE_MACHINE": "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev:live",
        "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
        "POWERTOOLS_SERVICE_NAME": "afterloop",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    from lambdas.aws import clients

    caches = (environment, clients.client, clients.ledger, clients.starter, clients.waiting)
    for cached in caches:
        cached.cache_clear()
    yield importlib.import_module("lambdas.reconcile")
    for cached in caches:
        cached.cache_clear()
    sys.modules.pop("lambdas.reconcile", None)


class Context:
    """Lambda's."""

    function_name = "afterloop-dev-Reconcile"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:afterloop-dev-Reconcile"
    aws_request_id = "id"

    def __init__(self, milliseconds: int = 900_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def test_handler_reconciles_the_stages_flow_definitions(
    reconcile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(self: Reconciler, flow_definitions: tuple[str, ...], *, out_of_time: Any) -> Reconciliation:
        asked.append((flow_definitions, self.state_machine, out_of_time()))
        return Reconciliation(looked_at=3, missed={"loop-1 Failed": "arn:e"})

    monkeypatch.setattr(Reconciler, "run", run)
    for given_arns, expected in (("*", ()), ("", ()), (f"{FLOW},{FLOW}-2", (FLOW, f"{FLOW}-2"))):
        monkeypatch.setenv("FLOW_DEFINITION_ARNS", given_arns)
        environment.cache_clear()
        answer = reconcile.handler({}, Context())
        assert asked[-1] == (
            expected,
            "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev:live",
            False,
        )
    assert (answer["lookedAt"], answer["missed"], answer["complete"]) == (3, {"loop-1 Failed": "arn:e"}, True)
    reconcile.handler({}, Context(30_000))
    assert asked[-1][2] is True


def test_handler_fails_if_there_were_problems(reconcile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_DEFINITION_ARNS", "*")
    found = Reconciliation(problems=["loop-1: AccessDenied"])
    monkeypatch.setattr(Reconciler, "run", lambda self, flows, **more: found)

    with pytest.raises(reconcile.ReconciliationIncomplete, match="loop-1: AccessDenied"):
        reconcile.handler({}, Context())


def test_stack_declares_the_function() -> None:
    declared = function("reconcile")

    assert (declared.name, declared.timeout) == ("Reconcile", 900)
    actions = {action for permission in declared.permissions for action in permission.actions}
    assert {"states:StartExecution", "sagemaker:ListHumanLoops", "dynamodb:Query"} <= actions
