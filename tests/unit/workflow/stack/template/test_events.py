"""The rules: which events they take, and that none of them is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow import ROOT

QUEUE = {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    template = json.loads((ROOT / "definitions" / "template.json").read_text())
    return {name: one["Properties"] for name, one in template["Resources"].items() if "Properties" in one}


def test_executions_of_this_stage_that_did_not_succeed_are_settled(resources: dict[str, Any]) -> None:
    rule = resources["ExecutionsRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "status": ["ABORTED", "FAILED", "TIMED_OUT"],
            "stateMachineArn": [{"Ref": "StateMachine"}],
        },
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["ReleaseClaim", "Arn"]}]


def test_archive_keeps_what_the_rule_takes_for_the_days_of_the_settings(resources: dict[str, Any]) -> None:
    archive = resources["Archive"]
    assert archive["EventPattern"] == resources["Rule"]["EventPattern"]
    assert archive["SourceArn"]["Fn::Sub"].endswith(
        ":event-bus/default"
    )  # that of the rule, which names none
    assert "EventBusName" not in resources["Rule"]
    assert archive["RetentionDays"] == {"Ref": "ArchiveDays"}


def test_no_archive_is_made_for_0_days_which_eventbridge_takes_as_forever() -> None:
    template = json.loads((ROOT / "definitions" / "template.json").read_text())
    condition = template["Conditions"][template["Resources"]["Archive"]["Condition"]]
    assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ArchiveDays"}, "0"]}]}


@pytest.mark.parametrize("rule", ["Rule", "ExecutionsRule"])
def test_event_is_retried_for_a_day_and_kept_after_that(resources: dict[str, Any], rule: str) -> None:
    (target,) = resources[rule]["Targets"]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}
    assert target["DeadLetterConfig"] == {"Arn": QUEUE}
    _, allowed = resources["UndeliveredEventsPolicy"]["PolicyDocument"]["Statement"]
    names = [
        arn["Fn::Sub"].rpartition("rule/")[2] for arn in allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
    ]
    assert resources[rule]["Name"]["Fn::Sub"] in names


def test_event_that_the_function_cannot_process_is_kept(resources: dict[str, Any]) -> None:
    assert resources["ReleaseClaim"]["DeadLetterConfig"] == {"TargetArn": QUEUE}
    statements = resources["ReleaseClaimRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert [one["Resource"] for one in statements if one["Action"] == ["sqs:SendMessage"]] == [
        [{"Fn::Sub": "${UndeliveredEvents.Arn}"}]
    ]
