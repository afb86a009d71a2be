"""Tests of `manifest`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.command_line import printed_json, run
from tests.unit.doubles import StubbedSession


@pytest.fixture
def arguments(session: StubbedSession, tmp_path: Path) -> list[str]:
    """A command for stored reviews: the second of 2026-03-01 cannot be exported, nor can those of 2026-04-01."""
    for number, outputs in enumerate((1, 0, 0, 0, 0)):
        document = samples.custom({"taskObject": f"s3://images/{number}.jpg"}, {"animal": {"label": "cat"}})
        record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
        key = f"{number}/output.json"
        record = record.model_copy(
            update={"human_loop_name": f"loop-{number}", "output_location": f"s3://reviewed/{key}"}
        )
        if outputs:
            session.client("s3").put_object(Bucket="reviewed", Key=key, Body=json.dumps(document).encode())
        file = tmp_path / record.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(record.to_line())
    return ["manifest", "--flow-definition", "my-flow", "--source", str(tmp_path), "--from", "2026-01-01"]


def test_manifest_is_written_to_a_file(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    status, out, err = run(*arguments, "--file", str(file), capsys=capsys)
    assert status == 0
    assert out == f"1 review of my-flow in {file}\nClasses, by ID: 0 cat\n"
    assert json.loads(file.read_text())["source-ref"] == "s3://images/0.jpg"
    left_out = err.splitlines()
    assert len(left_out) == 4
    assert left_out[0].startswith("left out: ")
    assert left_out[3] == "left out: 1 more; --output json lists them"


def test_manifest_is_uploaded_to_s3(
    arguments: list[str], session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "s3://reviews/training/train.manifest"
    status, out, _ = run(*arguments, "--file", place, "-o", "json", capsys=capsys)
    assert status == 0
    document = printed_json("manifest", out)
    assert (document["file"], document["lines"], document["classes"]) == (place, 1, ["cat"])
    assert len(document["leftOut"]) == 4
    uploaded = session.client("s3").get_object(Bucket="reviews", Key="training/train.manifest")["Body"].read()
    assert json.loads(uploaded)["animal"] == "0"


def test_manifest_without_reviews_writes_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    file.write_text("of the last export")
    none = [*arguments, "--to", "2026-02-01", "--file", str(file)]
    status, out, err = run(*none, capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: no review of my-flow from these days can be exported")
    assert file.read_text() == "of the last export"
    document = printed_json("manifest", run(*none, "-o", "json", capsys=capsys)[1])
    assert document == {"file": None, "lines": 0, "classes": [], "leftOut": []}


def test_manifest_takes_labels_and_the_source_path(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    options = ["--label", "dog", "--label", "cat", "--source-path", "missing"]
    document = printed_json(
        "manifest", run(*arguments, *options, "--file", str(file), "-o", "json", capsys=capsys)[1]
    )
    assert document["lines"] == 0, "the source path selects nothing"
    run(*arguments, *options[:4], "--file", str(file), capsys=capsys)
    assert json.loads(file.read_text())["animal"] == "1"


@pytest.mark.parametrize("file", ["/no/such/folder/train.manifest", "s3://no-such-bucket/train.manifest"])
def test_manifest_that_cannot_be_written_is_an_error(
    file: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*arguments, "--file", file, "-o", "json", capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: cannot write {file}: ")
    assert err.endswith("; choose another file with --file\n")
