"""CloudFormation: stacks, change sets, events, drift."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.errors import AccountError, PublishError
from workflow.publish.aws_errors import error_code, rejections
from workflow.stack.deployment_settings import STAGE_TAG

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

__all__ = ["ChangeSet", "Event", "Import", "ObsoleteChangeSetError", "Stack", "Stacks", "pauses"]


_OBSOLETE = (
    *("ChangeSetNotFound", "ChangeSetNotFoundException"),
    *("InvalidChangeSetStatus", "InvalidChangeSetStatusException"),
)


class ObsoleteChangeSetError(PublishError):
    """A change set cannot be executed any more: it was executed or deleted, or the stack has changed since then."""


MAX_STALE_READS = 40
"""How often the stack is read after an operation until it shows what the operation did: for about two minutes."""


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
    """When the stack was last updated, or created."""
    created: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    service_role: str = ""
    """ARN of the role that CloudFormation assumes; empty if it acts for the caller."""
    is_protected: bool = False
    """Whether termination protection is on."""

    def output(self, name: str) -> str:
        """An output of the stack.

        Raises:
            PublishError: the stack has no such output.
        """
        if name not in self.outputs:
            raise PublishError(
                f"stack {self.name} has no output {name}: check "
                f"`python deploy.py status --stage {self.name.removeprefix('afterloop-')}`, and publish the stage again"
            )
        return self.outputs[name]


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation would do to a stack."""

    id: str
    stack_id: str
    is_empty: bool
    changes: Sequence[Mapping[str, Any]] = ()
    """The `ResourceChange` of each change (DescribeChangeSet)."""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Import:
    """A resource that exists and becomes part of a stack. The template declares it with a DeletionPolicy.

    CloudFormation does not compare the resource with the template, and does not change it
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html).
    """

    id: str
    """Logical ID of the resource."""
    type: str
    """Type of the resource."""
    identifier: Mapping[str, str]
    """The properties that identify it (GetTemplateSummary, `ResourceIdentifierSummaries`), such as `TableName`."""


@dataclass(frozen=True)
class Event:
    """One event of a stack operation."""

    id: str
    at: datetime
    resource: str
    """Logical ID; the stack's name for the stack itself."""
    type: str
    status: str
    reason: str
    is_stack_event: bool = False
    """Whether the event is about the stack itself, not about one of its resources."""
    physical_id: str = ""

    @property
    def starts_operation(self) -> bool:
        """Whether this is the first event of an operation: older events belong to earlier operations."""
        return self.is_stack_event and self.status in (
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
            "IMPORT_IN_PROGRESS",
        )

    @property
    def ends_operation(self) -> bool:
        """Whether this is the last event of an operation."""
        return self.is_stack_event and not self.status.endswith("IN_PROGRESS")


