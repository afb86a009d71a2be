"""The A2I-compatible service on its own: names, statuses, how loops end, lists. S3 and EventBridge are doubles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.output import TEXTRACT
from sandbox.a2i import HumanLoop, HumanLoopService
from sandbox.errors import SandboxError
from sandbox.protocol import ServiceError
from sandbox.samples import MODERATION
from sandbox.tenant import Tenant

TENANT = Tenant("111122223333", "us-east-1")
OTHER_REGION = Tenant("111122223333", "eu-west-1")
START = datetime(2026, 3, 1, 9, 5, 7, 123456, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow"


class Recorder:
    """Keeps the objects and events that the service writes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.missing_bucket = False

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        await asyncio.sleep(0)  # lets other tasks run, as the real one does
        if self.missing_bucket:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        self.objects[f"s3://{bucket}/{key}"] = body

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.events.append(json.loads(json.dumps(event)))


class World:
    """A service with one flow definition, and a clock that moves on by a second at each call."""

    def __init__(
        self, task_count: int = 1, lifetime: int = 60, source: str | None = None, frozen: bool = False
    ) -> None:
        self.seconds = -1
        self.frozen = frozen
        self.effects = Recorder()
        self.service = HumanLoopService(self.effects, now=self.now)
        self.flow("flow", task_count, source, lifetime)

    def now(self) -> datetime:
        self.seconds += 0 if self.frozen else 1
        return START + timedelta(seconds=self.seconds)

    def flow(
        self, name: str, task_count: int = 1, source: str | None = None, lifetime: int = 60, **more: Any
    ) -> None:
        request = {
            "FlowDefinitionName": name,
            "RoleArn": "arn:aws:iam::111122223333:role/a2i",
            "OutputConfig": {"S3OutputPath": "s3://output/prefix/"},
            "HumanLoopConfig": {"TaskCount": task_count, "TaskAvailabilityLifetimeInSeconds": lifetime},
        }
        if source:
            request["HumanLoopRequestSource"] = {"AwsManagedHumanLoopRequestSource": source}
        self.service.create_flow_definition(TENANT, request | more)

    def start(self, name: str = "loop", content: str = '{"n": 1}', arn: str = ARN) -> HumanLoop:
        request = {
            "HumanLoopName": name,
            "FlowDefinitionArn": arn,
            "HumanLoopInput": {"InputContent": content},
        }
        self.service.start_human_loop(TENANT, request)
        return self.service.loop(TENANT, name)

    def output(self, loop: HumanLoop) -> dict[str, Any]:
        return json.loads(self.effects.objects[loop.output_uri])

    async def settled(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def raises(code: str) -> Any:
    return pytest.raises(ServiceError, match=rf"^{code}: ")


def test_last_answer_completes_loop_and_writes_output_and_event():
    async def scenario() -> None:
        world = World(task_count=3)
        loop = world.start()
        for number in range(3):
            assert loop.status == "InProgress"
            assert world.effects.objects == {}
            await world.service.answer(loop, {"n": number}, None, 12.5)
        assert loop.status == "Completed"
        assert loop.output_uri == "s3://output/prefix/flow/2026/03/01/09/05/08/loop/output.json"
        output = world.output(loop)
        assert output.keys() == {"flowDefinitionArn", "humanAnswers", "humanLoopName", "inputContent"}
        assert output["inputContent"] == {"n": 1}
        assert [answer["answerContent"]["n"] for answer in output["humanAnswers"]] == [0, 1, 2]
        assert len({answer["workerId"] for answer in output["humanAnswers"]}) == 3
        answer = output["humanAnswers"][0]
        assert answer["timeSpentInSeconds"] == 12.5
        submitted, accepted = (
            datetime.fromisoformat(answer[k]) for k in ("submissionTime", "acceptanceTime")
        )
        assert submitted - accepted == timedelta(seconds=12.5)
        [event] = world.effects.events
        assert event == {
            "Source": "aws.sagemaker",
            "DetailType": "SageMaker A2I HumanLoop Status Change",
            "Resources": ["arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop"],
            "Detail": {
                "creationTime": "2026-03-01T09:05:08.123Z",
                "failureCode": None,
                "failureReason": None,
                "flowDefinitionArn": ARN,
                "humanLoopArn": "arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop",
                "humanLoopName": "loop",
                "humanLoopOutput": {"outputS3Uri": loop.output_uri},
                "humanLoopStatus": "Completed",
            },
        }

    run(scenario())


def test_output_of_built_in_task_has_source_and_response():
    async def scenario() -> None:
        world = World(source=TEXTRACT)
        flow = world.service.flow_by_arn(TENANT, ARN)
        content = {"aiServiceRequest": {}, "aiServiceResponse": {"blocks": []}}
        loop = world.service.start(flow, "loop", content, "text")
        await world.service.answer(loop, {TEXTRACT: {"blocks": []}}, None, 1)
        output = world.output(loop)
        assert output["awsManagedHumanLoopRequestSource"] == TEXTRACT
        assert output["inputContent"] == content

    run(scenario())


@pytest.mark.parametrize(
    ("code", "reason"), [("InternalError", None), ("ValidationError", "bad"), ("Odd", "x")]
)
def test_failed_loop_has_code_and_reason_but_no_output(code, reason):
    async def scenario() -> None:
        world = World(task_count=2)
        loop = world.start()
        await world.service.answer(loop, {}, None, 1)
        await world.service.fail(loop, code, reason)
        described = world.service.describe_human_loop(TENANT, {"HumanLoopName": "loop"})
        assert described["HumanLoopStatus"] == "Failed"
        assert (described["FailureCode"], described["FailureReason"]) == (code, reason)
        [event] = world.effects.events
        assert event["Detail"]["humanLoopStatus"] == "Failed"
        assert (event["Detail"]["failureCode"], event["Detail"]["failureReason"]) == (code, reason)
        assert world.effects.objects == {}

    run(scenario())


def test_loop_expires_at_end_of_lifetime():
    async def scenario() -> None:
        world = World(lifetime=0)
        loop = world.start()
        await world.settled(lambda: bool(world.effects.events))
        assert (loop.status, loop.failure_code) == ("Failed", "Expired")
        assert loop.failure_reason

    run(scenario())


def test_ended_loop_does_not_expire():
    async def scenario() -> None:
        world = World(lifetime=0)
        loop = world.start()
        await world.service.answer(loop, {}, None, 1)
        other = world.start("other")
        await world.settled(lambda: len(world.effects.events) == 2)
        assert (loop.status, other.status) == ("Completed", "Failed")

    run(scenario())


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_stopped_loop_keeps_answers(answers):
    async def scenario() -> None:
        world = World(task_count=3)
        loop = world.start()
        for _ in range(answers):
            await world.service.answer(loop, {"a": 1}, None, 1)
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        assert loop.status == "Stopping"
        with raises("ValidationException"):
            world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop"})
        with pytest.raises(SandboxError, match="loop is Stopping"):
            await world.service.answer(loop, {}, None, 1)
        await world.service.stop_human_loop(
            TENANT, {"HumanLoopName": "loop"}
        )  # has no effect while the loop stops
        await world.settled(lambda: bool(world.effects.events))
        assert loop.status == "Stopped"
        assert [event["Detail"]["humanLoopStatus"] for event in world.effects.events] == ["Stopped"]
        if answers:
            assert len(world.output(loop)["humanAnswers"]) == answers
        else:
            assert world.effects.objects == {}
        with raises("ValidationException"):
            await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})

    run(scenario())


