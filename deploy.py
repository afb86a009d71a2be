"""The command line: publishes the workflow, and shows and tends what is published.

python deploy.py            publishes the stage dev; the same as `python deploy.py publish`
python deploy.py local      the whole of it on this machine, with no AWS account
python deploy.py --help     all commands

Exit status: 0 when it is done, 1 for an error, told in one line on standard error. `plan` exits with 0 when
there is nothing to change, and with 2 when there is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workflow.cli.program import Command, run

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "publish": Command(
        "workflow.cli.publish", "Publish a stage: show what changes, ask, do it, show where to look."
    ),
    "plan": Command(
        "workflow.cli.publish",
        "Show what `publish` would change, and change nothing. Exits with 2 when there is something.",
    ),
    "rollback": Command(
        "workflow.cli.publish",
        "Go back to the publish before the last: new executions at once, then the whole stack.",
    ),
    "outputs": Command("workflow.cli.stage", "Show what a published stage offers, and where to look at it."),
    "status": Command(
        "workflow.cli.stage",
        "Show how a stage is: what is live, what runs, what failed, what drifted, what was published.",
    ),
    "destroy": Command(
        "workflow.cli.stage",
        "Take a stage away. Ledger and reviews stay in the account, unless told otherwise.",
    ),
    "local": Command("sandbox.cli", "Run the whole of it on this machine, with no AWS account."),
    "render": Command(
        "workflow.cli.render", "Render the definition, the template and the graph into definitions/."
    ),
    "init": Command("workflow.cli.init", "Ask what a stage needs, and write its settings."),
    "loops": Command("workflow.cli.loops", "List, show, start, restart and stop human loops."),
    "report": Command("workflow.cli.report", "Make a report of reviews as one HTML file."),
    "manifest": Command("workflow.cli.manifest", "Export reviewed items for retraining the model."),
    "smoke": Command("workflow.cli.smoke", "Try a published stage with one event of each status."),
}
"""The commands in the order of `--help`. Each is in the module that is named here, under its own name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, and ends the process with its exit status."""
    run(COMMANDS, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    main()
