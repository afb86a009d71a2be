"""CloudFormation's import of resources, and the tags by which kept resources are found."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["correct"]

_POLICY = "AWS::S3::BucketPolicy"
_IMPORTED = "imported:"
"""Begins the seed of a name that an imported resource has already."""


def correct() -> None:
    """Corrects imports."""
    _tag_buckets()
    _keep_imported_resources()
    _import_bucket_policies()


def _tag_buckets() -> None:
    """Gives a bucket the tags of its template and of its stack.

    AWS: CloudFormation tags the resources that it creates with `aws:cloudformation:stack-name`, `stack-id` and
    `logical-id`, where the type supports tags, as buckets do. A retained resource keeps them.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html)
    MiniStack: does so for tables and others; a bucket gets no tags at all.
    """
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    configure = provisioners._s3_apply_configurations

    def configure_and_tag(name: str, properties: dict[str, Any], *old: Any) -> None:
        configure(name, properties, *old)
        if tags := properties.get("Tags"):
            s3._bucket_tags[name] = {one["Key"]: one["Value"] for one in tags}

    provisioners._s3_apply_configurations = configure_and_tag
    provisioners._STACK_TAG_PROPERTY["AWS::S3::Bucket"] = ("Tags", "list")


def _keep_imported_resources() -> None:
    """Updates an imported resource in place, and tags it as one of its new stack.

    AWS: an import brings the resource as it is into the stack, applies the tags of the stack to it, and later updates
    change it like any other. (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html)
    MiniStack: an update derives the name of a table without `TableName` from its logical ID, so that the first one
    replaces an imported table. Tags stay those of the stack that created it.
    """
    from ministack.services import tagging
    from ministack.services.cloudformation import changesets, provisioners

    bring, name = changesets._import_resources_async, provisioners._physical_name

    async def bring_and_keep(change_set: Any, stack: Any, *more: Any) -> None:
        await bring(change_set, stack, *more)
        for entry in change_set["_resources_to_import"]:
            record = stack["_resources"].get(entry["LogicalResourceId"])
            if record is None:  # The import was rolled back.
                continue
            record["_name_seed"] = _IMPORTED + record["PhysicalResourceId"]
            writer = {
                "AWS::DynamoDB::Table": tagging._write_dynamodb,
                "AWS::S3::Bucket": tagging._write_s3,
            }.get(entry["ResourceType"])
            if writer is None:
                continue
            arn = record["Attributes"]["Arn"]
            own = {
                "stack-name": stack["StackName"],
                "stack-id": stack["StackId"],
                "logical-id": entry["LogicalResourceId"],
            }
            tags = {f"aws:cloudformation:{key}": value for key, value in own.items()}
            writer(tagging._parse_resource_arn(arn), arn, tags)

    def name_or_imported(*resource: Any, **more: Any) -> str:
        seed: str = provisioners._NAME_SEED.get()
        return seed.removeprefix(_IMPORTED) if seed.startswith(_IMPORTED) else str(name(*resource, **more))

    changesets._import_resources_async = bring_and_keep
    provisioners._physical_name = name_or_imported


def _import_bucket_policies() -> None:
    """Refuses to create the policy of a bucket that has one, and imports it.

    AWS: "The bucket policy already exists on bucket …"; the type supports imports, by its bucket.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html,
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1068)
    MiniStack: replaces the policy, and knows no imports of the type.
    """
    from ministack.services import s3
    from ministack.services.cloudformation import changesets, provisioners

    create = provisioners._s3_bucket_policy_create

    @functools.wraps(create)
    def create_unless_there(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        bucket = properties.get("Bucket", "")
        if bucket in s3._bucket_policies:
            raise ValueError(f"The bucket policy already exists on bucket {bucket}.")
        return create(logical_id, properties, stack)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        # MiniStack writes the new policy by creating it.
        if new.get("Bucket") == old.get("Bucket"):
            return create(physical_id, new, stack)
        return provisioners._s3_bucket_policy_update(physical_id, old, new, stack)

    def bring(identifier: dict[str, str]) -> Any:
        return f"{identifier['Bucket']}-policy", {}

    def problem(bucket: str) -> str | None:
        return None if bucket in s3._bucket_policies else "The bucket policy does not exist"

    provisioners._s3_bucket_policy_create = create_unless_there
    provisioners._RESOURCE_HANDLERS[_POLICY] |= {
        "create": create_unless_there,
        "update": update,
        "import": bring,
    }
    changesets._IMPORT_LOOKUPS[_POLICY] = (("Bucket",), problem)
