"""CloudFormation."""

from __future__ import annotations

import functools
import importlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.ministack_patches import schemas

__all__ = ["correct"]

Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
"""Creates a resource, given its logical ID, properties and stack. Returns its physical ID and its attributes."""


def correct() -> None:
    """Corrects CloudFormation."""
    _read_versions_of_templates()
    _compare_resources_that_exist()
    _name_each_resource_anew()
    _refuse_taken_names()
    _validate_properties()
    _validate_rules()
    _replace_tables()
    _limit_inline_policies()
    _keep_buckets_with_objects()


def _read_versions_of_templates() -> None:
    """Reads the version of a template that its URL names.

    AWS: the URL of a template in a bucket with versions can end in `?versionId=…`.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stack.html)
    MiniStack: reads the latest version.
    """
    from ministack.services import s3
    from ministack.services.cloudformation import helpers

    resolve = helpers._resolve_document

    def resolve_version(params: dict[str, Any], body_key: str, url_key: str, label: str) -> Any:
        url = urlsplit(helpers._p(params, url_key) or "")
        version = parse_qs(url.query).get("versionId", [""])[0]
        if not version or helpers._p(params, body_key):
            return resolve(params, body_key, url_key, label)
        bucket, _, key = url.path.lstrip("/").partition("/")
        content = s3._get_object_data(bucket, key, version_id=version)
        if content is None:
            return None, helpers._error("ValidationError", "S3 error: The specified version does not exist.")
        if len(content) > (limit := helpers.TEMPLATE_URL_MAX_BYTES):
            return None, helpers._error("ValidationError", f"Template may not exceed {limit} bytes in size.")
        return resolve({body_key: [content.decode()]}, body_key, url_key, label)

    helpers._resolve_document = resolve_version


def _compare_resources_that_exist() -> None:
    """Leaves resources whose condition is false out of change sets.

    AWS: ignores a resource that is associated with a false condition, and deletes it in an update that makes it false.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html)
    MiniStack: lists it as added, as changed, or as removed with its template.
    """
    from ministack.services.cloudformation import changesets, engine

    resolve = changesets._resolve_props_for_diff

    def resolve_existing(template: dict[str, Any], params: dict[str, Any], *more: Any) -> dict[str, Any]:
        resolved: dict[str, Any] = resolve(template, params, *more)
        conditions = engine._evaluate_conditions(template, params) if template else {}
        exist = {
            name: one
            for name, one in resolved.get("Resources", {}).items()
            if conditions.get(one.get("Condition"), True)
        }
        return {**resolved, "Resources": exist} if resolved else resolved

    changesets._resolve_props_for_diff = resolve_existing


def _name_each_resource_anew() -> None:
    """Gives a resource without a name a name that no other resource has or had.

    AWS: the name that CloudFormation generates ends in random characters.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html)
    MiniStack: derives the name from stack and logical ID, except for buckets. So a stack that is deleted and created
    again overwrites the tables that the first one retained, and stacks with the same name in two Regions share roles,
    which are not regional.
    """
    from ministack.services.cloudformation import provisioners, stacks

    def provision(*resource: Any) -> Any:
        # The seed is kept with the resource, so that updates find the same name again.
        token = provisioners._NAME_SEED.set(uuid.uuid4().hex)
        try:
            return stacks._provision_resource(*resource), provisioners._NAME_SEED.get()
        finally:
            provisioners._NAME_SEED.reset(token)

    stacks._provision_keeping_seed = provision


def _refuse_taken_names() -> None:
    """Refuses to create a resource whose name is taken, in this stack, in another one or outside of stacks.

    AWS: the resource fails with "… already exists", and the stack is rolled back.
    (https://repost.aws/knowledge-center/cloudformation-stack-resource-failure,
    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html)
    MiniStack: overwrites the other resource, and deletes it with the stack. It checks names of buckets only.
    """
    from ministack.services.cloudformation import provisioners

    def refusing(kind: str, create: Create) -> Create:
        name_property, is_taken = _NAMED[kind]

        @functools.wraps(create)
        def create_unless_taken(
            logical_id: str, properties: dict[str, Any], stack: str
        ) -> tuple[str, dict[str, Any]]:
            name = properties.get(name_property)
            if name and is_taken(str(name), properties):
                raise ValueError(
                    f"Resource handler returned message: \"Resource of type '{kind}' with identifier '{name}' "
                    'already exists." (HandlerErrorCode: AlreadyExists)'
                )
            return create(logical_id, properties, stack)

        return create_unless_taken

    for kind in _NAMED:
        handler = provisioners._RESOURCE_HANDLERS[kind]
        create = refusing(kind, handler["create"])
        # A replacement calls the function by its name.
        setattr(provisioners, create.__name__, create)
        handler["create"] = create


