"""The hot swap: new function code and a new definition at once, beside CloudFormation, for development.

What was swapped is written down in the artifact bucket, so that a plan can tell of it and the next
publish puts it in order.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from workflow.errors import PublishError
from workflow.publish.account import Account, Stack
from workflow.publish.package import Package
from workflow.publish.readback import restored
from workflow.publish.resolution import revision_parameters
from workflow.stack import ALIAS
from workflow.stack.stages import Stage

__all__ = ["forget_swaps", "swap", "swapped", "undo_swaps"]


class Swaps(BaseModel):
    """What was swapped since the last publish."""

    functions: dict[str, str] = {}
    """Function name → key of its bundle."""
    definition: str | None = None
    """As it is now, with the placeholders of the template; None from the beginning of a swap to its end."""
    values: dict[str, str] = {}
    """What the placeholders of the definition stand for."""

    @property
    def is_cut_short(self) -> bool:
        """Whether a swap began and did not come to its end."""
        return bool(self.values) and self.definition is None


def swap(account: Account, stage: Stage, stack: Stack, package: Package) -> list[str] | None:
    """Swaps what can be swapped; tells what, in a few words each.

    Returns:
        What was swapped, empty when everything is as it should be; None when more changed than function
        code and the definition, so that CloudFormation has to do it.

    Raises:
        PublishError: the stage is protected, or Step Functions refuses the definition.
    """
    if stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: no hot swap; publish it with `python deploy.py`"
        )
    after = package.content
    before = restored(account.template(stack.name), after[0]), stack.parameters
    if not _can_swap(before, after):
        return None
    swaps = _read(account, stage.name) or Swaps()
    changed = {
        function: bundle
        for function, bundle in package.bundles.items()
        if swaps.functions.get(function, stack.parameters.get(f"{function}Key")) != bundle.key
    }
    old, new = _definition(before[0]), _definition(after[0])
    done = [f"code of {function}" for function in changed]
    if swaps.is_cut_short or (swaps.definition or old) != new:
        done.append("definition")
    if not done:
        return done
    machine = stack.outputs["StateMachine"]
    swaps.values = swaps.values or _values(old, account.definition(machine))
    swaps.definition = None
    _write(account, stage.name, swaps)
    for function, bundle in changed.items():
        account.swap_function(_physical(account, stack, function), bundle.path.read_bytes())
        swaps.functions[function] = bundle.key
    _make_live(account, machine, _filled(new, swaps.values | _newest(swaps, stack)))
    swaps.definition = new
    _write(account, stage.name, swaps)
    return done


def swapped(account: Account, stage: Stage, stack: Stack) -> list[str]:
    """What was swapped since the last publish and is not as CloudFormation made it, in a few words each."""
    swaps = None if stage.protected else _read(account, stage.name)
    if swaps is None:
        return []
    changed = [
        f"code of {function}"
        for function, key in sorted(swaps.functions.items())
        if stack.parameters.get(f"{function}Key") != key
    ]
    if swaps.is_cut_short:
        return [*changed, "a swap that was cut short"]
    published = _definition(account.template(stack.name))
    return [*changed, *(["definition"] if swaps.definition not in (None, published) else [])]


def undo_swaps(account: Account, stage: Stage, stack: Stack, *, route: bool = True) -> None:
    """Makes what was swapped as CloudFormation made it: an update leaves alone what it believes unchanged.

    Args:
        account: where the stage is.
        stage: which one.
        stack: its stack.
        route: whether new executions go to the definition that is put back.
    """
    swaps = _read(account, stage.name)
    if swaps is None:
        return
    keys = {name.removesuffix("Key"): key for name, key in stack.parameters.items() if name.endswith("Key")}
    for function in keys if swaps.is_cut_short else keys.keys() & swaps.functions.keys():
        account.restore_function(_physical(account, stack, function), keys[function])
    if swaps.values:
        definition = _filled(_definition(account.template(stack.name)), swaps.values)
        _make_live(account, stack.outputs["StateMachine"], definition, route=route)
    account.remove(_key(stage.name))


def forget_swaps(account: Account, stage: Stage) -> None:
    """A publish has put everything in order."""
    if not stage.protected:
        account.remove(_key(stage.name))


def _can_swap(
    before: tuple[Mapping[str, Any], Mapping[str, str]], after: tuple[Mapping[str, Any], Mapping[str, str]]
) -> bool:
    """Whether two publishes differ in nothing but bundles and the definition, and placeholders are the same."""

    def rest(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Any:
        stripped: Any = copy.deepcopy(template)
        placeholders = sorted(set(_PLACEHOLDER.findall(_definition(template))))
        for resource in stripped["Resources"].values():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                resource["Properties"]["DefinitionString"] = placeholders
        keys = {name for name in parameters if name.endswith("Key")} | {
            *revision_parameters(template).values()
        }
        return stripped, {name: "" if name in keys else value for name, value in parameters.items()}

    return bool(rest(*before) == rest(*after))


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _definition(template: Mapping[str, Any]) -> str:
    machines = [
        one for one in template["Resources"].values() if one["Type"] == "AWS::StepFunctions::StateMachine"
    ]
    return str(machines[0]["Properties"]["DefinitionString"])


def _values(text: str, filled: str) -> dict[str, str]:
    """What the placeholders of a text stand for, by the same text filled in."""
    pieces = _PLACEHOLDER.split(text)
    pattern, known = re.escape(pieces[0]), set[str]()
    for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        pattern += f"(?P={name})" if name in known else f'(?P<{name}>[^"]*?)'
        pattern += re.escape(piece)
        known.add(name)
    match = re.fullmatch(pattern, filled)
    if match is None:
        raise PublishError(
            "the definition is not as it was published: publish once without --watch or --swap"
        )
    return match.groupdict()


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _newest(swaps: Swaps, stack: Stack) -> dict[str, str]:
    """What stands in the definition for functions with swapped code: no version, but what is newest.

    A swap makes no version: Lambda would make none at the publish that follows, and CloudFormation fail.
    """
    swapped = (name for name, key in swaps.functions.items() if stack.parameters.get(f"{name}Key") != key)
    values = {f"{name}Arn": swaps.values.get(f"{name}Arn", "") for name in swapped}
    return {name: ":".join(arn.split(":")[:7]) for name, arn in values.items() if arn}


def _make_live(account: Account, machine: str, definition: str, *, route: bool = True) -> None:
    version = account.swap_definition(machine, definition)
    if route:
        account.route(machine, ALIAS, {version: 100}, create=account.live(machine, ALIAS) is None)


def _physical(account: Account, stack: Stack, function: str) -> str:
    return next(one["name"] for one in account.resources(stack.name) if one["id"] == function)


def _read(account: Account, stage: str) -> Swaps | None:
    content = account.read(_key(stage))
    return Swaps.model_validate_json(content) if content else None


def _write(account: Account, stage: str, swaps: Swaps) -> None:
    account.write(_key(stage), swaps.model_dump_json().encode())


def _key(stage: str) -> str:
    return f"stages/{stage}/swaps.json"
