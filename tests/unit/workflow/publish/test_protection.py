"""What protects a stage in the account, and what its protection refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import STACK_ID, Services, Steps
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.package import Package
from workflow.publish.plan import Plan, ResourceChange
from workflow.publish.protection import (
    NO_POLICY,
    POLICY,
    expect_development,
    expect_unprotected,
    not_yet_protecting,
    protect,
    protecting,
    protection_of,
    refusal,
)
from workflow.publish.stacks import Stack
from workflow.stack.stages import Shift, Stage

OWN = json.dumps({"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]})


def stack(*, on: bool) -> Stack:
    return Stack("afterloop-dev", STACK_ID, "UPDATE_COMPLETE", is_protected=on)


def protected(stage: Stage, wanted: bool) -> Stage:
    return stage.model_copy(update={"protected": wanted})


@pytest.mark.parametrize(
    ("wanted", "on", "policy", "switched", "sets"),
    [
        (True, False, None, True, POLICY),
        (True, True, POLICY, False, None),
        (True, True, NO_POLICY, False, POLICY),
        (True, True, OWN, False, POLICY),
        (True, True, "not JSON", False, POLICY),
        (False, True, POLICY, True, NO_POLICY),
        (False, True, OWN, True, None),
        (False, True, None, True, None),
    ],
)
def test_publish_makes_termination_protection_and_policy_follow_the_setting(
    account: Account, services: Services, stage: Stage, wanted: bool, on: bool, policy: str | None, switched: bool,
    sets: str | None,
) -> None:  # fmt: skip
    services.finds_stack("UPDATE_COMPLETE", EnableTerminationProtection=on)
    services.cloudformation.add_response("get_stack_policy", {"StackPolicyBody": policy} if policy else {})
    if sets:
        expected: dict[str, Any] = {"StackName": "afterloop-dev", "StackPolicyBody": sets}
        services.cloudformation.add_response("set_stack_policy", {}, expected)
    if switched:
        expected = {"StackName": "afterloop-dev", "EnableTerminationProtection": wanted}
        services.cloudformation.add_response("update_termination_protection", {}, expected)

    protect(account, protected(stage, wanted), stack(on=on), Steps())


def test_stage_that_is_not_protected_anywhere_takes_no_call(account: Account, stage: Stage) -> None:
    assert protection_of(account, stage, stack(on=False)).notes == []
    protect(account, stage, stack(on=False), Steps())


@pytest.mark.parametrize(
    ("wanted", "on", "change", "refused"),
    [
        (True, False, ("AWS::SQS::Queue", "replace"), True),
        (False, True, ("AWS::DynamoDB::Table", "delete"), True),
        (True, True, ("AWS::S3::Bucket", "let go"), True),
        (True, True, ("AWS::S3::Bucket", "change"), False),
        (True, True, ("AWS::DynamoDB::Table", "create again"), False),
        (True, True, ("AWS::Lambda::Function", "replace"), False),
        (False, False, ("AWS::SQS::Queue", "replace"), False),
    ],
)
def test_change_of_protected_data_is_refused(
    stage: Stage, wanted: bool, on: bool, change: tuple[str, Any], refused: bool
) -> None:
    plan = Plan("afterloop-dev", creates=False, resources=[ResourceChange("One", *change)])
    found = refusal(protected(stage, wanted), stack(on=on), plan)
    assert (found is not None) == refused
    assert not refused or "would replace or remove One, with the data" in str(found)


def test_first_publish_and_rollback_have_a_protection_of_their_own(stage: Stage) -> None:
    package = Package("{}", {"DeletionProtection": "true", "Days": "7"}, {})
    assert not_yet_protecting(package).parameters == {"DeletionProtection": "false", "Days": "7"}
    assert protecting(package, stage).parameters == {"DeletionProtection": "false", "Days": "7"}
    earlier = Package("{}", {"Days": "7"}, {})
    assert protecting(earlier, protected(stage, True)) == not_yet_protecting(earlier) == earlier


def test_stage_that_is_protected_in_the_account_is_not_destroyed(stage: Stage) -> None:
    expect_unprotected(stage, stack(on=False))
    with pytest.raises(
        PublishError, match="stage dev is still protected in the account: publish it with protected"
    ):
        expect_unprotected(stage, stack(on=True))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"protected": True}, "is protected"),
        ({"shift": Shift()}, "shifts executions to new versions gradually"),
    ],
)
def test_failed_publish_is_kept_only_on_development_stages(
    stage: Stage, setting: dict[str, Any], why: str
) -> None:
    expect_development(stage)
    with pytest.raises(PublishError, match=f"stage dev {why}, so what fails has to be rolled back"):
        expect_development(stage.model_copy(update=setting))
