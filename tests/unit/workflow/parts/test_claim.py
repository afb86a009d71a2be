"""The claim of a status change, on a table: which execution gets it, and in which row."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic.alias_generators import to_camel

from lambdas.loops.identity import is_about, own_key
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.missed_events import loop_deleted_event
from tests.unit.doubles import REGION, create_ledger_table
from tests.unit.rows_of_loops import ROWS
from tests.unit.steps import NOW, Run, Steps

FIRST, SECOND, THIRD = (f"2026-03-0{day}T05:06:07.890Z" for day in (4, 5, 6))
KEYS = {SECOND: "loop@2026-03-05T05:06:07Z", THIRD: "loop@2026-03-06T05:06:07Z"}
CLAIM, READ, WHOSE, AGAIN = "Claim status change", "Read the row", "Whose row is it?", "Claim again"
WAIT = "Wait for the row"
MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev:live"
CLAIMED = [CLAIM, "Route by status"]
UNCLAIMED = [CLAIM, "Escalate unclaimed event"]
DUPLICATE = [CLAIM, READ, WHOSE, "Already handled"]
CLAIMED_AGAIN = [CLAIM, READ, WHOSE, AGAIN, "Route by status"]
STARTED = {
    "input_location": "s3://b/input",
    "created_at": "2026-03-04T05:06:07.100Z",
    "started_at": "2026-03-04T05:06:08.100Z",
    "updated_at": "2026-03-04T05:06:08.100Z",
}


class Table:
    """The ledger's table and the machine's steps on it."""

    def __init__(self, dynamodb: Any) -> None:
        self.dynamodb = dynamodb
        self.name = create_ledger_table(self.dynamodb, f"ledger-{uuid.uuid4().hex}")
        self.ledger = Ledger(self.dynamodb, self.name)
        self._steps = Steps(self.dynamodb, self.name)

    def add(self, name: str = "loop", **values: Any) -> None:
        assert self.ledger.open(Loop(human_loop_name=name, **values)) is None
        if values.get("updated_at"):
            self.write(name, updatedAt={"S": values["updated_at"]})

    def write(self, name: str, **attributes: Any) -> None:
        for attribute, value in attributes.items():
            self.dynamodb.update_item(
                TableName=self.name,
                Key={"humanLoopName": {"S": name}},
                UpdateExpression="SET #attribute = :value",
                ExpressionAttributeNames={"#attribute": attribute.replace("_", " ", 1)},
                ExpressionAttributeValues={":value": value},
            )

    def run(self, event: Any, execution: str, **options: Any) -> Run:
        return self._steps.run(event, execution, **options)

    def row(self, key: str = "loop") -> Loop:
        row = self.ledger.find(key)
        assert row is not None
        return row

    def keys(self) -> list[str]:
        items = self.dynamodb.scan(TableName=self.name)["Items"]
        return sorted(item["humanLoopName"]["S"] for item in items)

    def claims(self) -> dict[tuple[str, str], str]:
        """The execution of each claim, by key and claim."""
        return {
            (key, claim): held["execution"]
            for key in self.keys()
            for claim, held in self.row(key).claims.items()
        }


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def table(dynamodb: Any) -> Table:
    return Table(dynamodb)


def event(name: Any = "loop", status: str = "Failed", created: str = FIRST, **detail: Any) -> Any:
    return {"detail": {"humanLoopName": name, "humanLoopStatus": status, "creationTime": created, **detail}}


class TestRow:
    def test_claim_sets_outcome_processing_and_removes_earlier_reason(self, table: Table) -> None:
        table.run(event(), "arn:1")
        table.ledger.release("loop", f"{FIRST} Failed", "arn:1", outcome="failed", reason="no output")
        assert table.run(event(), "arn:2").states == CLAIMED

        row = table.row()
        assert (row.status, row.outcome, row.reason) == ("Failed", "processing", None)
        assert (row.execution, row.loop_created_at) == ("arn:2", FIRST)

    def test_state_and_variables_name_row_and_claim(self, table: Table) -> None:
        table.add(status="InProgress", **STARTED)
        run = table.run(event(flowDefinitionArn="arn:flow-definition/triage"), "arn:1")
        assert run.data["claim"]["id"] == f"{FIRST} Failed"
        assert run.data["claim"]["loop"]["inputLocation"] == "s3://b/input"
        assert run.variables["ledgerKey"] == "loop"
        assert run.variables["claimAttribute"] == f"claim {FIRST} Failed"
        assert run.variables["flowDefinitionName"] == "triage"

        run = table.run(event(created=SECOND, flowDefinitionArn="arn:flow-definition/night"), "arn:2")
        assert run.data["claim"]["id"] == f"{SECOND} Failed"
        assert "inputLocation" not in run.data["claim"]["loop"]
        assert run.variables["ledgerKey"] == KEYS[SECOND]
        assert run.variables["claimAttribute"] == f"claim {SECOND} Failed"
        assert run.variables["flowDefinitionName"] == "night"


class TestExecutions:
    """The row has every execution that processed one of its status changes, also those before a redrive."""

    def test_row_has_each_execution_that_claimed_with_the_time_and_the_status_change(
        self, table: Table
    ) -> None:
        for execution in ("arn:1", "arn:2"):
            table.run(event(), execution)
            table.ledger.release("loop", f"{FIRST} Failed", execution, outcome="failed")
        table.run(event(), "arn:3")

        executions = table.row().executions
        assert list(executions) == ["arn:1", "arn:2", "arn:3"]
        assert executions["arn:1"].claim == f"{FIRST} Failed"
        assert executions["arn:1"].at == NOW

    def test_execution_that_claims_twice_is_there_once(self, table: Table) -> None:
        """The answer of the write was lost, or somebody redrove the execution in the console."""
        table.run(event(), "arn:1")
        table.write("loop", **{"execution_arn:1": {"M": {"at": {"S": FIRST}}}})
        table.run(event(), "arn:1")
        assert {arn: one.at for arn, one in table.row().executions.items()} == {"arn:1": FIRST}

    def test_duplicate_delivery_is_not_an_attempt(self, table: Table) -> None:
        for number in range(3):
            table.run(event(), f"arn:{number}")
        assert list(table.row().executions) == ["arn:0"]

    def test_claim_in_a_row_of_its_own_has_its_executions_there(self, table: Table) -> None:
        table.run(event(), "arn:1")
        table.run(event(created=SECOND), "arn:2")
        assert list(table.row().executions) == ["arn:1"]
        assert {a: one.claim for a, one in table.row(KEYS[SECOND]).executions.items()} == {
            "arn:2": f"{SECOND} Failed"
        }

    def test_both_status_changes_of_a_deleted_loop_have_their_execution(self, table: Table) -> None:
        table.add(status="InProgress", loop_created_at=FIRST, **STARTED)
        table.run(loop_deleted_event(table.row(), MACHINE), "arn:deleted")
        table.ledger.settle(table.row(), [f"{FIRST} Failed"], outcome="escalated")
        table.run(event(status="Completed"), "arn:a2i")
        assert {arn: one.claim for arn, one in table.row().executions.items()} == {
            "arn:deleted": f"{FIRST} Failed",
            "arn:a2i": f"{FIRST} Completed",
        }

    @pytest.mark.parametrize(
        "odd", [{"S": "yes"}, {"L": []}, {"NULL": True}, {"M": {"at": {"N": "5"}}}, {"SS": ["x"]}]
    )
    def test_odd_values_in_the_row_do_not_cost_the_claim(self, table: Table, odd: Any) -> None:
        table.add(status="InProgress", **STARTED)
        names = {"execution_arn:1": odd, "execution_arn:0": odd, "execution_": odd, "executions": odd}
        table.write("loop", **names)
        run = table.run(event(), "arn:1")
        assert run.states == CLAIMED
        assert "executions" not in run.data["claim"]["loop"]
        assert {arn: one.at for arn, one in table.row().executions.items()} == {"arn:0": None, "arn:1": None}


class TestNames:
    @pytest.mark.parametrize(
        "name", ["tokens loop", "loop@now", "x" * 64, "loop-", "-loop", "loop\n", "läufe", "loop_2", ""]
    )
    def test_event_with_a_name_that_a2i_does_not_allow_writes_nothing(self, table: Table, name: str) -> None:
        run = table.run(event(name), "arn:1")
        assert run.states == UNCLAIMED
        assert "$.detail.humanLoopName" in run.failure
        assert table.keys() == []

    @pytest.mark.parametrize("status", ["Starting", "InProgress", "NotNeeded", "Refused"])
    def test_event_with_a_status_of_the_ledger_writes_nothing(self, table: Table, status: str) -> None:
        table.add(status="InProgress", **STARTED)
        before = table.row()
        assert table.run(event(status=status), "arn:1").states == UNCLAIMED
        assert table.row() == before

    @pytest.mark.parametrize("name", ["loop", "LOOP--2", "x" * 63])
    def test_names_that_a2i_allows_are_claimed(self, table: Table, name: str) -> None:
        assert table.run(event(name), "arn:1").states == CLAIMED
        assert table.keys() == [name]


ODD_EVENTS = {
    "a text": "loop",
    "a list": [event()],
    "a list of details": {"detail": [event()["detail"]]},
    "a long time": event(created="x" * 101),
    "a long status": event(status="x" * 60_000),
    "a number as status": event(status=5),  # type: ignore[arg-type]
}


class TestOddEvents:
    @pytest.mark.parametrize("odd", ODD_EVENTS.values(), ids=ODD_EVENTS)
    def test_event_that_cannot_be_claimed_writes_nothing(self, table: Table, odd: Any) -> None:
        run = table.run(odd, "arn:1")
        assert run.states == UNCLAIMED
        assert table.ledger.find("loop") is None
        assert run.data["failure"]["Cause"]

    @pytest.mark.parametrize("flow", [5, ["arn"], "", "x" * 3_000, "é", "a\nb"])
    def test_odd_flow_definition_does_not_cost_the_review(self, table: Table, flow: Any) -> None:
        assert table.run(event(flowDefinitionArn=flow), "arn:1").states == CLAIMED
        assert table.row().flow_definition_arn is None

    def test_large_event_keeps_its_documented_fields(self, table: Table) -> None:
        run = table.run(event(failureReason="x" * 60_000, unknown=["y" * 150_000]), "arn:1")
        assert run.states == CLAIMED
        assert set(run.data["detail"]) == {
            "humanLoopName",
            "humanLoopStatus",
            "creationTime",
            "failureReason",
            "humanLoopOutput",
        }
        assert len(run.data["detail"]["failureReason"]) == 2000


class TestFirstDelivery:
    """It takes one state, whatever the row knows about its loop."""

    @pytest.mark.parametrize(
        ("row", "created"),
        [
            ({"status": "Starting", "created_at": STARTED["created_at"]}, FIRST),
            ({"status": "InProgress", **STARTED}, FIRST),
            ({"status": "InProgress", **STARTED}, "2026-03-04T05:06:07Z"),
            ({"status": "InProgress", **STARTED}, "this morning"),
            ({"status": "InProgress", "loop_created_at": FIRST, "created_at": THIRD}, FIRST),
            # As the previous version wrote it.
            ({"status": "InProgress", **STARTED, "started_at": None}, FIRST),
            # The event about a start that A2I refused after its caller had gone has the time of the row.
            ({"status": "Starting", "created_at": FIRST}, FIRST),
        ],
    )
    def test_claims_in_the_row_of_the_loop(self, table: Table, row: dict[str, Any], created: str) -> None:
        table.add(**row)
        assert table.run(event(created=created), "arn:1").states == CLAIMED
        assert table.keys() == ["loop"]
        assert table.row().loop_created_at in (FIRST, "2026-03-04T05:06:07.000Z", "this morning")

    def test_released_claim_of_a_row_without_creation_time_is_taken(self, table: Table) -> None:
        table.add(status="Failed", created_at=FIRST)
        table.write("loop", **{f"claim_{FIRST} Failed": claim("released")})
        assert table.run(event(), "arn:1").states == CLAIMED
        assert table.row().loop_created_at == FIRST


def claim(state: str, execution: str = "arn:0") -> dict[str, Any]:
    return {"M": {"state": {"S": state}, "execution": {"S": execution}}}


class TestDuplicates:
    @pytest.mark.parametrize("state", ["working", "done"])
    def test_second_delivery_ends_without_a_function(self, table: Table, state: str) -> None:
        table.run(event(), "arn:1")
        table.write("loop", **{f"claim_{FIRST} Failed": claim(state, "arn:1")})
        assert table.run(event(), "arn:2").states == DUPLICATE
        assert table.claims() == {("loop", f"{FIRST} Failed"): "arn:1"}

    def test_execution_that_runs_again_keeps_its_claim(self, table: Table) -> None:
        for created in (FIRST, SECOND):
            first, second = (table.run(event(created=created), f"arn:{created}") for _ in range(2))
            assert first.states[-1] == second.states[-1] == "Route by status"
            assert first.variables["ledgerKey"] == second.variables["ledgerKey"]

    def test_execution_whose_claim_a_person_settled_ends(self, table: Table) -> None:
        """A person closed the loop, and somebody redrove the execution in the console."""
        for created in (FIRST, SECOND):
            run = table.run(event(created=created), "arn:1")
            row = table.row(run.variables["ledgerKey"])
            table.ledger.settle(row, list(row.claims), outcome="closed")
            assert table.run(event(created=created), "arn:1").states[-1] == "Already handled"

    @pytest.mark.parametrize(
        ("times", "reused"),
        [
            ((FIRST, "2026-03-04T05:06:07Z"), False),
            (("2026-03-04T05:06:07Z", FIRST), False),
            (("2026-03-04T05:06:08Z", FIRST), False),
            (("2026-03-04T05:06:07.999Z", "2026-03-04T05:06:08.001Z"), False),
            ((FIRST, "2026-03-04T05:06:07Z"), True),
            (("2026-03-04T05:06:07Z", FIRST), True),
        ],
    )
    def test_times_within_a_second_are_one_status_change(
        self, table: Table, times: tuple[str, str], reused: bool
    ) -> None:
        if reused:
            table.run(event(created=THIRD), "arn:0")
        for execution, created in enumerate(times, start=1):
            run = table.run(event(created=created), f"arn:{execution}")
        assert run.states[-1] == "Already handled"
        assert set(table.claims().values()) == {"arn:0", "arn:1"} if reused else {"arn:1"}

    def test_row_of_the_previous_version_knows_times_by_its_claims(self, table: Table) -> None:
        table.add(status="Failed", created_at=FIRST)
        table.write("loop", **{"claim_2026-03-04T05:06:07.000Z Failed": claim("done")})
        assert table.run(event(), "arn:1").states[-1] == "Already handled"
        assert table.run(event(created=SECOND), "arn:2").variables["ledgerKey"] == KEYS[SECOND]


class TestNameUsedAgain:
    @pytest.mark.parametrize(
        "order", [(FIRST, SECOND, THIRD), (THIRD, FIRST, SECOND), (SECOND, THIRD, FIRST)]
    )
    def test_three_loops_of_a_name_have_a_row_each(self, table: Table, order: tuple[str, ...]) -> None:
        """Each event is delivered twice, in any order of the loops."""
        for number, created in enumerate([*order, *reversed(order)]):
            run = table.run(event(created=created), f"arn:{number}")
            assert run.states[-1] == ("Route by status" if number < 3 else "Already handled")
        assert table.claims() == {
            (table.ledger.find_loop("loop", created).human_loop_name, f"{created} Failed"): f"arn:{number}"  # type: ignore[union-attr]
            for number, created in enumerate(order)
        }
        assert len(table.keys()) == 3

    @pytest.mark.parametrize("status", ["InProgress", "Failed", "NotNeeded", "Refused"])
    def test_loop_started_outside_does_not_inherit_the_row(self, table: Table, status: str) -> None:
        known = {"loop_created_at": FIRST} if status == "Failed" else {}
        table.add(status=status, **STARTED, **known)
        before = table.row()
        run = table.run(event(created=SECOND), "arn:1")
        assert run.states == CLAIMED_AGAIN
        assert "inputLocation" not in run.data["claim"]["loop"]
        assert table.row() == before
        assert table.row(KEYS[SECOND]).loop_created_at == SECOND

    def test_earlier_loop_does_not_take_the_row_of_a_start(self, table: Table) -> None:
        table.add(status="Starting", input_location="s3://b/input", created_at=SECOND)
        assert table.run(event(), "arn:1").variables["ledgerKey"] == "loop@2026-03-04T05:06:07Z"
        assert table.run(event(created=SECOND), "arn:2").states == CLAIMED

    @pytest.mark.parametrize("created", ["2026-03-04T05:06:03.000Z", "2026-03-04T05:06:12.000Z"])
    def test_clocks_may_differ_by_seconds(self, table: Table, created: str) -> None:
        table.add(status="InProgress", **STARTED)
        assert table.run(event(created=created), "arn:1").states == CLAIMED_AGAIN
        assert (table.keys(), table.row().loop_created_at) == (["loop"], created)

    def test_event_deleted_loop_is_claimed_in_its_own_row(self, table: Table) -> None:
        """A workflow waits for the first loop, whose event was lost. The second one is started outside, and deleted."""
        table.add(status="InProgress", waiting=True, **STARTED)
        assert table.run(event(created=SECOND), "arn:1").variables["workflowWaiting"] is False
        table.add(KEYS[THIRD], status="InProgress", loop_created_at=THIRD)  # by the reconciler
        for key in ("loop", KEYS[THIRD]):
            run = table.run(loop_deleted_event(table.row(key), MACHINE), f"arn:{key}")
            assert run.states[-1] == "Route by status"
            assert (run.variables["ledgerKey"], run.variables["workflowWaiting"]) == (key, key == "loop")

    def test_unreadable_times_of_one_event_are_handled_once(self, table: Table) -> None:
        """The reconciler had looked up the loop's creation time."""
        table.add(status="InProgress", **STARTED, loop_created_at=FIRST)
        for execution in ("arn:1", "arn:2"):
            run = table.run(event(created="this morning"), execution)
        assert run.states[-1] == "Already handled"
        assert table.claims() == {("loop", f"{FIRST} Failed"): "arn:1"}

    @pytest.mark.parametrize("created", ["this morning", "2026-02-31T05:06:07Z", "2026-03-04 05:06:07"])
    def test_unreadable_time_is_compared_as_it_is(self, table: Table, created: str) -> None:
        table.run(event(status="Completed"), "arn:1")
        run = table.run(event(created=created), "arn:2")
        # Of a day that does not exist, the comparison may fail. Then a person is notified.
        if run.states[-1] == "Escalate unclaimed event":
            assert run.states == [CLAIM, READ, "Escalate unclaimed event"]
        else:
            assert run.variables["ledgerKey"] == own_key("loop", created)
            assert table.run(event(created=created), "arn:3").states[-1] == "Already handled"
        assert table.row().claims.keys() == {f"{FIRST} Completed"}

    def test_item_with_another_time_than_its_key_is_escalated(self, table: Table) -> None:
        table.run(event(), "arn:1")
        table.add(KEYS[SECOND], status="Failed", loop_created_at=THIRD)
        run = table.run(event(created=SECOND), "arn:2")
        assert run.states == [
            *[CLAIM, READ, WHOSE, AGAIN, READ, WHOSE],
            *["Row cannot be claimed", "Escalate unclaimed event"],
        ]
        assert run.failure == f"The row {KEYS[SECOND]} of the ledger has another creation time than its key."

    def test_read_that_fails_is_escalated(self, table: Table, dynamodb: Any) -> None:
        table.run(event(), "arn:1")

        def fail(**_: Any) -> None:
            raise table.dynamodb.exceptions.InternalServerError({"Error": {"Code": "Broken"}}, "GetItem")

        dynamodb.meta.events.register("before-call.dynamodb.GetItem", fail)
        try:
            run = table.run(event(created=SECOND), "arn:2")
        finally:
            dynamodb.meta.events.unregister("before-call.dynamodb.GetItem", fail)
        assert run.states == [CLAIM, READ, "Escalate unclaimed event"]


