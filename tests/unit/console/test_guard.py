"""Tests of the guard: who gets in, and what the responses allow."""

from __future__ import annotations

import pytest

from tests.unit.console.conftest import PORT, TOKEN


def test_link_with_token_opens_the_console(guarded):
    client = guarded()

    first = client.get(f"/?token={TOKEN}")

    assert first.status_code == 303
    assert first.headers["location"] == "/"
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200


def test_link_to_any_page_keeps_its_query(guarded):
    response = guarded().get(f"/loops?status=Failed&token={TOKEN}&flow=a%26b")

    assert response.headers["location"] == "/loops?status=Failed&flow=a%26b"


def test_exchange_never_leads_to_another_host(guarded):
    response = guarded().get(f"http://127.0.0.1:{PORT}//evil.example/?token={TOKEN}")

    assert response.headers["location"] == "/evil.example/"


@pytest.mark.parametrize("path", ["/", "/?format=json", "/static/console.css", "/nowhere"])
def test_nothing_is_shown_without_the_token(guarded, path):
    response = guarded().get(path)

    assert response.status_code == 403
    assert "open it with the link" in response.text
    assert "afterloop-dev" not in response.text


@pytest.mark.parametrize("token", ["wrong", "", "ü", "correct-token\x00"])
def test_wrong_token_is_refused(guarded, token):
    client = guarded()

    assert client.get("/", params={"token": token}).status_code == 403
    assert client.get("/").status_code == 403


def test_programs_send_the_token_as_a_header(guarded):
    response = guarded().get("/?format=json", headers={"Authorization": f"Bearer {TOKEN}"})

    assert response.status_code == 200
    assert response.json()["loops"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": f"evil.example:{PORT}"},
        {"Host": f"127.0.0.1.evil.example:{PORT}"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{PORT + 1}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_requests_of_other_sites_are_refused(guarded, headers):
    response = guarded().get("/", headers={"Authorization": f"Bearer {TOKEN}", **headers})

    assert response.status_code == 403


def test_cookie_alone_cannot_write(guarded):
    client = guarded()
    client.get(f"/?token={TOKEN}")

    assert client.post("/").status_code == 403
    # The method is not allowed here, but the guard lets the page of the console try.
    assert client.post("/", headers={"Origin": f"http://127.0.0.1:{PORT}"}).status_code == 405


def test_every_response_forbids_other_content(guarded):
    client = guarded()
    responses = [client.get("/"), client.get(f"/?token={TOKEN}"), client.get("/"), client.get("/nowhere")]

    for response in responses:
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_unknown_file_is_not_served(guarded):
    client = guarded()
    client.get(f"/?token={TOKEN}")

    for path in ("/static/..%2Fapp.py", "/static/app.py", "/static/%2Fetc%2Fpasswd"):
        assert client.get(path).status_code == 404
