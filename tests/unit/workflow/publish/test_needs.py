"""What running executions need, and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from tests.unit.workflow.publish.test_keeping import content
from workflow.publish.keeping import joined
from workflow.publish.machines import StateMachines
from workflow.publish.needs import Needs, Runs, StillNeeded, needs, running, still_needed

CALLS = '{"Resource": "arn:aws:lambda:us-east-1:123456789012:function:afterloop-dev-Score:3"}'
CALLS_ANOTHER = '{"Resource": "arn:aws:lambda:us-east-1:123456789012:function:afterloop-dev-Scored:3"}'
ONLY_WAITS = '{"Type": "Wait"}'
NEW = '{"Type": "Pass"}'
NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (CALLS, Needs(frozenset({"Score"}), permissions=True)),
        (CALLS_ANOTHER, Needs(NOTHING, permissions=True)),
        (ONLY_WAITS, Needs(NOTHING, permissions=True)),
        (None, Needs(frozenset({"Score"}), permissions=True)),
        (NEW, Needs(NOTHING, permissions=False)),
    ],
    ids=["calls it", "calls one with a similar name", "calls none", "is unknown", "is the new one"],
)
def test_execution_needs_what_its_definition_names(definition: str | None, expected: Needs) -> None:
    assert needs(content(), [Runs(1, 1, definition, are_older=definition != NEW)]) == expected


def test_function_that_is_called_by_a_needed_one_is_needed() -> None:
    resources = content().template["Resources"]
    other = {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "other"}}
    resources["Other"] = other
    resources["Score"]["Properties"]["Environment"]["Variables"]["NEXT"] = {"Ref": "Other"}
    one = content()
    one.template["Resources"].update(resources)
    assert needs(one, [Runs(1, 1, CALLS)]).functions == {"Score", "Other"}


def test_what_stays_is_said_with_those_that_need_it() -> None:
    kept = joined(content(score=False), content(), functions={"Score"}, permissions=True).content
    runs = [Runs(3, 7, CALLS), Runs(0, 6, CALLS), Runs(2, None, ONLY_WAITS), Runs(9, 8, NEW, are_older=False)]
    assert still_needed(kept, runs) == [
        StillNeeded("Score", 3, (7,)),
        StillNeeded("permissions of MachineRole", 5, (7,)),
    ]


@pytest.mark.parametrize(
    ("needed", "sentence"),
    [
        (
            StillNeeded("Score", 1, (7,)),
            "Score stays until 1 execution on version 7 has ended; publish again afterwards.",
        ),
        (
            StillNeeded("permissions of Role", 1_200, (6, 7)),
            "Permissions of Role stay until 1,200 executions on versions 6 and 7 have ended; publish again afterwards.",
        ),
        (
            StillNeeded("Score", 2, ()),
            "Score stays until 2 executions have ended; publish again afterwards.",
        ),
        (
            StillNeeded("Score", 0, ()),
            "Score: no running execution needs this any more; publish again to remove it.",
        ),
    ],
)
def test_sentence_says_on_what_it_waits(needed: StillNeeded, sentence: str) -> None:
    assert needed.sentence == sentence


BEFORE, SINCE, AFTER = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))


def test_executions_are_counted_by_version_with_those_that_have_none() -> None:
    machines = Mock(spec=StateMachines)
    # Version 2 was deleted, which does not end its executions; 30 were started by the machine's own ARN.
    machines.running.return_value = {
        "e1": ("machine:1", BEFORE),
        "e2": ("machine:1", AFTER),
        "e3": ("machine:2", BEFORE),
        **{f"x{number}": (None, AFTER) for number in range(30)},
    }
    machines.versions.return_value = ["machine:3", "machine:1"]
    machines.weights.return_value = {"machine:3": 100}
    machines.definition.side_effect = lambda version: f"of {version}"
    machines.definition_of.side_effect = lambda execution: f"of {execution[0]}"
    assert running(machines, "machine", "of machine:3") == [
        Runs(25, None, "of x"),
        Runs(5, None, None),
        Runs(2, 1, "of machine:1"),
        Runs(1, 2, "of e"),
        Runs(0, 3, "of machine:3", are_older=False),
    ]


def test_executions_of_the_same_definition_are_older_if_they_began_before_a_publish() -> None:
    machines = Mock(spec=StateMachines)
    machines.running.return_value = {"e1": ("machine:1", BEFORE), "e2": ("machine:1", AFTER)}
    machines.versions.return_value = ["machine:1"]
    machines.weights.return_value = {"machine:1": 100}
    machines.definition.return_value = NEW
    assert running(machines, "machine", NEW, since=SINCE) == [
        Runs(1, 1, NEW, are_older=False),
        Runs(1, 1, NEW, are_older=True),
    ]
