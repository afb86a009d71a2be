"""What is done to one of many human loops: an action for each operation, and one that only checks.

An action takes a loop's name and returns what happened to it. `workflow.operations.several.process` runs it for all.
"""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from workflow.operations.closing import Closing
from workflow.operations.redriving import Redrives
from workflow.operations.restarting import Restarts
from workflow.operations.several import Interruption, Operation, Result, explained, repeated
from workflow.operations.stage_loops import StageLoops
from workflow.operations.story import GONE, Execution

__all__ = ["MAX_WAIT_SECONDS", "Action", "Actions"]

Action = Callable[[str], Result]

MAX_WAIT_SECONDS = 60
"""How long an operation waits for an execution. Most take seconds; your own steps can take hours."""

_MAX_PAUSE_SECONDS = 5
_MAX_REASON = 300
"""Longer reasons, such as a traceback, would hide the other lines of a list. `loops show` has the whole reason."""


class Actions:
    """The actions on loops of a stage."""

    def __init__(self, loops: StageLoops, redrives: Redrives, restarts: Restarts, closing: Closing) -> None:
        self._loops = loops
        self._redrives = redrives
        self._restarts = restarts
        self._closing = closing

    def redrive(self, interruption: Interruption, *, wait: bool = True) -> Action:
        """Returns the action that runs a loop's status change again.

        Args:
            interruption: Ends the waiting.
            wait: Whether to wait for the end of the execution, so that the result says whether it failed again and
                no more executions run at the same time than loops are processed.
        """

        def redrive(name: str) -> Result:
            plan = repeated(lambda: self._redrives.plan(name), interruption)
            redriven = repeated(lambda: self._redrives.run(plan), interruption)
            return self.result_of(name, redriven.execution, interruption, wait=wait)

        return redrive

    def restart(
        self, interruption: Interruption, *, more_attempts: int = 1, flow_definition: str | None = None
    ) -> Action:
        """Returns the action that restarts a loop. The arguments are those of `Loops.restart`."""

        def restart(name: str) -> Result:
            plan = repeated(lambda: self._restarts.plan(name, flow_definition), interruption)
            started = repeated(lambda: self._restarts.run(plan, more_attempts), interruption)
            return Result(name, "done", next_loop_name=started.human_loop_name)

        return restart

    def close(self, interruption: Interruption, note: str) -> Action:
        """Returns the action that closes a loop. The note is that of `Loops.close`."""

        def close(name: str) -> Result:
            plan = repeated(lambda: self._closing.plan(name), interruption)
            closed = repeated(lambda: self._closing.run(plan, note), interruption)
            notified = f"waiting workflows notified: {closed.answered}" if closed.answered else ""
            return Result(name, "done", notified)

        return close

    def check(
        self, operation: Operation, interruption: Interruption, *, flow_definition: str | None = None
    ) -> Action:
        """Returns the action that says whether an operation is possible on a loop. It changes nothing.

        Args:
            operation: The operation.
            interruption: Ends the pauses between repeated calls.
            flow_definition: For a restart: the name or ARN of another flow definition.
        """

        def redrive(name: str) -> Result:
            plan = self._redrives.plan(name)
            return Result(name, "possible", f"{plan.claim}, which {plan.before} failed to process")

        def restart(name: str) -> Result:
            plan = self._restarts.plan(name, flow_definition)
            return Result(name, "possible", f"with {plan.flow_definition_arn}")

        def close(name: str) -> Result:
            loop = self._closing.plan(name).loop
            return Result(name, "possible", loop.reason or "")

        checks: dict[Operation, Action] = {"redrive": redrive, "restart": restart, "close": close}
        return lambda name: repeated(lambda: checks[operation](name), interruption)

    def check_execution(self, interruption: Interruption) -> Action:
        """Returns the action that says whether the event of an execution can run again. It takes its ARN."""

        def check(arn: str) -> Result:
            plan = repeated(lambda: self._redrives.plan_execution(arn), interruption)
            return Result(plan.human_loop_name or "unknown", "possible", f"the event of {arn}")

        return check

    def result_of(self, name: str, arn: str, interruption: Interruption, *, wait: bool) -> Result:
        """Returns what came of an execution.

        Args:
            name: What the execution processes.
            arn: Its ARN.
            interruption: Ends the waiting.
            wait: Whether to wait for its end.
        """
        try:
            ended = self._ended(arn, interruption) if wait else None
        except (ClientError, BotoCoreError) as error:
            return Result(name, "running", f"its result is unknown: {explained(error)}", execution=arn)
        if ended is None:
            return Result(name, "running", execution=arn)
        if ended.status == "SUCCEEDED":
            return Result(name, "done", execution=arn)
        why = ": ".join(filter(None, [ended.error, ended.cause])) or ended.status
        return Result(name, "failed", " ".join(why[:_MAX_REASON].split()), execution=arn)

    def _ended(self, arn: str, interruption: Interruption) -> Execution | None:
        """Waits for the end of an execution. Returns None if it has not ended in time."""
        waited, pause = 0.0, 0.5
        while True:
            found = repeated(lambda: self._loops.execution(arn), interruption)
            # DescribeExecution is eventually consistent, so it may not know the execution yet.
            if not found.is_running and found.status != GONE:
                return found
            if waited >= MAX_WAIT_SECONDS or interruption.pause(pause):
                return None
            waited, pause = waited + pause, min(_MAX_PAUSE_SECONDS, pause * 1.5)
