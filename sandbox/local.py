"""`python deploy.py local`: runs Afterloop on this machine with seven sample human loops.

The stage `local` is published to a sandbox in the same way as other stages to AWS, and the stage's own function starts
the loops. This module plays the workers and the service: it answers some loops, lets some fail and stops one. All that
it shows is read from the services: executions and their history, the ledger, and a queue that subscribes to the topics.
"""

from __future__ import annotations

import functools
import json
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from console.server import serving
from console.site import Connection, Site
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import BackOff, RestartRules
from sandbox.canned_file import DEFAULT_FILE, following, read_for_machine
from sandbox.engine import Sandbox
from sandbox.exports import EXPORTS_FILE, exports, exports_in_file
from sandbox.identity import ACCOUNT_ID, REGION
from sandbox.invented_reviews import store_past
from sandbox.reviewers import LocalReviewers
from sandbox.sample_flows import FLOW_DEFINITIONS, create_flow_definitions, start_sample
from workflow import ROOT
from workflow.cli.terminal import print_whole, say
from workflow.operations.report.loop_facts import ledger_rows
from workflow.operations.reviews_source import Period, open_reviews
from workflow.operations.smoke import queue_policy
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account
from workflow.publish.flow_definition_fixes import CORS_RULE
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack import TOPICS
from workflow.stack.assembly import assemble
from workflow.stack.stages import Stage, UnknownStage, load_stage
from workflow.stack.targets import local

__all__ = [
    "STORIES",
    "Story",
    "console_site",
    "local_stage",
    "publish_local",
    "run",
    "subscribed_queue",
]

_TIMEOUT_SECONDS = 90
_INVENTED_REVIEWS = 400
"""The report needs more than the four reviews of the sample loops to show anything."""

_INVENTED_DAYS = 30


@dataclass(frozen=True)
class Story:
    """A sample human loop, and how it should end.

    Attributes:
        name: The name of the loop.
        flow_definition: One of `FLOW_DEFINITIONS`.
        failure: The failure code, for a loop that fails.
        stopped: Whether the loop is stopped.
        outcome: The expected outcome in the ledger.
        states: States that its execution should enter.
    """

    name: str
    flow_definition: str
    outcome: str
    states: tuple[str, ...]
    failure: str | None = None
    stopped: bool = False


_STORED = ("Collect review", "Record review")
STORIES = (
    Story("application-1041", "job-applications", "stored", _STORED),
    Story("beach-picture-7", "image-moderation", "stored", _STORED),
    Story("message-3301", "support-messages", "stored", _STORED),
    Story(
        "message-3302",
        "support-messages",
        "restarted",
        ("Restart or escalate?", "Back off", "Restart loop", "Record restart"),
        failure="InternalError",
    ),
    Story("message-3302-attempt-2", "support-messages", "stored", _STORED),
    Story(
        "message-3303",
        "support-messages",
        "escalated",
        ("Restart or escalate?", "Escalate failed loop", "Record escalation"),
        failure="ValidationError",
    ),
    Story(
        "application-1042",
        "job-applications",
        "notified",
        ("Notify stopped", "Record stop"),
        stopped=True,
    ),
)

WAITING = {"animal-names": "animal-215", "animal-boxes": "animals-16", "order-parts": "order-7730"}
"""Flow definition → the loop about its sample that waits for a person to answer it, after the stories."""


