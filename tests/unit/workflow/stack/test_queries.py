"""The saved queries, on DuckDB over the objects that Athena reads, and the table that they read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lambdas.reviews.record import FieldRecord, ReviewRecord
from sandbox.invented_reviews import generate
from tests.queries import query
from tests.review_samples import custom, record_of
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, StoredReview
from workflow.stack.queries import FLOW_DEFINITION, LAST_DAYS, QUERIES
from workflow.stack.reviews_table import columns, partition_keys, projection, table_input

FIRST = date(2026, 1, 1)
PERIOD = Period(FIRST, date(2026, 1, 21))
FLOWS = ("invoice-forms", "image-moderation", "ticket-routing")


@pytest.fixture(scope="module")
def stored() -> list[tuple[str, bytes]]:
    return list(generate(900, first=FIRST, days=30, seed=11))


@pytest.fixture(scope="module")
def athena(stored: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """DuckDB with the table as Glue defines it: its columns and types, and partitions from the keys."""
    connection = table_of(stored, tmp_path_factory.mktemp("objects"))
    yield connection
    connection.close()


def table_of(stored: list[tuple[str, bytes]], folder: Path) -> Any:
    files: dict[str, list[bytes]] = defaultdict(list)
    for key, line in stored:
        files[key.rpartition("/")[0]].append(line)
    for partition, lines in files.items():
        path = folder / partition / "reviews.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(lines))
    connection = duckdb.connect()
    types = ", ".join(f"'{name}': '{_duckdb_type(kind)}'" for name, kind in columns().items())
    # The record also has its flow definition. The table has it from the partition, as in Athena.
    connection.execute(
        f"CREATE TABLE reviews AS SELECT * FROM read_json('{folder}/**/*.json', format = 'newline_delimited', "
        f"columns = {{{types}}}, hive_partitioning = true, "
        "hive_types = {'flow_definition': VARCHAR, 'date': VARCHAR})"
    )
    return connection


def _duckdb_type(hive: str) -> str:
    if hive.startswith("array<"):
        return f"{_duckdb_type(hive[6:-1])}[]"
    if hive.startswith("struct<"):
        members = re.findall(r"(\w+):((?:[^,<>]|<(?:[^<>]|<[^<>]*>)*>)+)", hive[7:-1])
        return "STRUCT(" + ", ".join(f'"{name}" {_duckdb_type(kind)}' for name, kind in members) + ")"
    return {"string": "VARCHAR", "int": "INTEGER", "double": "DOUBLE", "boolean": "BOOLEAN"}[hive]


def ask(athena: Any, name: str, flow: str) -> list[dict[str, Any]]:
    answer = athena.execute(query(name, flow, PERIOD))
    header = [column[0] for column in answer.description]
    return [dict(zip(header, row, strict=True)) for row in answer.fetchall()]


def records_of(stored: list[tuple[str, bytes]], flow: str) -> list[ReviewRecord]:
    return [
        ReviewRecord.model_validate_json(line)
        for key, line in stored
        if f"flow_definition={flow}/" in key and str(FIRST) <= key.split("date=")[1][:10] < str(PERIOD.until)
    ]


def judged(record: ReviewRecord) -> list[FieldRecord]:
    return [
        part
        for part in record.fields
        if part.outcome in ("kept", "changed", "removed") and part.predicted is not None
    ]


def test_queries_have_a_comment_and_placeholders() -> None:
    assert list(QUERIES) == [
        "agreement-by-worker",
        "conditions-by-what-they-catch",
        "overruled-by-confidence",
        "overruled-by-field",
        "time-per-review",
    ]
    for sql in QUERIES.values():
        assert sql.startswith("-- ")
        assert sql.count(f"flow_definition = '{FLOW_DEFINITION}'") == sql.count(LAST_DAYS) == 1


@pytest.mark.parametrize("flow", FLOWS)
def test_overruled_by_field_counts_stored_predictions(
    athena: Any, stored: list[tuple[str, bytes]], flow: str
) -> None:
    predictions: Counter[str] = Counter()
    overruled: Counter[str] = Counter()
    for record in records_of(stored, flow):
        for part in judged(record):
            predictions[part.name] += 1
            overruled[part.name] += part.outcome != "kept"
    rows = ask(athena, "overruled-by-field", flow)
    assert {row["field_name"]: (row["predictions"], row["predictions_overruled"]) for row in rows} == {
        part.name: (predictions[part.name], overruled[part.name])
        for record in records_of(stored, flow)
        for part in record.fields
    }
    shares = [row["overruled_percent"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert all(
        row["overruled_percent"]
        == pytest.approx(100 * row["predictions_overruled"] / row["predictions"], abs=0.051)
        for row in rows
        if row["predictions"]
    )


@pytest.mark.parametrize("flow", FLOWS)
def test_overruled_by_confidence_agrees_with_the_report(
    athena: Any, stored: list[tuple[str, bytes]], flow: str
) -> None:
    counted = ReviewStatistics(PERIOD)
    for record in records_of(stored, flow):
        counted.add(StoredReview(record.key, flow, record.to_line()))
    bands = [band for band in counted.figures().bands if band.kept.n]
    rows = ask(athena, "overruled-by-confidence", flow)
    assert [row["confidence_from"] for row in rows] == pytest.approx([band.low for band in bands])
    assert [(row["predictions"], row["predictions_overruled"]) for row in rows] == [
        (band.kept.n, band.kept.n - band.kept.hits) for band in bands
    ]
    assert [row["mean_confidence_percent"] for row in rows] == pytest.approx(
        [100 * band.mean_confidence for band in bands], abs=0.051
    )


@pytest.mark.parametrize("flow", FLOWS)
def test_agreement_by_worker_counts_stored_answers(
    athena: Any, stored: list[tuple[str, bytes]], flow: str
) -> None:
    answered: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for record in records_of(stored, flow):
        for part in record.fields:
            if len(record.answers) > 1 and part.outcome != "unresolved":
                for vote in part.per_worker:
                    worker = record.answers[vote.worker_index].worker_id or ""
                    answered[worker] += 1
                    agreed[worker] += vote.value == part.reviewed
    rows = ask(athena, "agreement-by-worker", flow)
    assert {row["worker_id"]: (row["fields_answered"], row["fields_agreed"]) for row in rows} == {
        worker: (answered[worker], agreed[worker]) for worker in answered
    }
    shares = [row["agreed_percent"] for row in rows]
    assert shares == sorted(shares)


def test_workers_agree_on_boxes_with_the_same_label(tmp_path: Path) -> None:
    def box(label: str, left: int) -> dict[str, Any]:
        return {"label": label, "left": left, "top": 0, "width": 100, "height": 100}

    document = custom(
        {"prediction": {"boundingBoxes": [box('a "dog"', 10)]}},
        {"e": {"boundingBoxes": [box('a "dog"', 12)]}},
        {"e": {"boundingBoxes": [box('a "dog"', 16)]}},
        {"e": {"boundingBoxes": [box('a "cat"', 11), box("bird", 500)]}},
    )
    for index, answer in enumerate(document["humanAnswers"]):
        answer["workerId"] = f"w{index}"
    record = record_of(document)
    day = Period(record.created_at.date(), record.created_at.date() + timedelta(days=1))
    connection = table_of([(record.key, record.to_line())], tmp_path)
    try:
        agreement = connection.execute(query("agreement-by-worker", record.flow_definition, day)).fetchall()
        fields = connection.execute(query("overruled-by-field", record.flow_definition, day)).fetchall()
    finally:
        connection.close()
    assert agreement == [("w2", 2, 0, 0.0), ("w0", 2, 2, 100.0), ("w1", 2, 2, 100.0)]
    assert fields == [('e/a "dog"', 1, 0, 0.0, 0, 0), ("e/bird", 0, 0, None, 0, 0)]


@pytest.mark.parametrize("flow", FLOWS)
def test_time_per_review_computes_median_and_p90(
    athena: Any, stored: list[tuple[str, bytes]], flow: str
) -> None:
    seconds = sorted(
        record.seconds_spent for record in records_of(stored, flow) if record.seconds_spent is not None
    )
    (row,) = ask(athena, "time-per-review", flow)
    assert (row["creation_month"], row["reviews_timed"]) == ("2026-01", len(seconds))
    assert row["median_seconds"] == seconds[(len(seconds) + 1) // 2 - 1]
    assert row["p90_seconds"] == seconds[-(-9 * len(seconds) // 10) - 1]
    assert row["hours"] == pytest.approx(sum(seconds) / 3600, abs=0.0051)


@pytest.mark.parametrize("flow", FLOWS)
def test_conditions_by_what_they_catch_agrees_with_the_report(
    athena: Any, stored: list[tuple[str, bytes]], flow: str
) -> None:
    counted = ReviewStatistics(PERIOD)
    for record in records_of(stored, flow):
        counted.add(StoredReview(record.key, flow, record.to_line()))
    expected = {
        condition.condition: condition.overruled_reviews for condition in counted.figures().conditions
    }
    rows = ask(athena, "conditions-by-what-they-catch", flow)
    assert {
        row["condition_name"]: (row["reviews_overruled"], row["reviews_compared"]) for row in rows
    } == expected
    shares = [row["overruled_percent"] for row in rows]
    assert shares == sorted(shares)
    if flow == "ticket-routing":
        assert rows[0]["condition_name"] == "known sender"
        assert rows[0]["reviews_overruled"] == 0


def test_queries_cover_the_last_thirty_days_by_default(athena: Any) -> None:
    day = datetime.now(UTC).date() - timedelta(days=29)
    athena.execute("BEGIN")
    try:
        for when in (0, 0, 1, -31, -31):
            athena.execute(
                'INSERT INTO reviews ("date", flow_definition, seconds_spent) VALUES (?, ?, 1)',
                [str(day + timedelta(days=when)), "recent"],
            )
        athena.execute(query("time-per-review", "recent"))
        assert sum(row[1] for row in athena.fetchall()) == 3
    finally:
        athena.execute("ROLLBACK")


def test_columns_of_the_table_are_the_fields_of_the_record() -> None:
    assert [*columns(), "flow_definition"] == sorted(
        ReviewRecord.model_fields,
        key=lambda name: (name == "flow_definition", [*ReviewRecord.model_fields].index(name)),
    )
    assert list(partition_keys()) == ["flow_definition", "date"]
    assert not set(partition_keys()) & set(columns())
    table = table_input()
    assert {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]} == columns()
    assert columns()["fields"].startswith(
        "array<struct<name:string,kind:string,predicted:string,confidence:double,"
    )


def test_partition_projection_matches_the_keys_of_records() -> None:
    parameters = projection()
    for key in partition_keys():
        assert f"projection.{key}.type" in parameters
    record = next(iter(generate(1)))
    path = Path(record[0])
    assert [part.split("=")[0] for part in path.parts[1:-1]] == list(partition_keys())
    day = path.parts[2].split("=")[1]
    first, last = parameters["projection.date.range"].split(",")
    assert first < day
    assert last.startswith("NOW+")
    assert parameters["projection.date.format"] == "yyyy-MM-dd"
    assert datetime.strptime(day, "%Y-%m-%d")
