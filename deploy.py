"""The command line: publishes the workflow, and shows and tends what is published.

python deploy.py            publishes the stage dev; the same as `python deploy.py publish`
python deploy.py local      the whole of it on this machine, with no AWS account
python deploy.py --help     all commands

Exit status: 0 when it is done, 1 for an error, told in one line on standard error. `plan` exits with 0 when
there is nothing to change, and with 2 when there is.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from workflow.cli.options import SETTINGS, As, Output, Profile, Region, Settings, StageName
from workflow.errors import AccountError, AfterloopError, PublishError, WorkflowError

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.cli.show import Shown
    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.plan import Plan
    from workflow.publish.watching import Snapshot
    from workflow.stack.stages import Stage

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent

ELSEWHERE = {
    "loops": ("workflow.cli.loops", "loops", "List, show, start, restart and stop human loops."),
    "report": ("workflow.cli.report", "app", "Make a report of reviews as one HTML file."),
    "manifest": (
        "workflow.cli.manifest",
        "app",
        "Export reviewed items for retraining the model.",
    ),
    "smoke": ("workflow.cli.smoke", "app", "Try a published stage with one event of each status."),
}
"""Commands whose module is imported only when they are asked for: `plan` should not load what draws charts."""

app = typer.Typer(
    help="Publishes the workflow, and shows and tends what is published.",
    epilog="Without a command, `publish` runs.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

NOTHING_CHANGED = "nothing was changed"


class _Interrupted(Exception):
    """Ctrl-C, where it is known what that leaves behind: the text says so."""


@app.command()
def publish(
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
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
    output: As = Output.TEXT,
) -> None:
    """Publish a stage: show what changes, ask, do it, show where to look."""
    account, settled = _reach(stage, profile, region, settings)
    if (swap or watch) and settled.protected:
        raise PublishError(f"stage {stage} is protected: no hot swap; publish it with `python deploy.py`")
    from workflow.cli.show import Shown
    from workflow.publish.publishing import publish as do_publish
    from workflow.publish.watching import snapshot

    # Before anything is read: a file that changes during the publish is seen, too.
    files = snapshot(ROOT, settings) if watch else {}
    console = _console(output)
    shown = Shown(console)
    confirmation = _Confirmation(console, shown, account, stage, yes, allow_data_loss)
    confirmation.look = f"look at `python deploy.py plan --stage {stage}`"
    with shown.running(), _leaving(confirmation):
        shown.step("Building definition, template and functions")
        package = _package(account, settled)
        swaps = None
        if swap:
            confirmation.leaves = f"`python deploy.py plan --stage {stage}` tells if a swap was cut short"
            swaps = _swap(account, settled, package, shown)
            confirmation.leaves = NOTHING_CHANGED
        if swaps is None:
            published = do_publish(account, settled, package, confirm=confirmation, progress=shown)
    if swaps is None:
        _tell_outcome(console, account, settled, published, output)
    else:
        _tell_swaps(console, swaps, output)
    if watch:
        _watch(files, stage, profile, region, settings)


@app.command()
def plan(
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Show what `publish` would change, and change nothing. Exits with 2 when there is something."""
    account, settled = _reach(stage, profile, region, settings)
    from workflow.cli.show import Shown, show_plan
    from workflow.publish.publishing import plan_for

    console = _console(output)
    with (shown := Shown(console)).running():
        shown.step("Working out the changes")
        found = plan_for(account, settled, _package(account, settled))
    if output is Output.JSON:
        _print_json({"stage": stage, **found.as_json()})
    else:
        show_plan(console, found, where=_where(account))
    if not found.is_empty:
        raise typer.Exit(2)


