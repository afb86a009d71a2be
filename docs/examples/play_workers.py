"""Plays the workers of a human loop on the local engine: all give the same answer, until the loop ends.

python -m docs.examples.play_workers message-1 '{"sentiment": {"label": "complaint"}}'
python -m docs.examples.play_workers message-2 --fail InternalError
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from sandbox.clients import HumanLoops
from sandbox.connection import engine_of
from sandbox.errors import SandboxError


def main() -> int:
    """Reads the command line, plays, and returns the exit status."""
    options = _parser().parse_args()
    engine = engine_of(os.environ)
    if engine is None:
        return _error("there is no local engine: start it with `make local`, then run `source .engine.env`")
    loops = HumanLoops(engine, os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    try:
        loop = loops.get(options.name)
        if options.fail:
            loop = loops.fail(options.name, options.fail)
        while not options.fail and loop.status == "InProgress":
            loop = loops.answer(options.name, json.loads(options.answer))
    except (SandboxError, OSError, ValueError) as error:
        return _error(str(error))
    sys.stdout.write(f"{loop.name}: {loop.status}, {len(loop.answers)} answers\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.examples.play_workers", description=__doc__)
    parser.add_argument("name", help="name of the human loop")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("answer", nargs="?", help="answerContent as JSON: crowd element → answer")
    what.add_argument(
        "--fail", metavar="CODE", help="fail the loop with this code: InternalError, Expired, ValidationError"
    )
    return parser


def _error(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
