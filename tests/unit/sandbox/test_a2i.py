"""The human-loop service by itself: names, statuses, endings, lists. What it does to S3 and events is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.a2i import HumanLoop, HumanLoopService, Tenant
from sandbox.errors import SandboxError
from sandbox.protocol import ServiceError
from sandbox.samples import MODERATION, TEXTRACT

TENANT = Tenant("111122223333", "us-east-1")
OTHER_REGION = Tenant("111122223333", "eu-west-1")
START = datetime(2026, 3, 1, 9, 5, 7, 123456, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow"


class Recorder:
    """Keeps what the service does to the rest of AWS."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.missing_bucket = False

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        await asyncio.sleep(0)  # as the real one, it lets others run
        if self.missing_bucket:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        self.objects[f"s3://{bucket}/{key}"] = body

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.events.append(json.loads(json.dumps(event)))


class World:
    """A service with one flow definition, and a clock that goes on a second at each look."""

    def __init__(self, task_count: int = 1, lifetime_scale: float = 1.0, source: str | None = None) -> None:
        self.seconds = -1
        self.effects = Recorder()
        self.service = HumanLoopService(self.effects, lifetime_scale=lifetime_scale, now=self.now)
        self.flow("flow", task_count, source)

    def now(self) -> datetime:
        self.seconds += 1
        return START + timedelta(seconds=self.seconds)

    def flow(self, name: str, task_count: int = 1, source: str | None = None, **more: Any) -> None:
        request = {
            "FlowDefinitionName": name,
            "RoleArn": "arn:aws:iam::111122223333:role/a2i",
            "OutputConfig": {"S3OutputPath": "s3://output/prefix/"},
            "HumanLoopConfig": {"TaskCount": task_count, "TaskAvailabilityLifetimeInSeconds": 60},
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


def test_the_last_of_the_answers_completes_the_loop_writes_the_output_and_tells_it():
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


def test_the_output_of_a_built_in_task_names_its_source_and_keeps_what_the_service_said():
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
def test_a_failed_loop_has_code_and_reason_and_no_output(code, reason):
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


def test_a_loop_expires_by_itself_when_its_lifetime_is_over():
    async def scenario() -> None:
        world = World(lifetime_scale=0.0005)  # of 60 s: 30 ms
        loop = world.start()
        await world.settled(lambda: bool(world.effects.events))
        assert (loop.status, loop.failure_code) == ("Failed", "Expired")
        assert loop.failure_reason

    run(scenario())


def test_a_loop_that_has_ended_does_not_expire():
    async def scenario() -> None:
        world = World(lifetime_scale=0.0005)
        loop = world.start()
        await world.service.answer(loop, {}, None, 1)
        other = world.start("other")
        await world.settled(lambda: len(world.effects.events) == 2)
        assert (loop.status, other.status) == ("Completed", "Failed")

    run(scenario())


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_stopped_loop_keeps_the_answers_that_were_given(answers):
    async def scenario() -> None:
        world = World(task_count=3)
        loop = world.start()
        for _ in range(answers):
            await world.service.answer(loop, {"a": 1}, None, 1)
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        assert loop.status == "Stopping"
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})  # again: nothing more
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


def test_a_loop_whose_last_answer_is_being_stored_completes_whatever_else_comes():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        answering = asyncio.create_task(world.service.answer(loop, {}, None, 1))
        await asyncio.sleep(0)  # the output is on its way now
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        with pytest.raises(SandboxError, match="has all its answers"):
            await world.service.fail(loop, "InternalError", None)
        await answering
        assert [event["Detail"]["humanLoopStatus"] for event in world.effects.events] == ["Completed"]

    run(scenario())


def test_an_output_that_cannot_be_stored_is_told_and_the_loop_goes_on():
    async def scenario() -> None:
        world = World()
        loop = world.start()
        world.effects.missing_bucket = True
        with pytest.raises(SandboxError, match=r"s3://output/prefix/.* cannot be written: NoSuchBucket"):
            await world.service.answer(loop, {}, None, 1)
        assert (loop.status, loop.answers, world.effects.events) == ("InProgress", [], [])
        world.effects.missing_bucket = False
        await world.service.answer(loop, {}, None, 1)
        assert loop.status == "Completed"

    run(scenario())


def test_a_stopped_loop_whose_output_cannot_be_stored_fails():
    async def scenario() -> None:
        world = World(task_count=2)
        loop = world.start()
        await world.service.answer(loop, {}, None, 1)
        world.effects.missing_bucket = True
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "loop"})
        await world.settled(lambda: bool(world.effects.events))
        assert (loop.status, loop.failure_code) == ("Failed", "InternalError")

    run(scenario())


def test_a_worker_answers_a_loop_once():
    async def scenario() -> None:
        world = World(task_count=2)
        loop = world.start()
        await world.service.answer(loop, {}, "A1", 1)
        with pytest.raises(SandboxError, match="A1 has answered loop already"):
            await world.service.answer(loop, {}, "A1", 1)
        await world.service.answer(loop, {}, "A2", 1)
        with pytest.raises(SandboxError, match="loop is Completed"):
            await world.service.answer(loop, {}, "A3", 1)

    run(scenario())


