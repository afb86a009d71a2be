"""A step of the definition: where it is, what TestState needs for it, and which branch it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow.asl.checks.problem import hint
from workflow.asl.walk import Machine, State, nested, states, ways
from workflow.errors import AfterloopError
from workflow.operations.trials.reading import Mock
from workflow.parts.user_steps import BRANCHES

__all__ = ["BRANCHES", "Step", "find_step", "reached_in"]

_STATUS = "$.detail.humanLoopStatus"
"""What the Choice compares that leads to the branches."""

_RESHAPING = ("InputPath", "Parameters", "Arguments")
"""The fields of a Parallel that give its branches another input than its own."""


@dataclass(frozen=True)
class Step:
    """A step of the workflow.

    Attributes:
        name: Its name.
        state: Its definition, with its query language. Functions and resources of the stack are `${…}`.
        branch: The branch that it belongs to: the first that leads to it. Steps before the branches count as completed.
        place: File and line where it was made, if known.
        around: The states that it is in, the outermost first: name and definition.
    """

    name: str
    state: Mapping[str, Any]
    branch: str
    place: str | None = None
    around: tuple[tuple[str, State], ...] = ()

    @property
    def needs_mock(self) -> str | None:
        """Why TestState can run it only with a mock; None if it runs without one."""
        kind, resource = self.state["Type"], str(self.state.get("Resource", ""))
        if kind in ("Map", "Parallel"):
            return f"it is a {kind}"
        if ".sync" in resource:
            return "it waits for a job"
        if resource.endswith(".waitForTaskToken"):
            return "it waits for a task token"
        return "it waits for an activity" if ":activity:" in resource else None

    @property
    def needs_input(self) -> str | None:
        """Why the state of a branch is not its input; None if it is."""
        for name, state in self.around:
            if state["Type"] == "Map":
                return f"it is in the Map {name!r}: its input is an item"
            if fields := [field for field in _RESHAPING if field in state]:
                return f"it is in the Parallel {name!r}, whose {fields[0]} is its input"
        return None

    def expect_possible(self, mock: Mock | None, *, has_input: bool) -> None:
        """Checks that the step can be tried.

        Args:
            mock: What its call gets; None makes the call.
            has_input: Whether there is an input of its own, instead of the state of its branch.

        Raises:
            AfterloopError: It needs a mock or an input, or takes no mock.
        """
        who, kind = f"step {self.name!r}", self.state["Type"]
        if mock is None and (why := self.needs_mock):
            raise AfterloopError(
                f"{who} can be tried only with a mock, because {why}: pass what it returns as the mock"
            )
        if mock is not None and kind not in ("Task", "Map", "Parallel"):
            raise AfterloopError(f"{who} is a {kind}, which calls nothing: remove the mock")
        if not has_input and (why := self.needs_input):
            raise AfterloopError(f"{who} needs an input, because {why}: pass one")


def find_step(definition: Machine, name: str, places: Mapping[str, str]) -> Step:
    """Finds a step by its name, also in a Map or Parallel.

    Args:
        definition: The state machine in Amazon States Language.
        name: The name.
        places: State name → file:line where it was made.

    Raises:
        AfterloopError: There is no such step. The message suggests one.
    """
    found = next(_found(definition, name), None)
    if found is None:
        known = [one for one, _ in states(definition)]
        suggestion = hint(name, known) or "; the names are those of the states in the graph"
        raise AfterloopError(f"there is no step {name!r} in the workflow{suggestion}")
    state, around = found
    language = {"QueryLanguage": definition["QueryLanguage"]} if "QueryLanguage" in definition else {}
    outermost = around[0][0] if around else name
    return Step(
        name=name,
        state={**language, **state},
        branch=_branch(definition, outermost),
        place=places.get(name),
        around=around,
    )


def _found(
    machine: Machine, name: str, around: tuple[tuple[str, State], ...] = ()
) -> Iterator[tuple[State, tuple[tuple[str, State], ...]]]:
    for own, state in machine.get("States", {}).items():
        if own == name:
            yield state, around
        for inside in nested(state):
            yield from _found(inside.machine, name, (*around, (own, state)))


def reached_in(definition: Machine, branch: str) -> set[str]:
    """Returns the names of the states that a branch can lead to, also after an error, and of those inside them."""
    own = _reached(definition, _starts(definition).get(branch), kinds=("next", "choice", "default", "catch"))
    inside = states({"States": {name: definition["States"][name] for name in own}})
    return {name for name, _ in inside}


def _branch(definition: Machine, name: str) -> str:
    starts = _starts(definition)
    leading = (branch for branch in BRANCHES if name in _reached(definition, starts.get(branch)))
    return next(leading, BRANCHES[0])


def _starts(definition: Machine) -> dict[str, str]:
    """The first state of each branch."""
    return {
        str(way.of.get("StringEquals", "")).lower(): way.to
        for state in definition["States"].values()
        for way in ways(state)
        if way.kind == "choice" and way.of.get("Variable") == _STATUS
    }


def _reached(
    definition: Machine, start: str | None, kinds: Collection[str] = ("next", "choice", "default")
) -> set[str]:
    """The states that are reached by these kinds of ways: without an error, unless `catch` is among them."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name is None or name in reached or name not in definition["States"]:
            continue
        reached.add(name)
        waiting += [way.to for way in ways(definition["States"][name]) if way.kind in kinds]
    return reached
