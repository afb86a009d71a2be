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
from workflow.cli.manifest import _left_out
from workflow.operations.manifest.export import Export, LeftOut


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
    return ["manifest", "--flow-definition", "my-flow", "--source", str(tmp_path), "--since", "2026-01-01"]


def test_manifest_is_written_to_a_file(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    status, out, err = run(*arguments, "--file", str(file), capsys=capsys)
    assert status == 0
    assert out == (
        f"1 review of my-flow in {file}\nanimal: groundtruth/image-classification; classes: 0 cat\n"
    )
    assert json.loads(file.read_text())["source-ref"] == "s3://images/0.jpg"
    assert err.splitlines() == [
        f"left out: 1 review (loop-{number}): s3://reviewed/{number}/output.json: the object does not exist"
        for number in range(1, 5)
    ]


def test_manifest_is_uploaded_to_s3(
    arguments: list[str], session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "s3://reviews/training/train.manifest"
    status, out, _ = run(*arguments, "--file", place, "-o", "json", capsys=capsys)
    assert status == 0
    document = printed_json("manifest", out)
    assert len(document.pop("leftOut")) == 4
    assert document == {
        "file": place,
        "lines": 1,
        "sources": {"source-ref": 1},
        "attributes": [
            {
                "name": "animal",
                "element": "animal",
                "types": {"groundtruth/image-classification": 1},
                "classes": ["cat"],
                "lines": 1,
                "missing": [],
                "withoutMajority": 0,
            }
        ],
    }
    uploaded = session.client("s3").get_object(Bucket="reviews", Key="training/train.manifest")["Body"].read()
    assert json.loads(uploaded)["animal"] == "0"


def test_manifest_without_reviews_writes_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    file.write_text("of the last export")
    none = [*arguments, "--until", "2026-02-01", "--file", str(file)]
    status, out, err = run(*none, capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: no review of my-flow from these days can be exported")
    assert file.read_text() == "of the last export"
    document = printed_json("manifest", run(*none, "-o", "json", capsys=capsys)[1])
    assert document == {"file": None, "lines": 0, "sources": {}, "attributes": [], "leftOut": []}


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


@pytest.fixture
def mixed(session: StubbedSession, tmp_path: Path) -> list[str]:
    """A command for reviews that a training job cannot read as they are, and seven that are left out."""
    box = {"label": "van", "left": 0, "top": 0, "width": 9, "height": 9}
    size = {"inputImageProperties": {"width": 64, "height": 48}}
    two = [{"boundingBoxes": [box, box | {"left": 50}], **size}, {"boundingBoxes": [box], **size}]
    contents = [
        ("s3://images/0.jpg", [{"animal": {"label": "cat"}, "cars": cars} for cars in two], {}),
        ("a text", [{"animal": {"label": "dog"}}], {}),
        ("s3://images/2.jpg", [{"animal": {"labels": ["cat"]}, "cars": {"boundingBoxes": [box]}}], {}),
        *[("a text", [{"animal": {"label": "ant"}}], {"status": "Stopped"})] * 4,
        *[("a text", [{"animal": {"label": "ant"}}], {"invented": True})] * 3,
    ]
    for number, (about, answers, more) in enumerate(contents):
        document = samples.custom({"taskObject": about}, *answers)
        record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
        key = f"{number}/output.json"
        update = {"human_loop_name": f"loop-{number}", "output_location": f"s3://reviewed/{key}", **more}
        record = record.model_copy(update=update)
        session.client("s3").put_object(Bucket="reviewed", Key=key, Body=json.dumps(document).encode())
        file = tmp_path / record.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(record.to_line())
    command = ["manifest", "--flow-definition", "my-flow", "--source", str(tmp_path), "--since", "2026-01-01"]
    return [*command, "--file", str(tmp_path / "train.manifest")]


def test_manifest_says_what_a_training_job_cannot_read(
    mixed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = run(*mixed, capsys=capsys)
    assert out.splitlines()[1:] == [
        "animal: groundtruth/image-classification, groundtruth/text-classification, "
        "groundtruth/image-classification-multilabel; classes: 0 cat, 1 dog",
        "cars: groundtruth/object-detection; classes: 0 van",
    ]
    assert err.splitlines() == [
        "left out: 4 reviews (loop-3, loop-4, loop-5, …): the loop was stopped, so answers can be missing",
        "left out: 3 reviews (loop-7, loop-8, loop-9): an invented sample review",
        "note: 2 lines with source-ref and 1 line with source; a training job needs the same in all lines",
        "note: animal: 1 line of groundtruth/image-classification, 1 line of groundtruth/text-classification, "
        "1 line of groundtruth/image-classification-multilabel; a training job needs one type",
        "note: cars: missing in 2 of 3 lines (1 unknown image size, 1 no answer)",
        "note: cars: 1 value without a majority left out of its lines",
        "note: a training job needs its attribute in all lines: --attribute NAME leaves out the other lines",
    ]


def test_manifest_of_one_attribute_has_no_line_without_it(
    mixed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed_json("manifest", run(*mixed, "--attribute", "cars", "-o", "json", capsys=capsys)[1])
    assert (document["lines"], document["sources"]) == (1, {"source-ref": 1})
    (cars,) = document["attributes"]
    assert (cars["name"], cars["missing"], cars["withoutMajority"]) == ("cars", [], 1)
    assert {one["review"]: one["reason"] for one in document["leftOut"]}["loop-2"] == "unknown image size"


def test_refused_manifest_does_not_replace_the_last_one(
    mixed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.manifest"
    file.write_text("of the last export")
    status, out, err = run(*mixed, "--label", "cat", capsys=capsys)
    assert (status, out) == (1, "")
    assert err == (
        "error: --label cat: does not say for which attribute; write ATTRIBUTE=LABEL, with one of animal, cars\n"
    )
    assert file.read_text() == "of the last export"


def test_reviews_left_out_for_rare_reasons_are_only_counted() -> None:
    export = Export(left_out=[LeftOut(f"loop-{number}", f"reason {number}") for number in range(8)])
    assert _left_out(export)[-1] == "3 reviews for other reasons; --output json lists them"


def test_unknown_flow_definition_is_an_error_and_keeps_the_file(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.manifest"
    file.write_text("the manifest of last week")
    arguments = [one.replace("my-flow", "my-flaw") for one in arguments]
    status, out, err = run(*arguments, "--file", str(file), capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: unknown flow definition 'my-flaw': ")
    assert err.endswith("has no reviews of it; did you mean 'my-flow'?\n")
    assert file.read_text() == "the manifest of last week"
