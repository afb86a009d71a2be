"""Schedules in which events cannot be delivered: they are in a queue, and people process it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.faults.commands import Commands
from tests.faults.director import Schedule
from tests.faults.services import ACCOUNT, REGION, A2iLoop, Message
from tests.faults.world import MACHINE, RULE
from workflow.operations.several import Interruption, Results
from workflow.operations.undelivered import execution_name

__all__ = ["Undelivered"]

_RULE_ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{RULE}"


class Undelivered(Commands, Schedule):
    """Some events of loops and of executions are in the queue UndeliveredEvents, some are delivered as well.

    Checked: a message is deleted only after its event was delivered; what is no event of the stage stays, and is shown.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._queue = self.world.undelivered
        self._queue.deleting = self._check_delivered
        self._reported: set[str] = set()
        self._not_events: list[Message] = []

    def _possible(self) -> list[Callable[[], None]]:
        process = 10 if self._queue.messages else 0
        return [*super()._possible(), self._add_what_is_no_event, *[self._process] * process]

    # The queue

    def _deliver(self, loop: A2iLoop, delay: float) -> None:
        if not self.choices.chance(0.6):
            super()._deliver(loop, delay)
            return
        event = loop.event(self._time_format)

        def queue() -> None:
            if delay:
                self._scheduler.sleep(delay)
            loop.known = True
            self._queue.add(event, RULE_ARN=_RULE_ARN, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="no role")
            self._scheduler.say(f"cannot deliver {loop.name} {loop.status}")

        self._spawn(f"failed delivery of {loop.name} {loop.status}", queue)

    def _report_failed(self, event: Any) -> None:
        self._queue.add(event, RequestID="1", ErrorCode="200", ErrorMessage="the function failed")

    def _add_what_is_no_event(self) -> None:
        event = self.choices.of(("not JSON", {"source": "mine", "detail": {}}))
        self._not_events.append(self._queue.add(event, RULE_ARN=_RULE_ARN))

    def _check_delivered(self, message: Message) -> None:
        if message in self._not_events:
            self.world.violated(f"{message.id} is no event of the stage, and is deleted")
            return
        event = json.loads(message.body)
        arn = event["detail"].get("executionArn")
        started = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{execution_name(message.body)}"
        if arn is None and started not in self.world.executions:
            self.world.violated(f"{message.id} is deleted, and its event was not delivered")

    # People

    def _process(self) -> None:
        dry_run = self.choices.chance(0.2)
        at_once, wait = self.choices.of((1, 3, 10)), self.choices.of((True, False))

        def process(interruption: Interruption) -> Results:
            events = self.world.operator().undelivered()
            return events.process(interruption, dry_run=dry_run, at_once=at_once, wait=wait)

        for _ in range(self.choices.of((1, 1, 2))):
            self._run_command("redrive --undelivered", process)
            self._pause()

    def _act_on_what_is_shown(self) -> None:
        def process(interruption: Interruption) -> Results:
            return self.world.operator().undelivered().process(interruption, dry_run=False, at_once=10)

        found = self._run_command("redrive --undelivered", process, calm=True)
        self._scheduler.run()
        shown = {one.message_id for one in found.results if one.result == "skipped"}
        for message in self._not_events:
            if message.id not in shown:
                self.world.violated(f"{message.id} is no event of the stage, and is not shown")
        if len(self._queue.messages) != len(self._not_events):
            self.world.violated(f"messages stay in the queue: {[one.id for one in self._queue.messages]}")
        super()._act_on_what_is_shown()
