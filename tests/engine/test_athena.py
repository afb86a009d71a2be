"""The saved queries on the local engine's Athena (DuckDB), over the Glue table as the stack defines it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from lambdas.reviews.record import ReviewRecord, read_review
from sandbox.engine import Sandbox
from sandbox.invented_reviews import generate
from tests.queries import query
from workflow.operations.reviews_source import Period
from workflow.stack.queries import QUERIES
from workflow.stack.reviews_table import TABLE_NAME, columns, partition_keys, table_input

BUCKET = "athena-reviews"
DATABASE = "athena_reviews"
PERIOD = Period(date(2026, 1, 1), date(2026, 1, 21))

Ask = Callable[[str], list[dict[str, str | None]]]


@pytest.fixture(scope="module")
def stored() -> list[tuple[str, bytes]]:
    # More objects than fit into memory if the engine allocates a buffer of the maximum size for each.
    return list(generate(300, first=date(2026, 1, 1), days=30, seed=4))


@pytest.fixture(scope="module")
def ask(sandbox: Sandbox, stored: list[tuple[str, bytes]], eventually: Callable[..., Any]) -> Iterator[Ask]:
    """Stores reviews, creates database and table, and returns a function that runs SQL through Athena's API."""
    s3, glue, athena = (sandbox.client(name) for name in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket=BUCKET)
    for key, line in stored:
        s3.put_object(Bucket=BUCKET, Key=key, Body=line)
    glue.create_database(DatabaseInput={"Name": DATABASE})
    table = table_input()
    table["StorageDescriptor"]["Location"] = f"s3://{BUCKET}/reviews/"
    glue.create_table(DatabaseName=DATABASE, TableInput=table)

    def run(sql: str) -> list[dict[str, str | None]]:
        execution = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": DATABASE},
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/query-results/"},
        )["QueryExecutionId"]

        def ended() -> Any:
            status = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
            assert status["State"] not in ("FAILED", "CANCELLED"), status
            return status["State"] == "SUCCEEDED"

        eventually(ended)
        rows = athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        header, *data = ([cell.get("VarCharValue") for cell in row["Data"]] for row in rows)
        return [dict(zip((str(name) for name in header), row, strict=True)) for row in data]

    yield run
    glue.delete_table(DatabaseName=DATABASE, Name=TABLE_NAME)
    glue.delete_database(Name=DATABASE)


def reviews_of(stored: list[tuple[str, bytes]], flow: str) -> list[ReviewRecord]:
    return [
        read_review(line)
        for key, line in stored
        if f"={flow}/" in key and key.split("date=")[1][:10] < str(PERIOD.until)
    ]


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("flow", ["invoice-forms", "image-moderation", "ticket-routing"])
def test_every_query_returns_rows(ask: Ask, name: str, flow: str) -> None:
    assert ask(query(name, flow, PERIOD))


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_reads_only_its_period(ask: Ask, name: str) -> None:
    assert ask(query(name, "invoice-forms")) == []  # None of the reviews is from the last 30 days.


def test_overruled_by_field_counts_stored_predictions(ask: Ask, stored: list[tuple[str, bytes]]) -> None:
    predictions: Counter[str] = Counter()
    overruled: Counter[str] = Counter()
    for record in reviews_of(stored, "invoice-forms"):
        for part in record.fields:
            if part.outcome in ("kept", "changed", "removed"):
                predictions[part.name] += 1
                overruled[part.name] += part.outcome != "kept"
    rows = ask(query("overruled-by-field", "invoice-forms", PERIOD))
    assert {
        row["field_name"]: (int(row["predictions"] or 0), int(row["predictions_overruled"] or 0))
        for row in rows
    } == {name: (predictions[name], overruled[name]) for name in predictions}


def test_agreement_by_worker_names_the_workers(ask: Ask, stored: list[tuple[str, bytes]]) -> None:
    workers = {
        answer.worker_id
        for record in reviews_of(stored, "image-moderation")
        if len(record.answers) > 1 and any(part.outcome != "unresolved" for part in record.fields)
        for answer in record.answers
    }
    rows = ask(query("agreement-by-worker", "image-moderation", PERIOD))
    assert {row["worker_id"] for row in rows} == workers


def test_table_metadata_is_what_the_stack_defines(sandbox: Sandbox, ask: Ask) -> None:
    table = sandbox.client("athena").get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=DATABASE, TableName=TABLE_NAME
    )["TableMetadata"]
    assert {column["Name"]: column["Type"] for column in table["Columns"]} == columns()
    assert [key["Name"] for key in table["PartitionKeys"]] == list(partition_keys())
    assert table["Parameters"]["projection.flow_definition.type"] == "injected"
