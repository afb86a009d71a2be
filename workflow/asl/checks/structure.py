"""Names, transitions and ends of a machine and its nested machines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from workflow.asl.checks.problem import Problem, hint
from workflow.asl.walk import Machine, State, machines, ways

__all__ = ["problems_of_structure"]

MAX_NAME = 80
"""The maximum length of a state's name (Amazon States Language)."""


def problems_of_structure(definition: Machine) -> Iterator[Problem]:
    """Mistakes in the structure of a machine."""
    yield from _names(definition)
    for machine in machines(definition):
        yield from _transitions(machine)


def _names(definition: Machine) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in (name for machine in machines(definition) for name in machine["States"]):
        if name in seen:
            yield Problem(
                name,
                "another state has the same name; give each state its own name, including states in branches",
            )
        seen.add(name)
        if len(name) > MAX_NAME:
            yield Problem(name, f"its name has {len(name)} characters; use at most {MAX_NAME}")


def _transitions(machine: Machine) -> Iterator[Problem]:
    states = machine["States"]
    start = str(machine.get("StartAt"))
    if start not in states:
        yield Problem(None, f"StartAt names the state {start!r}, which does not exist{hint(start, states)}")
        return
    leads_nowhere = False
    for name, state in states.items():
        for way in ways(state):
            if way.to not in states:
                leads_nowhere = True
                problem = f"{way.path} names the state {way.to!r}, which does not exist in this machine"
                yield Problem(name, problem + hint(way.to, states))
        # The schema of AWS's own editor asks for one, too: aws/amazon-states-language-service, parallel_state.json.
        if state["Type"] == "Parallel" and not state.get("Branches"):
            yield Problem(name, "a Parallel needs at least one branch; call add_branch, or remove it")
        if state["Type"] == "Choice" and not state.get("Choices"):
            yield Problem(name, "a Choice needs a rule; call add_choice(ChoiceRule.…, next_step)")
        if state["Type"] == "Choice" and "Default" not in state:
            yield Problem(
                name,
                "a Choice without a default fails if no rule matches; call default_choice, or add a step after it",
            )
    if not leads_nowhere:  # Otherwise, missing states could be the reason for unreachable ones.
        yield from _reachability(start, states)


def _reachability(start: str, states: Mapping[str, State]) -> Iterator[Problem]:
    ahead = {name: [way.to for way in ways(state)] for name, state in states.items()}
    without_errors = {
        name: [way.to for way in ways(state) if way.kind != "catch"] for name, state in states.items()
    }
    ends = {
        name for name, state in states.items() if state.get("End") or state["Type"] in ("Succeed", "Fail")
    }
    reached, ending = _reached({start}, ahead), _reached(ends, _reversed(ahead))
    if not ends:
        yield Problem(
            start,
            "the machine that starts here has no end; add a Succeed or Fail, or a state without a next step",
        )
    for name in states:
        if name not in reached:
            yield Problem(name, "no transition leads to this state; connect it or remove it")
        elif ends and name not in ending:
            yield Problem(name, "no path leads from this state to an end")
    endless = (reached & ending) - _reached(ends, _reversed(without_errors))
    for name in states:
        if name in endless and name in _reached(without_errors[name], without_errors):
            yield Problem(name, "only an error ends this loop; add a Choice that leaves it", "warning")
            break  # All states of the loop have the same problem.


def _reversed(ahead: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    back: dict[str, list[str]] = {}
    for name, targets in ahead.items():
        for target in targets:
            back.setdefault(target, []).append(name)
    return back


def _reached(start: Collection[str], leads_to: Mapping[str, Collection[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(leads_to.get(name, ()))
    return reached
