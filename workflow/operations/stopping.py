"""Stops human loops that are in progress."""

from __future__ import annotations

from botocore.exceptions import ClientError

from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.reviews.event import TERMINAL_STATUSES
from lambdas.reviews.times import timestamp
from workflow.operations.stage_loops import LoopError, StageLoops
from workflow.operations.story import A2iLoop

__all__ = ["Stopping"]


class Stopping:
    """Stops loops of a stage."""

    def __init__(self, loops: StageLoops) -> None:
        self._loops = loops

    def run(self, name_or_key: str) -> str:
        """Asks A2I to stop a loop; see `Loops.stop`.

        Raises:
            LoopError: The loop does not exist, or has already ended.
        """
        loop = self._loops.find(name_or_key)
        name = loop.name if loop else name_or_key
        view = self._loops.view(name)
        # The row of the loop that A2I has now: the name can have been that of another one before.
        if view is not None and (row := self._row(name, view)) is not None:
            self._loops.ledger.record_action(row, self._loops.action("stop", now()))
        try:
            self._loops.a2i.stop_human_loop(HumanLoopName=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("ResourceNotFoundException", "ValidationException"):
                raise
            why = self._why_not(loop, name, view, error.response["Error"].get("Message", code))
            raise LoopError(f"human loop {name}: {why}") from None
        return name

    def _row(self, name: str, view: A2iLoop) -> Loop | None:
        """The row of a loop in progress. One that the stage gets the events of, and has no row of, gets one now."""
        if view.created is None or view.status != "InProgress":
            return None
        ledger, flow = self._loops.ledger, view.flow_definition_arn
        if (row := ledger.find_loop(name, timestamp(view.created))) is not None:
            return row
        heard = self._loops.resources.parameters.get("FlowDefinitionArns", "*")
        if flow is None or (heard != "*" and flow not in heard.split(",")):
            return None
        key = ledger.adopt(name, view.created, flow)
        return ledger.find(key) if key else None

    def _why_not(self, loop: Loop | None, name: str, view: A2iLoop | None, message: str) -> str:
        if view is not None and view.status in TERMINAL_STATUSES:
            return f"it already ended, as {view.status}; see `{self._loops.command('show', name)}`"
        if loop is not None and loop.status == "Starting":
            return f"it is still starting; to resume the start, run `{self._loops.command('reconcile')}`"
        if view is not None:
            return f"A2I refused: {message}"
        if loop is not None:
            self._loops.check_is_in_a2i(loop, "close")
        return "A2I has no loop with this name in this account and Region"
