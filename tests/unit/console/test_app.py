"""Tests of errors as pages."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from tests.unit.console.conftest import quiet_connection
from workflow.errors import AfterloopError


def _refused(code: str, operation: str = "Query") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def test_unknown_page_says_so(console):
    response = console().get("/nowhere")

    assert response.status_code == 404
    assert "There is no such page." in response.text


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (AfterloopError("stage dev is not published"), 404, "stage dev is not published"),
        (NoCredentialsError(), 502, "log in"),
        (_refused("ExpiredToken"), 502, "The AWS session has expired: log in again"),
        (_refused("AccessDeniedException"), 502, "Query is not permitted"),
        (_refused("ThrottlingException"), 502, "AWS is busy"),
        (_refused("ResourceNotFoundException"), 404, "no longer exists"),
        (_refused("SomethingNew"), 502, "SomethingNew"),
        (RuntimeError("<script>\x1b"), 500, "RuntimeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_errors_are_pages_that_say_what_to_do(console, error, status, text):
    client = console(error)

    response = client.get("/")
    document = client.get("/?format=json")

    assert (response.status_code, document.status_code) == (status, status)
    assert text in response.text
    assert "Traceback" not in response.text
    assert document.json()["text"]


def test_new_login_is_enough_to_go_on(console):
    connection = quiet_connection()
    client = console()
    answers = [_refused("ExpiredToken"), connection]

    def connect():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client.app.state.site._connect = connect

    assert client.get("/").status_code == 502
    assert client.get("/").status_code == 200


def test_texts_are_escaped_and_visible(console):
    text = console(AfterloopError("<img src=x onerror=alert(1)> \x1b[2J \u202egpj")).get("/").text

    assert "<img" not in text
    assert r"\x1B[2J \u202Egpj" in text