def test_loop_completes_if_stopped_while_output_is_written():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        answering = asyncio.create_task(world.service.answer(loop, {}, None, 1))
        await asyncio.sleep(0)  # the output is being written now
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        with pytest.raises(SandboxError, match="has all its answers"):
            await world.service.fail(loop, "InternalError", None)
        await answering
        assert [event["Detail"]["humanLoopStatus"] for event in world.effects.events] == ["Completed"]

    run(scenario())


def test_loop_stays_in_progress_if_output_cannot_be_written():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        world.effects.missing_bucket = True
        with pytest.raises(SandboxError, match=r"cannot write s3://output/prefix/.*: NoSuchBucket"):
            await world.service.answer(loop, {}, None, 1)
        assert (loop.status, loop.answers, world.effects.events) == ("InProgress", [], [])
        world.effects.missing_bucket = False
        await world.service.answer(loop, {}, None, 1)
        assert loop.status == "Completed"

    run(scenario())


def test_stopped_loop_fails_if_output_cannot_be_written():
    async def scenario() -> None:
        world = World(task_count=2)
        loop = world.start()
        await world.service.answer(loop, {}, None, 1)
        world.effects.missing_bucket = True
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        await world.settled(lambda: bool(world.effects.events))
        assert (loop.status, loop.failure_code) == ("Failed", "InternalError")

    run(scenario())


