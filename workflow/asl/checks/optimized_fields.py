"""The fields of optimized integrations that are not those of an API action.

Source: the page of each service under Integrating optimized services (Step Functions developer guide):
https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html, connect-third-party-apis.html,
connect-eks.html, connect-emr.html, connect-bedrock.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ADDED_FIELDS", "ONE_OF", "input_of_optimized"]

_FIELDS = {
    "apigateway:invoke": "ApiEndpoint! Method! Headers Stage Path QueryParameters RequestBody AllowNullValues AuthType",
    "eks:call": "ClusterName! CertificateAuthority! Endpoint! Method! Path! QueryParameters RequestBody",
    "eks:runJob": "ClusterName! CertificateAuthority! Endpoint! Job! Namespace LogOptions",
    "elasticmapreduce:addStep": "ClusterId! Step! ExecutionRoleArn",
    "elasticmapreduce:cancelStep": "ClusterId! StepId!",
    "elasticmapreduce:modifyInstanceFleetByName": "ClusterId! InstanceFleetName! InstanceFleet!",
    "elasticmapreduce:modifyInstanceGroupByName": "ClusterId! InstanceGroupName! InstanceGroup!",
    "elasticmapreduce:setClusterTerminationProtection": "ClusterId! TerminationProtected!",
    "elasticmapreduce:terminateCluster": "ClusterId!",
    "http:invoke": "ApiEndpoint! Method! Authentication InvocationConfig Headers QueryParameters RequestBody Transform",
}
"""The fields of integrations that are no action of an API. An exclamation mark stands behind those it needs."""

_ANY = {"shape": "Any"}

ADDED_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "bedrock:invokeModel": {"Input": {"shape": "Body"}, "Output": {"shape": "Body"}}
}
"""The fields that an integration has in addition to those of its API, with a shape of the API for whatever is in it."""

ONE_OF: Mapping[str, tuple[str, ...]] = {
    "bedrock:invokeModel": ("Body", "Input"),
    "http:invoke": ("Authentication", "InvocationConfig"),
}
"""Fields of which an integration needs one."""


def input_of_optimized(service: str, action: str) -> Mapping[str, Any] | None:
    """The arguments of an integration that is no action of an API, as a shape like botocore's; None for others."""
    fields = _FIELDS.get(f"{service}:{action}", "").split()
    if not fields:
        return None
    return {
        "type": "structure",
        "members": {field.rstrip("!"): _ANY for field in fields},
        "required": [field.rstrip("!") for field in fields if field.endswith("!")],
    }