def _in(module: str, store: str) -> Callable[[str, Mapping[str, Any]], bool]:
    """Returns a function that looks a name up in a store of a service."""

    def is_taken(name: str, properties: Mapping[str, Any]) -> bool:
        return name in getattr(importlib.import_module(f"ministack.services.{module}"), store)

    return is_taken


def _is_rule(name: str, properties: Mapping[str, Any]) -> bool:
    from ministack.services import eventbridge

    return eventbridge._rule_key(name, properties.get("EventBusName", "default")) in eventbridge._rules


def _is_machine(name: str, properties: Mapping[str, Any]) -> bool:
    from ministack.services import stepfunctions

    return any(machine["name"] == name for machine in stepfunctions._state_machines.values())


def _is_topic(name: str, properties: Mapping[str, Any]) -> bool:
    from ministack.services import sns

    return any(arn.rpartition(":")[2] == name for arn in sns._topics)


_NAMED: dict[str, tuple[str, Callable[[str, Mapping[str, Any]], bool]]] = {
    "AWS::Athena::WorkGroup": ("Name", _in("athena", "_workgroups")),
    "AWS::CloudWatch::Alarm": ("AlarmName", _in("cloudwatch", "_alarms")),
    "AWS::DynamoDB::Table": ("TableName", _in("dynamodb", "_tables")),
    "AWS::Events::Rule": ("Name", _is_rule),
    "AWS::IAM::Role": ("RoleName", _in("iam", "_roles")),
    "AWS::Lambda::Function": ("FunctionName", _in("lambda_svc", "_functions")),
    "AWS::Logs::LogGroup": ("LogGroupName", _in("cloudwatch_logs", "_log_groups")),
    "AWS::SNS::Topic": ("TopicName", _is_topic),
    "AWS::SQS::Queue": ("QueueName", _in("sqs", "_queue_name_to_url")),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", _is_machine),
}
"""Type → the property with the name, and whether a name is taken in the current account and Region."""


