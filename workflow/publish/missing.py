"""Resources of a stack that no longer exist, because they were deleted outside of CloudFormation.

CloudFormation does not notice it: an update leaves them out, or fails with "not found" if it has to change one. Drift
detection finds them, but takes minutes. So a plan asks the services, with one call for each resource that the workflow
needs to run. The answers say more that a plan has to know: who is subscribed to
a topic, and whether a rule is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from workflow.publish.aws_errors import NOT_FOUND, error_code, is_denied

__all__ = ["CHECKED", "CheckedStack", "Missing", "missing_resources"]

THREADS = 8


@dataclass(frozen=True)
class Missing:
    """A resource of the stack that does not exist."""

    id: str
    """Logical ID of the resource."""
    type: str
    """Type of the resource."""
    name: str
    """Physical ID of the resource."""


@dataclass(frozen=True)
class CheckedStack:
    """The resources of a stack, and what the services say about them."""

    resources: Sequence[Mapping[str, str]] = ()
    """`id`, `type` and `name` of each, as `Stacks.resources` returns them."""
    missing: Sequence[Missing] = ()
    """Those that do not exist."""
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The physical ID of a resource → what the service says about it (`CHECKED`): of a topic, the first page of its
    subscriptions."""

    @property
    def disabled(self) -> list[str]:
        """Logical IDs of the rules that somebody disabled: they match no event."""
        return [
            one["id"]
            for one in self.resources
            if one["type"] == "AWS::Events::Rule"
            and self.answers.get(one["name"], {}).get("State") == "DISABLED"
        ]


CHECKED: Mapping[str, tuple[str, str, str]] = {
    "AWS::DynamoDB::Table": ("dynamodb", "describe_table", "TableName"),
    "AWS::Events::Archive": ("events", "describe_archive", "ArchiveName"),
    "AWS::Events::Rule": ("events", "describe_rule", "Name"),
    "AWS::IAM::Role": ("iam", "get_role", "RoleName"),
    "AWS::Lambda::Function": ("lambda", "get_function_configuration", "FunctionName"),
    "AWS::Lambda::Version": ("lambda", "get_function_configuration", "FunctionName"),
    "AWS::S3::Bucket": ("s3", "head_bucket", "Bucket"),
    "AWS::SNS::Topic": ("sns", "list_subscriptions_by_topic", "TopicArn"),
    "AWS::SQS::Queue": ("sqs", "get_queue_attributes", "QueueUrl"),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", "describe_state_machine", "stateMachineArn"),
    "AWS::StepFunctions::StateMachineAlias": (
        "stepfunctions",
        "describe_state_machine_alias",
        "stateMachineAliasArn",
    ),
    "AWS::StepFunctions::StateMachineVersion": (
        "stepfunctions",
        "describe_state_machine",
        "stateMachineArn",
    ),
}
"""Type → the service, its method that fails if the resource does not exist, and the parameter for the physical ID."""


def missing_resources(
    resources: Iterable[Mapping[str, str]],
    client: Callable[[str], Any],
    answers: dict[str, Mapping[str, Any]] | None = None,
) -> list[Missing]:
    """Those that do not exist. A resource that the caller may not look at counts as one that exists.

    Args:
        resources: `id`, `type` and `name` of each, as `Stacks.resources` returns them.
        client: returns the client of a service.
        answers: receives what `CheckedStack.answers` is.
    """
    checked = [one for one in resources if one["type"] in CHECKED and one["name"]]
    # Before the threads start: a session creates one client at a time.
    clients = {service: client(service) for service in sorted({CHECKED[one["type"]][0] for one in checked})}

    def exists(one: Mapping[str, str]) -> bool:
        service, method, parameter = CHECKED[one["type"]]
        try:
            answer = getattr(clients[service], method)(**{parameter: one["name"]})
            if answers is not None:
                answers[one["name"]] = answer
        except ClientError as error:
            if error_code(error) in {*NOT_FOUND, "404"}:  # The answer to a HEAD has only its status.
                return False
            if not is_denied(error):
                raise
        return True

    def gone(some: list[Mapping[str, str]]) -> list[Mapping[str, str]]:
        with ThreadPoolExecutor(THREADS) as threads:
            found = list(threads.map(exists, some))
        return [one for one, is_there in zip(some, found, strict=True) if not is_there]

    # What has a version that exists, exists: a function and a state machine are deleted with their versions.
    versions = {one["id"]: _versioned(one["name"]) for one in checked if one["type"] in _VERSIONS}
    found = gone([one for one in checked if one["name"] not in versions.values()])
    suspected = {versions[one["id"]] for one in found if one["id"] in versions}
    found += gone([one for one in checked if one["name"] in suspected])
    missing = {one["id"] for one in found}
    return [Missing(one["id"], one["type"], one["name"]) for one in checked if one["id"] in missing]


_VERSIONS = ("AWS::Lambda::Version", "AWS::StepFunctions::StateMachineVersion")


def _versioned(version: str) -> str:
    """The physical ID of what a version is of: the name of a function, or the ARN of a state machine."""
    arn = version.rpartition(":")[0]
    return arn.rpartition(":")[2] if ":function:" in arn else arn
