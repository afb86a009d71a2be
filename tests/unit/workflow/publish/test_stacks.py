"""CloudFormation's stacks, change sets, events and drift."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from tests.unit.workflow.publish.conftest import CHANGE_SET_ID, MACHINE, NOW, STACK_ID, TOKEN, Services
from workflow.errors import AccountError, PublishError
from workflow.publish.account import Account
from workflow.publish.stacks import MAX_STALE_READS, Import, pauses


def test_stack_has_parameters_and_outputs(account: Account, services: Services) -> None:
    services.finds_stack(
        "UPDATE_COMPLETE",
        Parameters=[{"ParameterKey": "Bucket", "ParameterValue": "b"}],
        Outputs=[{"OutputKey": "Table", "OutputValue": "t"}],
    )
    stack = account.stacks.find("afterloop-dev")
    assert stack is not None
    assert (stack.id, stack.status, stack.updated) == (STACK_ID, "UPDATE_COMPLETE", NOW)
    assert (stack.parameters, stack.outputs) == ({"Bucket": "b"}, {"Table": "t"})


@pytest.mark.parametrize("status", [None, "DELETE_COMPLETE"])
def test_missing_or_deleted_stack_is_none(account: Account, services: Services, status: str | None) -> None:
    services.finds_stack(status)
    assert account.stacks.find("afterloop-dev") is None


def test_denied_call_is_not_a_missing_stack(account: Account, services: Services) -> None:
    services.cloudformation.add_client_error("describe_stacks", "AccessDenied", "no cloudformation for you")
    with pytest.raises(ClientError, match="no cloudformation for you"):
        account.stacks.find("afterloop-dev")


def test_names_are_read_from_all_pages(account: Account, services: Services) -> None:
    def page(name: str, **more: Any) -> dict[str, Any]:
        return {
            "Stacks": [{"StackName": name, "StackStatus": "CREATE_COMPLETE", "CreationTime": NOW}],
            **more,
        }

    services.cloudformation.add_response("describe_stacks", page("afterloop-a", NextToken="2"), {})
    services.cloudformation.add_response("describe_stacks", page("other"), {"NextToken": "2"})
    assert account.stacks.names("afterloop-") == ["afterloop-a"]


def test_template_is_parsed(account: Account, services: Services) -> None:
    services.cloudformation.add_response("get_template", {"TemplateBody": '{"Resources": {}}'})
    assert account.stacks.template("afterloop-dev") == {"Resources": {}}


def create(account: Account, *, create: bool = False) -> Any:
    return account.stacks.create_change_set(
        "afterloop-dev", template_url="https://t", parameters={"A": "b"}, create=create
    )


def test_import_names_the_resources_and_leaves_the_tags_of_the_stack(
    account: Account, services: Services
) -> None:
    stub = services.cloudformation
    table = {"TableName": "ledger"}
    sent = {
        "StackName": "afterloop-dev",
        "ChangeSetName": ANY,
        "ChangeSetType": "IMPORT",
        "ClientToken": ANY,
        "TemplateURL": "https://t",
        "Parameters": [{"ParameterKey": "A", "ParameterValue": "b"}],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "ResourcesToImport": [
            {
                "LogicalResourceId": "Ledger",
                "ResourceType": "AWS::DynamoDB::Table",
                "ResourceIdentifier": table,
            }
        ],
    }
    stub.add_response("create_change_set", {"Id": CHANGE_SET_ID, "StackId": STACK_ID}, sent)
    change = {"Action": "Import", "LogicalResourceId": "Ledger"}
    described = {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}
    for _ in range(2):
        stub.add_response("describe_change_set", described)
    change_set = account.stacks.create_change_set(
        "afterloop-dev",
        template_url="https://t",
        parameters={"A": "b"},
        imports=[Import("Ledger", "AWS::DynamoDB::Table", table)],
    )
    assert (change_set.is_empty, change_set.changes) == (False, [change])


def test_change_set_is_read_when_it_is_ready(
    account: Account, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    stub, created = services.cloudformation, {"Id": CHANGE_SET_ID, "StackId": STACK_ID}
    stub.add_response("create_change_set", created)
    stub.add_response("describe_change_set", {"Status": "CREATE_PENDING"})
    stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    first = {"Changes": [{"ResourceChange": {"LogicalResourceId": "A"}}], "NextToken": "2"}
    stub.add_response("describe_change_set", first, {"ChangeSetName": CHANGE_SET_ID})
    second = {"Changes": [{"ResourceChange": {"LogicalResourceId": "B"}}]}
    stub.add_response("describe_change_set", second, {"ChangeSetName": CHANGE_SET_ID, "NextToken": "2"})

    change_set = create(account)

    assert [change["LogicalResourceId"] for change in change_set.changes] == ["A", "B"]
    assert not change_set.is_empty
    assert len(naps) == 2


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_empty_change_set_is_deleted(account: Account, services: Services, reason: str) -> None:
    services.creates_change_set(failure=reason)
    assert create(account).is_empty


def test_failed_change_set_is_deleted_and_reported(account: Account, services: Services) -> None:
    services.creates_change_set(failure="Transform AWS::Nonsense failed")
    with pytest.raises(PublishError, match="CloudFormation rejected the change set: Transform AWS::Nonsense"):
        create(account)


def test_rejected_property_is_reported_with_its_resource(account: Account, services: Services) -> None:
    of_queue = {
        "LogicalResourceId": "Queue",
        "ResourceType": "AWS::SQS::Queue",
        "ValidationStatusReason": "#/VisibilityTimeout: -1 is not greater or equal to 0",
        "ValidationPath": "/Resources/Queue/Properties/VisibilityTimeout",
    }
    of_policy = {
        "LogicalResourceId": "Policy",
        "ResourceType": "AWS::IAM::Policy",
        "ValidationStatusReason": "Required property [PolicyName] not found",
        "ValidationPath": "/Resources/Policy/Properties",
    }
    services.creates_change_set(
        failure="The following hook(s)/validation failed: […]. Use the DescribeEvents API for details.",
        invalid=[{"EventType": "STACK_EVENT"}, of_queue, of_policy],
    )
    with pytest.raises(PublishError) as error:
        create(account)
    assert str(error.value) == (
        "CloudFormation rejected the change set: Queue (AWS::SQS::Queue): VisibilityTimeout: #/VisibilityTimeout: -1 "
        "is not greater or equal to 0; Policy (AWS::IAM::Policy): Required property [PolicyName] not found"
    )


def test_rejected_template_is_reported(account: Account, services: Services) -> None:
    services.cloudformation.add_client_error(
        "create_change_set", "ValidationError", "Template error: no Resources"
    )
    with pytest.raises(PublishError, match="AWS rejected the change set: Template error"):
        create(account)


def test_missing_permission_is_left_to_the_caller(account: Account, services: Services) -> None:
    services.cloudformation.add_client_error("create_change_set", "AccessDenied", "no")
    with pytest.raises(ClientError, match="AccessDenied"):
        create(account)


def test_creation_deletes_everything_if_it_fails(account: Account, services: Services) -> None:
    services.executes_change_set(create=True)
    assert account.stacks.execute_change_set(CHANGE_SET_ID, create=True) == TOKEN.hex


@pytest.mark.parametrize(
    ("code", "message", "result"),
    [
        (None, "", TOKEN.hex),
        ("ValidationError", "No updates are to be performed.", None),
    ],
)
def test_update_without_changes_has_no_token(
    account: Account, services: Services, code: str | None, message: str, result: str | None
) -> None:
    if code:
        services.cloudformation.add_client_error("update_stack", code, message)
    else:
        services.cloudformation.add_response("update_stack", {"StackId": STACK_ID})
    token = account.stacks.update("afterloop-dev", template_url="https://t", parameters={})
    assert token == result


def test_failed_update_call_is_raised(account: Account, services: Services) -> None:
    services.cloudformation.add_client_error("update_stack", "ValidationError", "Parameter A is missing")
    with pytest.raises(PublishError, match="AWS rejected the update: Parameter A is missing"):
        account.stacks.update("afterloop-dev", template_url="https://t", parameters={})


def described(number: int, token: str | None, status: str, physical: str = STACK_ID) -> dict[str, Any]:
    event = {
        "EventId": str(number),
        "StackId": STACK_ID,
        "StackName": "afterloop-dev",
        "Timestamp": NOW,
        "LogicalResourceId": "R",
        "PhysicalResourceId": physical,
        "ResourceType": "T",
        "ResourceStatus": status,
    }
    return {**event, **({"ClientRequestToken": token} if token else {})}


def test_events_stop_at_the_start_of_the_operation(account: Account, services: Services) -> None:
    newest_first = [
        described(5, "now", "UPDATE_COMPLETE"),
        described(4, None, "REVIEW_IN_PROGRESS"),
        described(3, "now", "UPDATE_COMPLETE", "resource"),
        described(2, "now", "UPDATE_IN_PROGRESS"),
    ]
    # There is a second page, which is not read.
    services.cloudformation.add_response(
        "describe_stack_events", {"StackEvents": newest_first, "NextToken": "2"}
    )
    events = account.stacks.events(STACK_ID, "now", set())
    assert [event.id for event in events] == ["2", "3", "5"]
    assert [event.is_stack_event for event in events] == [True, False, True]


@pytest.mark.parametrize(
    ("token", "seen", "ids"), [("now", {"2"}, ["3", "4"]), ("other", set(), [])], ids=["seen", "other"]
)
def test_events_leave_out_seen_ones_and_other_operations(
    account: Account, services: Services, token: str, seen: set[str], ids: list[str]
) -> None:
    pages = [
        {"StackEvents": [described(4, "now", "UPDATE_COMPLETE")], "NextToken": "2"},
        {"StackEvents": [described(3, "now", "UPDATE_COMPLETE", "r"), described(2, "now", "x", "r")]},
    ]
    for page in pages if ids else pages[:1]:
        services.cloudformation.add_response("describe_stack_events", page)
    assert [event.id for event in account.stacks.events(STACK_ID, token, seen)] == ids


def detects_drift(services: Services, status: str, **more: Any) -> None:
    stub = services.cloudformation
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "d"})
    stub.add_response(
        "describe_stack_drift_detection_status",
        {
            "StackId": STACK_ID,
            "StackDriftDetectionId": "d",
            "DetectionStatus": status,
            "Timestamp": NOW,
            **more,
        },
    )


def drift(name: str, **more: Any) -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "LogicalResourceId": name,
        "ResourceType": "T",
        "StackResourceDriftStatus": "MODIFIED",
        "Timestamp": NOW,
        **more,
    }


def test_drift_is_read_from_all_pages(account: Account, services: Services) -> None:
    difference = {
        "PropertyPath": "/Age",
        "ExpectedValue": "1",
        "ActualValue": "2",
        "DifferenceType": "NOT_EQUAL",
    }
    # Detection failed for a resource type that does not support it; the others have results.
    detects_drift(services, "DETECTION_FAILED", DriftedStackResourceCount=2)
    stub, page = services.cloudformation, "describe_stack_resource_drifts"
    filters = {"StackName": "s", "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    stub.add_response(page, {"StackResourceDrifts": [drift("A")], "NextToken": "2"}, filters)
    stub.add_response(
        page,
        {"StackResourceDrifts": [drift("B", PropertyDifferences=[difference])]},
        {**filters, "NextToken": "2"},
    )

    drifts = account.stacks.drifts("s")

    assert [one["id"] for one in drifts] == ["A", "B"]
    assert drifts[1]["differences"] == [{"property": "/Age", "expected": "1", "actual": "2"}]


def test_failed_drift_detection_is_an_error(account: Account, services: Services) -> None:
    detects_drift(services, "DETECTION_FAILED", DetectionStatusReason="Role has no permission")
    with pytest.raises(PublishError, match="could not detect drift: Role has no permission"):
        account.stacks.drifts("s")


def test_pauses_grow_up_to_three_seconds() -> None:
    seconds = list(islice(pauses(), 30))
    assert seconds == sorted(seconds)
    assert (seconds[0], seconds[-1]) == (0.1, 3.0)


# What a stack is after an operation


def test_settled_stack_is_not_the_one_from_before_the_operation(account: Account, services: Services) -> None:
    """DescribeStacks is eventually consistent: it returns old outputs, or no stack, after the last event."""
    old, new = {"LastUpdatedTime": NOW}, {"LastUpdatedTime": NOW + timedelta(minutes=1)}
    version = {"Outputs": [{"OutputKey": "LiveVersion", "OutputValue": f"{MACHINE}:2"}]}
    services.finds_stack("UPDATE_COMPLETE", **old)
    services.finds_stack("UPDATE_IN_PROGRESS", **new)
    services.finds_stack(None)
    services.finds_stack("UPDATE_COMPLETE", **old)
    services.finds_stack("UPDATE_COMPLETE", **new, **version)
    with mock.patch("time.sleep") as slept:
        found = account.stacks.settled("afterloop-dev", after=NOW)
    assert found is not None
    assert (found.outputs["LiveVersion"], slept.call_count) == (f"{MACHINE}:2", 4)


def test_settled_stack_that_stays_as_it_was_is_an_error(account: Account, services: Services) -> None:
    for _ in range(MAX_STALE_READS):
        services.finds_stack("UPDATE_COMPLETE", LastUpdatedTime=NOW)
    with (
        mock.patch("time.sleep"),
        pytest.raises(AccountError, match=r"still shows stack .* as it was before"),
    ):
        account.stacks.settled("afterloop-dev", after=NOW)
