"""A workflow that waits for a human loop gets its result exactly once, whatever the result is."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdas.loops.agreed_answer import MAX_BYTES
from lambdas.loops.restart_policy import RestartRules
from sandbox.local import local_stage
from sandbox.samples import MODERATION, SUPPORT_MESSAGE, Field, form
from tests.engine.published import PublishedStage
from workflow.errors import AfterloopError
from workflow.human_review import HumanReview
from workflow.operations.loops import LoopFilter, Loops
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack.assembly import assemble
from workflow.stack.permissions import statements_for
from workflow.stack.targets import local
from workflow.steps import Catch, Chain, Choice, ChoiceRule, Map, Pass, definition

EXAMPLE = Path(__file__).parents[2] / "docs/examples/ask_people.py"
INPUT = {"text": "The lamp in it was broken", "prediction": {"label": "praise", "confidence": 0.53}}
COMPLAINT, COMPLAINT_TOO, QUESTION = SUPPORT_MESSAGE.answers
ANSWERED = ["Workflow waiting?", "Answer workflow", "Handled"]


class Parents:
    """A user's own workflows in the account of a stage, and their executions."""

    def __init__(self, published: PublishedStage) -> None:
        self.published = published
        self.states = published.states
        self.tokens = published.tokens

    def create(self, flow: str, **changes: Any) -> str:
        """Creates a workflow that asks people and catches every error. Returns the ARN of its state machine."""
        ask = HumanReview(
            "Ask people",
            **{
                "stage": self.published.stage.name,
                "flow_definition_arn": flow,
                "key": "$.id",
                "input_content": {"taskObject.$": "$.text", "prediction.$": "$.prediction"},
                "task_lifetime_seconds": 600,
                "timeout_seconds": 3600,
                "result_path": "$.people",
                **changes,
            },
        )
        for error in ("HumanReview.Stopped", "HumanReview.Failed", "States.Timeout", "States.ALL"):
            caught = Pass(f"Caught {error}", result=error, result_path="$.caught")
            ask.add_catch(Catch(error_equals=[error], result_path="$.error", next_step=caught))
        return self.publish(definition(Chain([ask, Pass("Go on")])))

    def publish(self, machine: dict[str, Any]) -> str:
        """Creates a state machine whose role has only the permissions of its steps. Returns its ARN."""
        name = self.published.name("parent")
        iam = self.published.sandbox.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
        allowed = [
            {"Effect": "Allow", "Action": list(statement.actions), "Resource": list(statement.resources)}
            for statement in statements_for(machine)
        ]
        document = _policy(*allowed)
        for parameter, value in {
            "Partition": "aws",
            "Region": self.published.sandbox.region,
            "AccountId": self.published.sandbox.account_id,
        }.items():
            document = document.replace(f"${{AWS::{parameter}}}", value)
        iam.put_role_policy(RoleName=name, PolicyName="steps", PolicyDocument=document)
        created = self.states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)
        return created["stateMachineArn"]

    def start(self, machine: str, name: str) -> str:
        """Starts an execution for the loop of that name. Returns its ARN."""
        given = json.dumps({**INPUT, "id": name})
        return self.states.start_execution(stateMachineArn=machine, input=given)["executionArn"]

    def wait(self, machine: str, name: str) -> str:
        """Starts an execution and returns its ARN when it waits."""
        waiting = len(self.tokens.of(name))
        execution = self.start(machine, name)
        self.published.eventually(
            lambda: len(self.tokens.of(name)) > waiting, message=f"a workflow waits for {name}"
        )
        return execution

    def ended(self, execution: str) -> dict[str, Any]:
        """Waits until the execution has ended. Returns its output."""

        def over() -> Any:
            found = self.states.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        found = self.published.eventually(over, timeout=60, message=f"{execution} has ended")
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])

    def runs(self, execution: str) -> bool:
        return self.states.describe_execution(executionArn=execution)["status"] == "RUNNING"


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def parents(published: PublishedStage) -> Parents:
    return Parents(published)


@pytest.fixture(scope="module")
def flow(published: PublishedStage) -> str:
    """A flow definition of a custom task for one worker."""
    return published.flow_definition()


@pytest.fixture(scope="module")
def parent(parents: Parents, flow: str) -> str:
    """A workflow that asks the workers of that flow definition."""
    return parents.create(flow)