@app.command()
def rollback(
    stage: StageName = "dev",
    to: Annotated[
        int | None, typer.Option(help="Number of the publish to go back to, as `status` shows it.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    yes: Yes = False,
    allow_data_loss: Annotated[bool, typer.Option(help="With --yes: also where data would be lost.")] = False,
    output: As = Output.TEXT,
) -> None:
    """Go back to the publish before the last: new executions at once, then the whole stack."""
    account, settled = _reach(stage, profile, region, settings)
    from workflow.cli.show import Shown
    from workflow.publish.history import history, to_go_back_to
    from workflow.publish.rollback import roll_back

    console = _console(output)
    shown = Shown(console)
    confirmation = _Confirmation(console, shown, account, stage, yes, allow_data_loss)
    with shown.running(), _leaving(confirmation):
        shown.step("Looking up earlier publishes")
        published = roll_back(
            account,
            settled,
            to_go_back_to(history(account, stage), to),
            confirm=confirmation,
            progress=shown,
        )
    _tell_outcome(console, account, settled, published, output)


@app.command()
def outputs(
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Show what a published stage offers, and where to look at it."""
    account, settled = _reach(stage, profile, region, settings)
    from workflow.cli.show import show_outputs
    from workflow.publish.outputs import links

    stack = account.stack(settled.stack_name)
    if stack is None or not stack.outputs:
        raise PublishError(_not_published(stage))
    if output is Output.JSON:
        _print_json({"stage": stage, "outputs": dict(stack.outputs), "links": links(account, stack.outputs)})
    else:
        show_outputs(_console(output), stack.outputs, links(account, stack.outputs))


@app.command()
def status(
    stage: StageName = "dev",
    drift: Annotated[
        bool, typer.Option(help="Look for changes made by other hands, which takes a while.")
    ] = True,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Show how a stage is: what is live, what runs, what failed, what drifted, what was published."""
    account, settled = _reach(stage, profile, region, settings)
    from workflow.cli.show import Shown, show_status
    from workflow.publish.status import status as look

    console = _console(output)
    with (shown := Shown(console)).running():
        shown.step("Looking for drift" if drift else "Looking")
        found = look(account, settled, drift=drift)
    if found is None:
        raise PublishError(_not_published(stage))
    if output is Output.JSON:
        _print_json(found.as_json())
    else:
        show_status(console, found)


@app.command()
def destroy(
    stage: StageName = "dev",
    delete_data: Annotated[bool, typer.Option(help="Delete the ledger and the reviews too.")] = False,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    yes: Yes = False,
    output: As = Output.TEXT,
) -> None:
    """Take a stage away. Ledger and reviews stay in the account, unless told otherwise."""
    account, settled = _reach(stage, profile, region, settings)
    from workflow.cli.show import Shown, show_destruction
    from workflow.publish.destroying import destroy as do_destroy
    from workflow.publish.destroying import destruction

    console = _console(output)
    shown = Shown(console)
    doomed = destruction(account, settled, delete_data=delete_data)
    if doomed is None:
        _tell(
            console,
            output,
            f"{settled.stack_name} ({_where(account)}): there is no such stage; nothing to do",
            {},
        )
        return
    show_destruction(console, doomed, where=_where(account))
    data = " with its data" if delete_data and doomed.kept else ""
    if not yes and not _asked(console, f"Delete {doomed.stack}{data}?"):
        _nothing_changed(console)
    with shown.running(), _leaving(_Begun(stage)):
        do_destroy(account, settled, doomed, shown)
    kept = [] if delete_data else [one.name for one in doomed.kept]
    text = f"{doomed.stack} is deleted." + (f" Kept in the account: {', '.join(kept)}" if kept else "")
    _tell(console, output, text, {"destroyed": True, **doomed.as_json()})


@app.command()
def local(
    once: Annotated[
        bool, typer.Option(help="End when all sample loops have ended, with 0 if all did as they should.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="TCP port of the local engine; a free one by default."),
    ] = None,
    report: Annotated[Path, typer.Option(help="Where to write the report of the reviews.")] = Path(
        "report.html"
    ),
) -> None:
    """Run the whole of it on this machine, with no AWS account."""
    if not report.absolute().parent.is_dir():
        raise AfterloopError(
            f"cannot write {report}: there is no such folder; name another file with --report"
        )
    from sandbox.local import run

    try:
        succeeded = run(console=_console(Output.TEXT), port=port, once=once, report=report)
    except KeyboardInterrupt:
        raise _Interrupted("the local engine is stopped, and what was in it is gone") from None
    if not succeeded:
        raise typer.Exit(1)


@app.command()
def render(
    check: Annotated[bool, typer.Option(help="Write nothing; exit with 1 if something differs.")] = False,
) -> None:
    """Render the definition, the template and the graph into definitions/."""
    from workflow.stack.assembly import assemble
    from workflow.stack.rendered import differing, render_files, write_files

    files = render_files(assemble())
    changed = differing(files) if check else write_files(files)
    if check and changed:
        raise PublishError(
            f"definitions/ is not what the Python says ({', '.join(changed)}): python deploy.py render"
        )
    typer.echo(f"definitions/: {', '.join(changed) if changed else 'nothing to change'}")


@app.command()
def init(
    stage: Annotated[str, typer.Option("--stage", "-s", help="Name of the stage to write.")] = "dev",
    profile: Profile = None,
    region: Region = None,
    bucket: Annotated[list[str] | None, typer.Option(help="An output bucket; may be repeated.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="Is told of escalations; may be repeated.")] = None,
    settings: Settings = SETTINGS,
) -> None:
    """Ask what a stage needs, and write its settings."""
    from workflow.publish.initialising import add_stage, replaceable
    from workflow.stack.stages import checked_stage

    # What can be known before the first question is told before it.
    given = {"output_buckets": bucket or ["any"], "escalation_emails": email or []}
    checked_stage(settings.name, stage, {"region": region or "us-east-1", **given})
    there = replaceable(settings, stage, ask=sys.stdin.isatty())
    if there:
        buckets = ", ".join(there.output_buckets)
        typer.echo(f"{settings.name} has a stage {stage} already: {there.region}, output in {buckets}.")
        if not _question(typer.confirm, "Replace it, with all that it says?"):
            _nothing_changed()
    answers: dict[str, Any] = {
        "region": region or _answer("Region of your flow definitions", _default_region(profile))
    }
    checked_stage(settings.name, stage, {**answers, "output_buckets": ["any"]})
    found = [] if bucket else _flow_definitions(profile, answers["region"])
    if found:
        names = _answers("Only events of these of them (empty for all)", [])
        known = {flow["name"]: flow for flow in found}
        if unknown := [name for name in names if name not in known]:
            raise PublishError(f"there is no flow definition {unknown[0]!r} there, but {', '.join(known)}")
        answers["flow_definitions"] = names
        found = [known[name] for name in names] or found
    answers["output_buckets"] = bucket or _answers("Buckets that they write to", _buckets(found))
    if email is None:
        email = _answers("E-mail addresses to tell of escalations (empty for none)", [])
    answers["escalation_emails"] = email
    made = checked_stage(settings.name, stage, answers)
    add_stage(settings, made, replace=there is not None)
    typer.echo(
        f"{settings.name} has the stage {stage} now. What it would make: python deploy.py plan --stage {stage}"
    )


# What the commands share


def _reach(name: str, profile: str | None, region: str | None, settings: Path) -> tuple[Account, Stage]:
    """The account and the settings of a stage."""
    from workflow.publish.account import Account
    from workflow.stack.stages import load_stage

    stage = load_stage(settings, name, **({"region": region} if region else {}))
    account = Account.at(profile=profile, region=stage.region)
    if stage.account and account.id != stage.account:
        raise AccountError(
            f"these credentials are of account {account.id}, and stage {name} is of {stage.account}: give --profile"
        )
    return account, stage


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


def _where(account: Account) -> str:
    return f"account {account.id}, {account.region}" + ("" if account.is_aws else ", a local engine")


def _not_published(stage: str) -> str:
    return f"stage {stage} is not published: python deploy.py publish --stage {stage}"


def _console(output: Output) -> Console:
    from rich.console import Console

    return Console(quiet=output is Output.JSON)


class _Begun:
    """What Ctrl-C leaves behind when a stack operation has begun.

    Args:
        stage: the stage's name.
    """

    def __init__(self, stage: str) -> None:
        self.leaves = f"what CloudFormation has begun goes on; see `python deploy.py status --stage {stage}`"


@dataclass
class _Confirmation:
    """Shows a plan and asks whether to go on. Knows what Ctrl-C leaves behind."""

    console: Console
    shown: Shown
    account: Account
    stage: str
    yes: bool
    allow_data_loss: bool
    look: str | None = None
    """What shows the plan, if this command need not be run for it."""
    leaves: str = NOTHING_CHANGED

    def __call__(self, found: Plan) -> bool:
        from workflow.cli.show import show_plan

        with self.shown.paused():
            show_plan(self.console, found, where=_where(self.account))
            agreed = self._agreed(found)
        if agreed:
            self.leaves = _Begun(self.stage).leaves
        return agreed

    def _agreed(self, found: Plan) -> bool:
        lost = ", ".join(change.id for change in found.losses)
        if self.yes:
            if lost and not self.allow_data_loss:
                raise PublishError(
                    f"the data of {lost} would be lost; if that is meant, add --allow-data-loss"
                )
            return True
        agreed = _asked(self.console, "Publish this?", self.look)
        if agreed and found.grave:
            grave = ", ".join(change.id for change in found.grave)
            warning = f", with all that {lost} holds" if lost else ""
            agreed = _asked(self.console, f"This replaces or deletes {grave}{warning}. Really?", self.look)
        return agreed


@contextmanager
def _leaving(what: _Begun | _Confirmation) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise _Interrupted(what.leaves) from None


def _asked(console: Console, question: str, look: str | None = None) -> bool:
    if console.quiet or not sys.stdin.isatty():
        if look is None:
            hidden = "see without --output json what would be done"
            look = hidden if console.quiet else "see above what would be done"
        raise PublishError(f"there is nobody to ask: {look}, then add --yes")
    return bool(_question(typer.confirm, question))


def _question(ask: Callable[..., Any], question: str, **how: Any) -> Any:
    """A person's answer. At every question nothing has been begun."""
    try:
        return ask(question, **how)
    except typer.Abort:
        raise _Interrupted(NOTHING_CHANGED) from None


def _nothing_changed(console: Console | None = None) -> NoReturn:
    if console is None or not console.quiet:
        typer.echo("Nothing was changed.")
    raise typer.Exit(1)


def _tell_outcome(console: Console, account: Account, stage: Stage, published: Any, output: Output) -> None:
    from workflow.cli.show import say, show_outputs
    from workflow.publish.outputs import links

    if published is None:
        _nothing_changed(console)
    pages = links(account, published.outputs)
    if output is Output.JSON:
        _print_json(
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
    say(console, f"[bold]{published.stack}[/] ({_where(account)}) {said}.\n")
    show_outputs(console, published.outputs, pages)
    say(console, f"\nHow it is: python deploy.py status --stage {stage.name}")


def _tell(console: Console, output: Output, text: str, data: dict[str, Any]) -> None:
    if output is Output.JSON:
        _print_json(data)
    else:
        from rich.markup import escape

        from workflow.cli.show import say

        say(console, escape(text))


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


# Hot swap


def _swap(account: Account, stage: Stage, package: Package, shown: Shown) -> list[str] | None:
    from workflow.publish.swapping import swap

    shown.step("Swapping")
    stack = account.stack(stage.stack_name)
    return swap(account, stage, stack, package) if stack and stack.outputs else None


def _tell_swaps(console: Console, swaps: Sequence[str], output: Output) -> None:
    text = f"Swapped: {', '.join(swaps)}" if swaps else "Nothing to swap"
    _tell(console, output, text, {"swapped": list(swaps)})


def _watch(since: Snapshot, stage: str, profile: str | None, region: str | None, settings: Path) -> None:
    """Swaps in a process of its own each time: only a new one sees what changed in the workflow's modules."""
    from workflow.publish.watching import changes

    again = [sys.executable, str(Path(__file__).resolve()), "publish", "--swap", "--yes"]
    again += ["--stage", stage, "--settings", str(settings)]
    again += [*(["--profile", profile] if profile else []), *(["--region", region] if region else [])]
    typer.echo("Watching for changes; Ctrl-C ends it.")
    try:
        for files in changes(ROOT, settings, since):
            typer.echo(f"Changed: {', '.join(file.name for file in files)}")
            subprocess.run(again, check=False)  # noqa: S603  our own command line
    except KeyboardInterrupt:
        _end_line(sys.stdout)
        typer.echo("No longer watching.")


# Questions of init


def _default_region(profile: str | None) -> str:
    import boto3
    from botocore.exceptions import ProfileNotFound

    from workflow.publish.aws_errors import explained

    try:
        return boto3.Session(profile_name=profile).region_name or "us-east-1"
    except ProfileNotFound as error:
        raise explained(error) or error from None


def _flow_definitions(profile: str | None, region: str) -> list[dict[str, str]]:
    """What the account has; nothing where it cannot be reached: the person is asked then."""
    from botocore.exceptions import BotoCoreError

    from workflow.publish.account import Account

    try:
        found = Account.at(profile=profile, region=region).flow_definitions()
    except (AccountError, BotoCoreError) as error:
        typer.echo(f"(The account's flow definitions are not known here: {error})", err=True)
        return []
    for flow in found:
        typer.echo(f"  found {flow['name']}, which writes to {flow['output']}")
    return found


def _buckets(found: list[dict[str, str]]) -> list[str]:
    from workflow.publish.initialising import buckets_of

    return buckets_of(found)


def _answer(question: str, default: str) -> str:
    if not sys.stdin.isatty():
        raise PublishError("there is nobody to ask: give --region, --bucket and --email")
    return str(_question(typer.prompt, question, default=default))


def _answers(question: str, default: list[str]) -> list[str]:
    text = _answer(f"{question}, separated by spaces", " ".join(default))
    return text.replace(",", " ").split()


# The program


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, and ends the process with its exit status."""
    given = _with_default_command(list(sys.argv[1:] if arguments is None else arguments))
    with _one_line_errors():
        command: Any = typer.main.get_command(app)
        for name, (module, attribute, told) in ELSEWHERE.items():
            if given[0] == name and _is_there(module):
                command.add_command(
                    typer.main.get_command(getattr(importlib.import_module(module), attribute)), name
                )
            elif _is_there(module):
                command.add_command(_placeholder(name, told), name)
        status = command.main(given, prog_name="python deploy.py", standalone_mode=False) or 0
        if status == INTERRUPTED:
            raise KeyboardInterrupt  # Typer has made a status of it.
        sys.exit(status)


def _with_default_command(arguments: list[str]) -> list[str]:
    if arguments and (not arguments[0].startswith("-") or arguments[0] == "--help"):
        return arguments
    return ["publish", *arguments]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _placeholder(name: str, told: str) -> Any:
    """Stands in the list of commands for one that is not imported."""
    stand_in = typer.Typer(add_completion=False)
    stand_in.command(name, help=told)(lambda: None)
    return typer.main.get_command(stand_in)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (AfterloopError, typer.TyperException) as error:
        _fail(*_lines(error))
    except _Interrupted as error:
        _fail_interrupted(f"interrupted: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _fail_interrupted("interrupted")
    except Exception as error:
        from workflow.publish.aws_errors import explained

        if known := explained(error):
            _fail(str(known))
        raise


def _lines(error: AfterloopError | typer.TyperException) -> list[str]:
    """One line, but of a workflow one for each thing that is wrong with it."""
    if isinstance(error, typer.TyperException):
        message = re.sub(r": (Value error, |Input (?=should ))", ": ", error.format_message())
        return [re.sub(r"should be a valid integer\b.*", "should be a whole number", message)]
    return str(error).splitlines() if isinstance(error, WorkflowError) else [str(error)]


def _fail_interrupted(message: str) -> NoReturn:
    _end_line(sys.stderr)
    _fail(message, exit_status=INTERRUPTED)


def _end_line(stream: TextIO) -> None:
    """On a terminal Ctrl-C stands as ^C in the line: what follows begins a new one."""
    if stream.isatty():
        typer.echo(file=stream)


def _fail(*messages: str, exit_status: int = 1) -> NoReturn:
    for message in messages:
        typer.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(exit_status)


if __name__ == "__main__":
    main()
