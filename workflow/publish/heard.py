"""Reads what human loops of a stage need: flow definitions, work teams, worker task templates, roles, buckets.

All of it belongs to somebody else than the stage, and can be changed or deleted at any time. It is read with as few
calls as possible, side by side, and only a limited number of flow definitions in a limited time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.reviews.event import SOURCE
from workflow.publish.aws_errors import NOT_FOUND, error_code, is_denied

if TYPE_CHECKING:
    from workflow.stack.stages import Stage

__all__ = ["MAX_FLOW_DEFINITIONS", "MAX_SECONDS", "PRIVATE", "Heard", "bucket_of", "read"]

MAX_FLOW_DEFINITIONS = 50
MAX_SECONDS = 10.0
"""After this time, no further call is made."""

THREADS = 8
PRIVATE = "private-crowd"
"""In the ARN of a private work team: `…:workteam/private-crowd/NAME`."""

Description = Mapping[str, Any]


@dataclass(frozen=True)
class Heard:
    """What was found. A resource with the value None does not exist; one that could not be read is left out."""

    flows: Sequence[Description] = ()
    """Flow definitions, as DescribeFlowDefinition returns them."""
    teams: Mapping[str, Description | None] = field(default_factory=dict)
    """ARN of a private work team → the team."""
    workers: Mapping[str, bool] = field(default_factory=dict)
    """ARN of a private work team → whether anybody is in it, if that can be known."""
    workforce: Description | None = None
    """The private workforce, if a work team does not exist."""
    templates: Mapping[str, Description | None] = field(default_factory=dict)
    """ARN of a worker task template → the template."""
    roles: Mapping[str, Description | None] = field(default_factory=dict)
    """ARN of a role → the role."""
    regions: Mapping[str, str | None] = field(default_factory=dict)
    """Name of an output bucket → its Region."""
    cors: Mapping[str, Sequence[Description] | None] = field(default_factory=dict)
    """Name of a document bucket → its CORS rules."""
    stages: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Name of another stage → the ARNs of flow definitions that it hears; None for all."""
    denied: Sequence[str] = ()
    """Actions that the credentials do not allow."""
    failed: Sequence[str] = ()
    """Actions that failed for another reason, such as throttling."""
    left: int = 0
    """How many flow definitions were not looked at."""


def read(stage: Stage, names: Sequence[str], *, client: Callable[[str], Any], account: str) -> Heard:
    """Reads what the loops of flow definitions need.

    Args:
        stage: The stage that hears them.
        names: The names of the flow definitions.
        client: Returns the client of a service. Threads call it.
        account: The account that the stage is published to, 12 digits.
    """
    with _Reader(client, account) as reader:
        flows, cors, stages = reader.side_by_side(
            lambda: reader.flows(names[:MAX_FLOW_DEFINITIONS]),
            lambda: reader.cors(stage.document_buckets),
            lambda: reader.stages(except_for=stage.name),
        )
        wanted = [flow for flow in flows if flow["FlowDefinitionStatus"] != "Deleting"]
        teams, templates, roles, regions = reader.side_by_side(
            lambda: reader.teams(wanted),
            lambda: reader.templates(wanted),
            lambda: reader.roles(wanted),
            lambda: reader.regions(wanted),
        )
        return Heard(
            flows=flows,
            teams=teams,
            workers=reader.workers(teams),
            workforce=reader.workforce() if None in teams.values() else None,
            templates=templates,
            roles=roles,
            regions=regions,
            cors=cors,
            stages=stages,
            denied=sorted(reader.denied),
            failed=sorted(reader.failed),
            left=len(names) - len(flows),
        )


class _Unknown(Exception):
    """What was asked for is not known: not allowed, failed, or no time is left."""


