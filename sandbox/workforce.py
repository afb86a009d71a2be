"""The people of the A2I-compatible service: private work teams, their workforce, and worker task templates.

As in an account that uses Amazon A2I, there is a team `reviewers` and a template `worker-tasks` from the start, which
the flow definitions of `sandbox.flow_definitions` have. What the operations refuse is worded as AWS words it:

- DescribeWorkteam of a team that does not exist is a ValidationException whose message begins with "The work team". Its
  model has no errors (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeWorkteam.html), and this is
  how the Terraform provider recognizes it.
- DescribeHumanTaskUi of a template that does not exist is a ResourceNotFound
  (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeHumanTaskUi.html).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.protocol import ServiceError
from sandbox.tenant import Tenant

__all__ = ["TEAM", "TEMPLATE", "Workforce", "team_arn", "template_arn"]

TEAM = "reviewers"
TEMPLATE = "worker-tasks"
_FIRST_TEAM: dict[str, Any] = {
    "WorkteamName": TEAM,
    "Description": "The people who review on this machine",
    "MemberDefinitions": [{"OidcMemberDefinition": {"Groups": [TEAM]}}],
}
_FIRST_TEMPLATE: dict[str, Any] = {"HumanTaskUiName": TEMPLATE, "UiTemplate": {"Content": "<crowd-form/>"}}


@dataclass(frozen=True)
class _Made:
    """A resource: the request that made it, and when."""

    request: dict[str, Any]
    created: datetime


class _Resources:
    """The resources of one kind, by tenant and name. Each tenant begins with the same one."""

    def __init__(self, name: str, first: _Made) -> None:
        self._name, self._first = name, first
        self._known: dict[Tenant, dict[str, _Made]] = {}

    def of(self, tenant: Tenant) -> dict[str, _Made]:
        return self._known.setdefault(tenant, {self._name: self._first})


class Workforce:
    """The work teams and worker task templates of a sandbox.

    Args:
        now: The clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._teams = _Resources(TEAM, _Made(_FIRST_TEAM, now()))
        self._templates = _Resources(TEMPLATE, _Made(_FIRST_TEMPLATE, now()))
        self.operations: dict[str, Callable[[Tenant, dict[str, Any]], dict[str, Any]]] = {
            "CreateWorkteam": self.create_workteam,
            "DescribeWorkteam": self.describe_workteam,
            "DeleteWorkteam": self.delete_workteam,
            "ListWorkforces": self.list_workforces,
            "CreateHumanTaskUi": self.create_human_task_ui,
            "DescribeHumanTaskUi": self.describe_human_task_ui,
            "DeleteHumanTaskUi": self.delete_human_task_ui,
        }

    def create_workteam(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """CreateWorkteam."""
        name = request["WorkteamName"]
        _expect_new(name in self._teams.of(tenant), team_arn(tenant, name))
        self._teams.of(tenant)[name] = _Made(request, self._now())
        return {"WorkteamArn": team_arn(tenant, name)}

    def describe_workteam(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeWorkteam."""
        name = request["WorkteamName"]
        team = self._teams.of(tenant).get(name)
        if team is None:
            raise ServiceError("ValidationException", f'The work team "{name}" does not exist.')
        described = {key: team.request[key] for key in ("WorkteamName", "MemberDefinitions", "Description")}
        times = {"CreateDate": team.created, "LastUpdatedDate": team.created}
        return {"Workteam": described | times | {"WorkteamArn": team_arn(tenant, name)}}

    def delete_workteam(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteWorkteam."""
        return {"Success": self._teams.of(tenant).pop(request["WorkteamName"], None) is not None}

    def list_workforces(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """ListWorkforces. There is one private workforce, whose people log in at an identity provider."""
        workforce = {
            "WorkforceName": "default",
            "WorkforceArn": tenant.arn("workforce", "default"),
            "OidcConfig": {"ClientId": "sandbox", "Issuer": "https://idp.example.com"},
        }
        return {"Workforces": [workforce]}

    def create_human_task_ui(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """CreateHumanTaskUi."""
        name = request["HumanTaskUiName"]
        _expect_new(name in self._templates.of(tenant), template_arn(tenant, name))
        self._templates.of(tenant)[name] = _Made(request, self._now())
        return {"HumanTaskUiArn": template_arn(tenant, name)}

    def describe_human_task_ui(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeHumanTaskUi."""
        template = self._template(tenant, request)
        content = template.request["UiTemplate"]["Content"]
        return {
            "HumanTaskUiName": request["HumanTaskUiName"],
            "HumanTaskUiArn": template_arn(tenant, request["HumanTaskUiName"]),
            "HumanTaskUiStatus": "Active",
            "CreationTime": template.created,
            "UiTemplate": {"ContentSha256": hashlib.sha256(content.encode()).hexdigest()},
        }

    def delete_human_task_ui(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteHumanTaskUi."""
        self._template(tenant, request)
        del self._templates.of(tenant)[request["HumanTaskUiName"]]
        return {}

    def _template(self, tenant: Tenant, request: dict[str, Any]) -> _Made:
        name = request["HumanTaskUiName"]
        try:
            return self._templates.of(tenant)[name]
        except KeyError:
            arn = template_arn(tenant, name)
            raise ServiceError("ResourceNotFound", f"RecordNotFound: {arn}") from None


def team_arn(tenant: Tenant, name: str) -> str:
    """Returns the ARN of a private work team."""
    return tenant.arn("workteam", f"private-crowd/{name}")


def template_arn(tenant: Tenant, name: str) -> str:
    """Returns the ARN of a worker task template."""
    return tenant.arn("human-task-ui", name)


def _expect_new(exists: bool, arn: str) -> None:
    if exists:
        raise ServiceError("ResourceInUse", f"Resource already in use: {arn}")
