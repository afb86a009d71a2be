"""Runs steps and state machines in tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.canned_results import Results, key_of, parse_results
from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.testing import shared
from sandbox.testing.own_answers import own_answers
from sandbox.testing.runs import Run
from sandbox.testing.stand_in import STAGE, Resources, StandIn, role_for_anything
from workflow.asl.walk import Machine, states
from workflow.machine import POST_REVIEW
from workflow.operations import sample as samples
from workflow.operations.executions import read_execution
from workflow.operations.executions.model import is_final
from workflow.operations.trials import BRANCHES, Target, Trial, filled, find_step, reached_in, try_state
from workflow.operations.trials.reading import mock_of
from workflow.stack.assembly import Assembly, assemble, own_states
from workflow.steps import Chain, definition

__all__ = ["run_machine", "run_workflow", "try_step"]

_NO_INPUT: Any = object()

_Answers = Mapping[str, Any] | None
"""A name → an answer, or a list of answers of which each call takes the next: `{"result": …}`, or `{"error": "Name",
"cause": "text"}`."""


def try_step(
    name: str,
    *,
    input: Any = _NO_INPUT,
    sample: str | None = None,
    mock: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    machine: Chain | Mapping[str, Any] | None = None,
    post_review: Path | None = None,
) -> Trial:
    """Runs one step alone, as `python deploy.py try` does.

    Args:
        name: The name of the step, also of one inside a Map or Parallel.
        input: Its input. The default is a sample of the state of its branch.
        sample: The branch whose sample it gets: completed, failed or stopped.
        mock: What its call gets, instead of being made: `{"result": …}`, or `{"error": "Name", "cause": "text"}`.
        variables: Workflow variables, in addition to the workflow's own.
        machine: The state machine that has the step, if it is not the workflow.
        post_review: The file with your post-review steps. The default is `workflow/post_review.py`.

    Returns:
        What happened: `status`, `output`, `next_state`, what was `sent`, `error`, `cause`, `retried`, `caught`.

    Raises:
        AfterloopError: There is no such step, it cannot be tried without a mock or an input, or TestState refuses it.
    """
    given = None if mock is None else mock_of(mock, "mock")
    sandbox = shared.engine()
    if machine is not None:
        found = find_step(_definition(machine), name, {})
        found.expect_possible(given, has_input=input is not _NO_INPUT)
        state, role = dict(found.state), role_for_anything(_resources(sandbox))
        start = None if input is _NO_INPUT else input
        known = dict(variables or {})
    else:
        assembly, stand_in, _ = _workflow(sandbox, post_review)
        found = find_step(assembly.definition, name, assembly.places)
        found.expect_possible(given, has_input=input is not _NO_INPUT)
        if given is None:
            stand_in.deploy_functions([name])
        target = Target(STAGE, "aws", sandbox.region, sandbox.account_id, stand_in.values, stand_in.role)
        state, role = filled(found, target, mocked=given is not None), stand_in.role
        branch = _branch(sample) if sample else found.branch
        start = samples.state(branch, stand_in.review_bucket) if input is _NO_INPUT else input
        known = {**samples.variables(branch), **(variables or {})}
    client = sandbox.client("stepfunctions")
    return try_state(client, name, state, start, variables=known, role=role, mock=given)


def run_workflow(
    sample: str | None = None,
    *,
    event: Any = None,
    states: _Answers = None,
    services: _Answers = None,
    post_review: Path | None = None,
    timeout: float = 60,
) -> Run:
    """Runs the workflow with your steps, from the event to the end.

    Args:
        sample: The branch: completed, failed or stopped. The default is that of `event`, or else completed.
        event: The event. The default is a sample of the branch. The workflow's own steps get the answers of the branch,
            and functions are there for the steps of the branch.
        states: Answers for Tasks, by the name of the state. They count before `services`.
        services: Answers for your Tasks, by service: `sqs:sendMessage`, `aws-sdk:comprehend:detectSentiment`.
        post_review: The file with your post-review steps. The default is `workflow/post_review.py`.
        timeout: After how many seconds to give up.

    Returns:
        The execution: `status`, `output`, `states`, `visits`, `calls`.

    Raises:
        WorkflowError: The steps do not make a valid state machine.
        SandboxError: There is no such state or service, an answer has another form, or the time is up.
    """
    branch = _branch(sample) if sample else _branch_of(event)
    start = samples.event_of(branch) if event is None else event
    sandbox = shared.engine()
    assembly, stand_in, own = _workflow(sandbox, post_review)
    given = _results(assembly.definition, states, services)
    defaults = parse_results(
        {"states": own_answers(assembly.definition, own, start, branch, stand_in.review_bucket)}
    )
    answers = Results(services=given.services, states={**defaults.states, **given.states})
    called = _without_answers(assembly.definition, answers) & reached_in(assembly.definition, branch)
    stand_in.deploy_functions(called)
    return _run(sandbox, stand_in.definition, stand_in.role, start, answers, timeout)


def run_machine(
    machine: Chain | Mapping[str, Any],
    input: Any,
    *,
    states: _Answers = None,
    services: _Answers = None,
    timeout: float = 60,
) -> Run:
    """Runs a state machine of your own. Its role allows everything.

    Args:
        machine: Chained steps of `workflow.steps`, or a state machine in Amazon States Language.
        input: The input.
        states: Answers for Tasks, by the name of the state. They count before `services`.
        services: Answers for Tasks, by service.
        timeout: After how many seconds to give up.

    Raises:
        SandboxError: There is no such state or service, an answer has another form, or the time is up.
    """
    whole = _definition(machine)
    sandbox = shared.engine()
    role = role_for_anything(_resources(sandbox))
    return _run(sandbox, whole, role, input, _results(whole, states, services), timeout)


def _definition(machine: Chain | Mapping[str, Any]) -> dict[str, Any]:
    return dict(machine) if isinstance(machine, Mapping) else definition(machine)


def _branch(name: str) -> str:
    if name not in BRANCHES:
        raise SandboxError(f"there is no branch {name!r}; the branches are {', '.join(BRANCHES)}")
    return name


def _branch_of(event: Any) -> str:
    detail = event.get("detail") if isinstance(event, dict) else None
    status = str(detail.get("humanLoopStatus", "") if isinstance(detail, dict) else "").lower()
    return status if status in BRANCHES else BRANCHES[0]


@cache
def _resources(sandbox: Sandbox) -> Resources:
    return Resources(sandbox)


def _workflow(sandbox: Sandbox, post_review: Path | None) -> tuple[Assembly, StandIn, set[str]]:
    """The workflow with a file of steps, its stand-in, and the names of the workflow's own states."""
    file = post_review or POST_REVIEW
    return _assembled(sandbox, file, file.read_bytes())


