"""Rolling back to an earlier publish."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import MACHINE, Services, Steps
from tests.unit.workflow.publish.small_stack import FUNCTION, described, package
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.history import history, record, rollback_target
from workflow.publish.plan import Plan
from workflow.publish.rollback import roll_back
from workflow.stack.stages import Shift, Stage

ROUTED = "Routing new executions to the version of publish 1"


@pytest.fixture
def published(account: Account) -> Account:
    """The account with a stage that was published twice."""
    for number, days in enumerate(("30", "7"), 1):
        sent = package(days=days)
        account.artifacts.upload(sent.objects)
        record(account, "dev", sent, version=f"{MACHINE}:{number}")
    return account


def finds(services: Services) -> None:
    """Version 2 is published: found once for the rollback, and once for the publish in it."""
    current = package(days="7")
    for _ in range(2):
        services.finds_stack("UPDATE_COMPLETE", **described(current))
    services.returns_template(json.loads(current.template))
    services.creates_change_set()
    services.finds_live(2)


def names(services: Services, *functions: str, exist: bool = True) -> None:
    """The definition of version 1 names these versions of functions."""
    services.looks_at_change_set("AVAILABLE")
    services.lists_versions(1, 2)
    services.describes_machine(json.dumps({"Resource": functions}), f"{MACHINE}:1")
    for _ in functions:
        if exist:
            services.functions.add_response("get_function_configuration", {})
        else:
            services.functions.add_client_error("get_function_configuration", "ResourceNotFoundException")
    if exist:
        services.returns_template(json.loads(package(days="7").template))  # Does it lack permissions?


def restores(services: Services) -> None:
    services.executes_change_set(at_once=False)
    services.emits("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.makes_live(3, before=2)


def roll(account: Account, stage: Stage, progress: Steps | None = None, *, agree: bool = True) -> Any:
    plans: list[Plan] = []
    result = roll_back(
        account,
        stage,
        rollback_target(history(account, "dev")),
        confirm=lambda plan: bool(plans.append(plan)) or agree,
        progress=progress,
    )
    assert [(one.name, one.after) for one in plans[0].settings] == [("Days", "30")]
    return result


def test_rollback_routes_executions_first_then_updates_the_stack(
    published: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    finds(services)
    names(services, f"{FUNCTION}:1")
    services.routes({1: 100})
    restores(services)
    # The restored version was live before: a gradual shift would only delay it.
    shifting = stage.model_copy(update={"shift": Shift()})

    result = roll(published, shifting, progress)

    assert result.version == f"{MACHINE}:3"
    assert progress.steps.index(ROUTED) < progress.steps.index("Updating the stack")
    assert [(one.number, one.restores) for one in history(published, "dev")][-1] == (3, 1)


def test_rollback_does_not_route_to_deleted_functions(
    published: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    finds(services)
    names(services, f"{FUNCTION}:1", exist=False)
    restores(services)
    roll(published, stage, progress)
    assert ROUTED not in progress.steps


def test_rollback_does_not_route_to_a_deleted_version(
    published: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    finds(services)
    services.looks_at_change_set("AVAILABLE")
    services.lists_versions(2)
    restores(services)
    roll(published, stage, progress)
    assert ROUTED not in progress.steps


def test_rollback_does_not_route_to_a_version_of_another_stack(
    published: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    current = package(days="7")
    for _ in range(2):
        services.finds_stack("UPDATE_COMPLETE", **described(current), CreationTime=later)
    services.returns_template(json.loads(current.template))
    services.creates_change_set()
    services.finds_live(2)
    services.looks_at_change_set("AVAILABLE")
    restores(services)
    roll(published, stage, progress)
    assert ROUTED not in progress.steps


def test_declined_rollback_changes_nothing(published: Account, services: Services, stage: Stage) -> None:
    finds(services)
    services.deletes_change_set()
    assert roll(published, stage, agree=False) is None
    assert len(history(published, "dev")) == 2


def test_failed_rollback_is_recorded_as_taken_back(
    published: Account, services: Services, stage: Stage
) -> None:
    """New executions stay on the restored version: it worked before, and the next plan notes it."""
    finds(services)
    names(services, f"{FUNCTION}:1")
    services.routes({1: 100})
    services.executes_change_set(at_once=False)
    services.emits("UPDATE_IN_PROGRESS", ("Ledger", "UPDATE_FAILED", "Throttled"), "UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(DeploymentError, match="Throttled; the stack was rolled back"):
        roll(published, stage)
    written = history(published, "dev")[-1]
    assert (written.number, written.restores, written.outcome) == (3, 1, "taken back")


def earlier(account: Account) -> None:
    """A publish of a version of Afterloop that did not record versions of bundles."""
    sent = package(key="functions/a.zip")
    account.artifacts.upload(sent.objects)
    account.artifacts.write("functions/a.zip", b"code")
    record(account, "dev", sent, version=f"{MACHINE}:1")
    record(account, "dev", package(days="7"), version=f"{MACHINE}:2")


@pytest.mark.parametrize("replaced", ["template", "bundle", "deleted bundle"])
def test_replaced_content_of_a_publish_is_not_restored(account: Account, stage: Stage, replaced: str) -> None:
    earlier(account)
    target = rollback_target(history(account, "dev"))
    if replaced == "template":
        account.artifacts.write(target.template_key, b"{}")
    elif replaced == "deleted bundle":
        account.artifacts.remove("functions/a.zip")
    else:
        # S3 gives times in whole seconds: the publish is made older, instead of waiting.
        target = target.model_copy(update={"at": target.at - timedelta(minutes=1)})
    with pytest.raises(PublishError, match=r"publish 1 cannot be restored: .* is not what was published"):
        roll_back(account, stage, target, confirm=lambda _: True)


def test_rollback_restores_a_publish_without_versions(
    account: Account, services: Services, stage: Stage
) -> None:
    earlier(account)
    finds(services)
    names(services, f"{FUNCTION}:1")
    services.routes({1: 100})
    restores(services)
    services.lists_resources()
    assert roll(account, stage).changed


def test_rollback_without_its_template_is_refused(published: Account, stage: Stage) -> None:
    target = rollback_target(history(published, "dev"))
    published.artifacts.remove(target.template_key)
    with pytest.raises(PublishError, match="the template of publish 1 is no longer in the bucket"):
        roll_back(published, stage, target, confirm=lambda _: True)
