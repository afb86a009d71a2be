"""Adopting the data that a destroyed stack of a stage kept, so that its reviews and its ledger go on.

CloudFormation imports the tables and the bucket into a new stack that has nothing else; an update then adds the rest.
An import changes nothing. So its template says what the tables and the bucket are, and the update sets what differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.following import follow
from workflow.publish.kept_data import BUCKET, TABLE, Generation, kept_data
from workflow.publish.package import template_key
from workflow.publish.plan import Plan
from workflow.publish.progress import Progress
from workflow.publish.stacks import Import

__all__ = ["Choose", "adopt", "adopting", "import_of", "remembered"]

Choose = Callable[[Sequence[Generation]], Generation | None]
"""Says which kept data a new stack adopts: receives all that was found, newest first; None for none of it."""


def adopting(
    account: Account,
    stage: str,
    template: Mapping[str, Any],
    plan: Plan,
    choose: Choose | None,
    *,
    to_publish: bool,
) -> tuple[Plan, Generation | None]:
    """The plan of a new stack, with notes about kept data of the stage, and the data that the stack adopts.

    Args:
        account: Where the stage is.
        stage: The stage's name.
        template: The template of the stack.
        plan: The plan without the notes.
        choose: Which data to adopt; None refuses to decide, if there is some.
        to_publish: Whether the plan may be carried out. If not, nothing is chosen.

    Raises:
        PublishError: The data cannot be adopted, or nobody has decided about it.
    """
    generations = kept_data(account, stage)
    if not to_publish:
        notes = [
            f"An earlier stack kept {one.text}. A publish asks whether to adopt it; with --yes, pass --data adopt or "
            "--data new."
            for one in generations
        ]
        return replace(plan, notes=[*plan.notes, *notes]), None
    if generations and choose is None:
        found = "; ".join(one.text for one in generations)
        # To leave it and to adopt it are both wrong for somebody.
        raise PublishError(
            f"an earlier stack of stage {stage} kept data: {found}: pass --data adopt to go on with it, or --data new "
            "to leave it and begin with empty tables and an empty bucket"
        )
    chosen = choose(generations) if choose else None
    if chosen:
        _expect_adoptable(account, chosen, template)
    notes = [
        f"{'Adopts' if one is chosen else 'Leaves in the account, and does not use,'} {one.text}."
        for one in generations
    ]
    missing = sorted(_data_of(template) - {one.id for one in chosen.resources}) if chosen else []
    if missing:
        notes.append(f"Nothing was kept of {', '.join(missing)}: created empty.")
    return replace(plan, notes=[*plan.notes, *notes]), chosen


def remembered(choose: Choose) -> Choose:
    """Chooses once: a plan can be made again, and the same data is not asked about twice."""
    answers: dict[tuple[tuple[str, ...], ...], int | None] = {}

    def choose_once(found: Sequence[Generation]) -> Generation | None:
        names = tuple(tuple(one.name for one in generation.resources) for generation in found)
        if names not in answers:
            chosen = choose(found)
            answers[names] = None if chosen is None else list(found).index(chosen)
        answer = answers[names]
        return None if answer is None else found[answer]

    return choose_once


def _expect_adoptable(account: Account, generation: Generation, template: Mapping[str, Any]) -> None:
    """Refuses data that a stack of this version cannot go on with.

    Raises:
        PublishError: A table has another key, or indexes that one update cannot change.
    """
    if not _data_of(template) & {kept.id for kept in generation.resources}:
        raise PublishError(f"this version of Afterloop has no place for {generation.text}: pass --data new")
    for kept in generation.resources:
        declared = template["Resources"].get(kept.id, {})
        if kept.type != TABLE or declared.get("Type") != TABLE:
            continue
        wanted, actual = declared["Properties"], _table(account, kept.name)
        if _keys(wanted) != _keys(actual):
            raise PublishError(
                f"the table {kept.name} has the key {_keys(actual)}, and this version of Afterloop needs "
                f"{_keys(wanted)}: pass --data new, and copy its items"
            )
        # CloudFormation creates or deletes at most one index of a table in an update.
        if len(different := sorted(_indexes(wanted) ^ _indexes(actual))) > 1:
            raise PublishError(
                f"the table {kept.name} and this version of Afterloop differ in the indexes {', '.join(different)}, "
                "of which CloudFormation can change one: create or delete the others first "
                "(`aws dynamodb update-table`)"
            )


def adopt(
    account: Account,
    stack: str,
    generation: Generation,
    template: Mapping[str, Any],
    progress: Progress,
    *,
    role: str | None = None,
) -> None:
    """Creates a stack that has only kept data.

    Args:
        account: Where the data is.
        stack: The name of the stack.
        generation: The data.
        template: The template that the stack will have.
        progress: Receives the events.
        role: ARN of the role that CloudFormation assumes.

    Raises:
        PublishError: CloudFormation cannot import the data, which is as it was.
    """
    _delete_shell(account, stack)
    importing, imports = import_of(account, generation, template)
    body = json.dumps(importing).encode()
    key = template_key(body)
    url = account.artifacts.url(key, account.artifacts.write(key, body))
    try:
        change_set = account.stacks.create_change_set(
            stack, template_url=url, parameters={}, imports=imports, role=role
        )
        token = account.stacks.execute_change_set(change_set.id, create=False)
        follow(account.stacks, change_set.stack_id, token, progress.event)
    except PublishError as error:
        reason = error.cause if isinstance(error, DeploymentError) else str(error)
        with suppress(PublishError):  # The next publish deletes it.
            _delete_shell(account, stack)
        raise PublishError(
            f"the kept data could not be adopted, and is as it was: {reason}; pass --data new to leave it"
        ) from None


def import_of(
    account: Account, generation: Generation, template: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Import]]:
    """The template and the resources of an import. What the template does not declare is left out."""
    declared = template["Resources"]
    resources: dict[str, Any] = {}
    imports: list[Import] = []

    def add(logical_id: str, properties: Mapping[str, Any], identifier: dict[str, str]) -> None:
        kept = ("Type", "DeletionPolicy", "UpdateReplacePolicy")
        resource = {name: value for name, value in declared[logical_id].items() if name in kept}
        resources[logical_id] = {**resource, **({"Properties": properties} if properties else {})}
        imports.append(Import(logical_id, resource["Type"], identifier))

    for one in generation.resources:
        if declared.get(one.id, {}).get("Type") != one.type:
            continue
        if one.type == TABLE:
            add(one.id, _as_it_is(_table(account, one.name), declared[one.id]), {"TableName": one.name})
            continue
        add(one.id, {}, {"BucketName": one.name})
        policy_id = _policy_of(one.id, declared)
        # CloudFormation creates no policy for a bucket that has one.
        if policy_id and (document := account.data.bucket_policy(one.name)):
            properties = {"Bucket": {"Ref": one.id}, "PolicyDocument": document}
            add(policy_id, properties, {"Bucket": one.name})
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, imports


def _data_of(template: Mapping[str, Any]) -> set[str]:
    """The logical IDs of the tables and buckets that a stack keeps."""
    return {
        name
        for name, one in template["Resources"].items()
        if one["Type"] in (TABLE, BUCKET) and one.get("DeletionPolicy") == "Retain"
    }


def _policy_of(bucket: str, declared: Mapping[str, Any]) -> str | None:
    policies = (one for one in declared if declared[one]["Type"] == "AWS::S3::BucketPolicy")
    return next((one for one in policies if declared[one]["Properties"]["Bucket"] == {"Ref": bucket}), None)


def _as_it_is(table: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a table that an update compares, or that DynamoDB refuses to set to what they are."""
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    found: dict[str, Any] = {
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "BillingMode": mode,
        "DeletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
    }
    if mode == "PROVISIONED":
        found["ProvisionedThroughput"] = _fields(
            table["ProvisionedThroughput"], "ReadCapacityUnits", "WriteCapacityUnits"
        )
    if indexes := table.get("GlobalSecondaryIndexes"):
        found["GlobalSecondaryIndexes"] = [
            _fields(index, "IndexName", "KeySchema", "Projection") for index in indexes
        ]
    if table.get("SSEDescription", {}).get("Status") in ("ENABLING", "ENABLED", "UPDATING"):
        found["SSESpecification"] = {"SSEEnabled": True}
    # DynamoDB returns lists in any order.
    for name, value in declared["Properties"].items():
        if name in found and _unordered(found[name]) == _unordered(value):
            found[name] = value
    return found


def _fields(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}


def _unordered(value: Any) -> Any:
    return sorted(json.dumps(one, sort_keys=True) for one in value) if isinstance(value, list) else value


def _table(account: Account, name: str) -> Mapping[str, Any]:
    table = account.data.table(name)
    if table is None:
        raise PublishError(f"the table {name} was deleted meanwhile: run the command again")
    return table


def _keys(table: Mapping[str, Any]) -> str:
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    keys = sorted(table["KeySchema"], key=lambda one: str(one["KeyType"]))
    return ", ".join(f"{key['AttributeName']} ({types[key['AttributeName']]})" for key in keys)


def _indexes(table: Mapping[str, Any]) -> set[str]:
    return {index["IndexName"] for index in table.get("GlobalSecondaryIndexes") or ()}


def _delete_shell(account: Account, name: str) -> None:
    """Deletes a stack that has nothing: of a change set that was never executed, or of an import that failed."""
    stack = account.stacks.find(name)
    if stack and stack.status in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"):
        follow(account.stacks, stack.id, account.stacks.delete(stack.id), lambda _: None)
