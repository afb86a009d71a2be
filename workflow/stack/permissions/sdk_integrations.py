"""What an AWS SDK integration needs, by service.

Source: Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of, is_arn, with_ending
from workflow.stack.permissions.iam import action_name, action_of, not_known, pascal, prefix_of
from workflow.stack.permissions.optimized import (
    SAGEMAKER,
    dynamodb,
    events,
    queue,
    sagemaker,
    sagemaker_arn,
    sns,
)

__all__ = ["s3", "sdk_integration"]


def sdk_integration(call: Call) -> Iterator[Grant]:
    """What a call needs."""
    service, action = call.service, call.action
    actions = [action_of(call)]
    if service in _SDK_SERVICES:
        yield from _SDK_SERVICES[service](call)
    elif service == "sns" and action == "publish":
        yield from sns(call)
    elif service == "eventbridge" and action == "putEvents":
        yield from events(call)
    elif service == "sqs" and call.has("QueueUrl"):
        yield actions, queue(call), {}
    elif service in _WITHOUT_RESOURCE and re.fullmatch(_WITHOUT_RESOURCE[service], action):
        yield actions, "*", {}
        yield from _documents(call)
    elif path := next((path for path in _NAMED_BY.get(service, {}) if call.has(path)), None):
        yield actions, _named(call, path, _NAMED_BY[service][path]), {}
        if service == "athena":
            data = Unknown("a query reads tables and writes results", "tables and buckets")
            yield ["glue:Get…", "s3:…"], data, {}
    else:
        yield from not_known(call)


def _documents(call: Call) -> Iterator[Grant]:
    """What Textract and Rekognition read with the caller's permission, and the human loops they start."""
    for path in ("Document", "DocumentLocation", "Image", "SourceImage", "TargetImage", "Video"):
        if call.has(path) and not call.has(f"{path}.Bytes"):
            bucket = call.text(f"{path}.S3Object.Bucket", "the document")
            key = call.pattern(f"{path}.S3Object.Name", "the document")
            unknown = next((part for part in (bucket, key) if isinstance(part, Unknown)), None)
            document = f"{arn_of('s3', str(bucket), region=False, account=False)}/{key}"
            yield ["s3:GetObject"], unknown or document, {}
    if call.has("HumanLoopConfig"):
        flow = call.arn("HumanLoopConfig.FlowDefinitionArn", "the flow definition")
        yield ["sagemaker:StartHumanLoop"], flow, {}


def _named(call: Call, path: str, ending: str) -> str | Unknown:
    prefix = prefix_of(call.service)
    if call.service == "sagemakera2iruntime" and path == "HumanLoopName":
        return sagemaker_arn(call, "human-loop", path)
    value = call.arn(path, "what it acts on", prefix if ending else "", ending)
    return value.replace(":parameter//", ":parameter/") if isinstance(value, str) else value


_WITHOUT_RESOURCE = {
    # Actions that IAM knows no resource for.
    "cloudwatch": "putMetricData",
    "comprehend": "(batchDetect|containsPii|detect(Dominant|Key|Pii|Sentiment|Syntax|Targeted|Toxic)).*",
    "rekognition": "compareFaces|recognizeCelebrities|detect(?!Custom).*"
    "|(start|get)(Celebrity|Content|Face(Detection|Search)|Label|Person|Segment|Text).*",
    "sagemakera2iruntime": "listHumanLoops",
    "sfn": "sendTask.*",
    "sts": "getCallerIdentity",
    "textract": "(analyze|detect|start).*|get(?!Adapter).*",
    "translate": "translateText",
}


_NAMED_BY = {
    # Service: which argument names the resource, and how its ARN ends ("" where the argument is the ARN). The
    # first argument that is there counts.
    "athena": {"WorkGroup": "workgroup/{}"},
    "cloudwatchlogs": {"LogGroupName": "log-group:{}:*"},
    "codebuild": {"ProjectName": "project/{}"},
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "glue": {"JobName": "job/{}"},
    "iotdataplane": {"Topic": "topic/{}"},
    "kinesis": {"StreamARN": "", "StreamName": "stream/{}"},
    "lambda": {"FunctionName": "function:{}"},
    "sagemakera2iruntime": {
        "FlowDefinitionArn": "",
        "HumanLoopName": "human-loop/{}",
    },
    "sagemakerruntime": {"EndpointName": "endpoint/{}"},
    "secretsmanager": {"SecretId": "secret:{}-??????"},
    "sfn": {"StateMachineArn": "", "ExecutionArn": "", "ActivityArn": "", "MapRunArn": ""},
    "sns": {"TopicArn": "", "TargetArn": ""},
    "ssm": {"Name": "parameter/{}"},
}


