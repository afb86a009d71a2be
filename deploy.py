"""The command line: publishes the workflow, and manages what is published.

python deploy.py            publishes the stage dev, as `python deploy.py publish` does
python deploy.py local      runs everything on this machine, without an AWS account
python deploy.py --help     lists all commands

The exit status is 0 on success, and 1 for an error, which is reported in one line on standard error. `plan` exits with
0 if there are no changes, and with 2 if there are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workflow.cli.program import collect_late, run

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "publish": "workflow.cli.publish",
    "plan": "workflow.cli.publish",
    "rollback": "workflow.cli.publish",
    "outputs": "workflow.cli.stage",
    "status": "workflow.cli.stage",
    "destroy": "workflow.cli.stage",
    "local": "sandbox.cli",
    "console": "sandbox.cli",
    "try": "workflow.cli.trying",
    "render": "workflow.cli.render",
    "init": "workflow.cli.init",
    "lock": "workflow.cli.lock",
    "loops": "workflow.cli.loops",
    "reviews": "workflow.cli.reviews",
    "report": "workflow.cli.report",
    "manifest": "workflow.cli.manifest",
    "smoke": "workflow.cli.smoke",
}
"""Command → the module that defines it under the same name, in the order of `--help`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, and ends the process with its exit status."""
    run(COMMANDS, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    collect_late()
    main()
