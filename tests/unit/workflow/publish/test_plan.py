"""Plans: what changes between two publishes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from workflow.cli.show import show_plan
from workflow.publish.plan import Plan, ResourceChange, StateChange, compare

DEFINITION = {
    "StartAt": "Collect",
    "States": {
        "Collect": {"Type": "Task", "Resource": "${CollectArn}", "TimeoutSeconds": 300, "Next": "Both"},
        "Both": {
            "Type": "Parallel",
            "End": True,
            "Branches": [{"StartAt": "Notify", "States": {"Notify": {"Type": "Pass", "End": True}}}],
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
    "Conditions": {"HasEmails": {"Fn::Not": [{"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Emails"}]}, "-"]}]}},
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
            "Condition": "HasEmails",
            "Properties": {"Endpoint": {"Fn::Select": [0, {"Ref": "Emails"}]}},
        },
    },
}
PARAMETERS = {"CollectKey": "functions/a.zip", "Bucket": "one"}


def planned(edit: Any = None, parameters: Mapping[str, str] | None = None, **change: Any) -> Plan:
    """The plan from the template above to an edited copy."""
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


def test_unchanged_stack_has_an_empty_plan() -> None:
    assert planned().is_empty


def test_new_stack_only_adds_resources() -> None:
    plan = compare("afterloop-dev", before=None, after=(TEMPLATE, PARAMETERS))

    assert plan.creates
    assert [resource.id for resource in plan.resources] == ["Machine", "Collect", "CollectRole", "Ledger"]
    assert {resource.action for resource in plan.resources} == {"add"}
    assert not plan.permissions
    assert not plan.destructive_changes


def test_changed_state_has_a_diff() -> None:
    plan = planned(defined(lambda machine: machine["States"]["Collect"].update(TimeoutSeconds=60)))

    assert [(state.name, state.change) for state in plan.states] == [("Collect", "changed")]
    assert '-  "TimeoutSeconds": 300,' in plan.states[0].diff
    assert '+  "TimeoutSeconds": 60,' in plan.states[0].diff
    assert "Both" in plan.states[0].diff  # context of the diff


def test_definition_with_other_white_space_has_no_changed_states() -> None:
    def indent(resources: dict[str, Any]) -> None:
        properties = resources["Machine"]["Properties"]
        properties["DefinitionString"] = json.dumps(json.loads(properties["DefinitionString"]), indent=2)

    assert planned(indent).states == []


def test_states_inside_parallel_are_compared() -> None:
    def edit(machine: dict[str, Any]) -> None:
        machine["States"]["Both"]["Branches"][0] = {
            "StartAt": "Say",
            "States": {"Say": {"Type": "Pass", "End": True}},
        }

    plan = planned(defined(edit))

    changes = {(state.name, state.change) for state in plan.states}
    assert changes == {("Notify", "removed"), ("Say", "added"), ("Both (branch 1)", "changed")}


def test_changed_code_is_a_function_change_not_a_setting() -> None:
    plan = planned(parameters={"CollectKey": "functions/b.zip"})

    assert [(one.name, one.change, one.code, one.settings) for one in plan.functions] == [
        ("Collect", "changed", True, ())
    ]
    assert not plan.settings


def test_changed_memory_is_not_changed_code() -> None:
    plan = planned(lambda resources: resources["Collect"]["Properties"].update(MemorySize=512))
    assert [(one.code, one.settings) for one in plan.functions] == [(False, ("MemorySize",))]


def test_setting_that_widens_a_permission_shows_both() -> None:
    plan = planned(parameters={"Bucket": "two"})

    assert [(one.name, one.before, one.after) for one in plan.settings] == [("Bucket", "one", "two")]
    assert [(one.holder, one.action, one.resource, one.widened) for one in plan.permissions] == [
        ("CollectRole", "s3:GetObject", "arn:aws:s3:::two/*", True),
        ("CollectRole", "s3:GetObject", "arn:aws:s3:::one/*", False),
    ]


def test_json_settings_are_compared_by_key() -> None:
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
        # Already allowed.
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
            {("all except iam:*", "*"): True},
        ),
    ],
)
def test_changed_policy_widens_or_narrows_access(
    statements: list[Any], widened: dict[tuple[str, str], bool]
) -> None:
    plan = planned(policy(*statements))
    assert {(one.action, one.resource): one.widened for one in plan.permissions} == widened


def test_removing_a_deny_widens_access() -> None:
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
        (change("Add", ResourceDriftStatus="DELETED"), "create again", True),
        (change(Replacement="True", ResourceDriftStatus="DELETED"), "create again", True),
        (change("Remove", PolicyAction="Retain", ResourceDriftStatus="DELETED"), "let go", False),
        (change(Replacement="False", ResourceDriftStatus="MODIFIED"), "change", False),
    ],
)
def test_change_of_a_resource_and_of_its_data(record: dict[str, Any], action: str, loses: bool) -> None:
    plan = planned(
        lambda resources: resources["Ledger"]["Properties"].update(BillingMode="PROVISIONED"), **record
    )

    (resource,) = plan.resources
    assert (resource.action, resource.loses_data) == (action, loses)
    assert bool(plan.destructive_changes) == (action in ("replace", "may replace", "delete", "create again"))
    assert bool(plan.data_losses) == loses
    assert resource.drifted == ("ResourceDriftStatus" in record)


def test_missing_resource_is_created_again_whatever_the_change_set_calls_it() -> None:
    for action in ("Add", "Modify"):
        plan = compare(
            "s",
            before=(TEMPLATE, PARAMETERS),
            after=(TEMPLATE, PARAMETERS),
            changes=[
                {"LogicalResourceId": "Collect", "ResourceType": "AWS::Lambda::Function", "Action": action}
            ],
            missing={"Collect"},
        )
        assert [(one.id, one.action, one.loses_data) for one in plan.resources] == [
            ("Collect", "create again", False)
        ]
        assert plan.destructive_changes == []


def test_what_was_changed_or_deleted_outside_of_cloudformation_is_shown_as_that() -> None:
    text = shown(
        Plan(
            "s",
            creates=False,
            resources=[
                ResourceChange("Collect", "AWS::Lambda::Function", "create again", drifted=True),
                ResourceChange(
                    "Ledger", "AWS::DynamoDB::Table", "create again", loses_data=True, drifted=True
                ),
                ResourceChange("Queue", "AWS::SQS::Queue", "change", drifted=True),
            ],
        )
    )
    text = " ".join(text.split())
    assert (
        "+ Collect AWS::Lambda::Function was deleted outside of CloudFormation, and is created again + Ledger"
        in text
    )
    assert "and is created again, EMPTY ~ Queue" in text
    assert text.endswith("~ Queue AWS::SQS::Queue was changed outside of CloudFormation, and is set back")


def detail(source: str, entity: str = "", *, name: str = "Definition", **more: Any) -> dict[str, Any]:
    found = {
        "Target": {"Attribute": "Properties", "Name": name},
        "Evaluation": "Static",
        "ChangeSource": source,
        **more,
    }
    return {**found, "CausingEntity": entity} if entity else found


PARAMETER = detail("ParameterReference", "CollectKey")
FUNCTION = detail("ResourceAttribute", "Collect.Arn", Evaluation="Dynamic")
DIRECT = detail("DirectModification")
UNCERTAIN = detail("DirectModification", Evaluation="Dynamic")


def listed(name: str = "Machine", *details: dict[str, Any], **more: Any) -> dict[str, Any]:
    kinds = {
        "Machine": "AWS::StepFunctions::StateMachine",
        "Collect": "AWS::Lambda::Function",
        "CollectVersion": "AWS::Lambda::Version",
    }
    return {
        "LogicalResourceId": name,
        "ResourceType": kinds[name],
        "Action": "Modify",
        "Replacement": "False",
        "Details": list(details),
        **more,
    }


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ([PARAMETER, UNCERTAIN], False),
        ([FUNCTION], False),
        ([FUNCTION, detail("ParameterReference", "CollectKey", name="Tags")], False),
        ([], True),
        ([DIRECT], True),
        ([UNCERTAIN], True),
        ([FUNCTION, UNCERTAIN], True),
        ([FUNCTION, DIRECT], True),
        ([FUNCTION, detail("DirectModification", name="Role")], True),
        ([detail("ParameterReference", "Bucket")], True),
        ([detail("ResourceReference", "Ledger")], True),
        ([detail("Automatic")], True),
        (
            [{"Target": {"Attribute": "Tags"}, "Evaluation": "Static", "ChangeSource": "DirectModification"}],
            True,
        ),
    ],
    ids=str,
)
def test_change_is_left_out_only_if_all_details_follow_from_others(
    details: list[dict[str, Any]], shown: bool
) -> None:
    """The templates that the plan compares are the same for this resource."""
    after = (TEMPLATE, {**PARAMETERS, "CollectKey": "functions/b.zip"})
    changes = [
        listed("Collect", detail("ParameterReference", "CollectKey", name="Code")),
        listed("Machine", *details),
    ]
    plan = compare("afterloop-dev", before=(TEMPLATE, PARAMETERS), after=after, changes=changes)
    assert [one.name for one in plan.functions] == ["Collect"]
    assert [one.id for one in plan.resources if one.id != "Collect"] == (["Machine"] if shown else [])


def test_changed_tags_of_the_stack_are_settings_and_not_changes_of_each_resource() -> None:
    of_tags = {"Target": {"Attribute": "Tags"}, "Evaluation": "Static", "ChangeSource": "DirectModification"}
    plan = compare(
        "afterloop-dev",
        before=(TEMPLATE, PARAMETERS),
        after=(TEMPLATE, PARAMETERS),
        changes=[listed("Collect", of_tags), listed("Machine", of_tags, DIRECT)],
        tags=({"afterloop:stage": "dev", "team": "a", "cost": "7"}, {"team": "b", "cost": "7"}),
    )
    assert [(one.name, one.before, one.after) for one in plan.settings] == [("tags.team", "a", "b")]
    # The second changes in something else, too.
    assert [one.id for one in plan.resources] == ["Machine"]


def test_plan_that_finds_nothing_shows_all_that_cloudformation_lists() -> None:
    plan = compare(
        "afterloop-dev",
        before=(TEMPLATE, PARAMETERS),
        after=(TEMPLATE, PARAMETERS),
        changes=[listed("Machine", FUNCTION), listed("Collect", detail("ResourceReference", "Machine"))],
    )
    assert [one.id for one in plan.resources] == ["Machine", "Collect"]


def test_new_function_version_is_not_a_replacement() -> None:
    """It may replace what refers to it, and shows as a change of the function."""
    version = listed(
        "CollectVersion",
        PARAMETER,
        UNCERTAIN,
        Replacement="True",
        PolicyAction="ReplaceAndRetain",
    )
    machine = listed("Machine", detail("ResourceReference", "CollectVersion"), Replacement="Conditional")
    after = (TEMPLATE, {**PARAMETERS, "CollectKey": "functions/b.zip"})
    plan = compare("afterloop-dev", before=(TEMPLATE, PARAMETERS), after=after, changes=[version, machine])
    assert [one.name for one in plan.functions] == ["Collect"]
    assert not plan.resources


def test_version_removed_with_its_function_is_not_shown() -> None:
    before = copy.deepcopy(TEMPLATE)
    before["Resources"]["OldVersion"] = {
        "Type": "AWS::Lambda::Version",
        "Properties": {
            "FunctionName": {"Ref": "Old"},
            "Description": {"Fn::Join": [" ", [{"Ref": "OldRevision"}]]},
        },
    }
    changes = [
        {"LogicalResourceId": name, "ResourceType": kind, "Action": "Remove", "PolicyAction": "Retain"}
        for name, kind in (("Old", "AWS::Lambda::Function"), ("OldVersion", "AWS::Lambda::Version"))
    ]
    plan = compare("s", before=(before, PARAMETERS), after=(TEMPLATE, PARAMETERS), changes=changes)
    assert [one.id for one in plan.resources] == ["Old"]


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"Action": "Modify", "Details": [DIRECT]}, "replace"),
        ({"Action": "Remove", "PolicyAction": "Retain"}, "let go"),
    ],
)
def test_version_that_changes_without_its_function_is_shown(change: dict[str, Any], action: str) -> None:
    plan = compare(
        "afterloop-dev",
        before=(TEMPLATE, PARAMETERS),
        after=(TEMPLATE, {**PARAMETERS, "Bucket": "two"}),
        changes=[listed("CollectVersion", **{"Replacement": "True", **change})],
    )
    assert [(one.id, one.action) for one in plan.resources] == [("CollectVersion", action)]


def shown(plan: Plan) -> str:
    console = Console(file=StringIO(), width=60)
    show_plan(console, plan, where="account 1")
    return console.file.getvalue()


def test_plan_names_resources_as_the_user_does() -> None:
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


def test_new_stack_and_empty_plan_are_shown_briefly() -> None:
    new = shown(compare("afterloop-dev", before=None, after=(TEMPLATE, PARAMETERS)))
    assert "afterloop-dev (account 1) is new" in new
    assert "3 states: Collect, Both, Notify\n  1 function: Collect\n  4 resources: " in new
    assert shown(planned()) == "afterloop-dev (account 1): nothing to change\n\n"


def test_inner_machine_of_a_new_parallel_is_not_shown_again() -> None:
    states = [
        StateChange("Both", "added"),
        StateChange("Both (branch 1)", "added", is_machine=True),
        StateChange("Notify", "added"),
        StateChange("Old", "changed", "+ x"),
        StateChange("Old (branch 2)", "added", is_machine=True),
    ]
    text = shown(Plan("afterloop-dev", creates=False, states=states))
    assert re.findall(r"^  [+~] (.*)$", text, re.MULTILINE) == ["Both", "Notify", "Old", "Old (branch 2)"]
