"""The child process: MiniStack's ASGI app and the sandbox's own, served by hypercorn on one socket.

`sandbox.engine` starts it as `python -m sandbox.server SETTINGS`. MiniStack reads its settings from the environment
while it is imported, so nothing here may import it before `_prepare_environment` has run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn, cast

from console import loopback
from sandbox.errors import SandboxError
from sandbox.identity import ACCOUNT_ID, HOST, Keys

__all__ = ["EngineSettings", "listen", "main"]

_LAMBDA_WORKERS = 16
"""How many Lambda invocations may run at once. More are throttled, as on AWS. Each one is a Python process: without a
limit, a burst of events starts hundreds of them and brings a small machine to a halt."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineSettings:
    """What the parent process passes on the command line.

    Attributes:
        socket: File descriptor of the listening socket.
        directory: Folder for all temporary files. It is deleted at the end.
        region: The default Region.
        wait_scale: Factor for the waits of state machines.
        log_level: Level of the engine's log.
    """

    socket: int
    directory: str
    region: str
    wait_scale: float
    log_level: str

    def to_argument(self) -> str:
        """Returns the settings as the command line's one argument."""
        return json.dumps(asdict(self))


def listen(port: int | None) -> socket.socket:
    """Opens the socket that a sandbox will serve.

    The parent opens it and the child inherits it, so that no other process can take the port in between.

    Args:
        port: TCP port on 127.0.0.1. None picks a free one.

    Raises:
        SandboxError: The port is in use, or is not a valid port.
    """
    return loopback.listen(port, "the local engine", SandboxError)


def main() -> NoReturn:
    """Serves until the parent process ends or closes its end of the pipe."""
    settings = EngineSettings(**json.loads(sys.argv[1]))
    directory = Path(settings.directory)
    listener = socket.socket(fileno=settings.socket)
    port = int(listener.getsockname()[1])
    keys = Keys(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    _prepare_environment(port, settings, directory)
    shutdown = _Shutdown(directory)
    threading.Thread(target=shutdown.when_standard_input_closes, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: shutdown.now(0))
    try:
        asyncio.run(_serve(listener, port, keys, settings, directory))
    except BaseException:
        _log.exception("the sandbox failed")
    shutdown.now(1)


def _prepare_environment(port: int, settings: EngineSettings, directory: Path) -> None:
    """Sets the variables that MiniStack, boto3 and the functions read.

    Those of the user are not there: see `sandbox.environments`. MiniStack treats the access key in it as the account's
    root user, and signs its own calls with it.
    """
    (temporary := directory / "tmp").mkdir(exist_ok=True)
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": settings.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # Without AUTH, MiniStack does not check the permissions of functions' roles.
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(_LAMBDA_WORKERS),
            "LAMBDA_EXECUTOR": "local",
            "SFN_WAIT_SCALE": str(settings.wait_scale),
            "LOG_LEVEL": settings.log_level,
            "TMPDIR": str(temporary),
            "S3_DATA_DIR": str(directory / "s3"),
            "STATE_DIR": str(directory / "state"),
            # These listen on fixed ports, so a second sandbox could not start.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # MiniStack must not start or remove containers in the Docker of the user.
            "DOCKER_HOST": f"unix://{directory / 'no-docker.sock'}",
        }
    )
    tempfile.tempdir = None  # makes tempfile read TMPDIR again


async def _serve(
    listener: socket.socket, port: int, keys: Keys, settings: EngineSettings, directory: Path
) -> None:
    from hypercorn.asyncio import serve as serve_asgi
    from hypercorn.config import Config
    from hypercorn.typing import ASGIFramework

    from sandbox import fault_points, ministack_patches, resource_types, review_role
    from sandbox.app import SandboxApp
    from sandbox.fault_rules import FaultRules
    from sandbox.gate import Gate, WithoutCors

    rules = FaultRules()
    watch_services = fault_points.watch_tasks(rules)
    ministack_patches.apply(directory)
    resource_types.add()
    review_role.add()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = settings.log_level
    config.keep_alive_timeout = 75
    app = SandboxApp(rules)
    ministack_patches.integrate(app.caller(asyncio.get_running_loop()))
    watch_services()
    fault_points.watch_functions()
    fault_points.watch_rules(rules)
    # The trigger never fires. Hypercorn's graceful shutdown waits for open connections, and there is nothing to save:
    # `_Shutdown` ends the process instead.
    gate = Gate(fault_points.FaultyApp(WithoutCors(app), rules), port, keys)
    # What was imported stays until the process ends. Without this, the collector looks at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    await serve_asgi(cast(ASGIFramework, gate), config, shutdown_trigger=asyncio.Event().wait)


class _Shutdown:
    """Ends this process and everything that it started, once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.RLock()  # the SIGTERM handler may interrupt the thread that holds it

    def when_standard_input_closes(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self.now(0)

    def now(self, status: int) -> NoReturn:
        with self._lock:
            _end_functions()
            shutil.rmtree(self._directory, ignore_errors=True)
            logging.shutdown()
            # The parent started this process in its own session. Killing the process group also ends the
            # processes that a function's code started.
            os.killpg(0, signal.SIGKILL)
            os._exit(status)  # reached only if the signal is not delivered at once


def _end_functions() -> None:
    """Kills the worker processes of Lambda functions, and prevents new ones."""
    from ministack.core import lambda_runtime

    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("the sandbox is shutting down")

    # First, so that no worker starts while the others are killed.
    lambda_runtime.Worker._spawn = refuse
    processes = [worker._proc for pool in lambda_runtime._workers.values() for worker in list(pool)]
    for process in filter(None, processes):
        with contextlib.suppress(OSError):
            process.kill()
    for process in filter(None, processes):
        with contextlib.suppress(Exception):
            process.wait(1)


if __name__ == "__main__":
    main()