@pytest.mark.parametrize(
    ("answers", "agreement", "sentiment", "unresolved"),
    [
        ([COMPLAINT], None, "complaint", []),
        ([COMPLAINT, COMPLAINT], 1.0, "complaint", []),
        ([COMPLAINT_TOO, QUESTION], 0.5, None, ["comment", "sentiment"]),
        ([COMPLAINT, QUESTION, COMPLAINT], pytest.approx(2 / 3), "complaint", []),
    ],
    ids=["one worker", "two agree", "two disagree", "two of three agree"],
)
def test_workflow_gets_agreed_review(
    published: PublishedStage,
    parents: Parents,
    answers: list[dict[str, Any]],
    agreement: Any,
    sentiment: str | None,
    unresolved: list[str],
) -> None:
    name = published.name()
    execution = parents.wait(parents.create(published.flow_definition(task_count=len(answers))), name)
    for answer in answers:
        published.sandbox.loops.answer(name, answer)

    output = parents.ended(execution)
    people = output["people"]
    assert people["answers"].get("sentiment") == sentiment
    assert (people["agreement"], people["unresolved"]) == (agreement, unresolved)
    row = published.row(name)
    assert people["reviewLocation"] == row.review_location
    assert {
        key: people[key] for key in ("humanLoopName", "status", "needed", "attempt", "answersIncluded")
    } == {
        "humanLoopName": name,
        "status": "Completed",
        "needed": True,
        "attempt": 1,
        "answersIncluded": True,
    }
    assert output["text"] == INPUT["text"]  # the workflow's earlier data is kept
    assert published.sandbox.loops.get(name).input_content["prediction"] == INPUT["prediction"]
    (handled,) = published.ended(name)
    assert handled["states"][-3:] == ANSWERED
    published.eventually(
        lambda: published.row(name).answer == "delivered" and not published.row(name).waiting
    )
    assert published.row(name).answered_at


