"""What counts as accepted of what the judges find."""

from __future__ import annotations

from tests.judges import Finding, not_accepted, without_finding

FOUND = [Finding("checkov", "CKV_1", "AWS::SQS::Queue.Undelivered", "not encrypted")]


def entry(of: str, reason: str = "why") -> dict[str, str]:
    return {"judge": "checkov", "check": "CKV_1", "of": of, "reason": reason}


def test_finding_needs_an_entry_for_its_resource() -> None:
    line = "checkov: CKV_1: AWS::SQS::Queue.Undelivered: not encrypted"
    assert not_accepted(FOUND, []) == not_accepted(FOUND, [entry("AWS::SNS::*")]) == [line]
    assert not_accepted(FOUND, [entry("AWS::SQS::*")]) == []


def test_entry_needs_a_finding_and_a_reason() -> None:
    assert without_finding(FOUND, [entry("AWS::SQS::*")]) == []
    (unused,) = without_finding(FOUND, [entry("AWS::SNS::*")])
    assert unused.endswith("'AWS::SNS::*': nothing was found")
    (silent,) = without_finding(FOUND, [entry("AWS::SQS::*", " ")])
    assert silent.endswith("'AWS::SQS::*': no reason")
