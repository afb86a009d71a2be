"""What `${…}` in a step stands for, on a published stage, and the role with which its steps run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow import ROOT
from workflow.errors import AfterloopError, BundleError, WorkflowError
from workflow.operations.stage_resources import NotPublishedError
from workflow.operations.trials.step import Step
from workflow.publish.account import Account
from workflow.publish.package import bundle_key
from workflow.publish.placeholders import fill, names
from workflow.publish.stacks import Stack
from workflow.stack.bundles import Function, build_bundles
from workflow.stack.bundles import Target as Code
from workflow.stack.template import NAMES_IN_STEPS

__all__ = ["Target", "filled", "outdated", "stage_target"]


@dataclass(frozen=True)
class Target:
    """Where a step is tried.

    Attributes:
        stage: The stage's name.
        partition: The partition of ARNs.
        region: The Region.
        account_id: The account.
        values: The values of placeholders. Without a published stage, there are none.
        role: ARN of the role with which steps run. None without a published stage.
        bundles: The published code of functions: the name of a function → the key of its bundle. A function that was
            swapped is not there.
    """

    stage: str
    partition: str
    region: str
    account_id: str
    values: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    bundles: Mapping[str, str] = field(default_factory=dict)


def stage_target(account: Account, stage: str) -> Target:
    """Returns where the steps of a stage are tried. The stage may not be published."""
    stack = account.stacks.find(f"afterloop-{stage}")
    if stack is None or "StateMachine" not in stack.outputs:
        partition = account.caller.split(":")[1]
        return Target(stage, partition, account.region, account.id)
    partition, _, region, account_id = stack.id.split(":")[1:5]
    described = account.machines.describe(stack.output("StateMachine"))
    values = _values(account, stack, described["definition"], partition)
    swapped = {
        name.removesuffix("Arn")
        for name, arn in values.items()
        if ":function:" in arn and arn.count(":") == 6
    }
    bundles = {
        name.removesuffix("Key"): bundle_key(value)
        for name, value in stack.parameters.items()
        if name.endswith("Key") and name.removesuffix("Key") not in swapped
    }
    return Target(stage, partition, region, account_id, values, described["roleArn"], bundles)


def _values(account: Account, stack: Stack, published: str, partition: str) -> dict[str, str]:
    resources = account.stacks.resources(stack.name)
    known = {
        **stack.parameters,
        **{one["id"]: one["name"] for one in resources},
        "AWS::Partition": partition,
        "AWS::Region": account.region,
    }
    values = {name: known[target] for name, target in NAMES_IN_STEPS.items() if target in known}
    for one in resources:
        if one["type"] == "AWS::Lambda::Version":
            version = one["name"]
            latest = version.rpartition(":")[0]
            # After a hot swap, the published definition names functions without a version.
            is_swapped = f'"{latest}"' in published
            values[f"{one['id'].removesuffix('Version')}Arn"] = latest if is_swapped else version
    return values


def filled(step: Step, target: Target, *, mocked: bool) -> dict[str, Any]:
    """Returns the definition of a step with values for its placeholders, as a publish fills them in.

    Args:
        step: The step.
        target: Where it is tried.
        mocked: Whether nothing is called. Then ARNs of the right form stand for what is not published.

    Raises:
        NotPublishedError: The stage, or a function that the step calls, is not published.
    """
    text = json.dumps(step.state).replace('"arn:aws:states:::', f'"arn:{target.partition}:states:::')
    missing = sorted(names(text) - set(target.values))
    if not mocked and (missing or target.role is None):
        raise _unpublished(step, target, next(iter(missing), ""))
    stand_ins = {name: _stand_in(name, target) for name in missing}
    state: dict[str, Any] = json.loads(fill(text, {**stand_ins, **target.values}))
    return state


def outdated(step: Step, target: Target, functions: Sequence[Function], code: Code) -> list[str]:
    """Returns the names of functions that a step calls, and whose published code is not the code of today.

    Args:
        step: The step.
        target: Where it is tried.
        functions: The functions of the workflow.
        code: The machine that the functions run on.
    """
    called = names(json.dumps(step.state))
    found = [one for one in functions if f"{one.name}Arn" in called and one.name in target.bundles]
    if not any((ROOT / ".build").glob(f"dependencies-{code.tag}-*")):
        return []  # To compare, wheels would have to be downloaded: nothing was published from here.
    try:
        bundles = build_bundles(found, code)
    except (BundleError, WorkflowError):
        return []  # A publish reports what is wrong with it.
    return [name for name, bundle in bundles.items() if bundle.key != target.bundles[name]]


def _stand_in(name: str, target: Target) -> str:
    place = f"{target.region}:{target.account_id}"
    if name.endswith("Arn"):
        function = name.removesuffix("Arn")
        return f"arn:{target.partition}:lambda:{place}:function:afterloop-{target.stage}-{function}"
    plain = {"Partition": target.partition, "Region": target.region, "Stage": target.stage}
    if name in plain:
        return plain[name]
    if name.endswith("Topic"):
        return f"arn:{target.partition}:sns:{place}:afterloop-{target.stage}-{name}"
    return f"afterloop-{target.stage}-{name.lower()}"


def _unpublished(step: Step, target: Target, name: str) -> AfterloopError:
    publish = (
        f"publish with `python deploy.py publish --stage {target.stage}`, or pass its result with --mock"
    )
    if target.role is None:
        return NotPublishedError(f"stage {target.stage} is not published: {publish}")
    function = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Arn")).lower()
    return NotPublishedError(
        f"step {step.name!r}: the function {function} is not published on stage {target.stage}: {publish}"
    )
