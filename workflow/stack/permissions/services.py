"""The permissions that one call of an AWS service needs.

Only services that a review workflow uses are here. A call of any other service needs a declaration in the user's
file: its permissions are reported as unknown, never guessed.

Sources: IAM policies for integrated services (Step Functions developer guide); Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from workflow.stack.permissions.actions import WITHOUT_RESOURCE, iam_action, iam_service, unknown
from workflow.stack.permissions.athena import athena
from workflow.stack.permissions.bedrock import bedrock
from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of
from workflow.stack.permissions.databases import dynamodb, rds_data, redshift_data
from workflow.stack.permissions.documents import comprehend, documents, rekognition
from workflow.stack.permissions.jobs import run_task, schedule, start_execution, start_job_run, submit_job
from workflow.stack.permissions.messaging import (
    http,
    invoke_api,
    invoke_function,
    publish,
    put_events,
    send_email,
    sqs,
)
from workflow.stack.permissions.s3 import s3
from workflow.stack.permissions.sagemaker import sagemaker

__all__ = ["grants_for"]


def grants_for(call: Call, *, is_sdk: bool) -> Iterator[Grant]:
    """Yields what a call needs; an `Unknown` resource where the call does not name it.

    Args:
        call: The call of the step.
        is_sdk: Whether it is an AWS SDK integration, not an optimized one.
    """
    service, actions = iam_service(call.service), [iam_action(call)]
    is_known = call.service not in _ONLY_OPTIMIZED if is_sdk else call.service in _OPTIMIZED
    if not is_known:
        # No such integration exists, or it needs permissions that are not here.
        yield from unknown(call)
    elif re.fullmatch(WITHOUT_RESOURCE.get(service, ""), call.action) and service not in _HANDLERS:
        yield actions, "*", {}
        yield from documents(call)
    elif handler := _HANDLERS.get(f"{service}:{call.action}") or _HANDLERS.get(service):
        yield from handler(call)
    elif path := next((path for path in _NAMED_BY.get(service, {}) if call.has(path)), None):
        resource = _NAMED_BY[service][path]
        value = call.arn(path, "what it acts on", service if resource else "", resource)
        # The name of a parameter can begin with a slash; its ARN has only one there.
        yield actions, value.replace(":parameter//", ":parameter/") if isinstance(value, str) else value, {}
    else:
        yield from unknown(call)


_ONLY_OPTIMIZED = frozenset({"events", "http", "states"})
"""AWS SDK integrations have other names for these, or none."""

_OPTIMIZED = _ONLY_OPTIMIZED | {
    *(
        "apigateway",
        "athena",
        "batch",
        "bedrock",
        "dynamodb",
        "ecs",
        "glue",
        "lambda",
        "sagemaker",
        "sns",
        "sqs",
    )
}

_NAMED_BY = {
    "cloudwatch": {"AlarmName": "alarm:{}"},
    "databrew": {"JobName": "job/{}"},
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "glue": {"JobName": "job/{}", "CrawlerName": "crawler/{}"},
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


def _crawler(call: Call) -> Iterator[Grant]:
    yield [iam_action(call)], call.arn("Name", "the crawler", "glue", "crawler/{}"), {}


def _parameters(call: Call) -> Iterator[Grant]:
    names = call.arguments.get("Names")
    if not isinstance(names, list):
        yield ["ssm:GetParameters"], Unknown("Names are known only at run time", "the parameters"), {}
        return
    for name in names:
        one = Call(call.service, "getParameter", False, {"Name": name})
        value = one.arn("Name", "the parameter", "ssm", "parameter/{}")
        yield (
            [iam_action(call)],
            value if isinstance(value, Unknown) else value.replace(":parameter//", ":parameter/"),
            {},
        )


def _parameters_below(call: Call) -> Iterator[Grant]:
    path = call.text("Path", "the parameters")
    if isinstance(path, Unknown):
        yield [iam_action(call)], path, {}
        return
    for ending in ("", "/*"):
        yield [iam_action(call)], arn_of("ssm", f"parameter/{path.strip('/')}{ending}"), {}


_HANDLERS: Mapping[str, Callable[[Call], Iterator[Grant]]] = {
    "apigateway:invoke": invoke_api,
    "athena": athena,
    "batch:submitJob": submit_job,
    "bedrock": bedrock,
    "comprehend": comprehend,
    "dynamodb": dynamodb,
    "ecs:runTask": run_task,
    "events:putEvents": put_events,
    "glue:getCrawler": _crawler,
    "glue:startCrawler": _crawler,
    "glue:startJobRun": start_job_run,
    "glue:stopCrawler": _crawler,
    "http": http,
    "lambda:invoke": invoke_function,
    "rds-data": rds_data,
    "redshift-data:batchExecuteStatement": redshift_data,
    "redshift-data:executeStatement": redshift_data,
    "rekognition": rekognition,
    "s3": s3,
    "sagemaker": sagemaker,
    "scheduler:createSchedule": schedule,
    "scheduler:createScheduleGroup": schedule,
    "scheduler:deleteSchedule": schedule,
    "scheduler:deleteScheduleGroup": schedule,
    "scheduler:getSchedule": schedule,
    "scheduler:getScheduleGroup": schedule,
    "scheduler:updateSchedule": schedule,
    "ses:sendEmail": send_email,
    "sns:publish": publish,
    "sqs": sqs,
    "ssm:getParameters": _parameters,
    "ssm:getParametersByPath": _parameters_below,
    "states:startExecution": start_execution,
}
"""What one argument does not determine, by service, or by service and action."""