@pytest.mark.parametrize(("row", "created", "about"), ROWS)
def test_machine_and_functions_agree_whose_row_it_is(row: dict[str, Any], created: str, about: bool) -> None:
    item = {to_camel(field): {"S": value} for field, value in row.items() if field != "claims"}
    item |= {f"claim {name}": claim("done") for name in row.get("claims", {})}
    variables = {"ledgerKey": "loop", "claimAttribute": "claim none"}
    given = event(created=created, status="Stopped")
    assigned = Steps(None, "ledger").assigned(READ, given, {"Item": item}, variables)
    assert assigned["rowIsThisLoops"] == about
    assert assigned["claimIsHeld"] is False
    if not about:
        assert assigned["loopCreatedAt"] == created


class TestRaces:
    @pytest.mark.parametrize("state", [CLAIM, READ, WHOSE, AGAIN])
    @pytest.mark.parametrize(
        ("other", "row"),
        [
            (FIRST, None),
            (SECOND, None),
            (SECOND, "first"),
            ("2026-03-05T05:06:07Z", "started"),
            (THIRD, "first"),
        ],
    )
    def test_other_event_before_any_step_is_handled_once(
        self, table: Table, state: str, other: str, row: str | None
    ) -> None:
        """Another execution runs while the second loop's execution is about to enter the state."""
        if row == "started":
            table.add(status="InProgress", **STARTED)
        elif row == "first":
            table.run(event(), "arn:0")
        others: list[Run] = []
        interleave = once(state, lambda: others.append(table.run(event(created=other), "arn:other")))
        run = table.run(event(created=SECOND), "arn:1", before=interleave)

        ends = [one.states[-1] for one in (run, *others)]
        assert set(ends) <= {"Route by status", "Already handled"}
        changes = {SECOND: 1, **({FIRST: 1} if row == "first" else {})}
        if others:
            changes.setdefault(SECOND if other.startswith("2026-03-05") else other, 1)
        assert len(table.claims()) == len(changes)
        for key, name in table.claims():
            assert is_about(table.row(key), name.rpartition(" ")[0])
        # Nobody but the first loop has the row of the start.
        if row == "started":
            assert table.row().loop_created_at in (None, FIRST)


