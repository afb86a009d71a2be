"""The sandbox as a process: it listens on the loopback interface only, and leaves nothing behind, however it ends."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.config import Config

from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from workflow import ROOT

SLEEPER = """
import os, subprocess, sys, time
def handler(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if event.get("hang"):
        time.sleep(600)
    return {"pids": [os.getpid(), child.pid]}
"""


def add_role(sandbox: Sandbox, name: str, service: str) -> str:
    """Creates a role without permissions and returns its ARN."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    created = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    return created["Role"]["Arn"]


def add_function(sandbox: Sandbox, name: str, code: str, timeout: int = 20) -> None:
    """Creates a Python function whose role has no permissions."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("function.py", code)
    sandbox.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=add_role(sandbox, name, "lambda.amazonaws.com"),
        Handler="function.handler",
        Timeout=timeout,
        Code={"ZipFile": bundle.getvalue()},
    )


def invoke(sandbox: Sandbox, name: str, event: dict) -> dict:
    answer = sandbox.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def is_alive(pid: int) -> bool:
    """Returns whether a process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def group_of(leader: str) -> list[str]:
    """Returns the processes of a process group, without zombies."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [pid for pid, group, state in rows if group == leader and not state.startswith("Z")]


def test_close_ends_all_processes_and_deletes_all_files(eventually):
    with Sandbox.start() as sandbox:
        add_function(sandbox, "sleeper", SLEEPER)
        pids = [sandbox.process_id, *invoke(sandbox, "sleeper", {})["pids"]]
        directory = sandbox.directory
        assert all(map(is_alive, pids))
        assert any(directory.rglob("function.py"))
    eventually(lambda: not any(map(is_alive, pids)))
    assert not directory.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port))
    sandbox.close()  # a second call does nothing


OWNER = """
import sys, time
sys.path[:0] = [{root!r}, {here!r}]
from sandbox.engine import Sandbox
from test_sandbox_engine import SLEEPER, add_function, invoke
sandbox = Sandbox.start()
add_function(sandbox, "sleeper", SLEEPER)
pids = [sandbox.process_id, *invoke(sandbox, "sleeper", {{}})["pids"]]
sandbox.client("lambda").invoke(FunctionName="sleeper", InvocationType="Event", Payload=b'{{"hang": true}}')
print(*pids, sandbox.directory, flush=True)
{then}
"""


@pytest.mark.parametrize(
    ("then", "ending"),
    [
        ("time.sleep(600)", signal.SIGKILL),
        ("time.sleep(600)", signal.SIGTERM),
        ("pass", None),
        ("1 / 0", None),
    ],
    ids=["killed", "terminated", "forgotten", "failed"],
)
def test_engine_ends_with_its_owner(then, ending, eventually):
    code = OWNER.format(root=str(ROOT), here=str(Path(__file__).parent), then=then)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdout is not None
        *pids, directory = owner.stdout.readline().split()
        if ending is not None:
            assert all(is_alive(int(pid)) for pid in pids)
            owner.send_signal(ending)
        owner.wait(20)
        eventually(lambda: not any(is_alive(int(pid)) for pid in pids))
        eventually(lambda: not Path(directory).exists())
        assert group_of(pids[0]) == []  # the function that hangs has ended, too


def test_engine_listens_on_loopback_only(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port)):
        pass
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((address, sandbox.port), timeout=2)


def test_start_refuses_port_in_use(sandbox):
    with pytest.raises(
        SandboxError, match=rf"cannot use port {sandbox.port} .*: stop the program that uses it, or choose"
    ):
        Sandbox.start(port=sandbox.port)


def test_two_sandboxes_share_nothing(sandbox):
    with Sandbox.start() as other:
        other.client("s3").create_bucket(Bucket="only-here")
        names = [bucket["Name"] for bucket in sandbox.client("s3").list_buckets()["Buckets"]]
        assert "only-here" not in names
        assert other.port != sandbox.port


def test_log_file_is_kept(tmp_path):
    log = tmp_path / "engine.log"
    with Sandbox.start(log_file=log, log_level="INFO") as sandbox:
        sandbox.client("s3").create_bucket(Bucket="logged")
    assert "logged" in log.read_text()


def test_aws_settings_of_the_user_are_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Sandbox.start(region="eu-central-1") as sandbox:
        identity = sandbox.client("sts").get_caller_identity()
        assert identity["Account"] == sandbox.account_id
        # In a child process, the variables of the sandbox override those above.
        code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'], boto3.Session().region_name)"
        child = subprocess.run(
            [sys.executable, "-c", code],
            env=sandbox.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stdout.split() == [f"arn:aws:iam::{sandbox.account_id}:root", "eu-central-1"]


def test_engine_and_functions_get_nothing_of_the_shell(monkeypatch, tmp_path):
    (settings := tmp_path / "config").write_text("[default]\nregion = mars\n")
    shell = {
        "GITHUB_TOKEN": "secret-of-the-shell",
        "DATABASE_URL": "secret-of-the-shell",
        "AWS_SESSION_TOKEN": "secret-of-the-shell",
        "AWS_PROFILE": "secret-of-the-shell",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
        "AWS_CONFIG_FILE": str(settings),
    }
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
    with Sandbox.start() as sandbox:
        add_function(sandbox, "environment", code)
        seen = invoke(sandbox, "environment", {})
        assert "secret-of-the-shell" not in str(seen)
        assert sandbox.keys.secret_access_key not in str(seen), (
            "a function has its role, not the root user's key"
        )
        assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "environment"
        assert [name for name in seen if name.startswith(("GITHUB", "MINISTACK", "AWS_ENDPOINT_URL_"))] == []
        assert sandbox.client("sts").get_caller_identity()["Account"] == sandbox.account_id
        if (environment := Path(f"/proc/{sandbox.process_id}/environ")).exists():
            assert b"secret-of-the-shell" not in environment.read_bytes()
            command = Path(f"/proc/{sandbox.process_id}/cmdline").read_text()
            assert sandbox.keys.secret_access_key not in command


def test_bucket_hosts_and_keys_of_other_accounts_still_work(sandbox, unique):
    own = sandbox.client("s3")
    own.create_bucket(Bucket=unique)
    own.put_object(Bucket=unique, Key="a b", Body=b"content")
    style = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    endpoint = f"http://s3.localhost:{sandbox.port}"
    by_host = sandbox.client("s3", endpoint_url=endpoint, config=style)
    url = urlsplit(by_host.generate_presigned_url("get_object", {"Bucket": unique, "Key": "a b"}))
    assert url.hostname == f"{unique}.s3.localhost"
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
    connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
    assert connection.getresponse().read() == b"content"
    connection.close()
    other = {"aws_access_key_id": "222222222222", "aws_secret_access_key": sandbox.keys.secret_access_key}
    assert sandbox.client("sts", **other).get_caller_identity()["Account"] == "222222222222"
    assert unique not in [
        bucket["Name"] for bucket in sandbox.client("s3", **other).list_buckets()["Buckets"]
    ]


ATTACKS = [
    {"Origin": "https://attacker.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "attacker.example"},
    {},
]


@pytest.mark.parametrize("headers", ATTACKS, ids=str)
def test_form_of_a_web_page_reaches_nothing(sandbox, headers):
    """A form can send this to any address: the type needs no preflight, and the key is in the address."""
    body = urlencode({"Action": "CreateRole", "RoleName": "page", "AssumeRolePolicyDocument": "{}"})
    for key in ("sandbox", "test", sandbox.account_id, sandbox.keys.access_key_id):
        credential = f"{key}/20261127/us-east-1/iam/aws4_request"
        query = urlencode({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": credential})
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        connection.request("POST", f"/?{query}", body, typed)
        response = connection.getresponse()
        assert response.status in (400, 403)
        assert response.getheader("Access-Control-Allow-Origin") is None
        assert b"CreateRoleResult" not in response.read()
        connection.close()
    names = [role["RoleName"] for role in sandbox.client("iam").list_roles()["Roles"]]
    assert "page" not in names


def test_default_credentials_have_all_permissions(sandbox):
    for service, call in (
        ("iam", "list_roles"),
        ("cloudformation", "list_stacks"),
        ("stepfunctions", "list_state_machines"),
        ("dynamodb", "list_tables"),
        ("sagemaker", "list_flow_definitions"),
        ("logs", "describe_log_groups"),
        ("sns", "list_topics"),
    ):
        answer = getattr(sandbox.client(service), call)()
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_configure_refuses_invalid_wait_scale(sandbox, value):
    with pytest.raises(SandboxError, match=r"invalid wait_scale: .*; use a number of 0 or more"):
        sandbox.configure(wait_scale=value)


def test_waits_are_skipped_with_wait_scale_zero(sandbox, eventually):
    role = add_role(sandbox, "waits", "states.amazonaws.com")
    machine = sandbox.client("stepfunctions").create_state_machine(
        name="waits",
        roleArn=role,
        definition=json.dumps(
            {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86400, "End": True}}}
        ),
    )
    execution = sandbox.client("stepfunctions").start_execution(stateMachineArn=machine["stateMachineArn"])
    describe = sandbox.client("stepfunctions").describe_execution
    eventually(lambda: describe(executionArn=execution["executionArn"])["status"] == "SUCCEEDED", timeout=10)
