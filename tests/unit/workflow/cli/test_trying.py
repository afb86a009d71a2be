"""Tests of `python deploy.py try`: what it shows, and what it refuses before it calls AWS."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from tests.command_line import Answers, printed_json, run
from tests.unit.workflow.cli.test_hostile_text import HOSTILE, check
from workflow.operations import sample
from workflow.operations.trials import Target
from workflow.stack.stages import Stage

TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage",
    "Retry": [{"ErrorEquals": ["A", "B", "C", "Busy"], "MaxAttempts": 2}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Escalate"}],
    "Next": "Handled",
}
CHOICE = {
    "Type": "Choice",
    "Choices": [
        {"Variable": "$.detail.humanLoopStatus", "StringEquals": "Completed", "Next": "Tell the shop"},
        {"Variable": "$.detail.humanLoopStatus", "StringEquals": "Stopped", "Next": "Train"},
    ],
}
DEFINITION = {
    "StartAt": "Route",
    "States": {
        "Route": CHOICE,
        "Tell the shop": TASK,
        "Train": {**TASK, "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "Next": "Each"},
        "Each": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}},
            "Next": "Handled",
        },
        "Handled": {"Type": "Succeed"},
    },
}
OK = {"status": "SUCCEEDED", "output": '{"done": true}', "nextState": "Handled"}


class Called:
    """The requests to TestState, and the answer to each."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: Any = OK

    def test_state(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    """A published stage, whose TestState answers."""
    called = Called()
    assembly = SimpleNamespace(
        definition=DEFINITION,
        places={"Tell the shop": "post_review.py:7"},
        warnings=("Odd path",),
        functions=(),
    )
    target = Target("dev", "aws", "us-east-1", "111122223333", {}, "arn:role")
    monkeypatch.setattr("workflow.stack.assembly.assemble", lambda: assembly)
    monkeypatch.setattr("workflow.cli.options.StageOptions.session", mock.Mock())
    monkeypatch.setattr("workflow.publish.account.Account", lambda session: mock.Mock(is_aws=True))
    monkeypatch.setattr("workflow.operations.trials.stage_target", lambda *_: target)
    monkeypatch.setattr("workflow.operations.trials.running.client_of", lambda _: called)
    return called


def test_step_that_succeeds_is_shown(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    called.answer = {
        **OK,
        "inspectionData": {"afterParameters": '{"QueueUrl": "q"}', "variables": '{"id": 7}'},
    }
    status, out, err = run("try", "Tell the shop", capsys=capsys)
    assert status == 0
    assert err == "Warning: Odd path\n"
    assert out.startswith("✓ Tell the shop (post_review.py:7) succeeded; next: Handled\n\nInput\n{\n")
    assert out.endswith(
        '\n}\n\nSent\n{\n  "QueueUrl": "q"\n}\n\nOutput\n{\n  "done": true\n}\n\nVariables\n{\n  "id": 7\n}\n'
    )


@pytest.mark.parametrize(
    ("arguments", "branch"),
    [
        (["Tell the shop"], "completed"),
        (["Each", "--mock", "m.json"], "stopped"),
        (["Tell the shop", "--sample", "failed"], "failed"),
    ],
)
def test_input_is_the_sample_of_the_branch(
    arguments: list[str], branch: str, called: Called, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text('{"result": []}')
    assert run("try", *arguments, capsys=capsys)[0] == 0
    assert json.loads(called.requests[0]["input"]) == sample.state(branch)
    assert json.loads(called.requests[0]["variables"]) == sample.variables(branch)


def test_input_comes_from_standard_input(
    called: Called, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("[7]"))
    assert run("try", "One", "--input", "-", capsys=capsys)[0] == 0
    assert called.requests[0]["input"] == "[7]"


def test_input_comes_from_a_real_loop(
    called: Called, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loops = mock.Mock()
    loops.return_value.processed.return_value = (None, "arn:execution")
    monkeypatch.setattr("workflow.cli.options.StageOptions.resources", mock.Mock())
    monkeypatch.setattr("workflow.operations.loops.Loops", loops)
    monkeypatch.setattr("workflow.operations.executions.read_execution", lambda client, arn: arn)
    monkeypatch.setattr("workflow.operations.trials.real_state", lambda *given: ({"of": given[0]}, {"v": 1}))
    assert run("try", "One", "--loop", "message-1", capsys=capsys)[0] == 0
    assert (called.requests[0]["input"], called.requests[0]["variables"]) == (
        '{"of": "arn:execution"}',
        '{"v": 1}',
    )


def test_code_that_is_not_published_is_a_warning(
    called: Called, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.operations.trials.outdated", lambda *_: ["Shop"])
    warning = run("try", "Tell the shop", capsys=capsys)[2].splitlines()[1]
    assert warning.startswith("Warning: the published code of Shop is not that of lambdas/")


def test_error_shows_retry_and_catch_and_exits_with_1(
    called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    details = {"retryIndex": 0, "retryBackoffIntervalSeconds": 4, "catchIndex": 0}
    cause = json.dumps({"errorMessage": "no shop"})
    called.answer = {
        "status": "RETRIABLE", "error": "Busy", "cause": cause, "inspectionData": {"errorDetails": details}
    }  # fmt: skip
    status, out, _ = run("try", "Tell the shop", capsys=capsys)
    assert status == 1
    assert out.splitlines()[:6] == [
        "✗ Tell the shop (post_review.py:7) failed: Busy",
        "  {",
        '    "errorMessage": "no shop"',
        "  }",
        "  retried by Retry[0] (A, B, C, and 1 more): retry 1 of 2 in 4 s",
        "  then caught by Catch[0] (States.ALL); next: Escalate",
    ]
    assert out.splitlines()[-1].startswith("The input is a sample: it has no results of your earlier steps")
    called.answer = {**called.answer, "cause": "slow", "inspectionData": {"afterParameters": "{}"}}
    assert "The input is a sample" not in run("try", "Tell the shop", capsys=capsys)[1]


def test_missing_permission_has_a_hint(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    cause = "User: a is not authorized to perform: sqs:SendMessage on resource: b"
    called.answer = {"status": "FAILED", "error": "SQS.SqsException", "cause": cause}
    out = run("try", "Tell the shop", capsys=capsys)[1]
    assert "  not caught: the execution would fail" in out.splitlines()
    assert "publish it with `python deploy.py publish --stage dev`, or pass its result" in out


def test_json_has_the_shape_of_the_command(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("try", "Tell the shop", "--output", "json", capsys=capsys)
    document = printed_json("try", out)
    assert (status, err) == (0, "")
    assert (document["next_state"], document["output"], document["branch"]) == (
        "Handled",
        {"done": True},
        "completed",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Tel the shop"], "there is no step 'Tel the shop' in the workflow; did you mean 'Tell the shop'?"),
        (
            ["Train"],
            "step 'Train' can be tried only with a mock, because it waits for a job: pass what it returns as",
        ),
        (["Each"], "can be tried only with a mock, because it is a Map"),
        (
            ["Handled", "--mock", "m.json"],
            "step 'Handled' is a Succeed, which calls nothing: remove the mock",
        ),
        (
            ["One"],
            "step 'One' needs an input, because it is in the Map 'Each': its input is an item: pass one",
        ),
        (["Tell the shop", "--mock", "i.json"], '--mock i.json is not a mock: write {"result": …}'),
        (["Tell the shop", "--input", "none.json"], "cannot read none.json: No such file or directory"),
        (
            ["Tell the shop", "--input", "i.json", "--sample", "failed"],
            "specify only one of --input, --sample and --loop",
        ),
    ],
)
def test_mistake_is_one_line_before_anything_is_called(
    arguments: list[str], message: str, called: Called, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text('{"result": 1}')
    Path("i.json").write_text("[]")
    status, out, err = run("try", *arguments, capsys=capsys)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert called.requests == []


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        (
            "AccessDeniedException",
            "User: u is not authorized to perform: states:TestState because no identity-based policy allows it",
            "TestState is not permitted: User: u is not authorized to perform: states:TestState",
        ),
        (
            "AccessDeniedException",
            "User: u is not authorized to perform: iam:PassRole on resource: arn:role",
            "TestState is not permitted: User: u is not authorized to perform: iam:PassRole on resource: arn:role",
        ),
        (
            "InvalidDefinition",
            "Invalid State Machine\nDefinition: 'x'",
            "TestState refuses step 'Tell the shop': Invalid",
        ),
        (
            "ThrottlingException",
            "Rate exceeded",
            "AWS is busy or fails at the moment (TestState: ThrottlingException",
        ),
    ],
)
def test_error_of_aws_is_one_line(
    code: str, text: str, message: str, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    called.answer = ClientError({"Error": {"Code": code, "Message": text}}, "TestState")
    status, out, err = run("try", "Tell the shop", capsys=capsys)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_call_on_a_protected_stage_is_confirmed(
    called: Called, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(name="prod", region="us-east-1", output_buckets=("reviewed",), protected=True)
    monkeypatch.setattr("workflow.stack.stages.load_stage", lambda *_: stage)
    assert (
        "not a terminal: use --mock to make no call, then pass --yes"
        in run("try", "Tell the shop", capsys=capsys)[2]
    )
    answers = Answers(monkeypatch, False, True)
    assert run("try", "Tell the shop", capsys=capsys)[:2] == (1, "Nothing was changed.\n")
    assert called.requests == []
    assert run("try", "Tell the shop", capsys=capsys)[0] == 0
    assert answers.questions[0] == "The stage dev is protected. Make the call of 'Tell the shop' there?"
    assert run("try", "Tell the shop", "--yes", capsys=capsys)[0] == 0
    assert run("try", "Route", capsys=capsys)[0] == 0


@pytest.mark.parametrize("output", ["text", "json"])
def test_values_from_outside_are_shown_visibly(
    output: str, called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False)
    details = {"retryIndex": 0, "catchIndex": 0}
    called.answer = {
        "status": "RETRIABLE", "error": HOSTILE, "cause": HOSTILE, "nextState": HOSTILE, "output": hostile,
        "inspectionData": {"afterParameters": hostile, "variables": hostile, "errorDetails": details},
    }  # fmt: skip
    _, out, err = run("try", "Tell the shop", "--output", output, capsys=capsys)
    check(out)
    check(err)
    assert "owned" in out
