"""Tests of the smoke test, with moto's buckets, table, topics and queue, and a simulated workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from tests.review_samples import STORED_REVIEW
from tests.unit.doubles import REGION, StubbedSession, create_ledger_table
from workflow.asl.graph import StateStatus
from workflow.errors import AfterloopError
from workflow.operations.executions import ExecutionView, Visit
from workflow.operations.sample_executions import FLOW_DEFINITION
from workflow.operations.smoke import Check, SmokeTest, checks, executions, listening, real_rule, traces
from workflow.operations.stage_resources import StageResources

MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:afterloop-dev"
FLOWS = f"arn:aws:sagemaker:{REGION}:123456789012:flow-definition/"
OUTCOMES = {"Completed": "stored", "Failed": "escalated", "Stopped": "notified"}


class Workflow:
    """The stage's Step Functions: runs an execution at once, with the effects of the real workflow."""

    def __init__(self, session: StubbedSession, topic: str) -> None:
        self._session = session
        self._topic = topic
        self.events: dict[str, dict[str, Any]] = {}
        self.versions = [7]
        self.started_on: list[str] = []
        self.stopped: list[str] = []
        self.outcomes = dict(OUTCOMES)
        self.statuses = dict.fromkeys(OUTCOMES, "SUCCEEDED")
        self.reviewed = '"receipt"'
        self.stores_review = True
        self.sends_messages = True

    def start_execution(self, **given: Any) -> dict[str, str]:
        self.started_on.append(given["stateMachineArn"].removeprefix(f"{MACHINE}:"))
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

    def describe_state_machine_alias(self, **given: str) -> Any:
        assert given == {"stateMachineAliasArn": f"{MACHINE}:live"}
        routed = [{"stateMachineVersionArn": f"{MACHINE}:{number}", "weight": 50} for number in self.versions]
        return {"routingConfiguration": [*routed, {"stateMachineVersionArn": f"{MACHINE}:1", "weight": 0}]}

    def describe_execution(self, executionArn: str) -> dict[str, str]:  # noqa: N803
        return {
            "status": self.statuses[executionArn],
            "stateMachineVersionArn": f"{MACHINE}:{self.versions[0]}",
        }

    def stop_execution(self, **given: str) -> None:
        self.stopped.append(given["executionArn"])
        self.statuses[given["executionArn"]] = "ABORTED"

    def view(self, _: Any, arn: str) -> ExecutionView:
        """What the history says about an execution that did not succeed."""
        visits = [
            Visit("Claim status change", "Task", status=StateStatus.CAUGHT, error="Taken"),
            Visit(
                "Collect review",
                "Task",
                status=StateStatus.CAUGHT,
                error="Denied",
                cause='{"errorMessage": "no"}',
            ),
            Visit("Escalate", "Task", status=StateStatus.PASSED),
            Visit("Failed", "Fail", status=StateStatus.FAILED, error="Denied"),
        ]
        if self.statuses[arn] == "RUNNING":
            visits = [Visit("Back off", "Wait", status=StateStatus.RUNNING)]
        return ExecutionView(arn, arn, MACHINE, self.statuses[arn], datetime.now(UTC), visits=visits)


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
        parameters = {"FlowDefinitionArns": f"{FLOWS}forms,{FLOWS}photos"}
        self.resources = StageResources("dev", "aws", REGION, "123456789012", outputs, parameters)

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
            *(one for one in self.sns.list_topics()["Topics"] if "smoke" in one["TopicArn"]),
        ]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(listening, "MESSAGE_TIMEOUT_SECONDS", 5)
    with mock_aws():
        stage = Stage()
        monkeypatch.setattr(executions, "read_execution", stage.workflow.view)
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
    assert stage.workflow.started_on == ["live"] * 3
    assert {(check.passed, check.version) for check in checks} == {(True, f"{MACHINE}:7")}
    assert checks[-1].name == "Stopped: a loop-stopped message arrives"


