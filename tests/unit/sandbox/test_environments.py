"""What the engine, functions, and programs that use the engine find in their environment."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from sandbox import environments
from sandbox.engine import SandboxSession
from sandbox.identity import Keys

KEYS = Keys.random()
DEVELOPER = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LANG": "C.UTF-8",
    "TZ": "Asia/Tokyo",
    "PYTHONWARNINGS": "error",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",
    "GITHUB_TOKEN": "secret",
    "DATABASE_URL": "secret",
    "SSH_AUTH_SOCK": "/run/agent",
    "HTTP_PROXY": "http://me:secret@proxy",
    "AWS_PROFILE": "prod",
    "AWS_ACCESS_KEY_ID": "AKIAPROD",
    "AWS_SESSION_TOKEN": "secret",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_CA_BUNDLE": "/etc/ca.pem",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "MINISTACK_EDITION": "full",
    "LAMBDA_STRICT": "1",
    "aws_profile": "prod",
}
SANDBOX = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_SECRET_ACCESS_KEY": "of the run"}


def test_engine_gets_what_python_needs_and_the_keys_of_the_run() -> None:
    assert environments.of_engine(DEVELOPER, KEYS) == {
        **{name: DEVELOPER[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONWARNINGS")},
        "AWS_ACCESS_KEY_ID": KEYS.access_key_id,
        "AWS_SECRET_ACCESS_KEY": KEYS.secret_access_key,
    }


def test_function_gets_what_lambda_sets_and_its_own_variables() -> None:
    of_lambda = {"AWS_REGION": "us-east-1", "AWS_SESSION_TOKEN": "of its role", "_LAMBDA_TIMEOUT": "3"}
    made = {**DEVELOPER, **of_lambda, "GATEWAY_PORT": "4566", "STAGE": "dev", "DATABASE_URL": "its own"}
    assert environments.of_function(made, {"STAGE": "dev", "DATABASE_URL": "its own"}) == {
        **{name: DEVELOPER[name] for name in ("PATH", "TMPDIR", "AWS_ACCESS_KEY_ID")},
        **of_lambda,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "STAGE": "dev",
        "DATABASE_URL": "its own",
    }


def test_program_gets_no_setting_of_aws_but_those_of_the_engine() -> None:
    given = environments.of_client(DEVELOPER, SANDBOX)
    assert {name: value for name, value in given.items() if name.lower().startswith("aws_")} == SANDBOX
    assert given["GITHUB_TOKEN"] == "secret", "it is the developer's own program"
    assert given["NO_PROXY"] == "127.0.0.1,localhost"
    assert environments.of_client({"no_proxy": "x"}, SANDBOX)["NO_PROXY"] == "x,127.0.0.1,localhost"


def test_session_of_this_process_ignores_the_settings_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in DEVELOPER.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    (file := tmp_path / "config").write_text("[default]\n")
    session = SandboxSession("http://127.0.0.1:4566", "eu-west-1", KEYS, file)
    for service in ("s3", "sts", "dynamodb"):
        client = session.client(service)
        assert client.meta.endpoint_url == "http://127.0.0.1:4566"
        credentials = client._request_signer._credentials
        assert (credentials.access_key, credentials.token) == (KEYS.access_key_id, None)
    assert isinstance(session, boto3.Session)
    assert session.region_name == "eu-west-1"