def test_second_answer_of_a_worker_is_refused():
    async def scenario() -> None:
        world = World(task_count=2)
        loop = world.start()
        await world.service.answer(loop, {}, "A1", 1)
        with pytest.raises(SandboxError, match="worker A1 has already answered loop"):
            await world.service.answer(loop, {}, "A1", 1)
        await world.service.answer(loop, {}, "A2", 1)
        with pytest.raises(SandboxError, match="loop is Completed"):
            await world.service.answer(loop, {}, "A3", 1)

    run(scenario())


def test_repeated_request_returns_same_loop_and_other_input_conflicts():
    async def scenario() -> None:
        world = World()
        world.flow("another")
        loop = world.start()
        assert world.start() is loop
        with raises("ConflictException"):
            world.start(content='{"n": 2}')
        with raises("ConflictException"):
            world.start(arn=ARN.replace("/flow", "/another"))
        await world.service.answer(loop, {}, None, 1)
        assert world.start() is loop  # an ended loop keeps its name
        with raises("ConflictException"):
            world.start(content='{"n": 2}')
        world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop"})
        assert world.start(content='{"n": 2}').status == "InProgress"

    run(scenario())


def test_regions_have_separate_resources():
    async def scenario() -> None:
        world = World()
        world.start()
        with raises("ResourceNotFoundException"):
            world.service.describe_human_loop(OTHER_REGION, {"HumanLoopName": "loop"})
        with raises("ValidationException"):
            world.service.flow_by_arn(OTHER_REGION, ARN)
        with raises("ResourceNotFound"):
            world.service.describe_flow_definition(OTHER_REGION, {"FlowDefinitionName": "flow"})
        assert world.service.list_flow_definitions(OTHER_REGION, {})["FlowDefinitionSummaries"] == []

    run(scenario())


def test_delete_refuses_active_loop():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        with raises("ValidationException"):
            world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop"})
        await world.service.fail(loop, "InternalError", None)
        world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop"})
        for operation in (world.service.describe_human_loop, world.service.delete_human_loop):
            with raises("ResourceNotFoundException"):
                operation(TENANT, {"HumanLoopName": "loop"})

    run(scenario())


@pytest.mark.parametrize("content", ["", "{", "[1]", '"text"', "NaN", '{"a": Infinity}', "[" * 100_000])
def test_start_refuses_input_that_is_not_a_json_object(content):
    async def scenario() -> None:
        with raises("ValidationException"):
            World().start(content=content)

    run(scenario())


def test_start_refuses_flow_definition_of_built_in_task():
    async def scenario() -> None:
        with raises("ValidationException"):
            World(source=TEXTRACT).start()

    run(scenario())


def test_flow_definition_in_use_cannot_be_deleted_or_created_again():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        with raises("ResourceInUse"):
            world.flow("flow")
        with raises("ResourceInUse"):
            world.service.delete_flow_definition(TENANT, {"FlowDefinitionName": "flow"})
        await world.service.fail(loop, "InternalError", None)
        world.service.delete_flow_definition(TENANT, {"FlowDefinitionName": "flow"})
        with raises("ValidationException"):
            world.start("later")

    run(scenario())


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"OutputConfig": {"S3OutputPath": "https://output.s3.amazonaws.com/x"}}, "S3OutputPath"),
        (
            {
                "HumanLoopActivationConfig": {
                    "HumanLoopActivationConditionsConfig": {
                        "HumanLoopActivationConditions": MODERATION.conditions
                    }
                }
            },
            "not available for custom task types",
        ),
    ],
)
def test_create_refuses_invalid_flow_definition(more, problem):
    with pytest.raises(ServiceError, match=problem):
        World().flow("wrong", **more)


