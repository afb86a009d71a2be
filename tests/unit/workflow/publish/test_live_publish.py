"""Which publish is live, and what is said if it is not what was published."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import MACHINE, NOW, STACK_ID, Services
from workflow.publish.account import Account
from workflow.publish.history import Record
from workflow.publish.live_publish import find_live, what_differs
from workflow.publish.stacks import Stack


def record(number: int, version: int, days: str = "30", **more: Any) -> Record:
    fields = {"at": NOW, "by": "me", "template_key": "t", "parameters": {"Days": days}}
    return Record.model_validate({"number": number, "version": f"{MACHINE}:{version}", **fields, **more})


def stack(days: str = "30", published: int | None = None) -> Stack:
    outputs = {"StateMachine": MACHINE, **({"LiveVersion": f"{MACHINE}:{published}"} if published else {})}
    return Stack(
        "afterloop-dev", STACK_ID, "UPDATE_COMPLETE", parameters={"Days": days, "New": "x"}, outputs=outputs
    )


ONE, SETTING, TWO = record(1, 1), record(2, 1, "7"), record(3, 2, "7")
BACK = record(4, 1, restores=1)
KILLED = record(2, 2, outcome="taken back", reason="its process ended before CloudFormation began")
TAKEN_BACK = record(4, 3, outcome="taken back", reason="2 executions failed on version 3")


@pytest.mark.parametrize(
    ("weights", "one", "records", "expected", "in_place", "says"),
    [
        ({1: 100}, stack(published=1), [ONE], 1, True, []),
        # The same version with other settings: the stack says which publish it is.
        ({1: 100}, stack(days="7", published=1), [ONE, SETTING], 2, True, []),
        ({1: 100}, stack(published=1), [ONE, SETTING, TWO, BACK], 4, True, []),
        # A rollback was routed and then failed, or somebody routed by hand.
        ({1: 100}, stack(days="7", published=2), [ONE, TWO], 1, False, ["version 1, of publish 1 of"]),
        # A setting was changed in the console.
        ({1: 100}, stack(days="9", published=1), [ONE], 1, False, ["but the stack has something else"]),
        # A shift.
        ({1: 90, 2: 10}, stack(days="7", published=2), [ONE, TWO], 1, False,
         ["version 1 (90 %) and version 2 (10 %): unless a shift is in progress"]),
        # A hot swap, or a publish in the console.
        ({9: 100}, stack(published=2), [ONE, TWO], None, False, ["version 9, which no publish made live"]),
        ({2: 100}, stack(days="7", published=2), [ONE, SETTING, TWO, TAKEN_BACK], 3, True,
         ["was taken back (2 executions failed on version 3); fix the cause, then `python deploy.py publish"]),
        ({1: 100}, stack(published=1), [ONE, KILLED], 1, True,
         ["was taken back (its process ended before CloudFormation began); `python deploy.py publish --stage dev` "
          "publishes what you have"]),
        ({9: 100}, stack(), [], None, False, []),
    ],
)  # fmt: skip
def test_publish_that_is_live(
    account: Account, services: Services, weights: Any, one: Stack, records: list[Record], expected: int | None,
    in_place: bool, says: list[str],
) -> None:  # fmt: skip
    services.describes_alias(weights)
    live = find_live(account, one, records)
    assert (live.record.number if live.record else None, live.is_in_place) == (expected, in_place)
    said = list(what_differs(live, records, stage="dev"))
    assert len(said) == len(says)
    assert all(part in sentence for part, sentence in zip(says, said, strict=True))


def test_stack_without_an_output_of_the_version_is_asked(account: Account, services: Services) -> None:
    """The shift of version 2 was reversed, so the state machine has the definition of version 2."""
    services.describes_alias({1: 100})
    services.describes_machine('{"one": 1}', f"{MACHINE}:1")
    services.describes_machine('{"two": 2}')
    assert not find_live(account, stack(), [ONE]).is_in_place


def test_nothing_is_live_without_a_stack(account: Account) -> None:
    live = find_live(account, None, [TAKEN_BACK])
    assert (live.record, dict(live.weights)) == (None, {})
    (said,) = what_differs(live, [TAKEN_BACK], stage="dev")
    assert said.startswith("publish 4 of 2026-01-01")