def _sagemaker(call: Call) -> Iterator[Grant]:
    named = [path for path in _SAGEMAKER_NAMES if call.has(path)]
    if call.action in SAGEMAKER:
        yield from sagemaker(call)
    elif len(named) == 1:
        arn = sagemaker_arn(call, _SAGEMAKER_NAMES[named[0]], named[0])
        yield [f"sagemaker:{pascal(call.action)}"], arn, {}
    else:
        yield from not_known(call)


_SAGEMAKER_NAMES = {name: kind for kind, name, _ in SAGEMAKER.values()} | {
    "PipelineName": "pipeline",
    "FlowDefinitionName": "flow-definition",
    "HumanTaskUiName": "human-task-ui",
}


def _dynamodb(call: Call) -> Iterator[Grant]:
    if call.action == "transactWriteItems":
        parts = {
            "Put": "PutItem",
            "Update": "UpdateItem",
            "Delete": "DeleteItem",
            "ConditionCheck": "ConditionCheckItem",
        }
        items = call.arguments.get("TransactItems")
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            tables = Unknown("TransactItems are known only at run time", "the tables")
            yield [f"dynamodb:{action}" for action in parts.values()], tables, {}
            return
        for item in items:
            one = Call(call.service, call.action, False, item)
            for part, action in parts.items():
                if one.has(part):
                    table = one.arn(f"{part}.TableName", "the table", "dynamodb", "table/{}")
                    yield [f"dynamodb:{action}"], table, {}
    elif call.has("IndexName"):
        table = call.arn("TableName", "the table", "dynamodb", "table/{}")
        index = call.text("IndexName", "the index")
        yield (
            [f"dynamodb:{pascal(call.action)}"],
            index if isinstance(index, Unknown) else with_ending(table, f"/index/{index}"),
            {},
        )
    elif call.has("TableName"):
        yield from dynamodb(call)
    else:
        yield from not_known(call)


def s3(call: Call) -> Iterator[Grant]:
    """What a call of S3 needs, on a bucket or on objects in it."""
    action = action_name(call)
    if call.action == "listBuckets":
        yield [f"s3:{action}"], "*", {}
        return
    bucket = call.text("Bucket", "the bucket")
    arn = bucket if isinstance(bucket, Unknown) else arn_of("s3", bucket, region=False, account=False)
    if isinstance(bucket, str) and is_arn(bucket):
        arn = bucket
    if action in ("ListBucket", "ListBucketVersions") and call.has("Prefix"):
        prefix = call.pattern("Prefix", "the prefix")
        if isinstance(prefix, str):
            yield [f"s3:{action}"], arn, {"StringLike": {"s3:prefix": f"{prefix.rstrip('*')}*"}}
        else:
            yield [f"s3:{action}"], prefix, {}
    elif action in ("ListBucket", "ListBucketVersions", "GetBucketLocation"):
        yield [f"s3:{action}"], arn, {}
    elif call.has("Key") and call.action in _S3_OBJECT_ACTIONS:
        key = call.pattern("Key", "the object")
        yield [f"s3:{action}"], key if isinstance(key, Unknown) else with_ending(arn, f"/{key}"), {}
        if call.action == "copyObject":
            source = call.pattern("CopySource", "the object that is copied")
            if isinstance(source, str):
                source = arn_of("s3", source.removeprefix("/"), region=False, account=False)
            yield ["s3:GetObject"], source, {}
    else:
        yield from not_known(call)


_S3_OBJECT_ACTIONS = (
    "copyObject",
    "deleteObject",
    "deleteObjectTagging",
    "getObject",
    "getObjectTagging",
    "headObject",
    "putObject",
    "putObjectTagging",
)


def _bedrock(call: Call) -> Iterator[Grant]:
    model = call.text("ModelId", "the model")
    if isinstance(model, str) and not is_arn(model):
        if re.match(r"(us|us-gov|eu|apac|global)\.", model):
            model = Unknown(
                f"the inference profile {model!r} stands for models in several Regions", "profile and models"
            )
        else:
            model = arn_of("bedrock", f"foundation-model/{model}", account=False)
    actions = {"converse": "InvokeModel", "invokeModel": "InvokeModel"}
    if call.action not in actions:
        yield from not_known(call)
        return
    yield [f"bedrock:{actions[call.action]}"], model, {}


_SDK_SERVICES: Mapping[str, Callable[[Call], Iterator[Grant]]] = {
    "dynamodb": _dynamodb,
    "s3": s3,
    "bedrockruntime": _bedrock,
    "sagemaker": _sagemaker,
}
