"""Templates with their parameters filled in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.publish.resolution import resolved_resources

TEMPLATE = {
    "Parameters": {
        "Bucket": {"Type": "String"},
        "Emails": {"Type": "CommaDelimitedList", "Default": "-,-"},
    },
    "Conditions": {"HasEmails": {"Fn::Not": [{"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Emails"}]}, "-"]}]}},
    "Resources": {
        "Email": {
            "Type": "AWS::SNS::Subscription",
            "Condition": "HasEmails",
            "Properties": {"Endpoint": {"Fn::Select": [0, {"Ref": "Emails"}]}},
        },
    },
}
PARAMETERS = {"Bucket": "one"}


def test_resource_exists_only_if_its_condition_holds() -> None:
    resolved = resolved_resources(TEMPLATE, {**PARAMETERS, "Emails": "a@example.com, -"})
    assert resolved["Email"]["Properties"]["Endpoint"] == "a@example.com"
    assert "Email" not in resolved_resources(TEMPLATE, PARAMETERS)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Bucket"}, "one"),
        ({"Ref": "Emails"}, ["-", "-"]),
        ({"Ref": "Ledger"}, "${Ledger}"),
        ({"Fn::GetAtt": ["Ledger", "Arn"]}, "${Ledger.Arn}"),
        ({"Fn::GetAtt": "Ledger.Arn"}, "${Ledger.Arn}"),
        ({"Fn::Sub": "a-${Bucket}-${Ledger.Arn}-${!Kept}"}, "a-one-${Ledger.Arn}-${Kept}"),
        ({"Fn::Sub": ["${x}/${Bucket}", {"x": {"Ref": "Bucket"}}]}, "one/one"),
        ({"Fn::Join": ["/*,", ["a", {"Ref": "Bucket"}]]}, "a/*,one"),
        ({"Fn::Join": [";", {"Ref": "Emails"}]}, "-;-"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::If": ["HasEmails", "yes", "no"]}, "no"),
        ([{"Fn::If": ["HasEmails", "yes", {"Ref": "AWS::NoValue"}]}, "b"], ["b"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        ({"Fn::ImportValue": {"Ref": "Bucket"}}, {"Fn::ImportValue": "one"}),
        ({"Fn::Select": [5, ["a"]]}, {"Fn::Select": [5, ["a"]]}),
    ],
)
def test_intrinsic_functions_are_evaluated(node: Any, value: Any) -> None:
    template = {**TEMPLATE, "Resources": {"It": {"Type": "T", "Properties": {"p": node}}}}
    assert resolved_resources(template, PARAMETERS)["It"]["Properties"]["p"] == value


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"Fn::And": [{"Fn::Equals": ["a", "a"]}, {"Condition": "HasEmails"}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", "a"]}, {"Condition": "HasEmails"}]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "Bucket"}, "one"]}]}, False),
    ],
)
def test_conditions_are_evaluated(condition: Any, holds: bool) -> None:
    template = {
        **TEMPLATE,
        "Conditions": {**TEMPLATE["Conditions"], "It": condition},
        "Resources": {"It": {"Type": "T", "Condition": "It"}},
    }
    assert bool(resolved_resources(template, PARAMETERS)) == holds


names = st.text("abc", min_size=1, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(names, json_values, max_size=4))
def test_properties_without_functions_do_not_change(properties: dict[str, Any]) -> None:
    template = {"Resources": {"It": {"Type": "T", "Properties": properties}}}
    assert resolved_resources(template, {})["It"]["Properties"] == properties


def test_unknown_condition_is_an_error() -> None:
    template = {"Resources": {"It": {"Type": "T", "Condition": "It"}}, "Conditions": {"It": {"Fn::Odd": []}}}
    with pytest.raises(ValueError, match="not a condition"):
        resolved_resources(template, {})
