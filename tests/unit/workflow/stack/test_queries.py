"""The saved queries, on DuckDB over the objects that Athena reads, and the table that they read."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from lambdas.reviews.record import DRAWN, Kind, ReviewRecord, read_review
from sandbox.invented_reviews import generate
from tests.documentation import blocks
from tests.queries import query
from tests.review_samples import GOLDEN_REVIEWS, custom, later, record_of
from workflow.operations.report.figures import Figures, Share
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, StoredReview
from workflow.stack.queries import FLOW_DEFINITION, LAST_DAYS, QUERIES
from workflow.stack.reviews_table import columns, partition_keys, projection, table_input

FIRST = date(2026, 1, 1)
PERIOD = Period(FIRST, date(2026, 1, 21))
FLOWS = ("invoice-forms", "image-moderation", "ticket-routing")
MIXED = "every-combination"
ALL_FLOWS = (*FLOWS, "contract-entities", MIXED)


@pytest.fixture(scope="module")
def stored() -> list[tuple[str, bytes]]:
    return [*generate(900, first=FIRST, days=30, seed=11), *combinations()]


def combinations() -> Iterator[tuple[str, bytes]]:
    """Yields reviews with every valid combination of kind, outcome, prediction, confidence and agreement.

    Some share a name: the name of a human loop can be used again once the loop is deleted.
    """
    confidences = (None, 0.0, 0.1, 0.3, 0.5999, 0.6, 0.7, 0.9, 0.99999, 1.0)
    fields = [
        _field(len(confidences) * index + number, kind, outcome, predicted, confidence, answers)
        for index, (kind, (outcome, predicted), answers) in enumerate(
            product(get_args(Kind), COMBINED, (1, 2, 3))
        )
        for number, confidence in enumerate(confidences)
    ]
    chance = random.Random(5)
    chance.shuffle(fields)
    by_answers = {number: [one for one in fields if len(one["per_worker"]) == number] for number in (1, 2, 3)}
    number = 0
    for answers, those in by_answers.items():
        while those:
            size = chance.choice((1, 1, 2, 3, 9))
            part, those = those[:size], those[size:]
            number += 1
            yield _review(f"loop-{number % 40}", number, answers, part, chance)


LABELLED = sorted(DRAWN - {"span"})
"""What people draw is the same if its labels are. Only spans are compared exactly."""

COMBINED = [
    *product(("kept", "changed", "removed"), ['"1"']),
    ("kept", None),  # A minority added it.
    *product(("changed", "removed"), [None]),  # No comparison makes these.
    ("added", None),
    ("answered", None),
    *product(("unresolved",), ['"1"', None]),
]
"""Outcomes, with or without a prediction, as comparisons make them."""


def _field(
    number: int, kind: str, outcome: str, predicted: str | None, confidence: float | None, answers: int
) -> dict[str, Any]:
    nobody = outcome in ("removed", "unresolved") or (predicted is None and outcome == "kept")
    agreement = None if answers == 1 else 0.5 if outcome == "unresolved" else (number % 2 + 2) / 3
    # No two workers draw alike.
    texts = (
        [f'{{"label":"dog","left":{left}}}' for left in range(5)]
        if kind in LABELLED
        else ['"2"'] * 4 + ['"3"']
    )
    reviewed = None if nobody else texts[0]
    values = [None if nobody else text for text in texts[1 : answers + 1]]
    if agreement is not None and agreement < 1:
        values[-1] = texts[4] if nobody else None
    return {
        "name": f"field {number % 7}", "kind": kind, "predicted": predicted,
        "confidence": confidence,
        "reviewed": reviewed, "outcome": outcome, "votes": [], "agreement": agreement,
        "per_worker": [
            {"worker_index": index, "value": value, "outcome": outcome} for index, value in enumerate(values)
        ],
    }  # fmt: skip


def _review(
    name: str, number: int, answers: int, fields: list[dict[str, Any]], chance: random.Random
) -> tuple[str, bytes]:
    created = f"2026-01-{1 + number % 20:02}T10:{number // 60:02}:{number % 60:02}.000Z"
    conditions = chance.choice(([], ["low"], ["low", "sample"], ["sample", "sample"], ["never compared"]))
    if not any(one["outcome"] in ("changed", "removed", "added") for one in fields):
        conditions = [*conditions, "harmless"]
    seconds = chance.choice((None, 10.0, 7.5))
    record = ReviewRecord.model_validate(
        {
            "human_loop_name": name,
            "flow_definition": MIXED,
            "flow_definition_arn": f"arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/{MIXED}",
            "status": chance.choice(("Completed", "Stopped")),
            "created_at": created,
            "completed_at": None,
            "task_type": "custom",
            "output_location": "s3://out/output.json",
            "activation_conditions": conditions,
            "answers": [
                {"worker_id": f"w{index}", "submitted_at": created, "seconds_spent": seconds, "content": "{}"}
                for index in range(answers)
            ],
            "fields": fields,
            "agreement": None,
            "overruled": any(one["outcome"] in ("changed", "removed", "added") for one in fields),
            "seconds_spent": None if seconds is None else answers * seconds,
        }
    )
    return record.key, record.to_line()


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
        read_review(line)
        for key, line in stored
        if f"flow_definition={flow}/" in key and str(FIRST) <= key.split("date=")[1][:10] < str(PERIOD.until)
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


@pytest.fixture(scope="module")
def report(stored: list[tuple[str, bytes]]) -> Callable[[str], Figures]:
    """Returns what the report counts for one flow definition."""

    def figures(flow: str) -> Figures:
        counted = ReviewStatistics(PERIOD)
        for record in records_of(stored, flow):
            counted.add(StoredReview(record.key, flow, record.to_line()))
        return counted.figures()

    return figures


def percent(share: Share) -> Any:
    return pytest.approx(100 * share.value, abs=0.051) if share.n else None


@pytest.mark.parametrize("flow", ALL_FLOWS)
def test_overruled_by_field_agrees_with_the_report(
    athena: Any, report: Callable[[str], Figures], flow: str
) -> None:
    rows = ask(athena, "overruled-by-field", flow)
    assert {row["field_name"]: tuple(row.values())[1:] for row in rows} == {
        one.field.name: (
            one.overruled.n, one.overruled.hits, percent(one.overruled), one.added, one.unresolved
        )
        for one in report(flow).fields
    }  # fmt: skip
    shares = [row["overruled_percent"] for row in rows if row["predictions"]]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("flow", ALL_FLOWS)
def test_overruled_by_confidence_agrees_with_the_report(
    athena: Any, report: Callable[[str], Figures], flow: str
) -> None:
    (model,) = report(flow).models
    bands = [band for band in model.confidence.bands if band.checked.n] if model.confidence else []
    rows = ask(athena, "overruled-by-confidence", flow)
    assert [row["confidence_from"] for row in rows] == pytest.approx([band.low for band in bands])
    assert [(row["predictions"], row["predictions_overruled"]) for row in rows] == [
        (band.checked.n, band.checked.n - band.checked.hits) for band in bands
    ]
    # With a random sample, the report says it for all predictions, and the query for those that people checked.
    assert (flow in ("invoice-forms", "image-moderation")) == bool(
        model.confidence and model.confidence.of_all
    )
    if model.confidence and not model.confidence.of_all:
        assert [row["mean_confidence_percent"] for row in rows] == pytest.approx(
            [100 * band.mean_confidence for band in bands], abs=0.051
        )
    assert [row["overruled_percent"] for row in rows] == [
        percent(Share(band.checked.n - band.checked.hits, band.checked.n)) for band in bands
    ]


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


def test_agreement_by_worker_compares_the_labels_of_what_workers_draw() -> None:
    lists = re.findall(r"field\.kind IN \(([^)]*)\)", QUERIES["agreement-by-worker"])
    assert len(lists) == 2
    for kinds in lists:
        assert set(LABELLED) <= set(re.findall(r"'(\w+)'", kinds))


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


@pytest.mark.parametrize("has_vote_index", [True, False])
def test_workers_agree_on_values_that_are_the_same(has_vote_index: bool, tmp_path: Path) -> None:
    rules = {"my-flow": {"fields": {"total": {"same": "number"}}}}
    document = custom({}, {"total": "12.40"}, {"total": "12.4"}, {"total": "13"})
    record = record_of(document, flow_definitions=rules)
    line = json.loads(record.to_line())
    if not has_vote_index:  # as earlier versions wrote it
        for vote in line["fields"][0]["per_worker"]:
            del vote["vote_index"]
    day = Period(record.created_at.date(), record.created_at.date() + timedelta(days=1))
    connection = table_of([(record.key, json.dumps(line).encode())], tmp_path)
    try:
        rows = connection.execute(query("agreement-by-worker", "my-flow", day)).fetchall()
    finally:
        connection.close()
    agreed = {worker: agreed for worker, _, agreed, _ in rows}
    assert agreed == {"w0": int(has_vote_index), "w1": 1, "w2": 0}


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


@pytest.mark.parametrize("flow", ALL_FLOWS)
def test_conditions_by_what_they_catch_agrees_with_the_report(
    athena: Any, report: Callable[[str], Figures], flow: str
) -> None:
    expected = {one.condition: one.overruled_reviews for one in report(flow).conditions}
    rows = ask(athena, "conditions-by-what-they-catch", flow)
    # A condition without a compared review has no row.
    assert {
        row["condition_name"]: Share(row["reviews_overruled"], row["reviews_compared"]) for row in rows
    } == {name: share for name, share in expected.items() if share.n}
    assert [row["overruled_percent"] for row in rows] == [
        percent(expected[row["condition_name"]]) for row in rows
    ]
    shares = [row["overruled_percent"] for row in rows]
    assert shares == sorted(shares)
    if flow == "ticket-routing":
        assert rows[0]["condition_name"] == "known sender"
        assert rows[0]["reviews_overruled"] == 0


@pytest.mark.parametrize("flow", ALL_FLOWS)
def test_time_per_review_agrees_with_the_report(
    athena: Any, report: Callable[[str], Figures], flow: str
) -> None:
    """The report has times per answer, the query per review. Their sums are the same."""
    rows = ask(athena, "time-per-review", flow)
    assert sum(row["hours"] for row in rows) == pytest.approx(report(flow).times.total / 3600, abs=0.0051)


@pytest.mark.parametrize("flow", ALL_FLOWS)
def test_agreement_by_worker_agrees_with_the_report(
    athena: Any, stored: list[tuple[str, bytes]], report: Callable[[str], Figures], flow: str
) -> None:
    """A worker disagrees with a majority only where the report does not count identical answers."""
    rows = ask(athena, "agreement-by-worker", flow)
    agreement = report(flow).agreement
    disagreed = sum(row["fields_answered"] - row["fields_agreed"] for row in rows)
    several = agreement.unanimous.n - agreement.unresolved.hits
    assert (disagreed == 0) == (agreement.unanimous.hits == several)
    assert disagreed >= several - agreement.unanimous.hits


def test_queries_cover_the_last_thirty_days_by_default(athena: Any) -> None:
    day = datetime.now(UTC).date() - timedelta(days=29)
    athena.execute("BEGIN")
    try:
        for when in (0, 0, 1, -1, -1, -31):
            athena.execute(
                'INSERT INTO reviews ("date", flow_definition, seconds_spent) VALUES (?, ?, 1)',
                [str(day + timedelta(days=when)), "recent"],
            )
        athena.execute(query("time-per-review", "recent"))
        assert sum(row[1] for row in athena.fetchall()) == 3
    finally:
        athena.execute("ROLLBACK")


def test_queries_take_records_of_other_versions(tmp_path: Path) -> None:
    key = "reviews/flow_definition={}/date=2026-03-01/{}.json"
    documents = [(path.stem, json.loads(path.read_bytes())) for path in GOLDEN_REVIEWS]
    stored = [(key.format("earlier", name), json.dumps(document).encode()) for name, document in documents]
    stored += [(key.format("later", name), later(document)) for name, document in documents]
    table = table_of([(place, line + b"\n") for place, line in stored], tmp_path)
    with table:
        march = Period(date(2026, 3, 1), date(2026, 3, 2))
        for name in QUERIES:
            earlier, after = (
                table.execute(query(name, flow, march)).fetchall() for flow in ("earlier", "later")
            )
            assert earlier, name
            assert sorted(earlier, key=str) == sorted(after, key=str)


def test_query_by_segment_on_the_page_counts_reviews(tmp_path: Path) -> None:
    """The page itself runs no review with a region."""
    (sql,) = (
        block.content for block in blocks("docs/how-to/query-reviews.md") if "segment." in block.content
    )
    sql = sql.split('"""')[1].replace("'support-messages'", "'my-flow'")
    folder = "reviews/flow_definition=my-flow/date=2026-03-01"
    stored = [(f"{folder}/{path.name}", path.read_bytes()) for path in GOLDEN_REVIEWS]
    with table_of(stored, tmp_path) as table:
        found = table.execute(sql).fetchall()
    # Two records of the same output: with the ids of workers, and with pseudonyms.
    assert found == [("eu", "2026-11", 2, 0)]


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
