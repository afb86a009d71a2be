"""The status of a stage."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.unit.workflow.publish.conftest import MACHINE, NOW, STACK_ID, Services
from tests.unit.workflow.publish.small_stack import described, package
from workflow.publish.account import Account
from workflow.publish.history import record
from workflow.publish.queues import Queues
from workflow.publish.status import status
from workflow.stack.stages import Stage


def test_status_of_a_published_stage(
    account: Account, services: Services, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Queues, "attributes", lambda self, name: None)
    queue = f"arn:aws:sqs:{account.region}:{account.id}:gone"
    stage = stage.model_copy(update={"escalation_endpoints": (queue,)})
    for days in range(12):
        record(account, "dev", package(days=str(days)), version=f"{MACHINE}:{days}")
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.describes_alias({1: 90, 2: 10})
    services.lists_executions("e1", "e2")
    for failed in ([], ["f1"], ["t1", "t2"]):
        services.lists_executions(*failed, started=datetime.now(UTC))
    services.returns_template(json.loads(package().template))
    stub = services.cloudformation
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "d"})
    detection = {
        "StackId": STACK_ID,
        "StackDriftDetectionId": "d",
        "DetectionStatus": "DETECTION_COMPLETE",
        "Timestamp": NOW,
    }
    stub.add_response("describe_stack_drift_detection_status", detection)
    stub.add_response("describe_stack_resource_drifts", {"StackResourceDrifts": []})

    found = status(account, stage)

    assert found is not None
    assert (found.state, found.updated) == ("UPDATE_COMPLETE", NOW)
    assert (found.live, found.running, found.failed) == ({1: 90, 2: 10}, 2, 3)
    assert (found.swapped, found.drifts) == ([], [])
    assert [one.number for one in found.publishes] == list(range(3, 13))
    (warning,) = found.warnings
    assert f"{queue} does not exist" in warning, "SNS takes its subscription for confirmed"


def test_status_after_a_failed_creation(account: Account, services: Services, stage: Stage) -> None:
    services.finds_stack("ROLLBACK_COMPLETE")
    services.emits("CREATE_IN_PROGRESS", ("Queue", "CREATE_FAILED", "Too long."), "ROLLBACK_COMPLETE")
    found = status(account, stage)
    assert found is not None
    assert found.operation == (
        "the first publish failed and was undone: Queue (AWS::T): Too long; fix the cause, then "
        "`python deploy.py publish --stage dev`, which deletes what is left"
    )
    assert (found.live, found.running, found.failed, found.drifts) == ({}, 0, 0, None)


@pytest.mark.parametrize("state", [None, "REVIEW_IN_PROGRESS"])
def test_unpublished_stage_has_no_status(
    account: Account, services: Services, stage: Stage, state: str | None
) -> None:
    services.finds_stack(state)
    assert status(account, stage) is None
