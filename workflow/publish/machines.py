"""Step Functions: versions and aliases of state machines, and their executions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws.transient import is_transient
from workflow.publish.aws_errors import rejections

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.literals import ExecutionStatusType

__all__ = ["StateMachines", "number", "routed"]

MAX_EXECUTIONS = 1000


class StateMachines:
    """The state machines of an account and Region."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def definition(self, machine: str) -> str:
        """The current definition of a state machine, or the definition of a version."""
        return self._client.describe_state_machine(stateMachineArn=machine)["definition"]

    def describe(self, machine: str) -> Mapping[str, Any]:
        """What DescribeStateMachine returns: `definition`, `roleArn` and more."""
        return self._client.describe_state_machine(stateMachineArn=machine)

    def current_definition(self, machine: str) -> str | None:
        """The current definition of a state machine; None if somebody has deleted it."""
        try:
            return self.definition(machine)
        except self._client.exceptions.StateMachineDoesNotExist:
            return None

    def definition_of(self, execution: str) -> str | None:
        """The definition that an execution runs; None if it is no longer known."""
        try:
            return self._client.describe_state_machine_for_execution(executionArn=execution)["definition"]
        except self._client.exceptions.ExecutionDoesNotExist:
            return None

    def update_definition(self, machine: str, definition: str) -> str:
        """Replaces a definition without CloudFormation; returns the ARN of the new version."""
        with rejections("the definition"):
            answer = self._client.update_state_machine(
                stateMachineArn=machine, definition=definition, publish=True
            )
        return answer["stateMachineVersionArn"]

    def set_definition(self, machine: str, definition: str) -> None:
        """Replaces a definition without CloudFormation, and makes no version of it."""
        with rejections("the definition"):
            self._client.update_state_machine(stateMachineArn=machine, definition=definition)

    def publish_version(self, machine: str, description: str) -> str:
        """The ARN of the version for the state machine's current revision, which is created if needed."""
        newest = next(iter(self.versions(machine)), None)
        if newest and self.is_current(machine, newest):
            return newest
        with rejections("a new version"):
            created = self._client.publish_state_machine_version(
                stateMachineArn=machine, description=description
            )
        return created["stateMachineVersionArn"]

    def revision(self, machine: str) -> str:
        """The ID of the revision of a state machine, or of one of its versions, as CloudFormation has it."""
        return self._client.describe_state_machine(stateMachineArn=machine).get("revisionId") or "INITIAL"

    def is_current(self, machine: str, version: str) -> bool:
        """Whether a version equals the state machine's current revision."""
        return self._revision(version) == self._revision(machine)

    def _revision(self, machine: str) -> tuple[object, ...]:
        # These, not the revision ID: it also changes when the same definition is published again.
        described = self._client.describe_state_machine(stateMachineArn=machine)
        return described["definition"], described["roleArn"], described.get("loggingConfiguration")

    def versions(self, machine: str) -> list[str]:
        """ARNs of a state machine's versions, newest first; none if it does not exist."""
        found: list[str] = []
        request: dict[str, Any] = {"stateMachineArn": machine, "maxResults": 1000}
        while True:  # boto3 has no paginator for this operation.
            try:
                page = self._client.list_state_machine_versions(**request)
            except self._client.exceptions.StateMachineDoesNotExist:
                return []
            found += [version["stateMachineVersionArn"] for version in page["stateMachineVersions"]]
            if not page.get("nextToken"):
                return sorted(found, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)
            request["nextToken"] = page["nextToken"]

    def delete_version(self, version: str) -> None:
        """Deletes a version. Its running executions continue."""
        self._client.delete_state_machine_version(stateMachineVersionArn=version)

    def weights(self, machine: str, alias: str) -> dict[str, int] | None:
        """The versions that an alias points to, with percentages; None if there is no such alias."""
        missing = self._client.exceptions.ResourceNotFound, self._client.exceptions.StateMachineDoesNotExist
        try:
            described = self._client.describe_state_machine_alias(stateMachineAliasArn=f"{machine}:{alias}")
        except missing:
            return None
        routes = described["routingConfiguration"]
        return {route["stateMachineVersionArn"]: route["weight"] for route in routes if route["weight"]}

    def route(self, machine: str, alias: str, weights: Mapping[str, int]) -> None:
        """Points an alias, which is created if needed, to one version, or to two whose percentages add up to 100."""
        routes: Any = [
            {"stateMachineVersionArn": version, "weight": weight} for version, weight in weights.items()
        ]
        if self.weights(machine, alias) is None:
            self._client.create_state_machine_alias(name=alias, routingConfiguration=routes)
        else:
            self._client.update_state_machine_alias(
                stateMachineAliasArn=f"{machine}:{alias}", routingConfiguration=routes
            )

    def running(self, machine: str) -> dict[str, tuple[str | None, datetime]]:
        """All running executions of a state machine, none if it does not exist.

        Returns:
            The version that an execution was started with (None for one without a version), and when, by its ARN.
        """
        pages = self._client.get_paginator("list_executions").paginate(
            stateMachineArn=machine, statusFilter="RUNNING", PaginationConfig={"PageSize": 1000}
        )
        try:
            return {
                one["executionArn"]: (one.get("stateMachineVersionArn"), one["startDate"])
                for page in pages
                for one in page["executions"]
            }
        except self._client.exceptions.StateMachineDoesNotExist:
            return {}

    def stop(self, execution: str, *, error: str, cause: str) -> bool:
        """Stops an execution; returns False if that has to be tried again, because Step Functions is busy.

        One that has ended, or does not exist any more, counts as stopped.
        """
        try:
            self._client.stop_execution(executionArn=execution, error=error, cause=cause)
        except self._client.exceptions.ExecutionDoesNotExist:
            return True
        except ClientError as problem:
            if not is_transient(problem):
                raise
            return False
        return True

    def input_of(self, execution: str) -> str | None:
        """The input of an execution; None if it does not exist any more."""
        try:
            return self._client.describe_execution(executionArn=execution).get("input")
        except self._client.exceptions.ExecutionDoesNotExist:
            return None

    def executions(
        self, machine: str, status: ExecutionStatusType, since: datetime | None = None
    ) -> list[str]:
        """ARNs of the executions with a status, newest first, at most 1,000; none if the state machine does not exist.

        Args:
            machine: ARN of a state machine, a version or an alias.
            status: such as RUNNING or FAILED.
            since: leaves out executions that started earlier.
        """
        pages = self._client.get_paginator("list_executions").paginate(
            stateMachineArn=machine,
            statusFilter=status,
            PaginationConfig={"MaxItems": MAX_EXECUTIONS, "PageSize": 100},
        )
        newest_first = (execution for page in pages for execution in page["executions"])
        recent = takewhile(lambda execution: since is None or execution["startDate"] >= since, newest_first)
        try:
            return [execution["executionArn"] for execution in recent]
        except self._client.exceptions.StateMachineDoesNotExist:
            return []


def routed(weights: Mapping[str, int]) -> str:
    """The versions that get new executions, in words."""
    versions = sorted((number(arn), weight) for arn, weight in weights.items())
    return " and ".join(f"version {one} ({weight} %)" for one, weight in versions) or "no version"


def number(version: str) -> int:
    """The number of a version: 7 for …:stateMachine:afterloop-dev:7."""
    return int(version.rpartition(":")[2])
