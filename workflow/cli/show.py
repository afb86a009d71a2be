"""Prints plans, progress, status and outcomes of a stage for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lambdas.loops.visible import visible
from workflow.cli.show_recipients import show_recipients
from workflow.cli.terminal import Activity, say, shown
from workflow.stack import NO_FLOW_DEFINITION

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.publish.account import Account
    from workflow.publish.destroying import Destruction
    from workflow.publish.history import Record
    from workflow.publish.needs import StillNeeded
    from workflow.publish.plan import Plan, ResourceChange
    from workflow.publish.stacks import Event
    from workflow.publish.status import Status

__all__ = [
    "StackActivity",
    "interrupted_message",
    "show_destruction",
    "show_outputs",
    "show_plan",
    "show_status",
    "show_still_needed",
    "where",
]

MAX_DIFF_LINES = 40
MAX_VALUE_LENGTH = 200

_SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}
_ACTIONS = {
    "add": "[green]+[/]",
    "change": "[yellow]~[/]",
    "replace": "[bold red]±[/]",
    "may replace": "[red]±[/]",
    "delete": "[bold red]-[/]",
    "let go": "[red]-[/]",
    "create again": "[green]+[/]",
}
_CONSEQUENCES = {
    "replace": "is replaced",
    "may replace": "may be replaced",
    "delete": "is deleted",
    "let go": "is removed from the stack, and stays in the account",
    "create again": "was deleted outside of CloudFormation, and is created again",
}


def where(account: Account) -> str:
    """The account and Region, for messages."""
    return f"account {account.id}, {account.region}" + ("" if account.is_aws else ", a local engine")


def interrupted_message(stage: str) -> str:
    """What Ctrl-C reports after a stack operation has started."""
    return f"CloudFormation continues its operation; check `python deploy.py status --stage {stage}`"


def show_plan(console: Console, plan: Plan, *, where: str) -> None:
    """Prints a plan.

    Args:
        console: Where to print it.
        plan: What a publish would change.
        where: The account and Region.
    """
    if plan.is_empty:
        say(console, f"{shown(plan.stack)} ({where}): nothing to change")
    elif plan.creates:
        _show_new(console, plan, where)
    else:
        say(console, f"[bold]{shown(plan.stack)}[/] ({where}) would change:")
        for title, lines in (
            ("States", _states(plan)),
            ("Functions", _functions(plan)),
            ("Permissions", _permissions(plan)),
            ("Settings", _settings(plan)),
            ("Subscriptions", _subscriptions(plan)),
            ("Resources", _resources(plan)),
            ("Hot swaps to be replaced", (f"  ~ {shown(swap)}" for swap in plan.swapped)),
            ("Also", (f"  {shown(note)}" for note in plan.notes)),
        ):
            if listed := list(lines):
                say(console, f"\n[bold]{title}[/]")
                for line in listed:
                    say(console, line)
    if plan.risks:
        say(console, "\n[bold red]To be accepted by name[/]")
    for risk in plan.risks:
        say(console, f"  [bold red]![/] {shown(risk.name)}  [dim]{shown(risk.reason)}[/]")
    for difference in plan.differences:
        say(console, f"\n[bold red]Now:[/] {shown(difference)}")
    show_still_needed(console, plan.still_needed)
    for warning in plan.warnings:
        say(console, f"\n[bold red]Warning:[/] {shown(warning)}")
    if plan.locked_by:
        say(console, f"\n[bold]The stage is locked:[/] {shown(plan.locked_by)}")
    say(console)


def show_still_needed(console: Console, still_needed: Sequence[StillNeeded]) -> None:
    """Prints what stays until running executions have ended."""
    for needed in still_needed:
        say(console, f"\n[bold]Note:[/] {shown(needed.sentence)}")


def _show_new(console: Console, plan: Plan, where: str) -> None:
    say(console, f"[bold]{shown(plan.stack)}[/] ({where}) is new. A publish would create:\n")
    states = [state.name for state in plan.states if not state.is_machine]
    say(console, f"  {_count(len(states), 'state')}: {shown(', '.join(states))}")
    say(
        console,
        f"  {_count(len(plan.functions), 'function')}: {shown(', '.join(one.name for one in plan.functions))}",
    )
    kinds = Counter(resource.type.removeprefix("AWS::").replace("::", " ") for resource in plan.resources)
    listed = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in sorted(kinds.items()))
    say(console, f"  {_count(len(plan.resources), 'resource')}: {shown(listed)}")
    for note in plan.notes:
        say(console, f"\n{shown(note)}")
    if plan.subscriptions:
        say(console)
        for line in _subscriptions(plan):
            say(console, line)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def _states(plan: Plan) -> Iterator[str]:
    added_or_removed = {(state.name, state.change) for state in plan.states if state.change != "changed"}
    for state in plan.states:
        if state.is_machine and (state.name.rpartition(" (")[0], state.change) in added_or_removed:
            continue  # The inner machine of a Map or Parallel is added and removed with its state.
        yield f"  {_SIGNS[state.change]} {shown(state.name)}"
        lines = state.diff.split("\n") if state.diff else []
        for line in lines[:MAX_DIFF_LINES]:
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            yield f"      [{style}]{shown(line)}[/]"
        if len(lines) > MAX_DIFF_LINES:
            yield f"      [dim]… {len(lines) - MAX_DIFF_LINES} more lines[/]"


def _functions(plan: Plan) -> Iterator[str]:
    for function in plan.functions:
        details = ", ".join([*(["code"] if function.code else []), *function.settings])
        yield f"  {_SIGNS[function.change]} {shown(function.name)}   {shown(details)}".rstrip()


def _permissions(plan: Plan) -> Iterator[str]:
    for change in plan.permissions:
        sign = "[bold red]wider[/]   " if change.widened else "[green]narrower[/]"
        condition = f" [dim]if {shown(change.condition)}[/]" if change.condition else ""
        yield f"  {sign} {shown(change.holder)}: {shown(change.action)} on {shown(change.resource)}{condition}"


def _settings(plan: Plan) -> Iterator[str]:
    for change in plan.settings:
        before, after = (_value(one) for one in (change.before, change.after))
        yield f"  ~ {shown(change.name)}: {before} → {after}"


def _subscriptions(plan: Plan) -> Iterator[str]:
    for change in plan.subscriptions:
        line = f"  {_SIGNS[change.change]} {change.topic.lower()}s to {shown(change.address)}"
        match change.change:
            case "added":
                about = "" if change.topic == NO_FLOW_DEFINITION else f" about {_flows(change.after)}"
                yield f"{line}{about}{_CONFIRMS[change.protocol]}"
            case "removed":
                yield f"{line} end"
            case "changed":
                yield f"{line} about {_flows(change.before)} → {_flows(change.after)}"


_CONFIRMS = {
    "email": "; gets an email to confirm",
    "https": "; gets a request to confirm",
    "sqs": "",  # a queue of the same account; another account gets a message to confirm
}


def _flows(names: Sequence[str] | None) -> str:
    return "all flow definitions" if not names or "*" in names else shown(", ".join(names))


def _value(value: str | None) -> str:
    if value is None:
        return "(not set)"
    return shown(value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…") or "(empty)"


def _resources(plan: Plan) -> Iterator[str]:
    for change in plan.resources:
        properties = ", ".join(change.properties) if change.action == "change" else ""
        line = f"  {_ACTIONS[change.action]} {shown(change.id)}  [dim]{shown(change.type)}[/]  {shown(properties)}"
        if change.action in _CONSEQUENCES:
            yield f"{line}[bold red]{_consequence(change)}[/]"
        else:
            outside = (
                "  [red]was changed outside of CloudFormation, and is set back[/]" if change.drifted else ""
            )
            yield f"{line.rstrip()}{outside}"


def _consequence(change: ResourceChange) -> str:
    text = _CONSEQUENCES[change.action]
    if change.action in ("replace", "delete"):
        text = text.upper()
    if not change.loses_data:
        return text
    return f"{text}, EMPTY" if change.action == "create again" else f"{text}; its data is LOST"


def show_outputs(console: Console, outputs: Mapping[str, str], links: Mapping[str, str]) -> None:
    """Prints the outputs of a stage, and links to the AWS console."""
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        say(console, f"  {name:<{width}}  {shown(value)}")
    if links:
        say(console, "\nIn the AWS console:")
    for name, link in links.items():
        # Terminals that support links keep this one whole when the line wraps.
        address = visible(link).replace("[", "%5B").replace("]", "%5D")
        say(console, f"  {name:<{width}}  [link={address}]{shown(link)}[/link]")


def show_status(console: Console, status: Status) -> None:
    """Prints the status of a stage."""
    state = "green" if status.state.endswith("COMPLETE") and "ROLLBACK" not in status.state else "red"
    updated = f", updated {_when(status.updated)}" if status.updated else ""
    say(console, f"[bold]{shown(status.stack)}[/]: [{state}]{shown(status.state)}[/]{updated}")
    if status.operation:
        say(console, f"  [bold red]![/] {shown(status.operation)}")
    live = " and ".join(
        f"version {number}" if weight == 100 else f"version {number} ({weight} %)"
        for number, weight in sorted(status.live.items(), reverse=True)
    )
    say(console, f"  new executions run on {live or 'no version: publish again'}")
    failed = f"[red]{status.failed} failed[/]" if status.failed else "none failed"
    say(console, f"  {status.running} executions are running; {failed} in the last 24 hours")
    for difference in status.differences:
        say(console, f"  [bold red]![/] {shown(difference)}")
    for needed in status.still_needed:
        say(console, f"  {shown(needed.sentence)}")
    if status.locked_by:
        say(console, f"  [yellow]locked:[/] {shown(status.locked_by)}")
    for swap in status.swapped:
        say(console, f"  [yellow]hot-swapped since the last publish:[/] {shown(swap)}")
    if status.drifts is not None:
        _show_drifts(console, status.drifts, stage=status.stage)
    show_recipients(console, status.recipients or (), status.warnings)
    if status.publishes:
        say(console, "\n[bold]Publishes[/]")
    for one in reversed(status.publishes):
        say(console, f"  {one.number:>3}  {_publish(one)}")
        if one.reason:
            say(console, f"       [dim]{shown(one.reason)}[/]")


def _publish(record: Record) -> str:
    from workflow.publish.live_publish import smoke_in_words

    outcome = shown(record.outcome)
    details = [
        _when(record.at),
        f"version {shown(record.version.rpartition(':')[2])}" if record.version else "no version",
        outcome if record.outcome == "published" else f"[red]{outcome}[/]",
        shown(str(record.commit)) if record.commit else "commit unknown",
        shown(smoke_in_words(record.smoke)),
        shown(record.by),
        f"goes back to {record.restores}" if record.restores else "",
    ]
    return "  ".join(filter(None, details))


def _show_drifts(console: Console, drifts: Sequence[Mapping[str, object]], *, stage: str) -> None:
    if not drifts:
        say(console, "  no drift: all resources match the template")
    for drift in drifts:
        say(
            console,
            f"  [red]drift:[/] {shown(drift['id'])} ({shown(drift['type'])}) {shown(drift['status']).lower()}",
        )
        differences = drift["differences"]
        assert isinstance(differences, list)
        for one in differences:
            say(
                console,
                f"      {shown(one['property'])}: {_value(str(one['expected']))} → {_value(str(one['actual']))}",
            )
    if drifts:
        say(console, f"  to revert it: python deploy.py publish --repair --stage {shown(stage)}")


def show_destruction(console: Console, destruction: Destruction, *, where: str) -> None:
    """Prints what destroying a stage would do."""
    stack = f"[bold]{shown(destruction.stack)}[/] ({where})"
    if destruction.stack_id:
        say(console, f"{stack} would be deleted: {destruction.resources} resources.")
    else:
        say(console, f"{stack} does not exist. An earlier stack kept data:")
    if destruction.running:
        say(console, f"  [red]{_count(destruction.running, 'execution')} running[/]")
    if destruction.open_loops:
        more = " or more" if destruction.open_loops >= 1000 else ""
        loops = f"{_count(destruction.open_loops, 'human loop')}{more} in progress"
        say(console, f"  [red]{loops}[/]: people can go on, but nothing processes what they answer")
    for lost in destruction.lost:
        names = f": {shown(', '.join(lost.names))}" if lost.names else ""
        say(console, f"  {lost.count:,} {shown(lost.what)} [red]deleted[/]{names}")
    for kept in destruction.kept:
        what = "[bold red]is DELETED with its data[/]" if destruction.deletes_data else "[green]is kept[/]"
        say(console, f"  {shown(kept.id)} {shown(kept.name)} ({_content(kept.type, kept.holds)}) {what}")
    for bucket in destruction.emptied:
        say(console, f"  {shown(bucket)} [bold red]is emptied[/]")
    say(console)


def _content(kind: str, count: int) -> str:
    what = {"AWS::S3::Bucket": "object versions", "AWS::DynamoDB::Table": "items"}.get(kind, "objects")
    # Only the first page of a bucket is counted.
    more = " or more" if kind == "AWS::S3::Bucket" and count >= 1000 else ""
    return f"about {count:,} {what}{more}"


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


class StackActivity(Activity):
    """Shows the current step of a stack operation, and the resource that CloudFormation is working on."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._done: set[str] = set()

    def event(self, event: Event) -> None:
        """Shows the resource of an event. A failure stays on the screen."""
        if event.status.endswith("FAILED") and self.console.is_terminal:
            say(self.console, f"[red]{shown(event.resource)} {shown(event.status)}[/] {shown(event.reason)}")
        if event.status.endswith("COMPLETE") and not event.is_stack_event:
            self._done.add(event.resource)
        state = event.status.lower().replace("_", " ")
        self.detail(f"{len(self._done)} resources done; {event.resource} {state}")