def run(
    *,
    console: Console,
    port: int | None = None,
    once: bool = False,
    report: Path | None = None,
    console_port: int | None = None,
    open_console: bool = False,
    canned_results: Path = DEFAULT_FILE,
) -> Watch:
    """Starts a sandbox, publishes the stage to it, starts the sample loops, and shows what happens to each.

    Args:
        console: Where to print. A terminal shows a table that is updated all the time, a file gets it once at the end.
        port: TCP port of the sandbox. None picks a free one.
        once: Whether to end when every loop has ended, instead of leaving tasks to answer, and waiting for Ctrl-C.
        report: File for the report about the stage's reviews. None for no report.
        console_port: TCP port of the web console. None picks a free one. There is none with `once`.
        open_console: Whether to open the web console in the browser.
        canned_results: File of canned results, which is read again when it changes. The default need not exist.

    Returns:
        What happened to each loop, and what is not as expected.

    Raises:
        SandboxError: The canned results are invalid, or the engine cannot start.
    """
    stage = local_stage()
    results = read_for_machine(canned_results)
    with ExitStack() as running:
        with console.status("Starting the local engine"):
            sandbox = running.enter_context(Sandbox.start(port=port, log_level="WARNING"))
        say(console, f"Local engine: {sandbox.endpoint_url}, account {sandbox.account_id}, {sandbox.region}")
        report_change = functools.partial(_say_escaped, console)
        running.enter_context(following(canned_results, results, sandbox.canned_results, report_change))
        with console.status(f"Publishing the stage {stage.name!r}"):
            outputs = publish_local(sandbox, stage)
        say(console, f"Published: {outputs['StateMachine']}")
        if not once:
            link = running.enter_context(serving(console_site(sandbox, stage.name), console_port))
            say(console, f"Console at {escape(link)}")
            if open_console:
                webbrowser.open(link)
        say(console)
        watch = Watch(sandbox, outputs)
        player = threading.Thread(target=_play, args=(sandbox, stage, outputs, watch), daemon=True)
        with _showing(watch, console) as show:
            player.start()
            deadline = time.monotonic() + _TIMEOUT_SECONDS
            while watch.problems() and not watch.error and time.monotonic() < deadline:
                watch.look()
                show()
                time.sleep(0.2)
                if watch.all_ended:  # Only messages can still arrive.
                    deadline = min(deadline, time.monotonic() + 5)
        if watch.error:
            raise watch.error
        for problem in (problems := watch.problems()):
            say(console, f"[red]✗[/] {escape(problem)}")
        if not problems:
            say(console, f"[green]✓[/] all {len(STORIES)} human loops ended as expected")
        if report is not None:
            _write_report(console, sandbox, outputs, report)
        if not once:
            for flow_definition, name in WAITING.items():
                LocalReviewers(sandbox.control, sandbox.session, stage.name).start(flow_definition, name)
            say(console, f"\n{len(WAITING)} tasks wait for you: {escape(link.replace('/?', '/tasks?'))}")
            _wait_for_interrupt(console, sandbox)
        return watch


def console_site(sandbox: Sandbox, stage: str) -> Site:
    """Returns what the web console of a stage on a sandbox needs. It may write, as only the local engine's may."""

    def connect() -> Connection:
        return Connection(StageResources.find(stage, sandbox.session), sandbox.session)

    return Site(
        stage, connect, may_write=True, reviewers=LocalReviewers(sandbox.control, sandbox.session, stage)
    )


def local_stage(settings: Path = ROOT / "stages.toml") -> Stage:
    """Returns the stage `local` from the settings, or a default if the settings do not have it.

    The default backs off for seconds, not minutes, before it restarts a loop.

    Raises:
        SettingsError: The settings are invalid.
    """
    try:
        return load_stage(settings, "local")
    except UnknownStage:
        return Stage(
            name="local",
            account=ACCOUNT_ID,
            region=REGION,
            output_buckets=("human-review-outputs",),
            document_buckets=("human-review-documents",),
            restart=RestartRules(back_off=BackOff(first_seconds=1, max_seconds=5)),
        )


def publish_local(sandbox: Sandbox, stage: Stage | None = None) -> dict[str, str]:
    """Creates buckets and flow definitions in a sandbox and publishes a stage to it, by default `local_stage()`.

    Returns:
        The outputs of the stack.
    """
    stage = stage or local_stage()
    s3 = sandbox.client("s3")
    for bucket in (*stage.output_buckets, *stage.document_buckets):
        s3.create_bucket(Bucket=bucket)
    for bucket in stage.document_buckets:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [CORS_RULE]})
    create_flow_definitions(sandbox, stage.output_buckets[0])
    account = Account(sandbox.session)
    package = make_package(
        stage, assemble(), local(), account=account.id, artifact_bucket=account.artifact_bucket
    )
    published = publish(
        account,
        stage,
        package,
        confirm=lambda plan: True,
        # The engine keeps nothing from one run to the next. In one run, what a destroyed stage kept goes on.
        choose=lambda found: next(iter(found), None),
    )
    assert published is not None
    return dict(published.outputs)


def _say_escaped(console: Console, text: str) -> None:
    say(console, escape(text))


@contextmanager
def _showing(watch: Watch, console: Console) -> Iterator[Callable[[], None]]:
    """Shows the table. A terminal gets updates; elsewhere it is printed once, in full width."""
    if console.is_terminal:
        table = functools.partial(watch.table, expand=True)
        with Live(get_renderable=table, console=console, auto_refresh=False, transient=False) as live:
            yield live.refresh
        return
    yield lambda: None
    print_whole(watch.table(expand=False), console)


