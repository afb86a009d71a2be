"""`python deploy.py publish`, `plan` and `rollback`: the changes are shown, confirmed and made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from lambdas.loops.visible import quoted
from workflow import ROOT
from workflow.cli.kept_data import DataChoice, KeptData
from workflow.cli.options import Sample, StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    NOTHING_CHANGED,
    Output,
    approved,
    console_for,
    exit_unchanged,
    on_interrupt,
    print_json,
    say,
    show_warnings,
    shown,
    tell,
)
from workflow.errors import PublishError

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.cli.show import StackActivity
    from workflow.publish.account import Account
    from workflow.publish.history import Record
    from workflow.publish.package import Package
    from workflow.publish.plan import Plan, ResourceChange
    from workflow.publish.publishing import Published
    from workflow.stack.stages import Stage

__all__ = ["Confirmation", "plan", "publish", "rollback"]

AllowDataLoss = Annotated[
    bool, typer.Option("--allow-data-loss", help="With --yes: continue even if data is lost.")
]

Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        help="Accept something that the plan marks, by its name, such as 'Notify: iam:*'. Repeat it for others.",
    ),
]

Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Also create again what was deleted outside of CloudFormation, and set back what was changed there.",
    ),
]


@takes_options
def publish(
    *,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    accept: Accept = None,
    repair: Repair = False,
    no_rollback: Annotated[
        bool,
        typer.Option(
            "--no-rollback",
            help="If the publish fails, keep what it created and changed, to look at it. The next one rolls it back.",
        ),
    ] = False,
    swap: Annotated[
        bool,
        typer.Option(
            "--swap", help="Update code and definition without CloudFormation, if nothing else changed."
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Publish, swap whenever a file changes, and show executions that start, until Ctrl-C.",
        ),
    ] = False,
    data: KeptData = None,
    sample: Annotated[
        Sample | None,
        typer.Option(
            "--sample", help="With --watch: run the workflow with a sample event after each change."
        ),
    ] = None,
    on: StageOptions,
) -> None:
    """Publish a stage. The changes are shown before you confirm them."""
    if watch and on.output is Output.JSON:
        raise typer.BadParameter("does not support --output json", param_hint="--watch")
    if sample and not watch:
        raise typer.BadParameter("needs --watch", param_hint="--sample")
    if swap and no_rollback:
        raise typer.BadParameter(
            "is not possible with --swap, which does without CloudFormation", param_hint="--no-rollback"
        )
    if swap and repair:
        raise typer.BadParameter(
            "is not possible with --swap, which does without CloudFormation", param_hint="--repair"
        )
    account, stage = on.reach(writes=True)
    if (swap or watch) and stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: a hot swap is not allowed; run "
            f"`python deploy.py publish --stage {stage.name}`"
        )
    from workflow.cli.show import StackActivity
    from workflow.publish import publishing
    from workflow.publish.watching import snapshot

    # Taken before anything is read, so that a change during the publish is swapped afterwards.
    files = snapshot(ROOT, on.settings) if watch else {}
    activity = StackActivity(console_for(on.output))
    hint = f"run `python deploy.py plan --stage {stage.name}` to see the changes"
    confirmation = Confirmation(activity, account, stage.name, yes, allow_data_loss, accept or (), hint)
    with activity.running(), on_interrupt(lambda: confirmation.if_interrupted):
        activity.step("Building the definition, the template and the functions")
        package = _package(account, stage)
        # None: a hot swap is not asked for, or not possible, so CloudFormation makes the changes.
        swapped = _swap(account, stage, package, activity, confirmation) if swap else None
        if swapped is None:
            published = publishing.publish(
                account,
                stage,
                package,
                confirm=confirmation,
                progress=activity,
                repair=repair,
                choose=None if yes and data is None else DataChoice(activity, stage.name, data),
                keeps_failed=no_rollback,
            )
    if swapped is None:
        if published and published.plan and not published.changed:  # There was nothing to confirm.
            confirmation.warn_of_unknown_names(published.plan)
        _print_outcome(activity.console, account, stage, published, on.output)
    else:
        _print_swapped(account, stage, package, *swapped, on.output)
    if watch:
        from workflow.cli.publish_watch import swap_changes

        swap_changes(files, on, account, stage, accepted=accept or (), sample=sample)


@takes_options
def plan(*, repair: Repair = False, on: StageOptions) -> None:
    """Show what `publish` would change, and change nothing. The exit status is 2 if there are changes."""
    account, stage = on.reach(writes=True)
    from workflow.cli.show import StackActivity, show_plan, where
    from workflow.publish.publishing import plan_for

    console = console_for(on.output)
    with StackActivity(console).running() as activity:
        activity.step("Comparing with the published stage")
        found = plan_for(account, stage, _package(account, stage), repair=repair)
    if on.output is Output.JSON:
        from workflow.cli.shapes import PlanResult

        print_json(PlanResult.of(found, stage=stage.name))
    else:
        show_plan(console, found, where=where(account))
    if not found.is_empty:
        raise typer.Exit(2)


@takes_options
def rollback(
    *,
    to: Annotated[
        int | None,
        typer.Option(
            help="Number of the publish to go back to, as `status` shows it. The default is the previous one."
        ),
    ] = None,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    accept: Accept = None,
    on: StageOptions,
) -> None:
    """Roll back to an earlier publish: first new executions, then the whole stack."""
    account, stage = on.reach(writes=True)
    from workflow.cli.show import StackActivity
    from workflow.publish.live_publish import publish_in_words, smoke_in_words
    from workflow.publish.locks import held
    from workflow.publish.rollback import choose, roll_back

    activity = StackActivity(console_for(on.output))
    confirmation = Confirmation(activity, account, stage.name, yes, allow_data_loss, accept or ())
    with activity.running(), on_interrupt(lambda: confirmation.if_interrupted):
        activity.step("Reading earlier publishes")
        choose(account, stage, to)  # What is refused must not take the lock of a publish that asks.
        # From here on: what was published last must not change until it is left.
        with held(account, stage, "rollback", f"to publish {to}" if to else "", needs_bucket=False):
            record = choose(account, stage, to)
            confirmation.about = f"Back to {publish_in_words(record)}, {smoke_in_words(record.smoke)}."
            published = roll_back(account, stage, record, confirm=confirmation, progress=activity)
    _print_outcome(activity.console, account, stage, published, on.output, restores=record)


@dataclass
class Confirmation:
    """Shows a plan and asks whether to continue.

    Attributes:
        activity: Where to show the plan. It is paused for the question.
        account: The account of the stage.
        stage: The stage's name.
        yes: Whether to continue without asking.
        allow_data_loss: With `yes`: whether to continue even if data is lost.
        accepted: The names of risks that are accepted.
        hint: How to see the plan without this command.
        about: What is published, in a sentence; empty if it is what the user has.
        if_interrupted: What Ctrl-C reports; it changes once the plan is confirmed.
    """

    activity: StackActivity
    account: Account
    stage: str
    yes: bool = False
    allow_data_loss: bool = False
    accepted: Sequence[str] = ()
    hint: str | None = None
    about: str = ""
    if_interrupted: str = NOTHING_CHANGED

    def __call__(self, found: Plan) -> bool:
        """Whether to make the changes of a plan. It is called again if the stage changes before they are made.

        Raises:
            PublishError: Standard input is not a terminal; or, with `yes`, data would be lost and `allow_data_loss` is
                not set, a risk is not accepted, or the plan changed after it was shown.
        """
        from workflow.cli.show import interrupted_message, show_plan, where
        from workflow.publish.plan import RemadePlan

        self.if_interrupted = NOTHING_CHANGED
        with self.activity.paused():
            if isinstance(found, RemadePlan):
                say(
                    self.activity.console,
                    "The stage has changed since this plan was made. It is made again:\n",
                )
            if self.about:
                say(self.activity.console, shown(self.about))
            show_plan(self.activity.console, found, where=where(self.account))
            self.warn_of_unknown_names(found)
            if self.yes and isinstance(found, RemadePlan) and not found.is_same:
                raise PublishError(
                    f"somebody else changed stage {self.stage} after the plan was made, so the plan is another one "
                    "now: nothing was changed; check the plan, and run the command again"
                )
            if not self._approved(found):
                return False
        # From here on, CloudFormation works on its own: Ctrl-C ends this process, but not the operation.
        self.if_interrupted = interrupted_message(self.stage)
        return True

    def warn_of_unknown_names(self, found: Plan) -> None:
        """Warns of accepted names that the plan does not have: a later change would find the option, and use it."""
        from workflow.asl.checks.problem import hint

        known = [risk.name for risk in found.risks]
        for name in self.accepted:
            if name not in known:
                tell(f"warning: --accept {quoted(name)} is not in the plan{hint(name, known)}", err=True)

    def _approved(self, found: Plan) -> bool:
        lost = ", ".join(change.id for change in found.data_losses)
        risks = [risk for risk in found.risks if risk.name not in self.accepted]
        if self.yes:
            # A pipeline that passes --yes every time must not lose data, or open the account, without saying so.
            if lost and not self.allow_data_loss:
                raise PublishError(f"{_loss(found.data_losses)}: to continue, pass --allow-data-loss")
            if risks:
                options = " ".join(f"--accept {quoted(risk.name)}" for risk in risks)
                raise PublishError(f"--yes does not accept what the plan marks: to continue, pass {options}")
            return True
        console = self.activity.console
        if not approved(console, "Publish these changes?", self.hint):
            return False
        for risk in risks:
            if not approved(console, f"{risk.name}: {risk.reason}. Accept it?", self.hint):
                return False
        if not found.destructive_changes:
            return True
        replaced = ", ".join(one.id for one in found.destructive_changes if one.action != "create again")
        replacement = f"This replaces or deletes {replaced}. " if replaced else ""
        loss = _loss(found.data_losses)
        warning = f"{loss[0].upper()}{loss[1:]}. " if loss else ""
        return approved(console, f"{replacement}{warning}Continue?", self.hint)


def _loss(losses: Sequence[ResourceChange]) -> str:
    """The data that is lost, and what is empty because somebody deleted it."""
    lost = ", ".join(one.id for one in losses if one.action != "create again")
    empty = ", ".join(one.id for one in losses if one.action == "create again")
    return "; ".join(
        filter(
            None,
            (
                lost and f"the data in {lost} would be lost",
                empty
                and f"{empty} would be created again without data, unless you restore it first "
                "(docs/how-to/stages.md)",
            ),
        )
    )


def _package(account: Account, stage: Stage) -> Package:
    from workflow.publish.package import make_package
    from workflow.stack.assembly import assemble
    from workflow.stack.bundles import aws, local

    return make_package(
        stage,
        assemble(),
        # AWS needs wheels for Lambda's Linux; the local engine runs functions with this machine's Python.
        aws() if account.is_aws else local(),
        account=account.id,
        artifact_bucket=account.artifact_bucket,
    )


def _print_outcome(
    console: Console,
    account: Account,
    stage: Stage,
    published: Published | None,
    output: Output,
    *,
    restores: Record | None = None,
) -> None:
    from workflow.cli.show import show_outputs, show_still_needed, where
    from workflow.publish.outputs import links

    if published is None:
        exit_unchanged()
    if output is Output.JSON:
        _print_json(account, stage, published, restores=restores)
        return
    if published.plan and not published.changed:  # There was nothing to confirm, so the plan was not shown.
        show_warnings(published.plan.warnings)
    outcome = "is published" if published.changed else "is up to date"
    say(console, f"[bold]{published.stack}[/] ({where(account)}) {outcome}.\n")
    show_outputs(console, published.outputs, links(account, published.outputs))
    show_still_needed(console, published.still_needed)
    if published.unconfirmed:
        addresses = shown(", ".join(published.unconfirmed))
        say(
            console,
            f"\n[bold]To be confirmed within 48 hours:[/] {addresses} got a link, and no messages before it is used.",
        )
    say(console, f"\nTo check its status: python deploy.py status --stage {stage.name}")


def _print_json(
    account: Account,
    stage: Stage,
    published: Published,
    swapped: Sequence[str] = (),
    *,
    warnings: Sequence[str] = (),
    restores: Record | None = None,
) -> None:
    from workflow.cli.shapes import PlanChanges, PublishRecord, PublishResult
    from workflow.publish.outputs import links

    print_json(
        PublishResult(
            stage=stage.name,
            stack=published.stack,
            changed=published.changed,
            version=published.version,
            outputs=dict(published.outputs),
            links=links(account, published.outputs),
            plan=PlanChanges.of(published.plan) if published.plan else None,
            restores=PublishRecord.model_validate(restores) if restores else None,
            swapped=list(swapped),
            still_needed=list(published.still_needed),
            unconfirmed=list(published.unconfirmed),
            warnings=list(published.plan.warnings if published.plan else warnings),
        )
    )


# Hot swap


def _swap(
    account: Account, stage: Stage, package: Package, activity: StackActivity, confirmation: Confirmation
) -> tuple[Published, Sequence[str]] | None:
    """The stage and what was swapped in it; None if there is no stage yet, or a swap cannot make the changes."""
    from workflow.publish.locks import held
    from workflow.publish.publishing import Published
    from workflow.publish.swapping import swap

    # A swap does not ask, and updates functions one by one: Ctrl-C can leave some of them updated.
    confirmation.if_interrupted = (
        f"the swap may be incomplete; check `python deploy.py plan --stage {stage.name}`"
    )
    activity.step("Swapping")
    with held(account, stage, "hot swap", needs_bucket=False) as lock:
        stack = account.stacks.find(stage.stack_name)
        if stack is None or not stack.outputs:
            return None
        lock.take()
        swapped = swap(account, stage, stack, package)
    confirmation.if_interrupted = NOTHING_CHANGED
    if swapped is None:
        return None
    warnings = [lock.taken_over] if lock.taken_over else []
    return Published(stack.name, changed=bool(swapped), outputs=stack.outputs, warnings=warnings), swapped


def _print_swapped(
    account: Account,
    stage: Stage,
    package: Package,
    published: Published,
    swapped: Sequence[str],
    output: Output,
) -> None:
    from workflow.publish.availability import unavailable

    warnings = [*package.warnings, *unavailable(account, package), *published.warnings]
    if output is Output.JSON:
        _print_json(account, stage, published, swapped, warnings=warnings)
        return
    show_warnings(warnings)
    tell(f"Swapped: {', '.join(swapped)}" if swapped else "Nothing to swap")
