"""Whether the alarms that a stage's shift names can end it: a warning in the plan, not a shift without a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = ["unguarded"]


def unguarded(stage: Stage, account: Account) -> list[str]:
    """Returns a warning for each alarm of the shift that does not exist, or that is on and would end it at once.

    Nothing is returned if the credentials may not read alarms.

    Args:
        stage: The stage.
        account: The account that it is published to.
    """
    if not stage.shift or not stage.shift.alarms:
        return []
    try:
        states = account.alarm_states(stage.shift.alarms)
    except (ClientError, BotoCoreError):
        return []
    problems = {
        None: f"does not exist in {account.region}, so it cannot end a shift",
        "ALARM": "is in ALARM, so a shift would be taken back at once",
    }
    return [
        f"stage {stage.name}: shift.alarms: alarm {name!r} {problems[state]}"
        for name in stage.shift.alarms
        if (state := states.get(name)) in problems
    ]
