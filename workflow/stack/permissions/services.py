"""The permissions that one call of an AWS service needs.

Only services that a review workflow uses are here. A call of any other service needs a declaration in the user's
file: its permissions are reported as unknown, never guessed.

Sources: IAM policies for integrated services (Step Functions developer guide); Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, arn_of, bucket_arn, is_arn, joined

__all__ = ["grants_for", "has_no_resource", "iam_action", "s3"]


def grants_for(call: Call, *, is_sdk: bool) -> Iterator[Grant]:
    """Yields what a call needs; an `Unknown` resource where the call does not name it.

    Args:
        call: The call of the step.
        is_sdk: Whether it is an AWS SDK integration, not an optimized one.
    """
    service, actions = _prefix(call), [iam_action(call)]
    is_known = call.service not in _ONLY_OPTIMIZED if is_sdk else call.service in _OPTIMIZED
    if not is_known:
        # No such integration exists, as with a forgotten `aws-sdk:`, or it needs permissions that are not here.
        yield from _unknown(call)
    elif handler := _HANDLERS.get(f"{service}:{call.action}") or _HANDLERS.get(service):
        yield from handler(call)
    elif re.fullmatch(_WITHOUT_RESOURCE.get(service, ""), call.action):
        yield actions, "*", {}
        yield from _documents(call)
    elif path := next((path for path in _NAMED_BY.get(service, {}) if call.has(path)), None):
        resource = _NAMED_BY[service][path]
        value = call.arn(path, "what it acts on", service if resource else "", resource)
        # The name of a parameter can begin with a slash; its ARN has only one there.
        yield actions, value.replace(":parameter//", ":parameter/") if isinstance(value, str) else value, {}
        if service == "athena":
            data = Unknown("a query reads tables and writes results", "tables and buckets")
            yield ["glue:Get…", "s3:…"], data, {}
    else:
        yield from _unknown(call)


_ONLY_OPTIMIZED = frozenset({"events", "http", "states"})
"""AWS SDK integrations have other names for these, or none."""

_OPTIMIZED = _ONLY_OPTIMIZED | {"dynamodb", "glue", "lambda", "sagemaker", "sns", "sqs"}


def iam_action(call: Call) -> str:
    """The IAM action that a call needs: `s3:ListBucket` for `s3:listObjectsV2`."""
    action = _OTHER_ACTIONS.get(f"{call.service}:{call.action}", _pascal(call.action))
    return f"{_prefix(call)}:{action}"


def has_no_resource(action: str) -> bool:
    """Whether IAM knows no resource for an IAM action, so that a policy can allow it only on `*`."""
    service, _, name = action.partition(":")
    call = name[:1].lower() + name[1:]
    return any(
        re.fullmatch(actions.get(service, ""), call)
        for actions in (_WITHOUT_RESOURCE, _ALSO_WITHOUT_RESOURCE)
    )


def _prefix(call: Call) -> str:
    return _PREFIXES.get(call.service, call.service)


def _pascal(action: str) -> str:
    # IAM and the API begin an action with a capital, Step Functions with a lowercase letter.
    return action[:1].upper() + action[1:]


_PREFIXES = {
    "bedrockruntime": "bedrock",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakera2iruntime": "sagemaker",
    "sagemakerruntime": "sagemaker",
    "sfn": "states",
}
"""Where Step Functions and IAM have different names for a service."""

_WITHOUT_RESOURCE = {
    "cloudwatch": "putMetricData",
    "comprehend": "(batchDetect|containsPii|detect(Dominant|Key|Pii|Sentiment|Syntax|Targeted|Toxic)).*",
    "rekognition": "compareFaces|recognizeCelebrities|detect(?!Custom).*"
    "|(start|get)(Celebrity|Content|Face(Detection|Search)|Label|Person|Segment|Text).*",
    "states": "sendTask.*",
    "sts": "getCallerIdentity",
    "textract": "(analyze|detect|start).*|get(?!Adapter).*",
    "translate": "translateText",
}
"""Actions for which IAM has no resource, as a pattern for each service."""

_ALSO_WITHOUT_RESOURCE = {
    "logs": "(create|delete|get|update)LogDelivery|listLogDeliveries|describe(LogGroups|ResourcePolicies)",
    "sagemaker": "list(FlowDefinitions|HumanLoops)",
    "xray": "put(TelemetryRecords|TraceSegments)|getSampling(Rules|Targets)",
}
"""The same for actions of functions and services, which no step calls."""

_NAMED_BY = {
    "athena": {"WorkGroup": "workgroup/{}"},
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "glue": {"JobName": "job/{}"},
    "kinesis": {"StreamARN": "", "StreamName": "stream/{}"},
    "lambda": {"FunctionName": "function:{}"},
    "logs": {"LogGroupName": "log-group:{}:*"},
    "secretsmanager": {"SecretId": "secret:{}-??????"},  # Secrets Manager adds six characters to the name.
    "sns": {"TopicArn": "", "TargetArn": ""},
    "ssm": {"Name": "parameter/{}"},
    "states": {"StateMachineArn": "", "ExecutionArn": "", "ActivityArn": "", "MapRunArn": ""},
}
"""For each service, the arguments that name the resource, and how its ARN ends; "" for an argument that is the ARN.

