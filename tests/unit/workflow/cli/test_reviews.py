"""Tests of `reviews recompute`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.reviews.code import code_digest
from tests.command_line import Answers, interrupted, printed_json, run
from tests.review_samples import answer, custom
from tests.unit.doubles import StubbedSession
from tests.unit.stored_reviews import OUTPUTS, StoredReviews, stored_reviews

COMMAND = ("reviews", "recompute", "--since", "2026-03-01", "--until", "2026-04-01")
NO_FILE = ("--settings", "none.toml")
SUMMARY = """\
Stage dev: its published settings, and the code of this copy, {code}
Reviews from 2026-03-01 to 2026-03-31: 5
  sample reviews, left alone: 1
  made by the current code and settings, not recomputed: 1
  {would}replaced, with changes: 2
  {could} be recomputed: 1
Outcomes of fields:
  answered → changed: 1
  answered → kept: 1
Overruled reviews: 0 no longer, 1 newly
Keys with other values, by number of reviews: fields 2, prediction_source 2, overruled 1
Loops whose figures in the ledger {change}: 1
"""
WOULD = SUMMARY.format(code=code_digest(), would="would be ", could="cannot", change="would change")
DID = SUMMARY.format(code=code_digest(), would="", could="could not", change="changed")


@pytest.fixture
def stored(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> StoredReviews:
    """Five reviews: one of each kind, and two that change with the published settings."""
    stored = stored_reviews(session, monkeypatch)

    def document(label: str) -> dict[str, object]:
        found = custom({"model": {"guess": {"animal": {"label": "dog"}}}})
        return found | {"humanAnswers": [answer({"animal": {"label": label}})]}

    stored.store("current", document("dog"))
    stored.settings = {"outputBuckets": [OUTPUTS], "predictions": {"my-flow": "model.guess"}}
    stored.recompute()
    stored.settings, published = {"outputBuckets": [OUTPUTS]}, stored.settings
    stored.store("invented", document("dog"), invented=True)
    stored.store("same", document("dog"))
    stored.store("other", document("cat"))
    gone = stored.record(stored.store("gone", document("cat"))).output
    stored.s3.delete_object(Bucket=gone.bucket, Key=gone.key)
    stored.settings = published
    monkeypatch.setattr("workflow.cli.options.StageOptions.resources", lambda *_: stored.resources)
    return stored


def test_dry_run_shows_what_would_change(stored: StoredReviews, capsys: pytest.CaptureFixture[str]) -> None:
    before = stored.state()
    status, out, err = run(*COMMAND, *NO_FILE, "--dry-run", capsys=capsys)
    assert (status, out) == (1, WOULD)
    assert err.startswith("left out: s3://reviews/reviews/flow_definition=my-flow/date=2026-03-01/gone-")
    assert err.endswith("output.json: the object does not exist\n")
    assert stored.state() == before


def test_yes_replaces_records_and_shows_the_same(
    stored: StoredReviews, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(*COMMAND, *NO_FILE, "--yes", capsys=capsys)
    assert (status, out) == (1, DID)
    status, out, _ = run(*COMMAND, *NO_FILE, "--yes", "--flow-definition", "my-flow", capsys=capsys)
    assert "  made by the current code and settings, not recomputed: 3\n" in out


@pytest.mark.parametrize("answer", [True, False])
def test_question_comes_after_the_changes(
    stored: StoredReviews,
    answer: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = stored.state()
    answers = Answers(monkeypatch, answer)
    status, out, _ = run(*COMMAND, *NO_FILE, capsys=capsys)
    assert answers.questions == ["Replace 2 records?"]
    assert status == 1
    assert out == WOULD + ("2 records replaced.\n" if answer else "Nothing was changed.\n")
    assert (stored.state() == before) == (not answer)


def test_nothing_to_change_is_not_asked(stored: StoredReviews, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*COMMAND[:-1], "2026-03-01", "--since", "2026-02-01"]
    status, out, err = run(*command, *NO_FILE, capsys=capsys)
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == ["Reviews from 2026-02-01 to 2026-02-28: 0"]


def test_unknown_flow_definition_is_an_error_and_nothing_is_written(
    stored: StoredReviews, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored.state()
    for name in ("my-flaw", "arn:aws:x/my-flaw"):
        status, out, err = run(*COMMAND, *NO_FILE, "--flow-definition", name, "--yes", capsys=capsys)
        assert (status, out) == (1, "")
        assert err.startswith(f"error: unknown flow definition {name!r}: ")
        assert err.endswith("; did you mean 'my-flow'?\n")
    assert stored.state() == before


def test_flow_definition_without_reviews_in_the_period_is_a_warning(
    stored: StoredReviews, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(*COMMAND, *NO_FILE, "--flow-definition", "without-loops", "--yes", capsys=capsys)
    assert status == 0
    assert err == (
        "warning: there are no reviews of flow definition 'without-loops' in these days; flow definitions with "
        "reviews: my-flow\n"
    )


def test_json_has_all_counts(stored: StoredReviews, capsys: pytest.CaptureFixture[str]) -> None:
    for options, written in ((("--dry-run",), False), (("--yes",), True)):
        status, out, _ = run(*COMMAND, *NO_FILE, *options, "-o", "json", capsys=capsys)
        document = printed_json("reviews recompute", out)
        assert status == 1
        (left_out,) = document.pop("leftOut")
        assert "gone" in left_out["review"]
        assert document == {
            "written": written,
            "first": "2026-03-01",
            "until": "2026-04-01",
            "flowDefinition": None,
            "code": code_digest(),
            "publishedCode": code_digest(),
            "reviews": 5,
            "invented": 1,
            "current": 1,
            "unchanged": 0,
            "onlyMadeBy": 0,
            "changed": 2,
            "outcomes": [
                {"before": "answered", "after": "changed", "fields": 1},
                {"before": "answered", "after": "kept", "fields": 1},
            ],
            "nowOverruled": 1,
            "noLongerOverruled": 0,
            "keys": {"fields": 2, "prediction_source": 2, "overruled": 1},
            "gainIdentities": 0,
            "ledger": 1,
        }


def test_json_without_yes_does_not_ask(stored: StoredReviews, capsys: pytest.CaptureFixture[str]) -> None:
    before = stored.state()
    status, out, err = run(*COMMAND, *NO_FILE, "-o", "json", capsys=capsys)
    assert (status, out) == (1, "")
    assert "--output json does not ask for confirmation: run with --dry-run to see the changes" in err
    assert stored.state() == before


def test_other_code_than_the_published_is_refused(
    stored: StoredReviews, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.publish_code(**{"consolidation.py": "# other code"})
    before = stored.state()
    status, out, err = run(*COMMAND, *NO_FILE, "--yes", capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: stage dev compares reviews with other code (")
    assert err.endswith("; publish this copy first, or use the copy that was published\n")
    assert stored.state() == before
    status, out, err = run(*COMMAND, *NO_FILE, "--dry-run", capsys=capsys)
    assert out == WOULD
    assert err.startswith("warning: stage dev compares reviews with other code (")


def test_settings_that_are_not_published_are_a_warning(
    stored: StoredReviews, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "stages.toml"
    published = (
        '[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["more"]\npredictions.my-flow = "model.guess"\n'
    )
    settings.write_text(published)
    _, out, err = run(*COMMAND, "--dry-run", "--settings", str(settings), capsys=capsys)
    assert "warning" not in err
    settings.write_text(published.replace("guess", "other"))
    _, again, err = run(*COMMAND, "--dry-run", "--settings", str(settings), capsys=capsys)
    assert err.startswith(
        "warning: stages.toml has other settings for reviews than the published ones, which count"
    )
    assert out == again


def test_ids_that_come_back_are_a_warning(stored: StoredReviews, capsys: pytest.CaptureFixture[str]) -> None:
    stored.settings = {**stored.settings, "workerIdentity": "drop"}
    run(*COMMAND, *NO_FILE, "--yes", capsys=capsys)
    stored.settings = {**stored.settings, "workerIdentity": "keep"}
    _, _, err = run(*COMMAND, *NO_FILE, "--dry-run", capsys=capsys)
    assert err.startswith(
        "warning: worker_identity is 'keep': 3 reviews would get ids of workers that they did not have\n"
    )


def test_interruption_says_that_it_can_be_continued(
    stored: StoredReviews, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.operations.recompute.Recompute.run", interrupted)
    assert run(*COMMAND, *NO_FILE, "--yes", capsys=capsys) == (
        130,
        "",
        "error: interrupted: nothing was changed\n",
    )

    def after_two(self: object, *_: object, progress: object, **__: object) -> None:
        from workflow.operations.recompute import Recomputation

        assert callable(progress)
        progress(Recomputation(reviews=3, changed=2))
        raise KeyboardInterrupt

    monkeypatch.setattr("workflow.operations.recompute.Recompute.run", after_two)
    status, _, err = run(*COMMAND, *NO_FILE, "--yes", capsys=capsys)
    assert status == 130
    assert "2 records or more replaced; run the same command again to continue" in err
