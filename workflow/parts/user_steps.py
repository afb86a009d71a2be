"""The user's post-review steps: read from their file and made part of a branch.

Each step gets the retries and the Catch that every step of the workflow has. Wherever the steps end, the workflow
continues with its own ending.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from workflow.asl.blocks import made
from workflow.asl.integration import FORMS
from workflow.asl.origin import name_of, shown_path
from workflow.asl.reach import everything, first
from workflow.errors import WorkflowError
from workflow.parts.failures import FAILED_TASK, caught_after_review, transient_of
from workflow.parts.user_file import run
from workflow.parts.user_lists import problems_of_branch
from workflow.steps import Chain, Retry, State, inside, reachable

__all__ = ["BRANCHES", "followed_by", "load"]

BRANCHES = ("completed", "failed", "stopped")
"""The names of the lists of steps."""


def load(path: Path) -> dict[str, list[State]]:
    """The steps of each branch, from the user's file. Each call runs the file again: steps cannot be chained twice.

    Raises:
        WorkflowError: The file raises an error, has no list of steps for a branch, or has steps that no branch uses.
    """
    states: list[Any] = []
    token = made.set(states)
    try:
        module = run(path)
    finally:
        made.reset(token)
    branches = {}
    wrong = []
    for branch in BRANCHES:
        if problems := list(problems_of_branch(branch, module, path)):
            wrong += problems
        else:
            branches[branch] = getattr(module, branch)
    if wrong := [*wrong, *_unused(module, path, branches, states)]:
        raise WorkflowError("\n".join(wrong))
    return branches


def followed_by(ending: State, steps: Sequence[State], *, failed: State) -> State | Chain:
    """The user's steps of a branch, followed by the workflow's own ending wherever they end.

    Args:
        ending: The step after the user's steps.
        steps: The user's steps, in order. A Choice among them can lead to further steps.
        failed: The next step if one of them fails.

    Raises:
        WorkflowError: One of the steps would end the execution.
    """
    if not steps:
        return ending
    chain = Chain(steps)
    # A step can be in several branches. It then leads to the workflow's own steps already, which stay as they are.
    own = {id(state) for end in (ending, failed) for state in reachable(end)}
    for step in [state for state in reachable(chain) if id(state) not in own]:
        if step.state_type in ("Succeed", "Fail"):
            raise WorkflowError(
                f"{name_of(step)}: a post-review step cannot be a {step.state_type}, because that would end the"
                " execution before the workflow is done; remove it"
            )
        if step.state_type in ("Task", "Parallel", "Map"):
            # Each Task in a Parallel or Map gets its own retries. A retry of the whole state would run all of it again.
            for state in (step, *inside(step)):
                if state.state_type == "Task" and not state.retries:
                    state.add_retry(_retries(state))
            if not any("States.ALL" in catch.error_equals for catch in step.catches):
                step.add_catch(caught_after_review(step.state_id, failed))
        if step.state_type == "Choice":
            if step.default is None:
                step.default_choice(ending)
        elif step.next_step is None:
            step.next(ending)
    return chain


def _retries(task: State) -> list[Retry]:
    """The retries of a user's Task without its own.

    A Task that waits for a job or an answer is retried only on transient errors: any other retry would start another
    job, or ask the question again.
    """
    resource = str(task.resource)
    transient = transient_of(resource)
    return transient if resource.endswith(FORMS[1:]) else [*transient, FAILED_TASK]


def _unused(
    module: ModuleType, path: Path, branches: Mapping[str, Sequence[State]], states: Sequence[State]
) -> Iterator[str]:
    """Reports variables whose steps no branch reaches, such as a misspelled branch, and steps before those of a branch.

    A variable that the file itself reads is not reported: a condition may leave its steps out on purpose.

    Args:
        module: The file, run.
        path: The file.
        branches: The steps of each branch.
        states: All states that the file made.
    """
    used = {id(state) for steps in branches.values() for step in steps for state in everything(step)}
    read, written = _names(path)
    for name, value in vars(module).items():
        if name in BRANCHES or name in read or name not in written:
            continue
        steps = value if isinstance(value, list | tuple) else [value]
        if not steps or not all(isinstance(step, State | Chain) for step in steps):
            continue
        if used.isdisjoint(id(state) for step in steps for state in everything(step)):
            close = get_close_matches(name, BRANCHES, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"add it to {_LISTED}, or remove it"
            yield f"{shown_path(path)}:{written[name]}: no branch uses `{name}`; {hint}"
    kept = {id(value) for name, value in vars(module).items() if name in read}
    for state in states:
        following = state.next_step
        if id(state) not in used | kept and following is not None and id(first(following)) in used:
            yield (
                f"{name_of(state)} leads to {first(following).state_id!r}, but no branch has it: `next` returns the "
                "next step; write both in the list, or Chain([…])"
            )


_LISTED = "`completed`, `failed` or `stopped`"


def _names(path: Path) -> tuple[set[str], dict[str, int]]:
    """The variables that a file reads, and those that it assigns with the last line that does.

    `choice.add_choice(…)` or `step.next(…)` does not count as reading: it changes a step, but uses it nowhere. Imported
    names count as neither.
    """
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    objects = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load) and id(node) not in objects}
    stored = sorted((node.lineno, node.id) for node in names if isinstance(node.ctx, ast.Store))
    return read, {name: line for line, name in stored}
