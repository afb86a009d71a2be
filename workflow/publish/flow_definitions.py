"""Whether the flow definitions that a stage names exist: a warning in the plan, not a person who waits for a loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from workflow.stack.settings_errors import did_you_mean

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = ["missing_flow_definitions"]


def missing_flow_definitions(stage: Stage, account: Account) -> list[str]:
    """Returns a warning for each flow definition in the settings that the account does not have in its Region.

    A stage can be published before its flow definitions. Nothing is returned if the credentials may not list them.

    Args:
        stage: The stage.
        account: The account that it is published to.
    """
    named = [(key, name) for key, name in _named(stage) if _could_be_in(name, account)]
    if not named:
        return []
    try:
        known = account.flow_definition_names()
    except (ClientError, BotoCoreError):
        return []
    return [
        f"stage {stage.name}: {key}: flow definition {name!r} does not exist in {account.region}"
        f"{did_you_mean(name.rpartition('/')[2], known)}"
        for key, name in named
        if name.rpartition("/")[2] not in known
    ]


def _named(stage: Stage) -> Iterator[tuple[str, str]]:
    """The names or ARNs of flow definitions in the settings, each with its key."""
    for name in stage.flow_definitions:
        yield "flow_definitions", name
    for name in stage.flow_definition_settings:
        yield "flow_definition_settings", name
    for name in stage.predictions:
        yield "predictions", name
    settings = stage.restart_settings()
    if settings.expired_to:
        yield "restart.expired_to", settings.expired_to
    for flow, rules in settings.flow_definitions.items():
        if rules.expired_to and rules.expired_to != settings.expired_to:
            yield f"flow_definition_settings.{flow}.restart.expired_to", rules.expired_to


def _could_be_in(name: str, account: Account) -> bool:
    return not name.startswith("arn:") or name.split(":")[3:5] == [account.region, account.id]
