"""A double of an AWS account: S3, DynamoDB and STS by moto; the other services by botocore's Stubber."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from botocore.stub import ANY
from moto import mock_aws

from tests.unit.doubles import StubbedSession
from workflow.publish.account import Account
from workflow.publish.commits import Commit
from workflow.publish.missing import CheckedStack
from workflow.stack.stages import Stage

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/afterloop-dev/1"
CHANGE_SET_ID = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/c/1"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:afterloop-dev"
ROLE = "arn:aws:iam::123456789012:role/machine"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = UUID(int=7)


class Services:
    """Adds the responses that a test expects, in the order in which each service is called.

    Each method is one call, or a few that always follow each other.
    """

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.cloudformation = session.stubs["cloudformation"]
        self.states = session.stubs["stepfunctions"]
        self.functions = session.stubs["lambda"]
        self.updates = 0
        self._change_sets: list[tuple[dict[str, Any], dict[str, Any]]] = []
        build = "before-parameter-build.cloudformation.CreateChangeSet"
        session.watch("cloudformation", build, self._keep_what_is_sent)

    def finds_stack(self, status: str | None, **described: Any) -> None:
        """DescribeStacks; None for a stack that does not exist."""
        if status is None:
            message = "Stack with id afterloop-dev does not exist"
            self.cloudformation.add_client_error("describe_stacks", "ValidationError", message)
            return
        stack = {
            "StackName": "afterloop-dev",
            "StackId": STACK_ID,
            "StackStatus": status,
            "CreationTime": NOW,
        }
        if self.updates:
            stack["LastUpdatedTime"] = NOW + timedelta(minutes=self.updates)
        self.cloudformation.add_response("describe_stacks", {"Stacks": [{**stack, **described}]})

    def returns_template(self, template: Mapping[str, Any]) -> None:
        self.cloudformation.add_response("get_template", {"TemplateBody": json.dumps(template)})

    def creates_change_set(
        self,
        *changes: Mapping[str, Any],
        failure: str | None = None,
        invalid: Sequence[Mapping[str, str]] = (),
        forged: Mapping[str, Any] | None = None,
        **expected: Any,
    ) -> None:
        """CreateChangeSet, DescribeChangeSet and GetTemplate.

        `failure` is the reason why CloudFormation cannot create it, and `invalid` what DescribeEvents says then;
        `forged` replaces the `TemplateBody` or `Parameters` that were sent.
        """
        expected = {
            "StackName": "afterloop-dev",
            "ChangeSetName": ANY,
            "ChangeSetType": "UPDATE",
            "ClientToken": ANY,
            "TemplateURL": ANY,
            "Parameters": ANY,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": [{"Key": "afterloop:stage", "Value": "dev"}],
            **expected,
        }
        stub = self.cloudformation
        stub.add_response("create_change_set", {"Id": CHANGE_SET_ID, "StackId": STACK_ID}, expected)
        if failure is not None:
            stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": failure})
            if invalid:
                asked = {"ChangeSetName": CHANGE_SET_ID, "Filters": {"FailedEvents": True}}
                stub.add_response("describe_events", {"OperationEvents": invalid}, asked)
            self.deletes_change_set()
            return
        described = {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": one} for one in changes]}
        stub.add_response("describe_change_set", described)
        stub.add_response("describe_change_set", described)
        template: dict[str, Any] = {"TemplateBody": "{}"}
        stub.add_response(
            "get_template", template, {"ChangeSetName": CHANGE_SET_ID, "TemplateStage": "Original"}
        )
        self._change_sets.append((described, template))
        self._forged = forged or {}

    def _keep_what_is_sent(self, params: Mapping[str, Any], **_: Any) -> None:
        if not self._change_sets:
            return
        described, template = self._change_sets.pop(0)
        url = urlsplit(params["TemplateURL"])
        (version,) = parse_qs(url.query)["versionId"]
        bucket = str(url.hostname).partition(".")[0]
        s3 = self.session.client("s3")
        found = s3.get_object(Bucket=bucket, Key=url.path[1:], VersionId=version)["Body"].read()
        # GetTemplate returns no other characters than ASCII.
        template["TemplateBody"] = found.decode().encode("ascii", "replace").decode()
        described["Parameters"] = params["Parameters"]
        for answer in (described, template):
            answer.update({key: value for key, value in self._forged.items() if key in answer})

    def deletes_change_set(self) -> None:
        self.cloudformation.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET_ID})

    def executes_change_set(self, *, create: bool = False, at_once: bool = True) -> None:
        """ExecuteChangeSet; for a stack that exists, after a look whether the change set can still be executed.

        Without `at_once`, other calls of CloudFormation come between.
        """
        if at_once and not create:
            self.looks_at_change_set("AVAILABLE")
        self.updates += 1
        self.cloudformation.add_response(
            "execute_change_set",
            {},
            {
                "ChangeSetName": CHANGE_SET_ID,
                "ClientRequestToken": TOKEN.hex,
                "RetainExceptOnCreate": create,
            },
        )

    def looks_at_change_set(self, execution_status: str) -> None:
        """DescribeChangeSet, before it is executed."""
        self.cloudformation.add_response("describe_change_set", {"ExecutionStatus": execution_status})

    def deletes_stack(self) -> None:
        self.cloudformation.add_response(
            "delete_stack", {}, {"StackName": STACK_ID, "ClientRequestToken": TOKEN.hex}
        )

    def emits(self, *events: str | tuple[str, str, str]) -> None:
        """DescribeStackEvents: a status of the stack, or (resource, status, reason); the oldest first."""
        described = []
        for number, event in enumerate(events):
            resource, status, reason = ("afterloop-dev", event, "") if isinstance(event, str) else event
            described.append(
                {
                    "EventId": str(number),
                    "StackId": STACK_ID,
                    "StackName": "afterloop-dev",
                    "Timestamp": datetime.now(UTC),
                    "LogicalResourceId": resource,
                    "PhysicalResourceId": STACK_ID if isinstance(event, str) else resource,
                    "ResourceType": "AWS::CloudFormation::Stack" if isinstance(event, str) else "AWS::T",
                    "ResourceStatus": status,
                    "ResourceStatusReason": reason,
                    "ClientRequestToken": TOKEN.hex,
                }
            )
        self.cloudformation.add_response("describe_stack_events", {"StackEvents": described[::-1]})

    def lists_resources(self, *resources: tuple[str, str, str]) -> None:
        """ListStackResources: logical ID, type, physical ID."""
        summaries = [
            {
                "LogicalResourceId": logical,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "LastUpdatedTimestamp": NOW,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for logical, kind, physical in resources
        ]
        self.cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": summaries})

    def lists_versions(self, *numbers: int) -> None:
        versions = [
            {"stateMachineVersionArn": f"{MACHINE}:{number}", "creationDate": NOW} for number in numbers
        ]
        self.states.add_response("list_state_machine_versions", {"stateMachineVersions": versions})

    def describes_machine(self, definition: str, arn: str = MACHINE) -> None:
        """DescribeStateMachine, of the state machine or of a version."""
        described = {
            "stateMachineArn": arn,
            "name": "afterloop-dev",
            "definition": definition,
            "roleArn": ROLE,
            "type": "STANDARD",
            "creationDate": NOW,
        }
        self.states.add_response("describe_state_machine", described, {"stateMachineArn": arn})

    def describes_alias(self, weights: Mapping[int, int] | None) -> None:
        """DescribeStateMachineAlias: percentages by version; None for an alias that does not exist."""
        if weights is None:
            self.states.add_client_error("describe_state_machine_alias", "ResourceNotFound")
            return
        routes = [
            {"stateMachineVersionArn": f"{MACHINE}:{number}", "weight": weight}
            for number, weight in weights.items()
        ]
        self.states.add_response("describe_state_machine_alias", {"routingConfiguration": routes})

    def finds_live(self, version: int) -> None:
        """The alias, and whether its version is the current revision: what a stack without `LiveVersion` takes."""
        self.describes_alias({version: 100})
        self.describes_machine("{}", f"{MACHINE}:{version}")
        self.describes_machine("{}")

    def routes(self, weights: Mapping[int, int], *, create: bool = False) -> None:
        """The alias is looked up, then created or updated."""
        self.describes_alias(None if create else {1: 100})
        routes = [
            {"stateMachineVersionArn": f"{MACHINE}:{number}", "weight": weight}
            for number, weight in weights.items()
        ]
        alias = {"name": "live"} if create else {"stateMachineAliasArn": f"{MACHINE}:live"}
        times = (
            {"stateMachineAliasArn": f"{MACHINE}:live", "creationDate": NOW}
            if create
            else {"updateDate": NOW}
        )
        self.states.add_response(
            "create_state_machine_alias" if create else "update_state_machine_alias",
            times,
            {**alias, "routingConfiguration": routes},
        )

    def makes_live(self, number: int, *, before: int | None = None, prunes: bool = True) -> None:
        """A version is published, and the alias points to it: the stack is from an earlier Afterloop."""
        self.lists_versions(*([before] if before else []))
        if before:
            self.describes_machine('{"old": true}', f"{MACHINE}:{before}")
            self.describes_machine("{}")
        arn = f"{MACHINE}:{number}"
        created = {"stateMachineVersionArn": arn, "creationDate": NOW}
        self.states.add_response("publish_state_machine_version", created)
        self.describes_alias({before: 100} if before else None)
        self.routes({number: 100}, create=before is None)
        if prunes:
            self.lists_versions(*([before] if before else []), number)

    def deletes_version(self, number: int, *, live: int) -> None:
        """The version of a swap is deleted, because the alias points to another one."""
        self.describes_alias({live: 100})
        arn = {"stateMachineVersionArn": f"{MACHINE}:{number}"}
        self.states.add_response("delete_state_machine_version", {}, arn)

    def lists_executions(self, *arns: str, started: datetime = NOW) -> None:
        executions = [
            {
                "executionArn": arn,
                "stateMachineArn": MACHINE,
                "name": arn,
                "status": "RUNNING",
                "startDate": started,
            }
            for arn in arns
        ]
        self.states.add_response("list_executions", {"executions": executions})

    def updates_code(self, function: str, **source: Any) -> None:
        """UpdateFunctionCode, and the waiter until the new code runs."""
        self.functions.add_response("update_function_code", {}, {"FunctionName": function, **source})
        self.functions.add_response("get_function", {"Configuration": {"LastUpdateStatus": "Successful"}})


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    with mock_aws():
        session = StubbedSession("cloudformation", "stepfunctions", "lambda")
        yield session
        session.close()
        session.assert_all_called()


@pytest.fixture(autouse=True)
def _nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan asks for each resource of the stack whether it exists, in any order. `test_missing.py` tests that."""
    monkeypatch.setattr(Account, "checked", lambda account, stack: CheckedStack())


@pytest.fixture
def new_account(session: StubbedSession) -> Account:
    """An account without an artifact bucket."""
    return Account(session)  # type: ignore[arg-type]


@pytest.fixture
def account(new_account: Account) -> Account:
    """An account with an artifact bucket, without its policy: moto ignores the condition that calls come over TLS."""
    s3, bucket = new_account.session.client("s3"), new_account.artifact_bucket
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return new_account


@pytest.fixture
def services(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Services:
    # The token of a stack operation: its events carry it.
    monkeypatch.setattr("uuid.uuid4", lambda: TOKEN)
    return Services(session)


COMMIT = Commit(id="c0ffee" * 6)


@pytest.fixture(autouse=True)
def commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that publishes asks no git."""
    monkeypatch.setattr("workflow.publish.history.current_commit", lambda: COMMIT)


@pytest.fixture
def stage() -> Stage:
    return Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))


class Steps:
    """Progress that keeps the steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.events: Sequence[Any] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def event(self, event: Any) -> None:
        self.events = [*self.events, event]


@pytest.fixture
def progress() -> Steps:
    return Steps()
