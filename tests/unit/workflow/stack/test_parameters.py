from __future__ import annotations

import json

import pytest

from lambdas.reviews.settings import ReviewSettings
from workflow.errors import SettingsError
from workflow.stack.parameters import SHIFT
from workflow.stack.stages import Shift, Stage


def test_settings_become_stack_parameters() -> None:
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        flow_definitions=("forms", "arn:aws:sagemaker:us-east-1:999999999999:flow-definition/photos"),
        waiting_workflows=("orders-*", "arn:aws:states:us-east-1:123456789012:stateMachine:claims"),
        notification_emails=("a@example.com", "b@example.com"),
        escalation_emails=("c@example.com",),
        escalation_endpoints=("https://hooks.example.com/sns?key=1",),
        log_retention_days=7,
        archive_days=0,
        worker_identity="hash",
        predictions={"forms": "document.label"},
    )

    parameters = stage.parameters("123456789012")

    assert parameters == {
        "Stage": "dev",
        "OutputBuckets": "arn:aws:s3:::reviewed",
        "FlowDefinitionArns": "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/forms,"
        "arn:aws:sagemaker:us-east-1:999999999999:flow-definition/photos",
        "WaitingWorkflowArns": "arn:aws:states:us-east-1:123456789012:stateMachine:orders-*,"
        "arn:aws:states:us-east-1:123456789012:stateMachine:claims",
        "DocumentBuckets": "-",
        "BucketAccounts": "",
        "NotificationEmails": "a@example.com,b@example.com,-,-,-",
        "NotificationEmailFlowDefinitions": "*,*,*,*,*",
        "EscalationEmails": "c@example.com,-,-,-,-",
        "EscalationEmailFlowDefinitions": "*,*,*,*,*",
        "AlarmEmails": "c@example.com,-,-,-,-",
        "SlackChannel": "-,-",
        "TeamsChannel": "-,-,-",
        "ChatNotifications": "false",
        "NotificationEndpoints": "-|-,-|-,-|-",
        "EscalationEndpoints": "https|https://hooks.example.com/sns?key=1,-|-,-|-",
        "LogRetentionDays": "7",
        "ArchiveDays": "0",
        "DeletionProtection": "false",
        "PermissionsBoundary": "-",
        "Subnets": "-",
        "SecurityGroups": "-",
        "ShiftType": "ALL_AT_ONCE",
        "ShiftPercent": "10",
        "ShiftMinutes": "10",
        "ShiftAlarms": "",
        "ReviewSettings": parameters["ReviewSettings"],
        "RestartSettings": "{}",
    }
    assert ReviewSettings.parse(parameters["ReviewSettings"]) == ReviewSettings(
        output_buckets=("reviewed",), predictions={"forms": "document.label"}, worker_identity="hash"
    )


@pytest.mark.parametrize(
    ("shift", "parameters"),
    [
        (Shift(first_percent=20, minutes=5), ("CANARY", "20", "5", "")),
        (Shift(linear=True, alarms=("one", "two words")), ("LINEAR", "10", "10", ",one,two words")),
    ],
)
def test_shift_becomes_parameters(shift: Shift, parameters: tuple[str, ...]) -> None:
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), shift=shift)
    assert tuple(stage.parameters()[name] for name in SHIFT) == parameters


def test_too_long_document_buckets_are_refused() -> None:
    buckets = tuple(f"{n:03}-documents-of-an-office-with-a-long-name" for n in range(100))
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), document_buckets=buckets)
    with pytest.raises(
        SettingsError,
        match=r"document_buckets: too long: \d{4} characters of a parameter, and the limit is 4096",
    ):
        stage.parameters()


def test_too_many_waiting_workflows_are_refused() -> None:
    machines = tuple(f"orders-of-an-office-with-a-long-name-{n:03}" for n in range(60))
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), waiting_workflows=machines)
    with pytest.raises(
        SettingsError, match=r"waiting_workflows: the account of .* is unknown; specify its ARN"
    ):
        stage.parameters()
    with pytest.raises(SettingsError, match=r"waiting_workflows: too long: \d{4} characters of a parameter"):
        stage.parameters("1" * 12)


def test_too_many_flow_definitions_for_an_event_pattern_are_refused() -> None:
    flows = tuple(f"flow-{n:04}" for n in range(40))
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), flow_definitions=flows)
    with pytest.raises(
        SettingsError,
        match=r"flow_definitions: too long: \d{4} characters of ARNs in the rule's event pattern",
    ):
        stage.parameters("1" * 12)
    few = stage.model_copy(update={"flow_definitions": flows[:20]}).parameters("1" * 12)["FlowDefinitionArns"]
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker A2I HumanLoop Status Change"],
        "detail": {"flowDefinitionArn": few.split(",")},
    }
    assert len(json.dumps(pattern)) <= 2048


def test_too_long_settings_for_a_function_are_refused() -> None:
    flows = tuple(f"flow-{n:04}" for n in range(20))
    predictions = dict.fromkeys(flows, "a.path.to.the.prediction" + 4 * ".and.further.down")
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        flow_definitions=flows,
        predictions=predictions,
    )
    with pytest.raises(
        SettingsError, match=r"predictions.*flow_definitions: too long: \d{4} bytes in a function"
    ):
        stage.parameters("1" * 12)


def test_only_settings_other_than_the_defaults_are_sent_to_functions() -> None:
    fields = {"total": {"same": "number", "tolerance": 0}, "*": {"same": "distance", "max_distance": 2}}
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        predictions={"forms": False, "photos": {"each": "a", "name": "b-{index}", "value": "c"}},
        flow_definition_settings={"forms": {"fields": fields}, "photos": {"restart": {"max_attempts": 2}}},
    )
    sent = stage.parameters()["ReviewSettings"]
    assert json.loads(sent) == {
        "outputBuckets": ["reviewed"],
        "predictions": {"forms": False, "photos": {"each": "a", "name": "b-{index}", "value": "c"}},
        "flowDefinitions": {"forms": {"fields": {"total": {"same": "number"}, "*": fields["*"]}}},
    }
    assert ReviewSettings.parse(sent) == stage.review_settings()


def test_too_long_settings_of_fields_are_refused() -> None:
    fields = {f"a-long-name-of-a-field-{n:04}": {"same": "number"} for n in range(100)}
    with pytest.raises(
        SettingsError, match=r"flow_definition_settings \(restart, fields, record\).*too long"
    ):
        Stage(
            name="dev",
            region="us-east-1",
            output_buckets=("reviewed",),
            flow_definition_settings={"forms": {"fields": fields}},
        ).parameters()


def test_name_of_a_flow_definition_needs_the_account() -> None:
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), flow_definitions=("forms",))
    with pytest.raises(SettingsError, match="the account of 'forms' is unknown; specify its ARN"):
        stage.parameters()