def _validate_properties() -> None:
    """Refuses properties that are outside of their schema.

    AWS: "Properties validation failed for resource Function with message: …": an unknown or missing property, a wrong
    type, a number outside of its range. The stack is rolled back.
    (https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html)
    MiniStack: accepts everything.

    The schemas are those of sandbox/ministack_patches/schemas.py.
    """
    from ministack.services.cloudformation import provisioners, stacks

    provision, update = provisioners._provision_resource, provisioners._update_resource

    def provision_valid(kind: str, logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        _check_properties(kind, logical_id, properties)
        return provision(kind, logical_id, properties, stack)

    def update_valid(
        kind: str,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Any:
        _check_properties(kind, logical_id or physical_id, new)
        return update(kind, physical_id, old, new, stack, logical_id, attributes)

    for module in (provisioners, stacks):
        module._provision_resource, module._update_resource = provision_valid, update_valid


def _check_properties(kind: str, logical_id: str, properties: Mapping[str, Any]) -> None:
    """Raises ValueError if properties are outside of the schema of their type."""
    if problem := next(schemas.problems(kind, properties), None):
        raise ValueError(f"Properties validation failed for resource {logical_id} with message: {problem}")


def _validate_rules() -> None:
    """Refuses rules that PutRule and PutTargets refuse.

    AWS: CloudFormation calls these operations, so that a rule with an invalid pattern, an invalid schedule, or a state
    machine as a target without a role fails. (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html)
    MiniStack: writes a new rule without a check.
    """
    from ministack.services import eventbridge
    from ministack.services.cloudformation import provisioners

    create = provisioners._eb_rule_create

    @functools.wraps(create)
    def create_valid(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        eventbridge._ensure_default_bus()
        physical_id, attributes = create(logical_id, properties, stack)
        bus = provisioners._eb_rule_bus_name(properties)
        rule = eventbridge._rules[eventbridge._rule_key(physical_id, bus)]
        targets = {"Rule": physical_id, "EventBusName": bus, "Targets": properties.get("Targets") or []}
        for status, _, body in (eventbridge._put_rule(dict(rule)), eventbridge._put_targets(targets)):
            if status >= 400:
                provisioners._eb_rule_delete(physical_id, properties)
                raise ValueError(f"Resource handler returned message: {body.decode()}")
        return physical_id, attributes

    provisioners._eb_rule_create = create_valid
    provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"]["create"] = create_valid


def _replace_tables() -> None:
    """Replaces a table whose key changes, and changes one index of a table in an update.

    AWS: a change of the key schema or of the local secondary indexes creates a table with a new name. The old one is
    deleted at the end of the update, or stays as it is with `UpdateReplacePolicy: Retain`. An update that creates or
    deletes more than one global secondary index fails: "Cannot perform more than one GSI creation or deletion in a
    single update". (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-table.html)
    MiniStack: deletes the table, also one that is retained, and creates it again with the same name. It creates and
    deletes any number of indexes.
    """
    from ministack.services.cloudformation import provisioners

    update = provisioners._ddb_update

    def update_or_replace(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str | None = None
    ) -> Any:
        create_only = ("KeySchema", "LocalSecondaryIndexes")
        if not new.get("TableName") and any(old.get(name) != new.get(name) for name in create_only):
            created = provisioners._seeded_create(
                provisioners._ddb_create, logical_id or physical_id, new, stack
            )
            provisioners._delete_predecessor(provisioners._ddb_delete, physical_id, old)
            return created
        before, after = (
            {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes") or ()}
            for properties in (old, new)
        )
        if len(before.keys() ^ after.keys()) > 1:
            raise ValueError("Cannot perform more than one GSI creation or deletion in a single update")
        for name in before.keys() & after.keys():
            if any(before[name].get(part) != after[name].get(part) for part in ("KeySchema", "Projection")):
                raise ValueError(
                    "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights "
                    "Specification. You can create a new GSI with a different name."
                )
        return update(physical_id, old, new, stack, logical_id)

    provisioners._ddb_update = update_or_replace
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]["update"] = update_or_replace


_MAX_INLINE_POLICIES = 10_240


def _limit_inline_policies() -> None:
    """Refuses inline policies of a role that are too long together.

    AWS: LimitExceeded, "Maximum policy size of 10240 bytes exceeded for role …"; white space does not count.
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)
    MiniStack: accepts any size.
    """
    from ministack.services import iam
    from ministack.services.cloudformation import provisioners

    put = iam._put_role_policy
    create: Create = provisioners._iam_role_create
    update = provisioners._iam_role_update

    def put_short(params: dict[str, Any]) -> Any:
        name = iam._p(params, "RoleName")
        policies = (iam._roles.get(name) or {}).get("InlinePolicies") or {}
        policies = {**policies, iam._p(params, "PolicyName"): iam._p(params, "PolicyDocument")}
        if problem := _too_long(name, policies.values()):
            return iam._error(409, "LimitExceeded", problem, ns="iam")
        return put(params)

    def check(name: str, properties: Mapping[str, Any]) -> None:
        documents = [policy.get("PolicyDocument") for policy in properties.get("Policies") or ()]
        if problem := _too_long(properties.get("RoleName") or name, documents):
            raise ValueError(f"Resource handler returned message: {problem}")

    @functools.wraps(create)
    def create_short(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        check(logical_id, properties)
        return create(logical_id, properties, stack)

    @functools.wraps(update)
    def update_short(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> Any:
        check(physical_id, new)
        return update(physical_id, old, new, *more)

    iam._put_role_policy = put_short
    iam._IAM_HANDLERS = {**iam._IAM_HANDLERS, "PutRolePolicy": put_short}
    provisioners._iam_role_create, provisioners._iam_role_update = create_short, update_short
    provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"] |= {"create": create_short, "update": update_short}


def _too_long(role: str, documents: Iterable[Any]) -> str | None:
    texts = (one if isinstance(one, str) else json.dumps(one) for one in documents)
    if sum(len(re.sub(r"\s", "", text)) for text in texts) <= _MAX_INLINE_POLICIES:
        return None
    return f"Maximum policy size of {_MAX_INLINE_POLICIES} bytes exceeded for role {role}"


def _keep_buckets_with_objects() -> None:
    """Refuses to delete a bucket that has objects.

    AWS: the deletion fails with "The bucket you tried to delete is not empty", and the stack with it.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucket.html)
    MiniStack: deletes the bucket with its objects.
    """
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    delete = provisioners._s3_delete

    def delete_empty(physical_id: str, properties: dict[str, Any]) -> None:
        if (s3._buckets.get(physical_id) or {}).get("objects"):
            raise ValueError("The bucket you tried to delete is not empty")
        delete(physical_id, properties)

    provisioners._s3_delete = delete_empty
    provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]["delete"] = delete_empty
