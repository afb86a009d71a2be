"""JSONata expressions are parsed once."""

from __future__ import annotations

import jsonata
import pytest
from jsonata import parser

from sandbox.ministack_patches import expressions


@pytest.fixture(autouse=True)
def _corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser.Parser, "parse", parser.Parser.parse)
    expressions.correct()


def test_expression_is_parsed_once_and_evaluated_each_time():
    first, second = (jsonata.Jsonata.jsonata("$states.input.n + 1") for _ in range(2))
    assert first.ast is second.ast
    values = [one.evaluate(None, {"states": {"input": {"n": n}}}) for one, n in ((first, 1), (second, 41))]
    assert values == [2, 42]


def test_expression_that_cannot_be_parsed_is_refused_each_time():
    for _ in range(2):
        with pytest.raises(Exception, match="Expected"):
            jsonata.Jsonata.jsonata("(1 +")
