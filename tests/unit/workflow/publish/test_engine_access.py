"""What a person did not set, or set wrong, to reach a local engine is named, with what to do."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from sandbox.identity import Keys
from workflow.errors import AccountError
from workflow.publish.aws_errors import explained
from workflow.publish.engine_access import expect_answers_of_aws

CONNECT = "; start the engine with `make local` if it does not run, then `source .engine.env`"
URL = "http://127.0.0.1:4566"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


REFUSED = aws.ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "No."}}, "DescribeStacks")
CONNECTION = aws.EndpointConnectionError(endpoint_url=URL)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (URL, REFUSED, f"the local engine has other keys in each run (InvalidClientTokenId){CONNECT}"),
        (URL, aws.NoCredentialsError(), f"{{}} leads to a local engine, and the keys of its run are not set{CONNECT}"),
        (URL, CONNECTION, f"cannot reach the local engine at {URL} ({{}}): Could not connect to the endpoint URL: "),
        (URL, CONNECTION, CONNECT),
        (
            "http://localhost:1",
            aws.ProxyConnectionError(proxy_url="http://proxy:8080"),
            "cannot reach the local engine through a proxy: Failed to connect to proxy URL: \"http://proxy:8080\"; "
            "`source .engine.env`, which adds it to NO_PROXY",
        ),
        ("https://127.0.0.1:1", aws.SSLError(endpoint_url="x", error="e"), "cannot reach the local engine at https:"),
        ("http://elsewhere:1", CONNECTION, "cannot reach http://elsewhere:1 ({}): Could not connect"),
        ("", CONNECTION, "cannot reach AWS: Could not connect"),
        ("ftp://127.0.0.1", aws.HTTPClientError(error="x"), "{}: 'ftp://127.0.0.1' is not a URL such as http://127"),
        ("127.0.0.1:1", ValueError("Invalid endpoint: 127.0.0.1:1"), "{}: '127.0.0.1:1' is not a URL such as http"),
        ("", ResponseParserError("invalid XML"), "what answers is not AWS, but perhaps a proxy: invalid XML"),
    ],
)  # fmt: skip
def test_engine_that_is_not_reached_is_named_with_what_to_do(
    url: str, error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert message.replace("{}", "AWS_ENDPOINT_URL") in str(explained(error))


def test_keys_of_an_engine_are_known_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", Keys.random().access_key_id)
    shown = f"these are the keys of a local engine, and AWS_ENDPOINT_URL is not set{CONNECT}"
    assert str(explained(REFUSED)) == shown


class Answer:
    """What a program answers on the engine's port."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        self.status_code, self.content, self.headers = status, body, headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"<html>not found</html>"),
        Answer(200, b"<html>hi</html>"),
        Answer(200, b"{}"),
        Answer(403, b""),
    ],
)
def test_another_program_on_the_port_is_refused(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    client = session().client("cloudformation")
    client.meta.events.register("before-send", lambda **_: answer)
    with pytest.raises(AccountError) as raised:
        client.describe_stacks(StackName="afterloop-dev")
    assert str(raised.value) == (
        f"{URL} (AWS_ENDPOINT_URL) does not answer as AWS does, so it is no local engine{CONNECT}"
    )


def test_answer_with_the_id_of_the_request_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    client = session().client("sqs")
    answer = Answer(200, b'{"QueueUrl": "x"}', **{"x-amzn-RequestId": "1"})
    client.meta.events.register("before-send", lambda **_: answer)
    assert client.get_queue_url(QueueName="queue")["QueueUrl"] == "x"


def session() -> boto3.Session:
    return expect_answers_of_aws(boto3.Session("key", "secret", region_name="us-east-1"))
