"""Recomputing reviews of a published stage: record, ledger, report and Athena agree, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from lambdas.reviews.code import code_digest
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import read_review
from sandbox.samples import SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from workflow.operations.recompute import Recomputation, Recompute
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, open_reviews
from workflow.operations.stage_resources import StageResources


def overruled_in_athena(
    published: PublishedStage, flow: str, eventually: Callable[..., Any]
) -> list[str | None]:
    athena = published.sandbox.client("athena")
    query = athena.start_query_execution(
        QueryString="SELECT CAST(overruled AS varchar), made_by.code, document_id, field.outcome FROM reviews "
        f"CROSS JOIN UNNEST(fields) AS field WHERE flow_definition = '{flow}' "
        "AND field.name = 'sentiment'",
        QueryExecutionContext={"Database": published.outputs["ReviewDatabase"]},
        WorkGroup=published.outputs["Workgroup"],
    )["QueryExecutionId"]

    def ended() -> bool:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        assert status["State"] != "FAILED", status
        return bool(status["State"] == "SUCCEEDED")

    eventually(ended)
    _, row = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [cell.get("VarCharValue") for cell in row["Data"]]


def test_recomputed_review_is_the_one_that_the_function_stored(
    published: PublishedStage, eventually: Callable[..., Any]
) -> None:
    flow, name = published.flow_definition(), published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
    (execution,) = published.ended(name)
    row = published.row(name)
    bucket, key = S3Location.parse(row.review_location or "")
    stored = published.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    record = read_review(stored)
    assert record.overruled
    # The digest is the same in the function's bundle and in this checkout.
    assert record.made_by is not None
    assert record.made_by.code == code_digest()

    # As an earlier version has stored it: nothing compared, and none of the newer keys.
    earlier: dict[str, Any] = json.loads(stored)
    for new in ("made_by", "prediction_source", "model_version", "document_id", "segments", "invented"):
        del earlier[new]
    for field in earlier["fields"]:
        field["outcome"] = "answered"
    earlier["overruled"] = False
    published.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(earlier))
    figures = {**(row.review or {}), "changed": 0, "overruled": False}
    published.sandbox.client("dynamodb").update_item(
        TableName=published.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET review = :figures",
        ExpressionAttributeValues={":figures": TypeSerializer().serialize(figures)},
    )
    before = published.row(name)
    assert before.review != row.review

    session = published.sandbox.session
    resources = StageResources.find(published.stage.name, session)
    recompute = Recompute(resources, session)
    assert recompute.published_code() == recompute.code
    period = Period(record.created_at.date(), record.created_at.date() + timedelta(days=1))

    def run(*, write: bool) -> Recomputation:
        return recompute.run(period, flow_definition=record.flow_definition, write=write)

    would = run(write=False)
    assert published.row(name) == before
    assert run(write=True) == would

    assert (would.reviews, would.changed, would.ledger, would.changes.now_overruled) == (1, 1, 1, 1)
    assert published.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == stored
    assert published.row(name) == row
    assert run(write=True) == Recomputation(reviews=1, current=1)

    statistics = ReviewStatistics(period)
    for review in open_reviews(f"s3://{bucket}/reviews", session).reviews(record.flow_definition, period):
        statistics.add(review)
    assert statistics.figures().overruled_reviews.hits == 1
    found = overruled_in_athena(published, record.flow_definition, eventually)
    assert found == ["true", code_digest(), None, "changed"]

    # No other execution has run about the loop, and no message was sent.
    assert [one["executionArn"] for one in published.executions(name)] == [execution["executionArn"]]
    assert published.messages(name) == []
