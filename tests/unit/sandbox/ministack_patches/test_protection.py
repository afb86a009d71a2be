"""Stack policies, and the deletion protection of tables. Each test fails without the correction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ministack_patches import protection
from tests.unit.sandbox.ministack_patches.test_cloudformation import Stacks, resource, table

ALL = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
TABLES = {
    "Effect": "Deny",
    "Action": ["Update:Replace", "Update:Delete"],
    "Principal": "*",
    "Resource": "*",
    "Condition": {"StringEquals": {"ResourceType": ["AWS::DynamoDB::Table"]}},
}
BY_NAME = {**ALL, "Effect": "Deny", "Action": "Update:Modify", "Resource": "LogicalResourceId/Queue"}
OTHERS = {
    "Effect": "Allow",
    "NotAction": "Update:Delete",
    "Principal": "*",
    "NotResource": "LogicalResourceId/T*",
}
QUEUE = resource("AWS::SQS::Queue", {"VisibilityTimeout": 10})


@pytest.fixture
def stacks(ministack: None) -> Stacks:
    protection.correct()
    return Stacks()


def set_policy(*statements: dict[str, Any]) -> None:
    from ministack.services.cloudformation import handlers

    request = {"StackName": ["stack"], "StackPolicyBody": [json.dumps({"Statement": statements})]}
    assert handlers._set_stack_policy(request)[0] == 200


@pytest.mark.parametrize(
    ("statements", "resources", "denied"),
    [
        ([ALL, TABLES], {"Queue": QUEUE, "Table": table()}, ""),
        ([ALL, TABLES], {"Queue": QUEUE, "Table": table(indexes=("one",))}, ""),
        (
            [ALL, TABLES],
            {"Queue": QUEUE, "Table": table(key="other")},
            "[#2] does not allow [Update:Replace]",
        ),
        ([ALL, TABLES], {"Queue": QUEUE}, "[#2] does not allow [Update:Delete]"),
        ([ALL, TABLES], {"Table": table()}, ""),
        ([ALL, BY_NAME], {"Queue": QUEUE, "Table": table()}, "[#2] does not allow [Update:Modify]"),
        ([OTHERS], {"Queue": QUEUE, "Table": table()}, ""),
        ([OTHERS], {"Table": table()}, "not allowed by stack policy: [Update:Delete]"),
        ([OTHERS], {"Queue": QUEUE, "Table": table(indexes=("one",))}, "not allowed by stack policy"),
    ],
)
def test_update_does_what_the_stack_policy_allows(stacks, statements, resources, denied):
    stacks.create({"Queue": resource("AWS::SQS::Queue"), "Table": table()})
    before = stacks.id_of("Queue"), stacks.id_of("Table")
    set_policy(*statements)
    assert stacks.update(resources) == ("UPDATE_ROLLBACK_COMPLETE" if denied else "UPDATE_COMPLETE")
    assert denied in stacks.reason()
    if denied:
        assert (stacks.id_of("Queue"), stacks.id_of("Table")) == before


def test_stack_policy_allows_the_deletion_of_the_stack(stacks):
    stacks.create({"Table": table()})
    set_policy(ALL, TABLES)
    assert stacks.delete() == "DELETE_COMPLETE"


def test_protected_table_is_not_deleted_with_its_stack(stacks):
    protected = table()
    protected["Properties"]["DeletionProtectionEnabled"] = True
    stacks.create({"Table": protected})
    assert stacks.delete() == "DELETE_FAILED"
    assert "protected against deletion" in stacks.reason()


def test_protected_table_blocks_the_rollback_of_its_creation(stacks):
    protected = table()
    protected["Properties"]["DeletionProtectionEnabled"] = True
    broken = resource("AWS::Lambda::Function", {"Timeout": "long"}, DependsOn="Table")
    assert stacks.create({"Table": protected, "Broken": broken}) == "ROLLBACK_FAILED"