class _Reader:
    """Makes the calls, in threads. `denied` and `failed` are the actions that gave no answer."""

    def __init__(self, client: Callable[[str], Any], account: str) -> None:
        self._client, self._account = client, account
        self._end = time.monotonic() + MAX_SECONDS
        # Two of them: what runs side by side in the first waits for the second.
        self._parts, self._calls = ThreadPoolExecutor(4), ThreadPoolExecutor(THREADS)
        self.denied: set[str] = set()
        self.failed: set[str] = set()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.shutdown()
        self._calls.shutdown()

    def side_by_side(self, *parts: Callable[[], Any]) -> list[Any]:
        """Returns what the parts return, which run at the same time."""
        return [running.result() for running in [self._parts.submit(part) for part in parts]]

    def flows(self, names: Iterable[str]) -> list[Description]:
        client = self._client("sagemaker")
        described = self._each(
            names,
            lambda name: self._ask(
                "sagemaker:DescribeFlowDefinition", client.describe_flow_definition, FlowDefinitionName=name
            ),
        )
        return [flow for flow in described.values() if flow is not None]

    def cors(self, buckets: Iterable[str]) -> dict[str, Sequence[Description] | None]:
        client = self._client("s3")

        def rules(bucket: str) -> Sequence[Description] | None:
            found = self._ask(
                "s3:GetBucketCORS",
                client.get_bucket_cors,
                answers={"NoSuchCORSConfiguration": {"CORSRules": []}},
                Bucket=bucket,
            )
            return list(found["CORSRules"]) if found else None

        return self._each(buckets, rules)

    def stages(self, *, except_for: str) -> dict[str, frozenset[str] | None]:
        """The other stages that hear human loops, from their rules: what a rule matches is what a stage hears."""
        client = self._client("events")
        found: dict[str, frozenset[str] | None] = {}
        token: dict[str, Any] = {}
        while True:
            try:
                page = self._ask("events:ListRules", client.list_rules, NamePrefix="afterloop-", **token)
            except _Unknown:
                return found
            found.update(_stages_in(page["Rules"]))
            if not page.get("NextToken"):
                return {stage: heard for stage, heard in found.items() if stage != except_for}
            token = {"NextToken": page["NextToken"]}

    def teams(self, flows: Iterable[Description]) -> dict[str, Description | None]:
        client = self._client("sagemaker")

        def described(arn: str) -> Any:
            found = self._ask("sagemaker:DescribeWorkteam", client.describe_workteam, WorkteamName=_name(arn))
            return found["Workteam"] if found else None

        private = {arn for arn in _in_config(flows, "WorkteamArn") if f"/{PRIVATE}/" in arn}
        return self._each(private, described)

    def workers(self, teams: Mapping[str, Description | None]) -> dict[str, bool]:
        """Whether the groups of each team have anybody. What an identity provider of one's own has is not known."""
        groups = {
            arn: [
                member["CognitoMemberDefinition"]
                for member in team["MemberDefinitions"]
                if "CognitoMemberDefinition" in member
            ]
            for arn, team in teams.items()
            if team is not None
        }
        if not any(groups.values()):
            return {}
        client = self._client("cognito-idp")

        def anybody(arn: str) -> bool | None:
            return any(
                (
                    self._ask(
                        "cognito-idp:ListUsersInGroup",
                        client.list_users_in_group,
                        UserPoolId=group["UserPool"],
                        GroupName=group["UserGroup"],
                        Limit=1,
                    )
                    or {"Users": []}
                )["Users"]
                for group in groups[arn]
            )

        found = self._each((arn for arn in groups if groups[arn]), anybody)
        return {arn: bool(some) for arn, some in found.items()}

    def workforce(self) -> Description | None:
        client = self._client("sagemaker")
        try:
            found = self._ask("sagemaker:ListWorkforces", client.list_workforces)
        except _Unknown:
            return None
        return next(iter(found["Workforces"]), None) if found else None

    def templates(self, flows: Iterable[Description]) -> dict[str, Description | None]:
        client = self._client("sagemaker")
        return self._each(
            # AWS's own templates belong to another account, as far as there are any.
            {arn for arn in _in_config(flows, "HumanTaskUiArn") if arn.split(":")[4] == self._account},
            lambda arn: self._ask(
                "sagemaker:DescribeHumanTaskUi", client.describe_human_task_ui, HumanTaskUiName=_name(arn)
            ),
        )

    def roles(self, flows: Iterable[Description]) -> dict[str, Description | None]:
        client = self._client("iam")

        def role(arn: str) -> Any:
            found = self._ask("iam:GetRole", client.get_role, RoleName=_name(arn))
            return found["Role"] if found else None

        return self._each({flow["RoleArn"] for flow in flows}, role)

    def regions(self, flows: Iterable[Description]) -> dict[str, str | None]:
        client = self._client("s3")

        def region(bucket: str) -> str | None:
            found = self._ask("s3:GetBucketLocation", client.get_bucket_location, Bucket=bucket)
            # The first Region has no name there, and another one an old name.
            old = {None: "us-east-1", "EU": "eu-west-1"}
            return old.get(place := found.get("LocationConstraint"), place) if found else None

        return self._each({bucket_of(flow) for flow in flows}, region)

    def _each(self, keys: Iterable[str], asked: Callable[[str], Any]) -> dict[str, Any]:
        """What is known of each key, in their order."""

        def known(key: str) -> tuple[Any, ...]:
            try:
                return (asked(key),)
            except _Unknown:
                return ()

        ordered = sorted(keys)
        return {
            key: found[0]
            for key, found in zip(ordered, self._calls.map(known, ordered), strict=True)
            if found
        }

    def _ask(
        self, action: str, call: Callable[..., Any], *, answers: Mapping[str, Any] | None = None, **given: Any
    ) -> Any:
        """The answer to a call; None if what it is about does not exist.

        Args:
            action: The permission that the call needs.
            call: The method of a client.
            answers: Error code → what it says.
            given: The parameters of the call.

        Raises:
            _Unknown: There is no answer.
        """
        if time.monotonic() > self._end:
            raise _Unknown
        try:
            return call(**given)
        except ClientError as error:
            code = error_code(error)
            if answers and code in answers:
                return answers[code]
            if code in NOT_FOUND or _is_missing_team(error):
                return None
            (self.denied if is_denied(error) else self.failed).add(action)
        except BotoCoreError:
            self.failed.add(action)
        raise _Unknown


def bucket_of(flow: Description) -> str:
    """Returns the name of the bucket that the outputs of a flow definition go to."""
    return str(flow["OutputConfig"]["S3OutputPath"]).partition("://")[2].partition("/")[0]


def _is_missing_team(error: ClientError) -> bool:
    """Whether DescribeWorkteam says that there is no such team: it has no error of its own for that."""
    message = str(error.response["Error"].get("Message"))
    return error_code(error) == "ValidationException" and message.startswith("The work team")


def _in_config(flows: Iterable[Description], key: str) -> set[str]:
    return {str(flow["HumanLoopConfig"][key]) for flow in flows if key in flow.get("HumanLoopConfig", {})}


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _stages_in(rules: Iterable[Description]) -> Iterator[tuple[str, frozenset[str] | None]]:
    for rule in rules:
        pattern = _pattern(rule)
        if pattern.get("source") == [SOURCE] and rule.get("State") != "DISABLED":
            arns = pattern.get("detail", {}).get("flowDefinitionArn")
            yield rule["Name"].removeprefix("afterloop-"), None if arns is None else frozenset(arns)


def _pattern(rule: Description) -> dict[str, Any]:
    try:
        found = json.loads(rule.get("EventPattern") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
