"""Operations on loops, on a published stage: what they find, what they change, and what they refuse."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops import reconciling
from lambdas.loops.ledger import Ledger, Loop, now
from lambdas.loops.names import InvalidLoopName
from lambdas.loops.start_request import InputTooLarge, InvalidRequest, NameTaken, StartRefused
from lambdas.loops.waiting import Tokens
from lambdas.reviews.times import timestamp
from sandbox.samples import INVOICE, JOB_APPLICATION, MODERATION, SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from workflow.cli.shapes import LoopStory
from workflow.operations.client import LoopsClient
from workflow.operations.loops import LoopError, LoopFilter, Loops
from workflow.operations.report.loop_facts import count_loops, ledger_rows
from workflow.operations.reviews_source import Period
from workflow.operations.stage_resources import StageResources


@pytest.fixture(scope="module")
def operate(published: PublishedStage) -> Loops:
    session = published.sandbox.session
    return Loops(StageResources.find("local", session), session)


@pytest.fixture
def flow(published: PublishedStage) -> str:
    """A flow definition of the test's own: ARN."""
    return published.flow_definition()


@pytest.fixture
def loop(published: PublishedStage, flow: str) -> str:
    """A loop that was started through the stage: its name."""
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    return name


@pytest.fixture(scope="module")
def role(published: PublishedStage) -> str:
    """A role of state machines that may send messages: ARN."""
    iam, name = published.sandbox.client("iam"), published.name("role")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=document(may))
    return str(created)


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def running_execution(published: PublishedStage, role: str) -> Iterator[str]:
    """An execution that runs until the tests are over: it waits for somebody who never answers."""
    waiting = Waiting(published, role)
    yield waiting.arn
    published.states.stop_execution(executionArn=waiting.arn)


class Waiting:
    """A workflow of a user's that waits with a task token."""

    def __init__(self, published: PublishedStage, role: str) -> None:
        self._states = published.states
        sqs = published.sandbox.client("sqs")
        queue = sqs.create_queue(QueueName=published.name("tokens"))["QueueUrl"]
        wait = {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
            "TimeoutSeconds": 600,
            "End": True,
        }
        machine = self._states.create_state_machine(
            name=published.name("waiting"),
            roleArn=role,
            definition=json.dumps({"StartAt": "Wait", "States": {"Wait": wait}}),
        )["stateMachineArn"]
        self.arn: str = self._states.start_execution(stateMachineArn=machine)["executionArn"]
        message = published.eventually(
            lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"),
            message="the token",
        )
        self.token: str = json.loads(message[0]["Body"])["token"]

    def described(self) -> Any:
        return self._states.describe_execution(executionArn=self.arn)


def failed_execution(published: PublishedStage) -> str:
    """An execution of the stage's workflow that could not take its event."""
    execution = published.states.start_execution(
        stateMachineArn=published.outputs["StateMachine"],
        input=json.dumps({"detail": {"humanLoopName": published.name(), "humanLoopStatus": "Stopped"}}),
    )["executionArn"]
    published.eventually(
        lambda: published.states.describe_execution(executionArn=execution)["status"] == "FAILED"
    )
    return execution


def hold(published: PublishedStage, name: str, claim: str, state: str, execution: str) -> None:
    """Write a claim as the workflow does."""
    published.sandbox.client("dynamodb").update_item(
        TableName=published.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET #claim = :claim, #status = :status, updatedAt = :now",
        ExpressionAttributeNames={"#claim": f"claim {claim}", "#status": "status"},
        ExpressionAttributeValues={
            ":claim": {"M": {"state": {"S": state}, "execution": {"S": execution}, "at": {"S": now()}}},
            ":status": {"S": claim.rpartition(" ")[2]},
            ":now": {"S": now()},
        },
    )


def completed_without_output(published: PublishedStage, name: str, flow: str) -> dict[str, Any]:
    """A status change that the workflow fails on, and gives back: its detail."""
    detail = published.event(
        name, "Completed", flowDefinitionArn=flow, humanLoopOutput={"outputS3Uri": "s3://nowhere/a"}
    )
    published.sandbox.events.deliver(detail)
    handled(published, name)
    return detail


def handled(published: PublishedStage, name: str) -> Loop:
    """Wait until the workflow has recorded what became of a loop: its row."""

    def recorded() -> Loop | None:
        row = published.ledger.find(name)
        return row if row is not None and row.outcome is not None else None

    row: Loop = published.eventually(recorded, timeout=60, message=f"an outcome of {name}")
    return row


def escalated(published: PublishedStage, name: str) -> None:
    published.sandbox.loops.fail(name, "ValidationError", "the template has no such variable")
    assert handled(published, name).outcome == "escalated"


@pytest.fixture(scope="module")
def indexed(published: PublishedStage) -> StageResources:
    """The stage, with an empty ledger."""
    return with_own_ledger(published)


def with_own_ledger(published: PublishedStage) -> StageResources:
    """The stage with a table of the tests' own, as the stack makes it."""
    name = published.name("ledger")
    dynamodb = published.sandbox.client("dynamodb")
    table = dynamodb.describe_table(TableName=published.outputs["LedgerTable"])["Table"]
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=table["KeySchema"],
        AttributeDefinitions=table["AttributeDefinitions"],
        GlobalSecondaryIndexes=[
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in table["GlobalSecondaryIndexes"]
        ],
    )
    stage = StageResources.find("local", published.sandbox.session)
    return dataclasses.replace(stage, outputs={**stage.outputs, "LedgerTable": name})


@pytest.fixture(scope="module")
def ledger(published: PublishedStage) -> Loops:
    """Operations on a ledger of which the tests know every row."""
    return Loops(with_own_ledger(published), published.sandbox.session)


