"""Hot swaps: of code and definition, interrupted, and undone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.workflow.publish.conftest import MACHINE, NOW, Services
from tests.unit.workflow.publish.small_stack import DEFINITION, FUNCTION, OUTPUTS, package, template
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.content import KEPT
from workflow.publish.package import Package, code_source
from workflow.publish.stacks import Stack
from workflow.publish.swapping import forget_swaps, swap, swapped, undo_swaps
from workflow.stack.bundles import Bundle
from workflow.stack.stages import Stage

PUBLISHED = DEFINITION.replace("${CollectArn}", f"{FUNCTION}:3")
NEW = DEFINITION.replace('"Next"', '"Comment": "new", "Next"').replace('"End"', '"Comment": "new", "End"')
STACK = Stack(
    "afterloop-dev", "arn", "UPDATE_COMPLETE", parameters=dict(package().parameters), outputs=OUTPUTS
)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "b.zip"
    file.write_bytes(b"new code")
    return file


def with_code(code: Path, digest: str = "b", **changes: Any) -> Package:
    """A package with the code in a file."""
    bundle = Bundle(digest, code, ())
    return replace(package(key=bundle.key, **changes), bundles={"Collect": bundle})


def finds_function(services: Services) -> None:
    services.lists_resources(("Collect", "AWS::Lambda::Function", "afterloop-dev-Collect"))


def updates_definition(services: Services, definition: str, version: int, *, route: bool = True) -> None:
    services.states.add_response(
        "update_state_machine",
        {"updateDate": NOW, "stateMachineVersionArn": f"{MACHINE}:{version}"},
        {"stateMachineArn": MACHINE, "definition": definition, "publish": True},
    )
    if route:
        services.routes({version: 100})


def swaps_code(services: Services, definition: str = PUBLISHED) -> None:
    """Code is swapped, and the definition names the function without a version."""
    services.returns_template(template())
    services.describes_machine(PUBLISHED)
    finds_function(services)
    services.updates_code("afterloop-dev-Collect", ZipFile=b"new code")
    updates_definition(services, definition.replace(f"{FUNCTION}:3", FUNCTION), 4)


def test_swap_replaces_code_and_runs_it_without_a_version(
    account: Account, services: Services, stage: Stage, code: Path
) -> None:
    swaps_code(services)
    assert swap(account, stage, STACK, with_code(code)) == ["code of Collect"]
    assert swapped_now(account, services, stage) == ["code of Collect"]

    # The same swap again changes nothing.
    services.returns_template(template())
    assert swap(account, stage, STACK, with_code(code)) == []


def swapped_now(account: Account, services: Services, stage: Stage) -> list[str]:
    services.returns_template(template())
    return swapped(account, stage, STACK)


def test_swap_replaces_the_definition(account: Account, services: Services, stage: Stage) -> None:
    services.returns_template(template())
    services.describes_machine(PUBLISHED)
    updates_definition(services, NEW.replace("${CollectArn}", f"{FUNCTION}:3"), 4)
    assert swap(account, stage, STACK, package(definition=NEW)) == ["definition"]
    assert swapped_now(account, services, stage) == ["definition"]


def test_swap_leaves_a_function_that_running_executions_need(
    account: Account, services: Services, stage: Stage
) -> None:
    published = template()
    kept = {"OldCollect", "OldCollectVersion", "OldCollectKey", "OldCollectRevision"}
    old = json.loads(re.sub("Collect", "OldCollect", json.dumps(published)))
    for section in ("Parameters", "Resources"):
        published[section] |= {name: one for name, one in old[section].items() if name in kept}
    published["Metadata"] = {KEPT: sorted(kept)}
    deployed = replace(
        STACK, parameters={**STACK.parameters, "OldCollectKey": "a", "OldCollectRevision": "b"}
    )
    services.returns_template(published)
    services.describes_machine(PUBLISHED)
    updates_definition(services, NEW.replace("${CollectArn}", f"{FUNCTION}:3"), 4)
    assert swap(account, stage, deployed, package(definition=NEW)) == ["definition"]


def test_definition_with_other_white_space_is_not_swapped(
    account: Account, services: Services, stage: Stage
) -> None:
    services.returns_template(template())
    compact = DEFINITION.replace(" ", "")
    assert swap(account, stage, STACK, package(definition=compact)) == []

    # An earlier version of the command line recorded the definition with white space.
    account.artifacts.write("stages/dev/swaps.json", json.dumps({"definition": DEFINITION}).encode())
    services.returns_template(template(compact))
    assert swapped(account, stage, STACK) == []


def test_second_swap_uses_the_values_of_the_first(
    account: Account, services: Services, stage: Stage, code: Path
) -> None:
    swaps_code(services)
    swap(account, stage, STACK, with_code(code))
    # The definition now differs from the published one, so that its values cannot be read from it.
    services.returns_template(template())
    updates_definition(services, NEW.replace("${CollectArn}", FUNCTION), 5)
    services.deletes_version(4, live=5)
    assert swap(account, stage, STACK, with_code(code, definition=NEW)) == ["definition"]


@pytest.mark.parametrize(
    "changed",
    [
        {"days": "7"},
        {"definition": NEW.replace("${CollectArn}", "${OtherArn}")},
        {"Outputs": {"More": {"Value": "x"}}},
    ],
    ids=["setting", "placeholder", "output"],
)
def test_other_changes_need_a_publish(
    account: Account, services: Services, stage: Stage, changed: dict[str, Any]
) -> None:
    services.returns_template(template())
    assert swap(account, stage, STACK, package(**changed)) is None


def test_protected_stage_allows_no_swap(account: Account, services: Services, stage: Stage) -> None:
    with pytest.raises(PublishError, match="stage dev is protected and allows no hot swap"):
        swap(account, stage.model_copy(update={"protected": True}), STACK, package())


def test_definition_changed_by_someone_else_is_not_swapped(
    account: Account, services: Services, stage: Stage
) -> None:
    services.returns_template(template())
    services.describes_machine('{"StartAt": "Mine"}')
    with pytest.raises(PublishError, match="the definition is not the published one"):
        swap(account, stage, STACK, package(definition=NEW))
    assert swapped(account, stage, STACK) == []


def interrupted(account: Account, services: Services, stage: Stage, code: Path) -> None:
    """A swap that fails after the code and before the definition."""
    services.returns_template(template())
    services.describes_machine(PUBLISHED)
    finds_function(services)
    services.updates_code("afterloop-dev-Collect", ZipFile=b"new code")
    services.states.add_client_error("update_state_machine", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        swap(account, stage, STACK, with_code(code))


def test_interrupted_swap_is_noticed_and_repeated(
    account: Account, services: Services, stage: Stage, code: Path
) -> None:
    interrupted(account, services, stage, code)
    assert swapped(account, stage, STACK) == ["an interrupted swap"]

    services.returns_template(template())
    finds_function(services)
    services.updates_code("afterloop-dev-Collect", ZipFile=b"new code")
    updates_definition(services, PUBLISHED.replace(f"{FUNCTION}:3", FUNCTION), 5)
    assert swap(account, stage, STACK, with_code(code)) == ["code of Collect", "definition"]
    assert swapped_now(account, services, stage) == ["code of Collect"]


def test_undo_after_an_interruption_restores_every_function(
    account: Account, services: Services, stage: Stage, code: Path
) -> None:
    """The record does not have the function yet, but its code has changed."""
    interrupted(account, services, stage, code)
    undoes_code(services)
    undo_swaps(account, stage, STACK)
    assert swapped(account, stage, STACK) == []


def undoes_code(services: Services, *, route: bool = True) -> None:
    finds_function(services)
    account_bucket = "afterloop-artifacts-123456789012-us-east-1"
    services.updates_code(
        "afterloop-dev-Collect", S3Bucket=account_bucket, S3Key="bundles/a.zip", S3ObjectVersion="1"
    )
    services.returns_template(template())
    updates_definition(services, PUBLISHED, 6, route=route)


@pytest.mark.parametrize("route", [True, False])
def test_undo_restores_code_and_definition(
    account: Account, services: Services, stage: Stage, code: Path, route: bool
) -> None:
    swaps_code(services)
    swap(account, stage, STACK, with_code(code))
    undoes_code(services, route=route)
    services.deletes_version(4, live=6)
    undo_swaps(account, stage, STACK, route=route)
    assert swapped(account, stage, STACK) == []
    undo_swaps(account, stage, STACK)  # Nothing is left to undo.


def test_undo_returns_to_the_version_that_cloudformation_made(
    account: Account, services: Services, stage: Stage, code: Path
) -> None:
    stack = replace(STACK, outputs={**STACK.outputs, "LiveVersion": f"{MACHINE}:3"})
    swaps_code(services)
    swap(account, stage, stack, with_code(code))
    finds_function(services)
    services.updates_code(
        "afterloop-dev-Collect", **code_source(account.artifact_bucket, stack.parameters["CollectKey"])
    )
    services.returns_template(template())
    sent = {"stateMachineArn": MACHINE, "definition": PUBLISHED}
    services.states.add_response("update_state_machine", {"updateDate": NOW}, sent)
    services.routes({3: 100})
    services.deletes_version(4, live=3)
    undo_swaps(account, stage, stack)


def test_swap_back_returns_to_the_version_that_cloudformation_made(
    account: Account, services: Services, stage: Stage
) -> None:
    stack = replace(STACK, outputs={**STACK.outputs, "LiveVersion": f"{MACHINE}:3"})
    services.returns_template(template())
    services.describes_machine(PUBLISHED)
    updates_definition(services, NEW.replace("${CollectArn}", f"{FUNCTION}:3"), 4)
    swap(account, stage, stack, package(definition=NEW))
    services.returns_template(template())
    sent = {"stateMachineArn": MACHINE, "definition": PUBLISHED}
    services.states.add_response("update_state_machine", {"updateDate": NOW}, sent)
    services.routes({3: 100})
    services.deletes_version(4, live=3)
    assert swap(account, stage, stack, package()) == ["definition"]


def test_forgotten_swap_is_not_listed(account: Account, services: Services, stage: Stage, code: Path) -> None:
    swaps_code(services)
    swap(account, stage, STACK, with_code(code))
    forget_swaps(account, stage)
    assert swapped(account, stage, STACK) == []


def test_swap_recorded_without_values_is_shown(account: Account, services: Services, stage: Stage) -> None:
    """Code swaps were recorded like this when functions had no versions."""
    recorded = {"functions": {"Collect": "functions/other.zip"}, "definition": None, "values": {}}
    account.artifacts.write("stages/dev/swaps.json", json.dumps(recorded).encode())
    assert swapped_now(account, services, stage) == ["code of Collect"]
