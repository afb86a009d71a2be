"""The updates of a publish: what the first one keeps, and what the second one removes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from tests.unit.workflow.publish.test_keeping import allow, content, edited, kept_statements, role
from tests.unit.workflow.publish.test_needs import CALLS, NEW, ONLY_WAITS
from workflow.publish.content import Content
from workflow.publish.needs import Runs, StillNeeded
from workflow.publish.package import Package
from workflow.publish.stacks import Stack
from workflow.publish.updates import deployed_content, removal, still_kept, updates, widening

STACK = Stack("afterloop-dev", "arn", "UPDATE_COMPLETE", outputs={"StateMachine": "machine"})
REMOVED = ["Score", "ScoreLogs", "ScoreRole", "ScoreVersion"]


def packed(one: Content) -> Package:
    return Package(json.dumps(one.template), one.parameters, bundles={})


class Account:
    """An account in which executions run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[Runs] = []
        self.since: datetime | None = None
        self.asked = 0
        self.machines, self.stacks, self.artifacts = Mock(), Mock(), Mock()
        monkeypatch.setattr("workflow.publish.updates.running", self._running)

    def _running(self, *_: Any, since: datetime | None = None) -> list[Runs]:
        self.since = since
        self.asked += 1
        return self.runs


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    return Account(monkeypatch)


def test_publish_that_takes_nothing_away_does_not_ask_what_runs(account: Any) -> None:
    package = packed(edited(content(), lambda one: one["Resources"].update(More=role(allow("sqs:*", "*")))))
    assert updates(account, STACK, content(), package).first is package
    assert account.asked == 0


def test_removed_function_stays_during_the_update_and_is_removed_after_it(account: Any) -> None:
    package = packed(content(score=False))
    planned = updates(account, STACK, content(), package)

    first = Content(*planned.first.content)
    assert (first.kept_functions, first.widened_roles) == ({"Score"}, {"MachineRole"})
    assert planned.after.template == json.loads(package.template)
    assert [(one["LogicalResourceId"], one["PolicyAction"]) for one in planned.removals] == [
        (name, "Retain" if name == "ScoreVersion" else "Delete") for name in REMOVED
    ]
    assert not planned.still_needed

    assert removal(account, STACK, planned, package) == (package, [])


def test_removed_function_stays_after_the_update_if_it_is_needed(account: Any) -> None:
    account.runs = [Runs(2, 7, CALLS)]
    package = packed(content(score=False))
    planned = updates(account, STACK, content(), package)
    waiting = [StillNeeded("Score", 2, (7,)), StillNeeded("permissions of MachineRole", 2, (7,))]
    assert (planned.removals, planned.still_needed) == ([], waiting)
    left, still_needed = removal(account, STACK, planned, package)
    assert (left is planned.first, still_needed) == (True, waiting)


def test_what_a_plan_keeps_stays_although_its_executions_have_ended_meanwhile(account: Any) -> None:
    account.runs = [Runs(1, 7, CALLS)]
    package = packed(content(score=False))
    planned = updates(account, STACK, content(), package)
    account.runs = []
    left, still_needed = removal(account, STACK, planned, package)
    assert left is planned.first
    assert [one.executions for one in still_needed] == [0, 0]


def test_only_the_function_that_no_execution_names_is_removed(account: Any) -> None:
    account.runs = [Runs(1, 7, ONLY_WAITS)]
    package = packed(content(score=False))
    planned = updates(account, STACK, content(), package)
    assert [one["LogicalResourceId"] for one in planned.removals] == REMOVED
    assert removal(account, STACK, planned, package)[1] == []


def test_what_new_executions_are_routed_to_stays_until_they_go_to_the_new_version(account: Any) -> None:
    package = packed(content(score=False))
    deployed = Content(*updates(account, STACK, content(), package).first.content)
    # A rollback has routed them there, and did not come to its end.
    account.runs = [Runs(0, 7, CALLS), Runs(4, 8, NEW, are_older=False)]
    planned = updates(account, STACK, deployed, package)
    assert Content(*planned.first.content).kept_functions == {"Score"}
    assert [one["LogicalResourceId"] for one in planned.removals] == REMOVED


