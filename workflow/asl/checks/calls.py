"""What a step hands to an API, compared with what the API takes: fields that it does not have, and those it needs.

botocore's models of the services say both. They are read when a step calls the service, and once.

Step Functions names fields after the AWS SDK for Java 2, beginning with a capital and with acronyms as words:
`DbInstanceIdentifier` for the API's `DBInstanceIdentifier`. So a name with an acronym is compared without its case.
That SDK has some names of its own, too. So in AWS SDK integrations, and within a field, only what is nearly the name of
another field is taken for a mistake; an optimized integration takes what its API does.

Source: Integrating services, and AWS SDK service integrations (Step Functions developer guide); botocore; the
`customization.config` files of the AWS SDK for Java 2.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from workflow.asl.integration import integration_of

__all__ = ["actions_of", "problems_of_call"]

_OPTIMIZED = {
    "dynamodb:deleteItem": "dynamodb",
    "dynamodb:getItem": "dynamodb",
    "dynamodb:putItem": "dynamodb",
    "dynamodb:updateItem": "dynamodb",
    "events:putEvents": "eventbridge",
    "glue:startJobRun": "glue",
    "lambda:invoke": "lambda",
    "sns:publish": "sns",
    "sqs:sendMessage": "sqs",
    "states:startExecution": "sfn",
}
"""Optimized integrations that take the fields of the API, with the service as AWS SDK integrations call it."""

_BOTOCORE_NAMES = {
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "elasticloadbalancingv2": "elbv2",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "lexruntimev2": "lexv2-runtime",
    "sfn": "stepfunctions",
}
"""Services of AWS SDK integrations that botocore knows by another name than theirs without hyphens."""

_FILLED_IN = {"glacier": ["accountId"]}
"""Members that an API needs and an SDK fills in, by service; tokens of idempotency are, too."""

_OF_JAVA = frozenset(
    """
    actionnames awsaccountids destinationbucket destinationkey sdkparttype sourcebucket sourcekey sourceregion
    sourceversionid
    """.split()  # noqa: SIM905 (the words are what matters)
)
"""Fields that only the SDK for Java has, in small letters; some of them stand for one that the API needs."""

_OTHER_NAMES = frozenset({"AttributeValue"})
"""Shapes whose members the SDK for Java calls otherwise (`Nul` for DynamoDB's NULL)."""


def actions_of(service: str) -> set[str]:
    """The actions of a service, in camelCase; none if it is not known."""
    return {action[:1].lower() + action[1:] for action in _model(service).get("operations", {})}


def problems_of_call(state: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments of a Task; nothing of a call that is not known, or of arguments in JSONata.

    Args:
        state: in Amazon States Language.
    """
    called = integration_of(state)
    if called is None:
        return
    service, action, is_sdk = called.service, called.action, called.is_sdk
    model = _model(service if is_sdk else _OPTIMIZED.get(f"{service}:{action}", ""))
    operation = model.get("operations", {}).get(action[:1].upper() + action[1:])
    if operation is None:
        return
    where = "Arguments" if "Arguments" in state or state.get("QueryLanguage") == "JSONata" else "Parameters"
    given = state.get(where, {})
    shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {"members": {}}
    if isinstance(given, Mapping):
        yield from _problems(given, shape, f"{where}: {service}:{action}", model, is_exact=not is_sdk)


def _problems(
    given: Mapping[str, Any], shape: Mapping[str, Any], call: str, model: Mapping[str, Any], *, is_exact: bool
) -> Iterator[str]:
    fields = _fields(shape)
    named = {key.removesuffix(".$") for key in given}
    meant = {name.lower() for name in named}
    for name in sorted(named):
        if name.lower() in fields or name.lower() in _OF_JAVA:
            continue
        close = _close(name, fields)
        if close or is_exact:
            meant.add(close.lower())
            yield f"{call} has no field {name!r}{_instead(close, fields)}"
    absent = [fields[name] for name in _needed(shape, model) if name not in meant]
    if absent and not meant & _OF_JAVA:
        yield f"{call} needs {' and '.join(absent)}"
    yield from _within(given, shape, call, model)


def _within(value: Any, shape: Mapping[str, Any], call: str, model: Mapping[str, Any]) -> Iterator[str]:
    """Misspelt names in a value, and in what it holds; the case of names that are there, too."""
    kind = shape.get("type", "structure")
    if isinstance(value, list) and kind == "list":
        for item in value:
            yield from _nested(item, shape["member"]["shape"], call, model)
    elif isinstance(value, Mapping) and kind == "map":
        for item in value.values():
            yield from _nested(item, shape["value"]["shape"], call, model)
    elif isinstance(value, Mapping) and kind == "structure" and not shape.get("document"):
        fields = _fields(shape)
        for key, item in value.items():
            name = key.removesuffix(".$")
            field = fields.get(name.lower())
            if field is None:
                continue
            if not name[:1].isupper() or (_IS_PLAIN.fullmatch(field) and name != field):
                yield f"{call} has no field {name!r}; did you mean {field!r}?"
            if name == key:
                member = next(one for at, one in shape["members"].items() if at.lower() == name.lower())
                yield from _nested(item, member["shape"], call, model)


def _nested(value: Any, name: str, call: str, model: Mapping[str, Any]) -> Iterator[str]:
    if name in _OTHER_NAMES:
        return
    shape = model["shapes"][name]
    if isinstance(value, Mapping) and shape["type"] == "structure" and not shape.get("document"):
        fields = _fields(shape)
        for key in value:
            if key.removesuffix(".$").lower() not in fields and (close := _close(key, fields)):
                yield f"{call} has no field {key.removesuffix('.$')!r} there; did you mean {close!r}?"
    yield from _within(value, shape, call, model)


_IS_PLAIN = re.compile(r"([A-Z][a-z]+[0-9]*)+")
"""Names that have no acronym: both SDKs write them alike."""


def _fields(shape: Mapping[str, Any]) -> dict[str, str]:
    """The members of a structure as Step Functions names them, by their names in small letters."""
    return {name.lower(): name[:1].upper() + name[1:] for name in shape.get("members", {})}


def _needed(shape: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[str]:
    filled_in = _FILLED_IN.get(model["metadata"]["endpointPrefix"], [])
    for name in shape.get("required", ()):
        if name not in filled_in and not shape["members"][name].get("idempotencyToken"):
            yield name.lower()


def _close(name: str, fields: Mapping[str, str]) -> str:
    close = get_close_matches(name.removesuffix(".$").lower(), fields, 1, 0.75)
    return fields[close[0]] if close else ""


def _instead(close: str, fields: Mapping[str, str]) -> str:
    if close:
        return f"; did you mean {close!r}?"
    import botocore

    known: Collection[str] = sorted(fields.values())
    there = f"it has {', '.join(known)}" if known else "it has none"
    return f"; {there} (as botocore {botocore.__version__} knows it)"


@cache
def _model(service: str) -> Mapping[str, Any]:
    """botocore's model of a service, as AWS SDK integrations call it; empty if it is not known."""
    from botocore.loaders import Loader

    loader = Loader()
    available = loader.list_available_services("service-2")
    plain = {known.replace("-", ""): known for known in available}
    known = _BOTOCORE_NAMES.get(service) or plain.get(service)
    model: Mapping[str, Any] = loader.load_service_model(known, "service-2") if known in available else {}
    return model
