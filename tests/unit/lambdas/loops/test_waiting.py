"""Tokens of waiting workflows: stored, moved to restarts, and used once, also after crashes and in races."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.confirmation import NotConfirmed, NotEnded
from lambdas.loops.waiting import MAX_CAUSE_CHARACTERS, Answered, TokenUndeliverable
from lambdas.reviews.times import timestamp
from tests.review_samples import STORED_REVIEW
from tests.unit.lambdas.conftest import AWS, BUCKET

TOKEN = "token-1"


OUTPUT = "s3://outputs/output.json"


def store_review(aws: AWS, name: str = "loop", output: str = OUTPUT, **changes: Any) -> None:
    """Does what an execution does with the event of a loop that is completed, with that output."""
    of_loop = {"human_loop_name": name, "output_location": output, "key_of_a_later_version": 1}
    location = aws.put(f"reviews/{name}.json", STORED_REVIEW | of_loop | changes)
    aws.ledger.update(
        name, status="Completed", outcome="stored", review_location=location, output_location=output
    )


def complete(aws: AWS, name: str = "loop") -> None:
    """The loop has ended in A2I."""
    end(aws, "Completed", name, HumanLoopOutput={"OutputS3Uri": OUTPUT})


def end(aws: AWS, status: str, name: str = "loop", **more: Any) -> None:
    """The loop has that status in A2I. The row is about it."""
    created = aws.a2i.add(name, status, **more)["CreationTime"]
    if aws.row(name).loop_created_at is None:
        aws.ledger.update(name, loop_created_at=timestamp(created))


def expect_success(aws: AWS, **expected: Any) -> None:
    """The next call to Step Functions must be a success, and the output must contain `expected`."""
    aws.stubs["stepfunctions"].add_response(
        "send_task_success", {}, {"taskToken": TOKEN, "output": Output(expected)}
    )


class Output:
    """Equal to any JSON text of an object that contains these values."""

    def __init__(self, expected: dict[str, Any]) -> None:
        self.expected = expected

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.expected.items() <= json.loads(other).items()

    __hash__ = None  # type: ignore[assignment]


def expect_failure(aws: AWS, error: str, cause: str, token: str = TOKEN) -> None:
    parameters = {"taskToken": token, "error": error, "cause": cause}
    aws.stubs["stepfunctions"].add_response("send_task_failure", {}, parameters)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({}, True),
        ({"status": "Starting"}, True),
        ({"status": "Completed"}, True),
        ({"status": "Failed", "outcome": "failed"}, True),
        ({"status": "Failed", "outcome": "processing"}, True),
        ({"status": "Completed", "outcome": "stored"}, False),
        ({"status": "Failed", "outcome": "escalated"}, False),
        ({"next_loop_name": "loop-attempt-2"}, False),
        ({"status": "NotNeeded"}, False),
        ({"status": "Refused"}, False),
    ],
)
def test_keep_stores_tokens_of_unfinished_loops_only(aws: AWS, values: dict[str, Any], kept: bool) -> None:
    aws.add_row(**values)
    assert aws.tokens.keep("loop", TOKEN) is kept
    assert aws.tokens.of("loop") == ([TOKEN] if kept else [])
    assert bool(aws.row().waiting) is kept


def test_keep_refuses_loop_without_row(aws: AWS) -> None:
    assert not aws.tokens.keep("loop", TOKEN)
    assert aws.tokens.of("loop") == []
    assert aws.ledger.find("loop") is None


def test_forget_removes_item_with_the_last_token(aws: AWS) -> None:
    aws.add_row()
    for token in ("a", "b"):
        aws.tokens.keep("loop", token)
    for token, left in (("unknown", ["a", "b"]), ("a", ["b"]), ("b", []), ("b", [])):
        aws.tokens.forget("loop", token)
        assert aws.tokens.of("loop") == left
    assert aws.clients["dynamodb"].scan(TableName="ledger")["Count"] == 1


def test_forget_keeps_token_added_at_the_same_time(aws: AWS) -> None:
    aws.add_row()
    aws.tokens.keep("loop", "a")

    def add_token(when: str, operation: str) -> None:
        if (when, operation) == ("before", "DeleteItem"):
            aws.tokens.keep("loop", "b")

    with aws.watched(add_token):
        aws.tokens.forget("loop", "a")
    assert aws.tokens.of("loop") == ["b"]


def test_answer_sends_stored_review_and_clears_row(aws: AWS) -> None:
    aws.add_row(attempt=2)
    aws.waiting.join("loop", TOKEN)
    complete(aws)
    store_review(aws)
    expect_success(aws, status="Completed", attempt=2, reviewLocation=f"s3://{BUCKET}/reviews/loop.json")

    assert aws.waiting.answer("loop") == Answered(delivered=1)
    row = aws.row()
    assert (row.answer, row.waiting) == ("delivered", False)
    assert aws.tokens.of("loop") == []
    assert aws.waiting.answer("loop") == Answered()  # a second call sends nothing


def test_answer_leaves_workflow_that_came_after_a_failure(aws: AWS) -> None:
    aws.add_row()
    aws.waiting.join("loop", TOKEN)
    complete(aws)
    store_review(aws)
    expect_success(aws)

    def fail_and_join(when: str, operation: str) -> None:
        if (when, operation) == ("after", "SendTaskSuccess"):
            # The execution ended before its function did, and its claim was released.
            aws.ledger.update("loop", outcome="failed")
            aws.waiting.join("loop", "late")

    with aws.watched(fail_and_join):
        aws.waiting.answer("loop")
    assert (aws.row().waiting, aws.tokens.of("loop")) == (True, ["late"])


@pytest.mark.parametrize("outcome", [None, "processing", "failed"])
def test_answer_before_the_outcome_is_final_leaves_workflows_waiting(aws: AWS, outcome: str | None) -> None:
    aws.add_row(outcome=outcome, waiting=True)

    def join(when: str, operation: str) -> None:
        if (when, operation) == ("after", "GetItem"):
            reads.append(operation)
            if len(reads) == 3:  # the row and the tokens have been read
                aws.waiting.join("loop", TOKEN)

    reads: list[str] = []
    with aws.watched(join):
        aws.waiting.answer("loop")
    assert (aws.row().waiting, aws.tokens.of("loop")) == (True, [TOKEN])


def test_answer_reaches_workflow_that_came_just_before_the_outcome(aws: AWS) -> None:
    aws.add_row(outcome="processing")

    def join_and_store(when: str, operation: str) -> None:
        if (when, operation) == ("after", "GetItem") and not calls:
            calls.append(operation)
            aws.waiting.join("loop", TOKEN)
            store_review(aws)

    calls: list[str] = []
    with aws.watched(join_and_store), suppress(NotEnded):
        aws.waiting.answer("loop")
    assert (aws.row().waiting, aws.tokens.of("loop")) == (
        True,
        [TOKEN],
    )  # left to the execution that stored it


@pytest.mark.parametrize(
    ("values", "error", "cause"),
    [
        (
            {"outcome": "notified"},
            "HumanReview.Stopped",
            "Human loop loop was stopped before the review was complete.",
        ),
        (
            {"outcome": "notified", "review_location": "s3://b/k"},
            "HumanReview.Stopped",
            "Human loop loop was stopped before the review was complete. "
            "The answers given before that are in s3://b/k.",
        ),
        (
            {"outcome": "escalated", "reason": "All attempts are used up.", "failure_reason": "too late"},
            "HumanReview.Failed",
            "Human loop loop failed and is not restarted. All attempts are used up. A2I says: too late",
        ),
        ({"outcome": "escalated"}, "HumanReview.Failed", "Human loop loop failed and is not restarted."),
        (
            {"outcome": "closed", "note": "done by phone"},
            "HumanReview.Failed",
            "Human loop loop was closed by a person: done by phone",
        ),
        ({"outcome": "closed"}, "HumanReview.Failed", "Human loop loop was closed by a person: no note"),
        (
            {"outcome": "closed", "note": "x" * 40_000},
            "HumanReview.Failed",
            ("Human loop loop was closed by a person: " + "x" * 40_000)[: MAX_CAUSE_CHARACTERS - 1] + "…",
        ),
    ],
)
def test_join_of_ended_loop_raises_its_error_at_once(
    aws: AWS, values: dict[str, Any], error: str, cause: str
) -> None:
    aws.add_row(**values)
    expect_failure(aws, error, cause)
    aws.waiting.join("loop", TOKEN)
    assert aws.tokens.of("loop") == []


def test_join_returns_prediction_if_no_review_is_needed(aws: AWS) -> None:
    location = aws.put("predictions/loop.json", {"Blocks": []})
    aws.add_row(status="NotNeeded", output_location=location)
    expect_success(aws, status="NotNeeded", prediction={"Blocks": []}, predictionLocation=location)
    aws.waiting.join("loop", TOKEN)
    assert aws.row().answer == "delivered"


def test_join_waits_for_the_last_restart(aws: AWS) -> None:
    aws.add_row("a", next_loop_name="b")
    aws.add_row("b", next_loop_name="c")
    aws.add_row("c")
    aws.waiting.join("a", TOKEN)
    assert [aws.tokens.of(name) for name in "abc"] == [[], [], [TOKEN]]


@pytest.mark.parametrize("circle", [False, True])
def test_join_of_unknown_or_circular_loop_raises_not_ended(aws: AWS, circle: bool) -> None:
    if circle:
        aws.add_row("loop", next_loop_name="b")
        aws.add_row("b", next_loop_name="loop")
    with pytest.raises(NotEnded, match="does not show how it ended"):
        aws.waiting.join("loop", TOKEN)


def test_follow_moves_tokens_to_the_restart(aws: AWS) -> None:
    aws.add_row("a")
    aws.add_row("b")
    aws.waiting.join("a", TOKEN)
    aws.ledger.update("a", next_loop_name="b")
    for _ in range(2):
        aws.waiting.follow("a")
        assert [aws.tokens.of(name) for name in "ab"] == [[], [TOKEN]]
    assert (aws.row("a").waiting, aws.row("b").waiting) == (False, True)


def test_follow_notifies_if_the_restart_has_ended(aws: AWS) -> None:
    aws.add_row("a")
    aws.add_row("b")
    aws.waiting.join("a", TOKEN)
    aws.ledger.update("a", next_loop_name="b")
    complete(aws, "b")
    store_review(aws, "b")
    expect_success(aws, status="Completed")
    aws.waiting.follow("a")
    assert [aws.tokens.of(name) for name in "ab"] == [[], []]


def test_follow_without_restart_keeps_token(aws: AWS) -> None:
    aws.add_row()
    aws.waiting.join("loop", TOKEN)
    with pytest.raises(NotEnded, match="has no restart of it"):
        aws.waiting.follow("loop")
    assert aws.tokens.of("loop") == [TOKEN]


def test_crash_anywhere_in_follow_loses_no_token(aws: AWS) -> None:
    class Killed(BaseException):
        pass

    calls = 0
    while True:
        name, restart = f"a-{calls}", f"b-{calls}"
        aws.add_row(name)
        aws.add_row(restart)
        aws.waiting.join(name, TOKEN)
        aws.ledger.update(name, next_loop_name=restart)
        left = calls

        def kill(when: str, operation: str) -> None:
            nonlocal left
            if when == "before" and (left := left - 1) < 0:
                raise Killed(operation)

        try:
            with aws.watched(kill):
                aws.waiting.follow(name)
        except Killed:
            assert TOKEN in aws.tokens.of(name) + aws.tokens.of(restart)
            aws.waiting.follow(name)
            assert (aws.tokens.of(name), aws.tokens.of(restart)) == ([], [TOKEN])
            calls += 1
        else:
            break
    assert calls > 5


def test_answer_of_running_loop_raises_and_keeps_token(aws: AWS) -> None:
    aws.add_row()
    aws.waiting.join("loop", TOKEN)
    with pytest.raises(NotEnded, match="does not show how it ended"):
        aws.waiting.answer("loop")
    assert aws.tokens.of("loop") == [TOKEN]


def waiting_workflows(aws: AWS, *tokens: str) -> None:
    """Workflows that wait for a loop that has been escalated."""
    aws.add_row()
    for token in tokens:
        aws.waiting.join("loop", token)
    aws.ledger.update("loop", outcome="escalated")


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut"])
def test_answer_counts_workflow_that_has_ended(aws: AWS, code: str) -> None:
    waiting_workflows(aws, TOKEN)
    aws.stubs["stepfunctions"].add_client_error("send_task_failure", code)
    assert aws.waiting.answer("loop") == Answered(ended=1)
    assert (aws.row().answer, aws.tokens.of("loop")) == ("ended", [])


@pytest.mark.parametrize(
    ("code", "error", "left"),
    [
        ("ThrottlingException", ClientError, ["b"]),
        ("AccessDeniedException", TokenUndeliverable, ["b"]),
        ("InvalidToken", TokenUndeliverable, []),
    ],
)
def test_answer_notifies_others_after_a_refused_token(
    aws: AWS, code: str, error: type[Exception], left: list[str]
) -> None:
    waiting_workflows(aws, "a", "b", "c")
    stub = aws.stubs["stepfunctions"]
    stub.add_response("send_task_failure", {})
    stub.add_client_error("send_task_failure", code, "the secret token b is refused")
    stub.add_response("send_task_failure", {})
    with pytest.raises(error, match=code) as raised:
        aws.waiting.answer("loop")
    assert "token b" not in str(raised.value)
    assert "token …" in str(raised.value)
    assert ("waiting_workflows in the stage's settings" in str(raised.value)) == code.startswith("Access")
    assert aws.tokens.of("loop") == left
    assert bool(aws.row().waiting)  # so that the reconciler looks at it again


def waiting_for(aws: AWS, name: str = "loop", **more: Any) -> None:
    aws.add_row(name, **more)
    aws.waiting.join(name, TOKEN)


class TestConfirmation:
    """A row says how a loop ended, and whoever may start an execution can make it say so. A2I has the last word."""

    @pytest.mark.parametrize("status", ["InProgress", "Stopping", "Stopped", "Failed", None])
    def test_review_of_loop_that_is_not_completed_is_not_handed_over(
        self, aws: AWS, status: str | None
    ) -> None:
        waiting_for(aws)
        store_review(aws)
        if status:
            end(aws, status)
        says = f"A2I says {status}" if status else "A2I does not have the loop"
        with pytest.raises(NotConfirmed, match=f"{says}.* was not answered.*loops close"):
            aws.waiting.answer("loop")
        assert (aws.tokens.of("loop"), aws.row().waiting, aws.row().answer) == ([TOKEN], True, None)

    def test_review_of_another_output_is_not_handed_over(self, aws: AWS) -> None:
        waiting_for(aws)
        complete(aws)
        store_review(aws, output="s3://outputs/forged.json")
        with pytest.raises(NotConfirmed, match=r"forged\.json.*A2I says the output .*/output\.json"):
            aws.waiting.answer("loop")
        assert aws.tokens.of("loop") == [TOKEN]

    @pytest.mark.parametrize(
        "changes", [{"output_location": "s3://outputs/forged.json"}, {"human_loop_name": "another"}]
    )
    def test_review_that_replaced_that_of_the_row_is_not_handed_over(
        self, aws: AWS, changes: dict[str, str]
    ) -> None:
        waiting_for(aws)
        complete(aws)
        store_review(aws, **changes)
        with pytest.raises(NotConfirmed, match=r"not from 's3://outputs/output\.json'"):
            aws.waiting.answer("loop")
        assert aws.tokens.of("loop") == [TOKEN]

    def test_review_of_earlier_loop_of_the_name_is_not_handed_over(self, aws: AWS) -> None:
        waiting_for(aws, loop_created_at="2026-03-01T10:00:00.000Z")
        complete(aws)  # now
        store_review(aws)
        with pytest.raises(NotConfirmed, match="A2I does not have the loop"):
            aws.waiting.answer("loop")

    def test_error_of_deleted_loop_whose_name_was_used_again_is_sent(self, aws: AWS) -> None:
        claim = {"2026-03-01T10:00:00.000Z Failed": {"state": "done", "execution": "one"}}
        started = {"created_at": "2026-03-01T10:00:00.000Z", "started_at": "2026-03-01T10:00:01.000Z"}
        waiting_for(aws, claims=claim, failure_code="LoopDeleted", **started)
        aws.a2i.add("loop", "Completed")  # now, by somebody else
        aws.ledger.update("loop", status="Failed", outcome="escalated")
        expect_failure(aws, "HumanReview.Failed", "Human loop loop failed and is not restarted.")
        assert aws.waiting.answer("loop") == Answered(delivered=1)

    @pytest.mark.parametrize(("outcome", "actual"), [("notified", "Failed"), ("escalated", "Completed")])
    def test_error_of_loop_that_ended_otherwise_is_not_sent(
        self, aws: AWS, outcome: str, actual: str
    ) -> None:
        waiting_for(aws)
        end(aws, actual)
        aws.ledger.update("loop", outcome=outcome)
        with pytest.raises(NotConfirmed, match=f"A2I says {actual}"):
            aws.waiting.answer("loop")
        assert aws.tokens.of("loop") == [TOKEN]

    @pytest.mark.parametrize(
        "code", ["ThrottlingException", "InternalServerException", "AccessDeniedException"]
    )
    def test_nothing_is_handed_over_unasked(self, aws: AWS, code: str) -> None:
        waiting_for(aws)
        complete(aws)
        store_review(aws)
        aws.a2i.errors["DescribeHumanLoop"] = [code] * 5  # the client tries again
        with pytest.raises(ClientError, match=code):
            aws.waiting.answer("loop")
        assert aws.tokens.of("loop") == [TOKEN]

    def test_a2i_is_asked_only_if_a_workflow_waits_and_once(self, aws: AWS) -> None:
        aws.add_row("none-waits")
        store_review(aws, "none-waits")
        aws.waiting.answer("none-waits")
        assert aws.a2i.calls == []
        waiting_for(aws)
        aws.waiting.join("loop", "token-2")
        complete(aws)
        store_review(aws)
        for _ in range(2):
            aws.stubs["stepfunctions"].add_response("send_task_success", {})
        assert aws.waiting.answer("loop") == Answered(delivered=2)
        assert aws.a2i.calls == ["DescribeHumanLoop"]

    def test_decision_of_a_person_needs_no_confirmation(self, aws: AWS) -> None:
        waiting_for(aws)
        aws.ledger.update("loop", outcome="closed", note="by phone")
        expect_failure(aws, "HumanReview.Failed", "Human loop loop was closed by a person: by phone")
        assert aws.waiting.answer("loop") == Answered(delivered=1)
        assert aws.a2i.calls == []

    def test_prediction_of_a_row_with_a_claim_is_not_handed_over(self, aws: AWS) -> None:
        location = aws.put("forged.json", {"Blocks": []})
        claims = {"2026-03-01T10:00:00.000Z NotNeeded": {"state": "released", "execution": "forged"}}
        aws.add_row(status="NotNeeded", output_location=location, claims=claims)
        with pytest.raises(NotEnded):
            aws.waiting.join("loop", TOKEN)


@pytest.mark.parametrize(
    "odd",
    [
        {"review_location": "https://reviews/loop.json"},
        {"review_location": f"s3://{BUCKET}/odd.json"},
        {"status": "NotNeeded", "outcome": None, "output_location": f"s3://{BUCKET}/odd.json"},
    ],
    ids=["location", "review", "prediction"],
)
def test_review_that_cannot_be_read_keeps_the_token(aws: AWS, odd: dict[str, Any]) -> None:
    aws.clients["s3"].put_object(Bucket=BUCKET, Key="odd.json", Body=b"<html>")
    waiting_for(aws)
    complete(aws)
    store_review(aws)
    aws.ledger.update("loop", **odd)
    with pytest.raises(TokenUndeliverable, match=r"its review at '.*' cannot be read: "):
        aws.waiting.answer("loop")
    assert aws.tokens.of("loop") == [TOKEN]


class TestTokenTable:
    def test_tokens_are_never_in_the_ledger(self, aws: AWS) -> None:
        waiting_for(aws)
        assert TOKEN not in str(aws.clients["dynamodb"].scan(TableName="ledger")["Items"])
        (item,) = aws.clients["dynamodb"].scan(TableName="tokens")["Items"]
        assert item == {"humanLoopName": {"S": "loop"}, "taskTokens": {"SS": [TOKEN]}}

    def test_tokens_of_earlier_versions_are_found_and_moved(self, aws: AWS) -> None:
        waiting_for(aws)
        earlier = {"humanLoopName": {"S": "tokens loop"}, "taskTokens": {"SS": ["earlier"]}}
        aws.clients["dynamodb"].put_item(TableName="ledger", Item=earlier)
        aws.ledger.update("loop", outcome="escalated")
        for token in ("earlier", TOKEN):
            expect_failure(aws, "HumanReview.Failed", "Human loop loop failed and is not restarted.", token)
        assert aws.waiting.answer("loop") == Answered(delivered=2)
        assert aws.clients["dynamodb"].scan(TableName="ledger")["Count"] == 1
        assert aws.clients["dynamodb"].scan(TableName="tokens")["Count"] == 0

    def test_move_of_earlier_tokens_killed_anywhere_loses_none(self, aws: AWS) -> None:
        class Killed(BaseException):
            pass

        dynamodb, calls = aws.clients["dynamodb"], 0
        while True:
            name, left = f"loop-{calls}", calls
            item = {"humanLoopName": {"S": f"tokens {name}"}, "taskTokens": {"SS": [TOKEN]}}
            dynamodb.put_item(TableName="ledger", Item=item)

            def kill(when: str, operation: str) -> None:
                nonlocal left
                if when == "before" and (left := left - 1) < 0:
                    raise Killed(operation)

            try:
                with aws.watched(kill):
                    assert aws.tokens.of(name) == [TOKEN]
            except Killed:
                assert aws.tokens.of(name) == [TOKEN]
                calls += 1
            else:
                break
        assert calls == 5
