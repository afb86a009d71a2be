"""The AWS account and Region that a stage is published to. Every AWS call of `workflow/publish` starts here.

The parts of the account are in `stacks`, `artifacts`, `machines`, `functions`, `stored_data`, `missing` and
`subscriptions`. The rest of the package works with the values that these return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from workflow.errors import AccountError
from workflow.publish.artifacts import ArtifactBucket
from workflow.publish.aws_errors import NO_REGION, explained
from workflow.publish.engine_access import expect_answers_of_aws
from workflow.publish.functions import Functions
from workflow.publish.machines import StateMachines
from workflow.publish.missing import CheckedStack, missing_resources
from workflow.publish.owner import expecting_owner
from workflow.publish.queues import Queues
from workflow.publish.refused import name_services
from workflow.publish.sagemaker_model import small_model
from workflow.publish.stacks import Stacks
from workflow.publish.stored_data import StoredData
from workflow.publish.subscriptions import Subscriptions
from workflow.publish.switches import Switches
from workflow.publish.tagged import TaggedResources

if TYPE_CHECKING:
    from concurrent.futures import Future

    from workflow.publish.heard import Heard
    from workflow.publish.locks import Lock
    from workflow.stack.stages import Stage

__all__ = ["Account"]


class Account:
    """An account and Region, as seen by one session.

    Args:
        session: a boto3 session, or an object with `client(name)` and `region_name`.

    Raises:
        AccountError: the session has no Region.
    """

    def __init__(self, session: boto3.Session) -> None:
        if not session.region_name:
            raise AccountError(NO_REGION)
        self.session = session
        self.region = session.region_name
        self.lock: Lock | None = None
        """The lock of a stage that this process changes. Without it, no call is made any more."""
        self.checks: list[tuple[Stage, Future[list[str]]]] = []
        """What was, or is being, found out about the flow definitions of stages; see `flow_definitions.py`."""
        self._clients: dict[str, Any] = {}
        self._making = RLock()
        """A session makes one client at a time, and threads ask for some."""

    @classmethod
    def at(cls, *, profile: str | None = None, region: str | None = None) -> Account:
        """The account of the environment's credentials, or of a profile in ~/.aws.

        Raises:
            AccountError: there is no such profile, or no Region.
        """
        try:
            session = boto3.Session(profile_name=profile, region_name=region)
            return cls(name_services(expect_answers_of_aws(session)))
        except BotoCoreError as error:
            raise explained(error) or error from None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The caller, as returned by GetCallerIdentity: `Account` and `Arn`."""
        identity: Mapping[str, Any] = self._client("sts").get_caller_identity()
        return identity

    @property
    def id(self) -> str:
        """The 12 digits of the account."""
        return str(self.identity["Account"])

    @property
    def caller(self) -> str:
        """The ARN of the caller."""
        return str(self.identity["Arn"])

    @property
    def is_aws(self) -> bool:
        """Whether calls go to AWS, not to a local engine."""
        host = urlsplit(self.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    @property
    def endpoint_url(self) -> str:
        """Where calls of CloudFormation go."""
        return str(self._client("cloudformation").meta.endpoint_url)

    @property
    def secret_access_key(self) -> str:
        """The secret key of the session; empty if it has none."""
        credentials = self.session.get_credentials()
        return str(credentials.secret_key) if credentials else ""

    @property
    def artifact_bucket(self) -> str:
        """The name of the artifact bucket, which all stages of the account and Region share."""
        return f"afterloop-artifacts-{self.id}-{self.region}"

    # Each part makes its clients on first use: loading a service's model takes a large share of a `plan`.

    @cached_property
    def stacks(self) -> Stacks:
        """CloudFormation's stacks."""
        return Stacks(self._client("cloudformation"))

    @cached_property
    def artifacts(self) -> ArtifactBucket:
        """The artifact bucket."""
        return ArtifactBucket(
            self._client("s3"), self.artifact_bucket, owner=self.id, region=self.region, is_aws=self.is_aws
        )

    @cached_property
    def machines(self) -> StateMachines:
        """State machines of Step Functions."""
        return StateMachines(self._client("stepfunctions"))

    @cached_property
    def functions(self) -> Functions:
        """Functions of Lambda."""
        return Functions(self._client("lambda"))

    @cached_property
    def data(self) -> StoredData:
        """Buckets and tables."""
        return StoredData(expecting_owner(self._client("s3"), self.id), self._client("dynamodb"))

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions of SNS topics."""
        return Subscriptions(self._client("sns"))

    @cached_property
    def switches(self) -> Switches:
        """Rules and alarms, on or off."""
        return Switches(self._client("events"), self._client("cloudwatch"))

    @cached_property
    def tagged(self) -> TaggedResources:
        """Resources by their tags."""
        return TaggedResources(self._client("resourcegroupstaggingapi"))

    @cached_property
    def queues(self) -> Queues:
        """Queues of SQS."""
        return Queues(self._client("sqs"))

    def checked(self, stack: str) -> CheckedStack:
        """The resources of a stack: which do not exist, and what the services say about the others."""
        resources, answers = self.stacks.resources(stack), dict[str, Mapping[str, Any]]()
        missing = missing_resources(resources, self._client, answers)
        return CheckedStack(resources, missing, answers)

    def alarm_states(self, names: Sequence[str]) -> dict[str, str]:
        """The states of CloudWatch alarms that exist, such as OK or ALARM, by name; at most 100."""
        answer = self._client("cloudwatch").describe_alarms(
            AlarmNames=list(names), AlarmTypes=["CompositeAlarm", "MetricAlarm"], MaxRecords=100
        )
        alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    def flow_definition_names(self) -> list[str]:
        """The names of the account's A2I flow definitions."""
        sagemaker, names, token = self._client("sagemaker"), list[str](), dict[str, str]()
        while True:
            page = sagemaker.list_flow_definitions(MaxResults=100, **token)
            names += [one["FlowDefinitionName"] for one in page["FlowDefinitionSummaries"]]
            if not page.get("NextToken"):
                return names
            token = {"NextToken": page["NextToken"]}

    def heard(self, stage: Stage, names: Sequence[str]) -> Heard:
        """What the loops of flow definitions need that a stage hears, as far as it can be read."""
        from workflow.publish.heard import read  # Most accounts of a `plan` that is fast have none.

        return read(stage, names, client=self._client, account=self.id)

    def flow_definitions(self) -> list[dict[str, str]]:
        """The account's A2I flow definitions: `name`, `arn`, `output` (where they write, s3://…).

        Raises:
            AccountError: the caller is not permitted to list them.
        """
        sagemaker = self._client("sagemaker")
        try:
            described = [
                sagemaker.describe_flow_definition(FlowDefinitionName=name)
                for name in self.flow_definition_names()
            ]
        except ClientError as error:
            raise explained(error) or AccountError(f"cannot list flow definitions: {error}") from None
        return [
            {
                "name": flow["FlowDefinitionName"],
                "arn": flow["FlowDefinitionArn"],
                "output": flow["OutputConfig"]["S3OutputPath"],
            }
            for flow in described
        ]

    def _client(self, service: str) -> Any:
        with self._making:
            return self._clients.get(service) or self._made(service)

    def _made(self, service: str) -> Any:
        config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
        if service == "s3" and not self.is_aws:
            # A local engine has no host name for each bucket.
            config = config.merge(Config(s3={"addressing_style": "path"}))
        if service == "sagemaker":
            # What it answers is worth a warning. A network without a way to it must not hold up each plan.
            config = Config(
                retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=10
            )
        with small_model(self.session) if service == "sagemaker" else nullcontext():
            client: Any = self.session.client(service, config=config)  # type: ignore[call-overload]
        # Not only calls that write: what is read after the lock was lost is no basis for anything either.
        events, mine = client.meta.events, {"unique_id": "afterloop-lock"}
        events.unregister("before-send", **mine)  # A session may give a client twice.
        events.register_first("before-send", self._assure_lock, **mine)
        self._clients[service] = client
        return client

    def _assure_lock(self, **_: Any) -> None:
        if self.lock:
            self.lock.assure()
