"""What is wrong with a machine, found before anything is sent.

Structure (names, transitions, ends), functions, API actions and fields of these that do not exist, paths that nothing
before provides, JSONata that does not parse, and what an independent ASL validator (`statelint`) says. Every finding
is one line that names the state and, where it is known, the line of the user's file that made it.

A path is reported only if it cannot be there: if on no way to the state any step, nor the event, provides it. What
cannot be known (a function's result, an item of a Map) may hold anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from workflow.asl.calls import actions_of, problems_of_call

__all__ = ["EVENT", "RESULTS", "Finding", "Shape", "check"]

_Machine = Mapping[str, Any]

Shape = dict[str, Any] | None
"""What a value may hold: a shape for each name that an object may have, or None for anything."""

EVENT: Shape = {
    **dict.fromkeys(["version", "id", "detail-type", "source", "account", "time", "region", "resources"]),
    "replay-name": None,
    "detail": {
        **dict.fromkeys(["creationTime", "failureCode", "failureReason", "flowDefinitionArn"]),
        **dict.fromkeys(["humanLoopArn", "humanLoopName", "humanLoopStatus"]),
        "humanLoopOutput": {"outputS3Uri": None},
    },
}
"""The status-change event (Use Amazon CloudWatch Events in Amazon Augmented AI, SageMaker developer guide)."""

_REVIEW: Shape = dict.fromkeys(
    """
    location outputLocation taskType answers fields compared changed added removed unresolved agreement overruled
    secondsSpent activationConditions
    """.split()  # noqa: SIM905 (the words are what matters)
)

RESULTS: Mapping[str, Shape] = {"Collect review": {"review": _REVIEW}, "Keep answers": {"review": _REVIEW}}
"""What states add that no definition says, by state name: a review's figures (`lambdas.reviews.review.summarise`)."""

MOST_BYTES = 1024 * 1024
"""Of a definition (Step Functions quotas)."""

LONGEST_NAME = 80
"""Characters of a state's name (Amazon States Language)."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        message: what, and what to do.
        state: the state's name; None for the machine.
        place: "file:line" where the state was made, if that is known.
    """

    message: str
    state: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        where = f"state {self.state!r}: " if self.state is not None else ""
        return f"{self.place}: {where}{self.message}" if self.place else f"{where}{self.message}"


def check(
    definition: _Machine,
    *,
    functions: Collection[str] = (),
    places: Mapping[str, str] = {},
    event: Shape = EVENT,
    results: Mapping[str, Shape] = {},
    own: Collection[str] = (),
) -> list[Finding]:
    """Look for what is wrong with a machine.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        functions: names of the functions that exist, as their files are called (`collect_review`) or in
            CamelCase; none to leave functions unchecked.
        places: state name to "file:line", as `workflow.steps.places` gives it.
        event: what the machine's input may hold.
        results: state name to what it is known to add, key by key: of a function's result, say.
        own: names of states whose calls of APIs are known to be right: models of services are not read for them.

    Returns:
        Findings, in the order of the states; none if all is well.
    """
    found: dict[tuple[str | None, str], None] = {}
    for state, message in _problems(definition, functions, event, results, own):
        found[state, message] = None
    order = {name: number for number, (name, _) in enumerate(_states(definition), 1)}
    return sorted(
        (Finding(message, state, places.get(state) if state else None) for state, message in found),
        key=lambda finding: order.get(finding.state or "", 0),
    )


_Problem = tuple[str | None, str]


def _problems(
    definition: _Machine,
    functions: Collection[str],
    event: Shape,
    results: Mapping[str, Shape],
    own: Collection[str],
) -> Iterator[_Problem]:
    size = len(json.dumps(definition, ensure_ascii=False).encode())
    if size > MOST_BYTES:
        yield None, f"the definition has {size:,} bytes; Step Functions takes {MOST_BYTES:,}"
    yield from _names(definition)
    for machine in _machines(definition):
        yield from _transitions(machine)
    for name, state in _states(definition):
        yield from _function(name, state, functions)
        if name not in own:
            yield from _api_action(name, state)
            yield from ((name, problem) for problem in problems_of_call(state))
        yield from _expressions(name, state)
    yield from _paths(definition, event, str(definition.get("QueryLanguage", "JSONPath")), results)
    yield from _validator(definition)