def test_kept_function_is_removed_at_once_when_nothing_needs_it(account: Any) -> None:
    package = packed(content(score=False))
    deployed = Content(*updates(account, STACK, content(), package).first.content)
    planned = updates(account, STACK, deployed, package)
    assert planned.first is package
    assert planned.removals == []


def test_narrower_permissions_of_the_same_definition_stay_for_what_began_before(account: Any) -> None:
    before, after = (
        content(Buckets="arn:aws:s3:::one/*,arn:aws:s3:::two/*"),
        content(Buckets="arn:aws:s3:::one/*"),
    )
    account.runs = [Runs(1, 7, CALLS)]
    planned = updates(account, STACK, before, packed(after))
    first = Content(*planned.first.content)
    assert kept_statements(first, "ScoreRole") == [allow(["s3:GetObject"], ["arn:aws:s3:::two/*"])]
    assert account.since is not None
    since = account.since
    assert since <= datetime.now(UTC)

    # The next plan asks for the same executions, and keeps the same.
    assert updates(account, STACK, first, packed(after)).first.template == planned.first.template
    assert account.since == since
    account.runs = [Runs(1, 7, CALLS, are_older=False)]
    assert removal(account, STACK, planned, packed(after))[0] is planned.first, "the plan said that it stays"
    package = packed(after)
    assert updates(account, STACK, first, package).first is package


def test_permissions_that_do_not_fit_are_a_warning_if_something_runs(account: Any) -> None:
    many = [f"arn:aws:s3:::{number:060}" for number in range(200)]
    before = edited(
        content(), lambda one: one["Resources"].update(MachineRole=role(allow("s3:GetObject", many)))
    )
    package = packed(content())
    assert updates(account, STACK, before, package).warnings == []
    account.runs = [Runs(3, 7, ONLY_WAITS)]
    assert updates(account, STACK, before, package).warnings == [
        "the permissions that MachineRole loses (IAM's limit is 10,240 characters for a role) cannot be kept for 3 "
        "running executions, which may fail"
    ]


def test_rollback_adds_only_permissions_that_are_missing(account: Any) -> None:
    old, new = content(), edited(content(), lambda one: one["Resources"].update(MachineRole=role()))
    stack = Stack("afterloop-dev", "arn", "UPDATE_COMPLETE", parameters=dict(new.parameters))
    account.stacks.template.return_value = new.template
    wider = widening(account, stack, packed(old))
    assert wider is not None
    assert [one["Action"] for one in kept_statements(Content(*wider.content), "MachineRole")] == [
        ["sqs:SendMessage"],
        ["lambda:InvokeFunction"],
    ]
    account.stacks.template.return_value = old.template
    assert widening(account, stack, packed(new)) is None


def test_stack_says_what_it_keeps(account: Any) -> None:
    kept = updates(account, STACK, content(), packed(content(score=False))).first
    account.stacks.template.return_value = kept.content[0]
    account.runs = [Runs(1, 7, CALLS)]
    assert [one.what for one in still_kept(account, STACK)] == ["Score", "permissions of MachineRole"]
    assert still_kept(account, Stack("afterloop-dev", "arn", "ROLLBACK_COMPLETE")) == []


def test_characters_lost_by_cloudformation_are_read_from_an_earlier_publish(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = edited(content(), lambda one: one["Resources"]["Score"].update(Description="für"))
    returned = edited(content(), lambda one: one["Resources"]["Score"].update(Description="f?r"))
    account.stacks.template.return_value = returned.template
    account.artifacts.read.return_value = json.dumps(published.template).encode()
    monkeypatch.setattr("workflow.publish.history.history", lambda *_: [Mock(template_key="key")])
    found = deployed_content(account, "dev", STACK, content(score=False).template)
    assert found.template["Resources"]["Score"]["Description"] == "für"
