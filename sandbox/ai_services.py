"""Textract's AnalyzeDocument and Rekognition's DetectModerationLabels, with HumanLoopConfig.

No model runs here. The prediction comes from the object `<key>.prediction.json` next to the document (a response as
boto3 returns it). Without that object, it is the sample with the document's name, or else the first sample. The flow
definition's activation conditions decide whether workers review it, as in A2I.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox import samples
from sandbox.a2i import Effects, HumanLoopService
from sandbox.activation import FormPrediction, ModerationPrediction, Prediction, decide
from sandbox.protocol import ServiceError, camel_case, operation
from sandbox.tenant import Tenant

__all__ = ["AiServices", "Authorize"]

Authorize = Callable[[str, str], None]
"""Raises a ServiceError unless the caller has permission for an action on a resource."""

_PREDICTION_SUFFIX = ".prediction.json"
_DEFAULT_MIN_CONFIDENCE = 50.0
_FORM_BLOCKS = ("KEY_VALUE_SET", "SELECTION_ELEMENT")
# The first bytes of PNG, JPEG, PDF and TIFF files.
_DOCUMENTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"%PDF-", b"II*\x00", b"MM\x00*")
_IMAGES = _DOCUMENTS[:2]
_PREDICTIONS: dict[str, tuple[Callable[[Any, str], Prediction], str]] = {
    TEXTRACT: (FormPrediction, "Blocks"),
    REKOGNITION: (ModerationPrediction, "ModerationLabels"),
}
"""Source → kind of prediction, and where it is in the response."""


class AiServices:
    """The two operations that can start a human loop."""

    def __init__(self, loops: HumanLoopService, effects: Effects) -> None:
        self._loops = loops
        self._effects = effects

    async def analyze_document(
        self, tenant: Tenant, request: dict[str, Any], authorize: Authorize
    ) -> dict[str, Any]:
        """Textract's AnalyzeDocument."""
        document = await self._read(tenant, request["Document"], authorize)
        if not document.startswith(_DOCUMENTS):
            raise ServiceError("UnsupportedDocumentException", "Request has unsupported document format")
        response = await self._predict("textract", "AnalyzeDocument", tenant, request["Document"])
        if "FORMS" not in request["FeatureTypes"]:
            response["Blocks"] = [b for b in response["Blocks"] if b["BlockType"] not in _FORM_BLOCKS]
        return response | self._human_loop(tenant, request, response, TEXTRACT, document, authorize)

    async def detect_moderation_labels(
        self, tenant: Tenant, request: dict[str, Any], authorize: Authorize
    ) -> dict[str, Any]:
        """Rekognition's DetectModerationLabels."""
        image = await self._read(tenant, request["Image"], authorize)
        if not image.startswith(_IMAGES):
            raise ServiceError("InvalidImageFormatException", "Request has invalid image format")
        response = await self._predict("rekognition", "DetectModerationLabels", tenant, request["Image"])
        minimum = request.get("MinConfidence", _DEFAULT_MIN_CONFIDENCE)
        response["ModerationLabels"] = [
            label for label in response["ModerationLabels"] if label["Confidence"] >= minimum
        ]
        return response | self._human_loop(tenant, request, response, REKOGNITION, image, authorize)

    async def _read(self, tenant: Tenant, place: Mapping[str, Any], authorize: Authorize) -> bytes:
        """Returns the bytes of the document. The service reads S3 with the permissions of the caller."""
        if ("Bytes" in place) == ("S3Object" in place):
            raise _invalid("Specify either Bytes or S3Object.")
        if "Bytes" in place:
            return bytes(place["Bytes"])
        bucket, key = place["S3Object"].get("Bucket", ""), place["S3Object"].get("Name", "")
        try:
            action = "s3:GetObjectVersion" if place["S3Object"].get("Version") else "s3:GetObject"
            authorize(action, f"arn:aws:s3:::{bucket}/{key}")
            content = await self._effects.get_object(tenant, bucket, key)
        except ServiceError as error:
            raise _invalid_object(bucket, key, error.message) from None
        if content is None:
            raise _invalid_object(bucket, key, "the object does not exist")
        return content

    async def _predict(
        self, service: str, operation_name: str, tenant: Tenant, place: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = place.get("S3Object", {}).get("Name", "")
        if key:
            bucket = place["S3Object"]["Bucket"]
            text = await self._effects.get_object(tenant, bucket, key + _PREDICTION_SUFFIX)
            if text is not None:
                return _read_prediction(
                    service, operation_name, text, f"s3://{bucket}/{key}{_PREDICTION_SUFFIX}"
                )
        known = [sample for sample in _SAMPLES if sample.task_type == service]
        named = (sample for sample in known if sample.name == PurePosixPath(key).stem)
        return dict(next(named, known[0]).prediction)

    def _human_loop(
        self,
        tenant: Tenant,
        request: dict[str, Any],
        response: dict[str, Any],
        source: str,
        document: bytes,
        authorize: Authorize,
    ) -> dict[str, Any]:
        """Decides whether to start a loop, and starts it. Returns the part of the response about it."""
        config = request.get("HumanLoopConfig")
        if config is None:
            return {}
        authorize("sagemaker:StartHumanLoop", config["FlowDefinitionArn"])
        service_request = camel_case(request)
        try:
            flow = self._loops.flow_by_arn(tenant, config["FlowDefinitionArn"])
            if flow.source != source:
                raise _invalid(f"{flow.arn} is not for {source}")
            # Sampling must not depend on the name of the loop, which differs between repeated requests.
            payload = {key: value for key, value in service_request.items() if key != "humanLoopConfig"}
            digest = hashlib.sha256(document).hexdigest()
            fingerprint = json.dumps([payload, digest, flow.arn], sort_keys=True)
            kind, key = _PREDICTIONS[source]
            prediction = kind(response[key], fingerprint)
            decision = decide(flow.conditions, prediction)
            output: dict[str, Any] = {
                "HumanLoopActivationConditionsEvaluationResults": json.dumps(decision.conditions)
            }
            if decision.needed:
                # For Textract, A2I keeps only the blocks; for Rekognition, the rest of the response, too.
                rest = response if source == REKOGNITION else {}
                selected = {**rest, key: prediction.select(decision.selected)}
                content = {
                    "aiServiceRequest": service_request,
                    "aiServiceResponse": camel_case(response),
                    "humanTaskActivationConditionResults": decision.conditions,
                    "selectedAiServiceResponse": camel_case(selected),
                }
                text = json.dumps([service_request, digest], sort_keys=True)
                loop = self._loops.start(flow, config["HumanLoopName"], content, text)
                output |= {"HumanLoopArn": loop.arn, "HumanLoopActivationReasons": ["ConditionsEvaluation"]}
        except ServiceError as error:
            # The models of Textract and Rekognition do not have the error codes of A2I.
            raise _invalid(error.message) from None
        return {"HumanLoopActivationOutput": output}


_SAMPLES = (samples.JOB_APPLICATION, samples.INVOICE, samples.MODERATION)


def _read_prediction(service: str, operation_name: str, text: bytes, where: str) -> dict[str, Any]:
    try:
        prediction = operation(service, operation_name).read_response(json.loads(text))
    except ValueError as error:
        raise _invalid(f"{where} is not a response of {operation_name}: {error}") from None
    key = "Blocks" if service == "textract" else "ModerationLabels"
    if not isinstance(prediction.get(key), list):
        raise _invalid(f"{where} has no {key}")
    return prediction


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def _invalid_object(bucket: str, key: str, why: str) -> ServiceError:
    return ServiceError("InvalidS3ObjectException", f"Unable to read s3://{bucket}/{key}: {why}")
