"""Work teams and worker task templates: what exists from the start, and how their absence is worded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.protocol import ServiceError, operation
from sandbox.tenant import Tenant
from sandbox.workforce import TEAM, TEMPLATE, Workforce, team_arn, template_arn

TENANT = Tenant("111122223333", "us-east-1")
MEMBERS = [{"OidcMemberDefinition": {"Groups": ["a"]}}]


@pytest.fixture
def workforce() -> Workforce:
    return Workforce(lambda: datetime(2026, 1, 1, tzinfo=UTC))


def call(workforce: Workforce, name: str, tenant: Tenant = TENANT, **given: Any) -> Any:
    requested = operation("sagemaker", name)
    requested.check(given)
    answer = workforce.operations[name](tenant, given)
    requested.respond(answer, "")  # It conforms to the model.
    return answer


def test_first_team_and_template_exist_in_each_region(workforce: Workforce) -> None:
    for tenant in (TENANT, Tenant("111122223333", "eu-west-1")):
        team = call(workforce, "DescribeWorkteam", tenant, WorkteamName=TEAM)["Workteam"]
        assert team["WorkteamArn"] == team_arn(tenant, TEAM)
        template = call(workforce, "DescribeHumanTaskUi", tenant, HumanTaskUiName=TEMPLATE)
        assert template["HumanTaskUiArn"] == template_arn(tenant, TEMPLATE)
    assert len(call(workforce, "ListWorkforces")["Workforces"]) == 1


def test_team_is_created_described_and_deleted(workforce: Workforce) -> None:
    given = {"WorkteamName": "a", "Description": "d", "MemberDefinitions": MEMBERS}
    assert call(workforce, "CreateWorkteam", **given) == {"WorkteamArn": team_arn(TENANT, "a")}
    with pytest.raises(ServiceError, match="ResourceInUse"):
        call(workforce, "CreateWorkteam", **given)
    assert call(workforce, "DescribeWorkteam", WorkteamName="a")["Workteam"]["MemberDefinitions"] == MEMBERS
    assert call(workforce, "DeleteWorkteam", WorkteamName="a") == {"Success": True}
    with pytest.raises(ServiceError, match='ValidationException: The work team "a"'):
        call(workforce, "DescribeWorkteam", WorkteamName="a")
    assert call(workforce, "DeleteWorkteam", WorkteamName="a") == {"Success": False}


def test_template_is_created_described_and_deleted(workforce: Workforce) -> None:
    given = {"HumanTaskUiName": "a", "UiTemplate": {"Content": "<p>"}}
    assert call(workforce, "CreateHumanTaskUi", **given) == {"HumanTaskUiArn": template_arn(TENANT, "a")}
    with pytest.raises(ServiceError, match="ResourceInUse"):
        call(workforce, "CreateHumanTaskUi", **given)
    assert call(workforce, "DescribeHumanTaskUi", HumanTaskUiName="a")["HumanTaskUiStatus"] == "Active"
    call(workforce, "DeleteHumanTaskUi", HumanTaskUiName="a")
    for name in ("DescribeHumanTaskUi", "DeleteHumanTaskUi"):
        with pytest.raises(ServiceError, match="ResourceNotFound"):
            call(workforce, name, HumanTaskUiName="a")
