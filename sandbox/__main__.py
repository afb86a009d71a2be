"""`python -m sandbox serve`: the sandbox as a process of its own, until Ctrl-C."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.identity import ACCESS_KEY_ID, HOST, REGION, SECRET_ACCESS_KEY, EngineSettings
from sandbox.server import listen, serve


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line, serves, and returns the exit status."""
    options = _parser().parse_args(arguments)
    settings = EngineSettings(
        region=options.region,
        wait_scale=options.wait_scale,
        lifetime_scale=options.lifetime_scale,
        workers=options.workers,
        log_level=options.log_level.upper(),
    )
    try:
        if options.socket is not None:
            # Started by sandbox.engine: its socket, its directory, and a pipe that closes when it ends.
            serve(socket.socket(fileno=options.socket), settings, directory=options.directory, owned=True)
        else:
            listener = listen(options.port)
            _greet(int(listener.getsockname()[1]), settings.region)
            serve(listener, settings, directory=options.directory, owned=False)
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Afterloop's local engine.")
    serve = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve", help="serve AWS's APIs and Amazon A2I's on this machine, until Ctrl-C"
    )
    serve.add_argument("--port", type=int, default=None, help="port on 127.0.0.1 (default: a free one)")
    serve.add_argument("--region", default=REGION)
    serve.add_argument("--wait-scale", type=float, default=1.0, help="factor for waits; 0 skips them")
    serve.add_argument("--lifetime-scale", type=float, default=1.0, help="factor for tasks' lifetimes")
    serve.add_argument("--workers", type=int, default=16, help="Lambda invocations at once, in all")
    serve.add_argument("--log-level", default="WARNING")
    serve.add_argument("--directory", type=Path, default=None, help=argparse.SUPPRESS)
    serve.add_argument("--socket", type=int, default=None, help=argparse.SUPPRESS)
    return parser


def _greet(port: int, region: str) -> None:
    endpoint_url = f"http://{HOST}:{port}"
    print(f"The sandbox listens on {endpoint_url}. In another terminal:")  # noqa: T201
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": region,
    }.items():
        print(f"    export {name}={value}")  # noqa: T201
    print("Ctrl-C ends it.", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
