"""`python deploy.py smoke`: tests a published stage with one event of each status."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import Activity, Output, console_for, print_json, say, shown

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
    on: StageOptions,
) -> None:
    """Test a published stage with one event of each status, check the results, and clean up.

    The exit status is 1 if a check fails. Subscribers of the escalation topic get one message.
    """
    from workflow.operations.smoke import SmokeTest
    from workflow.stack.stages import load_stage

    session = on.session()
    resources = on.resources(session)
    bucket = output_bucket or load_stage(on.settings, on.stage).output_buckets[0]
    console = console_for(on.output)
    found = []
    with Activity(console).running() as activity:
        activity.step("Starting")
        test = SmokeTest(resources, session, bucket, progress=activity.step)
        with closing(test.checks()) as checks:  # type: ignore[type-var]
            for check in checks:
                found.append(check)
                mark = "[green]✓[/]" if check.problem is None else "[red]✗[/]"
                say(console, f"{mark} {shown(check.loop)}: {shown(check.what)}")
                if check.problem:
                    say(console, f"    {shown(check.problem)}")
    if on.output is Output.JSON:
        from workflow.cli.shapes import SmokeResult

        print_json(SmokeResult(found))
    failed = sum(check.problem is not None for check in found)
    say(
        console,
        f"{len(found) - failed} of {len(found)} checks passed. Only the executions of the test remain.",
    )
    if failed:
        raise typer.Exit(1)
