"""Engines that know nothing of Afterloop: plans of them have no warnings, and no errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from workflow.publish.local_engine import not_run


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers every request with a status and a body."""
    status, body = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answering",
    [(404, b'{"message": "no route"}'), (200, b"<html>"), (200, b"[]"), (200, b'{"states": 7}'), (403, b"")],
    indirect=True,
)
def test_other_engine_gives_no_warnings(answering: str) -> None:
    assert not_run({}, {}, answering, "secret") == []


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "https://cloudformation.example.com", "http://a:1"]
)
def test_address_without_an_engine_gives_no_warnings(address: str) -> None:
    assert not_run({}, {}, address, "secret") == []


@pytest.mark.parametrize(
    "answering", [(200, b'{"states": {"Ask": "is not run"}, "unknown": {"As": "no"}}')], indirect=True
)
def test_warning_names_the_line_and_the_state(answering: str) -> None:
    found = not_run({}, {"Ask": "post_review.py:12"}, answering, "secret")
    assert found == ["post_review.py:12: state 'Ask': is not run", "no"]
