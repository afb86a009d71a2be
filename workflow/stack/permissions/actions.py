"""The IAM actions that API actions need, and which of them IAM allows only on all resources.

Source: Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workflow.asl.optimized import api_of
from workflow.asl.services import botocore_name, iam_prefix
from workflow.stack.permissions.call import Call, Grant, Unknown

__all__ = [
    "OTHER_ACTIONS",
    "WITHOUT_RESOURCE",
    "has_no_resource",
    "iam_action",
    "iam_service",
    "pascal",
    "unknown",
]


def iam_action(call: Call) -> str:
    """The IAM action that a call needs: `s3:ListBucket` for `s3:listObjectsV2`."""
    action = OTHER_ACTIONS.get(f"{call.service}:{call.action}", pascal(call.action))
    return f"{iam_service(call.service)}:{action}"


def iam_service(service: str) -> str:
    """The prefix of a service's IAM actions: `states` for `sfn`."""
    return _PREFIXES.get(service, service)


def has_no_resource(action: str) -> bool:
    """Whether IAM knows no resource for an IAM action, so that a policy can allow it only on `*`."""
    service, _, name = action.partition(":")
    call = name[:1].lower() + name[1:]
    return any(
        re.fullmatch(actions.get(service, ""), call) for actions in (WITHOUT_RESOURCE, _ALSO_WITHOUT_RESOURCE)
    )


def pascal(action: str) -> str:
    """An action with a capital, as IAM and the API begin it. Step Functions begins it with a lowercase letter."""
    return action[:1].upper() + action[1:]


def unknown(call: Call) -> Iterator[Grant]:
    """Yields that the permissions of a call are not known."""
    # A step that waits needs more than the action it calls: Step Functions describes, stops, and is notified.
    reference = (
        "step-functions/latest/dg/service-integration-iam-templates.html"
        if call.waits
        else "service-authorization/latest/reference/"
    )
    reason = f"Afterloop does not know the permissions of {call.service}:{call.action}"
    folder = botocore_name(api_of(call.service, call.action)[0]) or botocore_name(call.service)
    named = OTHER_ACTIONS.get(f"{call.service}:{call.action}", pascal(call.action))
    actions = f"{iam_prefix(folder)}:{named} and what else it needs" if folder else "its IAM actions"
    yield [f"{actions} (see https://docs.aws.amazon.com/{reference})"], Unknown(reason, "its resources"), {}


_PREFIXES = {
    "bedrockagentruntime": "bedrock",
    "bedrockruntime": "bedrock",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "rdsdata": "rds-data",
    "redshiftdata": "redshift-data",
    "sagemakera2iruntime": "sagemaker",
    "sagemakerfeaturestoreruntime": "sagemaker",
    "sagemakerruntime": "sagemaker",
    "sesv2": "ses",
    "sfn": "states",
}
"""Where Step Functions and IAM have different names for a service."""

WITHOUT_RESOURCE = {
    "cloudwatch": "putMetricData|getMetricStatistics|getMetricData|listMetrics|describeAlarmsForMetric",
    "comprehend": "(batchDetect|containsPii|detect(Dominant|Key|Pii|Sentiment|Syntax|Targeted|Toxic)).*",
    "redshift-data": "(describe|cancel)Statement|getStatementResult(V2)?",
    "rekognition": "compareFaces|recognizeCelebrities|detect(?!Custom).*"
    "|(start|get)(Celebrity|Content|Face(?!Search)|Label|Person|Segment|Text).*|getFaceSearch",
    "scheduler": "listSchedule(Group)?s",
    "states": "sendTask.*",
    "sts": "getCallerIdentity",
    "textract": "(analyze|detect|start).*|get(?!Adapter).*",
    "translate": "translate(Text|Document)|(start|stop|describe|list)TextTranslationJobs?",
}
"""Actions for which IAM has no resource, as a pattern for each service.

Some of them have a resource for special uses, such as a custom model of Rekognition or a terminology of Translate."""

_ALSO_WITHOUT_RESOURCE = {
    "batch": "describeJobs",
    "lakeformation": "getDataAccess",
    "logs": "(create|delete|get|update)LogDelivery|listLogDeliveries|describe(LogGroups|ResourcePolicies)",
    "sagemaker": "list(FlowDefinitions|HumanLoops)",
    "xray": "put(TelemetryRecords|TraceSegments)|getSampling(Rules|Targets)",
}
"""The same for actions that no step calls alone: of functions, of services, and of Step Functions itself."""

OTHER_ACTIONS = {
    "bedrockruntime:converse": "InvokeModel",
    "bedrockruntime:converseStream": "InvokeModelWithResponseStream",
    "dynamodb:batchExecuteStatement": "PartiQLSelect",
    "dynamodb:executeStatement": "PartiQLSelect",
    "dynamodb:executeTransaction": "PartiQLSelect",
    "dynamodb:transactGetItems": "GetItem",
    "dynamodb:transactWriteItems": "PutItem",
    "kms:reEncrypt": "ReEncryptFrom",
    "lambda:invoke": "InvokeFunction",
    "lambda:invokeAsync": "InvokeFunction",
    "lambda:invokeWithResponseStream": "InvokeFunction",
    "s3:completeMultipartUpload": "PutObject",
    "s3:copyObject": "PutObject",
    "s3:createMultipartUpload": "PutObject",
    "s3:deleteBucketTagging": "PutBucketTagging",
    "s3:deleteObjects": "DeleteObject",
    "s3:getBucketCors": "GetBucketCORS",
    "s3:getBucketEncryption": "GetEncryptionConfiguration",
    "s3:getBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "s3:getBucketNotificationConfiguration": "GetBucketNotification",
    "s3:getBucketReplication": "GetReplicationConfiguration",
    "s3:getPublicAccessBlock": "GetBucketPublicAccessBlock",
    "s3:headBucket": "ListBucket",
    "s3:headObject": "GetObject",
    "s3:listBuckets": "ListAllMyBuckets",
    "s3:listMultipartUploads": "ListBucketMultipartUploads",
    "s3:listObjects": "ListBucket",
    "s3:listObjectsV2": "ListBucket",
    "s3:listObjectVersions": "ListBucketVersions",
    "s3:listParts": "ListMultipartUploadParts",
    "s3:putBucketEncryption": "PutEncryptionConfiguration",
    "s3:putBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "s3:putBucketNotificationConfiguration": "PutBucketNotification",
    "s3:putBucketReplication": "PutReplicationConfiguration",
    "s3:selectObjectContent": "GetObject",
    "s3:uploadPart": "PutObject",
    "s3:uploadPartCopy": "PutObject",
    "sns:publishBatch": "Publish",
    "sqs:changeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sqs:deleteMessageBatch": "DeleteMessage",
    "sqs:sendMessageBatch": "SendMessage",
}
"""Where an API action needs an IAM action with another name."""
