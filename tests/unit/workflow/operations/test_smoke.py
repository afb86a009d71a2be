"""Tests of the smoke test, with moto's buckets, table, topics and queue, and a simulated workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.review_samples import STORED_REVIEW
from tests.unit.doubles import REGION, StubbedSession, create_ledger_table
from workflow.errors import AfterloopError
from workflow.operations import smoke
from workflow.operations.sample_executions import FLOW_DEFINITION
from workflow.operations.smoke import Check, SmokeTest
from workflow.operations.stage_resources import StageResources

MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:afterloop-dev"
OUTCOMES = {"Completed": "stored", "Failed": "escalated", "Stopped": "notified"}


class Workflow:
    """The stage's Step Functions: runs an execution at once, with the effects of the real workflow."""

    def __init__(self, session: StubbedSession, topic: str) -> None:
        self._session = session
        self._topic = topic
        self.events: dict[str, dict[str, Any]] = {}
        self.outcomes = dict(OUTCOMES)
        self.statuses = dict.fromkeys(OUTCOMES, "SUCCEEDED")
        self.reviewed = '"receipt"'
        self.stores_review = True
        self.sends_messages = True

    def start_execution(self, **given: Any) -> dict[str, str]:
        assert given["stateMachineArn"] == f"{MACHINE}:live"
        event = json.loads(given["input"])
        name, status = event["detail"]["humanLoopName"], event["detail"]["humanLoopStatus"]
        self.events[status] = event
        row = {"humanLoopName": {"S": name}, "outcome": {"S": self.outcomes[status]}, "attempt": {"N": "1"}}
        if status == "Completed" and self.stores_review:
            row["reviewLocation"] = {"S": "s3://reviews/reviews/1.json"}
            field = {"name": "category", "kind": "label", "predicted": '"invoice"', "reviewed": self.reviewed}
            field |= {
                "confidence": 0.6,
                "outcome": "changed",
                "votes": [],
                "agreement": None,
                "per_worker": [],
            }
            review = json.dumps(STORED_REVIEW | {"fields": [field], "overruled": True})
            self._session.client("s3").put_object(Bucket="reviews", Key="reviews/1.json", Body=review)
        if status != "Completed" and self.sends_messages:
            message = {"humanLoopName": name, "kind": f"loop-{status.lower()}"}
            attributes = {"flowDefinition": {"DataType": "String", "StringValue": FLOW_DEFINITION}}
            self._session.client("sns").publish(
                TopicArn=self._topic, Message=json.dumps(message), MessageAttributes=attributes
            )
        self._session.client("dynamodb").put_item(TableName="ledger", Item=row)
        return {"executionArn": status}

    def describe_execution(self, executionArn: str) -> dict[str, str]:  # noqa: N803
        status = self.statuses[executionArn]
        return {"status": status, "cause": "no permission"} if status == "FAILED" else {"status": status}


