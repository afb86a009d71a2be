"""Files of canned results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs.generate.engine import EXAMPLE
from sandbox.canned_results import GivenResults, parse_results, read_results
from sandbox.errors import SandboxError

RESULT = {"result": {"id": 7}}
ERROR = {"error": "Bedrock.ThrottlingException", "cause": "slow down"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"services": {"bedrock:invokModel": RESULT}},
            "services: 'bedrock:invokModel': the service bedrock has no action 'invokModel'; did you",
        ),
        (
            {"services": {"aws-sdk:comprehnd:detectSentiment": RESULT}},
            "there is no service 'comprehnd' in AWS SDK integrations; did you mean 'comprehend'?",
        ),
        (
            {"services": {"aws-sdk:comprehend:detectSentimnt": RESULT}},
            "comprehend has no action 'detectSentimnt'; did you mean 'detectSentiment'?",
        ),
        (
            {"services": {"comprehend:detectSentiment": RESULT}},
            "no optimized integration; use 'aws-sdk:comprehend:detectSentiment'",
        ),
        ({"services": {"sns:publish.waitForTaskToken": RESULT}}, "use 'sns:publish'"),
        ({"services": {"bedrock": RESULT}}, "'bedrock' is no integration; use a name such as 'sns:publish'"),
        ({"service": {}}, "service: unknown key; did you mean 'services'?"),
        ({"states": {"A": {"resutl": 1}}}, "unknown key; did you mean 'result'?"),
        ({"states": {"A": {}}}, "an answer has either a result or an error"),
        ({"states": {"A": RESULT | ERROR}}, "an answer has either a result or an error"),
        ({"states": {"A": RESULT | {"cause": "c"}}}, "only an error has a cause"),
        ({"states": {"A": []}}, "states: A: the list of answers is empty"),
        ([], "valid dictionary"),
    ],
)
def test_mistake_in_a_file_is_one_line(tmp_path: Path, value: Any, message: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(value))
    with pytest.raises(SandboxError) as refused:
        read_results(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_example_of_the_reference_is_valid() -> None:
    parse_results(EXAMPLE)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SandboxError, match=r"broken\.json is not JSON"):
        read_results(tmp_path / "broken.json")
    with pytest.raises(SandboxError, match=r"cannot read .*none\.json: No such file"):
        read_results(tmp_path / "none.json")


def test_unknown_state_gets_a_suggestion() -> None:
    with pytest.raises(SandboxError, match="there is no state 'Tel the shop'; did you mean 'Tell the shop'"):
        parse_results({"states": {"Tel the shop": RESULT}}).check_states(["Tell the shop", "Ask"])


BEDROCK = "arn:aws:states:::bedrock:invokeModel"


def test_each_call_takes_the_next_answer_and_the_last_repeats() -> None:
    given = GivenResults()
    given.add(parse_results({"services": {"bedrock:invokeModel": [ERROR, RESULT]}}), None)
    taken = [given.take("Ask", f"{BEDROCK}{form}", "m") for form in ("", ".waitForTaskToken", "")]
    assert [answer and (answer.error, answer.result) for answer in taken] == [
        ("Bedrock.ThrottlingException", None),
        (None, {"id": 7}),
        (None, {"id": 7}),
    ]
    assert given.take("Ask", "arn:aws:states:::aws-sdk:bedrock:invokeModel", "m") is None


def test_state_counts_before_service_and_the_last_given_first() -> None:
    given = GivenResults()
    both = {"services": {"bedrock:invokeModel": {"result": 1}}, "states": {"Ask": {"result": 2}}}
    given.add(parse_results(both), None)
    of_machine = given.add(parse_results({"states": {"Ask": {"result": 3}}}), "m")

    def result(state: str, machine: str) -> Any:
        answer = given.take(state, BEDROCK, machine)
        return answer and answer.result

    assert [result("Ask", "m"), result("Ask", "other"), result("Tell", "m")] == [3, 2, 1]
    assert given.replace(of_machine, parse_results({}))
    assert result("Ask", "m") == 2
    given.remove(of_machine)
    assert not given.replace(of_machine, parse_results({}))
