"""The sandbox as a process: it starts fast, listens here alone, and leaves nothing behind, however it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

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
    """Makes a role that may do nothing; returns its ARN."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    created = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    return created["Role"]["Arn"]


def add_function(sandbox: Sandbox, name: str, code: str, timeout: int = 20) -> None:
    """Makes a Python function whose role may do nothing."""
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
    """Whether a process is there and not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def group_of(leader: str) -> list[str]:
    """The living processes of the engine's process group, zombies left out."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [pid for pid, group, state in rows if group == leader and not state.startswith("Z")]


def test_it_ends_with_its_functions_and_what_they_started_and_all_its_files(eventually):
    with Sandbox.start() as sandbox:
        add_function(sandbox, "sleeper", SLEEPER)
        pids = [sandbox._process.pid, *invoke(sandbox, "sleeper", {})["pids"]]
        directory = sandbox._directory
        assert all(map(is_alive, pids))
        assert any(directory.rglob("function.py"))
    eventually(lambda: not any(map(is_alive, pids)))
    assert not directory.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port))
    sandbox.close()  # again: no harm


OWNER = """
import sys, time
sys.path[:0] = [{root!r}, {here!r}]
from sandbox.engine import Sandbox
from test_sandbox_engine import SLEEPER, add_function, invoke
sandbox = Sandbox.start()
add_function(sandbox, "sleeper", SLEEPER)
pids = [sandbox._process.pid, *invoke(sandbox, "sleeper", {{}})["pids"]]
sandbox.client("lambda").invoke(FunctionName="sleeper", InvocationType="Event", Payload=b'{{"hang": true}}')
print(*pids, sandbox._directory, flush=True)
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
def test_it_ends_when_its_owner_does_however_that_ends(then, ending, eventually):
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
        assert group_of(pids[0]) == []  # the function that hangs is gone, too


def test_it_starts_fast_with_room_for_a_slow_machine():
    begin = time.monotonic()
    with Sandbox.start():
        assert time.monotonic() - begin < 5


def test_it_listens_to_this_machine_alone(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port)):
        pass
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((address, sandbox.port), timeout=2)


def test_a_port_that_is_taken_is_told_in_one_line(sandbox):
    with pytest.raises(
        SandboxError, match=rf"cannot use port {sandbox.port} .*: end what runs there, or choose"
    ):
        Sandbox.start(port=sandbox.port)


def test_two_sandboxes_share_nothing(sandbox):
    with Sandbox.start() as other:
        other.client("s3").create_bucket(Bucket="only-here")
        names = [bucket["Name"] for bucket in sandbox.client("s3").list_buckets()["Buckets"]]
        assert "only-here" not in names
        assert other.port != sandbox.port


def test_its_log_is_kept_where_it_was_asked_for(tmp_path):
    log = tmp_path / "engine.log"
    with Sandbox.start(log_file=log, log_level="INFO") as sandbox:
        sandbox.client("s3").create_bucket(Bucket="logged")
    assert "logged" in log.read_text()


def test_the_callers_own_settings_of_aws_stay_out(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Sandbox.start(region="eu-central-1") as sandbox:
        identity = sandbox.client("sts").get_caller_identity()
        assert identity["Account"] == sandbox.account_id
        # A child process with the sandbox's variables over these.
        code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'], boto3.Session().region_name)"
        child = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | sandbox.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert child.stdout.split() == [f"arn:aws:iam::{sandbox.account_id}:root", "eu-central-1"]


def test_its_own_credentials_can_do_what_an_administrator_can(sandbox):
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


def test_a_reset_empties_it():
    with Sandbox.start() as sandbox:
        arn = sandbox.flow_definitions.create("flow", "output")
        sandbox.client("sagemaker-a2i-runtime").start_human_loop(
            HumanLoopName="loop", FlowDefinitionArn=arn, HumanLoopInput={"InputContent": "{}"}
        )
        sandbox.reset()
        assert sandbox.loops.list() == []
        assert sandbox.client("s3").list_buckets()["Buckets"] == []
        assert sandbox.client("sagemaker").list_flow_definitions()["FlowDefinitionSummaries"] == []
        assert sandbox.flow_definitions.create("flow", "output") == arn


@pytest.mark.parametrize(
    ("setting", "value"), [("wait_scale", -1.0), ("lifetime_scale", float("nan")), ("stopping_seconds", -0.1)]
)
def test_a_setting_that_makes_no_sense_is_refused(sandbox, setting, value):
    with pytest.raises(SandboxError, match=f"{setting}: .* is not a number of 0 or more"):
        sandbox.configure(**{setting: value})


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_ended(number):
    command = [sys.executable, "-m", "sandbox", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(6)]
        variables = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        code = "import boto3; boto3.client('s3').create_bucket(Bucket='by-command')"
        subprocess.run([sys.executable, "-c", code], env=os.environ | variables, check=True)
        server.send_signal(number)
        assert server.wait(10) == 0


def test_the_command_tells_a_taken_port_in_one_line(sandbox):
    server = subprocess.run(
        [sys.executable, "-m", "sandbox", "serve", "--port", str(sandbox.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert server.returncode == 1
    assert re.fullmatch(r"error: the sandbox cannot use port .*\n", server.stderr)
