"""`python deploy.py smoke`: tests a published stage with one event of each status."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import (
    Activity,
    Output,
    console_for,
    interrupted_by_sigterm,
    print_json,
    say,
    shown,
    tell,
)

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.operations.smoke import Check

__all__ = ["smoke"]


@takes_options
def smoke(
    *,
    output_bucket: Annotated[
        str | None,
        typer.Option(
            help="Bucket for the sample output. The default is the first output bucket of the stage."
        ),
    ] = None,
    flow_definition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Also start a human loop of this flow definition at A2I, stop it, and follow its event through the "
            "rule. Its workers may see the task for a moment.",
        ),
    ] = None,
    on: StageOptions,
) -> None:
    """Test a published stage with one event of each status, check the results, and clean up.

    The exit status is 1 if a check fails. Subscribers get the messages about the failed and the stopped loop.
    """
    from workflow.operations.smoke import SmokeTest
    from workflow.publish.account import Account
    from workflow.publish.smoke_record import SmokeRecord
    from workflow.stack.stages import load_stage

    session = on.session()
    resources = on.resources(session)
    bucket = output_bucket or load_stage(on.settings, on.stage).output_buckets[0]
    console = console_for(on.output)
    record = SmokeRecord(Account(session), on.stage)
    found = []
    with interrupted_by_sigterm(), Activity(console).running() as activity:
        activity.step("Starting")
        test = SmokeTest(resources, session, bucket, progress=activity.step, flow_definition=flow_definition)
        with closing(test.checks()) as checks:  # type: ignore[type-var]
            for check in checks:
                found.append(check)
                _show(console, check)
    if problem := record.write([check.name for check in found if not check.passed]):
        tell(f"warning: {problem}", err=True)
    if on.output is Output.JSON:
        from workflow.cli.shapes import SmokeResult

        print_json(SmokeResult(found))
    failed = sum(not check.passed for check in found)
    say(
        console,
        f"{len(found) - failed} of {len(found)} checks passed. Only the executions of the test remain.",
    )
    if failed:
        raise typer.Exit(1)


def _show(console: Console, check: Check) -> None:
    mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
    version = f" (version {check.version.rpartition(':')[2]})" if check.version else ""
    say(console, f"{mark} {shown(check.loop)}: {shown(check.what)}{shown(version)}")
    if check.problem:
        say(console, f"    {shown(check.problem)}")
