"""The checks of the smoke test, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Literal

import boto3
from botocore.exceptions import ClientError

from lambdas.loops.message_kinds import MessageKind
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import read_review
from workflow.operations.sample_executions import SampleExecutions, Status
from workflow.operations.smoke import listening
from workflow.operations.smoke.executions import Executions
from workflow.operations.smoke.real_rule import (
    RULE_TIMEOUT_SECONDS,
    execution_of,
    heard_flow_definition,
    stop_new_loop,
)
from workflow.operations.smoke.traces import (
    OUTCOMES,
    loop_names,
    loop_of_rule,
    new_mark,
    remove_leftovers,
    tags,
)
from workflow.operations.stage_resources import StageResources

__all__ = ["Check", "SmokeTest"]

KINDS: dict[str, MessageKind] = {
    "Failed": MessageKind.LOOP_FAILED,
    "Stopped": MessageKind.LOOP_STOPPED,
    "Rule": MessageKind.LOOP_STOPPED,
}
"""Loop → the kind of the message about it."""


@dataclass(frozen=True)
class Check:
    """One check of the smoke test."""

    loop: Literal["Completed", "Failed", "Stopped", "Rule"]
    """Status of the sample loop; `Rule` for the loop that was started and stopped at A2I (`--flow-definition`)."""
    what: str
    """What is checked, in words."""
    problem: str | None = None
    """Why the check failed; null when it passed."""
    execution: str | None = None
    """ARN of the execution that was checked; null if there is none."""
    version: str | None = None
    """ARN of the version of the state machine that the execution ran on."""

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.problem is None

    @property
    def name(self) -> str:
        """The check in words, with the loop."""
        return f"{self.loop}: {self.what}"


@dataclass(frozen=True)
class _Started:
    """An execution to check."""

    loop: Literal["Completed", "Failed", "Stopped", "Rule"]
    name: str
    """The name of its human loop."""
    arn: str


class SmokeTest:
    """One run of the smoke test. Iterate over `checks` once; it cleans up when it ends, fails, or is closed.

    Args:
        resources: The published stage.
        session: A session with permissions to start, read and stop executions, to read and delete ledger rows and
            reviews, to write and delete objects in the output bucket, and to create a queue and a topic, and subscribe
            the queue. With `flow_definition`, also to start, stop and delete its human loops.
        output_bucket: One of the stage's output buckets.
        progress: Called with a description of each step.
        flow_definition: Name or ARN of a flow definition: one of its loops is started and stopped at A2I, and its event
            is followed through the stage's rule. Workers may see the task for a moment.

    Raises:
        AfterloopError: The stage does not get the events of the flow definition, or it does not exist.
    """

    def __init__(
        self,
        resources: StageResources,
        session: boto3.Session,
        output_bucket: str,
        progress: Callable[[str], None] = lambda text: None,
        *,
        flow_definition: str | None = None,
    ) -> None:
        self._resources, self._session, self._bucket = resources, session, output_bucket
        self._flow_definition = (
            heard_flow_definition(resources, session, flow_definition) if flow_definition else None
        )
        self._samples = SampleExecutions(resources, session, output_bucket)
        self._executions = Executions(session.client("stepfunctions"), resources.state_machine_arn)
        self._progress = progress
        self._s3 = resources.s3(session)
        self._mark = new_mark()
        self._listener = listening.Listener(resources, session, self._mark)
        self._versions: dict[str, str | None] = {}
        """ARN of an execution → ARN of the version that it ran on."""

    def checks(self) -> Iterator[Check]:
        """Starts the executions, and yields the check of each effect.

        Raises:
            AfterloopError: The output bucket is not writable, the queue gets no messages, or A2I refuses the loop.
            botocore.exceptions.ClientError: A permission is missing.
        """
        with suppress(ClientError):  # They do not keep this run from its work.
            self._progress("Removing what earlier runs left that were killed")
            remove_leftovers(self._resources, self._session, self._bucket)
        # Each step registers its own cleanup, which runs in reverse order whatever fails.
        with ExitStack() as cleaning:
            self._progress("Subscribing a queue to the topics")
            through_rule = self._flow_definition is not None
            self._listener.open(
                cleaning, tags(self._resources.stage, self._bucket, through_rule=through_rule)
            )
            # The queue gets messages before the executions start, so that none is missed.
            self._listener.subscribe(cleaning, self._progress)
            if self._flow_definition:
                self._stop_loop(self._flow_definition, cleaning)
            started = self._start(cleaning)
            for one in started:
                yield from self._effects(one)
            if self._flow_definition:
                self._progress("Waiting for the event of the human loop")
                arn = execution_of(loop_of_rule(self._mark), self._samples.row)
                yield self._event(arn)
                if arn:
                    cleaning.callback(self._executions.settle, arn)
                    started.append(_Started("Rule", loop_of_rule(self._mark), arn))
                    yield from self._effects(started[-1])
            yield from self._messages(started)
            self._progress("Cleaning up")

    def _stop_loop(self, flow_definition: str, cleaning: ExitStack) -> None:
        self._progress("Starting and stopping a human loop: workers may see its task for a moment")
        name = loop_of_rule(self._mark)
        cleaning.callback(self._samples.forget, name)
        stop_new_loop(self._session, name, flow_definition, cleaning)

    def _start(self, cleaning: ExitStack) -> list[_Started]:
        """Starts an execution for each status; during a shift, on both versions."""
        started = []
        versions = self._executions.versions()
        for number, version in enumerate(versions[:2]):
            for status, name in loop_names(self._mark, number).items():
                # The alias chooses the version, unless there are two.
                given = version if len(versions) > 1 else None
                sample = self._samples.start(status, name, cleaning, given)
                cleaning.callback(self._executions.settle, sample.arn)
                started.append(_Started(status, name, sample.arn))
        return started

    # The checks

    def _effects(self, started: _Started) -> Iterator[Check]:
        self._progress(f"Waiting for execution {started.name}")
        ended = self._executions.ended(started.arn)
        self._versions[started.arn] = ended.version

        def check(what: str, problem: str | None) -> Check:
            return Check(started.loop, what, problem, started.arn, ended.version)

        yield check("the execution succeeds", ended.problem)
        row = self._samples.row(started.name)
        status: Status = "Stopped" if started.loop == "Rule" else started.loop
        outcome = row.get("outcome")
        yield check(
            f"the outcome in the ledger is {OUTCOMES[status]}",
            None if outcome == OUTCOMES[status] else f"the outcome is {outcome}",
        )
        if started.loop == "Completed":
            yield check("the review is stored, and shows that the model was overruled", self._review(row))

    def _review(self, row: dict[str, str]) -> str | None:
        location = row.get("reviewLocation")
        if location is None:
            return "the ledger row has no review location"
        place = S3Location.parse(location)
        try:
            record = read_review(self._s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read())
        except InvalidDocument as error:
            return f"{location}: {error}"
        found = [(field.predicted, field.reviewed, record.overruled) for field in record.fields]
        return None if found == [('"invoice"', '"receipt"', True)] else f"{location} has {found}"

    def _event(self, execution: str | None) -> Check:
        stage = self._resources.stage
        problem = (
            f"no execution has claimed {loop_of_rule(self._mark)} within {RULE_TIMEOUT_SECONDS} s. EventBridge "
            "delivers events of A2I on a best-effort basis, so run the test again. If that fails, too, see whether the "
            f"rule afterloop-{stage} is enabled, and run "
            f"`python deploy.py loops redrive --undelivered --dry-run --stage {stage}`"
        )
        return Check("Rule", "the rule starts an execution", None if execution else problem, execution)

    def _messages(self, started: list[_Started]) -> Iterator[Check]:
        self._progress("Waiting for messages")
        expected = [(one, (one.name, KINDS[one.loop])) for one in started if one.loop in KINDS]
        received = self._listener.received({message for _, message in expected})
        for one, message in expected:
            problem = f"no message arrived within {listening.MESSAGE_TIMEOUT_SECONDS} s"
            yield Check(
                one.loop,
                f"a {message[1]} message arrives",
                None if message in received else problem,
                one.arn,
                self._versions[one.arn],
            )
