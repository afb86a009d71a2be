"""Going back to an earlier publish: new executions at once, then the whole stack."""

from __future__ import annotations

import re
from collections.abc import Callable

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.history import Record
from workflow.publish.package import Package
from workflow.publish.plan import Plan
from workflow.publish.publishing import Progress, Published, Silent, publish
from workflow.stack import ALIAS
from workflow.stack.stages import Stage

__all__ = ["roll_back"]


def roll_back(
    account: Account,
    stage: Stage,
    record: Record,
    *,
    confirm: Callable[[Plan], bool],
    progress: Progress | None = None,
) -> Published | None:
    """Publishes again what was published before: definition, functions, permissions and settings.

    New executions go to the version of that publish as soon as `confirm` says yes, before the stack is
    changed, if all is there that it names.

    Args:
        account: where the stage is.
        stage: which one.
        record: the publish to go back to.
        confirm: is shown the plan, and says whether to go on.
        progress: is told how it goes on.

    Returns:
        The stage as it is now; None when `confirm` said no.

    Raises:
        PublishError: the template of that publish is no longer in the artifact bucket.
        DeploymentError: the stack could not be changed.
    """
    progress = progress or Silent()
    template = account.read(record.template_key)
    if template is None:
        raise PublishError(f"the template of publish {record.number} is gone from {account.artifact_bucket}")
    stack = account.stack(stage.stack_name)
    machine = stack.outputs.get("StateMachine") if stack else None

    def confirmed(plan: Plan) -> bool:
        if not confirm(plan):
            return False
        if machine and record.version in account.versions(machine) and _is_whole(account, record.version):
            progress.step(f"Sending new executions to the version of publish {record.number}")
            account.route(machine, ALIAS, {record.version: 100}, create=account.live(machine, ALIAS) is None)
        return True

    return publish(
        account,
        stage.model_copy(update={"shift": None}),
        Package(template.decode(), record.parameters, bundles={}),
        confirm=confirmed,
        progress=progress,
        restores=record,
    )


def _is_whole(account: Account, version: str) -> bool:
    """Whether each version of a function that a version of the state machine names is still there."""
    named = re.findall(r"arn:[\w-]+:lambda:[^:\"]+:\d+:function:[\w-]+:\d+", account.definition(version))
    return all(account.has_function(arn) for arn in set(named))
