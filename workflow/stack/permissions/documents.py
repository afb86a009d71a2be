"""What calls that read documents, images and texts need: Textract, Rekognition, Comprehend, Translate.

Sources: Service Authorization Reference; Role-based permissions required for asynchronous operations (Amazon Comprehend
developer guide); Configuring Amazon Textract for asynchronous operations; Configuring Amazon Rekognition Video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workflow.stack.permissions.actions import WITHOUT_RESOURCE, iam_action, iam_service, unknown
from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of, bucket_arn, joined
from workflow.stack.permissions.jobs import pass_role

__all__ = ["comprehend", "documents", "rekognition"]


def documents(call: Call) -> Iterator[Grant]:
    """What Textract and Rekognition read with the caller's permissions, and the human loops that they start."""
    for path in ("Document", "DocumentLocation", "Image", "SourceImage", "TargetImage", "Video"):
        if call.has(path) and not call.has(f"{path}.Bytes"):
            bucket = call.text(f"{path}.S3Object.Bucket", "the document")
            document = joined(bucket_arn(bucket), "/", call.pattern(f"{path}.S3Object.Name", "the document"))
            yield ["s3:GetObject"], document, {}
    if call.has("HumanLoopConfig"):
        flow = call.arn("HumanLoopConfig.FlowDefinitionArn", "the flow definition")
        yield ["sagemaker:StartHumanLoop"], flow, {}
    if call.has("NotificationChannel"):
        yield pass_role(call, "NotificationChannel.RoleArn", iam_service(call.service))
    if call.has("OutputConfig.S3Bucket"):
        # Textract has a default prefix of its own.
        prefix = (
            call.pattern("OutputConfig.S3Prefix", "the results") if call.has("OutputConfig.S3Prefix") else ""
        )
        if isinstance(prefix, str):
            prefix = f"{prefix.rstrip('/*') or 'textract_output'}/*"
        bucket = bucket_arn(call.text("OutputConfig.S3Bucket", "the bucket of results"))
        yield ["s3:PutObject"], joined(bucket, "/", prefix), {}
    if call.has("DataAccessRoleArn"):
        yield pass_role(call, "DataAccessRoleArn", iam_service(call.service))


def rekognition(call: Call) -> Iterator[Grant]:
    """Yields what a call of Rekognition needs, on a collection, a model, or nothing that IAM knows."""
    action = [iam_action(call)]
    if call.has("CollectionId"):
        yield action, call.arn("CollectionId", "the collection", "rekognition", "collection/{}"), {}
    elif call.has("ProjectVersionArn"):
        yield action, call.arn("ProjectVersionArn", "the model"), {}
    elif re.fullmatch(WITHOUT_RESOURCE["rekognition"], call.action):
        yield action, "*", {}
    else:
        yield from unknown(call)
        return
    yield from documents(call)


_COMPREHEND_JOB = re.compile(r"(start|describe|stop)(\w+?)(Detection|Classification)Job")


def comprehend(call: Call) -> Iterator[Grant]:
    """Yields what a call of Comprehend needs: on a model of your own, on a job, or on nothing that IAM knows."""
    action = [iam_action(call)]
    if re.fullmatch(WITHOUT_RESOURCE["comprehend"], call.action):
        yield action, "*", {}
    elif call.action in ("classifyDocument", "detectEntities"):
        is_own = call.action == "classifyDocument" or call.has("EndpointArn")
        yield action, call.arn("EndpointArn", "the endpoint of the model") if is_own else "*", {}
    elif match := _COMPREHEND_JOB.fullmatch(call.action):
        words = re.findall("[A-Z][a-z]*", match[2] + match[3])
        kind = "-".join(words).lower() + "-job"
        # Comprehend makes the ID of a job when it starts.
        job = call.pattern("JobId", "the job", new=True) if call.has("JobId") else "*"
        yield action, job if isinstance(job, Unknown) else arn_of("comprehend", f"{kind}/{job}"), {}
        for path in ("DocumentClassifierArn", "EntityRecognizerArn", "FlywheelArn"):
            if call.has(path):
                yield action, call.arn(path, "the model"), {}
        yield from documents(call)
    else:
        yield from unknown(call)
