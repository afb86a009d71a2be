"""Queues of the settings that refuse the stage's messages: a warning of the plan."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from workflow.publish.queue_policies import deaf_queues
from workflow.stack.stages import Stage

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:calls"
OUTPUTS = {"AlarmTopic": f"arn:aws:sns:us-east-1:{ACCOUNT}:afterloop-dev-AlarmTopic-X1"}


def warnings(attributes: Any, *, queue: str = QUEUE, **outputs: str) -> list[str]:
    def found(name: str) -> Any:
        assert name == "calls"
        if isinstance(attributes, Exception):
            raise attributes
        return attributes

    account: Any = SimpleNamespace(id=ACCOUNT, region="us-east-1", queues=SimpleNamespace(attributes=found))
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        escalation_endpoints=(queue, "https://a.b"),
    )
    prefix = f"stage dev: escalation_endpoints: {queue} "
    return [one.removeprefix(prefix) for one in deaf_queues(stage, account, outputs)]


def policy(**changes: Any) -> dict[str, str]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        **changes,
    }
    return {"Policy": json.dumps({"Statement": [statement]})}


def source(operator: str, arn: Any) -> dict[str, Any]:
    return {"Condition": {operator: {"aws:SourceArn": arn}}}


ANY = f"arn:aws:sns:us-east-1:{ACCOUNT}:afterloop-dev-*"


@pytest.mark.parametrize(
    "attributes",
    [
        policy(),
        policy(**source("ArnLike", ANY)),
        policy(Principal="*", Action=["SQS:*"], Resource="*"),
        policy(Principal={"AWS": "*"}, Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
        policy(Condition={"StringEquals": {"aws:SourceOrgID": "o-1"}}),
    ],
)
def test_queue_that_takes_messages_needs_no_warning(attributes: dict[str, str]) -> None:
    assert warnings(attributes) == warnings(attributes, **OUTPUTS) == []


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        policy(Effect="Deny"),
        policy(Principal={"Service": "events.amazonaws.com"}),
        policy(Principal={"AWS": ACCOUNT}),
        policy(Action="sqs:ReceiveMessage"),
        policy(Resource=f"{QUEUE}-other"),
        policy(**source("ArnLike", ANY.replace("dev", "prod"))),
        policy(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}}),
    ],
)
def test_queue_that_refuses_messages_is_named(attributes: dict[str, str]) -> None:
    (warning,) = warnings(attributes)
    assert warning.startswith(
        "refuses the messages of AlarmTopic and EscalationTopic; give the queue the policy of"
    )


def test_queue_that_takes_the_messages_of_one_topic_is_named() -> None:
    (warning,) = warnings(policy(**source("ArnEquals", [OUTPUTS["AlarmTopic"]])), **OUTPUTS)
    assert warning.startswith("refuses the messages of EscalationTopic;")


def test_queue_that_cannot_work_is_named() -> None:
    assert warnings(None) == ["does not exist; create it, or remove it from the settings"]
    (warning,) = warnings({**policy(), "KmsMasterKeyId": "alias/aws/sqs"})
    assert warning.startswith("is encrypted with the key of AWS, which SNS may not use")


def test_queue_that_cannot_be_read_needs_no_warning() -> None:
    assert warnings(ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueUrl")) == []
    assert warnings(None, queue=QUEUE.replace("us-east-1", "eu-west-1")) == []
    assert warnings(None, queue=QUEUE.replace(ACCOUNT, "999999999999")) == []
