"""Reading an execution from Step Functions."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from tests.unit.workflow.operations.executions.histories import START, History
from workflow.asl.graph import StateStatus
from workflow.operations.executions import (
    ExecutionGone,
    ExecutionUnreadable,
    read_execution,
    read_map_run,
)

MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:m"
ARN = "arn:aws:states:us-east-1:111122223333:execution:m:one"
DEFINITION = {"StartAt": "A", "States": {"A": {"Type": "Task", "Next": "B"}, "B": {"Type": "Succeed"}}}
ROLE = "arn:aws:iam::111122223333:role/r"


@pytest.fixture
def states() -> Any:
    return boto3.client(
        "stepfunctions", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.fixture
def stub(states: Any) -> Any:
    with Stubber(states) as stub:
        yield stub
        stub.assert_no_pending_responses()


def described(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    found = {
        "executionArn": ARN,
        "stateMachineArn": MACHINE,
        "name": "one",
        "status": status,
        "startDate": START,
    }
    return {**found, **more}


def machine(text: str = json.dumps(DEFINITION)) -> dict[str, Any]:
    return {
        "stateMachineArn": MACHINE,
        "name": "m",
        "definition": text,
        "roleArn": ROLE,
        "updateDate": START,
    }


def test_execution_is_read_with_all_pages_of_its_history(states: Any, stub: Stubber) -> None:
    history = History()
    history.entered("A")
    history.tried()
    history.left("A")
    stub.add_response("describe_execution", described(redriveCount=2), {"executionArn": ARN})
    stub.add_response("describe_state_machine_for_execution", machine(), {"executionArn": ARN})
    asked = {"executionArn": ARN, "maxResults": 1000}
    stub.add_response("get_execution_history", {"events": history.events[:3], "nextToken": "t"}, asked)
    stub.add_response("get_execution_history", {"events": history.events[3:]}, {**asked, "nextToken": "t"})
    found = read_execution(states, ARN)
    assert (found.name, found.status, found.machine, found.redrives) == ("one", "RUNNING", MACHINE, 2)
    assert [str(visit) for visit in found.visits] == ["A"]
    assert found.statuses == {"A": StateStatus.PASSED, "B": StateStatus.NOT_REACHED}
    assert found.definition == DEFINITION
    assert found.link == (
        "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/" + ARN
    )
    assert not found.is_final
    assert not found.gaps


def test_execution_that_ends_while_it_is_read_is_final(states: Any, stub: Stubber) -> None:
    history = History()
    history.add("ExecutionSucceeded", output="{}")
    stub.add_response("describe_execution", described())
    stub.add_response("describe_state_machine_for_execution", machine())
    stub.add_response("get_execution_history", {"events": history.events})
    stub.add_response("describe_execution", described("SUCCEEDED", output="{}", stopDate=START))
    found = read_execution(states, ARN)
    assert (found.status, found.output, found.stopped, found.is_final) == ("SUCCEEDED", "{}", START, True)


def test_only_new_events_of_a_known_execution_are_read(states: Any, stub: Stubber) -> None:
    history = History()
    history.passed("A")
    stub.add_response("describe_execution", described())
    stub.add_response("describe_state_machine_for_execution", machine())
    stub.add_response("get_execution_history", {"events": history.events[:]})
    known = read_execution(states, ARN)
    history.passed("B")
    history.add("ExecutionSucceeded", output="{}")
    stub.add_response("describe_execution", described("SUCCEEDED", stopDate=START))
    newest_first = history.events[::-1]
    asked = {"executionArn": ARN, "reverseOrder": True, "maxResults": 100}
    stub.add_response("get_execution_history", {"events": newest_first[:2], "nextToken": "t"}, asked)
    stub.add_response("get_execution_history", {"events": newest_first[2:5], "nextToken": "u"})
    found = read_execution(states, ARN, known)
    assert found.events == history.events
    assert [str(visit) for visit in found.visits] == ["A", "B"]
    assert found.definition == DEFINITION


def test_history_of_an_ended_execution_is_read_once(states: Any, stub: Stubber) -> None:
    history = History()
    history.add("ExecutionFailed", error="E")
    stub.add_response("describe_execution", described("FAILED", stopDate=START))
    stub.add_response("describe_state_machine_for_execution", machine())
    stub.add_response("get_execution_history", {"events": history.events[:]})
    known = read_execution(states, ARN)
    stub.add_response("describe_execution", described("FAILED", stopDate=START))
    assert read_execution(states, ARN, known) is known
    history.add("ExecutionRedriven", redriveCount=1)
    stub.add_response("describe_execution", described("RUNNING", redriveCount=1))
    stub.add_response("get_execution_history", {"events": history.events[::-1]})
    assert read_execution(states, ARN, known).events == history.events


def test_end_that_the_history_does_not_have_yet_is_read_again(states: Any, stub: Stubber) -> None:
    history = History()
    stub.add_response("describe_execution", described("FAILED", stopDate=START))
    stub.add_response("describe_state_machine_for_execution", machine())
    stub.add_response("get_execution_history", {"events": history.events[:]})
    known = read_execution(states, ARN)
    history.add("ExecutionFailed", error="E")
    stub.add_response("describe_execution", described("FAILED", stopDate=START))
    stub.add_response("get_execution_history", {"events": history.events[::-1]})
    assert read_execution(states, ARN, known).events == history.events


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "InvalidArn"])
def test_execution_that_does_not_exist_is_gone(states: Any, stub: Stubber, code: str) -> None:
    stub.add_client_error("describe_execution", code)
    with pytest.raises(ExecutionGone, match="90 days"):
        read_execution(states, ARN)


def test_history_of_express_execution_is_unreadable(states: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_execution", "StateMachineTypeNotSupported")
    with pytest.raises(ExecutionUnreadable, match="Express"):
        read_execution(states, ARN)


def test_other_errors_are_those_of_botocore(states: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_execution", "ExpiredTokenException")
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        read_execution(states, ARN)


def test_definition_that_is_gone_leaves_the_history(states: Any, stub: Stubber) -> None:
    history = History()
    history.passed("A")
    stub.add_response("describe_execution", described())
    stub.add_client_error("describe_state_machine_for_execution", "StateMachineDoesNotExist")
    stub.add_response("get_execution_history", {"events": history.events})
    found = read_execution(states, ARN)
    assert found.statuses == {"A": StateStatus.PASSED}
    assert found.gaps == ["Step Functions no longer has the definition that this execution ran."]


@pytest.mark.parametrize(
    ("refused", "code", "gap"),
    [
        (
            "describe_state_machine_for_execution",
            "AccessDeniedException",
            "states:DescribeStateMachineForExecution",
        ),
        ("describe_state_machine_for_execution", "KmsAccessDeniedException", "The definition is encrypted"),
        ("get_execution_history", "AccessDeniedException", "states:GetExecutionHistory"),
    ],
)
def test_what_may_not_be_read_is_a_gap(states: Any, stub: Stubber, refused: str, code: str, gap: str) -> None:
    history = History()
    history.passed("A")
    stub.add_response("describe_execution", described())
    answers = {
        "describe_state_machine_for_execution": machine(),
        "get_execution_history": {"events": history.events},
    }
    for operation, answer in answers.items():
        if operation == refused:
            stub.add_client_error(operation, code)
        else:
            stub.add_response(operation, answer)
    found = read_execution(states, ARN)
    (told,) = found.gaps
    assert gap in told
    if refused == "get_execution_history":
        assert set(found.statuses.values()) == {StateStatus.UNKNOWN}
    else:
        assert found.statuses == {"A": StateStatus.PASSED}


def test_encrypted_data_is_left_out(states: Any, stub: Stubber) -> None:
    history = History()
    history.passed("A")
    stub.add_client_error("describe_execution", "KmsAccessDeniedException")
    stub.add_response(
        "describe_execution", described(), {"executionArn": ARN, "includedData": "METADATA_ONLY"}
    )
    stub.add_response("describe_state_machine_for_execution", machine())
    asked = {"executionArn": ARN, "maxResults": 1000, "includeExecutionData": False}
    stub.add_response("get_execution_history", {"events": history.events}, asked)
    found = read_execution(states, ARN)
    assert found.statuses["A"] is StateStatus.PASSED
    assert "kms:Decrypt" in found.gaps[0]


RUN = "arn:aws:states:us-east-1:111122223333:mapRun:m/each:one"


def map_run(**counts: int) -> dict[str, Any]:
    names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
    every = {**dict.fromkeys(names, 0), **counts, "total": sum(counts.values())}
    return {
        "mapRunArn": RUN, "executionArn": ARN, "status": "RUNNING", "startDate": START, "maxConcurrency": 1,
        "toleratedFailurePercentage": 0.0, "toleratedFailureCount": 0, "itemCounts": every, "executionCounts": every,
    }  # fmt: skip


def item(name: str, status: str) -> dict[str, Any]:
    arn = f"{ARN.rpartition(':')[0]}/each:{name}"
    return {
        "executionArn": arn, "stateMachineArn": MACHINE, "name": name, "status": status, "startDate": START,
    }  # fmt: skip


def test_failed_items_of_map_run_come_first(states: Any, stub: Stubber) -> None:
    stub.add_response("describe_map_run", map_run(failed=1, succeeded=7), {"mapRunArn": RUN})
    asked = {"mapRunArn": RUN, "statusFilter": "FAILED", "maxResults": 3}
    stub.add_response("list_executions", {"executions": [item("a", "FAILED")]}, asked)
    rest = {"executions": [item("b", "SUCCEEDED"), item("c", "SUCCEEDED")]}
    stub.add_response("list_executions", rest, {**asked, "statusFilter": "SUCCEEDED", "maxResults": 2})
    found = read_map_run(states, RUN, limit=2)
    assert [(one.name, one.status) for one in found.items] == [("a", "FAILED"), ("b", "SUCCEEDED")]
    assert (found.execution, found.more, found.counts["succeeded"]) == (ARN, True, 7)


def test_items_of_express_map_run_are_only_counted(states: Any, stub: Stubber) -> None:
    stub.add_response("describe_map_run", map_run(succeeded=2))
    stub.add_client_error("list_executions", "StateMachineTypeNotSupported")
    found = read_map_run(states, RUN)
    assert (list(found.items), found.counts["total"]) == ([], 2)


def test_map_run_that_does_not_exist_is_gone(states: Any, stub: Stubber) -> None:
    stub.add_client_error("describe_map_run", "ResourceNotFound")
    with pytest.raises(ExecutionGone, match="Map Run"):
        read_map_run(states, RUN)
