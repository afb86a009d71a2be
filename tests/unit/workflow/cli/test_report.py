"""Tests of `report`."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sandbox.invented_reviews import write_reviews
from tests.command_line import run
from tests.unit.workflow.operations.report.test_statistics import field, review
from workflow.cli.report import report
from workflow.errors import AfterloopError

app = typer.Typer()
app.command()(report)

JANUARY = ("--since", "2026-01-01", "--until", "2026-02-01")

pytestmark = pytest.mark.usefixtures("without_charts")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    write_reviews(folder, 300, first=date(2026, 1, 1), days=31, seed=5)
    return folder


def test_report_prints_headline_and_file(reviews: Path, tmp_path: Path) -> None:
    file = tmp_path / "january.html"
    ran = CliRunner().invoke(app, [*JANUARY, "--source", str(reviews), "--file", str(file)])
    assert ran.exit_code == 0, ran.output
    assert "% of the model's predictions were overruled by people." in ran.stdout
    assert "in 300 reviews from 1 to 31 January 2026" in ran.stdout
    assert f"Report: {file}" in ran.stdout
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["january.html"]


def test_report_of_one_flow_definition_by_name_or_arn(reviews: Path, tmp_path: Path) -> None:
    documents = []
    for name in ("ticket-routing", "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/ticket-routing"):
        file = tmp_path / "report.html"
        arguments = [
            *JANUARY,
            "--source",
            str(reviews),
            "--file",
            str(file),
            "--flow-definition",
            name,
            "-o",
            "json",
        ]
        ran = CliRunner().invoke(app, arguments)
        documents.append(json.loads(ran.stdout))
        assert "Human reviews of ticket-routing" in file.read_text(encoding="utf-8")
    assert documents[0] == documents[1]
    assert 0 < documents[0]["reviews"] < 300
    assert documents[0]["overruled"]["of"] >= documents[0]["overruled"]["hits"] > 0


def test_report_warns_about_invalid_reviews(reviews: Path, tmp_path: Path) -> None:
    odd = tmp_path / "flow_definition=odd" / "date=2026-01-02"
    odd.mkdir(parents=True)
    for number in range(5):
        (odd / f"{number}.json").write_text("{")
    arguments = [*JANUARY, "--source", str(tmp_path), "--file", str(tmp_path / "r.html")]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0
    assert (
        f"warning: cannot be read as a review, left out: {odd}/0.json: review record, $: Invalid JSON"
        in ran.stderr
    )
    assert "warning: 2 more were left out; the report lists them" in ran.stderr
    assert "There are no reviews from 1 to 31 January 2026." in ran.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--flow-definition", "ticket-ruoting"], "has no reviews of it; did you mean 'ticket-routing'?"),
        (["--flow-definition", "xyz"], "has no reviews of it; known are "),
        (
            ["--until", "2025-02-01", "--since", "2025-01-01"],
            "no reviews of human loops created from 2025-01-01 to",
        ),
        (
            ["--until", "2025-02-01", "--flow-definition", "ticket-routing"],
            "no reviews of ticket-routing of human",
        ),
    ],
)
def test_report_of_nothing_is_an_error_and_keeps_the_file(
    reviews: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.html"
    file.write_text("the report of last week")
    days = () if "--until" in options else JANUARY
    status, out, err = run(
        "report", *days, "--source", str(reviews), "--file", str(file), *options, capsys=capsys
    )
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert message in err
    assert file.read_text() == "the report of last week"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_report_warns_about_invented_reviews_and_odd_values(tmp_path: Path) -> None:
    stored = tmp_path / "flow_definition=invoices" / "date=2026-01-05"
    stored.mkdir(parents=True)
    for name in ("invented", "odd"):
        record = json.loads(review(field("kept"), field("kept"), invented=name == "invented").to_line())
        record["fields"][0]["confidence"] = 1.2 if name == "odd" else None
        (stored / f"{name}.json").write_text(json.dumps(record))
    arguments = [*JANUARY, "--source", str(tmp_path), "--file", str(tmp_path / "r.html"), "-o", "json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.stderr == (
        "warning: 1 value in the reviews could not be read and was left out; the rest of each review counts; the "
        f"first is in {stored}/odd.json\n"
        "warning: 1 of 2 reviews is invented sample data\n"
    )
    document = json.loads(ran.stdout)
    assert (document["reviews"], document["invented"], document["unreadableValues"]) == (2, 1, 1)
    assert document["malformed"] == []


def test_report_warns_about_reviews_without_a_field(tmp_path: Path) -> None:
    stored = tmp_path / "flow_definition=invoices" / "date=2026-01-05"
    stored.mkdir(parents=True)
    for name, fields in (("empty", []), ("full", [field("kept")])):
        (stored / f"{name}.json").write_bytes(review(*fields).to_line())
    arguments = [*JANUARY, "--source", str(tmp_path), "--file", str(tmp_path / "r.html"), "-o", "json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.stderr == (
        "warning: 1 of 2 reviews has no field: nobody answered, or people submitted an empty page\n"
    )
    assert json.loads(ran.stdout)["withoutFields"] == 1


def test_report_shows_the_model_and_its_cheapest_threshold(reviews: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    arguments = [*JANUARY, "--source", str(reviews), "--file", str(file), "-o", "json"]
    arguments += ["--flow-definition", "invoice-forms"]
    ran = CliRunner().invoke(app, [*arguments, "--cost-of-review", "1.5", "--cost-of-error", "12"])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(ran.stdout, parse_constant=refuse)
    invoices = document["models"][0]
    assert (invoices["flowDefinition"], invoices["selected"], invoices["samplingRate"]) == (
        "invoice-forms",
        "sampled",
        pytest.approx(0.1),
    )
    low, high = invoices["overruledOfAll"]["interval"]
    assert low < invoices["overruledOfAll"]["value"] < high
    assert [one["threshold"] for one in invoices["confidence"]["thresholds"]] == [
        step / 100 for step in range(101)
    ]
    costs = invoices["confidence"]["costs"]
    assert (costs["costOfReview"], costs["costOfError"]) == (1.5, 12)
    assert costs["cheapest"] in costs["points"]
    assert costs["cheapest"]["cost"]["value"] == min(point["cost"]["value"] for point in costs["points"])
    assert sum(document["predictionSources"].values()) == document["overruled"]["of"]
    assert "A review costs 1.50, and an error that nobody corrects costs 12.00." in file.read_text("utf-8")


def test_extreme_prices_are_no_error(reviews: Path, tmp_path: Path) -> None:
    arguments = [*JANUARY, "--source", str(reviews), "--file", str(tmp_path / "r.html")]
    prices = ("--cost-of-review", "1e-300", "--cost-of-error", "1e12")
    ran = CliRunner().invoke(app, [*arguments, "--flow-definition", "ticket-routing", *prices])
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--cost-of-review", "2"), "--cost-of-error is missing; --cost-of-review needs it"),
        (("--cost-of-error", "2"), "--cost-of-review is missing; --cost-of-error needs it"),
        (
            ("--cost-of-review", "0", "--cost-of-error", "2"),
            "invalid --cost-of-review: 0; use an amount above 0",
        ),
        (
            ("--cost-of-review", "1", "--cost-of-error", "-2"),
            "invalid --cost-of-error: -2; use an amount above 0",
        ),
        (
            ("--cost-of-review", "nan", "--cost-of-error", "2"),
            "invalid --cost-of-review: nan; use an amount above 0",
        ),
        (
            ("--cost-of-review", "1", "--cost-of-error", "inf"),
            "invalid --cost-of-error: inf; use an amount above 0",
        ),
        (
            ("--cost-of-review", "1", "--cost-of-error", "1e300"),
            "invalid --cost-of-error: 1e\\+300; use an amount",
        ),
    ],
)
def test_costs_that_make_no_sense_are_refused(options: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["--source", str(tmp_path), *options])
    assert isinstance(ran.exception, AfterloopError)
    assert re.match(problem, str(ran.exception))


def test_report_to_a_missing_folder_is_an_error(reviews: Path, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "report.html"
    ran = CliRunner().invoke(app, [*JANUARY, "--source", str(reviews), "--file", str(file)])
    assert isinstance(ran.exception, AfterloopError)
    assert f"cannot write {file}: No such file or directory" in str(ran.exception)


def test_json_does_not_escape_names(tmp_path: Path) -> None:
    odd = tmp_path / "flow_definition=Prüfung" / "date=2026-01-02"
    odd.mkdir(parents=True)
    (odd / "1.json").write_text("{")
    arguments = [*JANUARY, "--source", str(tmp_path), "--file", str(tmp_path / "r.html"), "-o", "json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0
    assert f'"location": "{odd}/1.json"' in ran.stdout