@pytest.fixture(scope="module")
def rows(published: PublishedStage, ledger: Loops) -> dict[str, Loop]:
    """Its rows: of one flow definition, with ages in days, and one of another."""
    flow = published.flow_definition_arn(published.name("listed"))
    rows = {}
    for what, days, status, outcome in (
        ("running", 5, "InProgress", None),
        ("starting", 1, "Starting", None),
        ("stored", 9, "Completed", "stored"),
        ("stored-late", 2, "Completed", "stored"),
        ("unstored", 3, "Completed", "failed"),
        ("escalated", 4, "Failed", "escalated"),
        ("closed", 8, "Failed", "closed"),
        ("unknown-status", 6, "Deleting", "failed"),
    ):
        created = datetime.now(UTC) - timedelta(days=days)
        row = Loop(
            human_loop_name=published.name(what),
            flow_definition_arn=flow,
            status=status,
            outcome=outcome,
            created_at=created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )
        assert ledger.ledger.open(row) is None
        rows[what] = row
    ledger.ledger.open(
        Loop(human_loop_name="of-another", flow_definition_arn=f"{flow}-2", status="InProgress")
    )
    return rows


@pytest.fixture(scope="module")
def client(published: PublishedStage) -> LoopsClient:
    return LoopsClient("local", published.sandbox.session)


class TestListing:
    @pytest.fixture
    def listed(self, ledger: Loops, rows: dict[str, Loop]) -> Callable[..., list[str]]:
        """What is listed of these rows, by what they are."""
        what = {row.human_loop_name: what for what, row in rows.items()}

        def listed(*, limit: int | None = None, newest_first: bool = False, **wanted: Any) -> list[str]:
            found = ledger.listing(LoopFilter(**wanted), limit=limit, newest_first=newest_first)
            return [what[row.human_loop_name] for row in found.loops if row.human_loop_name in what]

        return listed

    def test_what_waits_for_a_person_comes_first_and_the_oldest_of_it(
        self, listed: Callable[..., list[str]], rows: dict[str, Loop]
    ) -> None:
        flow = rows["running"].flow_definition_arn
        assert listed(flow_definition=flow) == [
            *("unknown-status", "escalated", "unstored"),
            *("running", "starting"),
            *("stored", "closed", "stored-late"),
        ]
        # The scan, which reads the whole table, finds the same.
        assert listed() == listed(flow_definition=flow)
        assert listed(flow_definition=flow, newest_first=True) == [
            *("unstored", "escalated", "unknown-status"),
            *("starting", "running"),
            *("stored-late", "closed", "stored"),
        ]
        assert listed(flow_definition=(flow or "").rpartition("/")[2]) == listed(flow_definition=flow)

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"status": "Completed"}, ["unstored", "stored", "stored-late"]),
            ({"outcome": "stored"}, ["stored", "stored-late"]),
            ({"outcome": "failed"}, ["unknown-status", "unstored"]),
            ({"outcome": "closed"}, ["closed"]),
            ({"status": "InProgress"}, ["running"]),
            ({"older_than": timedelta(days=7)}, ["stored", "closed"]),
            ({"status": "Completed", "older_than": timedelta(days=2, hours=12)}, ["unstored", "stored"]),
            ({"status": "Failed", "outcome": "stored"}, []),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("with_flow", [True, False])
    def test_filters_hold_together_whichever_index_is_read(
        self,
        listed: Callable[..., list[str]],
        rows: dict[str, Loop],
        wanted: dict[str, Any],
        expected: list[str],
        with_flow: bool,
    ) -> None:
        flow = rows["running"].flow_definition_arn if with_flow else None
        assert listed(flow_definition=flow, **wanted) == expected

    def test_a_limit_takes_the_first_and_says_that_there_are_more(
        self, ledger: Loops, rows: dict[str, Loop]
    ) -> None:
        flow = rows["running"].flow_definition_arn
        few = ledger.listing(LoopFilter(flow_definition=flow), limit=2)
        all_of_them = ledger.listing(LoopFilter(flow_definition=flow), limit=8)
        completed = ledger.listing(LoopFilter(flow_definition=flow, outcome="stored"), limit=1)

        assert [row.human_loop_name for row in few.loops] == [
            rows["unknown-status"].human_loop_name,
            rows["escalated"].human_loop_name,
        ]
        assert (few.more, all_of_them.more, completed.more) == (True, False, True)
        assert len(completed.loops) == 1

    @pytest.mark.parametrize(
        "wanted",
        [
            LoopFilter(status="Completed"),
            LoopFilter(flow_definition="some"),
            LoopFilter(outcome="escalated"),
            LoopFilter(outcome="failed"),
            LoopFilter(outcome="stored", flow_definition="some"),
            LoopFilter(status="InProgress", flow_definition="some", older_than=timedelta(1)),
        ],
        ids=str,
    )
    def test_the_table_is_not_scanned_where_a_filter_is_given(
        self, published: PublishedStage, indexed: StageResources, wanted: LoopFilter
    ) -> None:
        assert self.calls(published, indexed, wanted, limit=50) == {"Query"}

    @pytest.mark.parametrize(
        ("wanted", "index"),
        [
            ({"outcome": "failed", "flow_definition_arn": "f", "status": "Completed"}, "by-outcome"),
            ({"outcome": "stored", "flow_definition_arn": "f"}, "by-flow-definition"),
            ({"outcome": "stored"}, "by-outcome"),
            ({"status": "InProgress", "flow_definition_arn": "f"}, "by-status"),
            ({"status": "Completed", "flow_definition_arn": "f"}, "by-flow-definition"),
            ({"status": "Completed", "outcome": "stored"}, "by-status"),
        ],
        ids=str,
    )
    def test_the_index_with_the_fewest_loops_is_read(
        self, published: PublishedStage, indexed: StageResources, wanted: dict[str, str], index: str
    ) -> None:
        read: list[str] = []
        client = published.sandbox.session.client("dynamodb")
        client.meta.events.register(
            "provide-client-params.dynamodb.Query", lambda params, **_: read.append(params["IndexName"])
        )

        assert list(Ledger(client, indexed.ledger_table).select(**wanted, created_before="2000")) == []  # type: ignore[arg-type]
        assert read == [index]

    def test_the_table_is_not_scanned_either_if_what_waits_is_enough(
        self, published: PublishedStage, indexed: StageResources
    ) -> None:
        ledger = Ledger(published.sandbox.client("dynamodb"), indexed.ledger_table)
        for outcome in ("escalated", "failed"):
            ledger.open(Loop(human_loop_name=published.name(), status="Failed", outcome=outcome))

        assert self.calls(published, indexed, LoopFilter(), limit=1) == {"Query"}
        assert self.calls(published, indexed, LoopFilter(), limit=50) == {"Query", "Scan"}

    def calls(
        self, published: PublishedStage, resources: StageResources, wanted: LoopFilter, limit: int
    ) -> set[str]:
        """What a listing calls DynamoDB for."""
        calls: set[str] = set()
        loops = Loops(resources, published.sandbox.session)
        client: Any = loops.ledger._client
        client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.add(model.name))
        loops.listing(wanted, limit=limit)
        return calls


