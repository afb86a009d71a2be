"""Textract's AnalyzeDocument and Rekognition's DetectModerationLabels, with HumanLoopConfig.

No model runs here. The prediction is read from the object `<key>.prediction.json` beside the document, if there
is one (the response as boto3 returns it); else it is the sample of the document's name, or the first sample.
Whether people review it is decided by the flow definition's activation conditions, as A2I does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol

from sandbox import samples
from sandbox.a2i import HumanLoopService, Tenant
from sandbox.activation import FormPrediction, ModerationPrediction, decide
from sandbox.protocol import ServiceError, operation
from sandbox.samples import REKOGNITION, TEXTRACT

__all__ = ["AiServices", "Authorize", "Objects"]

Authorize = Callable[[str, str], None]
"""Raises a ServiceError unless the caller may do this action on this resource."""

_PREDICTION_SUFFIX = ".prediction.json"
_DEFAULT_MIN_CONFIDENCE = 50.0
_FORM_BLOCKS = ("KEY_VALUE_SET", "SELECTION_ELEMENT")
_DOCUMENTS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"%PDF-", b"II*\x00", b"MM\x00*")
_IMAGES = _DOCUMENTS[:2]


class Objects(Protocol):
    """Where documents and images lie."""

    async def get_object(self, tenant: Tenant, bucket: str, key: str) -> bytes | None:
        """The object's content, or None when there is none."""


class AiServices:
    """The two operations that start human loops on their own."""

    def __init__(self, loops: HumanLoopService, objects: Objects) -> None:
        self._loops = loops
        self._objects = objects

    async def analyze_document(
        self, tenant: Tenant, request: dict[str, Any], authorize: Authorize
    ) -> dict[str, Any]:
        """Textract's AnalyzeDocument."""
        document = await self._read(tenant, request["Document"], authorize)
        if not document.startswith(_DOCUMENTS):
            raise ServiceError(
                "UnsupportedDocumentException", "The document is no PNG, JPEG, PDF or TIFF file."
            )
        response = await self._predict("textract", "AnalyzeDocument", tenant, request["Document"])
        if "FORMS" not in request["FeatureTypes"]:
            response["Blocks"] = [b for b in response["Blocks"] if b["BlockType"] not in _FORM_BLOCKS]

        def review(conditions: str | None, fingerprint: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
            prediction = FormPrediction(response["Blocks"], fingerprint)
            decision = decide(conditions, prediction)
            selected = {"Blocks": prediction.select(decision.selected)} if decision.needed else None
            return decision.conditions, selected

        return response | self._human_loop(tenant, request, response, TEXTRACT, document, review, authorize)

    async def detect_moderation_labels(
        self, tenant: Tenant, request: dict[str, Any], authorize: Authorize
    ) -> dict[str, Any]:
        """Rekognition's DetectModerationLabels."""
        image = await self._read(tenant, request["Image"], authorize)
        if not image.startswith(_IMAGES):
            raise ServiceError("InvalidImageFormatException", "The image is no PNG or JPEG file.")
        response = await self._predict("rekognition", "DetectModerationLabels", tenant, request["Image"])
        least = request.get("MinConfidence", _DEFAULT_MIN_CONFIDENCE)
        labels = [label for label in response["ModerationLabels"] if label["Confidence"] >= least]
        response["ModerationLabels"] = labels

        def review(conditions: str | None, fingerprint: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
            prediction = ModerationPrediction(labels, fingerprint)
            decision = decide(conditions, prediction)
            selected = response | {"ModerationLabels": prediction.select(decision.selected)}
            return decision.conditions, selected if decision.needed else None

        return response | self._human_loop(tenant, request, response, REKOGNITION, image, review, authorize)

    async def _read(self, tenant: Tenant, place: Mapping[str, Any], authorize: Authorize) -> bytes:
        """The document's bytes. The service reads S3 with the caller's own permissions."""
        if ("Bytes" in place) == ("S3Object" in place):
            raise _invalid("Give either Bytes or S3Object.")
        if "Bytes" in place:
            return bytes(place["Bytes"])
        bucket, key = place["S3Object"].get("Bucket", ""), place["S3Object"].get("Name", "")
        try:
            authorize("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
            content = await self._objects.get_object(tenant, bucket, key)
        except ServiceError as error:
            raise _invalid_object(bucket, key, error.message) from None
        if content is None:
            raise _invalid_object(bucket, key, "there is no such object")
        return content

    async def _predict(
        self, service: str, operation_name: str, tenant: Tenant, place: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = place.get("S3Object", {}).get("Name", "")
        if key:
            bucket = place["S3Object"]["Bucket"]
            text = await self._objects.get_object(tenant, bucket, key + _PREDICTION_SUFFIX)
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
        review: Callable[[str | None, str], tuple[dict[str, Any], dict[str, Any] | None]],
        authorize: Authorize,
    ) -> dict[str, Any]:
        """Decides, and starts the loop; returns what the response says about it."""
        config = request.get("HumanLoopConfig")
        if config is None:
            return {}
        authorize("sagemaker:StartHumanLoop", config["FlowDefinitionArn"])
        asked = _camel(request)
        try:
            flow = self._loops.flow_by_arn(tenant, config["FlowDefinitionArn"])
            if flow.source != source:
                raise _invalid(f"{flow.arn} does not review {source}")
            # The same request is the same, whatever the loop is called.
            payload = {key: value for key, value in asked.items() if key != "humanLoopConfig"}
            digest = hashlib.sha256(document).hexdigest()
            fingerprint = json.dumps([payload, digest, flow.arn], sort_keys=True)
            conditions, selected = review(flow.conditions, fingerprint)
            output: dict[str, Any] = {
                "HumanLoopActivationConditionsEvaluationResults": json.dumps(conditions)
            }
            if selected is not None:
                content = {
                    "aiServiceRequest": asked,
                    "aiServiceResponse": _camel(response),
                    "humanTaskActivationConditionResults": conditions,
                    "selectedAiServiceResponse": _camel(selected),
                }
                text = json.dumps([asked, digest], sort_keys=True)
                loop = self._loops.start(flow, config["HumanLoopName"], content, text)
                output |= {"HumanLoopArn": loop.arn, "HumanLoopActivationReasons": ["ConditionsEvaluation"]}
        except ServiceError as error:
            # Neither service knows the names of A2I's errors.
            raise _invalid(error.message) from None
        return {"HumanLoopActivationOutput": output}


_SAMPLES = (samples.JOB_APPLICATION, samples.INVOICE, samples.MODERATION)


def _read_prediction(service: str, operation_name: str, text: bytes, where: str) -> dict[str, Any]:
    try:
        prediction = operation(service, operation_name).read_response(json.loads(text))
    except ValueError as error:
        raise _invalid(f"{where} is no response of {operation_name}: {error}") from None
    key = "Blocks" if service == "textract" else "ModerationLabels"
    if not isinstance(prediction.get(key), list):
        raise _invalid(f"{where} lacks {key}")
    return prediction


def _camel(value: Any) -> Any:
    """A2I writes the services' requests and responses with camelCase keys, and without the bytes."""
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: _camel(member) for name, member in value.items() if name != "Bytes"
        }
    if isinstance(value, list):
        return [_camel(member) for member in value]
    return value


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def _invalid_object(bucket: str, key: str, why: str) -> ServiceError:
    return ServiceError("InvalidS3ObjectException", f"Unable to read s3://{bucket}/{key}: {why}")
