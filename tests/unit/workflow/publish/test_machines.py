"""Versions, aliases and executions of state machines; versions and code of functions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.workflow.publish.conftest import MACHINE, NOW, Services
from workflow.errors import PublishError
from workflow.publish.account import Account


def test_current_version_is_not_published_again(account: Account, services: Services) -> None:
    services.lists_versions(1, 2)
    services.describes_machine("{}", f"{MACHINE}:2")
    services.describes_machine("{}")
    assert account.machines.publish_version(MACHINE, "next") == f"{MACHINE}:2"


def test_new_revision_becomes_a_version(account: Account, services: Services) -> None:
    services.lists_versions(1)
    services.describes_machine("{}", f"{MACHINE}:1")
    services.describes_machine('{"Comment": "new"}')
    services.states.add_response(
        "publish_state_machine_version",
        {"stateMachineVersionArn": f"{MACHINE}:2", "creationDate": NOW},
        {"stateMachineArn": MACHINE, "description": "next"},
    )
    assert account.machines.publish_version(MACHINE, "next") == f"{MACHINE}:2"


def test_exceeded_quota_of_versions_is_reported(account: Account, services: Services) -> None:
    services.lists_versions()
    services.states.add_client_error(
        "publish_state_machine_version", "ServiceQuotaExceededException", "1000 versions at most"
    )
    with pytest.raises(PublishError, match="AWS rejected a new version: 1000 versions at most"):
        account.machines.publish_version(MACHINE, "next")


def test_versions_are_sorted_by_number_over_all_pages(account: Account, services: Services) -> None:
    def page(*numbers: int, **more: Any) -> dict[str, Any]:
        arns = [f"{MACHINE}:{number}" for number in numbers]
        versions = [{"stateMachineVersionArn": arn, "creationDate": NOW} for arn in arns]
        return {"stateMachineVersions": versions, **more}

    request = {"stateMachineArn": MACHINE, "maxResults": 1000}
    services.states.add_response("list_state_machine_versions", page(9, 10, nextToken="2"), request)
    services.states.add_response("list_state_machine_versions", page(2, 11), {**request, "nextToken": "2"})
    assert account.machines.versions(MACHINE) == [f"{MACHINE}:{number}" for number in (11, 10, 9, 2)]


def test_version_is_deleted(account: Account, services: Services) -> None:
    services.states.add_response(
        "delete_state_machine_version", {}, {"stateMachineVersionArn": f"{MACHINE}:1"}
    )
    account.machines.delete_version(f"{MACHINE}:1")


def test_weights_leave_out_versions_without_executions(account: Account, services: Services) -> None:
    services.describes_alias({1: 0, 2: 100})
    assert account.machines.weights(MACHINE, "live") == {f"{MACHINE}:2": 100}


@pytest.mark.parametrize("code", ["ResourceNotFound", "StateMachineDoesNotExist"])
def test_missing_alias_has_no_weights(account: Account, services: Services, code: str) -> None:
    services.states.add_client_error("describe_state_machine_alias", code)
    assert account.machines.weights(MACHINE, "live") is None


def test_denied_alias_is_not_a_missing_alias(account: Account, services: Services) -> None:
    services.states.add_client_error("describe_state_machine_alias", "AccessDeniedException")
    with pytest.raises(ClientError):
        account.machines.weights(MACHINE, "live")


@pytest.mark.parametrize("create", [True, False])
def test_route_creates_or_updates_the_alias(account: Account, services: Services, create: bool) -> None:
    services.routes({1: 90, 2: 10}, create=create)
    account.machines.route(MACHINE, "live", {f"{MACHINE}:1": 90, f"{MACHINE}:2": 10})


def test_rejected_definition_is_reported(account: Account, services: Services) -> None:
    services.states.add_client_error("update_state_machine", "InvalidDefinition", "SCHEMA_VALIDATION_FAILED")
    with pytest.raises(PublishError, match="AWS rejected the definition: SCHEMA_VALIDATION_FAILED"):
        account.machines.update_definition(MACHINE, "{}")


def execution(number: int, hours_ago: int) -> dict[str, Any]:
    return {
        "executionArn": f"e{number}",
        "stateMachineArn": MACHINE,
        "name": f"e{number}",
        "status": "FAILED",
        "startDate": NOW - timedelta(hours=hours_ago),
    }


def test_executions_stop_at_the_first_older_one(account: Account, services: Services) -> None:
    first = {"executions": [execution(1, 1), execution(2, 5)], "nextToken": "2"}
    services.states.add_response("list_executions", first)
    since = NOW - timedelta(hours=2)
    assert account.machines.executions(MACHINE, "FAILED", since=since) == ["e1"]


def test_executions_are_counted_up_to_a_thousand(account: Account, services: Services) -> None:
    request = {"stateMachineArn": MACHINE, "statusFilter": "RUNNING", "maxResults": 100}
    for number in range(10):
        executions = [execution(100 * number + one, 1) for one in range(100)]
        token = {"nextToken": str(number)} if number else {}
        services.states.add_response(
            "list_executions",
            {"executions": executions, "nextToken": str(number + 1)},
            {**request, **token},
        )
    assert len(account.machines.executions(MACHINE, "RUNNING")) == 1000


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:afterloop-dev-Collect"


def test_function_versions_are_sorted_by_number(account: Account, services: Services) -> None:
    versions = [
        {"FunctionArn": f"{FUNCTION}:{number}", "Version": number} for number in ("$LATEST", "9", "10")
    ]
    services.functions.add_response("list_versions_by_function", {"Versions": versions})
    assert account.functions.versions("Collect") == [f"{FUNCTION}:10", f"{FUNCTION}:9"]


def test_existing_and_missing_function_versions(account: Account, services: Services) -> None:
    services.functions.add_response("get_function_configuration", {}, {"FunctionName": f"{FUNCTION}:1"})
    services.functions.add_client_error("get_function_configuration", "ResourceNotFoundException")
    assert account.functions.exists(f"{FUNCTION}:1")
    assert not account.functions.exists(f"{FUNCTION}:2")


def test_update_code_waits_until_the_function_is_ready(
    account: Account, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps: list[float] = []
    monkeypatch.setattr("time.sleep", sleeps.append)
    services.functions.add_response("update_function_code", {})
    for status in ("InProgress", "Successful"):
        services.functions.add_response("get_function", {"Configuration": {"LastUpdateStatus": status}})
    account.functions.update_code("Collect", ZipFile=b"code")
    assert sleeps == [0.2]
