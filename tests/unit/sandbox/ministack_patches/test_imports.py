"""Resources that a stack keeps and another one imports. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sandbox.ministack_patches import cloudformation, imports

KEY = [{"AttributeName": "k", "KeyType": "HASH"}]
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "DeletionPolicy": "Retain",
    "Properties": {
        "KeySchema": KEY,
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
BUCKET = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
POLICY = {
    "Type": "AWS::S3::BucketPolicy",
    "DeletionPolicy": "Retain",
    "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}
KEPT = {"Table": TABLE, "Bucket": BUCKET, "Policy": POLICY}


@pytest.fixture(autouse=True)
def _corrected(ministack: None) -> None:
    from ministack.services import s3

    cloudformation.correct()
    imports.correct()
    s3.reset()


def call(action: str, stack: str, resources: dict[str, Any] | None = None, **parameters: str) -> None:
    """Calls CloudFormation, and waits for the end of what that starts."""
    from ministack.services import cloudformation as service

    template = {} if resources is None else {"TemplateBody": json.dumps({"Resources": resources})}

    async def calling() -> None:
        status, _, body = service._ACTION_HANDLERS[action]({"StackName": stack, **template, **parameters})
        assert status == 200, body
        while task := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(task)

    asyncio.run(calling())


def ids(stack: str) -> dict[str, str]:
    from ministack.services.cloudformation import _stacks

    return {name: one["PhysicalResourceId"] for name, one in _stacks[stack]["_resources"].items()}


def status(stack: str) -> str:
    from ministack.services.cloudformation import _stacks

    return str(_stacks[stack]["StackStatus"])


def bring(kept: dict[str, str], resources: dict[str, Any]) -> None:
    """Imports what a stack kept into the stack `new`."""
    identifiers = {"Table": "TableName", "Bucket": "BucketName", "Policy": "Bucket"}
    request = {}
    for number, name in enumerate(resources, 1):
        member = f"ResourcesToImport.member.{number}"
        value = kept["Bucket"] if name == "Policy" else kept[name]
        request |= {
            f"{member}.ResourceType": resources[name]["Type"],
            f"{member}.LogicalResourceId": name,
            f"{member}.ResourceIdentifier.entry.1.key": identifiers[name],
            f"{member}.ResourceIdentifier.entry.1.value": value,
        }
    call("CreateChangeSet", "new", resources, ChangeSetName="s", ChangeSetType="IMPORT", **request)
    call("ExecuteChangeSet", "new", ChangeSetName="s")


def tagged(stack_id: str) -> set[str]:
    from ministack.services import tagging

    wanted = [{"Key": "aws:cloudformation:stack-id", "Values": [stack_id]}]
    _, _, body = tagging._get_resources({"TagFilters": wanted})
    return {one["ResourceARN"].rpartition(":")[2] for one in json.loads(body)["ResourceTagMappingList"]}


def stack_id(stack: str) -> str:
    from ministack.services.cloudformation import _stacks

    return str(_stacks[stack]["StackId"])


def test_kept_resources_are_found_by_the_tags_of_their_stack_until_another_one_imports_them() -> None:
    call("CreateStack", "old", KEPT)
    kept, old = ids("old"), stack_id("old")
    call("DeleteStack", "old")
    found = {f"table/{kept['Table']}", kept["Bucket"]}
    assert tagged(old) == found
    bring(kept, KEPT)
    assert status("new") == "IMPORT_COMPLETE"
    assert (tagged(old), tagged(stack_id("new"))) == (set(), found)


def test_an_update_keeps_an_imported_table() -> None:
    call("CreateStack", "old", KEPT)
    kept = ids("old")
    call("DeleteStack", "old")
    bring(kept, KEPT)
    tags = [{"Key": "a", "Value": "b"}]
    changed = {**TABLE, "Properties": {**TABLE["Properties"], "Tags": tags}}  # type: ignore[dict-item]
    for _ in range(2):
        call("UpdateStack", "new", {**KEPT, "Table": changed, "Queue": {"Type": "AWS::SQS::Queue"}})
        assert status("new") == "UPDATE_COMPLETE"
        assert {name: ids("new")[name] for name in kept} == kept
        changed["Properties"]["Tags"] = []  # type: ignore[index]


def test_the_policy_of_a_bucket_that_has_one_is_imported_not_created() -> None:
    call("CreateStack", "old", KEPT)
    kept = ids("old")
    call("DeleteStack", "old")
    alone = {**POLICY, "Properties": {**POLICY["Properties"], "Bucket": kept["Bucket"]}}  # type: ignore[dict-item]
    call("CreateStack", "other", {"Policy": alone})
    assert status("other") == "ROLLBACK_COMPLETE"
    bring(kept, {"Policy": alone})
    assert status("new") == "IMPORT_COMPLETE"
    changed = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]}
    alone["Properties"]["PolicyDocument"] = changed
    call("UpdateStack", "new", {"Policy": alone})
    from ministack.services import s3

    assert (status("new"), json.loads(s3._bucket_policies[kept["Bucket"]])) == ("UPDATE_COMPLETE", changed)
