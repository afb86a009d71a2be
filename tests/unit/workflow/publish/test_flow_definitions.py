"""What is wrong with the flow definitions that a stage names or hears is a warning."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.refusals import NO_NEW_CUSTOMERS
from workflow.publish.flow_definitions import flow_definition_warnings, warnings_in_background
from workflow.publish.heard import Heard
from workflow.stack.stages import Stage

ARN = "arn:aws:sagemaker:us-east-1:{}:flow-definition/{}"


def account(*names: str, is_aws: bool = True) -> Any:
    return mock.Mock(
        id="222222222222",
        region="us-east-1",
        is_aws=is_aws,
        checks=[],
        flow_definition_names=mock.Mock(return_value=[*names]),
        heard=mock.Mock(return_value=Heard()),
    )


def stage(**settings: Any) -> Stage:
    return Stage.model_validate(
        {"name": "dev", "region": "us-east-1", "output_buckets": ("reviewed",), **settings}
    )


def test_flow_definitions_that_do_not_exist_are_named_with_their_keys() -> None:
    named = stage(
        flow_definitions=(
            "forms",
            "imagse",
            ARN.format("222222222222", "gone"),
            ARN.format("333333333333", "elsewhere"),
        ),
        flow_definition_settings={"form": {"restart": {"expired_to": "forms"}}, "images": {}},
        predictions={"support": "label"},
        restart={"expired_to": "imagse"},
    )
    assert flow_definition_warnings(named, account("forms", "images")) == [
        f"stage dev: {key} does not exist in us-east-1{hint}"
        for key, hint in (
            ("flow_definitions: flow definition 'imagse'", "; did you mean 'images'?"),
            (f"flow_definitions: flow definition '{ARN.format('222222222222', 'gone')}'", ""),
            ("flow_definition_settings: flow definition 'form'", "; did you mean 'forms'?"),
            ("predictions: flow definition 'support'", ""),
            ("restart.expired_to: flow definition 'imagse'", "; did you mean 'images'?"),
        )
    ]


def test_account_without_flow_definitions_may_be_one_that_a2i_is_closed_to() -> None:
    asked = account()
    [warning] = flow_definition_warnings(stage(), asked)
    assert warning.startswith("there is no flow definition in us-east-1, so nothing starts the workflow yet")
    assert NO_NEW_CUSTOMERS in warning
    asked.heard.assert_not_called()


def test_local_engine_has_a2i_for_everybody() -> None:
    assert flow_definition_warnings(stage(), account(is_aws=False)) == []


def test_stage_that_names_none_hears_all() -> None:
    asked = account("forms", "images")
    assert flow_definition_warnings(stage(), asked) == []
    assert asked.heard.call_args.args[1] == ["forms", "images"]


def test_stage_hears_what_it_names_and_what_is_in_its_account() -> None:
    asked = account("forms", "images", "texts")
    named = ("texts", ARN.format("222222222222", "forms"), ARN.format("333333333333", "images"))
    assert flow_definition_warnings(stage(flow_definitions=named), asked) == []
    assert asked.heard.call_args.args[1] == ["forms", "texts"]


@pytest.mark.parametrize(
    ("code", "why"),
    [("AccessDeniedException", "the credentials may not use"), ("ThrottlingException", "AWS did not answer")],
)
def test_account_that_does_not_answer_is_one_sentence(code: str, why: str) -> None:
    asked = account()
    asked.flow_definition_names.side_effect = ClientError({"Error": {"Code": code}}, "ListFlowDefinitions")
    assert flow_definition_warnings(stage(flow_definitions=("forms",)), asked) == [
        f"The flow definitions were not checked: {why} sagemaker:ListFlowDefinitions"
    ]


def test_process_looks_once_for_each_stage() -> None:
    asked = account()
    for _ in range(2):
        assert len(warnings_in_background(stage(), asked)()) == 1
    asked.flow_definition_names.assert_called_once()
    assert len(warnings_in_background(stage(flow_definitions=("forms",)), asked)()) == 2
    assert asked.flow_definition_names.call_count == 2
