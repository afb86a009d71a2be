"""The AWS account and Region that a stage is published to: every AWS call of publishing is made here.

The rest of the package works on the values that these methods take and give, and is tested without AWS.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from workflow.errors import AccountError, PublishError
from workflow.publish.aws_errors import explained

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.literals import ExecutionStatusType

__all__ = ["Account", "ChangeSet", "Event", "LiveVersions", "Stack", "pauses"]


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it."""

    name: str
    id: str
    status: str
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    updated: datetime | None = None
    """When it was last updated, or created."""


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation would do to a stack."""

    id: str
    stack_id: str
    is_empty: bool
    changes: Sequence[Mapping[str, Any]] = ()
    """The `ResourceChange` of each change (DescribeChangeSet)."""


@dataclass(frozen=True)
class Event:
    """One event of a stack operation."""

    id: str
    at: datetime
    resource: str
    """Logical id; the stack's name for the stack itself."""
    type: str
    status: str
    reason: str
    is_of_stack: bool = False
    """Whether it tells of the stack itself, not of one of its resources."""

    @property
    def begins_operation(self) -> bool:
        """Whether it is the first of an operation: older events are of others."""
        return self.is_of_stack and self.status in (
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
        )


@dataclass(frozen=True)
class LiveVersions:
    """Where an alias sends new executions: the ARNs of state machine versions, with percentages."""

    alias: str
    weights: Mapping[str, int] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """The version that gets all, or most, of the new executions."""
        return max(self.weights, key=lambda arn: self.weights[arn], default=None)


