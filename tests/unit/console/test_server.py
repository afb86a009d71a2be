"""Tests of the server, on a real socket."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from console.server import serving
from console.site import Connection, Site
from tests.unit.console.conftest import resources
from workflow.errors import AfterloopError


def _site() -> Site:
    return Site("dev", lambda: Connection(resources(), session=None))  # type: ignore[arg-type]


def _get(link: str, path: str, **headers: str) -> tuple[int, str]:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_link_is_of_this_machine_and_opens_the_console():
    with serving(_site()) as link:
        parts = urlsplit(link)
        token = parts.query.removeprefix("token=")

        assert parts.hostname == "127.0.0.1"
        assert _get(link, "/")[0] == 403
        assert _get(link, f"/?{parts.query}")[0] == 303
        status, text = _get(link, "/static/live.js", Authorization=f"Bearer {token}")
        assert (status, "data-live" in text) == (200, True)

    with pytest.raises(ConnectionRefusedError):
        _get(link, "/")


def test_each_run_has_a_token_of_its_own():
    with serving(_site()) as first, serving(_site()) as second:
        assert urlsplit(first).query != urlsplit(second).query


def test_port_that_is_in_use_is_an_error():
    with serving(_site()) as link:
        port = urlsplit(link).port
        with pytest.raises(AfterloopError, match=f"the console cannot use port {port} .*choose another port"):
            serving(_site(), port).__enter__()