class TestShow:
    def test_a_stored_review(self, published: PublishedStage, operate: Loops, loop: str, flow: str) -> None:
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        (execution,) = published.ended(loop)

        story = operate.show(loop)

        assert story.started == "through Afterloop, as a custom task"
        assert story.outcome == "The review is stored."
        assert "1 answer, 2 fields, 1 changed" in story.review
        assert [loop.human_loop_name for loop in story.lineage] == [loop]
        (change,) = story.changes
        assert (change.human_loop_status, change.state) == ("Completed", "done")
        assert (change.execution.arn, change.execution.status) == (execution["executionArn"], "SUCCEEDED")
        assert story.next == []
        document = json.loads(LoopStory.of(story).model_dump_json(by_alias=True))
        assert document["loop"]["reviewLocation"].startswith("s3://")
        assert document["loop"]["flowDefinitionArn"] == flow

    def test_a_lineage_is_told_whole_from_each_of_its_loops(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        published.sandbox.loops.fail(loop, "InternalError")
        handled(published, loop)
        second = published.row(loop).next_loop_name or ""
        published.sandbox.loops.fail(second, "Expired")
        handled(published, second)
        third = published.row(second).next_loop_name or ""

        for name in (loop, second, third):
            story = operate.show(name)
            assert [(one.human_loop_name, one.attempt) for one in story.lineage] == [
                (loop, 1),
                (second, 2),
                (third, 3),
            ]
        assert [step.command for step in operate.show(loop).next] == [
            f"python deploy.py loops show {third} --stage local"
        ]
        assert f"as a restart of {second}: attempt 3" in operate.show(third).started
        assert operate.show(third).outcome == "Waiting for workers to review it."

    def test_an_escalated_loop_tells_the_commands_that_go_on(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        escalated(published, loop)

        story = operate.show(loop)

        assert story.outcome.startswith("Needs action: ")
        assert [step.command for step in story.next] == [
            f"python deploy.py loops restart {loop} --stage local",
            f'python deploy.py loops close {loop} --stage local --note "..."',
        ]
        # They are those that the escalation names.
        assert published.message(loop)["command"] == story.next[0].command

    def test_a_loop_that_was_missed_says_so(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])

        story = operate.show(loop)

        assert "Ended as Completed in A2I. The workflow has not received" in story.outcome
        assert [step.command for step in story.next] == ["python deploy.py loops reconcile --stage local"]

    def test_a_key_finds_its_loop(self, published: PublishedStage, operate: Loops, flow: str) -> None:
        key = f"Order {published.name()} / Ä"
        name = LoopsClient("local", published.sandbox.session).start_custom(flow, {"a": 1}, key=key)

        assert operate.show(key).loop.human_loop_name == name.human_loop_name

    def test_a_loop_of_elsewhere_is_shown_as_far_as_a2i_knows_it(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        name = published.name()
        published.a2i.start_human_loop(
            HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
        )

        story = operate.show(name)

        assert story.started.startswith("not through Afterloop")
        assert story.loop.flow_definition_arn == flow
        assert story.outcome == "Waiting for workers to review it."

    def test_a_loop_that_nobody_knows_is_one_line(self, published: PublishedStage, operate: Loops) -> None:
        with pytest.raises(LoopError, match="there is no human loop 'nobody' in stage local, us-east-1"):
            operate.show("nobody")


class TestClient:
    def test_custom_loops_are_started_once(
        self, published: PublishedStage, client: LoopsClient, flow: str
    ) -> None:
        name = published.name()
        content = {"text": "ünïcode ✓", "nothing": None, "deep": [{"a": None}]}

        first = client.start_custom(flow, content, human_loop_name=name)
        again = client.start_custom(flow.rpartition("/")[2], content, key=name)

        assert (first.already, again.already) == (False, True)
        assert first.human_loop_arn == again.human_loop_arn == published.sandbox.loops.get(name).arn
        assert published.sandbox.loops.get(name).input_content == content

    def test_forms_and_images_are_started_by_their_services(
        self, published: PublishedStage, client: LoopsClient
    ) -> None:
        for sample, start in (
            (JOB_APPLICATION, client.start_textract),
            (MODERATION, client.start_rekognition),
        ):
            flow = published.flow_definition(task_type=sample.task_type, conditions=sample.conditions)
            where = sample.upload(published.s3, published.stage.document_buckets[0])["S3Object"]
            name = published.name(sample.task_type)

            started = start(flow, f"s3://{where['Bucket']}/{where['Name']}", human_loop_name=name)

            assert (started.needed, started.human_loop_name) == (True, name)
            assert published.sandbox.loops.get(name).source
            assert published.row(name).task_type == sample.task_type

    def test_where_no_review_is_needed_the_prediction_comes_back(
        self, published: PublishedStage, client: LoopsClient
    ) -> None:
        flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)
        where = INVOICE.upload(published.s3, published.stage.document_buckets[0])["S3Object"]
        name = published.name()

        started = client.start_textract(flow, f"s3://{where['Bucket']}/{where['Name']}", human_loop_name=name)

        assert not started.needed
        assert started.prediction is not None
        assert len(started.prediction["Blocks"]) == len(INVOICE.prediction["Blocks"])
        assert published.row(name).status == "NotNeeded"
        assert published.record(started.prediction_location or "") == started.prediction

    def test_a_prediction_that_is_too_large_for_an_answer_is_at_its_location(
        self, published: PublishedStage, client: LoopsClient
    ) -> None:
        flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)
        bucket, key = published.stage.document_buckets[0], f"{published.name()}.png"
        where = INVOICE.upload(published.s3, bucket)["S3Object"]
        published.s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/{where['Name']}")
        blocks = [*INVOICE.prediction["Blocks"], {"BlockType": "LINE", "Id": "long", "Text": "x" * (6 << 20)}]
        published.s3.put_object(
            Bucket=bucket,
            Key=f"{key}.prediction.json",
            Body=json.dumps({**INVOICE.prediction, "Blocks": blocks}),
        )

        for _ in range(2):
            started = client.start_textract(flow, f"s3://{bucket}/{key}", key=key)
            assert (started.needed, started.prediction) == (False, None)
            assert len(published.record(started.prediction_location or "")["Blocks"]) == len(blocks)

    def test_errors_keep_their_kind_and_words(
        self, published: PublishedStage, client: LoopsClient, flow: str, loop: str
    ) -> None:
        with pytest.raises(InvalidLoopName, match="A valid name: 'bad-name-"):
            client.start_custom(flow, {}, human_loop_name="Bad Name")
        with pytest.raises(NameTaken, match="another input or flow definition"):
            client.start_custom(flow, {"another": "input"}, human_loop_name=loop)
        with pytest.raises(InputTooLarge, match="larger than 3 MiB"):
            client.start_custom(flow, {"text": "x" * (3 << 20)}, human_loop_name=published.name())
        with pytest.raises(InvalidRequest, match="give either humanLoopName or key"):
            client.start_custom(flow, {}, human_loop_name="a", key="b")
        with pytest.raises(InvalidRequest, match="is not s3://bucket/key"):
            client.start_textract(flow, "https://bucket/key", key="a")
        with pytest.raises(StartRefused, match="There is no flow definition"):
            client.start_custom(f"{flow}-gone", {}, human_loop_name=published.name())

    def test_the_functions_role_is_enough_and_no_more(
        self, published: PublishedStage, client: LoopsClient
    ) -> None:
        """A document outside the stage's buckets is refused by IAM, as the sandbox enforces it."""
        published.s3.create_bucket(Bucket="somebody-elses-documents")
        JOB_APPLICATION.upload(published.s3, "somebody-elses-documents")
        flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)

        with pytest.raises(StartRefused, match="InvalidS3ObjectException"):
            client.start_textract(
                flow, "s3://somebody-elses-documents/job-application.png", key=published.name()
            )


