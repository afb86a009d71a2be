"""Tests of finding the engine that the environment leads to."""

from __future__ import annotations

import pytest

from sandbox.connection import engine_of

ENGINE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "LOCALKEY",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@pytest.mark.parametrize(
    "changes",
    [
        {},  # nothing listens there
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "https://states.eu-west-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:port"},
        {"AWS_ENDPOINT_URL": "http://[127.0.0.1"},
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
    ],
    ids=str,
)
def test_no_engine_is_found(changes):
    assert engine_of({**ENGINE, **changes}) is None
