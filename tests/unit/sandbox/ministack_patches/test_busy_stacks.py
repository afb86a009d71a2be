"""Change sets of a stack that another operation changes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sandbox.ministack_patches import busy_stacks


@pytest.fixture(autouse=True)
def _corrected(ministack: None) -> None:
    busy_stacks.correct()


def call(action: str, **parameters: str) -> tuple[int, str]:
    """Calls CloudFormation, waits for the end of what that starts, and returns the status and the answer."""
    from ministack.services import cloudformation as service

    async def calling() -> Any:
        answer = service._ACTION_HANDLERS[action]({"StackName": "stack", **parameters})
        while task := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(task)
        return answer

    status, _, body = asyncio.run(calling())
    return status, body if isinstance(body, str) else body.decode()


def template(seconds: int) -> str:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": seconds}}
    return json.dumps({"Resources": {"Queue": queue}})


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"]
)
def test_change_set_of_a_busy_stack_is_neither_made_nor_executed(status: str) -> None:
    from ministack.services.cloudformation import _stacks

    assert call("CreateStack", TemplateBody=template(60))[0] == 200
    assert call("CreateChangeSet", ChangeSetName="one", TemplateBody=template(90))[0] == 200
    before, _stacks["stack"]["StackStatus"] = _stacks["stack"]["StackStatus"], status

    refused = call("CreateChangeSet", ChangeSetName="two", TemplateBody=template(120))
    assert refused[0] == 400
    assert f"is in {status} state and can not be updated." in refused[1]
    refused = call("ExecuteChangeSet", ChangeSetName="one")
    assert refused[0] == 400
    assert "InvalidChangeSetStatus" in refused[1]

    _stacks["stack"]["StackStatus"] = before
    assert call("ExecuteChangeSet", ChangeSetName="one")[0] == 200
    assert call("ExecuteChangeSet", ChangeSetName="one")[0] == 400


def test_stack_of_a_change_set_that_creates_it_is_not_busy() -> None:
    request = {"ChangeSetName": "one", "ChangeSetType": "CREATE", "TemplateBody": template(60)}
    assert call("CreateChangeSet", **request)[0] == 200
    assert call("ExecuteChangeSet", ChangeSetName="one")[0] == 200
