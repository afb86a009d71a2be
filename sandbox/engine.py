"""The local engine: MiniStack and the A2I-compatible service in one child process, on one endpoint.

    with Sandbox.start() as sandbox:
        sandbox.client("s3").create_bucket(Bucket="reviews")

The child process lives as long as the `with` block, or as long as the process that opened it. It reads from a pipe
that the parent holds. When the pipe closes, for whatever reason, the child ends with all worker processes of Lambda
functions and deletes all temporary files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from sandbox import environments
from sandbox.canned_results import CannedResults
from sandbox.clients import Events, FlowDefinitions, HumanLoops
from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.faults import Faults, make_interruptible
from sandbox.identity import ACCOUNT_ID, HOST, REGION, Keys
from sandbox.server import EngineSettings, listen
from workflow import ROOT

__all__ = ["Sandbox", "SandboxSession"]

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 10.0


class SandboxSession(boto3.Session):
    """A boto3 session whose clients and resources use the sandbox, whatever the environment says."""

    def __init__(self, endpoint_url: str, region: str, keys: Keys, config_file: Path) -> None:
        # Without the variables of the environment, such as AWS_USE_FIPS_ENDPOINT and AWS_DATA_PATH.
        session = botocore.session.Session(
            session_vars={
                name: (in_file, None, default, convert)
                for name, (in_file, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
            }
        )
        # An empty file of the sandbox's own, so that the user's AWS_PROFILE and ~/.aws have no effect.
        for name in ("config_file", "credentials_file"):
            session.set_config_variable(name, str(config_file))
        session.set_config_variable("profile", "default")
        # An HTTP proxy cannot reach the loopback interface of this machine, which has no names such as sync-127.0.0.1.
        session.set_default_client_config(Config(proxies={}, inject_host_prefix=False))
        make_interruptible(session)
        super().__init__(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            region_name=region,
            botocore_session=session,
        )
        self._endpoint_url = endpoint_url

    # The endpoint is passed to each client: a session-wide setting would give way to AWS_ENDPOINT_URL.

    def client(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a client as boto3 does, for the sandbox's endpoint unless another is given."""
        return super().client(*args, **{"endpoint_url": self._endpoint_url, **kwargs})

    def resource(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a resource as boto3 does, for the sandbox's endpoint unless another is given."""
        return super().resource(*args, **{"endpoint_url": self._endpoint_url, **kwargs})


class Sandbox:
    """A running sandbox. `Sandbox.start` starts it; `close` or the end of the `with` block ends it.

    Attributes:
        endpoint_url: The endpoint of all services, such as `http://127.0.0.1:4566`.
        port: The port of the endpoint.
        account_id: The account number.
        region: The default Region. Other Regions work, too, with their own resources, as on AWS.
        keys: The access key of this run.
        session: A boto3 session for the sandbox.
        flow_definitions: Creates flow definitions.
        loops: Answers human loops, or lets them fail.
        events: Repeats, loses and forges the events of human loops.
        faults: Makes calls of AWS operations fail.
        canned_results: Gives tasks of state machines results in place of calls.
        control: Calls the sandbox's own routes. The five above use it.
        process_id: The child process.
        directory: The folder of its temporary files.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, region: str, keys: Keys, directory: Path
    ) -> None:
        self._process = process
        self.process_id = process.pid
        self.directory = directory
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.account_id = ACCOUNT_ID
        self.region = region
        self.keys = keys
        self.control = Control(HOST, port, keys)
        self.session = SandboxSession(self.endpoint_url, region, keys, directory / "aws-config")
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.flow_definitions = FlowDefinitions(self.client, self.control, region)
        self.loops = HumanLoops(self.control, region)
        self.events = Events(self.control, region)
        self.faults = Faults(self.control)
        self.canned_results = CannedResults(self.control)

    @classmethod
    def start(
        cls,
        port: int | None = None,
        wait_scale: float = 1.0,
        log_file: str | os.PathLike[str] | None = None,
        *,
        region: str = REGION,
        log_level: str = "INFO",
    ) -> Self:
        """Starts a sandbox and waits until it answers.

        Args:
            port: TCP port on 127.0.0.1. None picks a free one.
            wait_scale: Factor for the waits and retry intervals of state machines. 0 skips them.
            log_file: File for the engine's log. With None, the log is deleted when the sandbox ends.
            region: Region of `session` and `environment()`.
            log_level: Level of the engine's log.

        Raises:
            SandboxError: The port is in use, or the engine did not start. The message has the last line of its log.
        """
        keys = Keys.random()
        directory = Path(tempfile.mkdtemp(prefix="afterloop-sandbox-"))
        try:
            (directory / "aws-config").write_text("[default]\n")
            log = Path(log_file) if log_file is not None else directory / "engine.log"
            with listen(port) as listener:
                port = int(listener.getsockname()[1])
                settings = EngineSettings(listener.fileno(), str(directory), region, wait_scale, log_level)
                process = _spawn(settings, keys, log)
            sandbox = cls(process, port, region, keys, directory)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        try:
            # The socket listens already, so this request waits in its queue until the engine accepts it.
            sandbox.control.call("GET", "/_sandbox/health", timeout=_START_TIMEOUT_SECONDS)
        except OSError as error:
            reason = _last_line(log) or str(error)
            sandbox.close()
            raise SandboxError(f"the local engine did not start: {reason}") from error
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def client(self, service: str, **kwargs: Any) -> Any:
        """Returns a boto3 client for the sandbox, such as `client("s3")`.

        Args:
            service: The name of the service, as for boto3.
            kwargs: More arguments for boto3. Without any, each call returns the same client. Clients are
                thread-safe, and creating one takes tens of milliseconds.
        """
        if kwargs:
            return self.session.client(service, **kwargs)
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.session.client(service)
            return self._clients[service]

    def variables(self) -> dict[str, str]:
        """Returns the variables with which any AWS SDK uses this sandbox.

        They are not enough where other settings of AWS are set, such as `AWS_ENDPOINT_URL_S3`: for a child process,
        use `environment`.
        """
        config_file = self.directory / "aws-config"
        return environments.variables(self.endpoint_url, self.region, self.keys, config_file)

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the whole environment of a child process that uses this sandbox, and nothing else, with any AWS SDK.

        It is the environment of this process without any setting of AWS, and with `variables`.

        Args:
            more: More variables.
        """
        return environments.of_client(os.environ, self.variables()) | more

    def configure(self, *, wait_scale: float | None = None, minute_seconds: float | None = None) -> None:
        """Changes how fast time passes in a running sandbox.

        Args:
            wait_scale: The `wait_scale` from now on. Waits that have begun keep their time.
            minute_seconds: How many seconds a minute takes in which CloudFormation moves new executions gradually.

        Raises:
            SandboxError: A value is negative or not a number.
        """
        given = {"wait_scale": wait_scale, "minute_seconds": minute_seconds}
        body = {name: value for name, value in given.items() if value is not None}
        self.control.call("POST", "/_sandbox/config", body)

    def permissions_used(self) -> list[dict[str, Any]]:
        """Returns what roles were allowed since the start: which permissions of a role are used, and on what.

        Each is a dict of `role`, `action`, `permitted` (a resource of the policy's statement, which can have wildcards)
        and `resources` (those on which the action was allowed).
        """
        used: list[dict[str, Any]] = self.control.call("GET", "/_sandbox/permissions")
        return used

    def emails(self) -> list[dict[str, str]]:
        """Returns the emails that SNS sent since the start, oldest first.

        Each is a dict of `address`, `topic` (its ARN), `subject` and `text`.
        """
        sent: list[dict[str, str]] = self.control.call("GET", "/_sandbox/emails")
        return sent

    def chat_messages(self) -> list[dict[str, Any]]:
        """Returns the messages that channels of Slack and Teams show, oldest first.

        Each is a dict of `channel` (its ID), `topic` (its ARN), `title`, `text`, `steps` (a list) and `thread` (or
        None).
        """
        shown: list[dict[str, Any]] = self.control.call("GET", "/_sandbox/chat")
        return shown

    def close(self) -> None:
        """Ends the sandbox and everything that it started. A second call does nothing."""
        if self._process.returncode is not None:
            return
        for client in self._clients.values():
            client.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # If the child was killed, processes that functions started may be left in its group.
        _kill_group(self.process_id)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _spawn(settings: EngineSettings, keys: Keys, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (a module of this project, no shell)
            [sys.executable, "-m", "sandbox.server", settings.to_argument()],
            cwd=ROOT,
            env=environments.of_engine(os.environ, keys),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(settings.socket,),
            start_new_session=True,
        )


def _kill_group(group: int) -> None:
    # Without processes to kill, Linux raises ProcessLookupError. macOS raises PermissionError for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _last_line(log: Path) -> str:
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return text.rpartition("\n")[2]
