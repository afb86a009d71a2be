"""Stages with what teams ask for: protection by AWS, tags, a boundary, CloudFormation's role, a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.engine.publisher import Publisher, broken
from tests.publish_failures import saw
from workflow.errors import DeploymentError, PublishError
from workflow.publish.destroying import destruction
from workflow.publish.publishing import publish
from workflow.stack.deployment_settings import Vpc


@pytest.fixture
def network(sandbox: Sandbox) -> Vpc:
    """A network of the engine."""
    ec2 = sandbox.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])
    return Vpc(subnets=(subnet["SubnetId"],), security_groups=(groups["SecurityGroups"][0]["GroupId"],))


@pytest.fixture
def service_role(sandbox: Sandbox, unique: str) -> str:
    """A role that CloudFormation can assume."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudformation.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    created = sandbox.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))
    return str(created["Role"]["Arn"])


def physical(publisher: Publisher, resource: str) -> str:
    found = publisher.account.stacks.resources(publisher.stage.stack_name)
    return next(one["name"] for one in found if one["id"] == resource)


def test_settings_of_a_team_reach_stack_roles_and_functions(
    publisher: Publisher, sandbox: Sandbox, network: Vpc, service_role: str
) -> None:
    boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
    settings: dict[str, Any] = {
        "tags": {"team": "ml"},
        "permissions_boundary": boundary,
        "service_role": service_role,
        "vpc": network,
    }
    publisher.publish(publisher.package(**settings))

    assert publisher.stack.service_role == service_role
    role = physical(publisher, "StartLoopRole")
    found = sandbox.client("iam").get_role(RoleName=role)["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    function = sandbox.client("lambda").get_function(FunctionName=physical(publisher, "StartLoop"))
    assert function["Configuration"]["VpcConfig"]["SubnetIds"] == list(network.subnets)
    assert function["Tags"].items() >= {"team": "ml", "afterloop:stage": publisher.stage.name}.items()

    # The next package has other tags, and names no role any more.
    plan = publisher.plan(publisher.package(**settings | {"tags": {"cost": "7"}, "service_role": None}))

    assert [(one.name, one.before, one.after) for one in plan.settings] == [
        ("tags.cost", None, "7"),
        ("tags.team", "ml", None),
    ]
    assert (plan.resources, plan.functions, plan.permissions) == ([], [], [])
    assert any(f"goes on with the role {service_role}" in warning for warning in plan.warnings)


def protect(publisher: Publisher, protected: bool) -> None:
    """Changes the setting, which the next publish reads."""
    publisher.stage = publisher.stage.model_copy(update={"protected": protected})


def protection(publisher: Publisher) -> tuple[bool, str, list[bool]]:
    """Termination protection, the actions that the stack policy denies, and the protection of both tables."""
    stacks, data, outputs = publisher.account.stacks, publisher.account.data, publisher.stack.outputs
    statements = json.loads(stacks.policy(publisher.stage.stack_name) or "{}").get("Statement", [])
    denied = [action for one in statements if one["Effect"] == "Deny" for action in one["Action"]]
    tables = [data.is_protected(outputs[name]) for name in ("LedgerTable", "TokenTable")]
    return publisher.stack.is_protected, " ".join(denied), tables


PROTECTED = (True, "Update:Replace Update:Delete", [True, True])
UNPROTECTED = (False, "", [False, False])


def renamed(resources: dict[str, Any]) -> None:
    """An edit that replaces a topic."""
    resources["EscalationTopic"]["Properties"]["TopicName"] = "another"


def rekeyed(resources: dict[str, Any]) -> None:
    """An edit that replaces a table, which the change set does not say."""
    properties = resources["TokenTable"]["Properties"]
    properties["KeySchema"][0]["AttributeName"] = properties["AttributeDefinitions"][0]["AttributeName"] = "k"


def test_failed_publish_without_rollback_is_rolled_back_by_the_next(publisher: Publisher) -> None:
    def half_broken(resources: dict[str, Any]) -> None:
        broken(resources)
        resources["Extra"] = {"Type": "AWS::SQS::Queue"}
        resources["Broken"]["DependsOn"] = "Extra"

    def fail() -> str:
        """Publishes what fails, and returns the name of the queue that it created before."""
        with pytest.raises(DeploymentError) as error:
            publish(
                publisher.account,
                publisher.stage,
                publisher.package(half_broken),
                confirm=lambda plan: True,
                keeps_failed=True,
            )
        saw("A publish with `--no-rollback` fails", error.value, publisher.plan())
        return physical(publisher, "Extra")

    for before, failed in ((None, "CREATE_FAILED"), ("CREATE_COMPLETE", "UPDATE_FAILED")):
        assert publisher.stack_status == before
        extra = fail()
        assert publisher.stack_status == failed
        assert publisher.account.session.client("sqs").get_queue_attributes(QueueUrl=extra)

        publisher.publish()

        assert "Extra" not in [
            one["id"] for one in publisher.account.stacks.resources(publisher.stage.stack_name)
        ]
        assert publisher.plan().is_empty
    assert publisher.stack_status == "UPDATE_ROLLBACK_COMPLETE"


def test_protection_is_kept_until_a_publish_without_it(publisher: Publisher) -> None:
    protect(publisher, True)
    # A protected table could not be deleted when the first publish is taken back.
    with pytest.raises(DeploymentError, match="the new resources were deleted"):
        publisher.publish(publisher.package(broken))
    assert publisher.stack_status == "ROLLBACK_COMPLETE"
    publisher.publish()
    assert protection(publisher) == PROTECTED

    # What the stage holds stays, whether the change set says that it is replaced or not.
    with pytest.raises(
        PublishError, match="would replace or remove EscalationTopic, with the data: to do that,"
    ):
        publisher.publish(publisher.package(renamed))
    with pytest.raises(
        DeploymentError, match=r"denied by stack policy.* first publish only protected = false"
    ):
        publisher.publish(publisher.package(rekeyed))

    # Somebody switches it off.
    stacks, table = publisher.account.stacks, publisher.stack.outputs["LedgerTable"]
    stacks.protect(publisher.stage.stack_name, on=False)
    publisher.account.data.protect(table, on=False)
    assert publisher.plan().notes == [
        "Termination protection of the stack is off; a publish turns it on.",
        f"Deletion protection of the table {table} is off; a publish turns it on.",
    ]
    publisher.publish()
    assert protection(publisher) == PROTECTED

    protect(publisher, False)
    with pytest.raises(
        PublishError, match="is still protected in the account: publish it with protected = false"
    ):
        destruction(publisher.account, publisher.stage)
    publisher.publish()
    assert [(one.name, one.before, one.after) for one in publisher.plans[-1].settings] == [
        ("DeletionProtection", "true", "false")
    ]
    assert protection(publisher) == UNPROTECTED
    assert publisher.plan().is_empty
    assert destruction(publisher.account, publisher.stage) is not None
