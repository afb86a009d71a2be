"""What calls that send something need: to functions, topics, queues, event buses, endpoints, and by email.

Sources: IAM policies for integrated services (Step Functions developer guide),
https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html; Control access to a
REST API with IAM permissions (API Gateway developer guide); Service Authorization Reference of Amazon SES.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workflow.stack.permissions.actions import iam_action
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, arn_of, joined

__all__ = ["http", "invoke_api", "invoke_function", "publish", "put_events", "send_email", "sqs"]


def invoke_function(call: Call) -> Iterator[Grant]:
    """Yields what a call of a Lambda function needs."""
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


def publish(call: Call) -> Iterator[Grant]:
    """Yields what a message to a topic or a phone needs."""
    if call.has("PhoneNumber"):
        yield ["sns:Publish"], "*", {}  # IAM has no resource for phone numbers.
    else:
        path = "TargetArn" if call.has("TargetArn") else "TopicArn"
        for topic in call.either(path) or [call.arn(path, "the topic")]:
            yield ["sns:Publish"], topic, {}


def sqs(call: Call) -> Iterator[Grant]:
    """Yields what a call of a queue needs."""
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


def put_events(call: Call) -> Iterator[Grant]:
    """Yields what events need, on each of their buses."""
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


def http(call: Call) -> Iterator[Grant]:
    """Yields what a call of an HTTP endpoint needs, with the connection that authorizes it."""
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


def invoke_api(call: Call) -> Iterator[Grant]:
    """Yields what a call of an API in API Gateway needs: nothing, unless the API authorizes by IAM."""
    if not call.has("AuthType") or call.text("AuthType", "") == "NO_AUTH":
        return
    endpoint = call.text("ApiEndpoint", "the API")
    place: Resource = Unknown(f"{endpoint!r} is not the endpoint of an API", "the API")
    if isinstance(endpoint, Unknown):
        place = endpoint
    elif match := re.match(r"(?:https://)?([^./]+)\.execute-api\.([^./]+)\.", endpoint):
        place = f"arn:${{AWS::Partition}}:execute-api:{match[2]}:${{AWS::AccountId}}:{match[1]}"
    stage = call.pattern("Stage", "the API's stage") if call.has("Stage") else "$default"
    path = call.pattern("Path", "the path", new=True) if call.has("Path") else ""
    if isinstance(path, str):
        path = path.removeprefix("/")
    method = call.text("Method", "the method")
    yield ["execute-api:Invoke"], joined(place, "/", stage, "/", method, "/", path), {}


def send_email(call: Call) -> Iterator[Grant]:
    """Yields what an email by SES needs: on the identity that sends it, the template and the configuration set."""
    if call.has("FromEmailAddressIdentityArn"):
        yield ["ses:SendEmail"], call.arn("FromEmailAddressIdentityArn", "the identity"), {}
    else:
        address = call.text("FromEmailAddress", "the identity that sends it")
        if isinstance(address, Unknown):
            yield ["ses:SendEmail"], address, {}
        else:
            address = re.sub(r".*<(.*)>", r"\1", address)
            # Either of them can be the verified identity.
            yield ["ses:SendEmail"], arn_of("ses", f"identity/{address}"), {}
            yield ["ses:SendEmail"], arn_of("ses", f"identity/{address.rpartition('@')[2]}"), {}
    if call.has("Content.Template.TemplateName"):
        template = call.arn("Content.Template.TemplateName", "the template", "ses", "template/{}")
        yield ["ses:SendEmail"], template, {}
    if call.has("ConfigurationSetName"):
        name = call.arn("ConfigurationSetName", "the configuration set", "ses", "configuration-set/{}")
        yield ["ses:SendEmail"], name, {}