def test_token_is_only_in_the_token_table_and_deleted_afterwards(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    (token,) = parents.tokens.of(name)
    published.sandbox.loops.fail(name, "InternalError")
    second = published.eventually(lambda: published.row(name).next_loop_name)
    published.eventually(lambda: parents.tokens.of(second) == [token] and not parents.tokens.of(name))
    published.sandbox.loops.answer(second, COMPLAINT)
    parents.ended(execution)

    found = []
    for handled in (*published.ended(name), *published.ended(f'"{second}"')):
        history = published.states.get_execution_history(
            executionArn=handled["executionArn"], maxResults=1000
        )
        found.append(json.dumps(history["events"], default=str))
    found += [published.row(loop).model_dump_json() for loop in (name, second)]
    found.append(json.dumps(published.record(published.row(second).input_location or "")))
    found.append(json.dumps(published.messages(name)))
    logs = published.sandbox.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    logged = [
        event["message"]
        for group in groups
        if "afterloop-local" in group
        for event in logs.filter_log_events(logGroupName=group, limit=10_000)["events"]
    ]
    assert logged
    assert not [text for text in (*found, *logged) if token in text]
    assert parents.tokens.of(second) == []
    scanned = published.sandbox.client("dynamodb").scan(TableName=published.outputs["LedgerTable"])["Items"]
    assert token not in json.dumps(scanned)
    assert not [item for item in scanned if item["humanLoopName"]["S"].startswith("tokens ")]


def test_token_moves_to_next_loop_at_each_restart(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    loop = name
    for code in ("InternalError", "Expired"):
        published.sandbox.loops.fail(loop, code)
        published.ended(f'"{loop}"')
        assert parents.runs(execution)
        loop = published.row(loop).next_loop_name or ""
    published.sandbox.loops.answer(loop, COMPLAINT)

    people = parents.ended(execution)["people"]
    assert (people["humanLoopName"], people["attempt"]) == (f"{name}-attempt-3", 3)
    assert people["answers"]["sentiment"] == "complaint"
    assert [published.row(one).waiting for one in (name, f"{name}-attempt-2")] == [False, False]
    assert [published.row(one).answer for one in (name, f"{name}-attempt-2")] == [None, None]


def test_stopped_loop_raises_stopped_error(published: PublishedStage, parents: Parents) -> None:
    name = published.name()
    execution = parents.wait(parents.create(published.flow_definition(task_count=2)), name)
    published.sandbox.loops.answer(name, COMPLAINT)
    published.a2i.stop_human_loop(HumanLoopName=name)

    output = parents.ended(execution)
    assert output["caught"] == "HumanReview.Stopped"
    kept = published.row(name).review_location
    assert kept
    assert output["error"]["Cause"] == (
        f"Human loop {name} was stopped before the review was complete. "
        f"The answers given before that are in {kept}."
    )
    assert published.message(name)["workflowWaiting"] is True


def test_failed_loop_after_last_attempt_raises_failed_error(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    loop = last = name
    while loop:
        published.sandbox.loops.fail(loop, "InternalError", "a fault of the service")
        published.ended(f'"{loop}"')
        last, loop = loop, published.row(loop).next_loop_name or ""
    output = parents.ended(execution)
    assert output["caught"] == "HumanReview.Failed"
    assert f"Human loop {last} failed" in output["error"]["Cause"]
    assert "all 3 attempts are used up" in output["error"]["Cause"]
    assert "a fault of the service" in output["error"]["Cause"]
    message = published.message(last)
    assert message["workflowWaiting"] is True


def test_validation_error_fails_step_without_restart(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    published.sandbox.loops.fail(name, "ValidationError", "the template has no such variable")
    output = parents.ended(execution)
    assert output["caught"] == "HumanReview.Failed"
    assert "the same input would fail again" in output["error"]["Cause"]
    assert "the template has no such variable" in output["error"]["Cause"]


def test_refused_start_fails_step_with_error_of_function(published: PublishedStage, parents: Parents) -> None:
    nowhere = published.flow_definition_arn("nowhere")
    output = parents.ended(parents.start(parents.create(nowhere), published.name()))
    assert (output["caught"], output["error"]["Error"]) == ("States.ALL", "StartRefused")
    assert nowhere in json.loads(output["error"]["Cause"])["errorMessage"]


def ask_without_a_key(published: PublishedStage, flow: str, jsonata: bool = False) -> HumanReview:
    changes: dict[str, Any] = {"input_content": {"taskObject.$": "$.text"}, "result_path": "$.people"}
    if jsonata:
        changes = {
            "query_language": "JSONata",
            "input_content": {"taskObject": "{% $states.input.text %}"},
            "output": "{% $merge([$states.input, {'people': $states.result}]) %}",
        }
    return HumanReview(
        "Ask people",
        stage=published.stage.name,
        flow_definition_arn=flow,
        task_lifetime_seconds=600,
        timeout_seconds=3600,
        **changes,
    )


@pytest.fixture
def started_loops(published: PublishedStage) -> Callable[..., list[str]]:
    """A function that waits for a number of loops of a flow definition, and returns their names, oldest first."""

    def names(flow: str, count: int) -> list[str]:
        def loops() -> list[str]:
            found = [loop for loop in published.sandbox.loops.list() if loop.flow_definition_arn == flow]
            return [loop.name for loop in sorted(found, key=lambda loop: loop.created_at)]

        published.eventually(lambda: len(loops()) >= count, message=f"{count} loops of {flow}")
        return loops()

    return names


JSONPATH_AND_JSONATA = pytest.mark.parametrize("jsonata", [False, True], ids=["JSONPath", "JSONata"])


@JSONPATH_AND_JSONATA
def test_without_key_each_execution_has_its_own_loop(
    published: PublishedStage, parents: Parents, started_loops: Any, jsonata: bool
) -> None:
    """Even if executions of several state machines have the same name."""
    flow = published.flow_definition()
    order = published.name("order")
    machines = [
        parents.publish(definition(ask_without_a_key(published, flow, jsonata))),
        parents.publish(definition(Chain([ask_without_a_key(published, flow, jsonata), Pass("Other")]))),
        parents.publish(definition(Chain([ask_without_a_key(published, flow, jsonata), Pass("Third")]))),
    ]
    executions = []
    for machine, text in zip(machines, ("one", "another", "one"), strict=True):
        given = json.dumps({"text": text})
        started = parents.states.start_execution(stateMachineArn=machine, name=order, input=given)
        executions.append(started["executionArn"])
        started_loops(flow, len(executions))

    names = started_loops(flow, 3)
    assert len(set(names)) == 3
    assert all(name.startswith(f"{order}-ask-people-") for name in names)
    for name, answer in zip(names, (COMPLAINT, QUESTION, COMPLAINT_TOO), strict=True):
        published.eventually(lambda name=name: parents.tokens.of(name))
        published.sandbox.loops.answer(name, answer)
    people = [parents.ended(execution)["people"] for execution in executions]
    assert [one["humanLoopName"] for one in people] == names
    assert [one["answers"]["sentiment"] for one in people] == ["complaint", "question", "complaint"]


@JSONPATH_AND_JSONATA
def test_without_key_retry_finds_the_same_loop(
    published: PublishedStage, parents: Parents, started_loops: Any, jsonata: bool
) -> None:
    flow = published.flow_definition()
    machine = parents.publish(definition(ask_without_a_key(published, flow, jsonata)))
    # One time for each attempt of boto3, so that the function fails and the step retries.
    published.sandbox.loops.refuse("StartHumanLoop", "ThrottlingException", times=4)
    execution = parents.start(machine, published.name())
    (name,) = started_loops(flow, 1)
    published.eventually(lambda: parents.tokens.of(name))
    published.sandbox.loops.answer(name, COMPLAINT)
    assert parents.ended(execution)["people"]["humanLoopName"] == name
    history = published.states.get_execution_history(executionArn=execution)["events"]
    assert [event["type"] for event in history].count("TaskFailed") == 1
    rows = published.ledger.select(flow_definition_arn=flow, unreadable=pytest.fail)
    assert [row.human_loop_name for row in rows] == [name]


@JSONPATH_AND_JSONATA
def test_without_key_second_entry_starts_another_loop(
    published: PublishedStage, parents: Parents, started_loops: Any, jsonata: bool
) -> None:
    flow = published.flow_definition()
    ask = ask_without_a_key(published, flow, jsonata)
    sure = Choice("Sure?")
    sure.add_choice(ChoiceRule.StringEquals(variable="$.people.answers.sentiment", value="question"), ask)
    sure.default_choice(Pass("Go on"))
    ask.next(sure)
    execution = parents.start(parents.publish(definition(ask)), published.name())
    for number, answer in enumerate((QUESTION, QUESTION, COMPLAINT), 1):
        name = started_loops(flow, number)[-1]
        published.eventually(lambda name=name: parents.tokens.of(name))
        published.sandbox.loops.answer(name, answer)
    people = parents.ended(execution)["people"]
    names = started_loops(flow, 3)
    assert len(set(names)) == 3
    assert (people["humanLoopName"], people["answers"]["sentiment"]) == (names[-1], "complaint")


def each_item(published: PublishedStage, flow: str, key: str) -> dict[str, Any]:
    ask = HumanReview(
        "Ask people",
        stage=published.stage.name,
        flow_definition_arn=flow,
        key=key,
        input_content={"taskObject.$": "$.text"},
        task_lifetime_seconds=600,
        timeout_seconds=3600,
    )
    return definition(Map("Each message", items_path="$.messages", item_processor=ask))


def test_map_items_with_different_keys_get_their_own_loops(
    published: PublishedStage, parents: Parents, started_loops: Any
) -> None:
    flow = published.flow_definition()
    machine = parents.publish(each_item(published, flow, "$.id"))
    ids = [published.name("item") for _ in range(3)]
    # Two items have the same text. Only the key distinguishes them.
    texts = ("Broken", "Broken", "Where is it?")
    messages = [{"id": one, "text": text} for one, text in zip(ids, texts, strict=True)]
    execution = parents.states.start_execution(
        stateMachineArn=machine, input=json.dumps({"messages": messages})
    )["executionArn"]
    assert sorted(started_loops(flow, 3)) == sorted(ids)
    answers = dict(zip(ids, (COMPLAINT, QUESTION, COMPLAINT_TOO), strict=True))
    for name, answer in answers.items():
        published.eventually(lambda name=name: parents.tokens.of(name))
        published.sandbox.loops.answer(name, answer)
    people: Any = parents.ended(execution)
    assert [one["humanLoopName"] for one in people] == ids
    assert [one["answers"]["sentiment"] for one in people] == ["complaint", "question", "complaint"]


def test_map_items_with_the_same_key_fail_with_a_hint(
    published: PublishedStage, parents: Parents, flow: str
) -> None:
    machine = parents.publish(each_item(published, flow, "$$.Execution.Id"))
    messages = [{"text": "Broken"}, {"text": "Where is it?"}]
    execution = parents.states.start_execution(
        stateMachineArn=machine, input=json.dumps({"messages": messages})
    )["executionArn"]

    def ended() -> Any:
        found = published.states.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    # The other item is aborted.
    found = published.eventually(ended)
    assert (found["status"], found["error"]) == ("FAILED", "NameTaken")
    assert "one for each item" in found["cause"]


def test_transient_error_of_start_is_retried(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    published.sandbox.loops.refuse(
        "StartHumanLoop", "ThrottlingException", times=4
    )  # one time for each attempt of boto3
    execution = parents.wait(parent, name)
    published.sandbox.loops.answer(name, COMPLAINT)
    assert parents.ended(execution)["people"]["humanLoopName"] == name
    history = published.states.get_execution_history(executionArn=execution)["events"]
    failures = [event["taskFailedEventDetails"] for event in history if event["type"] == "TaskFailed"]
    assert [failure["error"] for failure in failures] == ["TransientServiceError"]


def test_workflow_that_timed_out_does_not_fail_the_review(
    published: PublishedStage, parents: Parents, flow: str
) -> None:
    name = published.name()
    short_workflow = parents.create(
        flow, task_lifetime_seconds=1, timeout_seconds=2, restart=RestartRules(max_attempts=1)
    )
    output = parents.ended(parents.wait(short_workflow, name))
    assert output["caught"] == "States.Timeout"
    published.sandbox.loops.answer(name, COMPLAINT)

    (handled,) = published.ended(name)
    assert handled["status"] == "SUCCEEDED"
    assert json.loads(handled["output"])["answer"] == {"delivered": 0, "ended": 1}
    row = published.row(name)
    assert (row.outcome, row.answer, row.waiting) == ("stored", "ended", False)
    assert parents.tokens.of(name) == []
    assert published.messages(name) == []


def test_duplicate_events_answer_the_workflow_once(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    published.sandbox.events.lose()
    published.sandbox.loops.answer(name, COMPLAINT)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: published.sandbox.events.redeliver(name), range(4)))
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"
    handled = published.ended(name, 4)
    assert sum("Answer workflow" in one["states"] for one in handled) == 1


def test_executions_with_the_same_key_get_the_same_answer(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    """While the loop is in progress, during its restart, and after its end."""
    name = published.name()
    first, second = parents.wait(parent, name), parents.wait(parent, name)
    published.sandbox.loops.fail(name, "InternalError")
    published.ended(name)
    third = parents.start(parent, name)
    again = published.row(name).next_loop_name or ""
    published.eventually(lambda: len(parents.tokens.of(again)) == 3)
    published.sandbox.loops.answer(again, COMPLAINT)
    answers = [parents.ended(execution)["people"] for execution in (first, second, third)]
    published.ended(f'"{again}"')
    late = parents.ended(parents.start(parent, name))["people"]
    assert answers == [late] * 3
    assert late["humanLoopName"] == again
    assert [loop.name for loop in published.sandbox.loops.list() if name in loop.name] == [name, again]


@pytest.fixture
def picture(published: PublishedStage) -> Iterator[Any]:
    """A function that sets the labels of a picture, and returns Rekognition's request for it."""
    bucket = published.stage.document_buckets[0]
    sample = replace(MODERATION, name=published.name("picture"))
    image = sample.upload(published.s3, bucket)

    def shows(**labels: float) -> dict[str, Any]:
        found = [{"Name": name, "ParentName": "", "Confidence": sure} for name, sure in labels.items()]
        published.s3.put_object(
            Bucket=bucket,
            Key=f"{sample.name}.png.prediction.json",
            Body=json.dumps({"ModerationLabels": found}),
        )
        return {"Image": image}

    return shows


def test_prediction_is_returned_if_no_review_is_needed(
    published: PublishedStage, parents: Parents, picture: Any
) -> None:
    flow = published.flow_definition(task_type="rekognition", conditions=MODERATION.conditions)
    name = published.name()
    machine = parents.create(flow, input_content=None, rekognition=picture(Alcohol=99.5))
    people = parents.ended(parents.start(machine, name))["people"]
    assert (people["humanLoopName"], people["status"], people["needed"]) == (name, "NotNeeded", False)
    assert [label["Name"] for label in people["prediction"]["ModerationLabels"]] == ["Alcohol"]
    assert published.record(people["predictionLocation"]) == people["prediction"]
    row = published.row(name)
    assert (row.status, row.answer, row.waiting) == ("NotNeeded", "delivered", None)
    # The same question gets the same result.
    assert parents.ended(parents.start(machine, name))["people"] == people


def test_prediction_is_returned_if_restart_needs_no_review(
    published: PublishedStage, parents: Parents, picture: Any
) -> None:
    flow = published.flow_definition(task_type="rekognition", conditions=MODERATION.conditions)
    name = published.name()
    machine = parents.create(flow, input_content=None, rekognition=picture(Alcohol=70.0))
    execution = parents.wait(machine, name)
    picture(Alcohol=99.5)
    published.sandbox.loops.fail(name, "InternalError")
    people = parents.ended(execution)["people"]
    assert (people["humanLoopName"], people["needed"], people["attempt"]) == (f"{name}-attempt-2", False, 2)


def test_large_prediction_is_returned_as_s3_location(published: PublishedStage, parents: Parents) -> None:
    prediction = form([Field(f"Question {number}:", "yes", confidence=99.9) for number in range(300)])
    assert len(json.dumps(prediction)) > MAX_BYTES
    name = published.name()
    flow = published.flow_definition(
        task_type="textract",
        conditions=json.dumps(
            {
                "Conditions": [
                    {
                        "ConditionType": "ImportantFormKeyConfidenceCheck",
                        "ConditionParameters": {
                            "ImportantFormKey": "*",
                            "KeyValueBlockConfidenceLessThan": 1,
                            "WordBlockConfidenceLessThan": 1,
                        },
                    }
                ]
            }
        ),
    )
    bucket = published.stage.document_buckets[0]
    place = replace(MODERATION, name=name).upload(published.s3, bucket)
    published.s3.put_object(Bucket=bucket, Key=f"{name}.png.prediction.json", Body=json.dumps(prediction))
    machine = parents.create(
        flow, input_content=None, textract={"Document": place, "FeatureTypes": ["FORMS"]}
    )
    people = parents.ended(parents.start(machine, name))["people"]
    assert (people["predictionIncluded"], "prediction" in people) == (False, False)
    assert len(published.record(people["predictionLocation"])["Blocks"]) == len(prediction["Blocks"])


def test_workflow_keeps_waiting_while_output_is_unreadable(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    published.sandbox.events.lose()
    output = published.sandbox.loops.answer(name, COMPLAINT).output_uri
    bucket, key = output.removeprefix("s3://").split("/", 1)
    good = published.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    published.s3.put_object(Bucket=bucket, Key=key, Body=b"<html>")
    published.sandbox.events.redeliver(name)

    (red,) = published.ended(name)
    assert red["error"] == "InvalidDocument"
    assert published.message(name)["workflowWaiting"] is True
    assert parents.runs(execution)
    published.s3.put_object(Bucket=bucket, Key=key, Body=good)
    published.sandbox.events.redeliver(name)
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"


def test_forged_execution_answers_no_workflow(
    published: PublishedStage, parents: Parents, parent: str, flow: str
) -> None:
    """Whoever may start an execution makes the ledger say that the loop is completed. A2I says that it is not."""
    name = published.name()
    execution = parents.wait(parent, name)
    (token,) = parents.tokens.of(name)
    key, bucket = f"forged/{name}.json", published.stage.output_buckets[0]
    content = SUPPORT_MESSAGE.input_content
    answer = {"answerContent": QUESTION, "submissionTime": published.created(name), "workerId": "nobody"}
    output = {
        "flowDefinitionArn": flow,
        "humanLoopName": name,
        "inputContent": content,
        "humanAnswers": [answer],
    }
    published.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(output))
    forged = published.event(
        name,
        "Completed",
        creationTime=published.created(name),
        flowDefinitionArn=flow,
        humanLoopOutput={"outputS3Uri": f"s3://{bucket}/{key}"},
    )
    # Neither this event, nor one about the item in which earlier versions kept the loop's tokens.
    for named in (name, f"tokens {name}"):
        published.states.start_execution(
            stateMachineArn=published.outputs["StateMachine"],
            input=json.dumps({"detail": {**forged, "humanLoopName": named}}),
        )
    ended = {one["error"]: one for one in published.ended(name, 2)}

    assert "Answer workflow" in ended["NotConfirmed"]["states"]
    assert "A2I says InProgress" in ended["NotConfirmed"]["cause"]
    assert parents.runs(execution)
    assert parents.tokens.of(name) == [token]
    for one in ended.values():
        history = published.states.get_execution_history(executionArn=one["executionArn"], maxResults=1000)
        assert token not in json.dumps(history["events"], default=str)
    assert published.message(name)["workflowWaiting"] is True

    published.sandbox.loops.answer(name, COMPLAINT)
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"


def test_undeliverable_token_is_escalated_and_kept(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    iam, role = published.sandbox.client("iam"), _role_of(published, "AnswerWorkflow")
    forbidden = {"Effect": "Deny", "Action": "states:SendTask*", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="forbidden", PolicyDocument=_policy(forbidden))
    try:
        published.sandbox.loops.answer(name, COMPLAINT)
        (red,) = published.ended(name)
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="forbidden")
    assert (red["status"], red["error"]) == ("FAILED", "TokenUndeliverable")
    assert red["states"][-4:] == ["Answer workflow", "Escalate", "Give claim back", "Failed"]
    message = published.message(name)
    assert (message["kind"], message["step"], message["workflowWaiting"]) == (
        "step-failed",
        "Answer workflow",
        True,
    )
    assert "AccessDenied" in message["reason"]
    assert parents.runs(execution)

    published.sandbox.events.redeliver(name)
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"
    assert published.ended(name, 2)[-1]["status"] == "SUCCEEDED"


def test_invalid_token_is_escalated(published: PublishedStage, parents: Parents, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction, taskToken="made-up token")
    published.sandbox.loops.answer(name, COMPLAINT)
    (red,) = published.ended(name)
    assert red["error"] == "TokenUndeliverable"
    reason = published.message(name)["reason"]
    assert "InvalidToken" in reason
    assert "made-up" not in reason
    published.sandbox.events.redeliver(name)
    assert published.ended(name, 2)[-1]["status"] == "SUCCEEDED"


def _role_of(published: PublishedStage, function: str) -> str:
    name = f"afterloop-{published.stage.name}-{function}"
    configuration = published.sandbox.client("lambda").get_function_configuration(FunctionName=name)
    return configuration["Role"].rpartition("/")[2]


POST_REVIEW = '''
from workflow.steps import AwsSdkTask, Choice, ChoiceRule, LambdaStep, Pass

NOWHERE = "arn:aws:lambda:us-east-1:111122223333:function:nowhere"


def steps(branch):
    """Steps that replace the whole state, then one that fails for loops named `bad-…`, and one, for loops named
    `astray-…`, that fails and can have no Catch."""
    forget = Pass(f"Forget all ({branch})", input_path="$.detail.humanLoopName")
    look = Choice(f"Bad? ({branch})")
    fails = LambdaStep(f"Archive ({branch})", parameters={"FunctionName": NOWHERE, "Payload.$": "$"})
    look.add_choice(ChoiceRule.StringMatches(variable="$", value="bad-*"), fails)
    nothing = Pass(f"Nothing to do ({branch})", result="fine")
    astray = Pass(f"Go astray ({branch})", parameters={"parsed.$": "States.StringToJson($)"})
    astray.next(nothing)
    look.add_choice(ChoiceRule.StringMatches(variable="$", value="astray-*"), astray)
    look.default_choice(nothing)
    return [forget, look]


completed, failed, stopped = (steps(branch) for branch in ("completed", "failed", "stopped"))
'''


EXTENDED_FLOW = "extended"


@pytest.fixture(scope="session")
def extended(published: PublishedStage, tmp_path_factory: pytest.TempPathFactory) -> PublishedStage:
    """A separate stage whose branches have post-review steps."""
    post_review = tmp_path_factory.mktemp("extended") / "post_review.py"
    post_review.write_text(POST_REVIEW)
    # Only for loops of one flow definition, so that loops of other tests do not interfere.
    stage = local_stage().model_copy(update={"name": "extended", "flow_definitions": (EXTENDED_FLOW,)})
    account = Account(published.sandbox.session)
    package = make_package(
        stage, assemble(post_review), local(), account=account.id, artifact_bucket=account.artifact_bucket
    )
    published.sandbox.flow_definitions.create(EXTENDED_FLOW, stage.output_buckets[0])
    done = publish(account, stage, package, confirm=lambda plan: True)
    assert done is not None
    return PublishedStage(published.sandbox, stage, dict(done.outputs), published.eventually)


ENDINGS = {
    "Completed": (lambda stage, name: stage.sandbox.loops.answer(name, COMPLAINT), None),
    "Failed": (lambda stage, name: stage.sandbox.loops.fail(name, "ValidationError"), "HumanReview.Failed"),
    "Stopped": (lambda stage, name: stage.a2i.stop_human_loop(HumanLoopName=name), "HumanReview.Stopped"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["good", "bad"])
def test_failed_post_review_step_does_not_stop_the_answer(
    extended: PublishedStage, ending: str, kind: str
) -> None:
    parents = Parents(extended)
    flow = extended.flow_definition_arn(EXTENDED_FLOW)
    end, error = ENDINGS[ending]
    name = extended.name(kind)
    execution = parents.wait(parents.create(flow), name)
    end(extended, name)

    output = parents.ended(execution)
    assert output.get("caught") == error
    assert ("people" in output) == (error is None)
    (handled,) = extended.ended(name)
    if kind == "good":
        assert handled["status"] == "SUCCEEDED"
        assert handled["states"][-4:] == [f"Nothing to do ({ending.lower()})", *ANSWERED]
        return
    failed = f"Archive ({ending.lower()})"
    assert (handled["status"], handled["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")
    assert handled["states"][-5:] == [
        failed,
        "Answer workflow anyway",
        "Escalate",
        "Give claim back",
        "Failed",
    ]
    message = next(one for one in extended.messages(name) if one["kind"] == "step-failed")
    assert (message["step"], message["workflowWaiting"]) == (failed, False)
    assert "nowhere" in message["reason"]
    assert extended.row(name).answer == "delivered"


def test_error_that_no_step_can_catch_is_reported_and_the_answer_sent(extended: PublishedStage) -> None:
    parents = Parents(extended)
    name = extended.name("astray")
    execution = parents.wait(parents.create(extended.flow_definition_arn(EXTENDED_FLOW)), name)
    extended.sandbox.loops.answer(name, COMPLAINT)

    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"
    message = extended.message(name, "execution-ended")
    assert "after it had recorded the outcome (stored)" in message["reason"]
    assert (message["executionStatus"], message["workflowWaiting"]) == ("FAILED", False)
    row = extended.row(name)
    assert (row.outcome, row.reason, row.answer) == ("failed", message["reason"], "delivered")
    assert extended.ended(name)[0]["states"][-1] == "Go astray (completed)"


def test_execution_stopped_while_it_backs_off_is_released_and_reported(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    stopped, message = _stopped_while_it_backs_off(published, name)

    assert message["reason"] == (
        "The execution was stopped (ABORTED) before it had processed the status change: Ana stopped it"
    )
    assert (message["subject"], message["workflowWaiting"]) == (
        f"Afterloop local: execution ended early for {name}",
        True,
    )
    assert message["topic"] == published.outputs["EscalationTopic"]
    operate = Loops(StageResources.find("local", published.sandbox.session), published.sandbox.session)
    published.eventually(lambda: published.row(name).escalated_at)
    failed = operate.listing(LoopFilter(outcome="failed")).loops
    assert [loop.reason for loop in failed if loop.human_loop_name == name] == [message["reason"]]

    operate.redrive(name)
    _, restarted = published.ended(name, 2)
    assert restarted["states"][-1] == "Record restart"
    row = published.row(name)
    # The stopped execution has lost its claim, so it cannot record anything when somebody continues it.
    assert published.redrive_in_console(stopped)["error"] == "DynamoDB.ConditionalCheckFailedException"
    now = published.row(name)
    assert now == row.model_copy(update={"updated_at": now.updated_at})
    published.sandbox.loops.answer(row.next_loop_name, COMPLAINT)
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"


def test_stopped_execution_that_is_redriven_in_console_goes_on(
    published: PublishedStage, parents: Parents, parent: str
) -> None:
    name = published.name()
    execution = parents.wait(parent, name)
    stopped, _ = _stopped_while_it_backs_off(published, name)
    published.eventually(lambda: published.row(name).escalated_at)
    assert published.redrive_in_console(stopped)["status"] == "SUCCEEDED"
    row = published.row(name)
    assert (row.outcome, [claim["state"] for claim in row.claims.values()]) == ("restarted", ["done"])
    assert len(published.messages(name)) == 1
    # Nobody can process the status change again.
    operate = Loops(StageResources.find("local", published.sandbox.session), published.sandbox.session)
    with pytest.raises(AfterloopError):
        operate.redrive(name)
    published.sandbox.loops.answer(row.next_loop_name, COMPLAINT)
    assert parents.ended(execution)["people"]["answers"]["sentiment"] == "complaint"


def _stopped_while_it_backs_off(published: PublishedStage, name: str) -> tuple[str, dict[str, Any]]:
    """Fails a loop, and stops its execution in *Back off*. Returns the execution, and the message about its end."""
    published.sandbox.configure(wait_scale=1)
    try:
        published.sandbox.loops.fail(name, "InternalError")
        (backing_off,) = published.eventually(
            lambda: [one for one in published.executions(name) if one["states"][-1:] == ["Back off"]]
        )
        published.states.stop_execution(executionArn=backing_off["executionArn"], cause="Ana stopped it")
        return backing_off["executionArn"], published.message(name, "execution-ended")
    finally:
        published.sandbox.configure(wait_scale=0)


def test_loop_of_foreign_flow_definition_is_not_started(extended: PublishedStage) -> None:
    elsewhere = extended.flow_definition()
    refused = f"InvalidRequest: .*{elsewhere} is not in flow_definitions of the stage's settings"
    with pytest.raises(RuntimeError, match=refused):
        extended.start(extended.name(), elsewhere, SUPPORT_MESSAGE.prediction)

    name = extended.name()
    extended.start(name, extended.flow_definition_arn(EXTENDED_FLOW), SUPPORT_MESSAGE.prediction)
    with pytest.raises(RuntimeError, match=refused):
        extended.invoke(
            "afterloop-extended-RestartLoop", {"humanLoopName": name, "flowDefinitionArn": elsewhere}
        )


CLASSIFY = """
def handler(event, context):
    return {"label": "praise", "confidence": 0.97 if "thank" in event["text"] else 0.53}
"""


@pytest.fixture
def example(published: PublishedStage, parents: Parents, flow: str) -> Any:
    """The unchanged example of the README, with the user's own function and queue."""
    from tests.engine.test_sandbox_ministack_patches import add_function

    principal = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = published.sandbox.client("iam").create_role(
        RoleName=published.name("classify"), AssumeRolePolicyDocument=_policy(principal)
    )
    add_function(published.sandbox, "classify-message", role["Role"]["Arn"], code=CLASSIFY)
    queue = published.name("queue")
    published.sandbox.client("sqs").create_queue(QueueName=queue)
    queue = f"https://sqs.{published.sandbox.region}.amazonaws.com/{published.sandbox.account_id}/{queue}"
    spec = importlib.util.spec_from_file_location("ask_people", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield parents.publish(module.triage(flow, queue, published.stage.name)), queue
    published.sandbox.client("lambda").delete_function(FunctionName="classify-message")


def test_example_has_under_twenty_lines() -> None:
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip()]) < 20


def test_example_asks_people_only_when_unsure(
    published: PublishedStage, parents: Parents, example: Any
) -> None:
    machine, queue = example
    sqs = published.sandbox.client("sqs")

    def sent(text: str, name: str) -> Any:
        execution = parents.states.start_execution(
            stateMachineArn=machine, input=json.dumps({"id": name, "text": text})
        )["executionArn"]
        if "thank" not in text:
            published.eventually(lambda: parents.tokens.of(name))
            assert published.sandbox.loops.get(name).input_content["prediction"]["label"] == "praise"
            published.sandbox.loops.answer(name, COMPLAINT)
        parents.ended(execution)
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    assert sent("thank you", published.name()) == {"label": "praise", "confidence": 0.97}
    assert sent("The lamp in it was broken", published.name()) == {"label": "complaint", "confidence": 0.53}
