"""Where reviews and stages are found, and what is said when they are not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sandbox.invented_reviews import generate, write_reviews
from workflow.errors import AccountError, AfterloopError
from workflow.operations.reviews_source import FolderReviews, Period, ReviewsError, S3Reviews, open_reviews
from workflow.operations.stage_resources import NotPublishedError, StageResources

FIRST = date(2026, 1, 1)


class Session:
    """A boto3 session whose one client answers what the test says."""

    region_name = "eu-west-1"

    def __init__(self, service: str) -> None:
        self._client = boto3.client(
            service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self._client)
        self.stub.activate()

    def client(self, service: str, **_: Any) -> Any:
        return self._client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_reviews(tmp_path, 60, first=FIRST, days=5, seed=1)
    return tmp_path


def test_a_folder_gives_the_days_that_are_asked_for_in_order(folder: Path) -> None:
    source = open_reviews(str(folder))
    assert source.flow_definitions() == sorted(
        {key.split("/")[1].split("=")[1] for key, _ in generate(60, days=5, seed=1)}
    )
    period = Period(date(2026, 1, 2), date(2026, 1, 4))
    found = [stored for flow in source.flow_definitions() for stored in source.reviews(flow, period)]
    expected = sorted(
        (key, line)
        for key, line in generate(60, days=5, seed=1)
        if "date=2026-01-02" in key or "date=2026-01-03" in key
    )
    assert [(stored.location.removeprefix(f"{folder}/"), stored.content) for stored in found] == expected
    assert all(f"flow_definition={stored.flow_definition}/" in stored.location for stored in found)


def test_the_folder_may_be_the_one_called_reviews_or_the_one_above(folder: Path) -> None:
    above, itself = FolderReviews(folder), FolderReviews(folder / "reviews")
    assert above.flow_definitions() == itself.flow_definitions() != []
    assert above.location == itself.location


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReviewsError, match="there is no folder"):
        open_reviews(str(tmp_path / "nowhere"))
    assert open_reviews(str(tmp_path)).flow_definitions() == []  # nothing stored yet is not an error
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ReviewsError, match="has no flow_definition=… folder"):
        open_reviews(str(tmp_path))


def test_a_flow_definition_without_reviews_gives_none(folder: Path) -> None:
    assert list(open_reviews(str(folder)).reviews("other", Period(FIRST, date(2026, 2, 1)))) == []


def test_a_bucket_is_listed_from_the_first_day_to_the_last_only() -> None:
    session = Session("s3")
    dates = "r/flow_definition=f/date="
    keys = [f"{dates}2026-01-0{day}/{name}" for day in (2, 3) for name in ("a.json", "b.txt")]
    session.stub.add_response(
        "list_objects_v2",
        # A second page exists; the first one has gone past the last day, so it is not asked for.
        {
            "IsTruncated": True,
            "NextContinuationToken": "t",
            "Contents": [{"Key": key} for key in (*keys, f"{dates}2026-01-04/c.json")],
        },
        {"Bucket": "b", "Prefix": dates, "StartAfter": f"{dates}2026-01-02"},
    )
    source = S3Reviews("s3://b/r", session)  # type: ignore[arg-type]
    found = list(source._keys("f", Period(date(2026, 1, 2), date(2026, 1, 4))))
    assert found == [f"{dates}2026-01-02/a.json", f"{dates}2026-01-03/a.json"]
    session.stub.assert_no_pending_responses()
    assert source.location == "s3://b/r/"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("AccessDenied", "cannot list s3://b/r/: ListObjectsV2 is not permitted: no"),
        ("NoSuchBucket", "cannot list s3://b/r/: there is no such bucket: publish the stage"),
        ("SlowDown", "cannot list s3://b/r/: An error occurred"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_one_line(code: str, told: str) -> None:
    session = Session("s3")
    session.stub.add_client_error("list_objects_v2", code, "no")
    with pytest.raises(ReviewsError) as raised:
        open_reviews("s3://b/r/", session).flow_definitions()  # type: ignore[arg-type]
    assert str(raised.value).startswith(told)


def test_an_object_that_cannot_be_read_ends_it_with_its_address() -> None:
    session = Session("s3")
    key = "r/flow_definition=f/date=2026-01-02/a.json"
    session.stub.add_response("list_objects_v2", {"IsTruncated": False, "Contents": [{"Key": key}]})
    session.stub.add_client_error("get_object", "AccessDenied", "no")
    source = open_reviews("s3://b/r", session)  # type: ignore[arg-type]
    with pytest.raises(ReviewsError, match=f"cannot read s3://b/{key}: GetObject is not permitted"):
        list(source.reviews("f", Period(FIRST, date(2026, 1, 9))))


def test_the_last_days_end_today_or_before_a_day() -> None:
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    assert Period.last_days(2, now=now) == Period(date(2026, 2, 28), date(2026, 3, 2))
    assert Period.last_days(2, until=date(2026, 1, 3)) == Period(FIRST, date(2026, 1, 3))


STACK = {
    "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/afterloop-dev/1",
    "StackName": "afterloop-dev",
    "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [
        {"OutputKey": "ReviewBucket", "OutputValue": "the-bucket"},
        {"OutputKey": "LedgerTable", "OutputValue": "the-table"},
    ],
}


def test_a_stages_resources_are_its_stacks_outputs() -> None:
    session = Session("cloudformation")
    session.stub.add_response("describe_stacks", {"Stacks": [STACK]}, {"StackName": "afterloop-dev"})
    resources = StageResources.find("dev", session)  # type: ignore[arg-type]
    assert (resources.review_bucket, resources.ledger_table) == ("the-bucket", "the-table")
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/invoices"
    assert resources.flow_definition_arn("invoices") == resources.flow_definition_arn(arn) == arn
    with pytest.raises(NotPublishedError, match="stage dev has no output StateMachine: publish it again"):
        assert resources.state_machine_arn


@pytest.mark.parametrize(
    ("code", "message", "error", "told"),
    [
        (
            "ValidationError",
            "Stack with id afterloop-dev does not exist",
            NotPublishedError,
            "stage dev is not published in eu-west-1",
        ),
        ("AccessDenied", "no", AccountError, "DescribeStacks is not permitted"),
        ("ExpiredToken", "no", AccountError, "session has expired"),
    ],
)
def test_a_stage_that_cannot_be_found_is_one_line(
    code: str, message: str, error: type[AfterloopError], told: str
) -> None:
    session = Session("cloudformation")
    session.stub.add_client_error("describe_stacks", code, message)
    with pytest.raises(error, match=told):
        StageResources.find("dev", session)  # type: ignore[arg-type]
