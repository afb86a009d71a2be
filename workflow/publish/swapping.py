"""The hot swap: new function code and a new definition at once, without CloudFormation, for development.

What was swapped is recorded in the artifact bucket, so that a plan can show it and the next publish can undo it.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from typing import Any

from pydantic import BaseModel

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.content import Content
from workflow.publish.documents import read_document
from workflow.publish.package import Package, bundle_key, code_source
from workflow.publish.placeholders import fill, names, read_values
from workflow.publish.readback import restored
from workflow.publish.resolution import definition_string, is_same_definition, revision_parameters
from workflow.publish.stacks import Stack
from workflow.stack import ALIAS, LIVE_VERSION
from workflow.stack.stages import Stage

__all__ = ["forget_swaps", "swap", "swapped", "undo_swaps"]


class Swaps(BaseModel):
    """What was swapped since the last publish."""

    functions: dict[str, str] = {}
    """Function name → key of its bundle."""
    definition: str | None = None
    """The current definition, with the template's placeholders; None while a swap is in progress."""
    values: dict[str, str] = {}
    """The values of the definition's placeholders."""
    version: str = ""
    """ARN of the version that new executions run on; empty if the definition was not swapped."""

    @property
    def is_interrupted(self) -> bool:
        """Whether a swap started and did not finish."""
        return bool(self.values) and self.definition is None


def swap(account: Account, stage: Stage, stack: Stack, package: Package) -> list[str] | None:
    """Swaps function code and the definition.

    Args:
        account: where the stage is.
        stage: which stage.
        stack: its stack.
        package: what to swap in.

    Returns:
        What was swapped, in a few words each, empty if nothing changed; None if something else changed too, so that
        a publish is needed.

    Raises:
        PublishError: the stage is protected, CloudFormation is changing the stack, or Step Functions rejects the
            definition.
    """
    if stack.status.endswith("IN_PROGRESS"):
        raise PublishError(
            f"stack {stack.name} is in {stack.status}: a hot swap cannot change it now; try again when that has ended"
        )
    if stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected and allows no hot swap: publish it with "
            f"`python deploy.py publish --stage {stage.name}`"
        )
    after = package.stamped(stack.parameters).content
    deployed = Content(restored(account.stacks.template(stack.name), after[0]), stack.parameters)
    published = deployed.without_kept()
    before = published.template, published.parameters
    if not _can_swap(before, after):
        return None
    swaps = _read(account, stage.name) or Swaps()
    changed = {
        function: bundle
        for function, bundle in package.bundles.items()
        if swaps.functions.get(function, _deployed_key(stack, function)) != bundle.key
    }
    old, new = definition_string(before[0]), definition_string(after[0])
    done = [f"code of {function}" for function in changed]
    if swaps.is_interrupted or not is_same_definition(swaps.definition or old, new):
        done.append("definition")
    if not done:
        return done
    machine = stack.output("StateMachine")
    swaps.values = swaps.values or read_values(old, account.machines.definition(machine))
    # Recorded as in progress before anything changes: whatever interrupts the swap, the next plan shows it.
    swaps.definition = None
    _write(account, stage.name, swaps)
    for function, bundle in changed.items():
        account.functions.update_code(
            _function_name(account, stack, function), ZipFile=bundle.path.read_bytes()
        )
        swaps.functions[function] = bundle.key
    definition = fill(new, swaps.values | _unversioned(swaps, stack))
    made = stack.outputs.get(LIVE_VERSION)
    if made and is_same_definition(new, old) and not _swapped_functions(swaps, stack):
        account.machines.set_definition(machine, definition)
        version = ""
    else:
        version = account.machines.update_definition(machine, definition)
    account.machines.route(machine, ALIAS, {version or str(made): 100})
    _forget_version(account, swaps)
    swaps.definition, swaps.version = new, version
    _write(account, stage.name, swaps)
    return done


def swapped(account: Account, stage: Stage, stack: Stack) -> list[str]:
    """What was swapped since the last publish and now differs from the stack, in a few words each."""
    swaps = None if stage.protected else _read(account, stage.name)
    if swaps is None:
        return []
    changed = [f"code of {function}" for function in _swapped_functions(swaps, stack)]
    if swaps.is_interrupted:
        return [*changed, "an interrupted swap"]
    published = definition_string(account.stacks.template(stack.name))
    if swaps.definition is not None and not is_same_definition(swaps.definition, published):
        changed.append("definition")
    return changed