The first argument that the call has counts."""


_OTHER_ACTIONS = {
    "bedrockruntime:converse": "InvokeModel",
    "lambda:invoke": "InvokeFunction",
    "lambda:invokeAsync": "InvokeFunction",
    "s3:copyObject": "PutObject",
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
"""Where an API action needs an IAM action with another name."""


def _unknown(call: Call) -> Iterator[Grant]:
    # A step that waits needs more than the action it calls: Step Functions describes, stops, and is notified.
    reference = (
        "step-functions/latest/dg/service-integration-iam-templates.html"
        if call.waits
        else "service-authorization/latest/reference/"
    )
    reason = f"Afterloop does not know the permissions of {call.service}:{call.action}"
    actions = f"its IAM actions (see https://docs.aws.amazon.com/{reference})"
    yield [actions], Unknown(reason, "its resources"), {}


def _invoke_function(call: Call) -> Iterator[Grant]:
    function = call.arn("FunctionName", "the function", "lambda", "function:{}")
    if call.has("Qualifier"):
        function = joined(function, ":", call.text("Qualifier", "the version or alias"))
    # Lambda also accepts a partial ARN: "123456789012:function:name".
    if isinstance(function, str) and (partial := re.search(r"function:(\d{12}:function:.+)", function)):
        function = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:{partial[1]}"
    if isinstance(function, str) and re.fullmatch(r"\$\{\w+\}", function):
        # A function of the stack: an execution runs a version of it, or, after a hot swap, the newest code.
        yield ["lambda:InvokeFunction"], f"{function}:*", {}
    yield ["lambda:InvokeFunction"], function, {}


def _publish(call: Call) -> Iterator[Grant]:
    if call.has("PhoneNumber"):
        yield ["sns:Publish"], "*", {}  # IAM has no resource for phone numbers.
    else:
        path = "TargetArn" if call.has("TargetArn") else "TopicArn"
        yield ["sns:Publish"], call.arn(path, "the topic"), {}


def _sqs(call: Call) -> Iterator[Grant]:
    queue = call.text("QueueUrl", "the queue")
    if isinstance(queue, str):
        queue = _queue_arn(queue)
    yield [iam_action(call)], queue, {}


def _queue_arn(url: str) -> Resource:
    if match := re.fullmatch(r"\$\{(\w+)\}", url):
        return f"${{{match[1]}.Arn}}"  # The Ref of a queue is its URL.
    if match := re.fullmatch(r"https://(?:sqs\.)?([^./]+)\.(?:queue\.)?[^/]+/([^/]+)/([^/]+)", url):
        return f"arn:${{AWS::Partition}}:sqs:{match[1]}:{match[2]}:{match[3]}"
    return Unknown(f"{url!r} is not the URL of a queue", "the queue")


def _put_events(call: Call) -> Iterator[Grant]:
    entries = call.arguments.get("Entries")
    if not isinstance(entries, list):
        yield ["events:PutEvents"], Unknown("Entries are known only at run time", "the event bus"), {}
        return
    for entry in entries:
        one = Call(call.service, call.action, False, {"Entry": entry})
        bus: Resource = arn_of("events", "event-bus/default")
        if not isinstance(entry, Mapping) or one.has("Entry.EventBusName"):
            bus = one.arn("Entry.EventBusName", "the event bus", "events", "event-bus/{}")
        yield ["events:PutEvents"], bus, {}


def _dynamodb(call: Call) -> Iterator[Grant]:
    if call.action == "transactWriteItems":
        yield from _transaction(call)
    elif call.has("IndexName"):
        index = joined(_table(call), "/index/", call.text("IndexName", "the index"))
        yield [iam_action(call)], index, {}
    else:
        yield [iam_action(call)], _table(call), {}


def _transaction(call: Call) -> Iterator[Grant]:
    actions = {
        "Put": "PutItem",
        "Update": "UpdateItem",
        "Delete": "DeleteItem",
        "ConditionCheck": "ConditionCheckItem",
    }
    items = call.arguments.get("TransactItems")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        tables = Unknown("TransactItems are known only at run time", "the tables")
        yield [f"dynamodb:{action}" for action in actions.values()], tables, {}
        return
    for item in items:
        one = Call(call.service, call.action, False, item)
        for part, action in actions.items():
            if one.has(part):
                yield [f"dynamodb:{action}"], _table(one, f"{part}.TableName"), {}


def _table(call: Call, path: str = "TableName") -> Resource:
    return call.arn(path, "the table", "dynamodb", "table/{}")


def _start_job_run(call: Call) -> Iterator[Grant]:
    waiting = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns"] if call.waits else []
    yield [*waiting, "glue:StartJobRun"], call.arn("JobName", "the job", "glue", "job/{}"), {}


def _start_execution(call: Call) -> Iterator[Grant]:
    machine = call.arn("StateMachineArn", "the state machine")
    yield ["states:StartExecution"], machine, {}
    if call.waits:
        # To learn how the execution ends, and to stop it with its parent.
        yield ["states:DescribeExecution", "states:StopExecution"], _executions(machine), {}
        yield _managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _executions(machine: Resource) -> Resource:
    if isinstance(machine, Unknown):
        return machine
    if match := re.fullmatch(r"(arn:.+):stateMachine:([^:]+)(:[^:]+)?", machine):
        return f"{match[1]}:execution:{match[2]}:*"
    if (match := re.fullmatch(r"\$\{(\w+)\}", machine)) and not machine.endswith("Arn}"):
        return arn_of("states", f"execution:${{{match[1]}.Name}}:*")
    return Unknown(f"the name of {machine!r} is not known", "its executions")


_SAGEMAKER_MADE = {
    "createTrainingJob": ("training-job", "TrainingJobName", "RoleArn", "Training"),
    "createTransformJob": ("transform-job", "TransformJobName", None, "Transform"),
    "createProcessingJob": ("processing-job", "ProcessingJobName", "RoleArn", "Processing"),
    "createLabelingJob": ("labeling-job", "LabelingJobName", "RoleArn", "Labeling"),
    "createHyperParameterTuningJob": (
        "hyper-parameter-tuning-job",
        "HyperParameterTuningJobName",
        "TrainingJobDefinition.RoleArn",
        "Tuning",
    ),
    "createModel": ("model", "ModelName", "ExecutionRoleArn", None),
    "createEndpointConfig": ("endpoint-config", "EndpointConfigName", None, None),
    "createEndpoint": ("endpoint", "EndpointName", None, None),
    "updateEndpoint": ("endpoint", "EndpointName", None, None),
}
"""For each action: what it makes, the arguments for its name and for the role that it passes, and, of a job, the part
of the managed rule's name."""

