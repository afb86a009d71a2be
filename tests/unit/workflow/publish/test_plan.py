from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from workflow.cli.show import show_plan
from workflow.publish.plan import Plan, StateChange, compare
from workflow.publish.resolution import resolved_resources

DEFINITION = {
    "StartAt": "Collect",
    "States": {
        "Collect": {"Type": "Task", "Resource": "${CollectArn}", "TimeoutSeconds": 300, "Next": "Both"},
        "Both": {
            "Type": "Parallel",
            "End": True,
            "Branches": [{"StartAt": "Tell", "States": {"Tell": {"Type": "Pass", "End": True}}}],
        },
    },
}
ALLOWED = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": {"Fn::Sub": "arn:aws:s3:::${Bucket}/*"}}
TEMPLATE = {
    "Parameters": {
        "CollectKey": {"Type": "String"},
        "Bucket": {"Type": "String"},
        "Emails": {"Type": "CommaDelimitedList", "Default": "-,-"},
        "Settings": {"Type": "String", "Default": "{}"},
    },
    "Conditions": {"Told": {"Fn::Not": [{"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Emails"}]}, "-"]}]}},
    "Resources": {
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"DefinitionString": json.dumps(DEFINITION)},
        },
        "Collect": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Code": {"S3Key": {"Ref": "CollectKey"}}, "MemorySize": 256},
        },
        "CollectRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [ALLOWED]}}]},
        },
        "Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": {"BillingMode": "PAY_PER_REQUEST"}},
        "Email": {
            "Type": "AWS::SNS::Subscription",
            "Condition": "Told",
            "Properties": {"Endpoint": {"Fn::Select": [0, {"Ref": "Emails"}]}},
        },
    },
}
PARAMETERS = {"CollectKey": "functions/a.zip", "Bucket": "one"}


def planned(edit: Any = None, parameters: Mapping[str, str] | None = None, **change: Any) -> Plan:
    """The plan from the template above to an edited copy of it."""
    template = copy.deepcopy(TEMPLATE)
    if edit:
        edit(template["Resources"])
    changes = [change] if change else []
    after = (template, {**PARAMETERS, **(parameters or {})})
    return compare("afterloop-dev", before=(TEMPLATE, PARAMETERS), after=after, changes=changes)


def defined(edit: Any) -> Any:
    """An edit of the template that edits the definition."""

    def edited(resources: dict[str, Any]) -> None:
        definition = copy.deepcopy(DEFINITION)
        edit(definition)
        resources["Machine"]["Properties"]["DefinitionString"] = json.dumps(definition)

    return edited


def test_nothing_changed() -> None:
    assert planned().is_empty


def test_a_new_stack_is_all_additions() -> None:
    plan = compare("afterloop-dev", before=None, after=(TEMPLATE, PARAMETERS))

    assert plan.creates
    assert [resource.id for resource in plan.resources] == ["Machine", "Collect", "CollectRole", "Ledger"]
    assert {resource.action for resource in plan.resources} == {"add"}
    assert not plan.permissions
    assert not plan.grave


def test_a_changed_state_comes_with_its_diff() -> None:
    plan = planned(defined(lambda machine: machine["States"]["Collect"].update(TimeoutSeconds=60)))

    assert [(state.name, state.change) for state in plan.states] == [("Collect", "changed")]
    assert '-  "TimeoutSeconds": 300,' in plan.states[0].diff
    assert '+  "TimeoutSeconds": 60,' in plan.states[0].diff
    assert "Both" in plan.states[0].diff  # the line beside it


def test_states_are_added_and_removed_also_within_others() -> None:
    def edit(machine: dict[str, Any]) -> None:
        machine["States"]["Both"]["Branches"][0] = {
            "StartAt": "Say",
            "States": {"Say": {"Type": "Pass", "End": True}},
        }

    plan = planned(defined(edit))

    changes = {(state.name, state.change) for state in plan.states}
    assert changes == {("Tell", "removed"), ("Say", "added"), ("Both (branch 1)", "changed")}


def test_a_function_whose_code_changed_is_named_and_no_setting_is_shown_for_it() -> None:
    plan = planned(parameters={"CollectKey": "functions/b.zip"})

    assert [(one.name, one.change, one.code, one.settings) for one in plan.functions] == [
        ("Collect", "changed", True, ())
    ]
    assert not plan.settings


def test_a_function_s_memory_is_not_its_code() -> None:
    plan = planned(lambda resources: resources["Collect"]["Properties"].update(MemorySize=512))
    assert [(one.code, one.settings) for one in plan.functions] == [(False, ("MemorySize",))]


def test_a_setting_that_widens_a_permission_shows_both() -> None:
    plan = planned(parameters={"Bucket": "two"})

    assert [(one.name, one.before, one.after) for one in plan.settings] == [("Bucket", "one", "two")]
    assert [(one.holder, one.action, one.resource, one.widened) for one in plan.permissions] == [
        ("CollectRole", "s3:GetObject", "arn:aws:s3:::two/*", True),
        ("CollectRole", "s3:GetObject", "arn:aws:s3:::one/*", False),
    ]


def test_settings_in_json_are_shown_key_by_key() -> None:
    plan = planned(parameters={"Settings": '{"attempts": 3, "who": "a"}'})
    assert [(one.name, one.before, one.after) for one in plan.settings] == [
        ("Settings.attempts", None, "3"),
        ("Settings.who", None, "a"),
    ]


def policy(*statements: dict[str, Any]) -> Any:
    def edit(resources: dict[str, Any]) -> None:
        resources["CollectRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] = list(
            statements
        )

    return edit


@pytest.mark.parametrize(
    ("statements", "widened"),
    [
        (
            [ALLOWED, {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
            {("s3:PutObject", "*"): True},
        ),
        # What was allowed already is nothing new.
        ([ALLOWED, {"Effect": "Allow", "Action": "S3:getobject", "Resource": "arn:aws:s3:::one/a"}], {}),
        ([{**ALLOWED, "Action": ["s3:Get*"]}], {("s3:Get*", "arn:aws:s3:::one/*"): True}),
        ([], {("s3:GetObject", "arn:aws:s3:::one/*"): False}),
        (
            [{**ALLOWED, "Condition": {"Bool": {"a": "b"}}}],
            {("s3:GetObject", "arn:aws:s3:::one/*"): False},
        ),
        ([ALLOWED, {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}], {("not s3:*", "*"): False}),
        (
            [ALLOWED, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            {("all but iam:*", "*"): True},
        ),
    ],
)
def test_permissions_are_wider_or_narrower(
    statements: list[Any], widened: dict[tuple[str, str], bool]
) -> None:
    plan = planned(policy(*statements))
    assert {(one.action, one.resource): one.widened for one in plan.permissions} == widened


def test_a_prohibition_that_goes_is_a_permission_that_comes() -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    with_deny = copy.deepcopy(TEMPLATE)
    policy(ALLOWED, deny)(with_deny["Resources"])

    plan = compare("s", before=(with_deny, PARAMETERS), after=(TEMPLATE, PARAMETERS))

    assert [(one.action, one.resource, one.widened) for one in plan.permissions] == [
        ("not s3:*", "* by *", True)
    ]


def change(action: str = "Modify", **more: Any) -> dict[str, Any]:
    return {"LogicalResourceId": "Ledger", "ResourceType": "AWS::DynamoDB::Table", "Action": action, **more}


@pytest.mark.parametrize(
    ("record", "action", "loses"),
    [
        (change(Replacement="True", PolicyAction="ReplaceAndDelete"), "replace", True),
        (change(Replacement="True", PolicyAction="ReplaceAndRetain"), "replace", False),
        (change(Replacement="Conditional"), "may replace", False),
        (change(Replacement="False"), "change", False),
        (change("Remove", PolicyAction="Delete"), "delete", True),
        (change("Remove"), "delete", True),
        (change("Remove", PolicyAction="Retain"), "let go", False),
        (change("Add"), "add", False),
    ],
)
def test_what_happens_to_a_resource_and_to_what_it_holds(
    record: dict[str, Any], action: str, loses: bool
) -> None:
    plan = planned(
        lambda resources: resources["Ledger"]["Properties"].update(BillingMode="PROVISIONED"), **record
    )

    (resource,) = plan.resources
    assert (resource.action, resource.loses_data) == (action, loses)
    assert bool(plan.grave) == (action in ("replace", "may replace", "delete"))
    assert bool(plan.losses) == loses


def test_a_resource_that_is_only_touched_by_reference_is_not_shown() -> None:
    plan = planned(
        parameters={"CollectKey": "functions/b.zip"},
        LogicalResourceId="Machine",
        ResourceType="AWS::StepFunctions::StateMachine",
        Action="Modify",
        Replacement="False",
    )
    assert not plan.resources


def test_another_version_of_a_function_is_no_replacement() -> None:
    """It touches what refers to it, conditionally, and is told as a change of the function."""
    version = {
        "LogicalResourceId": "CollectVersion",
        "ResourceType": "AWS::Lambda::Version",
        "Action": "Modify",
        "Replacement": "True",
        "PolicyAction": "ReplaceAndRetain",
    }
    machine = {
        "LogicalResourceId": "Machine",
        "ResourceType": "AWS::StepFunctions::StateMachine",
        "Action": "Modify",
        "Replacement": "Conditional",
    }
    after = (TEMPLATE, {**PARAMETERS, "CollectKey": "functions/b.zip"})
    plan = compare("afterloop-dev", before=(TEMPLATE, PARAMETERS), after=after, changes=[version, machine])
    assert [one.name for one in plan.functions] == ["Collect"]
    assert not plan.resources


def test_a_subscription_appears_with_its_condition() -> None:
    told = resolved_resources(TEMPLATE, {**PARAMETERS, "Emails": "a@example.com, -"})
    assert told["Email"]["Properties"]["Endpoint"] == "a@example.com"
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
        ({"Fn::If": ["Told", "yes", "no"]}, "no"),
        ([{"Fn::If": ["Told", "yes", {"Ref": "AWS::NoValue"}]}, "b"], ["b"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        ({"Fn::ImportValue": {"Ref": "Bucket"}}, {"Fn::ImportValue": "one"}),
        ({"Fn::Select": [5, ["a"]]}, {"Fn::Select": [5, ["a"]]}),
    ],
)
def test_functions_of_a_template_are_worked_out(node: Any, value: Any) -> None:
    template = {**TEMPLATE, "Resources": {"It": {"Type": "T", "Properties": {"p": node}}}}
    assert resolved_resources(template, PARAMETERS)["It"]["Properties"]["p"] == value


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"Fn::And": [{"Fn::Equals": ["a", "a"]}, {"Condition": "Told"}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", "a"]}, {"Condition": "Told"}]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "Bucket"}, "one"]}]}, False),
    ],
)
def test_conditions_are_worked_out(condition: Any, holds: bool) -> None:
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
def test_what_has_no_functions_stays_as_it_is(properties: dict[str, Any]) -> None:
    template = {"Resources": {"It": {"Type": "T", "Properties": properties}}}
    assert resolved_resources(template, {})["It"]["Properties"] == properties


def shown(plan: Plan) -> str:
    console = Console(file=StringIO(), width=60)
    show_plan(console, plan, where="account 1")
    return console.file.getvalue()


def test_a_plan_reads_as_a_person_thinks() -> None:
    def edit(resources: dict[str, Any]) -> None:
        defined(lambda machine: machine["States"]["Collect"].update(TimeoutSeconds=60))(resources)
        policy(ALLOWED, {"Effect": "Allow", "Action": "sns:Publish", "Resource": "[all]"})(resources)
        resources["Ledger"]["Properties"]["BillingMode"] = "PROVISIONED"

    text = shown(
        planned(edit, {"CollectKey": "functions/b.zip", "Bucket": "two"}, **change(Replacement="True"))
    )

    assert text == (
        "afterloop-dev (account 1) would change:\n"
        "\nStates\n  ~ Collect\n"
        '         "Resource": "${CollectArn}",\n'
        '      -  "TimeoutSeconds": 300,\n'
        '      +  "TimeoutSeconds": 60,\n'
        '         "Next": "Both"\n'
        "\nFunctions\n  ~ Collect   code\n"
        "\nPermissions\n"
        "  wider    CollectRole: s3:GetObject on arn:aws:s3:::two/*\n"
        "  wider    CollectRole: sns:Publish on [all]\n"
        "  narrower CollectRole: s3:GetObject on arn:aws:s3:::one/*\n"
        "\nSettings\n  ~ Bucket: one → two\n"
        "\nResources\n  ± Ledger  AWS::DynamoDB::Table  IS REPLACED; its data is LOST\n\n"
    )


def test_a_new_stack_and_an_empty_plan_are_told_shortly() -> None:
    new = shown(compare("afterloop-dev", before=None, after=(TEMPLATE, PARAMETERS)))
    assert "afterloop-dev (account 1) is new" in new
    assert "3 states: Collect, Both, Tell\n  1 function: Collect\n  4 resources: " in new
    assert shown(planned()) == "afterloop-dev (account 1): nothing to change\n\n"


def test_the_inside_of_a_new_parallel_is_not_told_beside_it() -> None:
    states = [
        StateChange("Both", "added"),
        StateChange("Both (branch 1)", "added", is_machine=True),
        StateChange("Tell", "added"),
        StateChange("Old", "changed", "+ x"),
        StateChange("Old (branch 2)", "added", is_machine=True),
    ]
    text = shown(Plan("afterloop-dev", creates=False, states=states))
    assert re.findall(r"^  [+~] (.*)$", text, re.MULTILINE) == ["Both", "Tell", "Old", "Old (branch 2)"]