def undo_swaps(
    account: Account, stage: Stage, stack: Stack, *, route: bool = True, missing: Container[str] = ()
) -> None:
    """Restores what CloudFormation published, because an update skips what CloudFormation considers unchanged.

    Args:
        account: where the stage is.
        stage: which stage.
        stack: its stack.
        route: whether to route new executions to the restored definition.
        missing: logical IDs of resources that do not exist, so that the update creates them again.
    """
    swaps = _read(account, stage.name)
    if swaps is None:
        return
    keys = {name.removesuffix("Key"): key for name, key in stack.parameters.items() if name.endswith("Key")}
    # An interrupted swap may have changed functions that it did not record yet: restore all of them.
    for function in keys if swaps.is_interrupted else keys.keys() & swaps.functions.keys():
        if function in missing:
            continue
        account.functions.update_code(
            _function_name(account, stack, function), **code_source(account.artifact_bucket, keys[function])
        )
    if swaps.values and "StateMachine" not in missing:
        machine = stack.output("StateMachine")
        definition = fill(definition_string(account.stacks.template(stack.name)), swaps.values)
        if version := stack.outputs.get(LIVE_VERSION):
            account.machines.set_definition(machine, definition)
        else:  # The stack is from an earlier version of Afterloop, which made versions itself.
            version = account.machines.update_definition(machine, definition)
        if route:
            account.machines.route(machine, ALIAS, {version: 100})
        _forget_version(account, swaps)
    account.artifacts.remove(_key(stage.name))


def forget_swaps(account: Account, stage: Stage) -> None:
    """Deletes the record of swaps, after a publish has replaced everything."""
    if not stage.protected:
        account.artifacts.remove(_key(stage.name))


def _can_swap(
    before: tuple[Mapping[str, Any], Mapping[str, str]], after: tuple[Mapping[str, Any], Mapping[str, str]]
) -> bool:
    """Whether two publishes differ only in bundles and in the definition, which has the same placeholders."""

    def rest(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Any:
        stripped: Any = copy.deepcopy(template)
        for resource in stripped["Resources"].values():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                # A new placeholder has no value yet: only CloudFormation can fill it in.
                placeholders = sorted(names(resource["Properties"]["DefinitionString"]))
                resource["Properties"]["DefinitionString"] = placeholders
        keys = {name for name in parameters if name.endswith("Key")} | {
            *revision_parameters(template).values()
        }
        return stripped, {name: "" if name in keys else value for name, value in parameters.items()}

    return bool(rest(*before) == rest(*after))


def _swapped_functions(swaps: Swaps, stack: Stack) -> list[str]:
    """Functions whose code differs from the stack."""
    return [
        function for function, key in sorted(swaps.functions.items()) if _deployed_key(stack, function) != key
    ]


def _deployed_key(stack: Stack, function: str) -> str:
    return bundle_key(stack.parameters.get(f"{function}Key", ""))


def _unversioned(swaps: Swaps, stack: Stack) -> dict[str, str]:
    """Values of placeholders that name functions with swapped code: ARNs without a version, so the latest code runs.

    A swap does not publish a version. If it did, and the next publish had the same code, Lambda would not create a
    version for it, and CloudFormation would fail.
    """
    values = {f"{name}Arn": swaps.values.get(f"{name}Arn", "") for name in _swapped_functions(swaps, stack)}
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME has seven parts; a version would be the eighth.
    return {name: ":".join(arn.split(":")[:7]) for name, arn in values.items() if arn}


def _forget_version(account: Account, swaps: Swaps) -> None:
    """Deletes the version of a swap, which no publish and no rollback names. Its executions continue."""
    if swaps.version:
        machine = swaps.version.rpartition(":")[0]
        if swaps.version not in (account.machines.weights(machine, ALIAS) or {}):
            account.machines.delete_version(swaps.version)
        swaps.version = ""


def _function_name(account: Account, stack: Stack, function: str) -> str:
    for one in account.stacks.resources(stack.name):
        if one["id"] == function:
            return one["name"]
    raise PublishError(f"stack {stack.name} has no function {function}: publish the stage without --swap")


def _read(account: Account, stage: str) -> Swaps | None:
    return read_document(account.artifacts, _key(stage), Swaps)


def _write(account: Account, stage: str, swaps: Swaps) -> None:
    account.artifacts.write(_key(stage), swaps.model_dump_json().encode())


def _key(stage: str) -> str:
    return f"stages/{stage}/swaps.json"