def once(state: str, action: Callable[[], object]) -> Callable[[str], object]:
    """Runs an action before the first time that a state is entered."""
    done: list[bool] = []

    def before(entered: str) -> None:
        if entered == state and not done:
            done.append(True)
            action()

    return before


class TestDeletedLoop:
    """The event of a loop that A2I no longer has, and A2I's own event, which can be late."""

    DELETED = event(failureCode="LoopDeleted", failureReason="A2I no longer has the loop")

    @pytest.mark.parametrize("state", ["working", "done", "released"])
    def test_event_claims_nothing_beside_that_of_a2i(self, table: Table, state: str) -> None:
        table.add(status="InProgress", **STARTED)
        table.run(event(status="Stopped"), "arn:1")
        if state == "done":
            table.ledger.settle(table.row(), [f"{FIRST} Stopped"], outcome="notified")
        elif state == "released":
            table.ledger.release("loop", f"{FIRST} Stopped", "arn:1", outcome="failed")
        before = table.row()
        assert table.run(self.DELETED, "arn:2").states == DUPLICATE
        assert table.row() == before

    def test_event_is_claimed_once_and_can_be_redriven(self, table: Table) -> None:
        table.add(status="InProgress", **STARTED)
        assert table.run(self.DELETED, "arn:1").states == CLAIMED
        assert table.run(self.DELETED, "arn:2").states == DUPLICATE
        table.ledger.release("loop", f"{FIRST} Failed", "arn:1", outcome="failed")
        assert table.run(self.DELETED, "arn:3").states == CLAIMED

    @pytest.fixture
    def escalated(self, table: Table) -> Table:
        """A workflow waited for the loop. The loop was escalated, and the workflow answered."""
        table.add(status="InProgress", waiting=True, loop_created_at=FIRST, **STARTED)
        assert table.run(self.DELETED, "arn:deleted").states == CLAIMED
        assert table.row().failure_code == "LoopDeleted"
        table.ledger.settle(table.row(), [f"{FIRST} Failed"], outcome="escalated", reason="r", waiting=False)
        return table

    @pytest.mark.parametrize("status", ["Completed", "Stopped"])
    def test_late_event_of_a2i_replaces_the_escalation(self, escalated: Table, status: str) -> None:
        assert escalated.run(event(status=status), "arn:2").states == CLAIMED_AGAIN
        row = escalated.row()
        assert (row.status, row.outcome, row.execution) == (status, "processing", "arn:2")
        assert (row.failure_code, row.failure_reason, row.reason) == (None, None, None)
        for late in (event(status=status), self.DELETED):
            assert escalated.run(late, "arn:3").states == DUPLICATE
        assert (escalated.row(), escalated.keys()) == (row, ["loop"])

    def test_late_failure_changes_nothing(self, escalated: Table) -> None:
        before = escalated.row()
        assert escalated.run(event(failureCode="InternalError"), "arn:2").states == DUPLICATE
        assert escalated.row() == before

    def test_event_of_a2i_waits_until_the_workflow_was_answered(self, table: Table) -> None:
        table.add(status="InProgress", waiting=True, loop_created_at=FIRST, **STARTED)
        table.run(self.DELETED, "arn:deleted")
        changes: list[dict[str, Any]] = [{"outcome": "escalated"}, {"waiting": False}]

        def progress(state: str) -> None:
            if state == WAIT:
                table.ledger.settle(table.row(), [f"{FIRST} Failed"], **changes.pop(0))

        run = table.run(event(status="Completed"), "arn:2", before=progress)
        waited = [READ, WHOSE, WAIT] * 2
        assert run.states == [CLAIM, *waited, READ, WHOSE, AGAIN, "Route by status"]
        assert run.variables["waits"] == 2

    def test_event_that_has_waited_for_hours_is_escalated(self, table: Table) -> None:
        late = Run(
            "arn:2", event(), variables={"rowIsBusy": True, "rowIsThisLoops": True, "claimIsHeld": False}
        )
        late.variables |= {"waits": 180, "ledgerKey": "loop"}
        table.run(event(status="Completed"), "arn:2", first=WHOSE, run=late)
        assert late.states == [WHOSE, "Row cannot be claimed", "Escalate unclaimed event"]
        assert late.failure == (
            "Another status change of the loop is still being processed: see the row loop of the ledger."
        )

    @pytest.mark.parametrize("outcome", ["processing", "stored", "failed"])
    def test_redrive_does_nothing_after_that_of_a2i(self, table: Table, outcome: str) -> None:
        table.add(status="InProgress", loop_created_at=FIRST, **STARTED)
        table.run(self.DELETED, "arn:1")
        table.ledger.release("loop", f"{FIRST} Failed", "arn:1", outcome="failed")
        assert table.run(event(status="Completed"), "arn:2").states == CLAIMED_AGAIN
        if outcome == "failed":
            table.ledger.release("loop", f"{FIRST} Completed", "arn:2", outcome="failed")
        elif outcome == "stored":
            table.ledger.settle(table.row(), [f"{FIRST} Completed"], outcome="stored")
        before = table.row()
        for execution in ("arn:1", "arn:3"):
            assert table.run(self.DELETED, execution).states == DUPLICATE
        assert table.row() == before

    def test_redrive_of_a_failed_escalation_claims(self, table: Table) -> None:
        table.add(status="InProgress", loop_created_at=FIRST, **STARTED)
        table.run(self.DELETED, "arn:1")
        assert table.run(self.DELETED, "arn:1").states == CLAIMED  # the answer of the write was lost
        table.ledger.release("loop", f"{FIRST} Failed", "arn:1", outcome="failed")
        assert table.run(self.DELETED, "arn:2").states == CLAIMED

    @pytest.mark.parametrize(
        ("status", "states"), [("Completed", [AGAIN, "Route by status"]), ("Failed", ["Already handled"])]
    )
    def test_event_of_a2i_is_recognized_if_the_time_was_not_known(
        self, table: Table, status: str, states: list[str]
    ) -> None:
        """The reconciler's event has the time at which the start began, two seconds before."""
        created = "2026-03-04T05:06:09.100Z"
        table.add(status="InProgress", **STARTED)
        deleted = loop_deleted_event(table.row(), MACHINE)
        assert table.run(deleted, "arn:1").states == CLAIMED
        table.ledger.settle(table.row(), list(table.row().claims), outcome="escalated")
        assert table.run(event(status=status, created=created), "arn:2").states[3:] == states
        assert table.keys() == ["loop"]
        assert table.row().loop_created_at == (created if status == "Completed" else None)
        # Another loop of the name is not taken for it.
        assert table.run(event(created=THIRD), "arn:3").variables["ledgerKey"] == KEYS[THIRD]

    def test_event_without_the_time_does_nothing_after_that_of_a2i(self, table: Table) -> None:
        table.add(status="InProgress", **STARTED)
        deleted = loop_deleted_event(table.row(), MACHINE)
        table.run(event(created="2026-03-04T05:06:09.100Z"), "arn:1")
        assert table.run(deleted, "arn:2").states[-1] == "Already handled"
        assert table.keys() == ["loop"]

    @pytest.mark.parametrize("step", ["Record escalation", "Give claim back"])
    def test_only_the_last_execution_writes_the_outcome(self, escalated: Table, step: str) -> None:
        """A step after the escalation fails, or the answer of its write was lost."""
        escalated.run(event(status="Completed"), "arn:2")
        before = escalated.row()
        state = {**self.DELETED, "decision": {"reason": "r"}, "failure": {"step": "s", "reason": "r"}}
        late = Run(
            "arn:deleted", state, variables={"ledgerKey": "loop", "claimAttribute": f"claim {FIRST} Failed"}
        )
        late.variables |= {"escalated": True, "recordedOutcome": "escalated"}
        escalated.run(self.DELETED, "arn:deleted", first=step, until=("Escalate", "Failed"), run=late)
        assert late.states[-1] in ("Escalate", "Failed")
        assert escalated.row() == before
