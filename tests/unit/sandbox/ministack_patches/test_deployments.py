"""Versions and aliases of state machines in CloudFormation."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.ministack_patches import alarms, cloudformation, deployments, status_changes, versions
from tests.unit.sandbox.ministack_patches.test_cloudformation import Stacks, resource

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
ROLE = "arn:aws:iam::000000000000:role/r"
KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
CANARY = {"Type": "CANARY", "Percentage": 10, "Interval": 2}


@pytest.fixture
def stacks(ministack: None, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    versions.correct()
    deployments.correct()
    cloudformation.correct()
    alarms.correct()
    status_changes.correct()
    monkeypatch.setattr(deployments, "MINUTE_SECONDS", 0.01)
    monkeypatch.setattr(deployments, "_PAUSE_SECONDS", 0.005)
    return Stacks()


def template(text: str = "one", preference: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    definition = {"StartAt": text, "States": {text: {"Type": "Succeed"}}}
    return {
        "Machine": resource(
            "AWS::StepFunctions::StateMachine",
            {"StateMachineName": "m", "RoleArn": ROLE, "DefinitionString": json.dumps(definition)},
        ),
        "Version": resource(
            deployments.VERSION,
            {
                "StateMachineArn": {"Ref": "Machine"},
                "StateMachineRevisionId": {"Fn::GetAtt": ["Machine", "StateMachineRevisionId"]},
            },
            **KEPT,
        ),
        "Alias": resource(
            deployments.ALIAS,
            {
                "Name": "live",
                "DeploymentPreference": {
                    "StateMachineVersionArn": {"Ref": "Version"},
                    **(preference or {"Type": "ALL_AT_ONCE"}),
                },
            },
            **KEPT,
        ),
        **more,
    }


def call(operation: str, **request: Any) -> Any:
    from ministack.services import stepfunctions

    status, _, body = getattr(stepfunctions, operation)(request)
    assert status == 200, body
    return json.loads(body)


def weights() -> dict[str, int]:
    """Number of a version → its weight in the alias."""
    described = call("_describe_state_machine_alias", stateMachineAliasArn=f"{MACHINE}:live")
    routes = described["routingConfiguration"]
    return {one["stateMachineVersionArn"].rpartition(":")[2]: one["weight"] for one in routes}


def route(number: int) -> None:
    routing = [{"stateMachineVersionArn": f"{MACHINE}:{number}", "weight": 100}]
    call("_update_state_machine_alias", stateMachineAliasArn=f"{MACHINE}:live", routingConfiguration=routing)


def numbers() -> list[int]:
    listed = call("_list_state_machine_versions", stateMachineArn=MACHINE)["stateMachineVersions"]
    return sorted(int(one["stateMachineVersionArn"].rpartition(":")[2]) for one in listed)


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The weights after each change of the alias by CloudFormation."""
    found: list[dict[str, int]] = []
    change = deployments._route

    def change_and_note(*args: Any) -> None:
        change(*args)
        found.append(weights())

    monkeypatch.setattr(deployments, "_route", change_and_note)
    return found