class Stage:
    """A published stage."""

    def __init__(self) -> None:
        self.session = StubbedSession()
        self.s3, self.sqs = self.session.client("s3"), self.session.client("sqs")
        self.sns, self.dynamodb = self.session.client("sns"), self.session.client("dynamodb")
        for bucket in ("outputs", "reviews"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        topic = self.sns.create_topic(Name="people")["TopicArn"]
        table = create_ledger_table(self.dynamodb)
        self.workflow = Workflow(self.session, topic)
        self.session.use("stepfunctions", self.workflow)
        outputs = {
            "LedgerTable": table,
            "ReviewBucket": "reviews",
            "StateMachine": MACHINE,
            "EscalationTopic": topic,
            "NotificationTopic": topic,
        }
        self.resources = StageResources("dev", "aws", REGION, "123456789012", outputs)

    def checks(self, bucket: str = "outputs") -> list[Check]:
        return list(SmokeTest(self.resources, self.session, bucket).checks())  # type: ignore[arg-type]

    def problems(self) -> dict[str, str]:
        return {check.what: check.problem for check in self.checks() if check.problem}

    def loops(self) -> list[str]:
        """The loops that have a row."""
        return [row["humanLoopName"]["S"] for row in self.dynamodb.scan(TableName="ledger")["Items"]]

    def remains(self) -> list[Any]:
        """What the smoke test left behind."""
        versions = [self.s3.list_object_versions(Bucket=bucket) for bucket in ("outputs", "reviews")]
        return [
            *(
                one
                for found in versions
                for one in found.get("Versions", []) + found.get("DeleteMarkers", [])
            ),
            *self.dynamodb.scan(TableName="ledger")["Items"],
            *self.sqs.list_queues().get("QueueUrls", []),
            *self.sns.list_subscriptions()["Subscriptions"],
        ]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(smoke, "MESSAGE_TIMEOUT_SECONDS", 5)
    with mock_aws():
        stage = Stage()
        yield stage
        assert stage.remains() == []


def test_working_stage_passes_and_is_left_unchanged(stage: Stage) -> None:
    checks = stage.checks()
    assert [check for check in checks if check.problem] == []
    assert [check.loop for check in checks].count("Completed") == 3
    assert len(checks) == 9
    detail = stage.workflow.events["Failed"]["detail"]
    assert (detail["failureCode"], detail["humanLoopOutput"]) == ("ValidationError", None)
    output = stage.workflow.events["Completed"]["detail"]["humanLoopOutput"]["outputS3Uri"]
    assert output.startswith("s3://outputs/afterloop-smoke/smoke-")


def test_failed_execution_and_wrong_outcome_are_reported(stage: Stage) -> None:
    stage.workflow.statuses["Failed"] = "FAILED"
    stage.workflow.outcomes["Stopped"] = "failed"
    assert stage.problems() == {
        "the execution succeeds": "the execution ended as FAILED: no permission (Failed)",
        "the outcome in the ledger is notified": "the outcome is failed",
    }


def test_wrong_review_is_reported(stage: Stage) -> None:
    stage.workflow.reviewed = '"invoice"'
    (problem,) = stage.problems().values()
    assert problem.startswith("s3://reviews/reviews/1.json has [('\"invoice\"', '\"invoice\"', True)")


def test_missing_review_is_reported(stage: Stage) -> None:
    stage.workflow.stores_review = False
    assert list(stage.problems().values()) == ["the ledger row has no review location"]


def test_slow_execution_and_missing_messages_are_reported(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "EXECUTION_TIMEOUT_SECONDS", -1)
    monkeypatch.setattr(smoke, "MESSAGE_TIMEOUT_SECONDS", 0)
    stage.workflow.statuses["Stopped"] = "RUNNING"
    stage.workflow.sends_messages = False
    assert stage.problems() == {
        "the execution succeeds": "the execution is still running after -1 s (Stopped)",
        "a loop-failed message arrives": "no message arrived within 0 s",
        "a loop-stopped message arrives": "no message arrived within 0 s",
    }


def test_running_execution_is_polled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.workflow.statuses["Completed"] = "RUNNING"
    pauses: list[float] = []

    def ends_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        stage.workflow.statuses["Completed"] = "SUCCEEDED"

    monkeypatch.setattr(smoke.time, "sleep", ends_meanwhile)
    assert not stage.problems()
    assert pauses == [0.5]


def test_missing_output_bucket_is_one_error(stage: Stage) -> None:
    with pytest.raises(
        AfterloopError, match=r"the bucket does not exist; create it, or use another .*--output-bucket"
    ):
        stage.checks("nowhere")


def test_checks_clean_up_when_closed_early(stage: Stage) -> None:
    checks = SmokeTest(stage.resources, stage.session, "outputs").checks()  # type: ignore[arg-type]
    next(checks)
    assert stage.remains()
    checks.close()  # type: ignore[attr-defined]
