"""Versions and aliases of state machines."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from sandbox.ministack_patches import permissions

__all__ = ["associate", "correct"]


def correct() -> None:
    """Corrects versions and aliases."""
    _run_versions()


def associate(execution: dict[str, Any]) -> None:
    """Notes the version and the alias with which the current request or thread starts an execution, once."""
    version, alias = _requested.get()
    execution.setdefault("stateMachineVersionArn", version)
    execution.setdefault("stateMachineAliasArn", alias)


_requested: ContextVar[tuple[str | None, str | None]] = ContextVar("afterloop_version", default=(None, None))
"""The ARNs of the version and the alias with which the current request starts an execution."""


def _run_versions() -> None:
    """Runs the version of a state machine with which an execution is started.

    AWS: an execution that is started with a version or an alias runs the definition of that version. An alias with two
    versions chooses by weight. ListExecutions can list the executions of a version or an alias.
    (https://docs.aws.amazon.com/step-functions/latest/dg/execution-alias-version-associate.html)
    MiniStack: runs the newest definition.
    """
    from ministack.services import stepfunctions

    start, run = stepfunctions._start_execution, stepfunctions._run_execution
    start_sync = stepfunctions._start_sync_execution
    describe, list_all = stepfunctions._describe_execution, stepfunctions._list_executions
    describe_machine = stepfunctions._describe_state_machine_for_execution
    kind = type(stepfunctions._state_machines)
    newest = kind.get
    running = threading.local()

    class Machines(kind):  # type: ignore[misc, valid-type]
        """The state machines. A thread that begins an execution gets the version that it should run."""

        __slots__ = ()

        def get(self, arn: Any, default: Any = None) -> Any:
            machine, version = newest(self, arn, default), getattr(running, "version", None)
            if machine is None or version is None:
                return machine
            # Only the first lookup reads the definition. Later ones in the thread may be for a nested state machine.
            running.version = None
            return {**machine, "definition": version["definition"], "roleArn": version["roleArn"]}

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

    def run_version(execution_arn: str) -> None:
        if execution := stepfunctions._executions.get(execution_arn):
            associate(execution)
            version = execution["stateMachineVersionArn"]
            running.version = stepfunctions._state_machine_versions.get(version)
            machine = running.version or newest(stepfunctions._state_machines, execution["stateMachineArn"])
            with permissions.acting_as((machine or {}).get("roleArn")):
                run(execution_arn)

    def described(data: dict[str, Any]) -> Any:
        return _completed(describe(data), _associated(data))

    def described_machine(data: dict[str, Any]) -> Any:
        version = stepfunctions._state_machine_versions.get(_associated(data).get("stateMachineVersionArn"))
        more = {key: version[key] for key in ("definition", "roleArn")} if version else {}
        return _completed(describe_machine(data), more)

    def listed(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn", ""))
        if (
            arn not in stepfunctions._state_machine_versions
            and arn not in stepfunctions._state_machine_aliases
        ):
            return list_all(data)
        base = stepfunctions._resolve_state_machine_arn(arn)
        status, headers, body = list_all({**data, "stateMachineArn": base, "maxResults": 1_000_000})
        answer = json.loads(body)
        answer["executions"] = [one for one in answer["executions"] if arn in _associated(one).values()]
        return status, headers, json.dumps(answer).encode()

    stepfunctions._state_machines.__class__ = Machines
    stepfunctions._start_execution, stepfunctions._run_execution = start_version, run_version
    stepfunctions._start_sync_execution = start_version_and_wait
    stepfunctions._describe_execution, stepfunctions._list_executions = described, listed
    stepfunctions._describe_state_machine_for_execution = described_machine


def _associated(data: dict[str, Any]) -> dict[str, str]:
    """Returns the version and the alias of an execution, if it has them."""
    from ministack.services import stepfunctions

    execution = stepfunctions._executions.get(data.get("executionArn")) or {}
    keys = ("stateMachineVersionArn", "stateMachineAliasArn")
    return {key: execution[key] for key in keys if execution.get(key)}


def _completed(answer: Any, more: dict[str, Any]) -> Any:
    status, headers, body = answer
    if status >= 400 or not more:
        return answer
    return status, headers, json.dumps({**json.loads(body), **more}).encode()
