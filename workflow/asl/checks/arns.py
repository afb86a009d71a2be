"""ARNs and URLs in a definition that AWS is certain to refuse.

A part that is only known later (`${…}`, `{% … %}`, a key that ends in `.$`) is never reported, and neither is a
partition or a Region that is new.

Source: Amazon Resource Names (IAM user guide); the patterns of the fields in the API references of the services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from workflow.asl.checks.problem import hint
from workflow.asl.integration import arguments_of
from workflow.asl.walk import State

__all__ = ["problems_of_arguments", "why_not_arn"]

_LATER = re.compile(r"\$\{[^}]*\}")


def why_not_arn(text: str, service: str = "", resource: str = "") -> str:
    """Why a text is not the ARN of a resource; "" if it is one, or may be one once its placeholders are filled in.

    Args:
        text: The text, which can have placeholders `${…}`.
        service: The service that the ARN has to name; "" for any.
        resource: What follows the account, such as `function:NAME`; "" for anything.
    """
    plain = _LATER.sub("\0", text)
    parts = plain.split(":", 5)
    if "\0" in parts[0] or (len(parts) < 6 and "\0" in plain):
        return ""
    place = ":ACCOUNT" if service == "iam" else "REGION:ACCOUNT"
    form = f"it is not of the form arn:PARTITION:{service or 'SERVICE'}:{place}:{resource or '…'}"
    if parts[0] != "arn" or len(parts) < 6:
        return form
    _, partition, named, region, account, rest = parts
    if not _may_be(r"aws(-[a-z]+)*", partition):
        return f"there is no partition {partition!r}{hint(partition, ['aws', 'aws-cn', 'aws-us-gov'])}"
    if service and not _may_be(re.escape(service), named):
        return form
    if service == "iam" and region:
        return "the ARN of a role has no Region"
    if not _may_be(rf"|\*|{_REGION}", region):
        return f"there is no Region {region!r}{_meant_region(region)}"
    if not _may_be(r"|\*|aws|\d{12}", account):
        digits = f" has {len(account)} digits, not 12" if account.isdigit() else " is not an account"
        return f"{account!r}{digits}"
    if resource and not _may_be(re.escape(resource).replace("NAME", ".+").replace("TOPIC", r"[\w.-]+"), rest):
        return form
    return ""


_REGION = r"[a-z]{2,}(-[a-z]+)?-(central|north|south|(north|south)?(east|west))-\d{1,2}"
"""The form of a Region's name. A new one has another country or number, but the same directions."""


@cache
def _regions() -> list[str]:
    """The Regions that botocore knows."""
    from botocore.session import Session  # Imported here because only a mistake needs it.

    session = Session()
    return [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("sns", partition)
    ]


def _meant_region(name: str) -> str:
    swapped = [one for one in _regions() if sorted(one) == sorted(name)]
    return hint(name, swapped or _regions())


def _may_be(pattern: str, text: str) -> bool:
    return "\0" in text or re.fullmatch(pattern, text) is not None


_NAMED = {
    "FlowDefinitionArn": ("sagemaker", "flow-definition/NAME"),
    "HumanTaskUiArn": ("sagemaker", "human-task-ui/NAME"),
    "StateMachineArn": ("states", "stateMachine:NAME"),
    "TopicArn": ("sns", "TOPIC"),
}
"""Fields with the ARN of one kind of resource, in whatever call they are, and the resource's part of the ARN."""


_FREE = frozenset(
    """
    Body Detail Environment ExpressionAttributeValues Headers HyperParameters Input InputContent Item Message
    MessageBody Parameters Payload QueryParameters RequestBody Tags
    """.split()  # noqa: SIM905 (shorter than a list)
)
"""Fields whose content is the user's own: what looks like an ARN there may be anything."""


def problems_of_arguments(state: State) -> Iterator[str]:
    """ARNs and URLs in the arguments of a Task, and the role in its Credentials, that AWS refuses."""
    yield from _problems(arguments_of(state))
    yield from _problems(state.get("Credentials"))


def _problems(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _problems(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in _FREE:
                continue
            if not isinstance(item, str):
                yield from _problems(item)
            elif not key.endswith(".$") and not item.startswith("{%") and (why := _why(key, item)):
                yield f"{key} {item!r} is invalid: {why}"


def _why(key: str, text: str) -> str:
    if key == "QueueUrl":
        return _why_no_queue(text)
    if key in _NAMED:
        return why_not_arn(text, *_NAMED[key])
    if key.endswith("RoleArn"):
        return why_not_arn(text, "iam", "role/NAME")
    if key == "FunctionName" and text.startswith("arn:"):
        return why_not_arn(text, "lambda", "function:NAME")
    if key.endswith(("Arn", "ARN")) and text.startswith("arn:"):
        return why_not_arn(text)
    return ""


def _why_no_queue(text: str) -> str:
    if "${" in text or re.fullmatch(
        r"https?://[^/]+/(\d{12}|queue/[a-z\d-]+/\d{12})/[\w-]{1,80}(\.fifo)?", text
    ):
        return ""
    if host := re.match(r"(https?://[^/]+)/", text):
        return f"it is not of the form {host[1]}/ACCOUNT/NAME, with the 12 digits of the account"
    named = re.fullmatch(r"arn:[\w-]+:sqs:([\w-]+):(\d+):(.+)", text)
    url = "/".join(named.groups()) if named else f"REGION/ACCOUNT/{text.rpartition(':')[2]}"
    region, _, rest = url.partition("/")
    what = "it is the ARN of the queue" if named else "it is not a URL"
    return f"{what}; use the URL: https://sqs.{region}.amazonaws.com/{rest}"
