"""Calls of intrinsic functions: those that succeed, and what is wrong with others."""

from __future__ import annotations

import pytest

from workflow.asl.checks.intrinsics import why_not_intrinsic


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("States.format('{}', $.a)", "no intrinsic function States.format; did you mean 'States.Format'?"),
        ("States.Array(States.UUId())", "no intrinsic function States.UUId; did you mean 'States.UUID'?"),
        ("States.Format('{}', $.a, $.b)", "States.Format: the text has 1 {} for 2 values"),
        ("States.Format('{} {}', $.a)", "States.Format: the text has 2 {} for 1 value"),
        ("States.Format()", "States.Format takes at least 1 arguments, not 0"),
        ("States.ArrayLength($.a, 1)", "States.ArrayLength takes 1 argument, not 2"),
        ("States.MathRandom(1)", "States.MathRandom takes 2 to 3 arguments, not 1"),
        ("States.Hash($.a)", "States.Hash takes 2 arguments, not 1"),
        (
            "States.Hash($.a, SHA-256)",
            "States.Hash: SHA-256 is no argument; write a text as 'SHA-256', a path as $.…",
        ),
        ('States.Format("{}", $.a)', """States.Format: "{}" is no argument; write a text as '{}'"""),
        ("States.Array($.a, )", "States.Array: nothing is no argument"),
        ("States.Array(1), 2)", "States.Array"),
    ],
)
def test_call_that_fails_is_reported_with_its_reason(call: str, why: str) -> None:
    assert why in why_not_intrinsic(call)


@pytest.mark.parametrize(
    "call",
    [
        "States.UUID()",
        "States.Array()",
        "States.Array($.a, 'x, y', 1.5, -2, null, true, $$.Execution.Id, $name.b)",
        r"States.Format('it\'s \{\} {}', $.a)",
        "States.Format($.template, $.a, $.b)",
        "States.Format('({}, {})', $['a, b'], States.ArrayGetItem(States.StringSplit($.c, '/'), 2))",
        "States.JsonMerge($.a, $.b, false)",
        "States.MathRandom(1, 10, 7)",
        "States.ArrayRange(1, 9, 2)",
        "States.ArrayContains($.a[?(@.b == 'x')], $.c)",
    ],
)
def test_valid_call_is_accepted(call: str) -> None:
    assert why_not_intrinsic(call) == ""