_SAGEMAKER_NAMES = {name: kind for kind, name, *_ in _SAGEMAKER_MADE.values()} | {
    "FlowDefinitionName": "flow-definition",
    "HumanLoopName": "human-loop",
    "HumanTaskUiName": "human-task-ui",
    "PipelineName": "pipeline",
}


def _sagemaker(call: Call) -> Iterator[Grant]:
    action = iam_action(call)
    named = [path for path in _SAGEMAKER_NAMES if call.has(path)]
    if call.action in _SAGEMAKER_MADE:
        yield from _sagemaker_made(call)
    elif call.action == "listHumanLoops":
        yield [action], "*", {}
    elif call.has("FlowDefinitionArn"):
        yield [action], call.arn("FlowDefinitionArn", "the flow definition"), {}
    elif len(named) == 1:
        yield [action], _sagemaker_arn(call, _SAGEMAKER_NAMES[named[0]], named[0]), {}
    else:
        yield from _unknown(call)


def _sagemaker_made(call: Call) -> Iterator[Grant]:
    kind, name, role, rule = _SAGEMAKER_MADE[call.action]
    made = _sagemaker_arn(call, kind, name, new=call.action.startswith("create"))
    thing = _pascal(call.action).removeprefix("Create")
    yield [iam_action(call)], made, {}
    if call.waits and rule:
        yield [f"sagemaker:Describe{thing}", f"sagemaker:Stop{thing}"], made, {}
        yield _managed_rule(f"StepFunctionsGetEventsForSageMaker{rule}JobsRule")
    if rule or call.has("Tags"):  # Step Functions tags the jobs that it starts.
        yield ["sagemaker:AddTags", "sagemaker:ListTags"], made, {}
    if kind == "endpoint":  # IAM checks the action on the configuration as well.
        config = _sagemaker_arn(call, "endpoint-config", "EndpointConfigName")
        yield [iam_action(call)], config, {}
    if role:
        passed = call.arn(role, f"the role in {role}", "iam", "role/{}", region=False)
        # In some partitions the service's principal ends in .amazonaws.com.cn.
        only = {"StringLike": {"iam:PassedToService": ["sagemaker.amazonaws.com*"]}}
        yield ["iam:PassRole"], passed, only


