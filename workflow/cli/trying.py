"""`python deploy.py try`: runs one step of the workflow alone, and shows what happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import Sample, StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    Output,
    approved,
    console_for,
    exit_unchanged,
    print_json,
    progress,
    say,
    show_warnings,
    shown,
    tell,
)
from workflow.errors import SettingsError

if TYPE_CHECKING:
    from workflow.asl.walk import Machine
    from workflow.operations.trials import Step, Target, Trial
    from workflow.publish.account import Account
    from workflow.stack.assembly import Assembly

__all__ = ["try_"]


MAX_LISTED = 3
"""How many errors of a retrier or catcher are listed. More are counted."""


@takes_options
def try_(
    *,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Name of the step.")],
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="The input of the step, as JSON; - reads standard input."
        ),
    ] = None,
    sample: Annotated[
        Sample | None,
        typer.Option(
            "--sample",
            help="Use a sample of the state of this branch as the input. The default is the branch of the step.",
        ),
    ] = None,
    loop: Annotated[
        str | None,
        typer.Option(
            "--loop",
            metavar="NAME",
            help="Use the state of the last execution of this human loop as the input.",
        ),
    ] = None,
    mock: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help='What the call gets, instead of being made: {"result": …}, or {"error": "Name", "cause": "text"}.',
        ),
    ] = None,
    yes: Yes = False,
    on: StageOptions,
) -> None:
    """Run one step alone, as the code describes it now: its output, the next state, what is retried or caught.

    Without --mock, the step really calls its service, with the role and the functions that the stage has published.
    The exit status is 1 if the step has an error, also one that is caught.
    """
    if sum(one is not None for one in (input_, sample, loop)) > 1:
        raise typer.BadParameter("specify only one of --input, --sample and --loop", param_hint="--input")
    from workflow.operations.trials import filled, find_step, read_input, read_mock, stage_target, try_state
    from workflow.operations.trials.running import client_of
    from workflow.publish.account import Account
    from workflow.stack.assembly import assemble

    given = None if input_ is None else read_input(input_)
    mocked = None if mock is None else read_mock(mock)
    assembly = assemble()
    found = find_step(assembly.definition, step, assembly.places)
    is_sample = input_ is None and loop is None
    found.expect_possible(mocked, has_input=not is_sample)
    account = Account(on.session())
    calls = mocked is None and found.state["Type"] == "Task"
    if calls and not yes:
        _confirm(found, on, account)
    with progress(f"Trying {step}"):
        target = stage_target(account, on.stage)
        state = filled(found, target, mocked=not calls)
        start, variables = _start(found, sample, loop, target, assembly.definition, on)
        warnings = [*assembly.warnings, *(_outdated(found, target, assembly, account) if calls else ())]
        trial = try_state(
            client_of(account),
            step,
            state,
            start if input_ is None else given,
            variables=variables,
            role=target.role,
            mock=mocked,
        )
    hint = _hint(trial, on.stage, is_sample=is_sample)
    if on.output is Output.JSON:
        from workflow.cli.shapes import TryResult

        where = {"step": step, "branch": found.branch, "place": found.place}
        print_json(TryResult(**where, **vars(trial), hint=hint, warnings=warnings))
    else:
        show_warnings(warnings)
        _show(found, trial, hint)
    if not trial.succeeded:
        raise typer.Exit(1)


def _start(
    step: Step, sample: Sample | None, loop: str | None, target: Target, definition: Machine, on: StageOptions
) -> tuple[Any, dict[str, Any]]:
    """The input of the step, unless there is a file, and the workflow variables."""
    from workflow.operations.sample import BUCKET, state, variables
    from workflow.operations.trials import real_state

    if loop is None:
        branch = sample.value if sample else step.branch
        return state(branch, target.values.get("ReviewBucket", BUCKET)), variables(branch)
    from workflow.operations.executions import read_execution
    from workflow.operations.loops import Loops

    session = on.session()
    _, execution = Loops(on.resources(session), session).processed(loop)
    return real_state(read_execution(session.client("stepfunctions"), execution), step, definition)


def _outdated(step: Step, target: Target, assembly: Assembly, account: Account) -> list[str]:
    from workflow.operations.trials import outdated
    from workflow.stack.bundles import aws, local

    names = outdated(step, target, assembly.functions, aws() if account.is_aws else local())
    return [
        f"the published code of {name} is not that of lambdas/, and the published code runs; publish to try yours"
        for name in names
    ]


def _confirm(step: Step, on: StageOptions, account: Account) -> None:
    """Asks before a step of a protected stage calls its service."""
    from workflow.stack.stages import load_stage

    if not account.is_aws:
        return
    is_protected = False
    with suppress(SettingsError):
        is_protected = load_stage(on.settings, on.stage).protected
    question = f"The stage {on.stage} is protected. Make the call of {step.name!r} there?"
    if is_protected and not approved(console_for(on.output), question, "use --mock to make no call"):
        exit_unchanged()


def _hint(trial: Trial, stage: str, *, is_sample: bool) -> str | None:
    if trial.is_denied:
        return (
            "The role of the published stage does not allow the call. If the step is new, publish it with"
            f" `python deploy.py publish --stage {stage}`, or pass its result with --mock."
        )
    # Either the step did not come to its call, or its function looked for something.
    if is_sample and not trial.succeeded and (trial.sent is None or trial.is_of_function):
        return (
            "The input is a sample: it has no results of your earlier steps, and its human loop and its review do not"
            " exist. Use the state of a real loop with --loop, or pass another input with --input."
        )
    return None


def _show(step: Step, trial: Trial, hint: str | None) -> None:
    console = console_for(Output.TEXT)
    place = f" [dim]({shown(step.place)})[/]" if step.place else ""
    if trial.succeeded:
        then = f"next: {shown(trial.next_state)}" if trial.next_state else "the execution would end"
        say(console, f"[green]✓[/] {shown(step.name)}{place} succeeded; {then}")
    else:
        say(console, f"[red]✗[/] {shown(step.name)}{place} failed: {shown(trial.error or 'no error')}")
        tell(*(f"  {line}" for line in _consequences(trial)))
    parts = {"Input": trial.input, "Sent": trial.sent, "Result": trial.result, "Output": trial.output}
    for title, value in [*parts.items(), ("Variables", trial.variables or None)]:
        if value is not None or (title == "Output" and trial.succeeded):
            tell("", title, *_lines(value))
    if hint:
        tell("", hint)


def _consequences(trial: Trial) -> Iterator[str]:
    yield from _cause(trial.cause)
    if retried := trial.retried:
        which = f"Retry[{retried.retrier}] ({_listed(retried.errors)})"
        yield f"retried by {which}: retry 1 of {retried.attempts} in {retried.seconds} s"
    when = "then " if trial.retried else ""
    if caught := trial.caught:
        yield f"{when}caught by Catch[{caught.catcher}] ({_listed(caught.errors)}); next: {caught.next_state}"
    else:
        yield f"{when}not caught: the execution would fail"


def _cause(cause: str | None) -> list[str]:
    """The lines of a cause. That of a function's error is JSON, with a traceback."""
    try:
        document = json.loads(cause or "")
    except ValueError:
        document = None
    return _lines(document) if isinstance(document, dict) else [cause or "no cause"]


def _lines(value: object) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")


def _listed(errors: Sequence[str]) -> str:
    more = len(errors) - MAX_LISTED
    return ", ".join(errors[:MAX_LISTED]) + (f", and {more} more" if more > 0 else "")
