"""Whose bucket a request is for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.ministack_patches import buckets
from workflow.stack.template.policies import allow, policy

OURS, THEIRS = "000000000000", "999999999999"


@pytest.fixture
def bucket(ministack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from ministack.core.responses import get_account_id
    from ministack.services import s3

    monkeypatch.setattr(s3, "_dispatch", lambda *request: (200, {}, b"content"))
    buckets.correct()
    s3._buckets["mine"] = {}
    monkeypatch.setitem(s3._buckets._data, (THEIRS, "theirs"), {})
    assert get_account_id() == OURS
    yield "mine"
    del s3._buckets["mine"]


def status(bucket: str, **headers: str) -> int:
    from ministack.services import s3

    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: Any = s3._dispatch("PUT", bucket, "key", sent, b"", {})
    return int(answer[0])


def test_bucket_of_another_account_than_expected_is_refused(bucket: str) -> None:
    assert status(bucket) == status(bucket, x_amz_expected_bucket_owner=OURS) == 200
    assert status(bucket, x_amz_expected_bucket_owner=THEIRS) == 403
    assert status("theirs", x_amz_expected_bucket_owner=OURS) == 403


def test_copy_from_another_account_than_expected_is_refused(bucket: str) -> None:
    copy = {"x_amz_copy_source": "/theirs/key"}
    assert status(bucket, **copy, x_amz_source_expected_bucket_owner=THEIRS) == 200
    assert status(bucket, **copy, x_amz_source_expected_bucket_owner=OURS) == 403


@pytest.mark.parametrize(("name", "owner"), [("mine", OURS), ("theirs", THEIRS), ("nobodys", OURS)])
def test_condition_compares_the_owner_of_the_bucket(bucket: str, name: str, owner: str) -> None:
    from ministack.core import iam_evaluator

    context = SimpleNamespace(resource_arn=f"arn:aws:s3:::{name}/key", principal_account=OURS)
    assert iam_evaluator._resolve_condition_key("aws:ResourceAccount", context) == owner


@pytest.mark.parametrize(("name", "decision"), [("mine", "Allow"), ("theirs", "ImplicitDeny")])
def test_role_reaches_no_bucket_of_another_account(bucket: str, name: str, decision: str) -> None:
    from ministack.core import iam_evaluator

    statement = allow(["s3:GetObject"], [f"arn:aws:s3:::{name}/*"])
    statement["Condition"] = {"StringEquals": {key: [OURS] for key in statement["Condition"]["StringEquals"]}}
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{OURS}:assumed-role/CollectReview/it",
        principal_type="AssumedRole",
        principal_account=OURS,
        action="s3:GetObject",
        resource_arn=f"arn:aws:s3:::{name}/output.json",
        region="us-east-1",
    )
    policies = [iam_evaluator.parse_policy_document(policy(statement))]
    assert iam_evaluator.evaluate(context, policies).decision == decision
