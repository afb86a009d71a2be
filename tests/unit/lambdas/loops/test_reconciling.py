"""Tests of the reconciler's events, claims and execution names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.ledger import Loop
from lambdas.loops.reconciling import claim_of, execution_name, missed_event, start_refused_event
from lambdas.reviews.event import CompletedLoop, FailedLoop, StoppedLoop, parse_status_change

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"
CREATED = datetime(2026, 3, 4, 5, 6, 7, 890_999, tzinfo=UTC)


def row(**more: Any) -> Loop:
    return Loop(human_loop_name="loop-1", flow_definition_arn=FLOW, **more)


def described(status: str = "Completed", **more: Any) -> dict[str, Any]:
    """A response of DescribeHumanLoop."""
    return {
        "CreationTime": CREATED,
        "FlowDefinitionArn": FLOW,
        "HumanLoopArn": "arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop-1",
        "HumanLoopName": "loop-1",
        "HumanLoopOutput": {"OutputS3Uri": "s3://bucket/output.json"},
        "HumanLoopStatus": status,
        **more,
    }


@pytest.mark.parametrize(
    ("status", "kind"), [("Completed", CompletedLoop), ("Failed", FailedLoop), ("Stopped", StoppedLoop)]
)
def test_missed_event_parses_like_a2is_event(status: str, kind: type[Any]) -> None:
    event = missed_event(described(status, FailureCode="Expired", FailureReason="too late"))

    change = parse_status_change(event)
    assert isinstance(change, kind)
    # A2I writes milliseconds, truncated. The claim's name contains this time.
    assert event["detail"]["creationTime"] == "2026-03-04T05:06:07.890Z"
    assert (event["account"], event["region"]) == ("111122223333", "us-east-1")
    assert change.detail.failure_code == "Expired"


def test_missed_event_without_output_has_null_output() -> None:
    loop = described("Stopped")
    del loop["HumanLoopOutput"]
    assert missed_event(loop)["detail"]["humanLoopOutput"] is None


def test_refused_start_becomes_a_failed_event() -> None:
    event = start_refused_event(row(created_at="2026-03-04T05:06:07.890Z"), "no such flow definition")

    change = parse_status_change(event)
    assert isinstance(change, FailedLoop)
    assert (change.detail.failure_code, change.detail.failure_reason) == (
        "StartRefused",
        "no such flow definition",
    )
    assert event["resources"] == ["arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop-1"]


@pytest.mark.parametrize(
    ("claim", "matches"),
    [
        ("2026-03-04T05:06:07.890Z Failed", True),
        ("2026-03-04T05:06:07Z Failed", True),
        ("2026-03-04T05:06:07.890999+00:00 Failed", True),
        ("2026-03-04T06:06:07.890+01:00 Failed", True),
        ("2026-03-04T05:06:07.890 Failed", True),
        ("2026-03-04T05:06:09.890Z Failed", False),
        ("2026-03-04T05:06:07.890Z Stopped", False),
        ("nonsense Failed", False),
    ],
)
def test_claim_of_compares_times_whatever_their_format(claim: str, matches: bool) -> None:
    found = claim_of(row(claims={claim: {"state": "done"}}), CREATED, "Failed")
    assert found == (claim if matches else None)


@given(st.text())
def test_execution_names_are_valid_and_unique(name: str) -> None:
    first, second = execution_name("redrive", name), execution_name("redrive", name)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,80}", first)
    assert first != second
