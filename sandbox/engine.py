"""The local engine: MiniStack and the human-loop service in one child process, on one endpoint.

    with Sandbox.start() as sandbox:
        sandbox.client("s3").create_bucket(Bucket="reviews")

The child lives as long as the `with` block, or as long as the process that opened it: it holds the other end
of a pipe, and when that closes, for whatever reason, it ends and takes the Lambda functions' worker
processes and every temporary file with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config

from sandbox.clients import Events, FlowDefinitions, HumanLoops
from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.identity import ACCESS_KEY_ID, ACCOUNT_ID, HOST, REGION, SECRET_ACCESS_KEY
from sandbox.server import listen
from workflow import ROOT

__all__ = ["Sandbox", "SandboxSession"]

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 10.0


class SandboxSession(boto3.Session):
    """A boto3 session whose clients and resources talk to the sandbox, whatever the environment says."""

    def __init__(self, endpoint_url: str, region: str, config_file: Path) -> None:
        session = botocore.session.Session()
        # A file of our own, so that AWS_PROFILE and ~/.aws of the person at the keyboard stay out of it.
        for name in ("config_file", "credentials_file"):
            session.set_config_variable(name, str(config_file))
        session.set_config_variable("profile", "default")
        super().__init__(
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name=region,
            botocore_session=session,
        )
        self._endpoint_url = endpoint_url

    def client(self, *args: Any, **kwargs: Any) -> Any:
        """As boto3's, at the sandbox's endpoint unless the caller names another."""
        return super().client(*args, **self._at_endpoint(kwargs))

    def resource(self, *args: Any, **kwargs: Any) -> Any:
        """As boto3's, at the sandbox's endpoint unless the caller names another."""
        return super().resource(*args, **self._at_endpoint(kwargs))

    def _at_endpoint(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        config = Config(proxies={})  # an HTTP proxy cannot reach this machine's loopback
        if kwargs.get("config") is not None:
            config = config.merge(kwargs["config"])
        return {"endpoint_url": self._endpoint_url} | kwargs | {"config": config}


class Sandbox:
    """One running sandbox. Made by `Sandbox.start`, ended by `close` or the end of its `with` block.

    Attributes:
        endpoint_url: where all its services answer, such as `http://127.0.0.1:4566`.
        port: the port of it.
        account_id: the twelve digits of its account.
        region: its Region. Other Regions work too: resources are kept apart as on AWS.
        session: a boto3 session for it.
        flow_definitions: makes flow definitions, with what they need.
        loops: answers human loops, and ends them in every way they can end.
        events: what loops have told EventBridge; duplicates, losses, malformed events.
        control: its own routes, which the three above call.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, region: str, directory: Path) -> None:
        self._process = process
        self._directory = directory
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.account_id = ACCOUNT_ID
        self.region = region
        self.control = Control(HOST, port)
        self.session = SandboxSession(self.endpoint_url, region, directory / "aws-config")
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.flow_definitions = FlowDefinitions(self.client, region)
        self.loops = HumanLoops(self.control, region)
        self.events = Events(self.control, region)

    @classmethod
    def start(
        cls,
        port: int | None = None,
        wait_scale: float = 1.0,
        workers: int = 16,
        log_file: str | os.PathLike[str] | None = None,
        *,
        region: str = REGION,
        log_level: str = "INFO",
        lifetime_scale: float = 1.0,
    ) -> Self:
        """Starts a sandbox and waits until it answers.

        Args:
            port: TCP port on 127.0.0.1; a free one when None.
            wait_scale: factor for the waits and retry intervals of state machines; 0 skips them.
            workers: how many Lambda invocations may run at once, in all; above it they are throttled, as on
                AWS. Each is a Python process of its own.
            log_file: where the engine's log goes; None keeps it only while the sandbox runs.
            region: Region of `session` and `environment()`.
            log_level: level of the engine's log.
            lifetime_scale: factor for TaskAvailabilityLifetimeInSeconds of flow definitions: with 0.001, a
                task that people have an hour for expires after 3.6 s.

        Raises:
            SandboxError: the port is taken, or the engine did not come up; says what its log ends with.
        """
        directory = Path(tempfile.mkdtemp(prefix="afterloop-sandbox-"))
        try:
            (directory / "aws-config").write_text("[default]\n")
            log = Path(log_file) if log_file is not None else directory / "engine.log"
            with listen(port) as listener:
                port = int(listener.getsockname()[1])
                process = _spawn(
                    listener,
                    log,
                    {
                        "--directory": str(directory),
                        "--region": region,
                        "--wait-scale": str(wait_scale),
                        "--lifetime-scale": str(lifetime_scale),
                        "--workers": str(workers),
                        "--log-level": log_level,
                    },
                )
            sandbox = cls(process, port, region, directory)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        try:
            # The socket listens already: this request waits in its queue until the engine takes it.
            sandbox.control.call("GET", "/_sandbox/health", timeout=_START_TIMEOUT_SECONDS)
        except OSError as error:
            reason = _last_line(log) or str(error)
            sandbox.close()
            raise SandboxError(f"the sandbox did not start: {reason}") from error
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def client(self, service: str, **kwargs: Any) -> Any:
        """A boto3 client of the sandbox, such as `client("s3")`.

        Args:
            service: boto3's name of the service.
            kwargs: boto3's. Without any, the same client is returned each time: it is thread-safe, and making
                one costs tens of milliseconds.
        """
        if kwargs:
            return self.session.client(service, **kwargs)
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.session.client(service)
            return self._clients[service]

    def environment(self) -> dict[str, str]:
        """Variables that make any AWS SDK in a child process talk to this sandbox, and to nothing else.

        Made to be laid over the own environment: `os.environ | sandbox.environment()`.
        """
        config_file = str(self._directory / "aws-config")
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # An empty profile: the person's own may be set, and may name a file that is not there.
            "AWS_PROFILE": "default",
            "AWS_DEFAULT_PROFILE": "default",
            "AWS_CONFIG_FILE": config_file,
            "AWS_SHARED_CREDENTIALS_FILE": config_file,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": _no_proxy(os.environ),
            "no_proxy": _no_proxy(os.environ),
        }

    def configure(
        self,
        *,
        wait_scale: float | None = None,
        lifetime_scale: float | None = None,
        stopping_seconds: float | None = None,
    ) -> None:
        """Changes a running sandbox. What is already waiting keeps its time.

        Args:
            wait_scale: see `start`.
            lifetime_scale: see `start`.
            stopping_seconds: how long a human loop stays `Stopping` before it is `Stopped`; 0 at first.

        Raises:
            SandboxError: a value is negative or not a number.
        """
        settings = {
            "wait_scale": wait_scale,
            "lifetime_scale": lifetime_scale,
            "stopping_seconds": stopping_seconds,
        }
        self.control.call(
            "POST", "/_sandbox/config", {name: value for name, value in settings.items() if value is not None}
        )

    def reset(self) -> None:
        """Empties it: every resource, human loop and flow definition is gone; it goes on running."""
        self.control.call("POST", "/_sandbox/reset")

    def close(self) -> None:
        """Ends the sandbox with all it started. Doing it twice does no harm."""
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
        # Its session may hold what a function has started; nobody else can be in it.
        _kill_group(self._process.pid)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _spawn(listener: socket.socket, log: Path, options: Mapping[str, str]) -> subprocess.Popen[bytes]:
    arguments = [part for option in options.items() for part in option]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "sandbox", "serve", "--socket", str(listener.fileno()), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # none left (macOS says so of a group of zombies)
        return


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _no_proxy(environment: Mapping[str, str]) -> str:
    before = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return ",".join(filter(None, [before, HOST, "localhost"]))
