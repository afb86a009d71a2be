from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.errors import InvalidSettings
from lambdas.reviews.rules import DEFAULT_FIELD, FieldSettings, FlowRules
from lambdas.reviews.settings import ReviewSettings

NUMBER = FieldSettings(same="number")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("total", "total"),
        ("row-1-total", "row-*-total"),
        ("row-1-text", "row-*"),
        ("other", "*"),
        ("row-\n-total", "row-*-total"),
        ("x-total", "*-total"),
        ("row+total", "*"),
        ("Total", "*"),
    ],
)
def test_most_specific_name_of_a_field_wins(name: str, expected: str) -> None:
    names = ("*", "*-total", "row-*", "row-*-total", "total", "**")
    fields = {each: FieldSettings(same="number", tolerance=at) for at, each in enumerate(names)}
    assert FlowRules(fields=fields).field(name) is fields[expected]


@given(st.permutations(["a*", "*b", "a*b*", "*a*b"]))
def test_order_of_names_in_the_file_does_not_matter(names: list[str]) -> None:
    fields = {name: FieldSettings(same="distance", max_distance=len(name)) for name in names}
    rules = FlowRules(fields=fields)
    assert rules.field("ab") is fields["*a*b"]
    assert rules.field("axc") is fields["a*"]


@given(
    pattern=st.text("ab*", max_size=6).filter(lambda pattern: "*" in pattern),
    name=st.text("ab\n", max_size=8),
)
def test_star_stands_for_any_characters(pattern: str, name: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL)
    found = FlowRules(fields={pattern: NUMBER}).field(name)
    assert found is (NUMBER if expected else DEFAULT_FIELD)


def test_long_name_and_many_stars_take_linear_work() -> None:
    # A regular expression would need more than a lifetime for this name, which a worker can choose.
    rules = FlowRules(fields={"*a" * 20 + "*b": NUMBER})
    assert rules.field("a" * 100_000) is DEFAULT_FIELD


@pytest.mark.parametrize("path", ["(" * 5000, "!" * 5000 + "a"])
def test_deeply_nested_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidSettings, match="not a JMESPath expression: nested too deeply") as refused:
        ReviewSettings.parse(json.dumps({"predictions": {"forms": path}}))
    assert len(str(refused.value)) < 500


def test_field_without_settings_has_the_defaults() -> None:
    assert FlowRules().field("total") is DEFAULT_FIELD
    assert FlowRules(fields={"a*": NUMBER}).field("total") is DEFAULT_FIELD
    assert DEFAULT_FIELD.same == "exact"


def test_rules_of_a_flow_definition_are_its_own() -> None:
    settings = ReviewSettings.parse(
        '{"predictions": {"forms": false, "photos": "a.b"},'
        ' "flowDefinitions": {"forms": {"fields": {"total": {"same": "number"}}}}}'
    )
    assert settings.rules_for("forms") == FlowRules(False, {"total": NUMBER})
    assert settings.rules_for("photos") == FlowRules("a.b")
    assert settings.rules_for("others") == FlowRules()