def during(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Does something instead of the first minute of a shift."""
    wait, done = deployments._wait_a_minute, threading.Event()

    def do_once(stack: str) -> None:
        if not done.is_set():
            done.set()
            do()
        wait(stack)

    monkeypatch.setattr(deployments, "_wait_a_minute", do_once)


def test_first_revision_has_no_id_and_is_published_once(stacks):
    assert stacks.create(template()) == "CREATE_COMPLETE"
    assert "revisionId" not in call("_describe_state_machine", stateMachineArn=MACHINE)
    assert "revisionId" not in call("_describe_state_machine", stateMachineArn=f"{MACHINE}:1")
    again = call("_publish_state_machine_version", stateMachineArn=MACHINE, revisionId="INITIAL")
    assert (again["stateMachineVersionArn"], weights()) == (f"{MACHINE}:1", {"1": 100})


def test_new_revision_is_a_new_version_and_the_old_one_stays(stacks, routed):
    stacks.create(template())
    assert stacks.update(template("two")) == "UPDATE_COMPLETE"
    assert (routed, numbers(), stacks.id_of("Version")) == ([{"2": 100}], [1, 2], f"{MACHINE}:2")


def test_version_of_a_published_revision_is_refused(stacks):
    stacks.create(template())
    more = {"Other": resource(deployments.VERSION, {"StateMachineArn": MACHINE})}
    assert stacks.update(template(**more)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "HandlerErrorCode: AlreadyExists" in stacks.reason()


def test_alias_that_exists_is_refused(stacks):
    stacks.create({"Machine": template()["Machine"], "Version": template()["Version"]})
    routing = [{"stateMachineVersionArn": f"{MACHINE}:1", "weight": 100}]
    call("_create_state_machine_alias", name="live", routingConfiguration=routing)
    assert stacks.update(template()) == "UPDATE_ROLLBACK_COMPLETE"
    assert "StateMachineAliasAlreadyExists" in stacks.reason()


def test_canary_moves_a_part_and_then_the_rest(stacks, routed):
    stacks.create(template())
    assert stacks.update(template("two", CANARY)) == "UPDATE_COMPLETE"
    assert routed == [{"1": 90, "2": 10}, {"2": 100}]


def test_linear_moves_the_same_part_each_time(stacks, routed):
    stacks.create(template())
    stacks.update(template("two", {"Type": "LINEAR", "Percentage": 33, "Interval": 1}))
    assert routed == [{"1": 67, "2": 33}, {"1": 34, "2": 66}, {"1": 1, "2": 99}, {"2": 100}]


def test_shift_begins_with_the_version_of_the_stack_not_of_the_alias(stacks, routed):
    stacks.create(template())
    stacks.update(template("two"))
    route(1)
    stacks.update(template("three", CANARY))
    assert routed[1:] == [{"2": 90, "3": 10}, {"3": 100}]


def test_shift_to_the_same_version_is_no_shift(stacks, routed):
    stacks.create(template())
    assert stacks.update(template("one", CANARY)) == "UPDATE_COMPLETE"
    assert routed == [{"1": 100}]


def test_alarm_ends_the_shift_and_the_stack_is_rolled_back(stacks, routed, monkeypatch):
    from ministack.services import cloudwatch

    stacks.create(template())
    alarm = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Threshold": 1, "EvaluationPeriods": 1}
    alarm["ComparisonOperator"] = "GreaterThanOrEqualToThreshold"
    cloudwatch._put_metric_alarm({}, {"AlarmName": "a", **alarm}, False, True)
    during(monkeypatch, lambda: cloudwatch.record_metric("n", "m", 1.0))
    assert stacks.update(template("two", {**CANARY, "Alarms": ["a", "b"]})) == "UPDATE_ROLLBACK_COMPLETE"
    assert "The following CloudWatch alarms are in an 'ALARM' state: [a]." in stacks.reason()
    assert routed == [{"1": 90, "2": 10}, {"1": 100}, {"1": 100}]
    assert stacks.id_of("Version") == f"{MACHINE}:1"


def test_alarm_that_does_not_exist_ends_no_shift(stacks):
    stacks.create(template())
    assert stacks.update(template("two", {**CANARY, "Alarms": ["none"]})) == "UPDATE_COMPLETE"


def test_alias_that_somebody_moves_ends_the_shift(stacks, monkeypatch):
    stacks.create(template())
    during(monkeypatch, lambda: route(2))
    assert stacks.update(template("two", CANARY)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "drift detected" in stacks.reason()
    assert weights() == {"1": 100}


def test_rollback_for_another_reason_moves_all_at_once(stacks, routed):
    stacks.create(template())
    broken = resource("AWS::SQS::Queue", {"MessageRetentionPeriod": 1}, DependsOn="Alias")
    assert stacks.update(template("two", CANARY, Queue=broken)) == "UPDATE_ROLLBACK_COMPLETE"
    assert routed == [{"1": 90, "2": 10}, {"2": 100}, {"1": 100}]


def test_cancelled_update_ends_the_shift(stacks, routed, monkeypatch):
    from ministack.services.cloudformation import handlers

    stacks.create(template())
    during(monkeypatch, lambda: handlers._cancel_update_stack({"StackName": "stack"}))
    assert stacks.update(template("two", CANARY)) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.reason() == "Resource update cancelled"
    assert routed == [{"1": 90, "2": 10}, {"1": 100}]


@pytest.mark.parametrize(
    ("preference", "problem"),
    [
        ({"Type": "CANARY", "Percentage": 10}, "require an interval for traffic shifting"),
        ({"Type": "LINEAR"}, "require an interval and percentage"),
        ({"Type": "LINEAR", "Percentage": 1, "Interval": 30}, "estimated to take 3000 minutes"),
    ],
)
def test_invalid_preference_is_refused(stacks, preference, problem):
    stacks.create(template())
    assert stacks.update(template("two", preference)) == "UPDATE_ROLLBACK_COMPLETE"
    assert problem in stacks.reason()


def test_version_of_an_alias_is_not_deleted(stacks):
    stacks.create(template())
    machine = template()
    assert stacks.update({"Machine": machine["Machine"]}) == "UPDATE_COMPLETE"
    with pytest.raises(ValueError, match="cannot be deleted while referenced"):
        deployments._delete_version(f"{MACHINE}:1", {})
    deployments._delete_alias(f"{MACHINE}:live", {})
    deployments._delete_version(f"{MACHINE}:1", {})
    assert numbers() == []


def imported(identifiers: dict[str, str], resources: dict[str, Any]) -> dict[str, Any]:
    """The change set that imports a version and an alias; it is executed if it can be."""
    from ministack.services.cloudformation import _change_sets, changesets

    request: dict[str, Any] = {
        "StackName": "stack",
        "ChangeSetName": "import",
        "ChangeSetType": "IMPORT",
        "TemplateBody": json.dumps({"Resources": resources}),
    }
    for number, (name, arn) in enumerate(identifiers.items(), 1):
        prefix = f"ResourcesToImport.member.{number}"
        request[f"{prefix}.LogicalResourceId"] = name
        request[f"{prefix}.ResourceType"] = resources[name]["Type"]
        request[f"{prefix}.ResourceIdentifier.entry.1.key"] = "Arn"
        request[f"{prefix}.ResourceIdentifier.entry.1.value"] = arn

    async def operate() -> None:
        status, _, body = changesets._create_change_set(request)
        assert status == 200, body
        changesets._execute_change_set({"StackName": "stack", "ChangeSetName": "import"})
        while task := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(task)

    asyncio.run(operate())
    (change_set,) = (one for one in _change_sets.values() if one["ChangeSetName"] == "import")
    return dict(change_set)


def test_existing_version_and_alias_are_imported(stacks, routed):
    machine = template()["Machine"]
    stacks.create({"Machine": machine})
    version = call("_publish_state_machine_version", stateMachineArn=MACHINE)["stateMachineVersionArn"]
    routing = [{"stateMachineVersionArn": version, "weight": 100}]
    call("_create_state_machine_alias", name="live", routingConfiguration=routing)
    resources = template()
    resources["Version"]["Properties"] = {"StateMachineArn": MACHINE, "StateMachineRevisionId": "INITIAL"}
    resources["Alias"]["Properties"]["DeploymentPreference"]["StateMachineVersionArn"] = version

    missing = imported({"Version": f"{MACHINE}:9", "Alias": f"{MACHINE}:live"}, resources)
    assert "was not found" in missing["StatusReason"]
    from ministack.services.cloudformation import _change_sets

    _change_sets.clear()
    imported({"Version": version, "Alias": f"{MACHINE}:live"}, resources)

    assert stacks.update(template()) == "UPDATE_COMPLETE"
    assert (routed, numbers()) == ([], [1])
    assert stacks.update(template("two", CANARY)) == "UPDATE_COMPLETE"
    assert routed == [{"1": 90, "2": 10}, {"2": 100}]


def test_change_set_says_what_a_new_revision_replaces(stacks):
    from ministack.services.cloudformation import stacks as engine

    (_, alias, version) = sorted(
        (
            one["ResourceChange"]
            for one in engine._diff_resources(
                {"Resources": template()},
                {"Resources": template("two")},
                template={"Resources": template("two")},
            )
        ),
        key=lambda change: ("Machine", "Alias", "Version").index(change["LogicalResourceId"]),
    )
    assert (version["Replacement"], alias["Replacement"]) == ("Conditional", "False")
