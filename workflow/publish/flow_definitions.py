"""The flow definitions of a stage: warnings in the plan, not a person who waits for a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.refusals import NO_NEW_CUSTOMERS
from workflow.publish.aws_errors import is_denied
from workflow.stack.settings_errors import did_you_mean

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = ["NO_FLOW_DEFINITIONS", "flow_definition_warnings", "warnings_in_background"]

NO_FLOW_DEFINITIONS = (
    f"there is no flow definition in {{region}}, so nothing starts the workflow yet; {NO_NEW_CUSTOMERS} "
    '(docs/explanation.md, "Amazon A2I today")'
)
"""An account that cannot use A2I looks like one that has not begun to."""


def warnings_in_background(stage: Stage, account: Account) -> Callable[[], list[str]]:
    """Begins to look for problems, while the plan is made. Returns what waits for the warnings.

    A process looks once for a stage: a publish makes its plan several times, and each time it has to be the same.
    """
    for looked_at, running in account.checks:
        if looked_at == stage:
            return running.result
    thread = ThreadPoolExecutor(1)
    running = thread.submit(flow_definition_warnings, stage, account)
    thread.shutdown(wait=False)
    account.checks.append((stage, running))
    return running.result


def flow_definition_warnings(stage: Stage, account: Account) -> list[str]:
    """Returns a warning for each problem of the flow definitions that a stage names or hears.

    A stage can be published before its flow definitions. If the account has none, one call finds that.

    Args:
        stage: The stage.
        account: The account that it is published to.
    """
    try:
        known = account.flow_definition_names()
    except (ClientError, BotoCoreError) as error:
        denied = isinstance(error, ClientError) and is_denied(error)
        why = "the credentials may not use" if denied else "AWS did not answer"
        return [f"The flow definitions were not checked: {why} sagemaker:ListFlowDefinitions"]
    found = _missing(stage, account, known)
    if not known:
        return [*found, NO_FLOW_DEFINITIONS.format(region=account.region)] if account.is_aws else found
    if names := _heard(stage, account, known):
        from workflow.publish.flow_definition_checks import problems_of

        found += [
            f"stage {stage.name}: {problem}"
            for problem in problems_of(stage, account.heard(stage, names), account.region)
        ]
    return found


def _missing(stage: Stage, account: Account, known: Iterable[str]) -> list[str]:
    """A warning for each flow definition in the settings that the account does not have in its Region."""
    return [
        f"stage {stage.name}: {key}: flow definition {name!r} does not exist in {account.region}"
        f"{did_you_mean(name.rpartition('/')[2], known)}"
        for key, name in _named(stage)
        if _could_be_in(name, account) and name.rpartition("/")[2] not in known
    ]


def _heard(stage: Stage, account: Account, known: Iterable[str]) -> list[str]:
    """The names of the flow definitions that exist and that the stage hears."""
    if not stage.flow_definitions:
        return sorted(known)
    here = {name.rpartition("/")[2] for name in stage.flow_definitions if _could_be_in(name, account)}
    return sorted(here & set(known))


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
