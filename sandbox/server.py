"""The child process: MiniStack's ASGI app and ours, served by hypercorn on one socket.

MiniStack reads its settings from the environment while it is imported, so nothing here imports it before
`_prepare_environment` has run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path
from typing import NoReturn, cast

from sandbox.errors import SandboxError
from sandbox.identity import ACCESS_KEY_ID, ACCOUNT_ID, HOST, SECRET_ACCESS_KEY, EngineSettings

__all__ = ["listen", "serve"]

_log = logging.getLogger(__name__)


def listen(port: int | None) -> socket.socket:
    """Opens the socket that a sandbox will serve, so that nobody can take its port in between.

    Args:
        port: TCP port on 127.0.0.1; a free one when None.

    Raises:
        SandboxError: the port is taken, or not allowed.
    """
    if not 0 <= (port or 0) <= 65_535:
        raise SandboxError(f"the sandbox cannot use port {port}: choose one from 1 to 65535")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
    except OSError as error:
        listener.close()
        raise SandboxError(
            f"the sandbox cannot use port {port} of {HOST} ({error.strerror}): end what runs there, "
            "or choose another port"
        ) from error
    listener.listen(1024)
    return listener


def serve(
    listener: socket.socket, settings: EngineSettings, *, directory: Path | None, owned: bool
) -> NoReturn:
    """Serves until the owner ends (`owned`: standard input closes), or until SIGINT or SIGTERM.

    Args:
        listener: a bound, listening TCP socket on 127.0.0.1.
        settings: how the engine starts.
        directory: for all its temporary files, removed at the end; None makes one.
        owned: whether `sandbox.engine` started this process, in a session of its own.
    """
    directory = directory or Path(tempfile.mkdtemp(prefix="afterloop-sandbox-"))
    _prepare_environment(int(listener.getsockname()[1]), settings, directory)
    end = _End(directory, owned)
    if owned:
        threading.Thread(target=end.when_standard_input_closes, daemon=True).start()
    try:
        asyncio.run(_serve(listener, settings, directory))
    except BaseException:
        _log.exception("the sandbox failed")
        end.now(1)
    end.now(0)


def _prepare_environment(port: int, settings: EngineSettings, directory: Path) -> None:
    """Sets what MiniStack, boto3 and the functions' workers read, and drops what belongs to the person."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MINISTACK_", "LAMBDA_", "S3_", "SFN_", "LOCALSTACK_", "ATHENA_")):
            del os.environ[name]
    (temporary := directory / "tmp").mkdir(exist_ok=True)
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": settings.region,
            # The engine's root user, and what its own calls are signed with.
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(settings.workers),
            "LAMBDA_EXECUTOR": "local",
            "SFN_WAIT_SCALE": str(settings.wait_scale),
            "LOG_LEVEL": settings.log_level,
            "TMPDIR": str(temporary),
            "S3_DATA_DIR": str(directory / "s3"),
            "STATE_DIR": str(directory / "state"),
            # Listeners on fixed ports that nobody here needs, and a Docker that may hold others' containers.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{directory / 'no-docker.sock'}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
    )
    tempfile.tempdir = None  # read TMPDIR again


async def _serve(listener: socket.socket, settings: EngineSettings, directory: Path) -> None:
    from hypercorn.asyncio import serve as serve_asgi
    from hypercorn.config import Config
    from hypercorn.typing import ASGIFramework

    from sandbox import ministack_patches, resource_types
    from sandbox.app import SandboxApp

    ministack_patches.apply(directory)
    resource_types.add()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = settings.log_level
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.1
    app = SandboxApp(settings)
    ministack_patches.integrate(app.caller(loop))
    serving = asyncio.create_task(serve_asgi(cast(ASGIFramework, app), config, shutdown_trigger=stop.wait))
    stopping = asyncio.create_task(stop.wait())
    # Not its graceful end: there is nothing to save, and it would wait for open connections.
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        serving.result()  # its error


class _End:
    """Ends this process and everything that it has started, once."""

    def __init__(self, directory: Path, owned: bool) -> None:
        self._directory = directory
        self._owned = owned
        self._lock = threading.Lock()

    def when_standard_input_closes(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self.now(0)

    def now(self, status: int) -> NoReturn:
        with self._lock:  # never released: a second caller waits for the end
            _end_functions()
            shutil.rmtree(self._directory, ignore_errors=True)
            if self._owned:
                # Our session is ours alone: what a function's code has started goes too, and so do we.
                os.killpg(0, signal.SIGKILL)
            logging.shutdown()
            os._exit(status)


def _end_functions() -> None:
    """Kills the worker processes of Lambda functions, and lets no new one start."""
    from ministack.core import lambda_runtime

    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("the sandbox is ending")

    lambda_runtime.Worker._spawn = refuse
    processes = [worker._proc for pool in lambda_runtime._workers.values() for worker in list(pool)]
    for process in filter(None, processes):
        with contextlib.suppress(OSError):
            process.kill()
    for process in filter(None, processes):
        with contextlib.suppress(Exception):
            process.wait(1)