def _write_report(console: Console, sandbox: Sandbox, outputs: dict[str, str], file: Path) -> None:
    from workflow.operations.report.writing import make_report, write_report  # draws charts: half a second

    with console.status(f"Generating {_INVENTED_REVIEWS} sample reviews and writing the report"):
        store_past(sandbox.session, outputs, _INVENTED_REVIEWS, days=_INVENTED_DAYS)
        period = Period.last_days(_INVENTED_DAYS + 1)
        made = make_report(
            open_reviews(f"s3://{outputs['ReviewBucket']}/reviews", sandbox.session),
            period,
            ledger=outputs["LedgerTable"],
            loops=ledger_rows(outputs["LedgerTable"], sandbox.session, period),
        )
        written = write_report(made, file)
    say(console, escape(f"\n{made.headline}"))
    say(
        console,
        escape(
            f"Report on today's reviews and {_INVENTED_REVIEWS} generated reviews "
            f"of the last {_INVENTED_DAYS} days: {written}"
        ),
    )


def _wait_for_interrupt(console: Console, sandbox: Sandbox) -> None:
    say(console, "\nThe local engine runs until you press Ctrl-C. In another terminal, in this folder:\n")
    with ExitStack() as running:
        try:
            running.enter_context(exports_in_file(EXPORTS_FILE, sandbox.variables()))
        except OSError as error:
            say(
                console,
                escape(f"{EXPORTS_FILE} cannot be written ({error.strerror}); copy these lines instead:\n"),
            )
        else:
            name = EXPORTS_FILE.name
            say(console, f"  source {name}")
            say(console, "  python deploy.py loops list --stage local\n")
            say(console, f"{name} has the keys of this run, and only you can read it:\n")
        for line in exports(sandbox.variables()):
            say(console, escape(f"  {line}"))
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            # A terminal shows Ctrl-C as ^C, without a line break.
            say(console, ("\n" if console.is_terminal else "") + "Stopping the local engine")


# What workers and A2I do


def _play(sandbox: Sandbox, stage: Stage, outputs: dict[str, str], watch: Watch) -> None:
    try:
        for story in STORIES:
            if story.name.endswith("-attempt-2"):
                continue  # The workflow starts it.
            start_sample(
                sandbox.client,
                sandbox.region,
                function=outputs["StartLoop"],
                document_bucket=stage.document_buckets[0],
                flow_definition=story.flow_definition,
                name=story.name,
            )
        for story in STORIES:
            if story.stopped:
                sandbox.client("sagemaker-a2i-runtime").stop_human_loop(HumanLoopName=story.name)
            elif story.failure:
                sandbox.loops.fail(story.name, story.failure, "The task could not be shown to a worker.")
        for story in STORIES:
            if not story.stopped and not story.failure:
                _answer(sandbox, story)
    except Exception as error:
        watch.error = error  # The main thread raises it.


def _answer(sandbox: Sandbox, story: Story) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while story.name not in (loop.name for loop in sandbox.loops.list()):
        if time.monotonic() > deadline:
            return  # The table shows that the loop is missing.
        time.sleep(0.1)
    flow = FLOW_DEFINITIONS[story.flow_definition]
    for number, content in enumerate(flow.sample.answers[: flow.workers]):
        sandbox.loops.answer(story.name, content, seconds_spent=22.5 + 9 * number)


# What happened