def _machines(machine: _Machine) -> Iterator[_Machine]:
    """Yield a machine and those nested in it."""
    yield machine
    for state in machine["States"].values():
        for nested in _nested(state):
            yield from _machines(nested)


def _nested(state: _Machine) -> Iterator[_Machine]:
    yield from state.get("Branches", ())
    for key in ("ItemProcessor", "Iterator"):
        if key in state:
            yield state[key]


def _states(machine: _Machine) -> Iterator[tuple[str, _Machine]]:
    for one in _machines(machine):
        yield from one["States"].items()


def _hint(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


# Structure


def _names(definition: _Machine) -> Iterator[_Problem]:
    seen: set[str] = set()
    for name, _ in _states(definition):
        if name in seen:
            yield name, "another state has this name; names are unique in a whole machine, branches included"
        seen.add(name)
        if len(name) > LONGEST_NAME:
            yield name, f"its name has {len(name)} characters; ASL allows {LONGEST_NAME}"


def _transitions(machine: _Machine) -> Iterator[_Problem]:
    states = machine["States"]
    start = str(machine.get("StartAt"))
    if start not in states:
        yield None, f"the machine starts at {start!r}, which does not exist{_hint(start, states)}"
        return
    astray = False
    for name, state in states.items():
        for field, target in _ways(state):
            if target not in states:
                astray = True
                yield name, f"{field} leads to {target!r}, which does not exist here{_hint(target, states)}"
        if state["Type"] == "Choice" and "Default" not in state:
            yield (
                name,
                "a Choice without default fails when no rule holds; add default_choice, or a step after it",
            )
    if not astray:  # The rest may follow from that.
        yield from _reachability(start, states)


def _reachability(start: str, states: Mapping[str, _Machine]) -> Iterator[_Problem]:
    ahead = {name: [target for _, target in _ways(state)] for name, state in states.items()}
    back: dict[str, list[str]] = {}
    for name, targets in ahead.items():
        for target in targets:
            back.setdefault(target, []).append(name)
    ends = {
        name for name, state in states.items() if state.get("End") or state["Type"] in ("Succeed", "Fail")
    }
    reached, ending = _reached({start}, ahead), _reached(ends, back)
    if not ends:
        yield start, "the machine that starts with it has no end"
    for name in states:
        if name not in reached:
            yield name, "no transition leads to it"
        elif ends and name not in ending:
            yield name, "no way leads from it to an end"


def _ways(state: _Machine) -> Iterator[tuple[str, str]]:
    for field in ("Next", "Default"):
        if field in state:
            yield field, str(state[field])
    for number, rule in enumerate(state.get("Choices", ())):
        if "Next" in rule:
            yield f"Choices[{number}].Next", str(rule["Next"])
    for number, catch in enumerate(state.get("Catch", ())):
        if "Next" in catch:
            yield f"Catch[{number}].Next", str(catch["Next"])


def _reached(start: Collection[str], leads_to: Mapping[str, Collection[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(leads_to.get(name, ()))
    return reached


# Functions and API actions


def _function(name: str, state: _Machine, functions: Collection[str]) -> Iterator[_Problem]:
    if not functions or not re.search(r":lambda:invoke(\.\w+)?$", str(state.get("Resource"))):
        return
    arguments = state.get("Arguments", state.get("Parameters"))
    function = arguments.get("FunctionName") if isinstance(arguments, Mapping) else None
    if not isinstance(function, str) or ":" in function or function.startswith("{%"):
        return
    called = re.sub(r"^\$\{(\w+?)(Arn)?\}$", r"\1", function)
    if _plain(called) not in {_plain(known) for known in functions}:
        yield name, f"the function {called!r} does not exist{_hint(called, functions)}"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _api_action(name: str, state: _Machine) -> Iterator[_Problem]:
    match = re.search(r":states:::aws-sdk:(\w+):(\w+)", str(state.get("Resource")))
    if match is None:
        return
    service, action = match.groups()
    operations = actions_of(service)
    if operations and action not in operations:
        yield name, f"the service {service} has no action {action!r}{_hint(action, operations)}"


# JSONata


def _expressions(name: str, state: _Machine) -> Iterator[_Problem]:
    for field, text in _texts(state, ""):
        match = re.fullmatch(r"\s*\{%(.*)%\}\s*", text, re.DOTALL)
        if match and (error := _syntax_error(match.group(1))):
            yield name, f"{field}: the JSONata does not parse: {error}"


@cache
def _syntax_error(expression: str) -> str | None:
    from jsonata import Jsonata  # type: ignore[import-untyped]
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        Jsonata(expression)
    except JException as error:
        return " ".join(str(error).split())
    except IndexError:
        return "it ends too early"
    except re.error:
        return None  # A regular expression of another dialect than Python's.
    return None


def _texts(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """Yield the strings of a state, with where they are; those of nested machines left out."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if field or key not in ("Branches", "ItemProcessor", "Iterator", "Comment"):
                yield from _texts(item, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{field}[{number}]")


# Paths: what each state may be given, and whether it asks for more


def _paths(
    machine: _Machine, given: Shape, language: str, results: Mapping[str, Shape]
) -> Iterator[_Problem]:
    inputs = _inputs(machine, given, language, results)
    for name, state in machine["States"].items():
        if name not in inputs:
            continue  # Nothing leads to it, and that is said already.
        flow = _flow(state, inputs[name], language)
        for path, shape in flow.asked:
            if missing := _missing(path, shape):
                yield name, missing
        for nested in _nested(state):
            yield from _paths(nested, flow.inner, language, results)


def _inputs(machine: _Machine, given: Shape, language: str, results: Mapping[str, Shape]) -> dict[str, Shape]:
    """Of every state that can be reached, all that its input may hold, whichever way was taken."""
    states = machine["States"]
    inputs: dict[str, Shape] = {}
    waiting: list[tuple[str, Shape]] = [(str(machine.get("StartAt")), given)]
    while waiting:
        name, shape = waiting.pop()
        if name not in states:
            continue
        joined = _joined(inputs[name], shape) if name in inputs else shape
        if name in inputs and joined == inputs[name]:
            continue
        inputs[name] = joined
        known = results.get(name) or {}
        waiting.extend(
            (target, made and {**made, **{key: known[key] for key in known if key in made}})
            for target, made in _flow(states[name], joined, language).out
        )
    return inputs


@dataclass
class _Flow:
    """What a state makes of its input.

    Attributes:
        asked: the paths it reads, each with what it reads them from.
        out: where it leads, and what the next state is given there.
        inner: what the machines that are nested in it are given.
    """

    asked: list[tuple[str, Shape]]
    out: list[tuple[str, Shape]]
    inner: Shape = None


def _flow(state: _Machine, given: Shape, language: str) -> _Flow:
    if state.get("QueryLanguage", language) == "JSONata":
        return _jsonata_flow(state, given)
    return _jsonpath_flow(state, given)


def _jsonpath_flow(state: _Machine, given: Shape) -> _Flow:
    flow = _Flow([], [])
    kind = state["Type"]
    selected = _selected(state.get("InputPath", "$"), given, flow)
    for field, value in state.items():
        if field.endswith("Path") and field not in ("InputPath", "OutputPath", "ResultPath"):
            _ask(value, selected, flow)
    taken = (
        _template(state["Parameters"], selected, flow)
        if "Parameters" in state and kind != "Map"
        else selected
    )
    if kind == "Map":
        selector = state.get("ItemSelector", state.get("Parameters"))
        flow.inner = None if selector is None else _template(selector, selected, flow)
        if "ItemBatcher" in state:
            flow.inner = None
        for part in ("ItemReader", "ResultWriter"):
            _template(state.get(part, {}).get("Parameters"), selected, flow)
    elif kind == "Parallel":
        flow.inner = taken
    guarded = sorted(
        str(rule["Variable"])
        for rule in _rules(state.get("Choices", ()))
        if "Variable" in rule and "IsPresent" in rule
    )
    for rule in _rules(state.get("Choices", ())):
        for key, value in rule.items():
            if (key == "Variable" or key.endswith("Path")) and not _is_guarded(value, guarded):
                _ask(value, selected, flow)
    result: Shape = None
    if kind == "Pass":
        result = _literal(state["Result"]) if "Result" in state else taken
    if "ResultSelector" in state:
        result = _template(state["ResultSelector"], result, flow)
    made = _placed(given, state.get("ResultPath", "$"), result) if kind in _WITH_RESULT else selected
    made = _possibly_with(made, guarded)
    made = _selected(state.get("OutputPath", "$"), made, flow)
    flow.out += [(str(state[field]), made) for field in ("Next", "Default") if field in state]
    flow.out += [(str(rule.get("Next")), made) for rule in state.get("Choices", ())]
    failure: Shape = {"Error": None, "Cause": None}
    flow.out += [
        (str(catch.get("Next")), _placed(given, catch.get("ResultPath", "$"), failure))
        for catch in state.get("Catch", ())
    ]
    return flow


_WITH_RESULT = ("Task", "Pass", "Parallel", "Map")


def _jsonata_flow(state: _Machine, given: Shape) -> _Flow:
    flow = _Flow([], [])
    guarded: list[str] = []
    for _, text in _texts(state, ""):
        if text.startswith("{%"):
            paths = [_as_path(names) for names in _INPUT.findall(text)]
            if _ASKS.search(text):
                guarded += paths
            else:
                flow.asked += [(path, given) for path in paths]
    if state["Type"] == "Choice":
        given = _possibly_with(given, guarded)
    passed = given if state["Type"] in ("Pass", "Choice", "Wait") else None
    made = _output(state["Output"], given) if "Output" in state else passed
    flow.out += [(str(state[field]), made) for field in ("Next", "Default") if field in state]
    flow.out += [
        (str(rule.get("Next")), _output(rule["Output"], given) if "Output" in rule else made)
        for rule in state.get("Choices", ())
    ]
    failure: Shape = {"Error": None, "Cause": None}
    flow.out += [
        (str(catch.get("Next")), _output(catch["Output"], given) if "Output" in catch else failure)
        for catch in state.get("Catch", ())
    ]
    if state["Type"] == "Parallel":
        flow.inner = _output(state["Arguments"], given) if "Arguments" in state else given
    elif "ItemSelector" in state and "ItemBatcher" not in state:
        flow.inner = _output(state["ItemSelector"], given)
    return flow


_INPUT = re.compile(r"\$states\.input((?:\.(?:\w+|`[^`]+`))+)(?![\w(`])")
_ASKS = re.compile(r"\?|\b(?:and|or|in)\b|\$(?:exists|type|lookup|boolean|not)\b|:=")
"""What an expression has that looks first whether a value is there, or may: nothing is said about its paths."""


def _as_path(names: str) -> str:
    """A JSONPath for what follows `$states.input`."""
    return "$" + "".join(f"['{name.strip('`')}']" for name in re.findall(r"\w+|`[^`]+`", names))


def _output(value: Any, given: Shape) -> Shape:
    """What a JSONata field yields, for the forms that keep the input: it, or it with more beside it."""
    if isinstance(value, Mapping):
        return {
            key: _output(item, given) if isinstance(item, Mapping) else None for key, item in value.items()
        }
    expression = re.sub(r"^\{%\s*|\s*%\}$", "", str(value))
    if expression == "$states.input":
        return given
    merged = re.fullmatch(r"\$merge\(\[\s*\$states\.input\s*,\s*\{(.*)\}\s*\]\)", expression, re.DOTALL)
    if merged is None or given is None:
        return None
    added = _keys(merged.group(1))
    return None if added is None else {**given, **dict.fromkeys(added)}


def _keys(inside: str) -> list[str] | None:
    """The keys of a JSONata object constructor, from what is between its braces; None if that is not plain."""
    keys: list[str] = []
    depth = 0
    at_key = True
    position = 0
    while position < len(inside):
        char = inside[position]
        if at_key and not char.isspace():
            match = re.compile(r"""(['"])([^'"\\]*)\1\s*:""").match(inside, position)
            if match is None:
                return None
            keys.append(match.group(2))
            position, at_key = match.end(), False
            continue
        if char in "'\"`":
            end = re.compile(rf"(?:[^\\{char}]|\\.)*{char}", re.DOTALL).match(inside, position + 1)
            if end is None:
                return None
            position = end.end()
            continue
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return None
        at_key = at_key or (char == "," and depth == 0)
        position += 1
    return keys


def _joined(one: Shape, other: Shape, depth: int = 0) -> Shape:
    if one is None or other is None or depth > 8:  # Deeper than any path is, and loops end.
        return None
    both = {**one, **other}
    return {
        name: _joined(one[name], other[name], depth + 1) if name in one and name in other else shape
        for name, shape in both.items()
    }


def _literal(value: Any) -> Shape:
    return {str(name): _literal(item) for name, item in value.items()} if isinstance(value, Mapping) else None


def _template(template: Any, given: Shape, flow: _Flow) -> Shape:
    """What a payload template makes."""
    if isinstance(template, list):
        for item in template:
            _template(item, given, flow)
    if not isinstance(template, Mapping):
        return None
    made: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            made[key[:-2]] = _at(value, given) if isinstance(value, str) else None
            _ask(value, given, flow)
        else:
            made[key] = _template(value, given, flow)
    return made


def _selected(path: Any, given: Shape, flow: _Flow) -> Shape:
    if path is None:
        return {}
    _ask(path, given, flow)
    return _at(path, given) if isinstance(path, str) else None


def _placed(given: Shape, path: Any, result: Shape) -> Shape:
    """The input with a result put at a path of it."""
    if path is None:
        return given
    names, whole = _names_of(str(path)) or ([], False)
    if not whole or (names and given is None):
        return None
    placed = result
    for depth in reversed(range(len(names))):
        holder: Shape = given
        for name in names[:depth]:
            holder = None if holder is None else holder.get(name, {})
        placed = None if holder is None else {**holder, names[depth]: placed}
    return placed


def _ask(value: Any, shape: Shape, flow: _Flow) -> None:
    """Note the paths in a field: a path itself, or those that an intrinsic function is given."""
    if not isinstance(value, str):
        return
    if value.startswith("States."):
        unquoted = re.sub(r"'(?:[^'\\]|\\.)*'(?!\s*\])", "''", value)
        for path in re.findall(r"(?<![$\w])\$(?:\.[\w-]+|\[[^\]]*\])+", unquoted):
            flow.asked.append((path, shape))
    elif value.startswith("$"):
        flow.asked.append((value, shape))


def _names_of(path: str) -> tuple[list[str], bool] | None:
    """The names that a path begins with, and whether they are all of it (no index, filter or wildcard follows).

    None for what is no path into the input: the context object (`$$.`), a variable (`$name`).
    """
    if not re.match(r"\$(?:[.\[]|$)", path):
        return None
    names = []
    position = 1
    while match := _NAME.match(path, position):
        names.append(next(name for name in match.groups() if name is not None))
        position = match.end()
    return names, position == len(path)


_NAME = re.compile(r"""\.([A-Za-z_][\w-]*)|\[\s*'([^'\\]*)'\s*\]|\[\s*"([^"\\]*)"\s*\]""")


def _at(path: str, shape: Shape) -> Shape:
    names, whole = _names_of(path) or ([], False)
    if not whole:
        return None
    for name in names:
        shape = None if shape is None else shape.get(name)
    return shape


def _missing(path: str, shape: Shape) -> str | None:
    names, _ = _names_of(path) or ([], False)
    for name in names:
        if shape is None:
            return None
        if name not in shape:
            there = ", ".join(sorted(shape)) or "nothing"
            return f"{path}: no step before provides {name!r} (there is {there}){_hint(name, shape)}"
        shape = shape[name]
    return None


def _rules(rules: Any) -> Iterator[_Machine]:
    for rule in rules:
        yield rule
        yield from _rules(rule.get("And", ()))
        yield from _rules(rule.get("Or", ()))
        yield from _rules([rule["Not"]] if "Not" in rule else ())


def _possibly_with(shape: Shape, paths: Collection[str]) -> Shape:
    """The shape with paths that a Choice asks for: somebody thinks that they may be there."""
    for path in paths:
        if shape is not None and _missing(path, shape):
            shape = _placed(shape, path, None)
    return shape


def _is_guarded(path: Any, guarded: Collection[str]) -> bool:
    """Whether a Choice asks first if the value is there. To ask of what kind it is fails if it is not."""
    return isinstance(path, str) and any(path.startswith(guard) for guard in guarded)


# The independent validator


def _validator(definition: _Machine) -> Iterator[_Problem]:
    from statelint.linter import Linter  # type: ignore[import-untyped]

    paths = dict(_validator_paths(definition, "State Machine"))
    language = str(definition.get("QueryLanguage", "JSONPath"))
    for problem in Linter.validate(_for_the_validator(definition, language)):
        if re.match(
            r"No (state|transition|terminal state) found|State .* is also defined|StartAt value", problem
        ):
            continue  # Said above, with more.
        within = [path for path in paths if re.search(rf"{re.escape(path)}(?=[.\s\"\[]|$)", problem)]
        path = max(within, key=len, default=None)
        if path is None:
            yield None, f"{problem} (statelint)"
        else:
            message = problem.replace(f' at "{path}"', "").replace(f"{path}.", "").replace(path, "it")
            yield paths[path], f"{message} (statelint)"


def _validator_paths(machine: _Machine, at: str) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        path = f"{at}.States.{name}"
        yield path, name
        for number, branch in enumerate(state.get("Branches", ())):
            yield from _validator_paths(branch, f"{path}.Branches[{number}]")
        for key in ("ItemProcessor", "Iterator"):
            if key in state:
                yield from _validator_paths(state[key], f"{path}.{key}")


def _for_the_validator(value: Any, language: str) -> Any:
    """Take out what statelint 3.1 does not know, and Step Functions does.

    Variables in JSONPath states, labels, the readers' and writers' configurations, expressions in place of numbers.
    """
    if isinstance(value, list):
        return [_for_the_validator(item, language) for item in value]
    if isinstance(value, str) and re.match(r"\$|States\.", value):
        return re.sub(r"(?<![$\w])\$(?=[A-Za-z_])", "$.", value)
    if not isinstance(value, Mapping):
        return value
    own = str(value.get("QueryLanguage", language)) if "Type" in value else language
    plain = {}
    for key, item in value.items():
        if (key == "Assign" and own == "JSONPath") or key in ("Label", "ReaderConfig", "WriterConfig"):
            continue
        if key.endswith(_NUMBERS) and isinstance(item, str) and item.startswith("{%"):
            plain[key] = 1
        else:
            plain[key] = _for_the_validator(item, language if key == "States" else own)
    return plain


_NUMBERS = ("Seconds", "MaxConcurrency", "Count", "Percentage", "MaxItemsPerBatch", "MaxInputBytesPerBatch")
