"""The small model of SageMaker is a part of boto3's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from sandbox.protocol import service_model
from workflow.publish.sagemaker_model import OPERATIONS, small_model

SESSION = boto3.Session("testing", "testing", region_name="eu-west-1")


def expect_part(shape: Any, members: Any) -> None:
    if isinstance(members, str):
        assert shape.type_name == members
    elif isinstance(members, list):
        expect_part(shape.member, members[0])
    else:
        for name, kind in members.items():
            expect_part(shape.members[name], kind)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_is_a_part_of_boto3s(operation: str) -> None:
    whole = service_model("sagemaker").operation_model(operation)
    taken, read = OPERATIONS[operation]
    expect_part(whole.input_shape, taken)
    expect_part(whole.output_shape, read)
    assert set(whole.input_shape.required_members) <= set(taken)


def test_client_is_like_boto3s_but_knows_only_these_operations() -> None:
    with small_model(SESSION):
        client = SESSION.client("sagemaker")
    assert client.meta.endpoint_url == "https://api.sagemaker.eu-west-1.amazonaws.com"
    assert set(client.meta.method_to_api_mapping.values()) == set(OPERATIONS)
    metadata: Mapping[str, Any] = service_model("sagemaker").metadata
    assert {
        key: metadata[key] for key in client.meta.service_model.metadata
    } == client.meta.service_model.metadata
    assert "create_flow_definition" in SESSION.client("sagemaker").meta.method_to_api_mapping