@cache
def _assembled(sandbox: Sandbox, post_review: Path, content: bytes) -> tuple[Assembly, StandIn, set[str]]:
    """As `_workflow`. The workflow is assembled again if the content changes."""
    assembly = assemble(post_review)
    return assembly, StandIn(_resources(sandbox), assembly), own_states(assembly.places, post_review)


def _results(machine: Machine, by_state: _Answers, by_service: _Answers) -> Results:
    results = parse_results({"states": dict(by_state or {}), "services": dict(by_service or {})}, "answers")
    known = dict(states(machine))
    results.check_states(list(known), "answers")
    for name in results.states:
        if (kind := known[name]["Type"]) != "Task":
            raise SandboxError(f"answers: states: {name!r} is a {kind}; only a Task gets an answer")
    return results


def _without_answers(machine: Machine, answers: Results) -> set[str]:
    return {
        name
        for name, state in states(machine)
        if name not in answers.states and key_of(str(state.get("Resource", ""))) not in answers.services
    }


def _run(sandbox: Sandbox, machine: Machine, role: str, start: Any, answers: Results, timeout: float) -> Run:
    client = sandbox.client("stepfunctions")
    name = f"test-{uuid.uuid4().hex[:16]}"
    arn = client.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)[
        "stateMachineArn"
    ]
    try:
        with sandbox.canned_results.given(answers, machine=arn):
            execution = client.start_execution(stateMachineArn=arn, input=json.dumps(start))["executionArn"]
            _wait(client, execution, timeout)
            return Run.of(read_execution(client, execution))
    finally:
        client.delete_state_machine(stateMachineArn=arn)


def _wait(client: Any, execution: str, timeout: float) -> None:
    """Waits for the end of an execution."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while not is_final(client.describe_execution(executionArn=execution)["status"]):
        if time.monotonic() > deadline:
            read = read_execution(client, execution)
            client.stop_execution(executionArn=execution)
            last = f", in {read.visits[-1].state!r}" if read.visits else ""
            raise SandboxError(f"the execution did not end within {timeout:g} s{last}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
