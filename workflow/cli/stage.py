"""`python deploy.py outputs`, `status` and `destroy`: how a published stage is, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.options import StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    Activity,
    Output,
    agreed,
    console_for,
    leaving,
    nothing_changed,
    print_json,
    tell,
)
from workflow.errors import PublishError

__all__ = ["destroy", "outputs", "status"]


@takes_options
def outputs(*, on: StageOptions) -> None:
    """Show what a published stage offers, and where to look at it."""
    account, stage = on.reach()
    from workflow.cli.show import show_outputs
    from workflow.publish.outputs import links

    stack = account.stack(stage.stack_name)
    if stack is None or not stack.outputs:
        raise _not_published(stage.name)
    pages = links(account, stack.outputs)
    if on.output is Output.JSON:
        print_json({"stage": stage.name, "outputs": dict(stack.outputs), "links": pages})
    else:
        show_outputs(console_for(on.output), stack.outputs, pages)


@takes_options
def status(
    *,
    drift: Annotated[
        bool, typer.Option(help="Look for changes made by other hands, which takes a while.")
    ] = True,
    on: StageOptions,
) -> None:
    """Show how a stage is: what is live, what runs, what failed, what drifted, what was published."""
    account, stage = on.reach()
    from workflow.cli.show import show_status
    from workflow.publish.status import status as look

    console = console_for(on.output)
    with Activity(console).running() as activity:
        activity.step("Looking for drift" if drift else "Looking")
        found = look(account, stage, drift=drift)
    if found is None:
        raise _not_published(stage.name)
    if on.output is Output.JSON:
        print_json(found.as_json())
    else:
        show_status(console, found)


@takes_options
def destroy(
    *,
    delete_data: Annotated[bool, typer.Option(help="Delete the ledger and the reviews too.")] = False,
    yes: Yes = False,
    on: StageOptions,
) -> None:
    """Take a stage away. Ledger and reviews stay in the account, unless told otherwise."""
    account, stage = on.reach()
    from workflow.cli.show import StackActivity, begun, show_destruction, where
    from workflow.publish import destroying

    console = console_for(on.output)
    doomed = destroying.destruction(account, stage, delete_data=delete_data)
    if doomed is None:
        tell(on.output, {}, f"{stage.stack_name} ({where(account)}): there is no such stage; nothing to do")
        return
    show_destruction(console, doomed, where=where(account))
    data = " with its data" if delete_data and doomed.kept else ""
    if not yes and not agreed(console, f"Delete {doomed.stack}{data}?"):
        nothing_changed(console)
    with StackActivity(console).running() as activity, leaving(lambda: begun(stage.name)):
        destroying.destroy(account, stage, doomed, activity)
    kept = [] if delete_data else [one.name for one in doomed.kept]
    text = f"{doomed.stack} is deleted." + (f" Kept in the account: {', '.join(kept)}" if kept else "")
    tell(on.output, {"destroyed": True, **doomed.as_json()}, text)


def _not_published(stage: str) -> PublishError:
    return PublishError(f"stage {stage} is not published: python deploy.py publish --stage {stage}")
