"""Sets what the tasks of a flow definition ask of a worker, for the console's page of the local engine.

python -m docs.examples.describe_task support-messages task.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from console.worker_tasks.description import parse_description
from sandbox.clients import describe_task
from sandbox.connection import engine_of
from workflow.errors import AfterloopError


def main() -> int:
    """Reads the command line and the file, and returns the exit status."""
    if len(sys.argv) != 3:
        return _error("usage: python -m docs.examples.describe_task FLOW_DEFINITION FILE")
    name, file = sys.argv[1:]
    engine = engine_of(os.environ)
    if engine is None:
        return _error("there is no local engine: start it with `make local`, then run `source .engine.env`")
    try:
        description = parse_description(json.loads(Path(file).read_text()))
        describe_task(engine, os.environ.get("AWS_DEFAULT_REGION", "us-east-1"), name, description)
    except (AfterloopError, OSError, ValueError) as error:
        return _error(str(error))
    elements = ", ".join(element.name for element in description.elements)
    sys.stdout.write(f"{name}: tasks ask for {elements}\n")
    return 0


def _error(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