def test_both_versions_are_tested_during_a_shift(stage: Stage) -> None:
    stage.workflow.versions = [9, 10]
    checks = stage.checks()
    assert [check for check in checks if check.problem] == []
    assert stage.workflow.started_on == ["10"] * 3 + ["9"] * 3
    assert len(checks) == 18


def test_failed_execution_and_wrong_outcome_are_reported(stage: Stage) -> None:
    stage.workflow.statuses["Failed"] = "FAILED"
    stage.workflow.outcomes["Stopped"] = "failed"
    assert stage.problems() == {
        "the execution succeeds": "the execution ended as FAILED in Collect review: Denied: no (Failed)",
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
    monkeypatch.setattr(executions, "EXECUTION_TIMEOUT_SECONDS", -1)
    monkeypatch.setattr(executions, "GRACE_SECONDS", -1)
    monkeypatch.setattr(listening, "MESSAGE_TIMEOUT_SECONDS", 0)
    stage.workflow.statuses["Stopped"] = "RUNNING"
    stage.workflow.sends_messages = False
    assert stage.problems() == {
        "the execution succeeds": "the execution is still in Back off after -1 s (Stopped)",
        "a loop-failed message arrives": "no message arrived within 0 s",
        "a loop-stopped message arrives": "no message arrived within 0 s",
    }
    assert stage.workflow.stopped == ["Stopped"], "it would write again what the test deletes"


def test_running_execution_is_polled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.workflow.statuses["Completed"] = "RUNNING"
    pauses: list[float] = []

    def ends_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        stage.workflow.statuses["Completed"] = "SUCCEEDED"

    monkeypatch.setattr(executions.time, "sleep", ends_meanwhile)
    assert not stage.problems()
    assert pauses == [0.5]


def test_missing_output_bucket_is_one_error(stage: Stage) -> None:
    with pytest.raises(
        AfterloopError, match=r"the bucket does not exist; create it, or use another .*--output-bucket"
    ):
        stage.checks("nowhere")


def running(stage: Stage) -> Any:
    """A run whose first check was made."""
    checks = SmokeTest(stage.resources, stage.session, "outputs").checks()  # type: ignore[arg-type]
    next(checks)
    assert stage.remains()
    return checks


def test_checks_clean_up_when_closed_early(stage: Stage) -> None:
    running(stage).close()


def test_probe_is_repeated_until_the_queue_policy_holds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PROBE_INTERVAL_SECONDS", 0)
    publish, probes, steps = stage.sns.publish, [], []

    def lost_at_first(**given: str) -> None:
        if "probe" in given["Message"]:
            # Subscribers of the stage's topics do not get it.
            assert given["TopicArn"] != stage.resources.escalation_topic
            assert stage.workflow.started_on == []
            probes.append(given)
        if len(probes) > 2 or "probe" not in given["Message"]:
            publish(**given)

    monkeypatch.setattr(stage.sns, "publish", lost_at_first)
    test = SmokeTest(stage.resources, stage.session, "outputs", steps.append)  # type: ignore[arg-type]
    assert [check for check in test.checks() if check.problem] == []
    assert len(probes) == 3
    assert [step for step in steps if "a queue policy takes up to a minute" in step]


def test_queue_without_messages_is_one_error(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PROBE_TIMEOUT_SECONDS", -1)
    monkeypatch.setattr(listening, "PROBE_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(stage.sns, "publish", lambda **given: None)
    with pytest.raises(AfterloopError, match=r"got no message from SNS within -1 s: run the test again; if"):
        stage.checks()
    assert stage.workflow.started_on == []


def removed(stage: Stage) -> list[str]:
    """The queues of the earlier runs that a run removes first."""
    return traces.remove_leftovers(stage.resources, stage.session, "outputs")  # type: ignore[arg-type]


def killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed after its first check."""

    class Killed(ExitStack):
        def __exit__(self, *_: object) -> bool:
            self.pop_all()
            return False

    with monkeypatch.context() as patches:
        patches.setattr(checks, "ExitStack", Killed)
        running(stage).close()
    assert stage.remains()


def test_next_run_removes_what_a_killed_run_left_an_hour_ago(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(stage, monkeypatch)
    assert removed(stage) == [], "perhaps it is still running"
    monkeypatch.setattr(traces, "MAX_RUN_SECONDS", 0)
    assert stage.problems() == {}
    assert stage.remains() == []


def test_run_of_another_stage_is_left_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_RUN_SECONDS", 0)
    queues = [
        ("aaaaaaaa", traces.tags("prod", "outputs", through_rule=False)),
        ("bbbbbbbb", {}),
        # The queue of a stage that is called smoke.
        ("UndeliveredEvents-1", traces.tags("dev", "outputs", through_rule=False)),
    ]
    for name, tags in queues:
        stage.sqs.create_queue(QueueName=f"{listening.QUEUE_PREFIX}{name}", tags=tags)
    assert removed(stage) == []
    urls = stage.sqs.list_queues()["QueueUrls"]
    assert len(urls) == 3
    for url in urls:
        stage.sqs.delete_queue(QueueUrl=url)


class A2i:
    """A2I with one loop, whose event is not delivered."""

    class exceptions:  # noqa: N801
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self) -> None:
        self.status = ""

    def start_human_loop(self, **given: Any) -> None:
        assert given["FlowDefinitionArn"] == f"{FLOWS}forms"
        self.status = "InProgress"

    def stop_human_loop(self, **_: str) -> None:
        self.status = "Stopped"

    def describe_human_loop(self, **_: str) -> Any:
        if not self.status:
            raise self.exceptions.ResourceNotFoundException
        return {"HumanLoopStatus": self.status}

    def delete_human_loop(self, **_: str) -> None:
        self.status = ""


@pytest.fixture
def a2i(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> A2i:
    monkeypatch.setattr(real_rule.FlowDefinitions, "existing", lambda _, name: f"{FLOWS}{name}")
    a2i = A2i()
    stage.session.use("sagemaker-a2i-runtime", a2i)
    return a2i


def through_rule(stage: Stage, flow_definition: str = "forms") -> dict[str, str | None]:
    """The checks of the loop at A2I, with their problems."""
    test = SmokeTest(stage.resources, stage.session, "outputs", flow_definition=flow_definition)  # type: ignore[arg-type]
    return {check.what: check.problem for check in test.checks() if check.loop == "Rule"}


def test_event_that_is_not_delivered_is_reported(
    stage: Stage, a2i: A2i, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_rule, "RULE_TIMEOUT_SECONDS", -1)
    ((what, problem),) = through_rule(stage).items()
    assert what == "the rule starts an execution"
    assert "see whether the rule afterloop-dev is enabled" in str(problem)
    assert a2i.status == ""


def test_flow_definition_that_the_stage_does_not_hear_is_refused_before_anything_starts(
    stage: Stage, a2i: A2i
) -> None:
    with pytest.raises(
        AfterloopError, match="stage dev gets no events of the flow definition others, only of forms, photos"
    ):
        through_rule(stage, "others")
    assert (a2i.status, stage.workflow.started_on) == ("", [])


def test_next_run_removes_the_loop_of_a_killed_run(
    stage: Stage, a2i: A2i, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = stage.sqs.create_queue(
        QueueName=f"{listening.QUEUE_PREFIX}aaaaaaaa", tags=traces.tags("dev", "gone", through_rule=True)
    )
    assert queue
    stage.dynamodb.put_item(
        TableName="ledger", Item={"humanLoopName": {"S": traces.loop_of_rule("aaaaaaaa")}}
    )
    a2i.status = "InProgress"
    monkeypatch.setattr(traces, "MAX_RUN_SECONDS", 0)
    assert removed(stage) == [f"{listening.QUEUE_PREFIX}aaaaaaaa"]
    assert a2i.status == ""
