"""What calls of Amazon Bedrock need.

Sources: IAM policies for Bedrock (Step Functions developer guide),
https://docs.aws.amazon.com/step-functions/latest/dg/bedrock-iam.html; Prerequisites for inference profiles, and
Geographic and Global cross-Region inference (Bedrock user guide),
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html: a profile needs the permission on
itself and on the foundation model in each of its Regions, and a condition allows the model through the profile only;
Use guardrails with the permission `bedrock:ApplyGuardrail`,
https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workflow.stack.permissions.actions import unknown
from workflow.stack.permissions.call import Call, Conditions, Grant, Resource, Unknown, arn_of, is_arn
from workflow.stack.permissions.jobs import pass_role
from workflow.stack.permissions.s3 import object_at

__all__ = ["bedrock"]


def bedrock(call: Call) -> Iterator[Grant]:
    """Yields what a call of Bedrock needs: on models, profiles, guardrails and knowledge bases."""
    match call.action:
        case "converse" | "invokeModel":
            yield from _inference(call)
        case "applyGuardrail":
            yield _guardrail(call, "GuardrailIdentifier")
        case "retrieve" if call.service == "bedrockagentruntime":
            base = call.arn("KnowledgeBaseId", "the knowledge base", "bedrock", "knowledge-base/{}")
            yield ["bedrock:Retrieve"], base, {}
        case "createModelCustomizationJob":
            yield from _customization(call)
        case _:
            yield from unknown(call)


def _inference(call: Call) -> Iterator[Grant]:
    for resource, conditions in _models(call):
        yield ["bedrock:InvokeModel"], resource, conditions
    for path in ("GuardrailIdentifier", "GuardrailConfig.GuardrailIdentifier"):
        if call.has(path):
            yield _guardrail(call, path)
    if call.has("Input"):
        yield ["s3:GetObject"], object_at(call, "Input.S3Uri", "the input of the model"), {}
    if call.has("Output"):
        yield ["s3:PutObject"], object_at(call, "Output.S3Uri", "the output of the model"), {}


def _guardrail(call: Call, path: str) -> Grant:
    return ["bedrock:ApplyGuardrail"], call.arn(path, "the guardrail", "bedrock", "guardrail/{}"), {}


_PROFILE = re.compile(r"(?:af|apac|au|ca|eu|global|in|jp|kr|me|sa|uk|us|us-gov)\.(.+)")
"""The ID of an inference profile: where it routes requests, and the model."""


def _models(call: Call) -> Iterator[tuple[Resource, Conditions]]:
    model = call.text("ModelId", "the model")
    if isinstance(model, Unknown):
        yield model, {}
    elif not is_arn(model):
        if match := _PROFILE.fullmatch(model):
            yield from _profile(arn_of("bedrock", f"inference-profile/{model}"), match[1])
        else:
            yield _foundation(model, "${AWS::Region}"), {}
    elif match := re.search(r":inference-profile/(.+)", model):
        inside = _PROFILE.fullmatch(match[1])
        yield from _profile(model, inside[1] if inside else match[1])
    elif ":sagemaker:" in model:  # IAM also checks the endpoint, with a condition that Bedrock calls it.
        yield Unknown("the model is an endpoint of Bedrock Marketplace", "the model and its endpoint"), {}
    else:
        yield model, {}
        if kind := re.search(r":(application-inference-profile|(?:default-)?prompt-router|prompt)/", model):
            reason = f"the ARN of the {kind[1].replace('-', ' ')} does not name its models"
            yield Unknown(reason, "the foundation models in all their Regions"), {}


def _profile(profile: str, model: str) -> Iterator[tuple[Resource, Conditions]]:
    yield profile, {}
    # The wildcard is for Regions: those of the geography, or none, as a global profile calls the model.
    yield _foundation(model, "*"), {"ArnLike": {"bedrock:InferenceProfileArn": profile}}


def _foundation(model: str, region: str) -> str:
    return f"arn:${{AWS::Partition}}:bedrock:{region}::foundation-model/{model}"


def _customization(call: Call) -> Iterator[Grant]:
    base = call.text("BaseModelIdentifier", "the base model")
    if isinstance(base, str) and not is_arn(base):
        base = _foundation(base, "${AWS::Region}")
    yield ["bedrock:CreateModelCustomizationJob"], base, {}
    # Bedrock adds an ID to the names.
    model = call.pattern("CustomModelName", "the model", new=True)
    named = "*" if isinstance(model, Unknown) or model == "*" else f"{model}*"
    yield ["bedrock:CreateModelCustomizationJob"], arn_of("bedrock", f"custom-model/{named}"), {}
    jobs = arn_of("bedrock", "model-customization-job/*")
    if call.waits:
        yield ["bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"], jobs, {}
    if call.has("JobTags") or call.has("CustomModelTags"):
        yield ["bedrock:TagResource"], jobs, {}
    yield pass_role(call, "RoleArn", "bedrock")
