"""How IAM calls services and actions, which Step Functions names otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from workflow.stack.permissions.call import Call, Grant, Unknown

__all__ = ["action_name", "action_of", "not_known", "pascal", "prefix_of"]


def action_of(call: Call) -> str:
    """The IAM action that a call needs, if one alone: `s3:ListBucket` for `s3:listObjectsV2`."""
    return f"{prefix_of(call.service)}:{action_name(call)}"


def prefix_of(service: str) -> str:
    """The prefix of a service's actions and ARNs."""
    return _PREFIXES.get(service, service)


def action_name(call: Call) -> str:
    """The action without its prefix."""
    if call.action == "copyObject":
        return "PutObject"
    return _OTHER_ACTIONS.get(f"{call.service}:{call.action}", pascal(call.action))


def pascal(action: str) -> str:
    """The name of an API action as IAM and the API write it: Step Functions begins it with a small letter."""
    return action[:1].upper() + action[1:]


def not_known(call: Call) -> Iterator[Grant]:
    """The permission for a call of which no module here knows the resources: it has to be declared."""
    reason = f"the resources of {call.service}:{call.action} are not derived"
    yield [action_of(call)], Unknown(reason, "its resources"), {}


_PREFIXES = {
    # Where Step Functions' name for a service is not IAM's.
    "apigatewaymanagementapi": "execute-api",
    "applicationautoscaling": "application-autoscaling",
    "bedrockagentruntime": "bedrock",
    "bedrockruntime": "bedrock",
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "dynamodbstreams": "dynamodb",
    "efs": "elasticfilesystem",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "eventbridge": "events",
    "http": "states",
    "iotdataplane": "iot",
    "lexruntimev2": "lex",
    "mturk": "mechanicalturk",
    "opensearch": "es",
    "pinpoint": "mobiletargeting",
    "rdsdata": "rds-data",
    "redshiftdata": "redshift-data",
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "sagemakera2iruntime": "sagemaker",
    "sagemakerfeaturestoreruntime": "sagemaker",
    "sagemakerruntime": "sagemaker",
    "sesv2": "ses",
    "sfn": "states",
    "timestreamquery": "timestream",
    "timestreamwrite": "timestream",
}


_OTHER_ACTIONS = {
    # Where one API action needs an IAM action of another name.
    "lambda:invoke": "InvokeFunction",
    "lambda:invokeAsync": "InvokeFunction",
    "s3:headBucket": "ListBucket",
    "s3:headObject": "GetObject",
    "s3:listBuckets": "ListAllMyBuckets",
    "s3:listObjects": "ListBucket",
    "s3:listObjectsV2": "ListBucket",
    "s3:listObjectVersions": "ListBucketVersions",
    "sns:publishBatch": "Publish",
    "sqs:changeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sqs:deleteMessageBatch": "DeleteMessage",
    "sqs:sendMessageBatch": "SendMessage",
}