class Stacks:
    """The stacks of an account and Region."""

    def __init__(self, client: CloudFormationClient) -> None:
        self._client = client

    def find(self, name: str) -> Stack | None:
        """The stack with this name or ARN; None if it does not exist or is deleted."""
        try:
            described = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            # A ValidationError like any other: only the message says that the stack is missing.
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        if described["StackStatus"] == "DELETE_COMPLETE":  # By ARN, deleted stacks are found for 90 days.
            return None
        return _stack(described)

    def names(self, prefix: str) -> list[str]:
        """Names of the stacks that start with a prefix and are not deleted."""
        return [one["StackName"] for one in self._described(prefix)]

    def with_prefix(self, prefix: str) -> list[Stack]:
        """The stacks whose names start with a prefix and that are not deleted."""
        return [_stack(one) for one in self._described(prefix)]

    def _described(self, prefix: str) -> list[Any]:
        pages = self._client.get_paginator("describe_stacks").paginate()
        return [one for page in pages for one in page["Stacks"] if one["StackName"].startswith(prefix)]

    def template(self, stack: str) -> dict[str, Any]:
        """The template of the last publish."""
        # botocore has already parsed it, because it is JSON.
        return self._client.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]

    def template_of(self, change_set: ChangeSet) -> dict[str, Any]:
        """The template of a change set."""
        return self._client.get_template(ChangeSetName=change_set.id, TemplateStage="Original")[
            "TemplateBody"
        ]

    def create_change_set(
        self,
        stack: str,
        *,
        template_url: str,
        parameters: Mapping[str, str],
        create: bool = False,
        imports: Sequence[Import] = (),
        reverts_drift: bool = False,
        tags: Mapping[str, str] = {},
        role: str | None = None,
    ) -> ChangeSet:
        """Creates a change set and waits until CloudFormation has computed the changes.

        Args:
            stack: the stack's name.
            template_url: where the template is.
            parameters: the values of its parameters.
            create: whether the stack is new.
            imports: what becomes part of the stack, which is created if it does not exist. Such a change set can do
                nothing else: it changes no other resource, no output and no tag of the stack.
            reverts_drift: whether it also creates resources again that were deleted outside of CloudFormation, and sets
                properties back that were changed
                (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html).
            tags: the tags of the stack, besides that with the stage's name.
            role: ARN of the role that CloudFormation assumes, now and for all later operations; by default, that of the
                last operation.

        Raises:
            PublishError: CloudFormation rejects the template or the parameters, or cannot import a resource.
        """
        request: Any = _request(stack, template_url, parameters, role)
        if imports:
            request["ResourcesToImport"] = [
                {"LogicalResourceId": one.id, "ResourceType": one.type, "ResourceIdentifier": one.identifier}
                for one in imports
            ]
        else:
            request["Tags"] = _tags(stack, tags)
        if reverts_drift:
            request["DeploymentMode"] = "REVERT_DRIFT"
        with rejections("the change set"):
            created = self._client.create_change_set(
                **request,
                ChangeSetName=f"afterloop-{uuid.uuid4().hex[:12]}",
                ChangeSetType="IMPORT" if imports else "CREATE" if create else "UPDATE",
                # If the answer gets lost, the SDK repeats the request. Without a token, the name is then taken.
                ClientToken=uuid.uuid4().hex,
            )
        described = _poll(
            lambda: self._client.describe_change_set(ChangeSetName=created["Id"]),
            lambda answer: answer["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"),
        )
        if described["Status"] == "FAILED":
            reason = self._explained(created["Id"], described.get("StatusReason", ""))
            self.delete_change_set(created["Id"])
            # CloudFormation has no other sign of an empty change set than these two messages.
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return ChangeSet(created["Id"], created["StackId"], is_empty=True)
            raise PublishError(f"CloudFormation rejected the change set: {reason}")
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=created["Id"])
        changes = [change["ResourceChange"] for page in pages for change in page.get("Changes", [])]
        return ChangeSet(
            created["Id"],
            created["StackId"],
            is_empty=False,
            changes=changes,
            parameters=_parameters(described),
        )

    def _explained(self, change_set: str, reason: str) -> str:
        """Why a change set failed. If CloudFormation compared properties with their schemas, only its events say which.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
        """
        if "DescribeEvents" not in reason:
            return reason
        pages = self._client.get_paginator("describe_events").paginate(
            ChangeSetName=change_set, Filters={"FailedEvents": True}
        )
        with suppress(ClientError):  # Who may create change sets may not always read this.
            found = [_invalid(one) for page in pages for one in page["OperationEvents"]]
            return "; ".join(filter(None, found)) or reason
        return reason

    def delete_change_set(self, change_set: str) -> None:
        """Deletes a change set, unless somebody else executes it; the stack does not change."""
        try:
            self._client.delete_change_set(ChangeSetName=change_set)
        except ClientError as error:
            if error_code(error) not in _OBSOLETE:
                raise

    def is_executable(self, change_set: str) -> bool:
        """Whether a change set can be executed: not if it was executed or deleted, or the stack changed since then."""
        try:
            described = self._client.describe_change_set(ChangeSetName=change_set)
        except ClientError as error:
            if error_code(error) in _OBSOLETE:
                return False
            raise
        return described["ExecutionStatus"] == "AVAILABLE"

    def execute_change_set(
        self, change_set: str, *, create: bool, token: str | None = None, keeps_failed: bool = False
    ) -> str:
        """Starts the execution of a change set; returns the token that its events carry, by default a new one.

        With `keeps_failed`, what was created or changed stays as it is if the operation fails.

        Raises:
            ObsoleteChangeSetError: it cannot be executed any more, or another operation is in progress.
        """
        token = token or uuid.uuid4().hex
        # If the creation fails, delete also the resources that later must be retained: otherwise an empty
        # table and an empty bucket would stay, and their names would block the next attempt.
        on_failure: Any = {"DisableRollback": True} if keeps_failed else {"RetainExceptOnCreate": create}
        with rejections("the change set"):
            try:
                self._client.execute_change_set(
                    ChangeSetName=change_set,
                    ClientRequestToken=token,
                    **on_failure,
                )
            except ClientError as error:
                message = error.response["Error"].get("Message", "")
                if error_code(error) not in _OBSOLETE and "_IN_PROGRESS state" not in message:
                    raise
                raise ObsoleteChangeSetError(
                    f"CloudFormation did not execute the change set, since somebody else changes the stack: {message}; "
                    "run the command again"
                ) from None
        return token

    def update(
        self,
        stack: str,
        *,
        template_url: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str] = {},
        role: str | None = None,
        token: str | None = None,
    ) -> str | None:
        """Starts an update without a change set; returns the token of its events, None if nothing changes."""
        token = token or uuid.uuid4().hex
        request = _request(stack, template_url, parameters, role)
        try:
            with rejections("the update"):
                self._client.update_stack(**request, Tags=_tags(stack, tags), ClientRequestToken=token)
        except PublishError as error:
            if "No updates are to be performed" in str(error):
                return None
            raise
        return token

    def cancel_update(self, stack: str) -> bool:
        """Cancels the update of a stack, which is then rolled back; False if there is none that can be cancelled."""
        try:
            self._client.cancel_update_stack(StackName=stack)
        except ClientError as error:
            if "cannot be called from current stack status" in error.response["Error"].get("Message", ""):
                return False
            raise
        return True

    def settled(self, name: str, *, after: datetime | None = None) -> Stack | None:
        """The stack when no operation changes it any more, with the outputs that the last one left.

        DescribeStacks can return the stack as it was, for some time after an operation has ended. Whoever routed new
        executions by such an answer would take them back to the version before.

        Args:
            name: the stack's name or ARN.
            after: when it was updated before that operation; None for a new stack, or if there was no operation.

        Returns:
            The stack; None if it does not exist.

        Raises:
            AccountError: CloudFormation still returns it as it was before.
        """
        stale_reads = 0
        for pause in pauses():
            found = self.find(name)
            is_busy = found is not None and found.status.endswith("IN_PROGRESS")
            if found and not is_busy and found.updated != after:
                return found
            stale_reads += not is_busy
            if stale_reads == MAX_STALE_READS:
                break
            time.sleep(pause)
        if found is None:
            return None
        raise AccountError(
            f"CloudFormation has finished, and still shows stack {name} as it was before: run the command again, which "
            "completes it"
        )

    def delete(self, stack_id: str, *, role: str | None = None, retain: Sequence[str] = ()) -> str:
        """Starts the deletion of a stack; returns the token that its events carry.

        Args:
            stack_id: the stack's ARN.
            role: the role that CloudFormation assumes.
            retain: logical IDs of resources whose deletion failed, and that are left behind this time.
        """
        token = uuid.uuid4().hex
        request: Any = {"RetainResources": list(retain)} if retain else {}
        with rejections("the deletion of the stack"):
            self._client.delete_stack(StackName=stack_id, ClientRequestToken=token, **request, **_role(role))
        return token

    def policy(self, stack: str) -> str | None:
        """The stack policy, as JSON; None if there is none."""
        return self._client.get_stack_policy(StackName=stack).get("StackPolicyBody")

    def set_policy(self, stack: str, policy: str) -> None:
        """Replaces the stack policy."""
        self._client.set_stack_policy(StackName=stack, StackPolicyBody=policy)

    def protect(self, stack: str, *, on: bool) -> None:
        """Turns termination protection on or off."""
        self._client.update_termination_protection(StackName=stack, EnableTerminationProtection=on)

    def events(self, stack_id: str, token: str, seen: Container[str]) -> list[Event]:
        """The events of an operation whose IDs are not in `seen`, oldest first.

        If somebody cancels the operation, its rollback belongs to it, and its events can have another token.
        """
        found = list(self._newest_events(stack_id, token, seen))[::-1]
        ends = [number for number, event in enumerate(found) if event.ends_operation]
        return found[: ends[0] + 1] if ends else found

    def _newest_events(self, stack_id: str, token: str, seen: Container[str]) -> Iterator[Event]:
        # CloudFormation returns the newest first, back to the stack's creation: stop at the first known event.
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for described in page["StackEvents"]:
                if described["EventId"] in seen:
                    return
                is_own = described.get("ClientRequestToken", token) == token
                if not (is_own or seen):
                    return  # The operation has not begun.
                if "ClientRequestToken" in described or seen:
                    event = _event(described)
                    yield event
                    if is_own and event.starts_operation:
                        return

    def last_operation(self, stack_id: str) -> list[Event]:
        """The events of the last operation, or of the one in progress, oldest first."""
        newest_first: list[Event] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for described in page["StackEvents"]:
                newest_first.append(_event(described))
                if newest_first[-1].starts_operation:
                    return newest_first[::-1]
        return newest_first[::-1]

    def operation(self, stack_id: str, token: str, since: datetime) -> list[Event]:
        """The events of an earlier operation, oldest first, as far as it went; none if there is no such operation.

        Args:
            stack_id: the stack's ARN.
            token: the token that the operation was started with.
            since: the operation did not start before.
        """
        found: list[Any] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            found += [one for one in page["StackEvents"] if one["Timestamp"] >= since]
            if page["StackEvents"] and page["StackEvents"][-1]["Timestamp"] < since:
                break
        oldest_first = iter(found[::-1])
        started = dropwhile(lambda one: one.get("ClientRequestToken") != token, oldest_first)
        events: list[Event] = []
        for event in map(_event, started):
            events.append(event)
            # Whoever cancels an operation has another token, which the events of its rollback carry.
            if event.ends_operation:
                break
        return events

    def roll_back(self, stack_id: str) -> str:
        """Rolls a failed operation back that was not; returns the token that its events carry.

        What a failed creation left is deleted, also what is retained later
        (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html).

        Raises:
            PublishError: CloudFormation cannot roll it back.
        """
        token = uuid.uuid4().hex
        with rejections("to roll back"):
            self._client.rollback_stack(
                StackName=stack_id, ClientRequestToken=token, RetainExceptOnCreate=True
            )
        return token

    def continue_rollback(self, stack_id: str, *, without: Sequence[str] = ()) -> str:
        """Continues the rollback of an update that failed; returns the token that its events carry.

        Args:
            stack_id: the stack's ARN.
            without: logical IDs of resources that stay as they are; they must have failed to roll back
                (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html).

        Raises:
            PublishError: CloudFormation cannot continue.
        """
        token = uuid.uuid4().hex
        with rejections("to continue the rollback"):
            self._client.continue_update_rollback(
                StackName=stack_id, ClientRequestToken=token, ResourcesToSkip=list(without)
            )
        return token

    def resources(self, stack: str, *, status: str = "") -> list[dict[str, str]]:
        """The stack's resources: `id` (logical), `type`, `name` (physical ID). Those that are deleted are left out.

        Args:
            stack: name or ARN of the stack.
            status: only those with this status, such as `DELETE_FAILED`.
        """
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=stack)
        return [
            _resource(one)
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] != "DELETE_COMPLETE" and status in ("", one["ResourceStatus"])
        ]

    def drifts(self, stack: str) -> list[dict[str, Any]]:
        """Resources that differ from the template, with their differences. Takes seconds to minutes on AWS.

        Raises:
            PublishError: CloudFormation cannot detect drift.
        """
        detection = self._client.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
        answer = _poll(
            lambda: self._client.describe_stack_drift_detection_status(StackDriftDetectionId=detection),
            lambda answer: answer["DetectionStatus"] != "DETECTION_IN_PROGRESS",
        )
        # Detection "fails" if one resource type does not support it; drift of the others is still reported.
        if answer["DetectionStatus"] == "DETECTION_FAILED" and not answer.get("DriftedStackResourceCount"):
            raise PublishError(
                f"CloudFormation could not detect drift: {answer.get('DetectionStatusReason', '')}"
            )
        drifts: list[dict[str, Any]] = []
        request: dict[str, Any] = {
            "StackName": stack,
            "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"],
        }
        while True:  # boto3 has no paginator for this operation.
            page = self._client.describe_stack_resource_drifts(**request)
            drifts += map(_drift, page["StackResourceDrifts"])
            if not page.get("NextToken"):
                return drifts
            request["NextToken"] = page["NextToken"]


