"""What a publish takes away, and the template that still has it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from workflow import ROOT
from workflow.publish import keeping
from workflow.publish.content import KEPT, POLICY, Content, policies_of
from workflow.publish.keeping import joined
from workflow.publish.resolution import references

ARN = {"Fn::GetAtt": ["Score", "Arn"]}


def allow(actions: Any, resources: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def role(*statements: Any) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"Policies": [{"PolicyName": "steps", "PolicyDocument": document}]},
    }


def content(*, score: bool = True, **parameters: str) -> Content:
    """A machine that calls one function, or none."""
    functions = {
        "Score": {
            "Type": "AWS::Lambda::Function",
            "DependsOn": ["ScoreLogs"],
            "Properties": {
                "FunctionName": {"Fn::Sub": "afterloop-${Stage}-Score"},
                "Role": {"Fn::GetAtt": ["ScoreRole", "Arn"]},
                "Code": {"S3Key": {"Fn::Select": [0, {"Fn::Split": ["@", {"Ref": "ScoreKey"}]}]}},
                "Environment": {"Variables": {"DAYS": {"Ref": "Days"}, "TABLE": {"Ref": "Ledger"}}},
            },
        },
        "ScoreLogs": {"Type": "AWS::Logs::LogGroup"},
        "ScoreRole": role(
            allow("dynamodb:GetItem", {"Fn::GetAtt": "Ledger.Arn"}),
            {"Fn::If": ["HasBuckets", allow("s3:GetObject", {"Ref": "Buckets"}), {"Ref": "AWS::NoValue"}]},
        ),
        "ScoreVersion": {
            "Type": "AWS::Lambda::Version",
            "DeletionPolicy": "Retain",
            "Properties": {
                "FunctionName": {"Ref": "Score"},
                "Description": {"Fn::Join": [" ", [{"Ref": "ScoreRevision"}]]},
            },
        },
        "ScorePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {"FunctionName": {"Ref": "Score"}},
        },
    }
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
            "DefinitionString": "{}",
            "DefinitionSubstitutions": {
                "Ledger": {"Ref": "Ledger"},
                **({"ScoreArn": {"Ref": "ScoreVersion"}} if score else {}),
            },
        },
    }
    statements = [
        allow(["sqs:SendMessage"], "*"),
        *([allow(["lambda:InvokeFunction"], [ARN])] if score else []),
    ]
    names = ["Stage", "Days", *(["ScoreKey", "ScoreRevision"] if score else [])]
    template = {
        "Parameters": {
            **{name: {"Type": "String"} for name in names},
            "Buckets": {"Type": "CommaDelimitedList", "Default": "arn:aws:s3:::one/*"},
        },
        "Conditions": {
            "HasBuckets": {"Fn::Not": [{"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Buckets"}]}, "-"]}]}
        },
        "Resources": {
            "Machine": machine,
            "MachineRole": role(*statements),
            "Ledger": {"Type": "AWS::DynamoDB::Table"},
            **(functions if score else {}),
        },
    }
    values = {"Stage": "dev", "Days": "30", "ScoreKey": "a.zip@1", "ScoreRevision": "aaaa", **parameters}
    return Content(template, {name: values[name] for name in template["Parameters"] if name in values})


def edited(one: Content, edit: Callable[[dict[str, Any]], object]) -> Content:
    template = copy.deepcopy(dict(one.template))
    edit(template)
    return Content(template, one.parameters)


def kept_statements(one: Content, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policies_of(one.resources[name]).get(POLICY, {}).get("Statement", [])
    return found


def unresolved(template: Mapping[str, Any]) -> set[str]:
    named = {name for name in references(template["Resources"]) if not name.startswith("AWS::")}
    return named - template["Parameters"].keys() - template["Resources"].keys()


ALL = {"Score"}


def test_removed_function_stays_as_deployed_with_all_that_it_needs() -> None:
    before, after = content(), content(score=False)

    found = joined(after, before, functions=ALL, permissions=True).content

    added = {"Score", "ScoreLogs", "ScoreRole", "ScoreVersion"}
    assert found.template["Resources"].keys() - after.template["Resources"].keys() == added
    assert found.resources["Score"] == before.resources["Score"]
    assert found.resolved["ScoreRole"] == before.resolved["ScoreRole"]
    assert {name: found.parameters[name] for name in ("ScoreKey", "ScoreRevision")} == {
        "ScoreKey": "a.zip@1",
        "ScoreRevision": "aaaa",
    }
    assert unresolved(found.template) == set()
    assert found.kept == {*added, "ScoreKey", "ScoreRevision"}
    assert found.kept_functions == {"Score"}
    assert kept_statements(found, "MachineRole") == [allow(["lambda:InvokeFunction"], [ARN])]


def test_kept_function_keeps_the_values_of_parameters_that_change() -> None:
    before = content(Days="30", Buckets="arn:aws:s3:::one/*,arn:aws:s3:::two/*")
    after = content(score=False, Days="7", Buckets="-")

    found = joined(after, before, functions=ALL, permissions=True).content

    assert found.parameters["Days"] == "7"
    assert found.resolved["Score"] == before.resolved["Score"]
    assert found.resolved["ScoreRole"] == before.resolved["ScoreRole"]


def test_nothing_is_kept_if_nothing_is_taken_away() -> None:
    before = content()
    wider = edited(before, lambda one: one["Resources"].update(More=role(allow("sqs:*", "*"))))
    assert joined(wider, before, functions=ALL, permissions=True).content is wider


def test_functions_and_permissions_stay_only_if_asked_for() -> None:
    before, after = content(), content(score=False)
    assert joined(after, before, functions=(), permissions=False).content is after
    assert joined(after, before, functions=(), permissions=True).content is after, (
        "without the function it has no ARN"
    )
    only_function = joined(after, before, functions=ALL, permissions=False).content
    assert (only_function.kept_functions, only_function.widened_roles) == ({"Score"}, set())


def test_kept_content_is_the_same_again_and_can_be_taken_out() -> None:
    before, after = content(), content(score=False, Days="7")
    once = joined(after, before, functions=ALL, permissions=True).content
    assert joined(after, once, functions=ALL, permissions=True).content.template == once.template
    left = once.without_kept()
    assert (left.template, left.parameters) == (after.template, after.parameters)


def test_function_that_comes_back_is_the_new_one() -> None:
    kept = joined(content(score=False), content(), functions=ALL, permissions=True).content
    again = content(ScoreKey="b.zip@2", ScoreRevision="bbbb")
    found = joined(again, kept, functions=ALL, permissions=True).content
    assert found is again


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ([allow("a:X", "*")], [allow("a:*", "*")], []),
        ([allow("a:X", ["b", "c"])], [allow("a:X", ["b"])], [allow(["a:X"], ["c"])]),
        ([allow(["a:X", "a:Y"], ["b"])], [allow("a:X", "*")], [allow(["a:Y"], ["b"])]),
        ([allow("a:X", "*", Condition={"k": 1})], [allow("a:X", "*")], []),
        (
            [allow("a:X", "*")],
            [allow("a:X", "*", Condition={"k": 1})],
            [allow(["a:X"], "*")],
        ),
        ([{"Effect": "Deny", "Action": "a:X", "Resource": "*"}], [], []),
        (
            [{"Effect": "Allow", "NotAction": "a:X", "Resource": "*"}],
            [],
            [{"Effect": "Allow", "NotAction": "a:X", "Resource": "*"}],
        ),
        (
            [allow("s3:GetObject", {"Ref": "Buckets"})],
            [],
            [allow(["s3:GetObject"], {"Ref": "Buckets"})],
        ),
    ],
)
def test_narrower_role_keeps_only_the_statements_that_it_lost(
    before: list[Any], after: list[Any], lost: list[Any]
) -> None:
    def with_role(statements: list[Any]) -> Content:
        return edited(content(), lambda one: one["Resources"].update(MachineRole=role(*statements)))

    new = with_role(after)
    found = joined(new, with_role(before), functions=(), permissions=True).content
    assert kept_statements(found, "MachineRole") == lost
    assert (found is new) == (not lost)


def test_policy_with_a_single_statement_is_read_like_a_list_of_one() -> None:
    def single(one: dict[str, Any]) -> None:
        document = one["Resources"]["MachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        document["Statement"] = allow("a:X", "*")

    found = joined(content(score=False), edited(content(), single), functions=(), permissions=True).content
    assert kept_statements(found, "MachineRole") == [allow(["a:X"], "*")]


def test_removed_value_of_a_list_is_kept_by_itself() -> None:
    before, after = (
        content(Buckets="arn:aws:s3:::one/*,arn:aws:s3:::two/*"),
        content(Buckets="arn:aws:s3:::one/*"),
    )
    found = joined(after, before, functions=(), permissions=True).content
    assert kept_statements(found, "ScoreRole") == [allow(["s3:GetObject"], ["arn:aws:s3:::two/*"])]


def test_what_a_definition_names_beside_functions_stays_with_permissions() -> None:
    def with_topic(one: dict[str, Any]) -> None:
        one["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic"}
        one["Resources"]["Machine"]["Properties"]["DefinitionSubstitutions"]["Topic"] = {"Ref": "Topic"}
        one["Resources"]["MachineRole"] = role(allow("sns:Publish", {"Ref": "Topic"}))

    before, after = edited(content(), with_topic), content()
    found = joined(after, before, functions=(), permissions=True).content
    assert (found.kept, found.kept_others) == ({"Topic"}, {"Topic"})
    assert kept_statements(found, "MachineRole") == [allow(["sns:Publish"], {"Ref": "Topic"})]
    assert joined(after, found, functions=(), permissions=True).content.template == found.template
    assert joined(after, found, functions=(), permissions=False).content is after


def test_permissions_that_do_not_fit_are_a_problem_and_the_rest_stays() -> None:
    many = [f"arn:aws:s3:::{number:060}" for number in range(200)]
    before = edited(
        content(), lambda one: one["Resources"].update(MachineRole=role(allow("s3:GetObject", many)))
    )
    found = joined(content(score=False), before, functions=ALL, permissions=True)
    assert found.problems == (
        "the permissions that MachineRole loses (IAM's limit is 10,240 characters for a role)",
    )
    assert found.content.kept_functions == {"Score"}


@pytest.mark.parametrize("limit", ["MAX_PARAMETERS", "MAX_RESOURCES", "MAX_TEMPLATE"])
def test_template_that_would_be_too_large_is_a_problem(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, limit, 4)
    after = content(score=False)
    found = joined(after, content(), functions=ALL, permissions=True)
    assert found.content is after
    assert found.problems == ("Score (a limit of CloudFormation for a template)",)


def test_published_template_can_lose_each_of_its_functions() -> None:
    """With the real template: every reference resolves, and what is kept is as deployed."""
    template = json.loads((ROOT / "definitions/template.json").read_text())
    values = {name: one.get("Default", "x") for name, one in template["Parameters"].items()}
    before = Content(template, {**values, "Stage": "dev"})
    for name in sorted(before.functions_of_machine):
        belonging = {name, f"{name}Role", f"{name}Logs", f"{name}Version", f"{name}Key", f"{name}Revision"}

        def remove(one: dict[str, Any], belonging: set[str] = belonging, name: str = name) -> None:
            for section in ("Resources", "Parameters"):
                one[section] = {key: value for key, value in one[section].items() if key not in belonging}
            resources = one["Resources"]
            del resources["StateMachine"]["Properties"]["DefinitionSubstitutions"][f"{name}Arn"]
            for statement in resources["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"][
                "Statement"
            ]:
                statement["Resource"] = [one for one in statement["Resource"] if name not in references(one)]

        after = edited(before, remove)
        found = joined(after, before, functions=before.functions_of_machine, permissions=True).content
        assert found.kept == belonging
        assert all(found.resolved[one] == before.resolved[one] for one in belonging & before.resources.keys())
        assert found.widened_roles == {"StateMachineRole"}
        assert unresolved(found.template) == set()


def test_metadata_of_others_stays() -> None:
    after = edited(content(score=False), lambda one: one.update(Metadata={"Other": 1}))
    found = joined(after, content(), functions=ALL, permissions=True).content
    assert found.template["Metadata"].keys() == {"Other", KEPT}
    assert found.without_kept().template["Metadata"] == {"Other": 1}
