"""`python deploy.py publish`, `plan` and `rollback`: what changes is shown, asked for, and done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from workflow import ROOT
from workflow.cli.options import StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    NOTHING_CHANGED,
    Output,
    agreed,
    console_for,
    end_line,
    leaving,
    nothing_changed,
    print_json,
    say,
    tell,
)
from workflow.errors import PublishError

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.cli.show import StackActivity
    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.plan import Plan
    from workflow.publish.publishing import Published
    from workflow.publish.watching import Snapshot
    from workflow.stack.stages import Stage

__all__ = ["Confirmation", "plan", "publish", "rollback"]


@takes_options
def publish(
    *,
    yes: Yes = False,
    allow_data_loss: Annotated[
        bool, typer.Option(help="With --yes: also where data would be lost with a resource.")
    ] = False,
    swap: Annotated[
        bool,
        typer.Option(help="Swap code and definition at once, beside CloudFormation, if no more changed."),
    ] = False,
    watch: Annotated[
        bool, typer.Option(help="Publish, then swap whenever a file changes, until Ctrl-C.")
    ] = False,
    on: StageOptions,
) -> None:
    """Publish a stage: show what changes, ask, do it, show where to look."""
    account, stage = on.reach()
    if (swap or watch) and stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: no hot swap; publish it with `python deploy.py`"
        )
    from workflow.cli.show import StackActivity
    from workflow.publish import publishing
    from workflow.publish.watching import snapshot

    # Before anything is read: a file that changes during the publish is seen, too.
    files = snapshot(ROOT, on.settings) if watch else {}
    activity = StackActivity(console_for(on.output))
    look = f"look at `python deploy.py plan --stage {stage.name}`"
    confirmation = Confirmation(activity, account, stage.name, yes, allow_data_loss, look)
    with activity.running(), leaving(lambda: confirmation.leaves):
        activity.step("Building definition, template and functions")
        package = _package(account, stage)
        swaps = _swap(account, stage, package, activity, confirmation) if swap else None
        if swaps is None:
            published = publishing.publish(account, stage, package, confirm=confirmation, progress=activity)
    if swaps is None:
        _tell_outcome(activity.console, account, stage, published, on.output)
    else:
        text = f"Swapped: {', '.join(swaps)}" if swaps else "Nothing to swap"
        tell(on.output, {"swapped": list(swaps)}, text)
    if watch:
        _watch(files, on)


@takes_options
def plan(*, on: StageOptions) -> None:
    """Show what `publish` would change, and change nothing. Exits with 2 when there is something."""
    account, stage = on.reach()
    from workflow.cli.show import StackActivity, show_plan, where
    from workflow.publish.publishing import plan_for

    console = console_for(on.output)
    with StackActivity(console).running() as activity:
        activity.step("Working out the changes")
        found = plan_for(account, stage, _package(account, stage))
    if on.output is Output.JSON:
        print_json({"stage": stage.name, **found.as_json()})
    else:
        show_plan(console, found, where=where(account))
    if not found.is_empty:
        raise typer.Exit(2)


@takes_options
def rollback(
    *,
    to: Annotated[
        int | None, typer.Option(help="Number of the publish to go back to, as `status` shows it.")
    ] = None,
    yes: Yes = False,
    allow_data_loss: Annotated[bool, typer.Option(help="With --yes: also where data would be lost.")] = False,
    on: StageOptions,
) -> None:
    """Go back to the publish before the last: new executions at once, then the whole stack."""
    account, stage = on.reach()
    from workflow.cli.show import StackActivity
    from workflow.publish.history import history, to_go_back_to
    from workflow.publish.rollback import roll_back

    activity = StackActivity(console_for(on.output))
    confirmation = Confirmation(activity, account, stage.name, yes, allow_data_loss)
    with activity.running(), leaving(lambda: confirmation.leaves):
        activity.step("Looking up earlier publishes")
        record = to_go_back_to(history(account, stage.name), to)
        published = roll_back(account, stage, record, confirm=confirmation, progress=activity)
    _tell_outcome(activity.console, account, stage, published, on.output)


@dataclass
class Confirmation:
    """Shows a plan and asks whether to go on. Knows what Ctrl-C leaves behind.

    Attributes:
        activity: Where to show it; it pauses for the question.
        account: Where the stage is.
        stage: The stage's name.
        yes: Whether the answer is known.
        allow_data_loss: Whether it is also yes where data would be lost.
        look: What shows the plan, if this command need not be run for it.
        leaves: What Ctrl-C leaves behind now.
    """

    activity: StackActivity
    account: Account
    stage: str
    yes: bool = False
    allow_data_loss: bool = False
    look: str | None = None
    leaves: str = NOTHING_CHANGED

    def __call__(self, found: Plan) -> bool:
        """Whether to do what a plan says.

        Raises:
            PublishError: there is nobody to ask; or data would be lost, and it is not said that it may.
        """
        from workflow.cli.show import begun, show_plan, where

        with self.activity.paused():
            show_plan(self.activity.console, found, where=where(self.account))
            if not self._agreed(found):
                return False
        self.leaves = begun(self.stage)
        return True

    def _agreed(self, found: Plan) -> bool:
        lost = ", ".join(change.id for change in found.losses)
        if self.yes:
            if lost and not self.allow_data_loss:
                raise PublishError(
                    f"the data of {lost} would be lost; if that is meant, add --allow-data-loss"
                )
            return True
        console = self.activity.console
        if not agreed(console, "Publish this?", self.look):
            return False
        if not found.grave:
            return True
        grave = ", ".join(change.id for change in found.grave)
        warning = f", with all that {lost} holds" if lost else ""
        return agreed(console, f"This replaces or deletes {grave}{warning}. Really?", self.look)


def _package(account: Account, stage: Stage) -> Package:
    from workflow.publish.package import make_package
    from workflow.stack.assembly import assemble
    from workflow.stack.bundles import aws, local

    return make_package(
        stage,
        assemble(),
        aws() if account.is_aws else local(),
        account=account.id,
        artifact_bucket=account.artifact_bucket,
    )


def _tell_outcome(
    console: Console, account: Account, stage: Stage, published: Published | None, output: Output
) -> None:
    from workflow.cli.show import show_outputs, where
    from workflow.publish.outputs import links

    if published is None:
        nothing_changed(console)
    pages = links(account, published.outputs)
    if output is Output.JSON:
        print_json(
            {
                "stage": stage.name,
                "stack": published.stack,
                "changed": published.changed,
                "version": published.version,
                "outputs": dict(published.outputs),
                "links": pages,
                "plan": published.plan.as_json() if published.plan else None,
            }
        )
        return
    said = "is published" if published.changed else "is as it should be: nothing to change"
    say(console, f"[bold]{published.stack}[/] ({where(account)}) {said}.\n")
    show_outputs(console, published.outputs, pages)
    say(console, f"\nHow it is: python deploy.py status --stage {stage.name}")


# Hot swap


def _swap(
    account: Account, stage: Stage, package: Package, activity: StackActivity, confirmation: Confirmation
) -> Sequence[str] | None:
    """What was swapped; None if there is no stage to swap in, or more changed than can be swapped."""
    from workflow.publish.swapping import swap

    confirmation.leaves = f"`python deploy.py plan --stage {stage.name}` tells if a swap was cut short"
    activity.step("Swapping")
    stack = account.stack(stage.stack_name)
    swaps = swap(account, stage, stack, package) if stack and stack.outputs else None
    confirmation.leaves = NOTHING_CHANGED
    return swaps


def _watch(since: Snapshot, on: StageOptions) -> None:
    """Swaps in a process of its own each time: only a new one sees what changed in the workflow's modules."""
    from workflow.publish.watching import changes

    again = [sys.executable, str(ROOT / "deploy.py"), "publish", "--swap", "--yes"]
    again += ["--stage", on.stage, "--settings", str(on.settings)]
    again += [
        *(["--profile", on.profile] if on.profile else []),
        *(["--region", on.region] if on.region else []),
    ]
    typer.echo("Watching for changes; Ctrl-C ends it.")
    try:
        for files in changes(ROOT, on.settings, since):
            typer.echo(f"Changed: {', '.join(file.name for file in files)}")
            subprocess.run(again, check=False)  # noqa: S603  our own command line
    except KeyboardInterrupt:
        end_line(sys.stdout)
        typer.echo("No longer watching.")
