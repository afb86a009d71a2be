"""Recomputing reviews: what is written, what is left alone, and what an interruption leaves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambdas.aws.object_store import ObjectStore
from lambdas.loops.ledger import Ledger
from lambdas.reviews.code import code_digest
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import MadeBy, ReviewRecord
from lambdas.reviews.review import pseudonym
from lambdas.reviews.settings import ReviewSettings
from tests.review_samples import answer, custom, record_of
from tests.unit.doubles import StubbedSession, create_ledger_table
from tests.unit.stored_reviews import OUTPUTS, REVIEWS, StoredReviews, stored_reviews
from workflow.errors import AfterloopError
from workflow.operations import recompute
from workflow.operations.recompute import Recompute, RecomputeError
from workflow.operations.record_changes import RecordChanges

GUESSED = {"model": {"guess": {"animal": {"label": "dog", "confidence": 0.7}}}}
PATH = {"outputBuckets": [OUTPUTS], "predictions": {"my-flow": "model.guess"}}
"""The settings that find the prediction of `GUESSED`."""


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Iterator[StoredReviews]:
    with mock_aws():
        session = StubbedSession()
        create_ledger_table(session.client("dynamodb"))
        for bucket in (REVIEWS, OUTPUTS):
            session.client("s3").create_bucket(Bucket=bucket)
        yield stored_reviews(session, monkeypatch)


def labelled(label: str, input_content: Any = GUESSED, worker: str = "w1") -> dict[str, Any]:
    return custom(input_content) | {"humanAnswers": [answer({"animal": {"label": label}}, worker)]}


def test_new_setting_changes_record_and_figures_in_the_ledger(stored: StoredReviews) -> None:
    same, other = stored.store("same", labelled("dog")), stored.store("other", labelled("cat"))
    before = {name: stored.row(name) for name in ("same", "other")}
    stored.settings = PATH

    found = stored.recompute()

    assert (found.reviews, found.changed, found.ledger, found.left_out) == (2, 2, 1, [])
    assert found.changes.outcomes == Counter({("answered", "kept"): 1, ("answered", "changed"): 1})
    assert (found.changes.now_overruled, found.changes.no_longer_overruled) == (1, 0)
    assert [stored.record(key).fields[0].outcome for key in (same, other)] == ["kept", "changed"]
    made_by = MadeBy(code=code_digest(), settings=ReviewSettings.model_validate(PATH).digest("my-flow"))
    assert stored.record(same).made_by == stored.record(other).made_by == made_by
    # Only the figures change in the row, and only where they are others.
    assert stored.row("same") == before["same"]
    figures = stored.row("other")["review"]["M"]
    assert (figures["changed"], figures["overruled"]) == ({"N": "1"}, {"BOOL": True})
    assert {**stored.row("other"), "review": None} == {**before["other"], "review": None}


def test_record_is_what_the_function_would_store(stored: StoredReviews) -> None:
    documents = {"a": labelled("dog"), "b": custom({}, {"text": "x"}, {"text": "y"})}
    keys = {name: stored.store(name, document) for name, document in documents.items()}
    expected = {name: stored.record(key) for name, key in keys.items()}
    stored.settings = PATH
    stored.recompute()
    for name, document in documents.items():
        made = record_of(document, **PATH)
        update = {"human_loop_name": name, "output_location": expected[name].output_location}
        assert stored.record(keys[name]) == made.model_copy(update=update)


def test_agreement_is_written_as_the_state_machine_writes_it(stored: StoredReviews) -> None:
    three = custom({}, *({"text": text, "same": "x"} for text in ("a", "a", "b")))
    stored.store("loop", three, agreement=0.5)
    stored.recompute()
    agreement = stored.ledger.find("loop").review["agreement"]  # type: ignore[union-attr, index]
    assert agreement == pytest.approx((2 / 3 + 1) / 2)
    assert stored.row("loop")["review"]["M"]["agreement"]["N"] == "0.833333333333333"


def test_figure_that_becomes_null_is_removed_from_the_ledger(stored: StoredReviews) -> None:
    stored.store("loop", labelled("dog"), agreement=0.5)
    stored.ledger.update("loop", review={"fields": 1, "agreement": Decimal("0.5"), "figureOfLater": 1})
    assert stored.recompute().ledger == 1
    review = stored.ledger.find("loop").review  # type: ignore[union-attr]
    assert review == {
        **dict.fromkeys(("changed", "added", "removed", "unresolved"), 0),
        "answers": 1,
        "fields": 1,
        "overruled": False,
        "figureOfLater": 1,
    }


def test_dry_run_counts_and_writes_nothing(stored: StoredReviews) -> None:
    for name, label in (("a", "dog"), ("b", "cat")):
        stored.store(name, labelled(label))
    stored.settings = PATH
    before = stored.state()

    would = stored.recompute(write=False)
    assert stored.state() == before
    did = stored.recompute()
    assert stored.state() != before
    assert would == did


def test_second_run_finds_nothing_to_do(stored: StoredReviews) -> None:
    key = stored.store("loop", labelled("cat"))
    stored.settings = PATH
    assert stored.recompute().to_write == 1
    after = stored.state()
    # Reviews that the current code and settings made are skipped without reading their outputs.
    output = stored.record(key).output
    stored.s3.delete_object(Bucket=output.bucket, Key=output.key)

    again = stored.recompute()
    assert (again.reviews, again.current, again.to_write, again.left_out) == (1, 1, 0, [])
    (left_out,) = stored.recompute(every=True).left_out
    assert "the object does not exist" in left_out.reason
    assert stored.state() == after


def test_all_recomputes_what_current_code_made(stored: StoredReviews) -> None:
    key = stored.store("loop", labelled("dog"))
    stored.recompute()
    content = stored.content(key)
    assert (stored.recompute(every=True).unchanged, stored.content(key)) == (1, content)
    damaged = content.replace(b'"answered"', b'"removed"')
    stored.s3.put_object(Bucket=REVIEWS, Key=key, Body=damaged)
    assert stored.recompute().current == 1
    assert stored.recompute(every=True).changes.outcomes == Counter({("removed", "answered"): 1})
    assert stored.content(key) == content


def test_only_made_by_is_counted_apart(stored: StoredReviews) -> None:
    key = stored.store("loop", labelled("dog"))
    before = stored.row("loop")
    found = stored.recompute()
    assert (found.only_made_by, found.changed, found.ledger) == (1, 0, 0)
    assert stored.record(key).made_by is not None
    assert stored.row("loop") == before


def test_only_days_and_flow_definition_are_recomputed(stored: StoredReviews) -> None:
    other = stored.store("b", labelled("dog") | {"flowDefinitionArn": ""})
    assert stored.recompute(flow_definition="nobodys").reviews == 0
    assert stored.recompute(flow_definition="my-flow").reviews == 1
    moved = stored.content(other).replace(b"2026-03-01T09", b"2026-05-01T09")
    stored.s3.put_object(Bucket=REVIEWS, Key=other.replace("2026-03-01", "2026-05-01"), Body=moved)
    assert stored.recompute().reviews == 1


def test_invented_reviews_are_left_alone(stored: StoredReviews) -> None:
    stored.store("loop", labelled("dog"), invented=True)
    before = stored.state()
    found = stored.recompute(every=True)
    assert (found.invented, found.to_write, stored.state()) == (1, 0, before)


def test_stopped_loop_stays_stopped(stored: StoredReviews) -> None:
    key = stored.store("loop", labelled("dog"), status="Stopped")
    stored.settings = PATH
    stored.recompute()
    record = stored.record(key)
    assert (record.status, record.fields[0].outcome) == ("Stopped", "kept")


def test_what_cannot_be_recomputed_stays_with_a_reason(stored: StoredReviews) -> None:
    def output(key: str) -> dict[str, str]:
        location = stored.record(key).output
        return {"Bucket": location.bucket, "Key": location.key}

    reasons = {}
    gone = stored.store("gone", labelled("dog"))
    stored.s3.delete_object(**output(gone))
    reasons[gone] = "the object does not exist"
    broken = stored.store("broken", labelled("dog"))
    stored.s3.put_object(**output(broken), Body=b"{")
    reasons[broken] = "output.json, $: not JSON"
    others = stored.store("others", labelled("dog"))
    stored.s3.put_object(**output(others), Body=json.dumps(labelled("dog")))
    reasons[others] = "'loop-1' is not the loop of the event, 'others'"
    nobody = stored.store("nobody", custom(GUESSED))
    reasons[nobody] = "nobody answered"
    elsewhere = stored.store("elsewhere", labelled("dog"), output_location="s3://private/output.json")
    reasons[elsewhere] = "not in an output bucket of the stage"
    nowhere = stored.store("nowhere", labelled("dog"), output_location="output.json")
    reasons[nowhere] = "review record, $.output_location: expected s3://bucket/key"
    large = stored.store("large", labelled("dog"))
    stored.s3.put_object(**output(large), Body=b" " * 10_000)
    reasons[large] = "10,000 bytes exceed the stage's limit"
    copied = gone.replace("/gone-", "/copied-")
    stored.s3.put_object(Bucket=REVIEWS, Key=copied, Body=stored.content(gone))
    reasons[copied] = f"the record is not stored under its own key, {gone}"
    for name, content in (("odd", b"{}"), ("newer", b'{"schema_version": 2}'), ("binary", b"\xff")):
        key = gone.replace("/gone-", f"/{name}-")
        stored.s3.put_object(Bucket=REVIEWS, Key=key, Body=content)
        reasons[key] = "a newer version of Afterloop" if name == "newer" else "review record, $"
    good = stored.store("good", labelled("dog"))
    stored.settings = PATH | {"maxOutputBytes": 5000}
    before = stored.state()[0]

    found = stored.recompute()

    left_out = {one.review.removeprefix(f"s3://{REVIEWS}/"): one.reason for one in found.left_out}
    assert sorted(left_out) == sorted(reasons)
    assert [key for key, reason in reasons.items() if reason not in left_out[key]] == []
    assert stored.record(good).fields[0].outcome == "kept"
    after = stored.state()[0]
    assert {key for key in after if after[key] != before[key]} == {good}


@pytest.mark.parametrize("row", ["missing", "of another review", "without a review", "with an odd review"])
def test_row_that_does_not_point_to_the_review_is_left_alone(stored: StoredReviews, row: str) -> None:
    key = stored.store("loop", labelled("cat"), row=row != "missing")
    if row != "missing":
        location = f"s3://{REVIEWS}/other.json" if row == "of another review" else None
        odd = {"review": "odd"} if row == "with an odd review" else {"review_location": location}
        stored.ledger.update("loop", **odd)
    before = stored.row("loop")
    stored.settings = PATH
    found = stored.recompute()
    assert (found.changed, found.ledger) == (1, 0)
    assert stored.record(key).fields[0].outcome == "changed"
    assert stored.row("loop") == before


def test_interruption_leaves_nothing_that_the_next_run_misses(
    stored: StoredReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [stored.store(f"loop-{number}", labelled("cat")) for number in range(5)]
    stored.settings = PATH
    write, calls = Recompute._write, []

    def interrupted(self: Recompute, *arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 3:  # after the ledger was written, before the record is
            raise KeyboardInterrupt
        write(self, *arguments)

    monkeypatch.setattr(Recompute, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stored.recompute()
    outcomes = [stored.record(key).fields[0].outcome for key in keys]
    assert set(outcomes) == {"answered", "changed"}

    monkeypatch.undo()
    stored_again = StoredReviews(stored.session, stored.settings)
    monkeypatch.setattr("workflow.operations.recompute.open_reviews", lambda *_, **__: stored_again)
    stored_again.recompute()
    for number, key in enumerate(keys):
        assert stored.record(key).fields[0].outcome == "changed"
        assert stored.row(f"loop-{number}")["review"]["M"]["overruled"] == {"BOOL": True}


@pytest.mark.parametrize("what", ["deleted", "written"])
def test_record_that_somebody_else_changes_is_not_replaced(
    stored: StoredReviews, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    key = stored.store("loop", labelled("cat"))
    stored.settings = PATH
    write = Recompute._write

    def late(self: Recompute, *arguments: Any) -> None:
        if what == "deleted":
            stored.s3.delete_object(Bucket=REVIEWS, Key=key)
        else:
            stored.s3.put_object(Bucket=REVIEWS, Key=key, Body=b"{}")
        write(self, *arguments)

    monkeypatch.setattr(Recompute, "_write", late)
    (left_out,) = stored.recompute().left_out
    assert "written or deleted by somebody else" in left_out.reason
    assert stored.keys() == ([] if what == "deleted" else [key])
    assert what == "deleted" or stored.content(key) == b"{}"


def test_missing_permission_to_write_ends_the_run(
    stored: StoredReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "READERS", 2)
    monkeypatch.setattr(recompute, "MAX_AHEAD", 3)
    for number in range(9):
        stored.store(f"loop-{number}", labelled("cat"), row=False)
    calls = []

    def refused(**_: Any) -> None:
        calls.append(1)
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    monkeypatch.setattr(stored.session.client("s3"), "put_object", refused)
    with pytest.raises(RecomputeError, match="AccessDenied; your credentials need s3:PutObject"):
        stored.recompute()
    assert len(calls) < 9


@pytest.mark.parametrize(
    ("before", "after", "worker", "gained"),
    [
        ("keep", "hash", pseudonym("w1", "dev"), 0),
        ("keep", "drop", None, 0),
        ("hash", "drop", None, 0),
        ("hash", "hash", pseudonym("w1", "dev"), 0),
        ("hash", "keep", "w1", 1),
        ("drop", "keep", "w1", 1),
        ("drop", "hash", pseudonym("w1", "dev"), 1),
    ],
)
def test_ids_of_workers_follow_the_published_setting(
    stored: StoredReviews, before: str, after: str, worker: str | None, gained: int
) -> None:
    key = stored.store("loop", labelled("dog"), settings={**stored.settings, "workerIdentity": before})
    stored.settings = {**stored.settings, "workerIdentity": after}
    found = stored.recompute()
    assert stored.record(key).answers[0].worker_id == worker
    assert found.changes.gain_identities == gained


def test_published_code_is_compared_with_this_copy(stored: StoredReviews) -> None:
    stage = Recompute(stored.resources, stored.session)  # type: ignore[arg-type]
    assert stage.published_code() == stage.code == code_digest()
    stored.publish_code(**{"consolidation.py": "# other code"})
    assert stage.published_code() != stage.code
    stored.s3.delete_object(Bucket=REVIEWS, Key="bundles/collect.zip")
    with pytest.raises(RecomputeError, match=r"cannot compare the code of stage dev .*: NoSuchKey"):
        stage.published_code()


def test_settings_of_another_version_are_refused(stored: StoredReviews) -> None:
    stored.settings = {"outputBuckets": [OUTPUTS], "settingOfLater": 1}
    with pytest.raises(
        RecomputeError, match=r"published by another version of Afterloop .*; publish it again"
    ):
        Recompute(stored.resources, stored.session)  # type: ignore[arg-type]


def boxes(*lefts: int) -> ReviewRecord:
    box = {"label": "dog", "top": 0, "width": 10, "height": 10}
    return record_of(custom({}, {"boxes": {"boundingBoxes": [{**box, "left": left} for left in lefts]}}))


def test_fields_of_one_name_are_paired_whatever_their_order() -> None:
    before, after = boxes(0, 50, 100), boxes(100, 0, 50)
    assert RecordChanges.between(before, after).outcomes == Counter()
    fewer = RecordChanges.between(before, boxes(50))
    assert fewer.outcomes == Counter({("answered", None): 2})
    assert RecordChanges.between(boxes(50), before).outcomes == Counter({(None, "answered"): 2})


def test_equal_records_have_no_changes() -> None:
    record = boxes(0, 50)
    assert RecordChanges.between(record, record.model_copy(update={"made_by": None})) == RecordChanges()


def test_unexpected_error_costs_one_review(stored: StoredReviews, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, good = stored.store("odd", labelled("dog")), stored.store("good", labelled("dog"))
    read = ObjectStore.read

    def fails(self: ObjectStore, location: S3Location, limit: int) -> bytes:
        if "/odd/" in location.key:
            raise ClientError({"Error": {"Code": "InvalidRequest", "Message": "needs a key"}}, "GetObject")
        return read(self, location, limit)

    monkeypatch.setattr(ObjectStore, "read", fails)
    before = stored.content(odd)
    (left_out,) = stored.recompute().left_out
    assert "output.json: ClientError: An error occurred (InvalidRequest)" in left_out.reason
    assert stored.content(odd) == before
    assert stored.record(good).made_by is not None


def test_expired_credentials_end_the_run(stored: StoredReviews, monkeypatch: pytest.MonkeyPatch) -> None:
    def expired(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "GetObject")

    stored.store("loop", labelled("dog"))
    monkeypatch.setattr(ObjectStore, "read", expired)
    with pytest.raises(AfterloopError, match="log in again"):
        stored.recompute()


@pytest.mark.parametrize(
    ("code", "left_out"), [("ProvisionedThroughputExceededException", True), ("AccessDeniedException", False)]
)
def test_ledger_that_cannot_be_written_leaves_the_record(
    stored: StoredReviews, monkeypatch: pytest.MonkeyPatch, code: str, left_out: bool
) -> None:
    def refused(*_: Any) -> None:
        raise ClientError({"Error": {"Code": code}}, "UpdateItem")

    key = stored.store("loop", labelled("cat"))
    content = stored.content(key)
    stored.settings = PATH
    monkeypatch.setattr(Ledger, "update_figures", refused)
    if left_out:
        (one,) = stored.recompute().left_out
        assert one.reason == f"the ledger: {code}; run the command again"
    else:
        with pytest.raises(
            RecomputeError, match=r"AccessDeniedException; your credentials need dynamodb:UpdateItem"
        ):
            stored.recompute()
    assert stored.content(key) == content


def test_changes_of_two_records_are_opposite() -> None:
    before, after = boxes(0, 0, 50, 200), boxes(0, 50, 50, 300)
    there = RecordChanges.between(before, after).outcomes
    # One of the two equal boxes has gone, and another one has come; what moved has the same outcome.
    assert there == Counter()
    three = RecordChanges.between(boxes(0, 0, 50), boxes(0, 50)).outcomes
    assert three == Counter({("answered", None): 1})
    assert RecordChanges.between(boxes(0, 50), boxes(0, 0, 50)).outcomes == Counter({(None, "answered"): 1})


def test_nothing_starts_after_an_interruption(stored: StoredReviews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "READERS", 1)
    keys = [stored.store(f"loop-{number}", labelled("cat")) for number in range(9)]
    stored.settings = PATH

    def interrupted(so_far: recompute.Recomputation) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recompute, "MAX_AHEAD", 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        stored.recompute(progress=interrupted)
    written = [key for key in keys if stored.record(key).fields[0].outcome == "changed"]
    assert 1 <= len(written) <= 3
    del caught
