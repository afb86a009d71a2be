"""Resources that were deleted or changed outside of CloudFormation. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from sandbox.ministack_patches import cloudformation, drift


@pytest.fixture(autouse=True)
def _corrected(ministack: None) -> None:
    cloudformation.correct()
    drift.correct()


QUEUES = {
    "First": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 60}},
    "Second": {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "RedrivePolicy": {"maxReceiveCount": 1, "deadLetterTargetArn": {"Fn::GetAtt": ["First", "Arn"]}}
        },
    },
}
CHANGED = {**QUEUES, "First": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 90}}}


def call(action: str, **parameters: Any) -> str:
    """Calls CloudFormation, waits for the end of what that starts, and returns the answer."""
    from ministack.services import cloudformation as service

    request = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
    }

    async def calling() -> str:
        status, _, body = service._ACTION_HANDLERS[action]({"StackName": "stack", **request})
        assert status == 200, body
        while task := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(task)
        return body if isinstance(body, str) else body.decode()

    return asyncio.run(calling())


def status() -> str:
    from ministack.services.cloudformation import _stacks

    return str(_stacks["stack"]["StackStatus"])


def queue(name: str) -> tuple[str, Any]:
    """The URL of a queue of the stack, and the queue; None if it does not exist."""
    from ministack.services import sqs
    from ministack.services.cloudformation import _stacks

    url = _stacks["stack"]["_resources"][name]["PhysicalResourceId"]
    return url, sqs._queues.get(url)


def delete(name: str) -> None:
    from ministack.services import sqs

    sqs._queues.pop(queue(name)[0])


def change_set(resources: dict[str, Any], **more: str) -> list[str]:
    """Creates a change set named `set`; returns its changes as `Action LogicalId DriftStatus`."""
    call("CreateChangeSet", ChangeSetName="set", TemplateBody={"Resources": resources}, **more)
    described = call("DescribeChangeSet", ChangeSetName="set")
    pattern = (
        r"<Action>(\w+)</Action><LogicalResourceId>(\w+)</LogicalResourceId>(?:<ResourceDriftStatus>(\w+)<)?"
    )
    return [" ".join(filter(None, found)) for found in re.findall(pattern, described)]


def test_an_update_of_a_resource_that_was_deleted_fails_and_is_rolled_back() -> None:
    call("CreateStack", TemplateBody={"Resources": QUEUES})
    delete("First")
    call("UpdateStack", TemplateBody={"Resources": CHANGED})
    assert status() == "UPDATE_ROLLBACK_COMPLETE"
    assert queue("First")[1] is None
    assert "HandlerErrorCode: NotFound" in call("DescribeStackEvents")


def test_a_usual_change_set_does_not_see_that_a_resource_was_deleted() -> None:
    call("CreateStack", TemplateBody={"Resources": QUEUES})
    delete("First")
    assert change_set(QUEUES) == []


def test_a_change_set_that_reverts_drift_creates_a_deleted_resource_and_updates_what_refers_to_it() -> None:
    call("CreateStack", TemplateBody={"Resources": QUEUES})
    delete("First")
    assert change_set(QUEUES, DeploymentMode="REVERT_DRIFT") == ["Add First DELETED", "Modify Second"]
    call("ExecuteChangeSet", ChangeSetName="set")
    assert status() == "UPDATE_COMPLETE"
    policy = queue("Second")[1]["attributes"]["RedrivePolicy"]
    assert queue("First")[1]["attributes"]["QueueArn"] in (
        policy if isinstance(policy, str) else json.dumps(policy)
    )


def test_a_change_set_that_reverts_drift_sets_a_changed_property_back() -> None:
    alone = {"First": QUEUES["First"]}
    call("CreateStack", TemplateBody={"Resources": alone})
    queue("First")[1]["attributes"]["MessageRetentionPeriod"] = "70"
    assert change_set(alone) == []
    call("DeleteChangeSet", ChangeSetName="set")
    assert change_set(alone, DeploymentMode="REVERT_DRIFT") == ["Modify First MODIFIED"]
    call("ExecuteChangeSet", ChangeSetName="set")
    assert (status(), queue("First")[1]["attributes"]["MessageRetentionPeriod"]) == ("UPDATE_COMPLETE", "60")


def test_a_repair_that_fails_leaves_the_deleted_resource_in_the_stack() -> None:
    call("CreateStack", TemplateBody={"Resources": QUEUES})
    delete("First")
    broken = {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1}, "DependsOn": "First"}
    change_set({**QUEUES, "Broken": broken}, DeploymentMode="REVERT_DRIFT")
    call("ExecuteChangeSet", ChangeSetName="set")
    assert (status(), queue("First")[1]) == ("UPDATE_ROLLBACK_COMPLETE", None)


def test_drift_detection_sees_a_version_of_a_function_that_was_deleted() -> None:
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import drift as service

    lambda_svc._functions["f"] = {"versions": {"2": {}}}
    read, _ = service._DRIFT_READERS["AWS::Lambda::Version"]
    found = [read(f"arn:aws:lambda:us-east-1:1:function:f:{number}", {}) for number in (1, 2)]
    assert found == [None, {}]


def test_a_rule_that_somebody_disabled_has_drifted_and_is_enabled_again() -> None:
    from ministack.services import eventbridge

    rule = {
        "R": {
            "Type": "AWS::Events::Rule",
            "Properties": {"ScheduleExpression": "rate(1 hour)", "State": "ENABLED"},
        }
    }
    call("CreateStack", TemplateBody={"Resources": rule})
    (made,) = eventbridge._rules.values()
    eventbridge._disable_rule({"Name": made["Name"]})
    assert change_set(rule, DeploymentMode="REVERT_DRIFT") == ["Modify R MODIFIED"]
    call("ExecuteChangeSet", ChangeSetName="set")
    (made,) = eventbridge._rules.values()
    assert made["State"] == "ENABLED"


def test_an_alarm_whose_actions_somebody_disabled_has_drifted_and_is_enabled_again() -> None:
    from ministack.services import cloudwatch

    properties = {
        "AlarmName": "a", "ActionsEnabled": True, "Namespace": "n", "MetricName": "m", "Period": 60, "Threshold": 1,
        "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Statistic": "Sum",
    }  # fmt: skip
    alarm = {"A": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}
    call("CreateStack", TemplateBody={"Resources": alarm})
    cloudwatch._alarms["a"]["ActionsEnabled"] = False
    assert change_set(alarm, DeploymentMode="REVERT_DRIFT") == ["Modify A MODIFIED"]
    call("ExecuteChangeSet", ChangeSetName="set")
    assert cloudwatch._alarms["a"]["ActionsEnabled"] is True