def _stack(described: Mapping[str, Any]) -> Stack:
    return Stack(
        name=described["StackName"],
        id=described["StackId"],
        status=described["StackStatus"],
        reason=described.get("StackStatusReason", ""),
        parameters=_parameters(described),
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        updated=described.get("LastUpdatedTime") or described.get("CreationTime"),
        created=described.get("CreationTime"),
        tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
        service_role=described.get("RoleARN", ""),
        is_protected=described.get("EnableTerminationProtection", False),
    )


def _event(described: Mapping[str, Any]) -> Event:
    return Event(
        id=described["EventId"],
        at=described["Timestamp"],
        resource=described["LogicalResourceId"],
        type=described["ResourceType"],
        status=described["ResourceStatus"],
        reason=described.get("ResourceStatusReason", ""),
        is_stack_event=described["PhysicalResourceId"] == described["StackId"],
        physical_id=described["PhysicalResourceId"],
    )


def _invalid(event: Mapping[str, Any]) -> str:
    """What an event says about the validation of a resource; empty if it is about something else."""
    why = event.get("ValidationStatusReason")
    if not why:
        return ""
    # /Resources/Queue/Properties/VisibilityTimeout
    inside = event.get("ValidationPath", "").split("/")[4:]
    where = f"{event.get('LogicalResourceId', '')} ({event.get('ResourceType', '')})"
    return ": ".join([where, *([".".join(inside)] if inside else []), why])


