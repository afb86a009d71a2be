"""Tests of the operations on loops, on a published stage."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops import listed_loops, open_loops
from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.loops.missed_events import missed_event
from lambdas.loops.names import InvalidLoopName
from lambdas.loops.start_request import InputTooLarge, InvalidRequest, NameTaken, StartRefused
from lambdas.reviews.times import timestamp
from sandbox.faults import Throttle
from sandbox.samples import INVOICE, JOB_APPLICATION, MODERATION, SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from workflow.cli.shapes import LoopStory
from workflow.operations.client import LoopsClient
from workflow.operations.loops import LoopError, LoopFilter, Loops
from workflow.operations.replays import ReplayError
from workflow.operations.report.loop_facts import count_loops, ledger_rows
from workflow.operations.reviews_source import Period
from workflow.operations.several import Interruption
from workflow.operations.stage_resources import StageResources


@pytest.fixture(scope="module")
def operate(published: PublishedStage) -> Loops:
    session = published.sandbox.session
    return Loops(StageResources.find("local", session), session)


@pytest.fixture
def flow(published: PublishedStage) -> str:
    """The ARN of a new flow definition."""
    return published.flow_definition()


@pytest.fixture
def loop(published: PublishedStage, flow: str) -> str:
    """The name of a loop that was started through the stage."""
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    return name


@pytest.fixture(scope="module")
def role(published: PublishedStage) -> str:
    """The ARN of a state machine role with permission to send messages."""
    iam, name = published.sandbox.client("iam"), published.name("role")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=document(send))
    return str(created)


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def running_execution(published: PublishedStage, role: str) -> Iterator[str]:
    """The ARN of an execution that runs until the tests end."""
    waiting = Waiting(published, role)
    yield waiting.arn
    published.states.stop_execution(executionArn=waiting.arn)


class Waiting:
    """A user's workflow that waits with a task token."""

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
    """Returns an execution of the stage's workflow that failed before it claimed anything."""
    execution = published.states.start_execution(
        stateMachineArn=published.outputs["StateMachine"],
        input=json.dumps({"detail": {"humanLoopName": published.name(), "humanLoopStatus": "Stopped"}}),
    )["executionArn"]
    published.eventually(
        lambda: published.states.describe_execution(executionArn=execution)["status"] == "FAILED"
    )
    return execution


def hold(published: PublishedStage, name: str, claim: str, state: str, execution: str) -> None:
    """Writes a claim like the workflow."""
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
    """Delivers a status change that the workflow fails to process. Returns its detail."""
    detail = published.event(
        name, "Completed", flowDefinitionArn=flow, humanLoopOutput={"outputS3Uri": "s3://nowhere/a"}
    )
    published.sandbox.events.deliver(detail)
    handled(published, name)
    return detail


def handled(published: PublishedStage, name: str) -> Loop:
    """Waits until the workflow has recorded a loop's outcome. Returns the row."""

    def recorded() -> Loop | None:
        row = published.ledger.find(name)
        return row if row is not None and row.outcome not in (None, "processing") else None

    row: Loop = published.eventually(recorded, timeout=60, message=f"an outcome of {name}")
    return row


def escalated(published: PublishedStage, name: str) -> None:
    published.sandbox.loops.fail(name, "ValidationError", "the template has no such variable")
    assert handled(published, name).outcome == "escalated"


@pytest.fixture(scope="module")
def client(published: PublishedStage) -> LoopsClient:
    return LoopsClient("local", published.sandbox.session)