class Account:
    """An account and Region, through one session.

    Args:
        session: a boto3 session, or what offers `client(name)` and `region_name` as one does.
    """

    def __init__(self, session: boto3.Session) -> None:
        if not session.region_name:
            raise AccountError("no Region: give --region, or set `region` in the stage's settings")
        self.session = session
        self.region = session.region_name

    @classmethod
    def at(cls, *, profile: str | None = None, region: str | None = None) -> Account:
        """The account that the environment's credentials, or a profile of ~/.aws, belong to.

        Raises:
            AccountError: there is no such profile, or no Region.
        """
        try:
            return cls(boto3.Session(profile_name=profile, region_name=region))
        except BotoCoreError as error:
            raise explained(error) or error from None

    # Who and where

    @cached_property
    def id(self) -> str:
        """The account's 12 digits."""
        return str(self._identity["Account"])

    @property
    def who(self) -> str:
        """ARN of the caller."""
        return str(self._identity["Arn"])

    @property
    def is_aws(self) -> bool:
        """Whether calls go to AWS, not to a local engine."""
        host = urlsplit(self._cloudformation.meta.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    @property
    def artifact_bucket(self) -> str:
        """Name of the bucket for templates and bundles, shared by all stages of the account and Region."""
        return f"afterloop-artifacts-{self.id}-{self.region}"

    @cached_property
    def _identity(self) -> Mapping[str, Any]:
        identity: Mapping[str, Any] = self._client("sts").get_caller_identity()
        return identity

    # Stacks

    def stack(self, name: str) -> Stack | None:
        """A stack by name or ARN; None when there is none, or none any more."""
        try:
            described = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        if described["StackStatus"] == "DELETE_COMPLETE":
            return None
        self.__dict__.setdefault("id", described["StackId"].split(":")[4])  # spares a call to STS
        return Stack(
            name=described["StackName"],
            id=described["StackId"],
            status=described["StackStatus"],
            reason=described.get("StackStatusReason", ""),
            parameters={
                parameter["ParameterKey"]: parameter.get("ParameterValue", "")
                for parameter in described.get("Parameters", [])
            },
            outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
            updated=described.get("LastUpdatedTime") or described.get("CreationTime"),
        )

    def stack_names(self, prefix: str) -> list[str]:
        """Names of the stacks that begin so and are not deleted."""
        pages = self._cloudformation.get_paginator("describe_stacks").paginate()
        return [
            stack["StackName"]
            for page in pages
            for stack in page["Stacks"]
            if stack["StackName"].startswith(prefix)
        ]

    def template(self, stack: str) -> dict[str, Any]:
        """The template that a stack was last published with."""
        body: Any = self._cloudformation.get_template(StackName=stack, TemplateStage="Original")[
            "TemplateBody"
        ]
        template: dict[str, Any] = json.loads(body if isinstance(body, str) else json.dumps(body))
        return template

    def create_change_set(
        self, stack: str, *, template_key: str, parameters: Mapping[str, str], create: bool
    ) -> ChangeSet:
        """Makes a change set and waits until CloudFormation has worked it out.

        Raises:
            PublishError: CloudFormation refuses the template or the parameters.
        """
        with self._refusals("the change set"):
            made = self._cloudformation.create_change_set(
                StackName=stack,
                ChangeSetName=f"afterloop-{uuid.uuid4().hex[:12]}",
                ChangeSetType="CREATE" if create else "UPDATE",
                TemplateURL=self._url(template_key),
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": "afterloop:stage", "Value": stack.removeprefix("afterloop-")}],
            )
        described = _poll(
            lambda: self._cloudformation.describe_change_set(ChangeSetName=made["Id"]),
            lambda answer: answer["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"),
        )
        reason = described.get("StatusReason", "")
        if described["Status"] == "FAILED":
            self.delete_change_set(made["Id"])
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return ChangeSet(made["Id"], made["StackId"], is_empty=True)
            raise PublishError(f"CloudFormation refuses the change set: {reason}")
        changes = [change["ResourceChange"] for change in described.get("Changes", [])]
        while token := described.get("NextToken"):
            described = self._cloudformation.describe_change_set(ChangeSetName=made["Id"], NextToken=token)
            changes += [change["ResourceChange"] for change in described.get("Changes", [])]
        return ChangeSet(made["Id"], made["StackId"], is_empty=False, changes=changes)

    def delete_change_set(self, change_set: str) -> None:
        """Takes a change set back; the stack stays as it is."""
        self._cloudformation.delete_change_set(ChangeSetName=change_set)

    def execute_change_set(self, change_set: str, *, create: bool) -> str:
        """Starts what a change set describes; returns the token that its events carry."""
        token = uuid.uuid4().hex
        # What a failed creation made is deleted again, also if it would be retained later: an empty table
        # that nobody knows of is no data.
        with self._refusals("the change set"):
            self._cloudformation.execute_change_set(
                ChangeSetName=change_set, ClientRequestToken=token, RetainExceptOnCreate=create
            )
        return token

    def update_stack(self, stack: str, *, template_key: str, parameters: Mapping[str, str]) -> str | None:
        """Starts an update without a change set; returns the token of its events, None if there is nothing to do."""
        token = uuid.uuid4().hex
        try:
            self._cloudformation.update_stack(
                StackName=stack,
                TemplateURL=self._url(template_key),
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                ClientRequestToken=token,
            )
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"].get("Message", ""):
                return None
            raise
        return token

    def delete_stack(self, stack_id: str) -> str:
        """Starts deleting a stack; returns the token that its events carry."""
        token = uuid.uuid4().hex
        self._cloudformation.delete_stack(StackName=stack_id, ClientRequestToken=token)
        return token

    def events(self, stack_id: str, token: str, seen: set[str]) -> list[Event]:
        """Events of an operation that are not in `seen`, oldest first; adds them to `seen`."""
        new: list[Event] = []
        for page in self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for described in page["StackEvents"]:  # the newest first
                if described["EventId"] in seen or described.get("ClientRequestToken", token) != token:
                    break
                if "ClientRequestToken" in described:
                    new.append(event := _event(described))
                    if event.begins_operation:
                        break
            else:
                continue
            break
        seen.update(event.id for event in new)
        return new[::-1]

    def resources(self, stack: str) -> list[dict[str, str]]:
        """The stack's resources: `id` (logical), `type`, `name` (physical id)."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        return [
            {
                "id": resource["LogicalResourceId"],
                "type": resource["ResourceType"],
                "name": resource.get("PhysicalResourceId", ""),
            }
            for page in pages
            for resource in page["StackResourceSummaries"]
        ]

    def drifts(self, stack: str) -> list[dict[str, Any]]:
        """Resources that are not as the template says, with what differs. Takes seconds to minutes on AWS.

        Raises:
            PublishError: CloudFormation could not look.
        """
        detection = self._cloudformation.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
        answer = _poll(
            lambda: self._cloudformation.describe_stack_drift_detection_status(
                StackDriftDetectionId=detection
            ),
            lambda answer: answer["DetectionStatus"] != "DETECTION_IN_PROGRESS",
        )
        if answer["DetectionStatus"] == "DETECTION_FAILED" and not answer.get("DriftedStackResourceCount"):
            raise PublishError(
                f"CloudFormation could not detect drift: {answer.get('DetectionStatusReason', '')}"
            )
        drifts: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {
            "StackName": stack,
            "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"],
        }
        while True:
            page = self._cloudformation.describe_stack_resource_drifts(**arguments)
            drifts += [
                {
                    "id": drift["LogicalResourceId"],
                    "type": drift["ResourceType"],
                    "name": drift.get("PhysicalResourceId", ""),
                    "status": drift["StackResourceDriftStatus"],
                    "differences": [
                        {
                            "property": one["PropertyPath"],
                            "expected": one["ExpectedValue"],
                            "actual": one["ActualValue"],
                        }
                        for one in drift.get("PropertyDifferences", [])
                    ],
                }
                for drift in page["StackResourceDrifts"]
            ]
            if not page.get("NextToken"):
                return drifts
            arguments["NextToken"] = page["NextToken"]

    # The artifact bucket

    def ensure_artifact_bucket(self) -> None:
        """Makes the artifact bucket on first use: private, encrypted, over TLS alone, versioned."""
        bucket: Any = {"Bucket": self.artifact_bucket, "ExpectedBucketOwner": self.id}
        exists = self._exists(lambda: self._s3.head_bucket(**bucket))
        if exists and self._s3.get_bucket_versioning(**bucket).get("Status") == "Enabled":
            return  # Versioning comes last: with it, all the rest is there.
        if not exists:
            elsewhere: Any = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            self._s3.create_bucket(
                Bucket=self.artifact_bucket,
                ObjectOwnership="BucketOwnerEnforced",
                **({} if self.region == "us-east-1" else elsewhere),
            )
        self._s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=_NOTHING_PUBLIC)
        self._s3.put_bucket_encryption(
            **bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self._s3.put_bucket_policy(**bucket, Policy=json.dumps(_tls_only(self.artifact_bucket)))
        self._s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Enabled"})

    def upload(self, objects: Mapping[str, bytes | Path]) -> list[str]:
        """Puts objects into the artifact bucket that are not there yet; returns the keys of those it put.

        Their names follow from their content: one that is there is the same.
        """

        def put(item: tuple[str, bytes | Path]) -> str | None:
            key, content = item
            bucket = self.artifact_bucket
            if self._exists(
                lambda: self._s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=self.id)
            ):
                return None
            body = content if isinstance(content, bytes) else content.read_bytes()
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ExpectedBucketOwner=self.id)
            return key

        self._s3  # noqa: B018  made before the threads start: making a client is not safe in several
        with ThreadPoolExecutor(8) as pool:
            return [key for key in pool.map(put, objects.items()) if key]

    def write(self, key: str, content: bytes) -> None:
        """Writes an object of the artifact bucket, over one that is there."""
        self._s3.put_object(Bucket=self.artifact_bucket, Key=key, Body=content, ExpectedBucketOwner=self.id)

    def read(self, key: str) -> bytes | None:
        """An object of the artifact bucket; None when there is none."""
        try:
            answer = self._s3.get_object(Bucket=self.artifact_bucket, Key=key, ExpectedBucketOwner=self.id)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return answer["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """Keys of the artifact bucket that begin so, in order; none when there is no bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.artifact_bucket, Prefix=prefix)
        try:
            return [found["Key"] for page in pages for found in page.get("Contents", [])]
        except ClientError as error:
            if _is_missing(error):
                return []
            raise

    def remove(self, key: str) -> None:
        """Removes an object of the artifact bucket; its older versions stay."""
        self._s3.delete_object(Bucket=self.artifact_bucket, Key=key, ExpectedBucketOwner=self.id)

    def _url(self, key: str) -> str:
        endpoint = self._s3.meta.endpoint_url
        if self.is_aws:
            return f"https://{self.artifact_bucket}.s3.{self.region}.amazonaws.com/{key}"
        return f"{endpoint}/{self.artifact_bucket}/{key}"

    # Data that outlives a stack

    def object_versions(self, bucket: str, limit: int = 1000) -> int:
        """How many objects a bucket holds, old versions included; counts no further than `limit`."""
        try:
            page = self._s3.list_object_versions(Bucket=bucket, MaxKeys=limit)
        except ClientError as error:
            if _is_missing(error):
                return 0
            raise
        return len(page.get("Versions", []))

    def empty_bucket(self, bucket: str, *, and_delete: bool = False) -> int:
        """Deletes every version of every object in a bucket; returns how many there were."""
        deleted = 0
        try:
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                doomed = [
                    {"Key": version["Key"], "VersionId": version["VersionId"]}
                    for version in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                ]
                if doomed:
                    answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})  # type: ignore[typeddict-item]
                    if errors := answer.get("Errors"):
                        raise PublishError(
                            f"s3://{bucket}/{errors[0].get('Key')}: {errors[0].get('Message')}"
                        )
                    deleted += len(doomed)
            if and_delete:
                self._s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if not _is_missing(error):
                raise
        return deleted

    def delete_table(self, table: str) -> None:
        """Deletes a DynamoDB table with its items."""
        try:
            self._dynamodb.delete_table(TableName=table)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def items(self, table: str) -> int:
        """About how many items a DynamoDB table holds; DynamoDB counts every six hours."""
        try:
            return self._dynamodb.describe_table(TableName=table)["Table"].get("ItemCount", 0)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return 0
            raise

    # State machine versions

    def publish_version(self, machine: str, description: str) -> str:
        """ARN of the version that the state machine's current revision is; made when there is none yet."""
        newest = next(iter(self.versions(machine)), None)
        if newest and self._revision(newest) == self._revision(machine):
            return newest
        with self._refusals("a new version"):
            made = self._states.publish_state_machine_version(
                stateMachineArn=machine, description=description
            )
        return made["stateMachineVersionArn"]

    def is_current(self, machine: str, version: str) -> bool:
        """Whether a version is what its state machine is now."""
        return self._revision(version) == self._revision(machine)

    def _revision(self, machine: str) -> tuple[object, ...]:
        described = self._states.describe_state_machine(stateMachineArn=machine)
        return described["definition"], described["roleArn"], described.get("loggingConfiguration")

    def versions(self, machine: str) -> list[str]:
        """ARNs of a state machine's versions, newest first."""
        found: list[str] = []
        arguments: dict[str, Any] = {"stateMachineArn": machine, "maxResults": 1000}
        while True:
            page = self._states.list_state_machine_versions(**arguments)
            found += [version["stateMachineVersionArn"] for version in page["stateMachineVersions"]]
            if not page.get("nextToken"):
                return sorted(found, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)
            arguments["nextToken"] = page["nextToken"]

    def delete_version(self, version: str) -> None:
        """Deletes a version. Executions that run on it are not touched."""
        self._states.delete_state_machine_version(stateMachineVersionArn=version)

    def live(self, machine: str, alias: str) -> LiveVersions | None:
        """Where an alias of a state machine points to; None when it has no such alias."""
        arn = f"{machine}:{alias}"
        try:
            routes = self._states.describe_state_machine_alias(stateMachineAliasArn=arn)[
                "routingConfiguration"
            ]
        except ClientError as error:
            if error.response["Error"]["Code"] in (
                "ResourceNotFound",
                "ResourceNotFoundException",
                "StateMachineDoesNotExist",
            ):
                return None
            raise
        return LiveVersions(
            arn, {route["stateMachineVersionArn"]: route["weight"] for route in routes if route["weight"]}
        )

    def route(self, machine: str, alias: str, weights: Mapping[str, int], *, create: bool) -> None:
        """Points an alias to one version, or to two with percentages that make 100."""
        routes: Any = [
            {"stateMachineVersionArn": version, "weight": weight} for version, weight in weights.items()
        ]
        if create:
            self._states.create_state_machine_alias(name=alias, routingConfiguration=routes)
        else:
            self._states.update_state_machine_alias(
                stateMachineAliasArn=f"{machine}:{alias}", routingConfiguration=routes
            )

    def executions(
        self, machine: str, status: ExecutionStatusType, since: datetime | None = None
    ) -> list[str]:
        """ARNs of executions of a state machine, version or alias in one status, the newest first.

        Args:
            machine: ARN of a state machine, a version or an alias.
            status: such as RUNNING or FAILED.
            since: leaves out those that started before.
        """
        found: list[str] = []
        for page in self._states.get_paginator("list_executions").paginate(
            stateMachineArn=machine, statusFilter=status
        ):
            for execution in page["executions"]:
                if since and execution["startDate"] < since:
                    return found
                found.append(execution["executionArn"])
            if len(found) >= 1000:
                break
        return found

    # Function versions

    def function_versions(self, function: str) -> list[str]:
        """ARNs of a function's versions, newest first."""
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        found = [
            one["FunctionArn"] for page in pages for one in page["Versions"] if one["Version"] != "$LATEST"
        ]
        return sorted(found, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)

    def has_function(self, arn: str) -> bool:
        """Whether a function, or a version of it, is there."""
        try:
            self._lambda.get_function_configuration(FunctionName=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        return True

    def delete_function_version(self, version: str) -> None:
        """Deletes a version of a function."""
        self._lambda.delete_function(FunctionName=version)

    # Hot swap

    def swap_function(self, name: str, zipped: bytes) -> None:
        """Gives a function new code at once, beside CloudFormation."""
        self._lambda.update_function_code(FunctionName=name, ZipFile=zipped)
        self._wait_for_function(name)

    def restore_function(self, name: str, key: str) -> None:
        """Gives a function the code that lies in the artifact bucket."""
        self._lambda.update_function_code(FunctionName=name, S3Bucket=self.artifact_bucket, S3Key=key)
        self._wait_for_function(name)

    def _wait_for_function(self, name: str) -> None:
        self._lambda.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )

    def swap_definition(self, machine: str, definition: str) -> str:
        """Gives a state machine a new definition at once, beside CloudFormation; returns the version's ARN."""
        with self._refusals("the definition"):
            answer = self._states.update_state_machine(
                stateMachineArn=machine, definition=definition, publish=True
            )
        return answer["stateMachineVersionArn"]

    def definition(self, machine: str) -> str:
        """A state machine's definition as it is now."""
        return self._states.describe_state_machine(stateMachineArn=machine)["definition"]

    # What the account has

    def flow_definitions(self) -> list[dict[str, str]]:
        """The account's A2I flow definitions: `name`, `arn`, `output` (where they write, s3://…).

        Raises:
            AccountError: the caller may not list them.
        """
        try:
            pages = self._sagemaker.get_paginator("list_flow_definitions").paginate()
            found = [summary for page in pages for summary in page["FlowDefinitionSummaries"]]
            described = [
                self._sagemaker.describe_flow_definition(FlowDefinitionName=flow["FlowDefinitionName"])
                for flow in found
            ]
        except ClientError as error:
            raise explained(error) or AccountError(f"flow definitions cannot be listed: {error}") from None
        return [
            {
                "name": flow["FlowDefinitionName"],
                "arn": flow["FlowDefinitionArn"],
                "output": flow["OutputConfig"]["S3OutputPath"],
            }
            for flow in described
        ]

    # Clients, each made when it is first needed: loading a service's model takes a good part of a `plan`

    @cached_property
    def _cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = self._client(
            "s3", Config(s3={"addressing_style": "auto" if self.is_aws else "path"})
        )
        return client

    @cached_property
    def _states(self) -> SFNClient:
        client: SFNClient = self._client("stepfunctions")
        return client

    @cached_property
    def _lambda(self) -> LambdaClient:
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @cached_property
    def _sagemaker(self) -> SageMakerClient:
        client: SageMakerClient = self._client("sagemaker")
        return client

    def _client(self, service: str, config: Config | None = None) -> Any:
        patient = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
        return self.session.client(service, config=patient.merge(config) if config else patient)  # type: ignore[call-overload]

    @staticmethod
    def _exists(call: Callable[[], object]) -> bool:
        try:
            call()
        except ClientError as error:
            if _is_missing(error):
                return False
            raise
        return True

    @staticmethod
    def _refusals(what: str) -> _Refusals:
        return _Refusals(what)