def _request(
    stack: str, template_url: str, parameters: Mapping[str, str], role: str | None
) -> dict[str, Any]:
    return {
        "StackName": stack,
        "TemplateURL": template_url,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],  # The template gives its roles names.
        **_role(role),
    }


def _role(role: str | None) -> Any:
    return {"RoleARN": role} if role else {}


def _tags(stack: str, tags: Mapping[str, str]) -> Any:
    """All tags of a stack: a request replaces those that it has."""
    all_tags = {STAGE_TAG: stack.removeprefix("afterloop-"), **tags}
    return [{"Key": key, "Value": value} for key, value in all_tags.items()]


def _parameters(described: Mapping[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", [])}


def _resource(described: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": described["LogicalResourceId"],
        "type": described["ResourceType"],
        "name": described.get("PhysicalResourceId", ""),
    }


def _drift(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_resource(described),
        "status": described["StackResourceDriftStatus"],
        "differences": [
            {"property": one["PropertyPath"], "expected": one["ExpectedValue"], "actual": one["ActualValue"]}
            for one in described.get("PropertyDifferences", [])
        ],
    }


def _poll(call: Callable[[], Any], is_over: Callable[[Any], bool]) -> Any:
    """Repeats a call, at growing intervals, until its answer is final; returns that answer."""
    # Not a waiter of boto3: these wait for at least a second, and a change set is often ready after 0.2 s.
    for pause in pauses():
        answer = call()
        if is_over(answer):
            return answer
        time.sleep(pause)
    raise AssertionError("pauses never end")


def pauses(first: float = 0.1, longest: float = 3.0) -> Iterator[float]:
    """Seconds to wait between calls that poll a service: short at first, then longer, without end."""
    while True:
        yield first
        first = min(first * 1.4, longest)