def _sagemaker_arn(call: Call, kind: str, path: str, *, new: bool = False) -> Resource:
    name = call.pattern(path, f"the {kind}", new=new)
    if isinstance(name, Unknown) or is_arn(name):
        return name
    # ARNs of SageMaker have names in lower case.
    lower = "".join(
        part if part.startswith("${") else part.lower() for part in re.split(r"(\$\{.*?\})", name)
    )
    return arn_of("sagemaker", f"{kind}/{lower}")


def _managed_rule(name: str) -> Grant:
    """Lets Step Functions learn when a job ends, by a rule that it manages under a fixed name."""
    return (
        ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        arn_of("events", f"rule/{name}"),
        {},
    )


def _documents(call: Call) -> Iterator[Grant]:
    """What Textract and Rekognition read with the caller's permissions, and the human loops that they start."""
    for path in ("Document", "DocumentLocation", "Image", "SourceImage", "TargetImage", "Video"):
        if call.has(path) and not call.has(f"{path}.Bytes"):
            bucket = call.text(f"{path}.S3Object.Bucket", "the document")
            document = joined(bucket_arn(bucket), "/", call.pattern(f"{path}.S3Object.Name", "the document"))
            yield ["s3:GetObject"], document, {}
    if call.has("HumanLoopConfig"):
        flow = call.arn("HumanLoopConfig.FlowDefinitionArn", "the flow definition")
        yield ["sagemaker:StartHumanLoop"], flow, {}


def s3(call: Call) -> Iterator[Grant]:
    """Yields what a call of S3 needs, on a bucket or on objects in it."""
    action = iam_action(call)
    if call.action == "listBuckets":
        yield [action], "*", {}
        return
    bucket = bucket_arn(call.text("Bucket", "the bucket"))
    if action in ("s3:ListBucket", "s3:ListBucketVersions") and call.has("Prefix"):
        prefix = call.pattern("Prefix", "the prefix")
        if isinstance(prefix, Unknown):
            yield [action], prefix, {}
        else:
            yield [action], bucket, {"StringLike": {"s3:prefix": f"{prefix.rstrip('*')}*"}}
    elif action in ("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation"):
        yield [action], bucket, {}
    elif call.has("Key") and re.fullmatch(r"(copy|delete|get|head|put)Object(Tagging)?", call.action):
        yield [action], joined(bucket, "/", call.pattern("Key", "the object")), {}
        if call.action == "copyObject":
            source = call.pattern("CopySource", "the object that is copied")
            if isinstance(source, str):
                source = bucket_arn(source.removeprefix("/"))
            yield ["s3:GetObject"], source, {}
    else:
        yield from _unknown(call)


def _bedrock(call: Call) -> Iterator[Grant]:
    if call.action not in ("converse", "invokeModel"):
        yield from _unknown(call)
        return
    model = call.text("ModelId", "the model")
    if isinstance(model, str) and not is_arn(model):
        if re.match(r"(us|us-gov|eu|apac|global)\.", model):
            reason = f"the inference profile {model!r} covers models in several Regions"
            model = Unknown(reason, "the profile and its models")
        else:
            model = arn_of("bedrock", f"foundation-model/{model}", account=False)
    yield [iam_action(call)], model, {}


def _http(call: Call) -> Iterator[Grant]:
    endpoint = call.pattern("ApiEndpoint", "the endpoint")
    method = call.text("Method", "the endpoint")
    unknown = next((part for part in (endpoint, method) if isinstance(part, Unknown)), None)
    only = {
        "StringEquals": {"states:HTTPMethod": method},
        "StringLike": {"states:HTTPEndpoint": endpoint},
    }
    yield ["states:InvokeHTTPEndpoint"], unknown or "*", {} if unknown else only
    path = (
        "InvocationConfig.ConnectionArn" if call.has("InvocationConfig") else "Authentication.ConnectionArn"
    )
    yield ["events:RetrieveConnectionCredentials"], call.arn(path, "the connection"), {}
    secrets = arn_of("secretsmanager", "secret:events!connection/*")
    yield ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], secrets, {}


_HANDLERS: Mapping[str, Callable[[Call], Iterator[Grant]]] = {
    "bedrock": _bedrock,
    "dynamodb": _dynamodb,
    "events:putEvents": _put_events,
    "glue:startJobRun": _start_job_run,
    "http": _http,
    "lambda:invoke": _invoke_function,
    "s3": s3,
    "sagemaker": _sagemaker,
    "sns:publish": _publish,
    "sqs": _sqs,
    "states:startExecution": _start_execution,
}
"""What one argument does not determine, by service, or by service and action."""