class _Refusals:
    """Tells a validation error of a service as the person's, who wrote what it refuses."""

    CODES = (
        "ValidationError",
        "ValidationException",
        "InvalidDefinition",
        "InsufficientCapabilitiesException",
        "LimitExceededException",
        "ConflictException",
        "ServiceQuotaExceededException",
    )

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in self.CODES:
            raise PublishError(f"AWS refuses {self.what}: {error.response['Error']['Message']}") from None


_NOTHING_PUBLIC: Any = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def _tls_only(bucket: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _is_missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket", "NotFound")


def _event(event: Mapping[str, Any]) -> Event:
    return Event(
        id=event["EventId"],
        at=event["Timestamp"],
        resource=event["LogicalResourceId"],
        type=event["ResourceType"],
        status=event["ResourceStatus"],
        reason=event.get("ResourceStatusReason", ""),
        is_of_stack=event["PhysicalResourceId"] == event["StackId"],
    )


def _poll(call: Callable[[], Any], is_over: Callable[[Any], bool]) -> Any:
    """Asks again, ever less often, until it is over."""
    for pause in pauses():
        answer = call()
        if is_over(answer):
            return answer
        time.sleep(pause)
    raise AssertionError("pauses never end")


def pauses(first: float = 0.1, most: float = 3.0) -> Iterator[float]:
    """Seconds between questions to a service: short while an answer may come soon, then longer."""
    while True:
        yield first
        first = min(first * 1.4, most)
