"""`python deploy.py smoke`: tries a published stage with one event of each status."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from workflow.cli.options import SETTINGS, As, Output, Profile, Region, Settings, StageName, session_for
from workflow.cli.show import say
from workflow.operations.smoke import SmokeTest
from workflow.operations.stage_resources import StageResources
from workflow.stack.stages import load_stage

__all__ = ["app", "smoke"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def smoke(
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    output_bucket: Annotated[
        str | None, typer.Option(help="Where the sample output is put; the stage's first output bucket.")
    ] = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Try a published stage with one event of each status, check every effect, and clean up.

    Exits with 1 if something is not as it should be. Subscribers of the escalation topic get one message.
    """
    session = session_for(stage, profile, region, settings)
    resources = StageResources.find(stage, session, settings)
    bucket = output_bucket or load_stage(settings, stage).output_buckets[0]
    console = Console(quiet=output is Output.JSON)
    found = []
    with console.status("Starting") as status:
        test = SmokeTest(resources, session, bucket, progress=status.update)
        with closing(test.checks()) as checks:  # type: ignore[type-var]
            for check in checks:
                found.append(check)
                mark = "[green]✓[/]" if check.problem is None else "[red]✗[/]"
                say(console, f"{mark} {check.loop}: {check.what}")
                if check.problem:
                    say(console, escape(f"    {check.problem}"))
    if output is Output.JSON:
        typer.echo(json.dumps([asdict(check) for check in found], indent=2))
    bad = sum(check.problem is not None for check in found)
    say(
        console,
        f"{len(found) - bad} of {len(found)} as it should be; nothing is left behind but the executions",
    )
    if bad:
        raise typer.Exit(1)
