"""Publishing without an engine: the parts of it that are data in, data out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions as aws
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import DeploymentError, PublishError, SettingsError
from workflow.publish.account import Event, LiveVersions, Stack
from workflow.publish.availability import not_offered
from workflow.publish.aws_errors import explained
from workflow.publish.following import first_cause, follow
from workflow.publish.history import Record, to_go_back_to
from workflow.publish.initialising import add_stage, buckets_of, written
from workflow.publish.live import make_live
from workflow.publish.outputs import links
from workflow.publish.package import Package
from workflow.publish.publishing import plan_for
from workflow.publish.readback import restored
from workflow.publish.swapping import _filled, _values
from workflow.publish.watching import changes, snapshot
from workflow.stack.assembly import assemble
from workflow.stack.stages import A2I_REGIONS, Shift, Stage, load_stage, load_stages

STAGE = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))


# Following a stack operation


def event(resource: str, status: str, reason: str = "", kind: str = "AWS::Lambda::Function") -> Event:
    number = next(numbers)
    return Event(str(number), datetime.now(UTC) + timedelta(seconds=number), resource, kind, status, reason)


numbers: Iterator[int] = iter(range(1_000_000))


def stack(status: str, reason: str = "") -> Event:
    return replace(event("afterloop-dev", status, reason, "AWS::CloudFormation::Stack"), is_of_stack=True)


class Events:
    """Stands for an account: gives events in batches."""

    def __init__(self, *batches: list[Event]) -> None:
        self.batches = list(batches)

    def events(self, stack_id: str, token: str, seen: set[str]) -> list[Event]:
        return self.batches.pop(0) if self.batches else []


def test_an_operation_is_followed_to_its_end() -> None:
    told: list[Event] = []
    batches = [[stack("UPDATE_IN_PROGRESS"), event("A", "UPDATE_COMPLETE")], [], [stack("UPDATE_COMPLETE")]]

    events = follow(Events(*batches), "arn", "token", told.append)

    assert told == events
    assert [one.status for one in events] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_COMPLETE"]


def test_cleaning_up_is_not_the_end() -> None:
    batches = [
        [stack("UPDATE_IN_PROGRESS"), stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")],
        [event("A", "DELETE_COMPLETE"), stack("UPDATE_COMPLETE")],
    ]
    assert len(follow(Events(*batches), "arn", "token", lambda _: None)) == 4


def test_a_failure_shows_the_first_cause_not_the_last() -> None:
    batch = [
        stack("UPDATE_IN_PROGRESS", "User Initiated"),
        event("A", "UPDATE_IN_PROGRESS"),
        event("B", "UPDATE_FAILED", "Resource update cancelled"),
        event("A", "UPDATE_FAILED", "The memory is\nnot enough"),
        event("C", "CREATE_FAILED", "Something else"),
        stack("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [B, A, C]."),
        stack("UPDATE_ROLLBACK_COMPLETE"),
    ]

    with pytest.raises(DeploymentError) as error:
        follow(Events(batch), "arn", "token", lambda _: None)

    assert (
        str(error.value)
        == "A (AWS::Lambda::Function): The memory is not enough; the stack is as it was before"
    )
    assert (error.value.resource, error.value.status) == ("A", "UPDATE_ROLLBACK_COMPLETE")


def test_a_failure_of_the_stack_alone_is_its_own_cause() -> None:
    batch = [
        stack("CREATE_IN_PROGRESS"),
        stack("ROLLBACK_IN_PROGRESS", "x"),
        stack("ROLLBACK_FAILED", "No permission"),
    ]
    with pytest.raises(DeploymentError, match="No permission; the stack is left in ROLLBACK_FAILED"):
        follow(Events(batch), "arn", "token", lambda _: None)


@given(st.permutations(["cancelled", "real", "later"]))
def test_whatever_the_order_what_was_cancelled_is_no_cause(order: list[str]) -> None:
    reasons = {"cancelled": "Resource creation cancelled", "real": "Broken", "later": "Broken too"}
    events = [event(name, "CREATE_FAILED", reasons[name]) for name in order]
    cause = first_cause(events)
    assert cause is not None
    assert cause.resource == next(name for name in order if name != "cancelled")


# Versions


class Machine:
    """Stands for an account: keeps versions and the alias of one state machine."""

    def __init__(
        self, weights: dict[str, int] | None, version: str, failed: dict[str, list[str]] | None = None
    ) -> None:
        self.weights, self.version, self.failed = weights, version, failed or {}
        self.routes: list[dict[str, int]] = []

    def publish_version(self, machine: str, description: str) -> str:
        return self.version

    def live(self, machine: str, alias: str) -> LiveVersions | None:
        return LiveVersions(f"{machine}:{alias}", self.weights) if self.weights else None

    def route(self, machine: str, alias: str, weights: dict[str, int], *, create: bool) -> None:
        assert create == (self.weights is None)
        self.routes.append(weights)

    def executions(self, machine: str, status: str, since: datetime | None = None) -> list[str]:
        return self.failed.get(machine, [])

    def versions(self, machine: str) -> list[str]:
        return []


def test_the_first_publish_makes_the_alias() -> None:
    account = Machine(None, "m:1")
    assert make_live(account, "m", "first").before is None
    assert account.routes == [{"m:1": 100}]


def test_a_publish_without_a_new_revision_leaves_the_alias_alone() -> None:
    account = Machine({"m:1": 100}, "m:1")
    assert make_live(account, "m", "again").version == "m:1"
    assert account.routes == []


def test_a_new_version_gets_all_new_executions_at_once() -> None:
    account = Machine({"m:1": 100}, "m:2")
    live = make_live(account, "m", "next")
    assert (live.version, live.before) == ("m:2", "m:1")
    assert account.routes == [{"m:2": 100}]


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += timedelta(seconds=seconds)


def test_a_shift_gives_a_part_first_and_the_rest_after_its_minutes() -> None:
    account, clock, told = Machine({"m:1": 100}, "m:2"), Clock(), []
    shift = Shift(first_percent=20, minutes=3)

    make_live(account, "m", "next", shift=shift, tell=told.append, clock=clock, sleep=clock.sleep)

    assert account.routes == [{"m:2": 20, "m:1": 80}, {"m:2": 100}]
    assert clock.now == datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
    assert told[0] == "Version 2 gets 20 % of new executions; all of them in 3 min"


def test_a_shift_goes_back_when_only_the_new_version_fails() -> None:
    account, clock = Machine({"m:1": 100}, "m:2", {"m:2": ["e2", "e1"]}), Clock()
    with pytest.raises(
        PublishError, match=r"2 executions failed on version 2 and none on version 1.* the first: e1"
    ):
        make_live(account, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert account.routes == [{"m:2": 10, "m:1": 90}, {"m:1": 100}]


def test_a_shift_goes_on_when_both_versions_fail() -> None:
    account, clock = Machine({"m:1": 100}, "m:2", {"m:2": ["b"], "m:1": ["a"]}), Clock()
    make_live(account, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert account.routes[-1] == {"m:2": 100}


def test_a_shift_that_was_interrupted_is_taken_up() -> None:
    account, clock = Machine({"m:1": 90, "m:2": 10}, "m:2"), Clock()
    make_live(account, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert account.routes == [{"m:2": 10, "m:1": 90}, {"m:2": 100}]


# Going back


def publishes(*restores: int | None) -> list[Record]:
    return [
        Record(
            number=number,
            at=datetime.now(UTC),
            by="me",
            template_key="t",
            parameters={},
            version=f"m:{number}",
            restores=restored,
        )
        for number, restored in enumerate(restores, 1)
    ]


@pytest.mark.parametrize(
    ("restores", "back_to"),
    [((None, None), 1), ((None, None, None), 2), ((None, None, None, 2), 1), ((None, None, 1, None), 2)],
)
def test_a_rollback_goes_to_the_publish_before_the_one_that_is_there(
    restores: tuple[Any, ...], back_to: int
) -> None:
    assert to_go_back_to(publishes(*restores)).number == back_to


@pytest.mark.parametrize(
    ("restores", "told"),
    [
        ((), "nothing was published to this stage yet"),
        ((None,), "publish 1 is the first"),
        ((None, None, 1), "publish 1 is the first"),
    ],
)
def test_what_cannot_be_gone_back_to_is_told(restores: tuple[Any, ...], told: str) -> None:
    with pytest.raises(PublishError, match=told):
        to_go_back_to(publishes(*restores))


def test_a_rollback_goes_to_a_publish_by_number() -> None:
    assert to_go_back_to(publishes(None, None, None), to=1).number == 1
    with pytest.raises(PublishError, match="there is no publish 3 to go back to; there are 1, 2"):
        to_go_back_to(publishes(None, None, 1), to=3)


# Errors of AWS


def refused(code: str, message: str = "No.") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (aws.NoCredentialsError(), "no AWS credentials were found.*run `python deploy.py local`"),
        (aws.PartialCredentialsError(provider="env", cred_var="x"), "no AWS credentials were found"),
        (aws.ProfileNotFound(profile="prod"), r"\(prod\) could not be found; `aws configure list-profiles`"),
        (aws.NoRegionError(), "no Region: give --region"),
        (aws.EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached"),
        (aws.TokenRetrievalError(provider="sso", error_msg="gone"), "log in again"),
        (refused("ExpiredToken"), "the AWS session has expired: log in again"),
        (refused("InvalidClientTokenId"), "AWS does not know these credentials"),
        (
            refused("AccessDenied", "User x\n is not authorized"),
            "DescribeStacks is not permitted: User x is not authorized",
        ),
    ],
)
def test_an_error_that_a_person_can_cause_is_one_line(error: Exception, told: str) -> None:
    known = explained(error)
    assert known is not None
    assert known.__class__.__name__ == "AccountError"
    with pytest.raises(type(known), match=told):
        raise known
    assert "\n" not in str(known)


@pytest.mark.parametrize(
    "error", [refused("InternalFailure"), KeyError("x"), aws.ParamValidationError(report="x")]
)
def test_a_bug_is_not_explained_away(error: Exception) -> None:
    assert explained(error) is None


# Settings from answers


def test_a_stage_is_written_as_it_is_read(tmp_path: Path) -> None:
    stage = Stage(
        name="prod",
        region="eu-west-1",
        output_buckets=("a-bucket", "b-bucket"),
        escalation_emails=("a@example.com",),
        protected=True,
        predictions={"forms": 'a."b c"'},
        restart={"max_attempts": 5, "back_off": {"first_seconds": 1, "jitter": 0.25}},
    )
    path = tmp_path / "stages.toml"

    add_stage(path, STAGE)
    add_stage(path, stage)

    assert load_stages(path) == {"dev": STAGE, "prod": stage}
    assert path.read_text().startswith("# The stages of this workflow")


def test_a_stage_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    add_stage(path, STAGE)
    with pytest.raises(SettingsError, match="there is a stage dev already"):
        add_stage(path, STAGE)


def test_a_person_s_own_words_in_the_settings_stay(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(f"# mine\n{written(STAGE)}")
    add_stage(path, STAGE.model_copy(update={"name": "test"}))
    assert path.read_text().startswith("# mine\n[stages.dev]\n")
    assert load_stage(path, "test").region == "us-east-1"


def test_buckets_are_those_that_flow_definitions_write_to() -> None:
    flows = [{"output": "s3://a/x"}, {"output": "s3://b"}, {"output": "s3://a/y/z"}, {"output": "nonsense"}]
    assert buckets_of(flows) == ["a", "b"]


# Revisions of functions


def versioned(revision: str) -> Package:
    version = {
        "Type": "AWS::Lambda::Version",
        "Properties": {
            "FunctionName": {"Ref": "Collect"},
            "Description": {"Fn::Join": [" ", [{"Ref": "CollectRevision"}]]},
        },
    }
    template = {"Resources": {"CollectVersion": version}}
    return Package(json.dumps(template), {"CollectRevision": revision, "Other": "x"}, {})


def test_a_revision_is_new_each_time_that_the_function_is_not_as_deployed() -> None:
    """Lambda makes no version of a function that is as it was when an earlier one was made."""
    first = versioned("aaaa").stamped({}).parameters["CollectRevision"]
    again = versioned("aaaa").stamped({"CollectRevision": first}).parameters
    changed = versioned("bbbb").stamped({"CollectRevision": first}).parameters["CollectRevision"]
    back = versioned(first).stamped({"CollectRevision": changed}).parameters["CollectRevision"]

    assert again == {"CollectRevision": first, "Other": "x"}
    assert len({first, changed, back}) == 3
    assert [one.partition("-")[0] for one in (first, changed, back)] == ["aaaa", "bbbb", "aaaa"]


# The hot swap


def test_what_placeholders_stand_for_is_read_from_the_text_filled_in() -> None:
    text = '{"a": "${A}", "b": "${B}/${A}", "c": "[not a (regex"}'
    values = _values(text, '{"a": "arn:x", "b": "y/arn:x", "c": "[not a (regex"}')
    assert values == {"A": "arn:x", "B": "y"}
    assert _filled(text, values) == '{"a": "arn:x", "b": "y/arn:x", "c": "[not a (regex"}'


def test_a_definition_that_other_hands_changed_is_not_swapped() -> None:
    with pytest.raises(PublishError, match="the definition is not as it was published"):
        _values('{"a": "${A}"}', '{"b": "x"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)
words = st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True)


@given(
    st.dictionaries(words, st.text(st.characters(exclude_characters='"$'), max_size=9), max_size=5),
    st.lists(words),
)
def test_placeholders_and_values_are_each_other_s_inverse(values: dict[str, str], more: list[str]) -> None:
    text = "|".join(
        f'"{word}" "${{{name}}}"' for word, name in zip([*more, *values], [*values, *values], strict=False)
    )
    filled = _filled(text, values)
    assert _filled(text, _values(text, filled)) == filled


# Watching


def test_a_change_is_seen_once_it_is_quiet(tmp_path: Path) -> None:
    settings = tmp_path / "stages.toml"
    settings.write_text("")
    (tmp_path / "workflow").mkdir()
    file = tmp_path / "workflow/machine.py"
    file.write_text("1")
    naps = iter(["", "22", "333", "", "", "4444"])

    def nap(_: float) -> None:
        if text := next(naps, ""):
            file.write_text(text)

    seen = changes(tmp_path, settings, snapshot(tmp_path, settings), nap)

    assert next(seen) == [file]
    assert file.read_text() == "333"
    assert next(seen) == [file]


# Where to look


class Place:
    region = "eu-west-1"

    def __init__(self, is_aws: bool) -> None:
        self.is_aws = is_aws


def test_a_stage_on_aws_comes_with_links_into_the_console() -> None:
    machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:afterloop-dev"
    found = links(Place(is_aws=True), {"StateMachine": machine, "Rule": "r"})
    assert found == {
        "StateMachine": "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1"
        f"#/statemachines/view/{machine}"
    }
    assert links(Place(is_aws=False), {"StateMachine": machine}) == {}


# Regions


def test_a_service_that_the_region_lacks_is_told_before() -> None:
    inner = {
        "States": {
            "Deep": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:bedrockruntime:invokeModel"}
        }
    }
    definition = {
        "States": {
            "Train": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"},
            "Ask": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:bedrockruntime:invokeModel"},
            "Start": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution"},
            "Odd": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:unheardof:do"},
            "All": {"Type": "Map", "ItemProcessor": inner},
            "End": {"Type": "Pass"},
        }
    }
    regions = {"bedrock-runtime": ["us-east-1"], "sagemaker": ["us-east-1", "eu-west-2"], "stepfunctions": []}

    told = not_offered(definition, "eu-west-2", services=regions, regions_of=lambda service: regions[service])

    assert told == ["AWS is not known to offer bedrock-runtime in eu-west-2: Ask, Deep would fail there"]


def test_what_the_workflow_itself_calls_is_offered_wherever_a2i_is() -> None:
    session = boto3.Session()
    for region in A2I_REGIONS:
        found = not_offered(
            assemble().definition,
            region,
            services=session.get_available_services(),
            regions_of=session.get_available_regions,
        )
        assert found == []


# Characters beyond ASCII


@given(json_values)
def test_what_cloudformation_loses_is_restored(template: Any) -> None:
    returned = json.loads(re.sub(r"[^\x00-\x7f]", "?", json.dumps(template, ensure_ascii=False)))
    assert restored(returned, template) == template


def test_what_changed_is_not_taken_for_what_is_lost() -> None:
    returned = {"a": "M?nchen", "b": ["x?"], "c": "gone", "d": ["1", "2"]}
    sent = {"a": "München!", "b": ["xä"], "d": ["1"]}
    assert restored(returned, sent) == {"a": "M?nchen", "b": ["xä"], "c": "gone", "d": ["1", "2"]}


# States that a stack can be found in


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("UPDATE_IN_PROGRESS", "another publish is under way"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "another publish is under way"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name afterloop-dev"),
        (
            "DELETE_FAILED",
            r"DELETE_FAILED \(no reason given\): finish its deletion with `python deploy.py destroy`",
        ),
        ("ROLLBACK_FAILED", "delete it with `python deploy.py destroy`"),
    ],
)
def test_a_stack_that_a_person_must_put_right_is_told_with_how(found: str, told: str) -> None:
    class Account:
        def stack(self, name: str) -> Stack:
            return Stack(name, "arn", found)

    with pytest.raises(PublishError, match=told):
        plan_for(Account(), STAGE, Package("{}", {}, {}))  # type: ignore[arg-type]
