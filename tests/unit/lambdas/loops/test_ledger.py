"""The ledger against a table with production's keys and indexes: conditional writes, races, reads by index."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from lambdas.loops import ledger
from lambdas.loops.index_query import IndexQuery
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop, OperatorAction
from lambdas.loops.rows import UnreadableRow
from tests.unit.lambdas.conftest import AWS, EXECUTION, FLOW

CLAIM = "2026-03-04T05:06:07.890Z Failed"


def held(state: str = "working", execution: str = EXECUTION) -> dict[str, str]:
    return {"state": state, "execution": execution, "at": "2026-03-04T06:00:00Z"}


def none(row: UnreadableRow) -> None:
    """For tests in which all rows can be read."""
    raise row


def names(loops: Any) -> list[str]:
    return [loop.human_loop_name for loop in loops]


def test_find_returns_none_for_unknown_name(aws: AWS) -> None:
    assert aws.ledger.find("loop") is None


def test_open_writes_all_attributes(aws: AWS) -> None:
    loop = Loop(
        human_loop_name="loop", status="Starting", attempt=2, review={"answers": 3, "overruled": True}
    )
    assert aws.ledger.open(loop) is None
    row = aws.row()
    assert row.model_copy(update={"created_at": None, "updated_at": None}) == loop
    assert row.created_at == row.updated_at is not None


def test_find_returns_plain_numbers(aws: AWS) -> None:
    aws.add_row()
    aws.ledger.update(
        "loop", review={"answers": 3, "agreement": Decimal("0.5"), "more": [{"a": Decimal("0.25")}]}
    )
    assert json.dumps(aws.row().review) == '{"answers": 3, "agreement": 0.5, "more": [{"a": 0.25}]}'


def test_open_returns_existing_row_unchanged(aws: AWS) -> None:
    row = aws.add_row(status="Completed")
    assert aws.ledger.open(Loop(human_loop_name="loop", status="Starting")) == row
    assert aws.row() == row


def test_open_overwrites_row_of_refused_start(aws: AWS) -> None:
    aws.add_row(status="Refused", reason="no such flow definition")
    assert aws.ledger.open(Loop(human_loop_name="loop", status="Starting")) is None
    assert (aws.row().status, aws.row().reason) == ("Starting", None)


@pytest.mark.parametrize(("previous", "written"), [("first", True), ("other", False), (None, False)])
def test_restart_overwrites_only_its_own_refused_row(aws: AWS, previous: str | None, written: bool) -> None:
    aws.add_row(status="Refused", previous_loop_name=previous)
    restart = Loop(human_loop_name="loop", status="Starting", previous_loop_name="first")
    assert (aws.ledger.open(restart) is None) is written


def test_update_sets_and_removes_attributes(aws: AWS) -> None:
    before = aws.add_row(reason="old", updated_at="2020-01-01T00:00:00.000Z")
    assert aws.ledger.update("loop", outcome="stored", max_attempts=5, reason=None)
    row = aws.row()
    assert (row.outcome, row.max_attempts, row.reason) == ("stored", 5, None)
    assert (row.updated_at or "") >= (before.updated_at or "")


def test_update_never_creates_a_row(aws: AWS) -> None:
    assert not aws.ledger.update("loop", status="InProgress")
    assert aws.ledger.find("loop") is None


@pytest.mark.parametrize(("status", "changed"), [("Starting", True), ("Refused", True), ("Completed", False)])
def test_update_only_while_status_matches(aws: AWS, status: str, changed: bool) -> None:
    aws.add_row(status=status)
    assert aws.ledger.update("loop", only_while=("Starting", "Refused"), status="InProgress") is changed
    assert aws.row().status == ("InProgress" if changed else status)


def test_settle_marks_claims_done(aws: AWS) -> None:
    row = aws.add_row(claims={CLAIM: held("released"), "other Stopped": held(), "third Failed": held()})
    assert aws.ledger.settle(row, [CLAIM, "other Stopped"], outcome="closed", note="done")
    after = aws.row()
    assert {claim: value["state"] for claim, value in after.claims.items()} == {
        CLAIM: "done",
        "other Stopped": "done",
        "third Failed": "working",
    }
    assert (after.outcome, after.note) == ("closed", "done")


def test_settle_loses_against_a_newer_write(aws: AWS) -> None:
    row = aws.add_row(claims={CLAIM: held()}).model_copy(update={"updated_at": "2026-01-01T00:00:00.000Z"})
    assert not aws.ledger.settle(row, [CLAIM], outcome="closed")
    assert (aws.row().outcome, aws.row().claims[CLAIM]["state"]) == (None, "working")


@pytest.mark.parametrize(
    "stale",
    [
        {"outcome": "failed"},
        {"outcome": None},
        {"claims": {CLAIM: held("released")}},
        {"claims": {CLAIM: held("working", "arn:other")}},
    ],
)
def test_settle_loses_against_a_write_with_the_same_time(aws: AWS, stale: dict[str, Any]) -> None:
    """The workflow writes the time at which it entered a state, which can be that of another write."""
    row = aws.add_row(claims={CLAIM: held()}, outcome="processing")
    assert not aws.ledger.settle(row.model_copy(update=stale), [CLAIM], outcome="closed")
    assert aws.row() == row


@pytest.mark.parametrize(
    ("claim", "released"),
    [(held(), True), (held("done"), False), (held("released"), False), (held(execution="another"), False)],
)
def test_release_needs_claim_held_by_the_execution(aws: AWS, claim: dict[str, str], released: bool) -> None:
    aws.add_row(claims={CLAIM: claim})
    assert aws.ledger.release("loop", CLAIM, EXECUTION, outcome="failed") is released
    row = aws.row()
    assert row.claims[CLAIM]["state"] == ("released" if released else claim["state"])
    assert row.outcome == ("failed" if released else None)


def test_find_all_reads_more_than_one_batch(aws: AWS) -> None:
    # BatchGetItem takes 100 keys.
    for number in range(101):
        aws.ledger.open(Loop(human_loop_name=f"loop-{number}", status="Starting"))
    names = [f"loop-{number}" for number in range(102)]
    assert set(aws.ledger.find_all([*names, *names], none)) == set(names[:-1])


def test_find_all_repeats_unprocessed_keys(boto3_clients: dict[str, Any]) -> None:
    def key(name: str) -> dict[str, Any]:
        return {"humanLoopName": {"S": name}}

    def item(name: str) -> dict[str, Any]:
        return {**key(name), "status": {"S": "InProgress"}}

    with Stubber(boto3_clients["dynamodb"]) as dynamodb:
        rest = {"ledger": {"Keys": [key("b")], "ConsistentRead": True}}
        dynamodb.add_response(
            "batch_get_item",
            {"Responses": {"ledger": [item("a")]}, "UnprocessedKeys": rest},
            {"RequestItems": {"ledger": {"Keys": [key("a"), key("b")], "ConsistentRead": True}}},
        )
        dynamodb.add_response(
            "batch_get_item", {"Responses": {"ledger": [item("b")]}}, {"RequestItems": rest}
        )
        assert set(Ledger(boto3_clients["dynamodb"], "ledger").find_all(["a", "b"], none)) == {"a", "b"}


@pytest.mark.parametrize("name", ["", "x" * 2049, "é" * 1025, "half \ud800"])
def test_name_that_no_item_can_have_is_not_looked_for(boto3_clients: dict[str, Any], name: str) -> None:
    client = boto3_clients["dynamodb"]
    with Stubber(client):  # It has no responses, so that any call fails.
        ledger = Ledger(client, "ledger")
        assert ledger.find(name) is None
        assert ledger.find_all([name], none) == {}
        assert ledger.find_loop(name, "2026-03-04T05:06:07Z") is None


def test_throttling_is_not_a_failed_condition(boto3_clients: dict[str, Any]) -> None:
    ledger = Ledger(boto3_clients["dynamodb"], "ledger")
    with Stubber(boto3_clients["dynamodb"]) as dynamodb:
        dynamodb.add_client_error("put_item", "ThrottlingException")
        with pytest.raises(ClientError, match="ThrottlingException"):
            ledger.open(Loop(human_loop_name="loop"))
        dynamodb.add_client_error("update_item", "ThrottlingException")
        with pytest.raises(ClientError, match="ThrottlingException"):
            ledger.update("loop", status="InProgress")


def test_lineage_and_restarts_follow_the_links(aws: AWS) -> None:
    aws.add_row("a", next_loop_name="b")
    middle = aws.add_row("b", previous_loop_name="a", next_loop_name="c")
    aws.add_row("c", previous_loop_name="b", next_loop_name="gone")
    assert names(aws.ledger.lineage(middle)) == ["a", "b"]
    assert names(aws.ledger.restarts(middle)) == ["c"]


def test_lineage_ends_in_a_circle(aws: AWS) -> None:
    loop = aws.add_row("a", previous_loop_name="b")
    aws.add_row("b", previous_loop_name="a")
    assert names(aws.ledger.lineage(loop)) == ["b", "a"]


FIRST, SECOND, THIRD = (f"2026-03-0{day}T05:06:07.890Z" for day in (4, 5, 6))


def test_loops_of_one_name_are_found_by_their_creation_time(aws: AWS) -> None:
    aws.add_row("loop", status="Failed", loop_created_at=FIRST)
    aws.add_row("loop@2026-03-05T05:06:07Z", status="Stopped", loop_created_at=SECOND)
    aws.add_row("other", status="Failed", loop_created_at=FIRST)
    found = aws.ledger.find_loops(
        [("loop", FIRST), ("loop", SECOND), ("loop", THIRD), ("other", FIRST), ("none", FIRST)], none
    )
    assert {loop: row.human_loop_name for loop, row in found.items()} == {
        ("loop", FIRST): "loop",
        ("loop", SECOND): "loop@2026-03-05T05:06:07Z",
        ("other", FIRST): "other",
    }
    # The event of the second loop had its time to the second.
    by_second = aws.ledger.find_loop("loop", "2026-03-05T05:06:08Z")
    assert by_second is not None
    assert (by_second.name, by_second.root) == ("loop", "loop")
    assert aws.ledger.find_loop("loop", "x" * 3000) is None


@pytest.fixture
def many(aws: AWS) -> AWS:
    other = FLOW + "-2"
    for name, day, values in (
        ("started", 1, {"status": "Starting"}),
        ("running", 2, {"flow_definition_arn": other}),
        ("stored", 3, {"status": "Completed", "outcome": "stored"}),
        ("failed", 4, {"status": "Completed", "outcome": "failed", "flow_definition_arn": other}),
        ("escalated", 5, {"status": "Failed", "outcome": "escalated"}),
    ):
        aws.add_row(name, created_at=f"2026-03-0{day}T00:00:00.000Z", **values)
    aws.tokens.keep("running", "token")
    return aws


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["started", "running", "stored", "failed", "escalated"]),
        ({"newest_first": True}, ["escalated", "failed", "stored", "running", "started"]),
        ({"created_before": "2026-03-02T00:00:00.000Z"}, ["started", "running"]),
        ({"status": "Completed"}, ["stored", "failed"]),
        ({"status": "Completed", "newest_first": True}, ["failed", "stored"]),
        ({"status": "Starting", "created_before": "2026-02-28"}, []),
        ({"outcome": "stored"}, ["stored"]),
        ({"outcome": "failed", "status": "Completed", "flow_definition_arn": FLOW + "-2"}, ["failed"]),
        ({"outcome": "failed", "flow_definition_arn": FLOW}, []),
        ({"flow_definition_arn": FLOW, "created_before": "2026-03-04"}, ["started", "stored"]),
        ({"flow_definition_arn": FLOW, "status": "Completed"}, ["stored"]),
    ],
)
def test_select_returns_matching_loops_in_order(
    many: AWS, query: dict[str, Any], expected: list[str]
) -> None:
    assert names(many.ledger.select(**query, unreadable=none)) == expected


def test_select_reads_all_pages(aws: AWS) -> None:
    # A page holds 1 MB.
    for number in range(5):
        aws.add_row(f"loop-{number}", created_at=f"2026-03-0{number + 1}", reason="x" * 300_000)
    expected = [f"loop-{number}" for number in range(5)]
    assert names(aws.ledger.select(status="InProgress", unreadable=none)) == expected
    assert names(aws.ledger.select(unreadable=none)) == expected


def test_page_has_rows_of_an_index_and_says_where_it_ended(many: AWS) -> None:
    query = IndexQuery.of(flow_definition_arn=FLOW, first="2026-03-01", newest_first=True)
    first = many.ledger.page(query, none, limit=2)
    assert (names(first.loops), first.read) == (["escalated", "stored"], 2)
    rest = many.ledger.page(query, none, limit=2, after=first.end)
    assert (names(rest.loops), rest.read, rest.end) == (["started"], 1, None)


def test_page_counts_the_rows_that_do_not_match(many: AWS) -> None:
    query = IndexQuery.of(flow_definition_arn=FLOW, status="Completed", first="2026-03-01", last="2026-03-04")
    page = many.ledger.page(query, none, limit=10)
    assert (names(page.loops), page.read, page.end) == (["stored"], 2, None)


def action(number: int = 0, **more: str) -> OperatorAction:
    return OperatorAction(
        **{"action": "stop", "by": "arn:ada", "at": f"2026-03-04T05:{number:02}:00.000Z"} | more
    )


def test_commands_of_two_operators_at_the_same_time_are_both_kept(aws: AWS) -> None:
    row = aws.add_row()
    for by in ("arn:ada", "arn:grace", "arn:ada"):  # the last one is a repeated request
        aws.ledger.record_action(row, action(by=by))
    found = aws.row()
    assert found.operator_actions == [action(by="arn:ada"), action(by="arn:grace")]
    assert found.updated_at == row.updated_at
    assert aws.ledger.settle(row, action=action(1, action="close"), outcome="closed")
    assert aws.row().operator_actions[-1] == action(1, action="close")


def test_command_that_lost_a_race_is_not_recorded_with_its_change(aws: AWS) -> None:
    row = aws.add_row()
    aws.ledger.update("loop", outcome="escalated")
    assert not aws.ledger.settle(row, action=action(), outcome="closed")
    assert aws.row().operator_actions == []


def test_row_keeps_the_newest_commands_and_stays_small(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ledger.MAX_OPERATOR_ACTIONS
    monkeypatch.setattr(ledger, "MAX_OPERATOR_ACTIONS", 2)
    before = len(aws.add_row().model_dump_json())
    for number in range(4):
        aws.ledger.record_action(aws.row(), action(number, by=f"arn:{'x' * 2000}"))
    row = aws.row()
    assert [one.at for one in row.operator_actions] == [action(2).at, action(3).at]
    assert len(row.model_dump_json()) - before < 500 * 2
    assert kept * 500 < 262_144 / 10  # a small part of what the result of the claim can have


def test_command_on_a_loop_without_a_row_writes_none(aws: AWS) -> None:
    aws.ledger.record_action(Loop(human_loop_name="gone"), action())
    assert aws.ledger.find("gone") is None


def test_odd_command_costs_itself_and_not_the_row(aws: AWS) -> None:
    aws.add_row()
    aws.ledger.record_action(aws.row(), action())
    aws.clients["dynamodb"].update_item(
        TableName="ledger",
        Key={"humanLoopName": {"S": "loop"}},
        UpdateExpression="SET #odd = :odd, #other = :other",
        ExpressionAttributeNames={"#odd": "operator odd", "#other": "operator "},
        ExpressionAttributeValues={":odd": {"S": "x"}, ":other": {"M": {"by": {"N": "1"}}}},
    )
    assert aws.row().operator_actions == [action()]


def test_changed_since_has_what_was_written_since_and_what_is_open(many: AWS) -> None:
    time = many.row("stored").updated_at
    assert time is not None
    many.clients["dynamodb"].update_item(
        TableName="ledger",
        Key={"humanLoopName": {"S": "failed"}},
        UpdateExpression="SET updatedAt = :old",
        ExpressionAttributeValues={":old": {"S": "2026-03-04T00:00:00.000Z"}},
    )
    found = names(many.ledger.changed_since(time, none))
    assert sorted(found) == ["escalated", "running", "started", "stored"]
    assert sorted(names(many.ledger.changed_since("9999", none))) == ["running", "started"]


def test_created_is_when_the_table_was_created(aws: AWS) -> None:
    assert abs(aws.ledger.created() - datetime.now(UTC)) < timedelta(hours=1)


def test_texts_in_a_row_are_bounded(aws: AWS) -> None:
    aws.add_row(note="x" * 300_000)
    aws.ledger.update("loop", reason="\ud800" + "x" * 300_000)
    row = aws.row()
    assert (len(row.note or ""), len(row.reason or "")) == (10_000, 10_000)
    assert (row.reason or "").startswith("\ufffdxx")
