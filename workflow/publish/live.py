"""What is live: the version of the state machine that the alias `live` sends new executions to.

CloudFormation makes a version of each new revision, and moves the alias to it. The output `LiveVersion` is what is
published. A running execution keeps the version that it started on, and with it the versions of the functions that
this one names.
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow.publish.machines import StateMachines
from workflow.publish.stacks import Stack
from workflow.stack import ALIAS, LIVE_VERSION

__all__ = ["is_live", "settle"]


def settle(machines: StateMachines, stack: Stack) -> str:
    """Routes new executions to what is published, if they go elsewhere: after a rollback or a swap.

    Args:
        machines: the state machines of the account.
        stack: the stack, which no operation changes now.

    Returns:
        The ARN of the version that is published, and now live.
    """
    machine = stack.output("StateMachine")
    # A rollback restores stacks of earlier versions of Afterloop, which have no version of the state machine.
    version = stack.outputs.get(LIVE_VERSION) or machines.publish_version(machine, "restored")
    if machines.weights(machine, ALIAS) != {version: 100}:
        machines.route(machine, ALIAS, {version: 100})
    return version


def is_live(machines: StateMachines, outputs: Mapping[str, str], weights: Mapping[str, int]) -> bool:
    """Whether new executions all go to what is published."""
    if published := outputs.get(LIVE_VERSION):
        return dict(weights) == {published: 100}
    return len(weights) == 1 and machines.is_current(outputs["StateMachine"], next(iter(weights)))
