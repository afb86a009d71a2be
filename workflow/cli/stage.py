"""`python deploy.py outputs`, `status` and `destroy`: a published stage, and its deletion."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from botocore.exceptions import ClientError

from workflow.cli.options import StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    NOTHING_CHANGED,
    Activity,
    Output,
    approved,
    console_for,
    exit_unchanged,
    on_interrupt,
    print_json,
    show_warnings,
    tell,
)
from workflow.errors import PublishError

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.destroying import Destruction
    from workflow.publish.kept_data import Generation

__all__ = ["destroy", "outputs", "status"]


@takes_options
def outputs(*, on: StageOptions) -> None:
    """Show the outputs of a published stage, and links to the AWS console."""
    account, stage = on.reach()
    from workflow.cli.show import show_outputs
    from workflow.publish.outputs import links

    stack = account.stacks.find(stage.stack_name)
    # A stack without outputs is one whose first publish has not finished, or failed.
    if stack is None or not stack.outputs:
        raise _not_published(account, stage.name)
    pages = links(account, stack.outputs)
    if on.output is Output.JSON:
        from workflow.cli.shapes import OutputsResult

        print_json(OutputsResult(stage=stage.name, outputs=dict(stack.outputs), links=pages))
    else:
        show_outputs(console_for(on.output), stack.outputs, pages)


@takes_options
def status(
    *,
    drift: Annotated[
        bool, typer.Option(help="Detect drift from the template. This can take some minutes.")
    ] = True,
    on: StageOptions,
) -> None:
    """Show the status of a stage: versions, what failed and what to do next, drift and publishes."""
    account, stage = on.reach()
    from workflow.cli.show import show_status
    from workflow.cli.show_attention import show_attention
    from workflow.operations.attention import read_attention
    from workflow.operations.stage_resources import NotPublishedError
    from workflow.publish.status import status as find_status

    console = console_for(on.output)
    with Activity(console).running() as activity:
        activity.step("Detecting drift" if drift else "Reading the status")
        found = find_status(account, stage, drift=drift)
        if found is None:
            raise _not_published(account, stage.name)
        session = on.session()
        # A first publish that has not finished, or failed, has no ledger yet.
        attention = None
        with suppress(NotPublishedError):
            attention = read_attention(on.resources(session), session)
    if on.output is Output.JSON:
        from workflow.cli.shapes import StatusResult

        print_json(StatusResult.of(found, attention))
        return
    show_status(console, found)
    if attention is not None:
        show_attention(console, attention)
        for problem in attention.problems:
            tell(f"warning: {problem}", err=True)


@takes_options
def destroy(
    *,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Also delete the ledger and the reviews.")
    ] = False,
    stop_running: Annotated[
        bool, typer.Option("--stop-running", help="Stop executions that are running, without asking.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until running executions have ended; then delete.")
    ] = False,
    yes: Yes = False,
    on: StageOptions,
) -> None:
    """Delete a stage. The ledger and the reviews stay in the account unless you pass --delete-data."""
    if stop_running and wait:
        raise typer.BadParameter("does not go with --stop-running", param_hint="--wait")
    account, stage = on.reach(writes=True)
    from workflow.cli.show import StackActivity, interrupted_message, show_destruction, where
    from workflow.publish import destroying
    from workflow.publish.locks import held

    console = console_for(on.output)
    interrupted = [NOTHING_CHANGED]
    with (
        on_interrupt(lambda: interrupted[-1]),
        held(account, stage, "destroy", needs_bucket=False) as lock,
    ):
        destruction = destroying.destruction(account, stage, delete_data=delete_data)
        if destruction:
            show_warnings([lock.taken_over] if lock.taken_over else [])
            show_destruction(console, destruction, where=where(account))
        if destruction and (destruction.stack_id or delete_data):
            question = _destroy_question(destruction, yes=yes, stop_running=stop_running, wait=wait)
            with lock.doing("asks"):
                if not yes and not approved(console, question):
                    exit_unchanged()
            lock.take()
            stopped = "" if wait else "; executions may have been stopped"
            interrupted.append(f"nothing was deleted, and stage {stage.name} works{stopped}")
            with StackActivity(console).running() as activity:
                destroying.destroy(
                    account,
                    stage,
                    destruction,
                    activity,
                    wait=wait,
                    on_deletion=lambda: interrupted.append(interrupted_message(stage.name)),
                )
    if destruction is None:
        if on.output is Output.JSON:
            from workflow.cli.shapes import DestroyResult

            print_json(DestroyResult.nothing(stage.stack_name, deletes_data=delete_data))
        else:
            tell(f"{stage.stack_name} ({where(account)}) does not exist: nothing to delete")
        return
    if on.output is Output.JSON:
        from workflow.cli.shapes import DestroyResult

        print_json(DestroyResult.of(destruction))
        return
    kept = [] if delete_data else [one.name for one in destruction.kept]
    if destruction.stack_id is None:
        if delete_data:
            tell(f"The data that {destruction.stack} kept was deleted.")
        else:
            tell("Nothing was changed: to delete this data, pass --delete-data; a publish can adopt it")
        return
    tell(f"{destruction.stack} was deleted." + (f" Kept in the account: {', '.join(kept)}" if kept else ""))


def _destroy_question(destruction: Destruction, *, yes: bool, stop_running: bool, wait: bool) -> str:
    """What is asked before a stage is destroyed.

    Raises:
        PublishError: with `yes`, executions run, and no option says what to do with them.
    """
    if destruction.stack_id is None:
        return f"Delete the data that {destruction.stack} kept?"
    running = f"{destruction.running:,} running execution" + ("" if destruction.running == 1 else "s")
    if destruction.running and yes and not (stop_running or wait):
        raise PublishError(
            f"{running}: to stop what runs, pass --stop-running; to wait until it has ended, pass --wait"
        )
    data = " with its data" if destruction.deletes_data and destruction.kept else ""
    end = f"Wait for {running}, then delete" if wait else f"Stop {running}, and delete"
    return f"{end if destruction.running else 'Delete'} {destruction.stack}{data}?"


def _not_published(account: Account, stage: str) -> PublishError:
    from workflow.publish.kept_data import kept_data

    problem = f"stage {stage} is not published: run `python deploy.py publish --stage {stage}`"
    found: Sequence[Generation] = ()
    with suppress(ClientError):  # Who may only read the stack is not told about the data.
        found = kept_data(account, stage)
    if found:
        kept = "; ".join(one.text for one in found)
        problem += f", which can adopt what an earlier stack kept: {kept}; `destroy --delete-data` deletes it"
    return PublishError(problem)