class TestShow:
    def test_show_stored_review(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
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

    def test_show_has_the_whole_lineage_for_each_loop(
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

    def test_escalated_loop_offers_the_commands_of_its_message(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        escalated(published, loop)

        story = operate.show(loop)

        assert story.outcome.startswith("Needs action: ")
        assert [step.command for step in story.next] == [
            f"python deploy.py loops restart {loop} --stage local",
            f'python deploy.py loops close {loop} --stage local --note "..."',
        ]
        # The escalation message has the same command.
        assert published.message(loop)["command"] == story.next[0].command

    def test_show_reports_a_missed_status_change(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])

        story = operate.show(loop)

        assert "Ended as Completed in A2I. The workflow has not received" in story.outcome
        assert [step.command for step in story.next] == ["python deploy.py loops reconcile --stage local"]

    def test_show_finds_a_loop_by_its_key(self, published: PublishedStage, operate: Loops, flow: str) -> None:
        key = f"Order {published.name()} / Ä"
        name = LoopsClient("local", published.sandbox.session).start_custom(flow, {"a": 1}, key=key)

        assert operate.show(key).loop.human_loop_name == name.human_loop_name

    def test_show_describes_a_loop_that_only_a2i_has(
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

    def test_show_unknown_loop_is_one_error(self, published: PublishedStage, operate: Loops) -> None:
        with pytest.raises(LoopError, match="human loop 'nobody' does not exist in stage local, us-east-1"):
            operate.show("nobody")


class TestClient:
    def test_custom_loop_starts_once(self, published: PublishedStage, client: LoopsClient, flow: str) -> None:
        name = published.name()
        content = {"text": "ünïcode ✓", "nothing": None, "deep": [{"a": None}]}

        first = client.start_custom(flow, content, human_loop_name=name)
        again = client.start_custom(flow.rpartition("/")[2], content, key=name)

        assert (first.already, again.already) == (False, True)
        assert first.human_loop_arn == again.human_loop_arn == published.sandbox.loops.get(name).arn
        assert published.sandbox.loops.get(name).input_content == content

    def test_textract_and_rekognition_start_loops(
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

    def test_textract_reads_a_version_of_the_document(self, published: PublishedStage) -> None:
        flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)
        bucket = published.stage.document_buckets[0]
        versioning = {"Status": "Enabled"}
        published.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
        sample = JOB_APPLICATION.upload(published.s3, bucket)["S3Object"]["Name"]
        name = published.name()
        where = {"Bucket": bucket, "Name": f"{name}/{sample}"}
        copied = published.s3.copy_object(Bucket=bucket, Key=where["Name"], CopySource=f"{bucket}/{sample}")

        request = {
            "Document": {"S3Object": {**where, "Version": copied["VersionId"]}},
            "FeatureTypes": ["FORMS"],
        }
        task = {"type": "textract", "request": request}
        published.invoke("StartLoop", {"humanLoopName": name, "flowDefinitionArn": flow, "task": task})

        assert published.sandbox.loops.get(name).source

    def test_prediction_is_returned_if_no_review_is_needed(
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

    def test_large_prediction_is_returned_as_location(
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

    def test_errors_keep_their_type_and_message(
        self, published: PublishedStage, client: LoopsClient, flow: str, loop: str
    ) -> None:
        with pytest.raises(InvalidLoopName, match="A valid name: 'bad-name-"):
            client.start_custom(flow, {}, human_loop_name="Bad Name")
        with pytest.raises(NameTaken, match="another input or flow definition"):
            client.start_custom(flow, {"another": "input"}, human_loop_name=loop)
        with pytest.raises(InputTooLarge, match="larger than 3 MiB"):
            client.start_custom(flow, {"text": "x" * (3 << 20)}, human_loop_name=published.name())
        with pytest.raises(InvalidRequest, match="specify either humanLoopName or key"):
            client.start_custom(flow, {}, human_loop_name="a", key="b")
        with pytest.raises(InvalidRequest, match="is not s3://bucket/key"):
            client.start_textract(flow, "https://bucket/key", key="a")
        with pytest.raises(StartRefused, match=f"{flow}-gone does not exist"):
            client.start_custom(f"{flow}-gone", {}, human_loop_name=published.name())

    def test_documents_outside_the_stages_buckets_are_refused(
        self, published: PublishedStage, client: LoopsClient
    ) -> None:
        """The sandbox enforces the function's role."""
        published.s3.create_bucket(Bucket="somebody-elses-documents")
        JOB_APPLICATION.upload(published.s3, "somebody-elses-documents")
        flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)

        with pytest.raises(StartRefused, match="InvalidS3ObjectException"):
            client.start_textract(
                flow, "s3://somebody-elses-documents/job-application.png", key=published.name()
            )


class TestRestart:
    def test_restart_gives_more_attempts_to_an_exhausted_loop(
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
        assert [one.action for one in before.operator_actions] == ["restart"]
        assert (fourth.attempt, fourth.max_attempts) == (4, 5)
        assert published.sandbox.loops.get(fourth.human_loop_name).input_content == SUPPORT_MESSAGE.prediction
        # The workflow uses the remaining attempts, and no more.
        published.sandbox.loops.fail(fourth.human_loop_name, "InternalError")
        handled(published, fourth.human_loop_name)
        fifth = published.row(fourth.human_loop_name).next_loop_name or ""
        published.sandbox.loops.fail(fifth, "InternalError")
        handled(published, fifth)
        assert published.row(fifth).outcome == "escalated"
        assert "all 5 attempts are used up" in (published.row(fifth).reason or "")

    def test_restart_beyond_the_limit_gives_one_attempt(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        published.ledger.update(loop, attempt=20)
        escalated(published, loop)

        started = operate.restart(loop, more_attempts=5)

        assert started.human_loop_name == f"{loop}-attempt-21"
        published.sandbox.loops.fail(started.human_loop_name, "InternalError")
        assert handled(published, started.human_loop_name).outcome == "escalated"

    def test_stopped_loop_restarts_with_another_flow_definition(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        other = published.flow_definition()
        operate.stop(loop)
        handled(published, loop)

        started = operate.restart(loop, flow_definition=other.rpartition("/")[2])

        assert published.sandbox.loops.get(started.human_loop_name).flow_definition_arn == other

    def test_concurrent_restart_with_another_flow_definition_fails(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        escalated(published, loop)
        started = operate.restart(loop)
        published.ledger.update(loop, next_loop_name=None)  # as the other person read it

        with pytest.raises(
            LoopError, match=f"restarted at the same time, as {started.human_loop_name} with "
        ):
            operate.restart(loop, flow_definition=published.flow_definition())

    def test_restart_explains_refusals(
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

    def test_restart_needs_a_stored_input(self, published: PublishedStage, operate: Loops, flow: str) -> None:
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

    def test_restart_during_an_execution_keeps_the_flow_definition(
        self, published: PublishedStage, operate: Loops, loop: str, running_execution: str
    ) -> None:
        hold(published, loop, "2026-01-01T00:00:00.000Z Failed", "working", running_execution)

        with pytest.raises(LoopError, match="a running execution may restart it"):
            operate.restart(loop, flow_definition=published.flow_definition())
        # With the same flow definition, this is the restart that the execution is about to make.
        started = operate.restart(loop)
        assert published.row(loop).outcome is None
        assert published.row(loop).next_loop_name == started.human_loop_name


class TestStop:
    def test_stop_runs_the_workflow(self, published: PublishedStage, operate: Loops, loop: str) -> None:
        assert operate.stop(loop) == loop
        (execution,) = published.ended(loop)

        assert execution["status"] == "SUCCEEDED"
        assert published.row(loop).outcome == "notified"
        with pytest.raises(LoopError, match="it already ended, as Stopped"):
            operate.stop(loop)
        # The workflow and the second, refused command leave it as it was.
        (stopped,) = operate.show(loop).loop.operator_actions
        assert (stopped.action, stopped.by) == ("stop", operate._loops.account.caller)

    def test_stop_explains_refusals(self, published: PublishedStage, operate: Loops, flow: str) -> None:
        with pytest.raises(LoopError, match="A2I has no loop with this name"):
            operate.stop(published.name("nobody"))

        name = published.name()
        published.ledger.open(Loop(human_loop_name=name, flow_definition_arn=flow, status="Starting"))
        with pytest.raises(LoopError, match=r"it is still starting; .*reconcile"):
            operate.stop(name)


def test_escalations_count_after_a_person_acted(published: PublishedStage, operate: Loops, flow: str) -> None:
    closed, restarted, redriven, waiting, fine = names = [published.name() for _ in range(5)]
    for name in names:
        published.start(name, flow, SUPPORT_MESSAGE.prediction)
    for name in (closed, restarted, waiting):
        escalated(published, name)
    misplaced = Misplaced(published, redriven)
    misplaced.restore()
    published.sandbox.loops.answer(fine, SUPPORT_MESSAGE.answers[0])
    handled(published, fine)

    operate.close(closed, "it was a test")
    again = operate.restart(restarted).human_loop_name
    operate.redrive(redriven)
    published.ended(redriven, 2)

    rows = {name: published.row(name) for name in names}
    assert {rows[name].outcome for name in names} == {"closed", "restarted", "stored", "escalated"}
    assert {name for name, row in rows.items() if row.escalated_at} == {closed, restarted, redriven, waiting}
    assert published.row(again).escalated_at is None
    period = Period.last_days(2)
    facts = count_loops(
        ledger_rows(published.outputs["LedgerTable"], published.sandbox.session, period, flow)
    )
    assert (facts.loops, facts.escalated, facts.undecided) == (6, 4, 1)


class TestClose:
    def test_closed_loop_leaves_the_list_of_escalated_loops(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        escalated(published, loop)
        waiting = LoopFilter(flow_definition=flow, outcome="escalated")
        assert [one.human_loop_name for one in operate.listing(waiting).loops] == [loop]

        closed = operate.close(loop, "the template is being fixed")

        assert closed.loop.outcome == "closed"
        assert (closed.loop.note, closed.answered) == ("the template is being fixed", 0)
        assert closed.loop.closed_by
        assert closed.loop.closed_at
        assert "same input would fail again" in (closed.loop.reason or "")
        assert operate.listing(waiting).loops == []
        assert operate.show(loop).outcome.endswith("the template is being fixed")
        with pytest.raises(LoopError, match=r"is already closed, by .*the template is being fixed"):
            operate.close(loop, "again")

    def test_second_delivery_does_not_reopen_a_closed_loop(
        self, published: PublishedStage, operate: Loops, flow: str
    ) -> None:
        """The workflow failed to process the status change and released its claim."""
        name = published.name()
        detail = completed_without_output(published, name, flow)
        assert published.row(name).outcome == "failed"

        operate.close(name, "never mind")
        published.sandbox.events.deliver(detail)

        _, second = published.ended(name, 2)
        assert second["states"][-1] == "Already handled"
        assert published.row(name).outcome == "closed"
        with pytest.raises(LoopError, match="its status change is already processed: Closed by"):
            operate.redrive(name)

    def test_close_notifies_the_waiting_workflow(
        self,
        published: PublishedStage,
        operate: Loops,
        flow: str,
        role: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Without an execution: the function ReleaseClaim would notify the workflow, too, when it ends.
        name = published.name()
        row = Loop(human_loop_name=name, flow_definition_arn=flow, status="Failed", outcome="failed")
        assert published.ledger.open(row) is None
        waiting = Waiting(published, role)
        tokens = published.tokens
        assert tokens.keep(name, waiting.token)

        # The function is throttled, so the loop is closed again.
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

    def test_close_refuses_loops_that_need_no_action(
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
    """A completed loop whose output was missing when its event arrived, so the workflow failed."""

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
        self.restore = lambda: published.s3.put_object(Bucket=bucket, Key=key, Body=output)


def test_replay_processes_what_the_workflow_never_got_or_failed_to_process(
    published: PublishedStage, operate: Loops, flow: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.operations.replaying.SETTLE_SECONDS", 0.2)
    since = datetime.now(UTC).replace(microsecond=0)
    misplaced = Misplaced(published, loop)
    done, lost = published.name(), published.name()
    published.sandbox.events.deliver(published.event(done, "Stopped", flowDefinitionArn=flow))
    before = handled(published, done)
    events, replaying = published.sandbox.client("events"), operate.replaying()
    events.disable_rule(Name=published.outputs["Rule"])
    try:
        # A loop that nobody can find any more: it has no row, and A2I has deleted it.
        content = {"InputContent": json.dumps(SUPPORT_MESSAGE.prediction)}
        published.a2i.start_human_loop(HumanLoopName=lost, FlowDefinitionArn=flow, HumanLoopInput=content)
        published.sandbox.loops.answer(lost, SUPPORT_MESSAGE.answers[0])
        published.a2i.delete_human_loop(HumanLoopName=lost)
        with pytest.raises(ReplayError, match="is DISABLED, so a replay would start nothing"):
            replaying.plan(since)
    finally:
        events.enable_rule(Name=published.outputs["Rule"])
    misplaced.restore()

    plan = replaying.plan(since)
    assert (plan.again, plan.processed >= 1, published.ledger.find(lost)) == ([loop], True, None)
    replay = replaying.follow(replaying.start(plan), Interruption())
    results = {
        one.name: (one.result, one.detail) for one in replaying.results(replay, Interruption()).results
    }

    assert replay.state == "COMPLETED"
    assert {name: results[name] for name in (loop, lost)} == dict.fromkeys(
        (loop, lost), ("done", "Completed: stored")
    )
    *_, replayed = published.ended(done, 2)
    assert (replayed["states"][-1], json.loads(replayed["input"])["replay-name"]) == (
        "Already handled",
        replay.name,
    )
    assert (done in results, published.row(done)) == (False, before)


class TestRedrive:
    def test_redrive_succeeds_after_the_cause_is_fixed(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        misplaced = Misplaced(published, loop)
        story = operate.show(loop)
        assert story.outcome.startswith("Needs action: the workflow could not finish")
        assert story.next[0].command == f"python deploy.py loops redrive {loop} --stage local"
        assert published.message(loop)["command"] == story.next[0].command

        misplaced.restore()
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

        story = operate.show(loop)
        (action,) = story.loop.operator_actions
        (began,) = (one.at for one in story.executions if one.execution.arn == redriven.execution)
        assert (action.action, action.at < began) == ("redrive", True)
        assert [(one.execution.arn, one.execution.status, one.state) for one in story.executions] == [
            (redriven.before, "FAILED", "replaced"),
            (redriven.execution, "SUCCEEDED", "done"),
        ]
        failed = story.executions[0].step
        assert failed is not None
        assert (failed.name, failed.error) == ("Collect review", "OutputMissing")
        (message,) = story.messages
        assert (message.step, message.execution) == ("Escalate", redriven.before)
        assert message.subject == f"Afterloop local: step failed for {loop}"
        assert f"loops redrive {loop}" in message.text
        assert message.message_id

    def test_redrive_by_execution_arn(self, published: PublishedStage, operate: Loops, loop: str) -> None:
        misplaced = Misplaced(published, loop)
        misplaced.restore()

        operate.redrive_execution(misplaced.execution["executionArn"])

        published.ended(loop, 2)
        assert published.row(loop).outcome == "stored"

    @pytest.mark.parametrize("held_by", ["an execution of another event", "a deleted execution"])
    def test_redrive_takes_an_abandoned_claim(
        self, published: PublishedStage, operate: Loops, loop: str, held_by: str
    ) -> None:
        """The holder of the claim does not have the event, so the event is built from A2I."""
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        created = timestamp(published.sandbox.loops.get(loop).created_at)
        execution = failed_execution(published)
        if held_by == "a deleted execution":
            execution = execution.rpartition(":")[0] + ":deleted"
        hold(published, loop, f"{created} Completed", "working", execution)
        assert "ended as" in operate.show(loop).outcome

        operate.redrive(loop)

        published.eventually(lambda: published.row(loop).outcome == "stored")
        assert set(published.row(loop).claims) == {f"{created} Completed"}

    def test_redrive_explains_refusals(
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

    def test_concurrent_redrives_process_it_once(
        self, published: PublishedStage, operate: Loops, loop: str
    ) -> None:
        Misplaced(published, loop).restore()

        with ThreadPoolExecutor(3) as pool:
            redrives = [pool.submit(operate.redrive, loop) for _ in range(3)]
            errors = [error for one in redrives if (error := one.exception())]

        # A later redrive finds that the status change is being processed, or already processed.
        assert all(isinstance(error, LoopError) for error in errors)
        _, second = published.ended(loop, 2)
        assert "Record review" in second["states"]
        assert published.row(loop).outcome == "stored"

    def test_redrive_of_an_event_that_could_not_be_claimed(
        self, published: PublishedStage, operate: Loops
    ) -> None:
        execution = failed_execution(published)
        event = json.loads(published.states.describe_execution(executionArn=execution)["input"])
        name = event["detail"]["humanLoopName"]

        redriven = operate.redrive_execution(execution)

        executions = published.ended(name, 2)
        assert [json.loads(one["input"]) for one in executions] == [event, event]
        assert redriven.execution in [one["executionArn"] for one in executions]

    def test_redrive_execution_explains_refusals(
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
def all_starts_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all starts count as unfinished."""
    monkeypatch.setattr(open_loops, "UNFINISHED_AFTER", timedelta(0))


class TestReconcile:
    @pytest.mark.parametrize("ending", ["Completed", "Failed", "Stopped"])
    def test_missed_status_change_is_processed(
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

        # The event arrives late.
        published.sandbox.events.redeliver(loop)
        _, late = published.ended(loop, 2)
        assert late["states"][-1] == "Already handled"
        reconciled, delivered = json.loads(execution["input"]), json.loads(late["input"])
        assert reconciled.keys() == delivered.keys()
        for key in ("detail", "version", "detail-type", "source", "account", "region", "resources"):
            assert reconciled[key] == delivered[key]

    def test_missed_loops_started_elsewhere_are_processed(
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

    def test_all_pages_of_loops_are_checked(
        self, published: PublishedStage, operate: Loops, flow: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listed_loops, "PAGE_SIZE", 2)
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
        # Two loops a page. Reading goes on a second before the end of the first page, so some loops can come again.
        assert pages[:2] == [2, 4]
        assert len(names) <= pages[-1] <= 2 * len(pages)
        for name in names:
            handled(published, name)

    def test_concurrent_reconcilers_process_it_once(
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

    def test_waiting_workflow_is_notified_if_the_execution_could_not(
        self,
        published: PublishedStage,
        operate: Loops,
        loop: str,
        flow: str,
        role: str,
        running_execution: str,
    ) -> None:
        """The end was recorded, and a later step ended the execution with an error that no Catch handles."""
        tokens = published.tokens
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

    @pytest.mark.usefixtures("all_starts_unfinished")
    @pytest.mark.parametrize("started", [True, False])
    def test_unfinished_start_is_resumed(
        self, published: PublishedStage, operate: Loops, loop: str, started: bool
    ) -> None:
        row = published.row(loop)
        if not started:
            published.a2i.stop_human_loop(HumanLoopName=loop)
            handled(published, loop)
            published.a2i.delete_human_loop(HumanLoopName=loop)
            published.sandbox.client("dynamodb").delete_item(
                TableName=published.outputs["LedgerTable"], Key={"humanLoopName": {"S": loop}}
            )
            published.ledger.open(row.model_copy(update={"started_at": None}))
        published.ledger.update(loop, status="Starting", human_loop_arn=None)

        found = operate.reconcile(flow_definition=row.flow_definition_arn)

        assert loop in found.resumed
        assert published.row(loop).status == "InProgress"
        assert published.row(loop).human_loop_arn == published.sandbox.loops.get(loop).arn
        assert published.sandbox.loops.get(loop).input_content == SUPPORT_MESSAGE.prediction

    def test_recent_start_is_left_alone(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str
    ) -> None:
        published.ledger.update(loop, status="Starting")

        assert loop not in operate.reconcile(flow_definition=flow).resumed
        assert published.row(loop).status == "Starting"
        published.ledger.update(loop, status="InProgress")

    @pytest.mark.usefixtures("all_starts_unfinished")
    @pytest.mark.parametrize("cause", ["no flow definition", "no input"])
    def test_refused_start_is_escalated(
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
        assert ("was deleted" if cause == "no input" else "-gone does not exist") in (
            refused.failure_reason or ""
        )
        assert "StartRefused" in published.message(name)["reason"]

    @pytest.mark.usefixtures("all_starts_unfinished")
    def test_abandoned_claim_is_released(
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
        assert "failed with an error that no step could catch (FAILED)" in (row.reason or "")
        assert [one.human_loop_name for one in operate.listing(LoopFilter(flow_definition=flow)).loops] == [
            loop
        ]
        operate.redrive(loop)
        published.ended(f'"{loop}"')
        assert published.row(loop).outcome == "stored"

    def test_claim_of_a_running_execution_is_left_alone(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, running_execution: str
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.fail(loop, "InternalError")
        claim = f"{timestamp(published.sandbox.loops.get(loop).created_at)} Failed"
        hold(published, loop, claim, "working", running_execution)

        assert operate.reconcile(flow_definition=flow).found_nothing
        assert published.row(loop).claims[claim]["state"] == "working"
        # The stage's own function runs in other tests, and may not describe executions of another state machine.
        hold(published, loop, claim, "released", running_execution)

    def test_error_for_one_loop_does_not_stop_the_others(
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

    def test_throttled_reconciliation_loses_nothing(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, without_waits: None
    ) -> None:
        published.sandbox.events.lose()
        published.sandbox.loops.fail(loop, "ValidationError")
        throttled = published.sandbox.faults.inject(
            Throttle(), service="stepfunctions", operation="StartExecution", caller="clients"
        )
        with throttled as injected:
            found = operate.reconcile(flow_definition=flow)

        assert injected.count > 1  # the SDK has tried again
        assert [problem.partition(":")[0] for problem in found.problems] == [loop]
        assert list(operate.reconcile(flow_definition=flow).missed) == [f"{loop} Failed"]
        handled(published, loop)

    def test_missing_flow_definition_is_one_problem(self, published: PublishedStage, operate: Loops) -> None:
        found = operate.reconcile(flow_definition="gone-for-good")
        assert len(found.problems) == 1
        assert "gone-for-good" in found.problems[0]

    @pytest.mark.usefixtures("all_starts_unfinished")
    def test_deleted_loop_is_escalated_restarted_and_its_workflow_answered(
        self, published: PublishedStage, operate: Loops, loop: str, flow: str, role: str
    ) -> None:
        waiting = Waiting(published, role)
        tokens = published.tokens
        assert tokens.keep(loop, waiting.token)
        published.sandbox.events.lose()
        published.sandbox.loops.answer(loop, SUPPORT_MESSAGE.answers[0])
        event = missed_event(published.a2i.describe_human_loop(HumanLoopName=loop))
        published.a2i.delete_human_loop(HumanLoopName=loop)
        story = operate.show(loop)
        assert story.outcome.startswith("A2I no longer has the loop: it ended and was deleted")
        assert [step.command for step in story.next] == ["python deploy.py loops reconcile --stage local"]
        for refused in (
            lambda: operate.close(loop, "x"),
            lambda: operate.restart(loop),
            lambda: operate.stop(loop),
        ):
            with pytest.raises(LoopError, match=r"was deleted in A2I .*reconcile"):
                refused()

        found = operate.reconcile(flow_definition=flow)

        assert list(found.deleted) == [loop]
        row = handled(published, loop)
        assert (row.status, row.outcome, row.failure_code) == ("Failed", "escalated", "LoopDeleted")
        assert "was deleted in A2I" in published.message(loop)["reason"]
        published.eventually(lambda: waiting.described()["status"] == "FAILED")
        assert waiting.described()["error"] == "HumanReview.Failed"
        assert operate.reconcile(flow_definition=flow).found_nothing
        assert operate.restart(loop).human_loop_name == f"{loop}-attempt-2"

        # A2I's own event was late.
        published.sandbox.events.deliver(event["detail"])
        row = published.eventually(lambda: (found := published.row(loop)).outcome == "stored" and found)
        assert (row.status, row.failure_code) == ("Completed", None)

    def test_function_has_permissions_for_everything(
        self, published: PublishedStage, loop: str, flow: str, role: str
    ) -> None:
        """The sandbox enforces IAM for functions."""
        missed, abandoned, unfinished, refused, unnotified = loop, *(published.name() for _ in range(4))
        published.start(unnotified, flow, SUPPORT_MESSAGE.prediction)
        waiting = Waiting(published, role)
        tokens = published.tokens
        assert tokens.keep(unnotified, waiting.token)
        published.sandbox.events.lose()
        published.a2i.stop_human_loop(HumanLoopName=unnotified)
        claim = f"{timestamp(published.sandbox.loops.get(unnotified).created_at)} Stopped"
        published.ledger.update(unnotified, outcome="notified")
        hold(published, unnotified, claim, "done", failed_execution(published))
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

        # Loops of other tests can cause problems, which the function reports at the end.
        with contextlib.suppress(RuntimeError):
            published.invoke("afterloop-local-Reconcile", {})

        assert handled(published, missed).outcome == "stored"
        assert published.row(abandoned).claims[claim]["state"] == "released"
        assert published.row(unfinished).status == "InProgress"
        assert handled(published, refused).failure_code == "StartRefused"
        published.eventually(lambda: waiting.described()["status"] == "FAILED")
        assert waiting.described()["error"] == "HumanReview.Stopped"


def make_unfinished(published: PublishedStage, name: str) -> None:
    """Changes a row to that of a start that was interrupted an hour ago."""
    before = (
        (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    published.sandbox.client("dynamodb").update_item(
        TableName=published.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET #status = :starting, createdAt = :before, updatedAt = :before"
        " REMOVE startedAt, loopCreatedAt",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":starting": {"S": "Starting"}, ":before": {"S": before}},
    )


def test_loop_with_the_name_of_a_deleted_one_has_its_own_story(
    published: PublishedStage, operate: Loops, flow: str
) -> None:
    """The second loop is started outside Afterloop. It must not be restarted with the input of the first."""
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    first = published.sandbox.loops.fail(name, "InternalError")
    published.ended(name)
    before = published.row(name)
    assert before.outcome == "restarted"
    published.a2i.delete_human_loop(HumanLoopName=name)
    # Times within a second are of one loop: no loop of A2I ends so fast that its name can be used again.
    published.eventually(lambda: datetime.now(UTC) - first.created_at > timedelta(seconds=1), timeout=10)
    published.a2i.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
    )
    second = published.sandbox.loops.fail(name, "InternalError")

    _, execution = published.ended(name, 2)
    assert execution["states"][:5] == [
        "Claim status change",
        "Read the row",
        "Whose row is it?",
        "Claim again",
        "Route by status",
    ]
    assert execution["states"][-1] == "Handled"
    assert published.row(name) == before
    key = f"{name}@{second.created_at:%Y-%m-%dT%H:%M:%S}Z"
    row = published.row(key)
    assert (row.outcome, row.attempt, row.input_location) == ("escalated", 1, None)
    (message,) = published.messages(name, "loop-failed")
    assert f"loops close {key} " in message["command"]
    assert "loops restart" not in message["command"]

    published.sandbox.events.redeliver(name)
    assert published.ended(name, 3)[-1]["states"][-1] == "Already handled"
    escalated = LoopFilter(outcome="escalated", flow_definition=flow)
    assert [loop.human_loop_name for loop in operate.listing(escalated).loops] == [key]
    assert operate.show(key).loop == row
    assert operate.close(key, "reviewed by phone").loop.outcome == "closed"
    assert published.row(name) == before