class TestRestart:
    def test_a_loop_whose_attempts_are_used_up_gets_more(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        last = loop
        for _ in range(3):
            published.sandbox.loops.fail(last, "InternalError")
            handled(published, last)
            last = published.row(last).next_loop_name or last
        assert published.row(last).outcome == "escalated"

        started = operate.restart(last, more_attempts=2)

        assert started.human_loop_name == f"{loop}-attempt-4"
        before, fourth = published.row(last), published.row(started.human_loop_name)
        assert (before.outcome, before.next_loop_name) == ("restarted", fourth.human_loop_name)
        assert (before.reason or "").startswith("Restarted by ")
        assert (fourth.attempt, fourth.max_attempts) == (4, 5)
        assert published.sandbox.loops.get(fourth.human_loop_name).input_content == SUPPORT_MESSAGE.prediction
        # The workflow uses the rest of what was given, and no more.
        published.sandbox.loops.fail(fourth.human_loop_name, "InternalError")
        handled(published, fourth.human_loop_name)
        fifth = published.row(fourth.human_loop_name).next_loop_name or ""
        published.sandbox.loops.fail(fifth, "InternalError")
        handled(published, fifth)
        assert published.row(fifth).outcome == "escalated"
        assert "all 5 attempts are used up" in (published.row(fifth).reason or "")

    def test_beyond_what_rules_may_allow_each_restart_is_a_persons(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        published.ledger.update(loop, attempt=20)
        escalated(published, loop)

        started = operate.restart(loop, more_attempts=5)

        assert started.human_loop_name == f"{loop}-attempt-21"
        published.sandbox.loops.fail(started.human_loop_name, "InternalError")
        assert handled(published, started.human_loop_name).outcome == "escalated"

    def test_a_stopped_loop_can_go_to_another_team(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        other = published.flow_definition()
        operate.stop(loop)
        handled(published, loop)

        started = operate.restart(loop, flow_definition=other.rpartition("/")[2])

        assert published.sandbox.loops.get(started.human_loop_name).flow_definition_arn == other

    def test_of_two_people_who_restart_it_at_once_with_two_teams_one_is_told(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        escalated(published, loop)
        started = operate.restart(loop)
        published.ledger.update(loop, next_loop_name=None)  # as the other read it

        with pytest.raises(
            LoopError, match=f"restarted at the same time, as {started.human_loop_name} with "
        ):
            operate.restart(loop, flow_definition=published.flow_definition())

    def test_what_is_not_to_be_restarted_says_why(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        with pytest.raises(
            LoopError, match=f"{loop} is in progress; to stop it, run `python deploy.py loops stop {loop}"
        ):
            operate.restart(loop)

        published.sandbox.loops.fail(loop, "InternalError")
        handled(published, loop)
        last = published.row(loop).next_loop_name
        with pytest.raises(LoopError, match=f"the last loop of its lineage is {last} .*loops restart {last}"):
            operate.restart(loop)

        published.sandbox.loops.answer(last or "", SUPPORT_MESSAGE.answers[0])
        handled(published, last)
        with pytest.raises(LoopError, match="needs no restart: The review is stored"):
            operate.restart(last or "")

        missed = published.name()
        published.start(missed, flow, {})
        published.sandbox.events.lose()
        published.sandbox.loops.fail(missed, "InternalError")
        with pytest.raises(LoopError, match="ended as Failed, but its status change was not received"):
            operate.restart(missed)

    def test_a_loop_of_elsewhere_has_no_input_to_restart_with(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        from lambdas.loops.start_request import InputUnknown

        name = published.name()
        published.a2i.start_human_loop(
            HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
        )
        published.sandbox.loops.fail(name, "InternalError")
        handled(published, name)

        with pytest.raises(InputUnknown, match="Afterloop did not start the loop"):
            operate.restart(name)
        assert published.row(name).outcome == "escalated"

    def test_a_loop_that_an_execution_works_on_does_not_change_teams(
        self, published: PublishedStage, operate: Loops, loop: str, running_execution: str
    ) -> None:
        hold(published, loop, "2026-01-01T00:00:00.000Z Failed", "working", running_execution)

        with pytest.raises(LoopError, match="a running execution may restart it"):
            operate.restart(loop, flow_definition=published.flow_definition())
        # With its own it is the restart that the execution is going to make.
        started = operate.restart(loop)
        assert published.row(loop).outcome is None
        assert published.row(loop).next_loop_name == started.human_loop_name


class TestStop:
    def test_a_stop_runs_the_workflow(self, published: PublishedStage, operate: Loops, loop: str) -> None:
        assert operate.stop(loop) == loop
        (execution,) = published.ended(loop)

        assert execution["status"] == "SUCCEEDED"
        assert published.row(loop).outcome == "notified"
        with pytest.raises(LoopError, match="it already ended, as Stopped"):
            operate.stop(loop)

    def test_what_cannot_be_stopped_says_why(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        with pytest.raises(LoopError, match="A2I has no loop with this name"):
            operate.stop(published.name("nobody"))

        name = published.name()
        published.ledger.open(Loop(human_loop_name=name, flow_definition_arn=flow, status="Starting"))
        with pytest.raises(LoopError, match=r"it is still starting; .*reconcile"):
            operate.stop(name)


def test_a_person_was_called_whatever_is_decided_then(
    published: PublishedStage, operate: Loops, flow: str
) -> None:
    closed, restarted, mended, waiting, fine = names = [published.name() for _ in range(5)]
    for name in names:
        published.start(name, flow, SUPPORT_MESSAGE.prediction)
    for name in (closed, restarted, waiting):
        escalated(published, name)
    misplaced = Misplaced(published, mended)
    misplaced.mend()
    published.sandbox.loops.answer(fine, SUPPORT_MESSAGE.answers[0])
    handled(published, fine)

    operate.close(closed, "it was a test")
    again = operate.restart(restarted).human_loop_name
    operate.redrive(mended)
    published.ended(mended, 2)

    rows = {name: published.row(name) for name in names}
    assert {rows[name].outcome for name in names} == {"closed", "restarted", "stored", "escalated"}
    assert {name for name, row in rows.items() if row.escalated_at} == {closed, restarted, mended, waiting}
    assert published.row(again).escalated_at is None
    period = Period.last_days(2)
    facts = count_loops(
        ledger_rows(published.outputs["LedgerTable"], published.sandbox.session, period, flow)
    )
    assert (facts.loops, facts.escalated, facts.undecided) == (6, 4, 1)


class TestClose:
    def test_a_closed_loop_leaves_the_list_of_what_waits(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        escalated(published, loop)
        waiting = LoopFilter(flow_definition=flow, outcome="escalated")
        assert [one.human_loop_name for one in operate.listing(waiting).loops] == [loop]

        closed = operate.close(loop, "the template is being mended")

        assert closed.loop.outcome == "closed"
        assert (closed.loop.note, closed.answered) == ("the template is being mended", 0)
        assert closed.loop.closed_by
        assert closed.loop.closed_at
        assert "same input would fail again" in (closed.loop.reason or "")
        assert operate.listing(waiting).loops == []
        assert operate.show(loop).outcome.endswith("the template is being mended")
        with pytest.raises(LoopError, match=r"is already closed, by .*the template is being mended"):
            operate.close(loop, "again")

    def test_a_second_delivery_does_not_open_it_again(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        """Also of a status change that the workflow had failed on, and had given back."""
        name = published.name()
        detail = completed_without_output(published, name, flow)
        assert published.row(name).outcome == "failed"

        operate.close(name, "never mind")
        published.sandbox.events.deliver(detail)

        _, second = published.ended(name, 2)
        assert second["states"] == ["Claim status change", "Already handled"]
        assert published.row(name).outcome == "closed"
        with pytest.raises(LoopError, match="its status change is already processed: Closed by"):
            operate.redrive(name)

    def test_a_workflow_that_waits_is_told(
        self,
        published: PublishedStage,
        operate: Loops,
        flow: str,
        role: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        name = published.name()
        completed_without_output(published, name, flow)
        waiting = Waiting(published, role)
        tokens = Tokens(published.sandbox.client("dynamodb"), published.outputs["LedgerTable"])
        assert tokens.keep(name, waiting.token)

        # The function has no time just then; so it is closed again.
        busy = {"Error": {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}}
        with monkeypatch.context() as patched:
            patched.setattr(LoopsClient, "call", lambda *given: raise_(ClientError(busy, "Invoke")))
            with pytest.raises(ClientError):
                operate.close(name, "the documents are gone")
        closed = operate.close(name, "the documents are gone")

        assert closed.answered == 1
        with pytest.raises(LoopError, match="is already closed"):
            operate.close(name, "again")
        published.eventually(lambda: waiting.described()["status"] == "FAILED")
        assert waiting.described()["error"] == "HumanReview.Failed"

    def test_what_waits_for_nobody_cannot_be_closed(
        self, published: PublishedStage, operate: Loops, loop: str, running_execution: str
    ) -> None:
        with pytest.raises(LoopError, match="needs no action: Waiting for workers"):
            operate.close(loop, "note")

        claim = "2026-01-01T00:00:00.000Z Failed"
        hold(published, loop, claim, "working", running_execution)
        with pytest.raises(LoopError, match="an execution is processing it"):
            operate.close(loop, "note")

        hold(published, loop, claim, "working", failed_execution(published))
        assert operate.close(loop, "note").loop.claims[claim]["state"] == "done"


class Misplaced:
    """A completed loop whose output was out of place when its event came: the workflow failed on it."""

    def __init__(self, published: PublishedStage, loop: str) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        uri = published.sandbox.loops.get(loop).output_uri
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        output = published.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        published.s3.delete_object(Bucket=bucket, Key=key)
        published.sandbox.events.redeliver(loop)
        (self.execution,) = published.ended(loop)
        assert self.execution["status"] == "FAILED"
        assert published.row(loop).outcome == "failed"
        self.mend = lambda: published.s3.put_object(Bucket=bucket, Key=key, Body=output)


class TestRedrive:
    def test_a_status_change_runs_again_when_the_cause_is_mended(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        misplaced = Misplaced(published, loop)
        story = operate.show(loop)
        assert story.outcome.startswith("Needs action: the workflow could not finish")
        assert story.next[0].command == f"python deploy.py loops redrive {loop} --stage local"
        assert published.message(loop)["command"] == story.next[0].command

        misplaced.mend()
        redriven = operate.redrive(loop)

        _, second = published.ended(loop, 2)
        assert redriven.execution == second["executionArn"]
        assert redriven.before == misplaced.execution["executionArn"]
        assert json.loads(second["input"]) == json.loads(misplaced.execution["input"])
        assert published.row(loop).outcome == "stored"
        with pytest.raises(LoopError, match="its status change is already processed: The review is stored"):
            operate.redrive(loop)
        with pytest.raises(LoopError, match="is already processed, by"):
            operate.redrive_execution(redriven.before)

    def test_a_failed_execution_runs_again_by_its_arn(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        misplaced = Misplaced(published, loop)
        misplaced.mend()

        operate.redrive_execution(misplaced.execution["executionArn"])

        published.ended(loop, 2)
        assert published.row(loop).outcome == "stored"

    @pytest.mark.parametrize("held_by", ["an execution of another event", "an execution that is forgotten"])
    def test_a_claim_that_was_never_given_back_is_taken_from_its_execution(
        self, published: PublishedStage, operate: Loops, loop: str, held_by: str
    ) -> None:
        """And the event, which that execution cannot give, is had from A2I."""
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        created = timestamp(published.sandbox.loops.get(loop).created_at)
        execution = failed_execution(published)
        if held_by == "an execution that is forgotten":
            execution = execution.rpartition(":")[0] + ":forgotten"
        hold(published, loop, f"{created} Completed", "working", execution)
        assert "ended as" in operate.show(loop).outcome

        operate.redrive(loop)

        handled(published, loop)
        assert published.row(loop).outcome == "stored"
        assert set(published.row(loop).claims) == {f"{created} Completed"}

    def test_what_is_worked_on_or_cannot_be_had_is_refused(
        self, published: PublishedStage, operate: Loops, loop: str, running_execution: str
    ) -> None:
        with pytest.raises(LoopError, match="no status change was received"):
            operate.redrive(loop)

        claim = "2026-01-01T00:00:00.000Z Failed"
        hold(published, loop, claim, "working", running_execution)
        with pytest.raises(LoopError, match="an execution is processing it"):
            operate.redrive(loop)

        hold(published, loop, claim, "released", failed_execution(published))
        with pytest.raises(LoopError, match="no longer available"):
            operate.redrive(loop)

    def test_racing_redrives_handle_it_once(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        Misplaced(published, loop).mend()

        with ThreadPoolExecutor(3) as pool:
            redrives = [pool.submit(operate.redrive, loop) for _ in range(3)]
            errors = [error for one in redrives if (error := one.exception())]

        # One may come so late that the claim is taken, or the work done: that is told.
        assert all(isinstance(error, LoopError) for error in errors)
        executions = published.ended(loop, 1 + 3 - len(errors))
        assert len([one for one in executions if "Record review" in one["states"]]) == 1
        assert published.row(loop).outcome == "stored"

    def test_an_event_that_could_not_be_claimed_runs_again_by_its_execution(
        self, published: PublishedStage, operate: Loops
    ) -> None:
        execution = failed_execution(published)
        event = json.loads(published.states.describe_execution(executionArn=execution)["input"])
        name = event["detail"]["humanLoopName"]

        redriven = operate.redrive_execution(execution)

        executions = published.ended(name, 2)
        assert [json.loads(one["input"]) for one in executions] == [event, event]
        assert redriven.execution in [one["executionArn"] for one in executions]

    def test_executions_that_are_not_to_run_again_say_why(
        self, published: PublishedStage, operate: Loops, loop: str, running_execution: str
    ) -> None:
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        (execution,) = published.ended(loop)
        with pytest.raises(LoopError, match="is SUCCEEDED; only a failed execution"):
            operate.redrive_execution(execution["executionArn"])
        with pytest.raises(LoopError, match="is not an execution of stage local"):
            operate.redrive_execution(running_execution)
        with pytest.raises(LoopError, match="is no longer in Step Functions"):
            operate.redrive_execution(execution["executionArn"] + "x")


def raise_(error: Exception) -> Any:
    raise error


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts count as unfinished from the first moment."""
    monkeypatch.setattr(reconciling, "UNFINISHED_AFTER", timedelta(0))


class TestReconcile:
    @pytest.mark.parametrize("ending", ["Completed", "Failed", "Stopped"])
    def test_a_status_change_whose_event_did_not_come_is_caught_up_with(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, ending: str
    ) -> None:
        published.sandbox.events.lose()
        if ending == "Completed":
            published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        elif ending == "Failed":
            published.sandbox.loops.fail(loop, "ValidationError", "no such variable")
        else:
            operate.stop(loop)
            published.eventually(lambda: published.sandbox.loops.get(loop).status == "Stopped")

        found = operate.reconcile(flow_definition=flow)

        assert list(found.missed) == [f"{loop} {ending}"]
        (execution,) = published.ended(loop)
        assert execution["status"] == "SUCCEEDED"
        assert published.row(loop).outcome == {"Completed": "stored", "Failed": "escalated"}.get(
            ending, "notified"
        )
        again = operate.reconcile(flow_definition=flow)
        assert (again.looked_at, again.found_nothing, again.complete) == (1, True, True)

        # The event comes after all.
        published.sandbox.events.redeliver(loop)
        _, late = published.ended(loop, 2)
        assert late["states"] == ["Claim status change", "Already handled"]
        ours, theirs = json.loads(execution["input"]), json.loads(late["input"])
        assert ours["detail"] == theirs["detail"]
        assert ours.keys() == theirs.keys()
        assert {
            key: ours[key] for key in ("version", "detail-type", "source", "account", "region", "resources")
        } == {
            key: theirs[key] for key in ("version", "detail-type", "source", "account", "region", "resources")
        }

    def test_loops_of_elsewhere_are_caught_up_with_too(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        name = published.name()
        published.a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": json.dumps(SUPPORT_MESSAGE.prediction)},
        )
        published.sandbox.events.lose()
        published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])

        operate.reconcile(flow_definition=flow)

        handled(published, name)
        assert published.row(name).outcome == "stored"

    def test_a_loop_that_people_had_longer_than_is_listed_is_caught_up_with(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.sandbox.events.lose()
        soon, long_ago = datetime.now(UTC) + timedelta(hours=1), "2026-01-01T00:00:00.000Z"

        published.ledger.update(loop, created_at=long_ago)
        assert operate.reconcile(flow_definition=flow, since=soon).found_nothing  # People are still at work.
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        found = operate.reconcile(flow_definition=flow, since=soon)

        assert (found.looked_at, list(found.missed)) == (0, [f"{loop} Completed"])
        assert handled(published, loop).outcome == "stored"

    def test_more_loops_than_a_page_are_looked_at(
        self, published: PublishedStage, operate: Loops, flow: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciling, "_PAGE_SIZE", 2)
        names = [published.name() for _ in range(5)]
        published.sandbox.events.lose(len(names))
        for name in names:
            published.a2i.start_human_loop(
                HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
            )
            published.sandbox.loops.fail(name, "ValidationError")
        pages: list[int] = []

        found = operate.reconcile(
            flow_definition=flow, progress=lambda flow, so_far: pages.append(so_far.looked_at)
        )

        assert sorted(found.missed) == sorted(f"{name} Failed" for name in names)
        assert pages == [2, 4, 5]
        for name in names:
            handled(published, name)

    def test_racing_reconcilers_handle_it_once(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])

        with ThreadPoolExecutor(3) as pool:
            runs = [pool.submit(operate.reconcile, flow_definition=flow) for _ in range(3)]
            started = sum(len(run.result().missed) for run in runs)

        executions = published.ended(loop, started)
        assert len([one for one in executions if "Record review" in one["states"]]) == 1
        assert all(one["status"] == "SUCCEEDED" for one in executions)

    def test_who_waits_for_a_loop_whose_execution_could_not_tell_its_end_is_told(
        self,
        published: PublishedStage,
        operate: Loops,
        loop: str,
        flow: str,
        role: str,
        running_execution: str,
    ) -> None:
        """Its end was recorded, and a step after that ended the execution in a way that no Catch takes."""
        tokens = Tokens(published.sandbox.client("dynamodb"), published.outputs["LedgerTable"])
        waiting = Waiting(published, role)
        assert tokens.keep(loop, waiting.token)
        published.sandbox.events.lose()
        published.sandbox.loops.fail(loop, "ValidationError", "no such variable")
        claim = f"{timestamp(published.sandbox.loops.get(loop).created_at)} Failed"
        published.ledger.update(loop, outcome="escalated", reason="The loop was refused.")

        hold(published, loop, claim, "done", running_execution)
        assert operate.reconcile(flow_definition=flow).found_nothing
        assert waiting.described()["status"] == "RUNNING"

        hold(published, loop, claim, "done", failed_execution(published))
        assert operate.reconcile(flow_definition=flow).answered == [loop]
        published.eventually(lambda: waiting.described()["status"] == "FAILED")
        assert waiting.described()["error"] == "HumanReview.Failed"
        assert operate.reconcile(flow_definition=flow).found_nothing

    @pytest.mark.usefixtures("at_once")
    @pytest.mark.parametrize("started", [True, False])
    def test_a_start_that_was_left_unfinished_goes_on(
        self, published: PublishedStage, operate: Loops, loop: str, started: bool
    ) -> None:
        row = published.row(loop)
        if not started:
            published.a2i.stop_human_loop(HumanLoopName=loop)
            handled(published, loop)
            published.a2i.delete_human_loop(HumanLoopName=loop)
        published.ledger.update(loop, status="Starting", human_loop_arn=None)

        found = operate.reconcile(flow_definition=row.flow_definition_arn)

        assert loop in found.resumed
        assert published.row(loop).status == "InProgress"
        assert published.row(loop).human_loop_arn == published.sandbox.loops.get(loop).arn
        assert published.sandbox.loops.get(loop).input_content == SUPPORT_MESSAGE.prediction

    def test_a_start_that_may_still_be_going_on_is_left_alone(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.ledger.update(loop, status="Starting")

        assert loop not in operate.reconcile(flow_definition=flow).resumed
        assert published.row(loop).status == "Starting"
        published.ledger.update(loop, status="InProgress")

    @pytest.mark.usefixtures("at_once")
    @pytest.mark.parametrize("cause", ["no flow definition", "no input"])
    def test_a_start_that_is_refused_is_escalated(
        self, published: PublishedStage, operate: Loops, loop: str, cause: str
    ) -> None:
        row = published.row(loop)
        name = published.name("unfinished")
        changes: dict[str, Any] = {"human_loop_name": name, "status": "Starting", "human_loop_arn": None}
        if cause == "no input":
            changes["input_location"] = (row.input_location or "") + ".gone"
        else:
            changes["flow_definition_arn"] = f"{row.flow_definition_arn}-gone"
        published.ledger.open(row.model_copy(update=changes))

        found = operate.reconcile(flow_definition=row.flow_definition_arn)

        assert name in found.refused
        (execution,) = published.ended(name)
        assert execution["status"] == "SUCCEEDED"
        refused = published.row(name)
        assert (refused.status, refused.outcome, refused.failure_code) == (
            "Failed",
            "escalated",
            "StartRefused",
        )
        assert ("was deleted" if cause == "no input" else "no flow definition") in (
            refused.failure_reason or ""
        )
        assert "StartRefused" in published.message(name)["reason"]

    @pytest.mark.usefixtures("at_once")
    def test_a_claim_that_its_execution_left_behind_is_given_back(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        claim = f"{timestamp(published.sandbox.loops.get(loop).created_at)} Completed"
        hold(published, loop, claim, "working", failed_execution(published))

        found = operate.reconcile(flow_definition=flow)

        assert list(found.released) == [f"{loop} {claim}"]
        row = published.row(loop)
        assert (row.claims[claim]["state"], row.outcome) == ("released", "failed")
        assert "ended (FAILED) without giving its claim back" in (row.reason or "")
        assert [one.human_loop_name for one in operate.listing(LoopFilter(flow_definition=flow)).loops] == [
            loop
        ]
        operate.redrive(loop)
        published.ended(f'"{loop}"')
        assert published.row(loop).outcome == "stored"

    def test_a_claim_that_is_worked_on_is_left_alone(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, running_execution: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.fail(loop, "InternalError")
        claim = f"{timestamp(published.sandbox.loops.get(loop).created_at)} Failed"
        hold(published, loop, claim, "working", running_execution)

        assert operate.reconcile(flow_definition=flow).found_nothing
        assert published.row(loop).claims[claim]["state"] == "working"

    def test_what_aws_refuses_is_told_and_the_rest_is_done(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.fail(loop, "ValidationError")
        published.sandbox.loops.refuse("DescribeHumanLoop", "AccessDeniedException", "no")

        found = operate.reconcile(flow_definition=flow)

        assert [problem.partition(":")[0] for problem in found.problems] == [loop]
        assert "AccessDeniedException" in found.problems[0]
        assert list(operate.reconcile(flow_definition=flow).missed) == [f"{loop} Failed"]
        handled(published, loop)

    def test_a_flow_definition_that_is_gone_is_one_line(
        self, published: PublishedStage, operate: Loops
    ) -> None:
        found = operate.reconcile(flow_definition="gone-for-good")
        assert len(found.problems) == 1
        assert "gone-for-good" in found.problems[0]

    def test_what_ended_before_the_stage_was_there_is_nobodys_to_miss(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        monkeypatch.setattr(
            type(operate.ledger), "created", lambda self: datetime.now(UTC) + timedelta(hours=1)
        )

        assert operate.reconcile(flow_definition=flow).looked_at == 0
        # Unless it is asked for.
        since = datetime.now(UTC) - timedelta(days=1)
        assert list(operate.reconcile(flow_definition=flow, since=since).missed) == [f"{loop} Completed"]
        handled(published, loop)

    def test_the_stages_function_does_all_of_it_with_its_own_role(
        self, published: PublishedStage, loop: str, flow: str, role: str
    ) -> None:
        """IAM is enforced for functions: what it may not do, it does not."""
        missed, abandoned, unfinished, refused, untold = loop, *(published.name() for _ in range(4))
        published.start(untold, flow, SUPPORT_MESSAGE.prediction)
        waiting = Waiting(published, role)
        tokens = Tokens(published.sandbox.client("dynamodb"), published.outputs["LedgerTable"])
        assert tokens.keep(untold, waiting.token)
        published.sandbox.events.lose()
        published.sandbox.loops.answer(untold, SUPPORT_MESSAGE.answers[0])
        claim = f"{timestamp(published.sandbox.loops.get(untold).created_at)} Completed"
        published.ledger.update(untold, outcome="notified")
        hold(published, untold, claim, "done", failed_execution(published))
        for name in (abandoned, unfinished):
            published.start(name, flow, SUPPORT_MESSAGE.prediction)
        published.sandbox.events.lose(2)
        for name in (missed, abandoned):
            published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
        claim = f"{timestamp(published.sandbox.loops.get(abandoned).created_at)} Completed"
        hold(published, abandoned, claim, "working", failed_execution(published))
        row = published.row(unfinished)
        published.ledger.open(
            row.model_copy(
                update={"human_loop_name": refused, "input_location": f"{row.input_location}.gone"}
            )
        )
        for name in (unfinished, refused):
            make_unfinished(published, name)

        # What other tests left behind may be refused; that is told at the end, when all else is done.
        with contextlib.suppress(RuntimeError):
            published.invoke("afterloop-local-Reconcile", {})

        assert handled(published, missed).outcome == "stored"
        assert published.row(abandoned).claims[claim]["state"] == "released"
        assert published.row(unfinished).status == "InProgress"
        assert handled(published, refused).failure_code == "StartRefused"
        published.eventually(lambda: waiting.described()["status"] == "FAILED")
        assert waiting.described()["error"] == "HumanReview.Stopped"


def make_unfinished(published: PublishedStage, name: str) -> None:
    """As if its start had been left unfinished an hour ago."""
    before = (
        (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    published.sandbox.client("dynamodb").update_item(
        TableName=published.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET #status = :starting, createdAt = :before, updatedAt = :before",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":starting": {"S": "Starting"}, ":before": {"S": before}},
    )
