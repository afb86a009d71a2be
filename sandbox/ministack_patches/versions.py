"""Versions and aliases of state machines."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

__all__ = ["associate", "correct"]


def correct() -> None:
    """Corrects versions and aliases."""
    _name_first_revision()
    _publish_each_revision_once()
    _run_versions()


def associate(execution: dict[str, Any]) -> None:
    """Notes with which version, alias, definition and role the current request or thread starts an execution, once.

    It keeps them until its end, and for each redrive.
    (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html)
    """
    from ministack.services import stepfunctions

    if "definition" in execution:
        return
    version, alias = _requested.get()
    machine = stepfunctions._state_machine_versions.get(version)
    machine = machine or stepfunctions._state_machines[execution["stateMachineArn"]]
    execution["stateMachineVersionArn"], execution["stateMachineAliasArn"] = version, alias
    execution["definition"], execution["roleArn"] = machine["definition"], machine["roleArn"]
    started = execution["events"][0]
    started["previousEventId"] = 0
    details = started["executionStartedEventDetails"]
    details.update(roleArn=machine["roleArn"], inputDetails={"truncated": False})
    details.update({key: execution[key] for key in _ASSOCIATED if execution[key]})


INITIAL = "INITIAL"
"""The ID of the revision with which a state machine is created."""


def _name_first_revision() -> None:
    """Gives the first revision of a state machine no ID.

    AWS: DescribeStateMachine has no `revisionId` until the state machine is updated. For PublishStateMachineVersion and
    CloudFormation, the first revision is `INITIAL`.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_PublishStateMachineVersion.html)
    MiniStack: gives it an ID like each other.
    """
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners

    create, describe = stepfunctions._create_state_machine, stepfunctions._describe_state_machine
    provision = provisioners._sfn_state_machine_create

    def initial(arn: str) -> None:
        machine = stepfunctions._state_machines[arn]
        for version in stepfunctions._state_machine_versions.values():
            if version.get("stateMachineRevisionId") == machine["revisionId"]:
                version["stateMachineRevisionId"] = INITIAL
        machine["revisionId"] = INITIAL

    def created(data: dict[str, Any]) -> Any:
        existing = set(stepfunctions._state_machines)
        answer = create(data)
        arn = json.loads(answer[2]).get("stateMachineArn")
        if answer[0] < 400 and arn not in existing:
            initial(arn)
        return answer

    def provisioned(*resource: Any) -> Any:
        arn, attributes = provision(*resource)
        initial(arn)
        return arn, {**attributes, "StateMachineRevisionId": INITIAL}

    def described(data: dict[str, Any]) -> Any:
        status, headers, body = describe(data)
        if status < 400 and (answer := json.loads(body)).get("revisionId") == INITIAL:
            body = json.dumps({key: value for key, value in answer.items() if key != "revisionId"}).encode()
        return status, headers, body

    stepfunctions._create_state_machine, stepfunctions._describe_state_machine = created, described
    provisioners._sfn_state_machine_create = provisioned
    provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]["create"] = provisioned


def _publish_each_revision_once() -> None:
    """Publishes no second version of a revision.

    AWS: PublishStateMachineVersion returns the version that exists for the current revision.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_PublishStateMachineVersion.html)
    MiniStack: publishes another one.
    """
    from ministack.core.responses import json_response
    from ministack.services import stepfunctions

    publish = stepfunctions._publish_state_machine_version

    def publish_once(data: dict[str, Any]) -> Any:
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn")) or {}
        given = data.get("revisionId") or machine.get("revisionId")
        for version in stepfunctions._state_machine_versions.values():
            if version["stateMachineArn"] == machine.get("stateMachineArn") and (
                version["stateMachineRevisionId"] == machine["revisionId"] == given
            ):
                return json_response(
                    {key: version[key] for key in ("stateMachineVersionArn", "creationDate")}
                )
        return publish(data)

    stepfunctions._publish_state_machine_version = publish_once


_requested: ContextVar[tuple[str | None, str | None]] = ContextVar("afterloop_version", default=(None, None))
"""The ARNs of the version and the alias with which the current request starts an execution."""


def _run_versions() -> None:
    """Runs the version of a state machine with which an execution is started.

    AWS: an execution that is started with a version or an alias runs the definition of that version. An alias with two
    versions chooses by weight. ListExecutions can list the executions of a version or an alias, and says of each
    execution with which version and alias it was started.
    (https://docs.aws.amazon.com/step-functions/latest/dg/execution-alias-version-associate.html)
    DescribeStateMachineForExecution gives the definition that the execution runs, also for an item of a Distributed
    Map, and after the state machine was deleted.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachineForExecution.html)
    MiniStack: runs the newest definition (see `executions.py`), lists no executions of a version or an alias, and does
    not say with which an execution was started.
    """
    from ministack.core.responses import json_response
    from ministack.services import stepfunctions

    start, start_sync = stepfunctions._start_execution, stepfunctions._start_sync_execution
    describe, list_all = stepfunctions._describe_execution, stepfunctions._list_executions
    describe_machine = stepfunctions._describe_state_machine_for_execution

    @contextlib.contextmanager
    def associated(arn: str) -> Iterator[None]:
        """Remembers version and alias for the execution that is started in the block."""
        alias = stepfunctions._state_machine_aliases.get(arn)
        if routes := (alias or {}).get("routingConfiguration"):
            weights = [one.get("weight", 0) for one in routes]
            version, by = random.choices(routes, weights)[0]["stateMachineVersionArn"], arn  # noqa: S311
        else:
            version, by = arn if arn in stepfunctions._state_machine_versions else None, None
        token = _requested.set((version, by))
        try:
            yield
        finally:
            _requested.reset(token)

    def start_version(data: dict[str, Any]) -> Any:
        with associated(str(data.get("stateMachineArn", ""))):
            return start(data)

    def start_version_and_wait(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn", ""))
        with associated(arn):
            return start_sync(
                {**data, "stateMachineArn": stepfunctions._resolve_state_machine_arn(arn) or arn}
            )

    def described(data: dict[str, Any]) -> Any:
        return _completed(describe(data), _associated(data))

    def described_machine(data: dict[str, Any]) -> Any:
        execution = stepfunctions._executions.get(data.get("executionArn")) or {}
        more = {key: execution[key] for key in ("definition", "roleArn") if key in execution}
        answer = describe_machine(data)
        if answer[0] >= 400 and more:
            # The state machine was deleted, or the execution is an item of a Distributed Map and has none.
            answer = json_response(_machine_of(execution))
        return _completed(answer, more)

    def listed(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn", ""))
        if (
            arn not in stepfunctions._state_machine_versions
            and arn not in stepfunctions._state_machine_aliases
        ):
            return with_versions(*list_all(data))
        base = stepfunctions._resolve_state_machine_arn(arn)
        status, headers, body = with_versions(
            *list_all({**data, "stateMachineArn": base, "maxResults": 1_000_000})
        )
        answer = json.loads(body)
        answer["executions"] = [
            one for one in answer["executions"] if arn in [one.get(key) for key in _ASSOCIATED]
        ]
        return status, headers, json.dumps(answer).encode()

    def with_versions(status: int, headers: Any, body: bytes) -> Any:
        if status >= 400:
            return status, headers, body
        answer = json.loads(body)
        answer["executions"] = [{**one, **_associated(one)} for one in answer["executions"]]
        return status, headers, json.dumps(answer).encode()

    stepfunctions._start_execution = start_version
    stepfunctions._start_sync_execution = start_version_and_wait
    stepfunctions._describe_execution, stepfunctions._list_executions = described, listed
    stepfunctions._describe_state_machine_for_execution = described_machine


def _machine_of(execution: dict[str, Any]) -> dict[str, Any]:
    arn = execution["stateMachineArn"]
    name, _, label = arn.rpartition(":")[2].partition("/")
    own = {"stateMachineArn": arn, "name": name, "updateDate": execution["startDate"]}
    return own | ({"mapRunArn": execution["mapRunArn"], "label": label} if label else {})


def _associated(data: dict[str, Any]) -> dict[str, str]:
    """Returns the version and the alias of an execution, if it has them."""
    from ministack.services import stepfunctions

    execution = stepfunctions._executions.get(data.get("executionArn")) or {}
    return {key: execution[key] for key in _ASSOCIATED if execution.get(key)}


_ASSOCIATED = ("stateMachineVersionArn", "stateMachineAliasArn")


def _completed(answer: Any, more: dict[str, Any]) -> Any:
    status, headers, body = answer
    if status >= 400 or not more:
        return answer
    return status, headers, json.dumps({**json.loads(body), **more}).encode()
