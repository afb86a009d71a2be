"""Paths that no earlier step provides, or that only some ways to a state provide.

The data of an execution is followed from state to state, until nothing new is learned. A path that exists on no way is
an error; one that is missing on some ways is a warning that names such a way, unless the machine tests it. Values that
are unknown before an execution (a function's payload, an item of a file) can have any content.

flow.py       what is known before and after a state
jsonpath.py   what a JSONPath state does with it; references.py has the steps of a path
jsonata.py    what a JSONata state does with it; expressions.py has what an expression reads
lookup.py     the message for a path that leads nowhere
results.py    the shapes of results
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from workflow.asl.checks import jsonata, jsonpath
from workflow.asl.checks.flow import CONTEXT, Facts, Flow, Visit, joined_facts
from workflow.asl.checks.lookup import problem_of
from workflow.asl.checks.problem import Problem
from workflow.asl.checks.results import result_of
from workflow.asl.checks.shapes import Object, Shape, joined, placed, shape_of
from workflow.asl.walk import Machine, Way, nested, ways

__all__ = ["problems_of_paths"]


def problems_of_paths(
    definition: Machine, event: Any, results: Mapping[str, Any], own: Collection[str] = ()
) -> Iterator[Problem]:
    """Paths that neither an earlier step nor the event provides, on all ways or on some.

    Args:
        definition: The machine in Amazon States Language.
        event: The shape of its input.
        results: State name to the shape of its result, by the key that it adds.
        own: Names of states whose paths are not checked, because they are known to be right.
    """
    language = str(definition.get("QueryLanguage", "JSONPath"))
    known = {name: {key: shape_of(shape) for key, shape in keys.items()} for name, keys in results.items()}
    analysis = _Machine(definition, language, known, own)
    given = shape_of(event)
    analysis.run(Facts(given, context=placed(CONTEXT, ("Execution", "Input"), given)))
    yield from analysis.problems()


MAX_VISITS = 12
"""How often a state may be visited again because its loop adds to its input. Beyond it, the input is unknown."""


class _Machine:
    """A machine, or one nested in a state, whose data is followed."""

    def __init__(
        self,
        machine: Machine,
        language: str,
        results: Mapping[str, Mapping[str, Shape]],
        own: Collection[str],
    ) -> None:
        self.machine, self.language, self.results, self.own = machine, language, results, own
        self.facts: dict[str, Facts] = {}
        self.flows: dict[str, Flow] = {}
        self.inside: dict[str, list[_Machine]] = {}
        self.ways: dict[str, str] = {}
        self.visits: Counter[str] = Counter()

    def run(self, facts: Facts) -> Shape:
        """Follows the data from the start. Returns the shape of the output."""
        self.facts, self.flows, self.ways, self.visits = {}, {}, {}, Counter()
        order = _order(self.machine)
        start = str(self.machine.get("StartAt"))
        if start not in order:
            return None
        self.facts[start], self.ways[start] = facts, "at the start"
        waiting = [order[start]]
        names = list(order)
        # A state is visited again only when another way adds something to what is known, so that loops end.
        while waiting:
            number = heappop(waiting)
            while waiting and waiting[0] == number:
                heappop(waiting)
            name = names[number]
            self.flows[name] = flow = self._flow(name)
            for way, after in flow.out:
                if way.to in order and self._learns(name, way, after):
                    heappush(waiting, order[way.to])
        ends = [flow.end for flow in self.flows.values() if flow.ends]
        output = ends[0] if ends else None
        for end in ends[1:]:
            output = joined(
                output,
                end,
                lambda name: "on one of its ways to an end",
                lambda name: "on one of its ways to an end",
            )
        return output

    def _learns(self, name: str, way: Way, after: Facts) -> bool:
        """Adds what is known on a way to what is known of its target. Returns whether that is new."""
        here = f"after an error in {name!r}" if way.kind == "catch" else f"on the way from {name!r}"
        before = self.facts.get(way.to)
        if before is None:
            self.facts[way.to], self.ways[way.to] = after, here
            return True
        both = joined_facts(before, after, _way(self.ways[way.to], before), _way(here, after))
        if both is not before and way.to in self.flows:
            self.visits[way.to] += 1
            if self.visits[way.to] > MAX_VISITS:
                both = before if before.input is None else replace(both, input=None)
        self.facts[way.to] = both
        return both is not before

    def _flow(self, name: str) -> Flow:
        state = self.machine["States"][name]
        is_own = name in self.own
        is_jsonata = state.get("QueryLanguage", self.language) == "JSONata"
        result = result_of(state) if state["Type"] == "Task" and not is_own else None

        def inside(facts: Facts) -> list[Shape]:
            if name not in self.inside:
                self.inside[name] = [
                    _Machine(one.machine, self.language, self.results, self.own) for one in nested(state)
                ]
            return [machine.run(facts) for machine in self.inside[name]]

        visit = Visit(name, state, self.facts[name], result, inside, is_own)
        flow = jsonata.flow_of(visit) if is_jsonata else jsonpath.flow_of(visit)
        known = self.results.get(name)
        if known:
            flow.out = [(way, replace(after, input=_with(after.input, known))) for way, after in flow.out]
        return flow

    def problems(self) -> Iterator[Problem]:
        """The findings of the last run."""
        for name, flow in self.flows.items():
            if name not in self.own:
                for message in flow.problems:
                    yield Problem(name, message)
                for read in flow.reads:
                    found = problem_of(read, self.facts[name])
                    if found:
                        yield Problem(name, *found)
            for machine in self.inside.get(name, ()):
                yield from machine.problems()


def _way(here: str, facts: Facts) -> Callable[[str], str]:
    """Names a way: by the step on it that replaced the state, if the key was there before."""

    def lacking(name: str) -> str:
        replaced = facts.replaced
        if replaced and isinstance(replaced.before.input, Object) and name in replaced.before.input.keys:
            return f"{here}: {replaced.what}; {replaced.fix}"
        return here

    return lacking


def _with(shape: Shape, known: Mapping[str, Shape]) -> Shape:
    """The shape with the known shapes of the keys that a state has added."""
    if not isinstance(shape, Object):
        return shape
    keys = {name: replace(shape.keys[name], shape=known[name]) for name in known if name in shape.keys}
    return replace(shape, keys={**shape.keys, **keys})


def _order(machine: Machine) -> dict[str, int]:
    """The states that an execution can reach, numbered so that a state comes after those that lead to it."""
    states = machine["States"]
    start = str(machine.get("StartAt"))
    if start not in states:
        return {}
    finished: list[str] = []
    seen = {start}
    path = [(start, iter([way.to for way in ways(states[start])]))]
    while path:
        name, following = path[-1]
        target = next((one for one in following if one in states and one not in seen), None)
        if target is None:
            finished.append(name)
            path.pop()
        else:
            seen.add(target)
            path.append((target, iter([way.to for way in ways(states[target])])))
    return {name: number for number, name in enumerate(reversed(finished))}