def test_the_same_request_again_is_the_same_loop_and_another_one_a_conflict():
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
        assert world.start() is loop  # an ended loop holds its name
        with raises("ConflictException"):
            world.start(content='{"n": 2}')
        world.service.delete_human_loop(TENANT, {"HumanLoopName": "loop"})
        assert world.start(content='{"n": 2}').status == "InProgress"

    run(scenario())


def test_accounts_and_regions_are_kept_apart():
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


def test_only_a_loop_that_has_ended_can_be_deleted():
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
def test_input_that_is_no_json_object_is_refused(content):
    async def scenario() -> None:
        with raises("ValidationException"):
            World().start(content=content)

    run(scenario())


def test_a_flow_definition_of_a_built_in_task_takes_no_loop_of_a_custom_one():
    async def scenario() -> None:
        with raises("ValidationException"):
            World(source=TEXTRACT).start()

    run(scenario())


def test_a_flow_definition_in_use_stays_and_its_name_is_its_own():
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
def test_a_flow_definition_that_cannot_work_is_refused(more, problem):
    with pytest.raises(ServiceError, match=problem):
        World().flow("wrong", **more)


def test_lost_events_are_not_sent_and_the_loop_has_ended_all_the_same():
    async def scenario() -> None:
        world = World()
        world.service.lose_events(1)
        first, second = world.start("first"), world.start("second")
        await world.service.answer(first, {}, None, 1)
        await world.service.answer(second, {}, None, 1)
        assert (first.status, second.status) == ("Completed", "Completed")
        assert [event["Detail"]["humanLoopName"] for event in world.effects.events] == ["second"]

    run(scenario())


def test_a_refusal_is_for_so_many_calls_of_one_operation():
    service = World().service
    service.refuse("StartHumanLoop", ServiceError("ThrottlingException", "slow down"), times=2)
    service.check_refusal("DescribeHumanLoop")
    for _ in range(2):
        with raises("ThrottlingException"):
            service.check_refusal("StartHumanLoop")
    service.check_refusal("StartHumanLoop")


def test_a_reset_forgets_everything_and_nothing_that_was_waiting_happens():
    async def scenario() -> None:
        world = World(task_count=2)
        waiting, stopping = world.start("waiting"), world.start("stopping")
        await world.service.stop_human_loop(TENANT, {"HumanLoopName": "stopping"})
        world.service.reset()
        assert world.service.loops() == []
        await world.settled(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert waiting.expiry is not None
        assert waiting.expiry.cancelled()
        assert (stopping.status, world.effects.events) == ("Stopping", [])

    run(scenario())


@given(text=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
@settings(max_examples=40)
def test_whatever_people_and_callers_write_comes_out_as_json(text):
    async def scenario() -> None:
        world = World()
        loop = world.start(content=json.dumps(text))
        await world.service.answer(loop, text, None, 1)
        output = world.output(loop)
        assert output["inputContent"] == text
        assert output["humanAnswers"][0]["answerContent"] == text

    run(scenario())


def test_half_a_surrogate_pair_is_still_json():
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
@settings(max_examples=60)
def test_pages_together_are_the_list(count, size, order, after, before, same_time):
    async def scenario() -> None:
        world = World()
        if same_time:  # names must then keep the order
            world.service._now = lambda: START + timedelta(seconds=5)
        loops = [world.start(f"loop-{number}") for number in range(count)]
        request: dict[str, Any] = {"FlowDefinitionArn": ARN}
        request |= {"MaxResults": size} if size else {}
        request |= {"SortOrder": order} if order else {}
        wanted = loops
        if after is not None:
            request["CreationTimeAfter"] = START + timedelta(seconds=after)
            wanted = [loop for loop in wanted if loop.created >= request["CreationTimeAfter"]]
        if before is not None:
            request["CreationTimeBefore"] = START + timedelta(seconds=before)
            wanted = [loop for loop in wanted if loop.created < request["CreationTimeBefore"]]
        listed, token = [], None
        while True:
            page = world.service.list_human_loops(TENANT, request | ({"NextToken": token} if token else {}))
            assert len(page["HumanLoopSummaries"]) <= (size or 10)
            listed += [summary["HumanLoopName"] for summary in page["HumanLoopSummaries"]]
            token = page["NextToken"]
            if token is None:
                break
        wanted = sorted(wanted, key=lambda loop: (loop.created, loop.name), reverse=order == "Descending")
        assert listed == [loop.name for loop in wanted]

    run(scenario())


def test_a_loop_that_is_deleted_between_two_pages_leaves_no_gap():
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
def test_a_token_of_ones_own_making_is_refused(token):
    service = World().service
    with raises("ValidationException"):
        service.list_human_loops(TENANT, {"FlowDefinitionArn": ARN, "NextToken": token})


def test_the_loops_of_an_unknown_flow_definition_are_not_found():
    with raises("ResourceNotFoundException"):
        World().service.list_human_loops(TENANT, {"FlowDefinitionArn": ARN + "s"})
