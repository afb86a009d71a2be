"""Tests of which flow definitions a stage knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from tests.unit.doubles import REGION, SageMaker, StubbedSession, create_ledger_table
from workflow.operations.flow_definitions import FlowDefinitions, UnknownFlowDefinition, check_reviews_of
from workflow.operations.reviews_source import FolderReviews
from workflow.operations.stage_resources import StageResources

ACCOUNT = "123456789012"
FLOW = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:flow-definition/"


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    with mock_aws():
        session = StubbedSession()
        create_ledger_table(session.client("dynamodb"))
        session.client("s3").create_bucket(Bucket="reviews")
        session.use("sagemaker", SageMaker(f"{FLOW}new", f"{FLOW}invoices"))
        yield session


def flow_definitions(session: Any, arns: str = "*") -> FlowDefinitions:
    outputs = {"LedgerTable": "ledger", "ReviewBucket": "reviews"}
    return FlowDefinitions(
        StageResources("dev", "aws", REGION, ACCOUNT, outputs, {"FlowDefinitionArns": arns}), session
    )


def test_flow_definition_is_known_from_each_of_four_places(session: StubbedSession) -> None:
    known = flow_definitions(session, f"{FLOW}in-settings,{FLOW}other").known
    Ledger(session.client("dynamodb"), "ledger").open(
        Loop(human_loop_name="a", flow_definition_arn=f"{FLOW}deleted", status="Completed")
    )
    session.client("s3").put_object(
        Bucket="reviews", Key="reviews/flow_definition=archived/date=2026-01-01/a"
    )
    for name in ("in-settings", "deleted", "archived", "new"):
        assert known(name) == known(f"{FLOW}{name}") == f"{FLOW}{name}"


def test_row_that_cannot_be_read_makes_its_flow_definition_known(session: StubbedSession) -> None:
    row = {
        "humanLoopName": "a",
        "status": "Completed",
        "createdAt": "2026",
        "flowDefinitionArn": f"{FLOW}odd",
    }
    item = {name: {"S": value} for name, value in row.items()} | {"attempt": {"S": "first"}}
    session.client("dynamodb").put_item(TableName="ledger", Item=item)
    assert flow_definitions(session).known("odd") == f"{FLOW}odd"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("invioces", "; did you mean 'invoices'?"),
        (f"{FLOW}invioces", "; did you mean 'invoices'?"),
        ("xyz", "; known are invoices, new, old"),
        ("archive", "; known are invoices, new, old"),
        ("", "; known are invoices, new, old"),
        ("arn:aws:sagemaker:eu-west-1:999999999999:flow-definition/new", "; did you mean 'new'?"),
    ],
)
def test_other_names_are_errors_with_the_known_ones(session: StubbedSession, name: str, hint: str) -> None:
    s3 = session.client("s3")
    s3.put_object(Bucket="reviews", Key="reviews/flow_definition=old/date=2026-01-01/a.json")
    for find in (flow_definitions(session).known, flow_definitions(session).existing):
        with pytest.raises(UnknownFlowDefinition) as error:
            find(name)
        assert repr(name) in str(error.value)
        assert str(error.value).endswith(hint)


def test_error_lists_five_names_and_says_if_there_are_none(session: StubbedSession) -> None:
    session.use("sagemaker", SageMaker(*(f"{FLOW}f{number}" for number in range(9))))
    with pytest.raises(UnknownFlowDefinition, match=r"; known are f0, f1, f2, f3, f4, …$"):
        flow_definitions(session).known("xyz")
    session.use("sagemaker", SageMaker())
    with pytest.raises(
        UnknownFlowDefinition, match=r"; none is known, and an account that did not use Amazon A2I before"
    ):
        flow_definitions(session).known("xyz")


def test_without_permission_to_ask_sagemaker_loops_can_start(session: StubbedSession) -> None:
    sagemaker = session.client("sagemaker")
    sagemaker.refuse = "AccessDeniedException"
    assert flow_definitions(session).existing("xyz") == f"{FLOW}xyz"
    with pytest.raises(UnknownFlowDefinition, match=r"; SageMaker could not be asked; none is known$"):
        flow_definitions(session).known("xyz")


def test_deleted_flow_definition_gets_no_new_loop(session: StubbedSession) -> None:
    Ledger(session.client("dynamodb"), "ledger").open(
        Loop(human_loop_name="a", flow_definition_arn=f"{FLOW}deleted", status="Completed")
    )
    with pytest.raises(UnknownFlowDefinition, match=r"'deleted' does not exist in us-east-1; known are"):
        flow_definitions(session).existing("deleted")


def test_folder_knows_the_flow_definitions_of_its_reviews(tmp_path: Path) -> None:
    (tmp_path / "flow_definition=invoices").mkdir()
    check_reviews_of("invoices", FolderReviews(tmp_path))
    with pytest.raises(
        UnknownFlowDefinition, match=rf"{tmp_path} has no reviews of it; did you mean 'invoices'"
    ):
        check_reviews_of("invoice", FolderReviews(tmp_path))
