"""Whether the judge of permissions notices what it must."""

from __future__ import annotations

import pytest

from tests.least_privilege import Granted, comparable, unjustified

BUCKET = "arn:aws:s3:::reviews"


def judged(granted: Granted, *resources: str) -> list[str]:
    return unjustified([granted], {granted: resources}, {})


def test_unused_permission_is_found() -> None:
    unused = Granted("CollectReviewRole", "s3:PutObject", f"{BUCKET}/reviews/*")
    assert judged(unused) == [f"{unused}: no test used it"]


@pytest.mark.parametrize(
    ("pattern", "resources", "word"),
    [
        (f"{BUCKET}/*", ["/inputs/a", "/inputs/b"], "inputs"),
        ("arn:aws:states:::m:*", [":live"], "live"),
        ("*", ["/a"], "arn"),
    ],
)
def test_wildcard_that_one_word_could_replace_is_found(pattern: str, resources: list[str], word: str) -> None:
    granted = Granted("RuleRole", "s3:GetObject", pattern)
    fixed = pattern.rpartition("/")[0] if "/" in pattern else pattern.removesuffix(":*")
    (line,) = judged(
        granted, *(fixed.strip("*") + one if fixed.strip("*") else f"arn{one}" for one in resources)
    )
    assert line == f"{granted}: wider than its use: the wildcard stands for {word!r} only"


@pytest.mark.parametrize(
    ("action", "pattern", "resources"),
    [
        ("s3:GetObject", f"{BUCKET}/inputs/*", [f"{BUCKET}/inputs/loop-0a1b2c3d4e.json"]),
        ("s3:GetObject", f"{BUCKET}/*", [f"{BUCKET}/a/1", f"{BUCKET}/b/1"]),
        ("s3:GetObject", f"{BUCKET}/one", [f"{BUCKET}/one"]),
        ("textract:AnalyzeDocument", "*", ["*"]),
    ],
)
def test_permission_as_wide_as_its_use_is_accepted(action: str, pattern: str, resources: list[str]) -> None:
    assert judged(Granted("StartLoopRole", action, pattern), *resources) == []


def test_use_by_a_function_with_the_same_grant_counts() -> None:
    start = Granted("StartLoopRole", "dynamodb:PutItem", "arn:table")
    restart = Granted("RestartLoopRole", "dynamodb:PutItem", "arn:table")
    other = Granted("CollectReviewRole", "dynamodb:PutItem", "arn:table")
    used = {start: ["arn:table"]}
    assert unjustified([start, restart], used, {}) == []
    assert unjustified([start, other], used, {}) == [f"{other}: no test used it"]


def test_explanation_without_permission_is_found() -> None:
    granted = Granted("RuleRole", "s3:GetObject", BUCKET)
    reasons = {("RuleRole", "s3:*", "*"): "why", ("NoRole", "*", "*"): "why"}
    assert unjustified([granted], {}, reasons) == ["NoRole, *, *: explained, but no role has it"]


def test_names_of_two_engines_are_the_same() -> None:
    first, second = (
        f"arn:aws:s3:::afterloop-local-reviewbucket-{generated}/predictions/*"
        for generated in ("26f610408a4d4", "d7e91641dce76")
    )
    assert comparable(first) == comparable(second)
    table = "arn:aws:dynamodb:us-east-1:111122223333:table/afterloop-local-LedgerTable-745471CC4F826"
    assert comparable(f"{table}/index/*").endswith("LedgerTable-generated/index/*")
    function = "arn:aws:lambda:us-east-1:111122223333:function:afterloop-local-StartLoop"
    assert comparable(function) == function
