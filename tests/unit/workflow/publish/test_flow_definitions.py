"""Flow definitions that a stage names and that do not exist are warnings."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from workflow.publish.flow_definitions import missing_flow_definitions
from workflow.stack.stages import Stage

ARN = "arn:aws:sagemaker:us-east-1:{}:flow-definition/{}"


def account(*names: str) -> Any:
    return mock.Mock(
        id="222222222222", region="us-east-1", flow_definition_names=mock.Mock(return_value=[*names])
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
    assert missing_flow_definitions(named, account("forms", "images")) == [
        f"stage dev: {key} does not exist in us-east-1{hint}"
        for key, hint in (
            ("flow_definitions: flow definition 'imagse'", "; did you mean 'images'?"),
            (f"flow_definitions: flow definition '{ARN.format('222222222222', 'gone')}'", ""),
            ("flow_definition_settings: flow definition 'form'", "; did you mean 'forms'?"),
            ("predictions: flow definition 'support'", ""),
            ("restart.expired_to: flow definition 'imagse'", "; did you mean 'images'?"),
        )
    ]


def test_account_is_not_asked_for_a_stage_that_names_none() -> None:
    asked = account()
    assert missing_flow_definitions(stage(), asked) == []
    asked.flow_definition_names.assert_not_called()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_credentials_that_may_not_list_them_get_no_warning(code: str) -> None:
    asked = account()
    asked.flow_definition_names.side_effect = ClientError({"Error": {"Code": code}}, "ListFlowDefinitions")
    assert missing_flow_definitions(stage(flow_definitions=("forms",)), asked) == []