@dataclass
class LoopProgress:
    """What is known about a loop so far."""

    loop: Loop | None = None
    execution_status: str = ""
    states: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class Watch:
    """Polls the services, and draws a table of what happened to each loop."""

    def __init__(self, sandbox: Sandbox, outputs: dict[str, str]) -> None:
        self.error: Exception | None = None
        self._ledger = Ledger(sandbox.client("dynamodb"), outputs["LedgerTable"])
        self._executions = sandbox.client("stepfunctions")
        self._queue = subscribed_queue(sandbox, outputs)
        self._sqs = sandbox.client("sqs")
        self._progress = {story.name: LoopProgress() for story in STORIES}

    @property
    def progress(self) -> Mapping[str, LoopProgress]:
        """What is known about each loop, by its name."""
        return self._progress

    @property
    def all_ended(self) -> bool:
        """Whether every loop has an execution, and all executions have ended."""
        return all(one.execution_status not in ("", "RUNNING") for one in self._progress.values())

    def look(self) -> None:
        """Reads the current state from the services."""
        for name, seen in self._progress.items():
            seen.loop = self._ledger.find(name)
            if seen.loop is not None and seen.loop.execution and seen.execution_status in ("", "RUNNING"):
                execution = seen.loop.execution
                seen.execution_status = self._executions.describe_execution(executionArn=execution)["status"]
                seen.states = _states(self._executions, execution)
        for message in self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            envelope = json.loads(message["Body"])
            name = json.loads(envelope["Message"]).get("humanLoopName")
            if name in self._progress:
                topic = next(one.lower() for one in TOPICS if f"{one}Topic" in envelope["TopicArn"])
                self._progress[name].messages.append(f"{topic}: {envelope['Subject']}")
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def problems(self) -> list[str]:
        """Returns what is not as expected, or not yet: a line for each loop."""
        return [line for story in STORIES if (line := self._problem(story))]

    def _problem(self, story: Story) -> str | None:
        seen = self._progress[story.name]
        if seen.loop is None or not seen.execution_status:
            return f"{story.name}: no execution has handled its status change"
        if seen.execution_status != "SUCCEEDED":
            return f"{story.name}: the execution is {seen.execution_status}: {seen.loop.reason or 'no reason yet'}"
        if seen.loop.outcome != story.outcome:
            return f"{story.name}: the outcome is {seen.loop.outcome}, not {story.outcome}"
        if missed := [state for state in story.states if state not in seen.states]:
            return f"{story.name}: the execution did not enter {', '.join(missed)}"
        if story.outcome in ("escalated", "notified") and not seen.messages:
            return f"{story.name}: no message has arrived"
        return None

    def table(self, *, expand: bool) -> Table:
        """Returns the current table, as wide as the console (`expand`) or as wide as its content."""
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_lines=True, expand=expand
        )
        table.add_column("Human loop", no_wrap=True)
        table.add_column("Execution", no_wrap=True)
        table.add_column("States entered, and the result", ratio=1, overflow="fold")
        for story in STORIES:
            seen = self._progress[story.name]
            table.add_row(_loop_cell(story.name, seen.loop), _execution_cell(seen), _result_cell(seen))
        return table


_STATUS_STYLE = {"Completed": "green", "Failed": "red", "Stopped": "yellow"}


def _loop_cell(name: str, loop: Loop | None) -> Text:
    status = (loop.status if loop else None) or "…"
    text = Text(f"{name}\n").append(status, style=_STATUS_STYLE.get(status, "dim"))
    if loop is not None and loop.failure_code:
        text.append(f"\n{loop.failure_code}", style="dim")
    return text


def _execution_cell(seen: LoopProgress) -> Text:
    if not seen.execution_status or seen.loop is None or seen.loop.execution is None:
        return Text("…", style="dim")
    style = {"SUCCEEDED": "green", "RUNNING": "cyan"}.get(seen.execution_status, "red")
    text = Text(seen.execution_status.lower(), style=style)
    text.append("\n" + seen.loop.execution.rpartition(":")[2][:8], style="dim")
    return text


def _result_cell(seen: LoopProgress) -> Text:
    loop = seen.loop
    lines = []
    if loop is not None and loop.review is not None:
        figures = {name: int(loop.review.get(name, 0)) for name in ("fields", "changed", "added", "removed")}
        lines.append(
            f"review stored: {figures['fields']} fields, "
            f"{figures['changed'] + figures['added'] + figures['removed']} overruled"
        )
        lines.append(str(loop.review_location))
    if loop is not None and loop.next_loop_name:
        lines.append(f"restarted as {loop.next_loop_name}")
    if loop is not None and loop.outcome in ("escalated", "failed") and loop.reason:
        lines.append(loop.reason)
    lines += seen.messages
    text = Text(" → ".join(seen.states), style="dim")
    for line in lines:
        text.append(f"\n{line}", style="not dim")
    return text


def _states(executions: Any, execution: str) -> list[str]:
    pages = executions.get_paginator("get_execution_history").paginate(executionArn=execution)
    return [
        event["stateEnteredEventDetails"]["name"]
        for page in pages
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]


def subscribed_queue(sandbox: Sandbox, outputs: dict[str, str]) -> str:
    """Creates a queue that subscribes to the stage's topics, as a user's own would. Returns its URL."""
    sqs, sns = sandbox.client("sqs"), sandbox.client("sns")
    name = outputs["StateMachine"].rpartition(":")[2]
    url: str = sqs.create_queue(QueueName=f"{name}-messages")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    # A stage of an earlier version has no topic for alarms.
    topics = [outputs[f"{topic}Topic"] for topic in TOPICS if f"{topic}Topic" in outputs]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": queue_policy(arn, topics)})
    for topic in topics:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url
