"""What human loops need is read with a limit in number and time, as far as the credentials allow."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from workflow.publish import heard as reading
from workflow.publish.heard import MAX_FLOW_DEFINITIONS, Heard, read
from workflow.stack.stages import Stage

ACCOUNT = "222222222222"
BASE = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
STAGE = Stage.model_validate(
    {"name": "dev", "region": "us-east-1", "output_buckets": ("outputs",), "document_buckets": ("documents",)}
)


def described(name: str, **more: Any) -> dict[str, Any]:
    return {
        "FlowDefinitionName": name,
        "FlowDefinitionArn": f"{BASE}:flow-definition/{name}",
        "FlowDefinitionStatus": "Active",
        "HumanLoopConfig": {
            "WorkteamArn": f"{BASE}:workteam/private-crowd/team",
            "HumanTaskUiArn": f"{BASE}:human-task-ui/page",
        },
        "OutputConfig": {"S3OutputPath": "s3://outputs/a"},
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/a/reader",
        **more,
    }


def refused(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.fixture
def clients() -> mock.Mock:
    """All clients in one: what is read exists."""
    all_in_one = mock.Mock()
    all_in_one.describe_flow_definition.side_effect = lambda FlowDefinitionName: described(FlowDefinitionName)  # noqa: N803
    all_in_one.get_bucket_cors.return_value = {"CORSRules": []}
    all_in_one.list_rules.return_value = {"Rules": []}
    all_in_one.describe_workteam.return_value = {"Workteam": {"MemberDefinitions": []}}
    all_in_one.get_bucket_location.return_value = {"LocationConstraint": None}
    all_in_one.get_role.return_value = {"Role": {"RoleName": "reader"}}
    return all_in_one


def found(clients: mock.Mock, *names: str) -> Heard:
    return read(STAGE, names or ("forms",), client=lambda service: clients, account=ACCOUNT)


def test_what_flow_definitions_share_is_read_once(clients: mock.Mock) -> None:
    heard = found(clients, *(f"flow-{number}" for number in range(MAX_FLOW_DEFINITIONS + 7)))
    assert (len(heard.flows), heard.left) == (MAX_FLOW_DEFINITIONS, 7)
    for once in (
        "describe_workteam",
        "describe_human_task_ui",
        "get_role",
        "get_bucket_location",
        "list_rules",
    ):
        getattr(clients, once).assert_called_once()
    clients.list_users_in_group.assert_not_called()
    clients.list_workforces.assert_not_called()


def test_nothing_is_asked_after_the_time(clients: mock.Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_SECONDS", -1.0)
    heard = found(clients, "forms", "images")
    assert (heard.flows, heard.left, heard.denied, heard.failed) == ([], 2, [], [])
    assert clients.method_calls == []


def test_resources_that_do_not_exist_have_no_value(clients: mock.Mock) -> None:
    clients.describe_workteam.side_effect = refused(
        "ValidationException", 'The work team "team" does not exist.'
    )
    clients.describe_human_task_ui.side_effect = refused("ResourceNotFound")
    clients.get_role.side_effect = refused("NoSuchEntity")
    clients.get_bucket_location.side_effect = refused("NoSuchBucket")
    clients.get_bucket_cors.side_effect = refused("NoSuchBucket")
    clients.list_workforces.return_value = {"Workforces": [{"OidcConfig": {"ClientId": "c"}}]}
    heard = found(clients)
    for values in (heard.teams, heard.templates, heard.roles, heard.regions, heard.cors):
        assert list(values.values()) == [None]
    assert heard.workforce == {"OidcConfig": {"ClientId": "c"}}
    assert (heard.denied, heard.failed) == ([], [])


def test_flow_definition_that_is_deleted_meanwhile_is_left_out(clients: mock.Mock) -> None:
    clients.describe_flow_definition.side_effect = refused("ResourceNotFound")
    assert found(clients).flows == []


def test_what_is_not_allowed_or_fails_is_named_by_its_action(clients: mock.Mock) -> None:
    clients.describe_workteam.side_effect = refused("ValidationException", "something else")
    clients.get_role.side_effect = refused("AccessDenied")
    clients.get_bucket_location.side_effect = refused("AccessDenied")
    clients.get_bucket_cors.side_effect = ConnectTimeoutError(endpoint_url="https://s3")
    clients.list_rules.side_effect = refused("ThrottlingException")
    heard = found(clients)
    assert heard.denied == ["iam:GetRole", "s3:GetBucketLocation"]
    assert heard.failed == ["events:ListRules", "s3:GetBucketCORS", "sagemaker:DescribeWorkteam"]
    assert (heard.teams, heard.roles, heard.regions, heard.cors, heard.stages) == ({}, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("place", "region"), [(None, "us-east-1"), ("EU", "eu-west-1"), ("eu-west-1", "eu-west-1")]
)
def test_region_of_a_bucket_may_have_an_old_name(clients: mock.Mock, place: str | None, region: str) -> None:
    clients.get_bucket_location.return_value = {"LocationConstraint": place}
    assert found(clients).regions == {"outputs": region}


@pytest.mark.parametrize(("users", "anybody"), [([{"Username": "anna"}], True), ([], False)])
def test_groups_of_cognito_have_people_or_not(clients: mock.Mock, users: list[Any], anybody: bool) -> None:
    group = {"CognitoMemberDefinition": {"UserPool": "pool", "UserGroup": "group"}}
    clients.describe_workteam.return_value = {"Workteam": {"MemberDefinitions": [group]}}
    clients.list_users_in_group.return_value = {"Users": users}
    assert list(found(clients).workers.values()) == [anybody]


def test_rules_of_other_stages_are_read_to_the_last_page(clients: mock.Mock) -> None:
    hears_all = '{"source": ["aws.sagemaker"]}'
    hears_one = '{"source": ["aws.sagemaker"], "detail": {"flowDefinitionArn": ["a"]}}'
    other = '{"source": ["aws.states"]}'
    clients.list_rules.side_effect = [
        {
            "Rules": [
                {"Name": "afterloop-dev", "EventPattern": hears_all},
                {"Name": "afterloop-a", "EventPattern": hears_all},
                {"Name": "afterloop-a-executions", "EventPattern": other},
                {"Name": "afterloop-a-ReconcileRule-1"},
                {"Name": "afterloop-mine", "EventPattern": "not JSON"},
            ],
            "NextToken": "more",
        },
        {
            "Rules": [
                {"Name": "afterloop-b", "EventPattern": hears_one},
                {"Name": "afterloop-c", "EventPattern": hears_all, "State": "DISABLED"},
            ]
        },
    ]
    assert found(clients).stages == {"a": None, "b": frozenset({"a"})}
