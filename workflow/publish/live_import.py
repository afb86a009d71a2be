"""Making the version and the alias of a stage part of its stack, where an earlier version of Afterloop made them.

CloudFormation creates neither a version of a revision that has one, nor an alias that exists. So they are imported
into the stack as it is, before it is updated.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workflow.publish.artifacts import plans_of
from workflow.publish.following import follow
from workflow.publish.machines import number
from workflow.publish.readback import restored
from workflow.publish.stacks import Import
from workflow.stack import ALIAS, LIVE_ALIAS, LIVE_VERSION

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.progress import Progress
    from workflow.publish.stacks import Stack
    from workflow.stack.stages import Stage

__all__ = ["has_to_import", "import_live"]

_VERSION = "AWS::StepFunctions::StateMachineVersion"
_ALIAS = "AWS::StepFunctions::StateMachineAlias"
_KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def has_to_import(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the template of a stack does not have the alias yet, and that of its update has it."""
    kinds = {one["Type"] for one in deployed["Resources"].values()}
    # A stack that has only adopted data has no state machine yet: the publish that adopted it failed.
    has_machine = "AWS::StepFunctions::StateMachine" in kinds
    return has_machine and LIVE_ALIAS not in deployed["Resources"] and LIVE_ALIAS in wanted["Resources"]


def _existing(account: Account, machine: str) -> dict[str, dict[str, Any]]:
    """What CloudFormation could not create: logical ID → resource, with literal values."""
    found: dict[str, dict[str, Any]] = {}
    current = account.machines.revision(machine)
    newest = next(iter(account.machines.versions(machine)), None)
    if newest and account.machines.revision(newest) == current:
        found[LIVE_VERSION] = {
            "Type": _VERSION,
            **_KEPT,
            "Properties": {"StateMachineArn": machine, "StateMachineRevisionId": current},
        }
    if weights := account.machines.weights(machine, ALIAS):
        # A shift that was interrupted left two; the older one was live before.
        live = min(weights, key=number)
        preference = {"StateMachineVersionArn": live, "Type": "ALL_AT_ONCE"}
        properties = {"Name": ALIAS, "DeploymentPreference": preference}
        found[LIVE_ALIAS] = {"Type": _ALIAS, **_KEPT, "Properties": properties}
    return found


def import_live(account: Account, stage: Stage, stack: Stack, progress: Progress) -> None:
    """Imports the alias, and the version of the current revision, if they exist.

    Args:
        account: where the stack is.
        stage: which stage.
        stack: its stack.
        progress: receives the progress.

    Raises:
        DeploymentError: CloudFormation could not import them, and changed nothing.
    """
    machine = stack.output("StateMachine")
    if not (resources := _existing(account, machine)):
        return
    progress.step(f"Making the alias {ALIAS} part of the stack")
    arns = {
        LIVE_VERSION: next(iter(account.machines.versions(machine)), ""),
        LIVE_ALIAS: f"{machine}:{ALIAS}",
    }
    deployed = _as_published(account, stage, account.stacks.template(stack.name))
    template = json.dumps({**deployed, "Resources": {**deployed["Resources"], **resources}})
    key = f"{plans_of(stage.name)}{uuid.uuid4().hex}.json"
    version = account.artifacts.write(key, template.encode())
    change_set = account.stacks.create_change_set(
        stack.name,
        template_url=account.artifacts.url(key, version),
        parameters=stack.parameters,
        imports=[Import(name, one["Type"], {"Arn": arns[name]}) for name, one in resources.items()],
    )
    token = account.stacks.execute_change_set(change_set.id, create=False)
    follow(account.stacks, stack.id, token, progress.event)
    account.artifacts.remove(key, version)


def _as_published(account: Account, stage: Stage, returned: dict[str, Any]) -> dict[str, Any]:
    """The template of the stack: CloudFormation returns one with other characters, and an import must change none."""
    from workflow.publish.history import latest  # Most plans import nothing, and read no record.

    record = latest(account, stage.name)
    text = account.artifacts.read(record.template_key) if record else None
    sent: dict[str, Any] = json.loads(text) if text else returned
    return sent if restored(returned, sent) == sent else returned