def test_loop_ends_even_if_its_event_is_lost():
    async def scenario() -> None:
        world = World()
        world.service.lose_events(1)
        first, second = world.start("first"), world.start("second")
        await world.service.answer(first, {}, None, 1)
        await world.service.answer(second, {}, None, 1)
        assert (first.status, second.status) == ("Completed", "Completed")
        assert [event["Detail"]["humanLoopName"] for event in world.effects.events] == ["second"]

    run(scenario())


@given(text=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_output_has_any_input_and_answer_unchanged(text):
    async def scenario() -> None:
        world = World()
        loop = world.start(content=json.dumps(text))
        await world.service.answer(loop, text, None, 1)
        output = world.output(loop)
        assert output["inputContent"] == text
        assert output["humanAnswers"][0]["answerContent"] == text

    run(scenario())


def test_output_with_half_a_surrogate_pair_is_valid_json():
    async def scenario() -> None:
        world = World()
        loop = world.start(content='{"a": "\\ud83d"}')
        await world.service.answer(loop, {"b": "\ud83d"}, None, 1)
        assert world.output(loop)["humanAnswers"][0]["answerContent"] == {"b": "\ud83d"}

    run(scenario())


@given(
    count=st.integers(0, 25),
    size=st.none() | st.integers(1, 100),
    order=st.none() | st.sampled_from(["Ascending", "Descending"]),
    after=st.none() | st.integers(-2, 30),
    before=st.none() | st.integers(-2, 30),
    same_time=st.booleans(),
)
def test_pages_add_up_to_the_list(count, size, order, after, before, same_time):
    async def scenario() -> None:
        world = World(frozen=same_time)  # loops of the same time are sorted by name
        loops = [world.start(f"loop-{number}") for number in range(count)]
        request: dict[str, Any] = {"FlowDefinitionArn": ARN}
        request |= {"MaxResults": size} if size else {}
        request |= {"SortOrder": order} if order else {}
        expected = loops
        if after is not None:
            request["CreationTimeAfter"] = START + timedelta(seconds=after)
            expected = [loop for loop in expected if loop.created >= request["CreationTimeAfter"]]
        if before is not None:
            request["CreationTimeBefore"] = START + timedelta(seconds=before)
            expected = [loop for loop in expected if loop.created < request["CreationTimeBefore"]]
        listed, token = [], None
        while True:
            page = world.service.list_human_loops(TENANT, request | ({"NextToken": token} if token else {}))
            assert len(page["HumanLoopSummaries"]) <= (size or 10)
            listed += [summary["HumanLoopName"] for summary in page["HumanLoopSummaries"]]
            token = page["NextToken"]
            if token is None:
                break
        expected = sorted(expected, key=lambda loop: (loop.created, loop.name), reverse=order == "Descending")
        assert listed == [loop.name for loop in expected]

    run(scenario())


def test_loop_deleted_between_pages_leaves_no_gap():
    async def scenario() -> None:
        world = World()
        loops = [world.start(f"loop-{number}") for number in range(4)]
        first = world.service.list_human_loops(TENANT, {"FlowDefinitionArn": ARN, "MaxResults": 2})
        await world.service.fail(loops[1], "InternalError", None)
        world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop-1"})
        rest = world.service.list_human_loops(
            TENANT, {"FlowDefinitionArn": ARN, "NextToken": first["NextToken"]}
        )
        assert [summary["HumanLoopName"] for summary in rest["HumanLoopSummaries"]] == ["loop-2", "loop-3"]

    run(scenario())


@given(token=st.text(max_size=30))
def test_list_refuses_invalid_token(token):
    service = World().service
    with raises("ValidationException"):
        service.list_human_loops(TENANT, {"FlowDefinitionArn": ARN, "NextToken": token})


def test_list_refuses_unknown_flow_definition():
    with raises("ResourceNotFoundException"):
        World().service.list_human_loops(TENANT, {"FlowDefinitionArn": ARN + "s"})
