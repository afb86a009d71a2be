"""The user's post-review steps: read from their file, and made part of a branch.

Each gets the retries and the Catch that every step of the workflow has, and wherever they end, the workflow goes on.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from workflow.asl.integration import FORMS
from workflow.errors import AfterloopError, WorkflowError
from workflow.parts.failures import ONCE_MORE, TRANSIENT, caught_after_review
from workflow.steps import Chain, Retry, State, inside, places, reachable

__all__ = ["declared_permissions", "followed_by", "load", "shown"]

BRANCHES = ("completed", "failed", "stopped")


def load(path: Path) -> dict[str, list[State]]:
    """The steps of each branch, as the file says. The file is run: steps cannot be chained twice.

    Raises:
        WorkflowError: It cannot be run as Python, has no list of steps for a branch, or makes steps that no
            branch leads to.
    """
    module = _run(path)
    branches = {}
    wrong = []
    for branch in BRANCHES:
        steps = getattr(module, branch, None)
        if isinstance(steps, list) and all(isinstance(step, State | Chain) for step in steps):
            branches[branch] = steps
        else:
            wrong.append(
                f"{shown(path)}: `{branch}` must be a list of steps, such as [SnsPublishStep(…)], or []"
            )
    if wrong := [*wrong, *_unused(module, path, branches)]:
        raise WorkflowError("\n".join(wrong))
    return branches


def declared_permissions(path: Path) -> dict[str, Any]:
    """What the file declares that its steps may do: state name → list of `{"actions": …, "resources": …}`.

    Raises:
        WorkflowError: `permissions` is something else.
    """
    declared = getattr(_run(path), "permissions", {})
    if not isinstance(declared, dict) or not all(isinstance(name, str) for name in declared):
        raise WorkflowError(
            f"{shown(path)}: `permissions` must be a dictionary: the name of a step → what it may do"
        )
    return declared


def followed_by(ending: State, steps: Sequence[State], *, failed: State) -> State | Chain:
    """The user's steps of a branch, and the workflow's own ending after them, wherever they end.

    Args:
        ending: What comes after the steps.
        steps: The user's, in order; a Choice among them may lead to others.
        failed: Where the workflow goes when one of them fails.

    Raises:
        WorkflowError: One of them would end the execution.
    """
    if not steps:
        return ending
    chain = Chain(steps)
    # A step can stand in several branches: then it leads to the workflow's own by now.
    own = {id(state) for end in (ending, failed) for state in reachable(end)}
    for step in [state for state in reachable(chain) if id(state) not in own]:
        if step.state_type in ("Succeed", "Fail"):
            made_at = places(step).get(step.state_id)
            raise WorkflowError(
                f"state {step.state_id!r}{f' ({made_at})' if made_at else ''}: a post-review step cannot be a "
                f"{step.state_type}: it would end the execution, and the workflow has more to do; leave it out"
            )
        if step.state_type in ("Task", "Parallel", "Map"):
            # In a Parallel or Map each Task tries again by itself: the others are not run again for it.
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


def shown(path: Path) -> str:
    """A file as errors name it: from the current folder, if it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _retries(task: State) -> list[Retry]:
    """What a Task of the user's is tried again for, if it does not say so itself.

    Not for any failure if it waits for a job or an answer: that would be another job, or another question.
    """
    waits = str(task.resource).endswith(FORMS[1:])
    return TRANSIENT if waits else [*TRANSIENT, ONCE_MORE]


def _unused(module: ModuleType, path: Path, branches: Mapping[str, Sequence[State]]) -> Iterator[str]:
    """Names of steps that no branch leads to, and that the file does not read: a misspelt branch, say.

    What the file reads, to make a list or another step of it, is used there, or will be if a condition holds.
    """
    used: set[int] = set()
    for start in [step for steps in branches.values() for step in steps]:
        used |= set(_ids(start))
    tree = ast.parse(path.read_bytes())
    read, written = _read(tree), _written(tree)
    for name, value in vars(module).items():
        if name in BRANCHES or name in read or name not in written:
            continue
        steps = value if isinstance(value, list | tuple) else [value]
        if not steps or not all(isinstance(step, State | Chain) for step in steps):
            continue
        if used.isdisjoint(one for step in steps for one in _ids(step)):
            close = get_close_matches(name, BRANCHES, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"put it into {_LISTED}, or leave it out"
            yield f"{shown(path)}:{written[name]}: no branch uses `{name}`; {hint}"


_LISTED = "`completed`, `failed` or `stopped`"


def _ids(start: State | Chain) -> Iterator[int]:
    for state in reachable(start):
        yield id(state)
        yield from (id(one) for one in inside(state))


def _read(tree: ast.Module) -> set[str]:
    """Names that a file reads for more than to add to what they stand for (`choice.add_choice(…)`)."""
    changed = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in _ADDING
    }
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in changed
    }


_ADDING = frozenset(
    """
    add_branch add_catch add_choice add_retry append attach_iterator default_choice extend insert next output
    """.split()  # noqa: SIM905 (the words are what matters)
)


def _written(tree: ast.Module) -> dict[str, int]:
    """Names that a file gives something to stand for, with the last line that does; imported ones left out."""
    nodes = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return {node.id: node.lineno for node in sorted(nodes, key=lambda node: node.lineno)}


def _run(path: Path) -> ModuleType:
    module = ModuleType("workflow.post_review")
    module.__file__ = str(path)
    try:
        # Not through an importer, which would take an edit within a second, of the same length, for none.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 (it is the user's workflow)
    except AfterloopError:
        raise
    except Exception as error:
        # The file is the person's, and so is the mistake: one line, no traceback through our modules.
        raise WorkflowError(_mistake(error, path)) from error
    return module


def _mistake(error: Exception, path: Path) -> str:
    """An error in running a file: the line of the file where it came up, what kind it is, and what it says."""
    if isinstance(error, SyntaxError):
        line, said = error.lineno, error.msg
    else:
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == str(path)]
        line, said = (lines or [None])[-1], str(error)
    return f"{shown(path)}{f':{line}' if line else ''}: {type(error).__name__}: {said}"
