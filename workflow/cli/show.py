"""A stage shown to people on a terminal: plans, progress, status, outcomes. Data comes in, nothing goes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.markup import escape

from workflow.cli.terminal import Activity, say

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.publish.account import Account, Event
    from workflow.publish.destroying import Destruction
    from workflow.publish.plan import Plan, ResourceChange
    from workflow.publish.status import Status

__all__ = ["StackActivity", "begun", "show_destruction", "show_outputs", "show_plan", "show_status", "where"]

MOST_LINES = 40
"""Of a diff."""

_SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}
_ACTIONS = {
    "add": "[green]+[/]",
    "change": "[yellow]~[/]",
    "replace": "[bold red]±[/]",
    "may replace": "[red]±[/]",
    "delete": "[bold red]-[/]",
    "let go": "[red]-[/]",
}
_FATES = {
    "replace": "is replaced",
    "may replace": "may be replaced",
    "delete": "is deleted",
    "let go": "leaves the stack, and stays in the account",
}


def where(account: Account) -> str:
    """Account and Region, in a few words."""
    return f"account {account.id}, {account.region}" + ("" if account.is_aws else ", a local engine")


def begun(stage: str) -> str:
    """What Ctrl-C leaves behind when a stack operation has begun."""
    return f"what CloudFormation has begun goes on; see `python deploy.py status --stage {stage}`"


def show_plan(console: Console, plan: Plan, *, where: str) -> None:
    """Shows a plan.

    Args:
        console: where to print.
        plan: what would change.
        where: account and Region, in a few words.
    """
    if plan.is_empty:
        say(console, f"{plan.stack} ({where}): nothing to change")
    elif plan.creates:
        _show_new(console, plan, where)
    else:
        say(console, f"[bold]{plan.stack}[/] ({where}) would change:")
        for title, lines in (
            ("States", _states(plan)),
            ("Functions", _functions(plan)),
            ("Permissions", _permissions(plan)),
            ("Settings", _settings(plan)),
            ("Resources", _resources(plan)),
            ("Hot swaps to be put in order", (f"  ~ {escape(swap)}" for swap in plan.swapped)),
            ("Also", (f"  {escape(note)}" for note in plan.notes)),
        ):
            if shown := list(lines):
                say(console, f"\n[bold]{title}[/]")
                for line in shown:
                    say(console, line)
    for warning in plan.warnings:
        say(console, f"\n[bold red]Warning:[/] {escape(warning)}")
    say(console)


def _show_new(console: Console, plan: Plan, where: str) -> None:
    say(console, f"[bold]{plan.stack}[/] ({where}) is new. It would be made of:\n")
    states = [state.name for state in plan.states if not state.is_machine]
    say(console, f"  {_count(len(states), 'state')}: {escape(', '.join(states))}")
    say(
        console,
        f"  {_count(len(plan.functions), 'function')}: {', '.join(one.name for one in plan.functions)}",
    )
    kinds = Counter(resource.type.removeprefix("AWS::").replace("::", " ") for resource in plan.resources)
    told = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in sorted(kinds.items()))
    say(console, f"  {_count(len(plan.resources), 'resource')}: {told}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _states(plan: Plan) -> Iterator[str]:
    whole = {(state.name, state.change) for state in plan.states if state.change != "changed"}
    for state in plan.states:
        if state.is_machine and (state.name.rpartition(" (")[0], state.change) in whole:
            continue  # The inside of a Map or Parallel comes and goes with it.
        yield f"  {_SIGNS[state.change]} {escape(state.name)}"
        lines = state.diff.splitlines()
        for line in lines[:MOST_LINES]:
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            yield f"      [{style}]{escape(line)}[/]"
        if len(lines) > MOST_LINES:
            yield f"      [dim]… {len(lines) - MOST_LINES} more lines[/]"


def _functions(plan: Plan) -> Iterator[str]:
    for function in plan.functions:
        what = ", ".join([*(["code"] if function.code else []), *function.settings])
        yield f"  {_SIGNS[function.change]} {function.name}{f'   {what}' if what else ''}"


def _permissions(plan: Plan) -> Iterator[str]:
    for change in plan.permissions:
        sign = "[bold red]wider[/]   " if change.widened else "[green]narrower[/]"
        condition = f" [dim]if {escape(change.condition)}[/]" if change.condition else ""
        yield f"  {sign} {change.holder}: {escape(change.action)} on {escape(change.resource)}{condition}"


def _settings(plan: Plan) -> Iterator[str]:
    for change in plan.settings:
        before, after = (_value(one) for one in (change.before, change.after))
        yield f"  ~ {change.name}: {before} → {after}"


def _value(value: str | None) -> str:
    if value is None:
        return "(not set)"
    return escape(value if len(value) <= 200 else f"{value[:200]}…") or "(empty)"


def _resources(plan: Plan) -> Iterator[str]:
    for change in plan.resources:
        properties = ", ".join(change.properties) if change.action == "change" else ""
        line = f"  {_ACTIONS[change.action]} {change.id}  [dim]{change.type}[/]  {escape(properties)}"
        yield f"{line}[bold red]{_fate(change)}[/]" if change.action in _FATES else line.rstrip()


def _fate(change: ResourceChange) -> str:
    fate = _FATES[change.action].upper() if change.action in ("replace", "delete") else _FATES[change.action]
    return f"{fate}; what it holds is LOST" if change.loses_data else fate


def show_outputs(console: Console, outputs: Mapping[str, str], links: Mapping[str, str]) -> None:
    """Shows what a stage offers, and where to look at it."""
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        say(console, f"  {name:<{width}}  {escape(value)}")
    if links:
        say(console, "\nTo look at:")
    for name, link in links.items():
        say(console, f"  {name:<{width}}  [link={link}]{link}[/link]")


def show_status(console: Console, status: Status) -> None:
    """Shows how a stage is."""
    state = "green" if status.state.endswith("COMPLETE") and "ROLLBACK" not in status.state else "red"
    updated = f", updated {_when(status.updated)}" if status.updated else ""
    say(console, f"[bold]{status.stack}[/]: [{state}]{status.state}[/]{updated}")
    live = " and ".join(
        f"version {number}" if weight == 100 else f"version {number} ({weight} %)"
        for number, weight in sorted(status.live.items(), reverse=True)
    )
    say(console, f"  new executions run on {live or 'nothing: publish once more'}")
    failed = f"[red]{status.failed} failed[/]" if status.failed else "none failed"
    say(console, f"  {status.running} executions run now; of the last 24 hours {failed}")
    for swap in status.swapped:
        say(console, f"  [yellow]hot-swapped since the last publish:[/] {swap}")
    if status.drifts is not None:
        _show_drifts(console, status.drifts)
    if status.publishes:
        say(console, "\n[bold]Publishes[/]")
    for one in reversed(status.publishes):
        back = f"  goes back to {one.restores}" if one.restores else ""
        version = one.version.rpartition(":")[2]
        say(console, f"  {one.number:>3}  {_when(one.at)}  version {version}  {escape(one.by)}{back}")


def _show_drifts(console: Console, drifts: Sequence[Mapping[str, object]]) -> None:
    if not drifts:
        say(console, "  no drift: everything is as the template says")
    for drift in drifts:
        say(console, f"  [red]drift:[/] {drift['id']} ({drift['type']}) {str(drift['status']).lower()}")
        differences = drift["differences"]
        assert isinstance(differences, list)
        for one in differences:
            say(
                console,
                f"      {escape(str(one['property']))}: {_value(str(one['expected']))} → {_value(str(one['actual']))}",
            )


def show_destruction(console: Console, doomed: Destruction, *, where: str) -> None:
    """Shows what destroying a stage would do."""
    say(console, f"[bold]{doomed.stack}[/] ({where}) would be deleted: {doomed.resources} resources.")
    if doomed.running:
        say(console, f"  [red]{doomed.running} executions run now, and are stopped.[/]")
    for kept in doomed.kept:
        fate = "[bold red]is DELETED with all it holds[/]" if doomed.deletes_data else "[green]is kept[/]"
        say(console, f"  {kept.id} {kept.name} ({_holding(kept.type, kept.holds)}) {fate}")
    for bucket in doomed.emptied:
        say(console, f"  {bucket} [bold red]is emptied[/]")
    say(console)


def _holding(kind: str, count: int) -> str:
    what = {"AWS::S3::Bucket": "object versions", "AWS::DynamoDB::Table": "items"}.get(kind, "things")
    more = " or more" if kind == "AWS::S3::Bucket" and count >= 1000 else ""
    return f"about {count:,} {what}{more}"


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


class StackActivity(Activity):
    """Progress of a stack: what is done now, and which resource CloudFormation works on."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._done: set[str] = set()

    def event(self, event: Event) -> None:
        """Shows which resource CloudFormation works on, and keeps what failed on the screen."""
        if event.status.endswith("FAILED") and self.console.is_terminal:
            say(self.console, f"[red]{event.resource} {event.status}[/] {escape(event.reason)}")
        if event.status.endswith("COMPLETE") and not event.is_of_stack:
            self._done.add(event.resource)
        state = event.status.lower().replace("_", " ")
        self.detail(f"{len(self._done)} resources done; {event.resource} {state}")
