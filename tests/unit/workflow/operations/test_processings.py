"""What each execution did that processed a loop."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.loop import Loop
from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import History
from workflow.machine import build_machine, render
from workflow.operations.processings import Processings, users_steps
from workflow.operations.redriving import execution_name
from workflow.operations.story import Processing, loop_story
from workflow.parts import user_steps

PREFIX = "arn:aws:states:us-east-1:111122223333:execution:m:"
CLAIM = "2026-03-04T05:06:07.890Z Completed"
DEFINITION = {
    "StartAt": "Collect review",
    "States": {
        "Collect review": {"Type": "Task", "Next": "Record review"},
        "Record review": {"Type": "Task", "Next": "Fan out"},
        "Fan out": {
            "Type": "Parallel",
            "Next": "Tell the shop",
            "Branches": [{"StartAt": "Weigh", "States": {"Weigh": {"Type": "Task", "End": True}}}],
        },
        "Tell the shop": {
            "Type": "Task",
            "Next": "Workflow waiting?",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Answer workflow anyway"}],
        },
        "Workflow waiting?": {"Type": "Succeed"},
        "Answer workflow anyway": {"Type": "Succeed"},
    },
}


class Stage:
    """A stage with the executions that a test adds."""

    def __init__(self) -> None:
        self.states = Executions(DEFINITION)
        self.reported: dict[str, str] = {}
        loops = SimpleNamespace(
            states=self.states, link=lambda arn: None, execution_arn=lambda name: PREFIX + name
        )
        reports = SimpleNamespace(sent_at=self.reported.get)
        self.processings = Processings(loops, reports)  # type: ignore[arg-type]

    def of(self, loop: Loop) -> list[Processing]:
        return self.processings.of(loop)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def row(*executions: str, state: str = "working", outcome: str = "stored", **more: Any) -> Loop:
    """A loop whose status change these executions claimed, one after the other."""
    return Loop(
        human_loop_name="loop-1",
        status="Completed",
        outcome=outcome,
        execution=PREFIX + executions[-1] if executions else None,
        claims={CLAIM: {"state": state, "execution": PREFIX + executions[-1]}} if executions else {},
        executions={
            PREFIX + name: {"claim": CLAIM, "at": f"2026-03-04T06:00:0{number}.000Z"}
            for number, name in enumerate(executions)
        },
        **more,
    )


def running(*, attempts: int = 1, retrying: bool = False) -> History:
    """Runs the step Tell the shop; all attempts but the last one have failed."""
    history = History()
    for name in ("Collect review", "Record review"):
        history.entered(name)
        history.tried()
        history.left(name)
    history.entered("Tell the shop")
    for _ in range(attempts - 1 + retrying):
        history.tried("Shop.Closed")
    if not retrying:
        history.add("TaskScheduled", resourceType="lambda", resource="invoke", parameters="{}")
    return history


class TestExecutions:
    def test_all_executions_are_there_also_those_before_a_redrive(self, stage: Stage) -> None:
        stage.states.add(PREFIX + "b", "FAILED", error="OutputMissing", cause="no output")
        stage.states.add(PREFIX + "a", "FAILED", error="Throttled")
        stage.states.add(PREFIX + "c", "SUCCEEDED")
        found = stage.of(row("b", "a", "c", state="done"))
        assert [(one.execution.arn[-1], one.execution.status, one.state) for one in found] == [
            ("b", "FAILED", "replaced"),
            ("a", "FAILED", "replaced"),
            ("c", "SUCCEEDED", "done"),
        ]
        assert [one.claim for one in found] == [CLAIM] * 3

    def test_row_of_an_earlier_version_has_the_last_execution(self, stage: Stage) -> None:
        stage.states.add(PREFIX + "a", "SUCCEEDED")
        loop = row("a", state="done").model_copy(update={"executions": {}})
        assert [(one.claim, one.at, one.state) for one in stage.of(loop)] == [(CLAIM, "", "done")]

    def test_row_with_only_an_execution_names_no_status_change(self, stage: Stage) -> None:
        stage.states.add(PREFIX + "a", "SUCCEEDED")
        loop = Loop(human_loop_name="loop-1", execution=PREFIX + "a")
        assert [(one.claim, one.state) for one in stage.of(loop)] == [(None, "replaced")]

    def test_execution_that_step_functions_deleted_says_so(self, stage: Stage) -> None:
        (found,) = stage.of(row("a", state="done"))
        assert (found.execution.status, "90 days" in found.gap) == ("GONE", True)

    @pytest.mark.parametrize("odd", ["", "yes", "arn:x", "x" * 5000, "arn:aws:states:r:1:execution:m:a\x1b"])
    def test_text_that_is_no_arn_is_not_looked_up(self, stage: Stage, odd: str) -> None:
        held = {"state": "working", "execution": odd}
        (found,) = stage.of(Loop(human_loop_name="loop-1", claims={CLAIM: held}))
        assert (found.execution.status, found.execution.arn) == ("GONE", odd)
        assert stage.states.calls["GetExecutionHistory"] == 0

    def test_of_very_many_executions_the_newest_are_looked_up(self, stage: Stage) -> None:
        loop = row("last", state="done")
        many = {PREFIX + f"{number:03}": {"claim": CLAIM, "at": "2026-03-04T05:00"} for number in range(150)}
        loop = Loop.model_validate(
            {**loop.model_dump(), "executions": {**many, **loop.model_dump()["executions"]}}
        )
        found = stage.of(loop)
        assert [one.execution.status for one in found] == ["unknown"] * 51 + ["GONE"] * 100
        assert "newest 100" in found[0].gap

    @pytest.mark.parametrize(
        ("arn", "is_ours"), [(PREFIX + "a", True), (PREFIX.replace("1111", "9999") + "a", False)]
    )
    def test_execution_of_another_account_does_not_cost_the_story(
        self, stage: Stage, arn: str, is_ours: bool
    ) -> None:
        stage.states.refused[arn] = "AccessDeniedException"
        loop = Loop(human_loop_name="loop-1", execution=arn)
        if is_ours:
            with pytest.raises(ClientError, match="AccessDenied"):
                stage.of(loop)
        else:
            (found,) = stage.of(loop)
            assert (found.execution.status, "AccessDeniedException" in found.gap) == ("unknown", True)

    def test_redrive_that_could_not_claim_is_there(self, stage: Stage) -> None:
        name = execution_name("loop-1", CLAIM, PREFIX + "a")
        stage.states.add(PREFIX + "a", "FAILED")
        stage.states.add(PREFIX + name, "FAILED", error="DynamoDB.AccessDeniedException")
        found = stage.of(row("a", state="released", outcome="failed"))
        assert [(one.execution.arn, one.state) for one in found] == [
            (PREFIX + "a", "released"),
            (PREFIX + name, "unclaimed"),
        ]

    def test_history_of_an_ended_execution_is_read_once(self, stage: Stage) -> None:
        stage.states.add(PREFIX + "a", "FAILED")
        stage.states.add(PREFIX + "b", "RUNNING", running())
        for _ in range(3):
            stage.of(row("a", "b"))
        assert stage.states.calls["DescribeExecution"] == 1 + 3
        assert stage.states.calls["DescribeStateMachineForExecution"] == 1 + 1
        assert stage.states.calls["GetExecutionHistory"] == 1 + 3


class TestStep:
    def running_of(self, stage: Stage, loop: Loop) -> str:
        return loop_story(loop, stage="dev", executions=stage.of(loop)).outcome

    @pytest.mark.parametrize(
        ("history", "text"),
        [
            (running(), 'The review is stored; your step "Tell the shop" is running.'),
            (running(attempts=2), 'The review is stored; your step "Tell the shop" is running, attempt 2.'),
            (
                running(retrying=True),
                'The review is stored; your step "Tell the shop" failed (Shop.Closed), and will be tried again.',
            ),
            (History(), "The review is stored."),
        ],
    )
    def test_outcome_says_which_step_is_running(self, stage: Stage, history: History, text: str) -> None:
        stage.states.add(PREFIX + "a", "RUNNING", history)
        assert self.running_of(stage, row("a", state="done")) == text

    def test_own_step_of_the_workflow_is_not_yours(self, stage: Stage) -> None:
        history = History()
        history.entered("Collect review")
        stage.states.add(PREFIX + "a", "RUNNING", history)
        assert self.running_of(stage, row("a", outcome="processing")) == (
            'Ended as Completed. The workflow is processing it; step "Collect review" is running.'
        )

    def test_own_state_that_takes_no_time_is_not_named(self, stage: Stage) -> None:
        history = History()
        history.entered("Workflow waiting?", "Choice")
        stage.states.add(PREFIX + "a", "RUNNING", history)
        assert self.running_of(stage, row("a", state="done")) == "The review is stored."

    def test_step_inside_a_parallel_is_named_with_it(self, stage: Stage) -> None:
        history = History(DEFINITION)
        start = history.entered("Fan out", "Parallel")
        history.add("ParallelStateStarted", after=start)
        history.entered("Weigh")
        history.tried("Scale.Busy")
        history.add("TaskScheduled", resourceType="lambda", resource="invoke", parameters="{}")
        stage.states.add(PREFIX + "a", "RUNNING", history)
        assert self.running_of(stage, row("a", state="done")) == (
            'The review is stored; your step "Fan out" is running, at "Weigh", attempt 2.'
        )

    def test_failed_execution_names_the_step_that_failed(self, stage: Stage) -> None:
        history = History()
        history.entered("Collect review")
        failed = history.tried("OutputMissing")
        history.left("Collect review", after=failed)
        history.entered("Escalate")
        history.tried()
        history.left("Escalate")
        history.entered("Failed", "Fail")
        history.add("ExecutionFailed", error="OutputMissing", cause="why")
        stage.states.add(PREFIX + "a", "FAILED", history)
        (found,) = stage.of(row("a", state="released"))
        assert found.step is not None
        assert (found.step.name, found.step.error) == ("Collect review", "OutputMissing")

    def test_stopped_execution_names_the_step_that_ran(self, stage: Stage) -> None:
        history = running()
        history.add("ExecutionAborted")
        stage.states.add(PREFIX + "a", "ABORTED", history)
        (found,) = stage.of(row("a"))
        assert found.step is not None
        assert (found.step.name, found.step.is_users) == ("Tell the shop", True)


class TestMessages:
    def history(self, resource: tuple[str, str], given: Any, **result: Any) -> History:
        history = History()
        history.entered("Notify stopped")
        names = {"resourceType": resource[0], "resource": resource[1]}
        history.add(
            "TaskScheduled", **names, parameters=given if isinstance(given, str) else json.dumps(given)
        )
        history.add("TaskSucceeded", **names, output=json.dumps(result))
        history.left("Notify stopped")
        return history

    @pytest.mark.parametrize(
        ("resource", "given", "to", "subject", "text"),
        [
            (
                ("sns", "publish"),
                {
                    "TopicArn": "arn:t",
                    "Subject": "Afterloop dev: stopped",
                    "MessageStructure": "json",
                    "Message": json.dumps({"default": "It was stopped.", "sqs": "{}"}),
                },
                "arn:t",
                "Afterloop dev: stopped",
                "It was stopped.",
            ),
            (
                ("sns", "publish.waitForTaskToken"),
                {"TopicArn": "arn:t", "Message": {"a": 1}},
                "arn:t",
                "",
                '{"a": 1}',
            ),
            (("aws-sdk:sns", "publish"), {"PhoneNumber": "+49", "Message": "x"}, "+49", "", "x"),
            (("sqs", "sendMessage"), {"QueueUrl": "https://q", "MessageBody": "b"}, "https://q", "", "b"),
            (
                ("aws-sdk:sesv2", "sendEmail"),
                {"Destination": {"ToAddresses": ["a@b", "c@d"], "Cc": 5}},
                "a@b, c@d",
                "",
                "",
            ),
            (("sns", "publish"), "not JSON", "", "", ""),
            (
                ("sns", "publish"),
                {"TopicArn": ["odd"], "Subject": 5, "MessageStructure": "json", "Message": 7},
                "",
                "",
                "7",
            ),
        ],
    )
    def test_messages_are_those_that_steps_sent(
        self, stage: Stage, resource: tuple[str, str], given: Any, to: str, subject: str, text: str
    ) -> None:
        stage.states.add(PREFIX + "a", "SUCCEEDED", self.history(resource, given, MessageId="m-1"))
        (found,) = loop_story(loop := row("a", state="done"), stage="dev", executions=stage.of(loop)).messages
        assert (found.step, found.to, found.subject, found.text) == ("Notify stopped", to, subject, text)
        assert (found.message_id, found.at) == ("m-1", "2026-03-04T12:00:03.000Z")

    def test_call_that_failed_or_sends_nothing_is_no_message(self, stage: Stage) -> None:
        history = self.history(("dynamodb", "updateItem"), {"Message": "x"})
        history.entered("Escalate")
        names = {"resourceType": "sns", "resource": "publish"}
        history.add("TaskScheduled", **names, parameters="{}")
        history.add("TaskFailed", **names, error="SNS.AuthorizationError")
        stage.states.add(PREFIX + "a", "FAILED", history)
        assert [one.messages for one in stage.of(row("a"))] == [[]]

    @pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "GONE"])
    def test_message_about_an_execution_that_ended_early_is_there(self, stage: Stage, status: str) -> None:
        if status != "GONE":
            stage.states.add(PREFIX + "a", status)
        stage.reported[PREFIX + "a"] = "2026-03-04T07:00:00.000Z"
        (found,) = [message for one in stage.of(row("a")) for message in one.messages]
        assert (found.at, found.execution) == ("2026-03-04T07:00:00.000Z", PREFIX + "a")

    def test_escalation_is_there_after_its_execution_is_gone(self, stage: Stage) -> None:
        loop = row("a", state="done", outcome="escalated", escalated_at="2026-03-04T07:00:00.000Z")
        story = loop_story(loop, stage="dev", executions=stage.of(loop))
        assert [one.at for one in story.messages] == ["2026-03-04T07:00:00.000Z"]


def test_users_steps_are_those_of_the_post_review_file(tmp_path: Any) -> None:
    file = tmp_path / "post_review.py"
    file.write_text(
        "from workflow.steps import Choice, ChoiceRule, Parallel, Chain, Pass, SnsPublishStep, Wait\n"
        "fan = Parallel('Fan out')\n"
        "fan.add_branch(Pass('Inside'))\n"
        "choice = Choice('Big?')\n"
        "choice.add_choice(ChoiceRule.IsPresent('$.review', True), Wait('Rest', seconds=1))\n"
        "tell = SnsPublishStep('Tell the shop', parameters={'TopicArn': 'arn:aws:sns:us-east-1:1:t', 'Message': 'm'})\n"
        "completed = [tell, fan, choice]\n"
        "failed = [Pass('Mourn')]\n"
        "stopped = []\n",
        encoding="utf-8",
    )
    own = {name for steps in user_steps.load(file).values() for one in steps for name in [one.state_id]}
    assert users_steps(render(build_machine(file))) == own | {"Inside", "Rest"}
    assert users_steps({}) == users_steps(DEFINITION) - {"Fan out", "Weigh", "Tell the shop"} == frozenset()
