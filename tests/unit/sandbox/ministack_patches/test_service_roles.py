"""The role that CloudFormation assumes. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sandbox.ministack_patches import service_roles

QUEUE = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
ROLE = "arn:aws:iam::000000000000:role/deploy"


@pytest.fixture
def call(ministack: None) -> Any:
    """Calls an operation of CloudFormation; returns status and body when the stack's operation has ended."""
    service_roles.correct()
    from ministack.services import cloudformation

    def call(action: str, **params: str) -> tuple[int, str]:
        async def act() -> tuple[int, str]:
            request = {key: [value] for key, value in {"StackName": "stack", **params}.items()}
            status, _, body = cloudformation._ACTION_HANDLERS[action](request)
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tasks)
            return status, body.decode() if isinstance(body, bytes) else body

        return asyncio.run(act())

    return call


def trust(service: str | None) -> None:
    """Creates the role, deletes it or changes who can assume it."""
    from ministack.services import iam

    iam._roles.pop("deploy", None)
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    if service:
        request = {"RoleName": ["deploy"], "AssumeRolePolicyDocument": [json.dumps(document)]}
        assert iam._create_role(request)[0] == 200


def test_stack_keeps_its_role(call):
    trust("cloudformation.amazonaws.com")
    assert call("CreateStack", TemplateBody=QUEUE, RoleARN=ROLE)[0] == 200
    more = QUEUE.replace('"Queue"', '"Other"')
    assert call("UpdateStack", TemplateBody=more)[0] == 200
    assert f"<RoleARN>{ROLE}</RoleARN>" in call("DescribeStacks")[1]


def test_change_set_gives_its_role_to_the_stack(call):
    trust("cloudformation.amazonaws.com")
    call("CreateStack", TemplateBody=QUEUE)
    change = {"ChangeSetName": "change", "TemplateBody": QUEUE.replace('"Queue"', '"Other"')}
    assert call("CreateChangeSet", **change, RoleARN=ROLE)[0] == 200
    assert "<RoleARN>" not in call("DescribeStacks")[1]
    assert call("ExecuteChangeSet", ChangeSetName="change")[0] == 200
    assert f"<RoleARN>{ROLE}</RoleARN>" in call("DescribeStacks")[1]


@pytest.mark.parametrize("service", [None, "lambda.amazonaws.com"])
def test_role_that_cannot_be_assumed_is_refused(call, service):
    trust("cloudformation.amazonaws.com")
    assert call("CreateStack", TemplateBody=QUEUE, RoleARN=ROLE)[0] == 200
    trust(service)
    for action in ("UpdateStack", "DeleteStack"):
        status, body = call(action, TemplateBody=QUEUE.replace('"Queue"', '"Other"'))
        assert (status, f"Role {ROLE} is invalid or cannot be assumed" in body) == (400, True)
