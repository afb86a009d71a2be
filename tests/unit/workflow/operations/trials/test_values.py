"""Placeholders of a step are filled in from the stage, as a publish does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from workflow.operations.stage_resources import NotPublishedError
from workflow.operations.trials import Step, Target, filled, stage_target, values
from workflow.publish.stacks import Stack
from workflow.stack.bundles import Function, local

FUNCTION = "arn:aws-cn:lambda:cn-north-1:111122223333:function:afterloop-dev-Shop"
ROLE = "arn:aws-cn:iam::111122223333:role/r"


def account(definition: str = "", stack: bool = True) -> mock.Mock:
    found = mock.Mock(id="111122223333", region="cn-north-1", caller="arn:aws-cn:iam::111122223333:user/u")
    found.stacks.find.return_value = None
    if stack:
        outputs = {"StateMachine": "arn:machine"}
        arn = "arn:aws-cn:cloudformation:cn-north-1:111122223333:stack/afterloop-dev/1"
        found.stacks.find.return_value = Stack(
            "afterloop-dev", arn, "UPDATE_COMPLETE", parameters={"Stage": "dev"}, outputs=outputs
        )
    found.stacks.resources.return_value = [
        {"id": "NotificationTopic", "type": "AWS::SNS::Topic", "name": "arn:topic"},
        {"id": "ShopVersion", "type": "AWS::Lambda::Version", "name": f"{FUNCTION}:7"},
    ]
    found.machines.describe.return_value = {"definition": definition, "roleArn": ROLE}
    return found


def step(**parameters: str) -> Step:
    return Step(
        "Tell",
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters},
        "completed",
    )


def test_names_are_those_of_the_stage() -> None:
    target = stage_target(account(), "dev")
    given = {"a": "${ShopArn}", "b": "${NotificationTopic}", "c": "${Stage} ${Region} ${Partition}"}
    state = filled(step(**given), target, mocked=False)
    assert state["Resource"] == "arn:aws-cn:states:::lambda:invoke"
    assert state["Parameters"] == {"a": f"{FUNCTION}:7", "b": "arn:topic", "c": "dev cn-north-1 aws-cn"}
    assert target.role == ROLE


def test_swapped_function_is_called_without_a_version() -> None:
    target = stage_target(account(f'"FunctionName": "{FUNCTION}"'), "dev")
    assert target.values["ShopArn"] == FUNCTION


def test_function_that_is_not_published_is_an_error() -> None:
    with pytest.raises(
        NotPublishedError, match=r"the function name_fields is not published on stage dev: publish with"
    ):
        filled(step(a="${NameFieldsArn}"), stage_target(account(), "dev"), mocked=False)


def test_stage_that_is_not_published_is_an_error_unless_the_call_is_mocked() -> None:
    target = stage_target(account(stack=False), "dev")
    names: dict[str, Any] = {
        "f": "${NameFieldsArn}",
        "t": "${NotificationTopic}",
        "s": "${Stage}",
        "l": "${LedgerTable}",
    }
    with pytest.raises(NotPublishedError, match="stage dev is not published"):
        filled(step(**names), target, mocked=False)
    with pytest.raises(NotPublishedError, match="stage dev is not published"):
        filled(step(), target, mocked=False)  # It needs the role.
    assert filled(step(**names), target, mocked=True)["Parameters"] == {
        "f": "arn:aws-cn:lambda:cn-north-1:111122223333:function:afterloop-dev-NameFields",
        "t": "arn:aws-cn:sns:cn-north-1:111122223333:afterloop-dev-NotificationTopic",
        "s": "dev",
        "l": "afterloop-dev-ledgertable",
    }


def test_target_without_a_stage_has_no_role() -> None:
    assert stage_target(account(stack=False), "dev") == Target("dev", "aws-cn", "cn-north-1", "111122223333")


def function(name: str) -> Function:
    return Function(name=name, handler="lambdas.collect_review.handler")


def test_code_that_differs_from_the_published_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = SimpleNamespace(key="bundles/new.zip")
    monkeypatch.setattr(values, "build_bundles", lambda found, code: {one.name: bundle for one in found})
    monkeypatch.setattr(values, "ROOT", tmp_path)
    found, functions = account(), [function("Shop"), function("Other")]
    found.stacks.find.return_value.parameters["ShopKey"] = "bundles/old.zip@1"
    target = stage_target(found, "dev")

    def names_of_outdated() -> list[str]:
        return values.outdated(step(a="${ShopArn}"), target, functions, local())

    assert names_of_outdated() == []  # Nothing was published from here.
    (tmp_path / ".build").mkdir()
    (tmp_path / f".build/dependencies-{local().tag}-1.zip").touch()
    assert names_of_outdated() == ["Shop"]
    bundle.key = "bundles/old.zip"
    assert names_of_outdated() == []


def test_swapped_code_is_not_compared() -> None:
    found = account(f'"FunctionName":"{FUNCTION}"')
    found.stacks.find.return_value.parameters["ShopKey"] = "bundles/old.zip@1"
    assert stage_target(found, "dev").bundles == {}
