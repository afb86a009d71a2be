"""Unknown and missing fields in the arguments of an API call.

The fields come from botocore's models of the services, which are loaded once, when a step calls the service.

Step Functions names fields as the AWS SDK for Java 2 does, with a capital first letter and acronyms as words:
`DbInstanceIdentifier` for the API's `DBInstanceIdentifier`. So names with acronyms are compared without case. That SDK
also has some other names. So in AWS SDK integrations and in nested structures, an unknown name is a mistake only
if it resembles a field. An optimized integration accepts exactly the fields of its API; AWS documents nested fields of
some in the API's own case, such as Batch's `attempts`.

Source: Integrating services, and AWS SDK service integrations (Step Functions developer guide); botocore; the
`customization.config` files of the AWS SDK for Java 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from workflow.asl.checks.optimized_fields import ADDED_FIELDS, ONE_OF, input_of_optimized
from workflow.asl.integration import Integration, integration_of
from workflow.asl.optimized import OPTIMIZED, api_of
from workflow.asl.services import botocore_name, botocore_version, model_of

__all__ = ["fields_of", "input_of", "problems_of_call"]

_OF_JAVA = frozenset(
    """
    actionnames awsaccountids destinationbucket destinationkey sdkparttype sourcebucket sourcekey sourceregion
    sourceversionid
    """.split()  # noqa: SIM905 (shorter than a list)
)
"""Fields that only the SDK for Java has, in lower case. Some of them replace a required field of the API."""

_OTHER_NAMES = frozenset({"AttributeValue"})
"""Shapes whose members have other names in the SDK for Java (`Nul` for DynamoDB's NULL)."""


def problems_of_call(state: Mapping[str, Any]) -> Iterator[str]:
    """Unknown and missing fields in the arguments of a Task. Unknown calls and arguments in JSONata are not checked.

    Args:
        state: A state in Amazon States Language.
    """
    called = integration_of(state)
    found = called and input_of(called)
    if called is None or found is None:
        return
    shape, model = found
    where = "Arguments" if "Arguments" in state or state.get("QueryLanguage") == "JSONata" else "Parameters"
    given = state.get(where, {})
    if isinstance(given, Mapping):
        call = f"{where}: {called.service}:{called.action}"
        yield from _unknown_fields(
            given, shape, call, model, is_exact=not called.is_sdk, is_sdk=called.is_sdk
        )
        yield from _missing_fields(given, shape, call)
        either = () if called.is_sdk else ONE_OF.get(f"{called.service}:{called.action}", ())
        if either and not {key.removesuffix(".$") for key in given} & {*either}:
            yield f"{call} needs {' or '.join(either)}"


def input_of(called: Integration) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The shape of a call's arguments, and the model that has it; None if the call is unknown."""
    service, action = called.service, called.action
    if not called.is_sdk:
        if shape := input_of_optimized(service, action):
            return shape, {"shapes": {"Any": {"type": "string"}}}
        if action not in OPTIMIZED.get(service, {}):
            return None
        service, action = api_of(service, action)
    model = model_of(botocore_name(service) or "")
    operation = model.get("operations", {}).get(action[:1].upper() + action[1:])
    if operation is None:
        return None
    shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {}
    added = {} if called.is_sdk else ADDED_FIELDS.get(f"{called.service}:{called.action}", {})
    return {**shape, "members": {**shape.get("members", {}), **added}} if added else shape, model


def _unknown_fields(
    value: Any,
    shape: Mapping[str, Any],
    call: str,
    model: Mapping[str, Any],
    *,
    is_sdk: bool,
    is_exact: bool = False,
) -> Iterator[str]:
    """Misspelled names in a value and what is nested in it; with `is_exact` also names that resemble no field."""
    kind = shape.get("type", "structure")
    if isinstance(value, list) and kind == "list":
        for item in value:
            yield from _nested(item, shape["member"], call, model, is_sdk=is_sdk)
    elif isinstance(value, Mapping) and kind == "map":
        for item in value.values():
            yield from _nested(item, shape["value"], call, model, is_sdk=is_sdk)
    elif isinstance(value, Mapping) and kind == "structure" and not shape.get("document"):
        fields = fields_of(shape)
        for key, item in value.items():
            name = key.removesuffix(".$")
            field, member = fields.get(name.lower(), ("", {}))
            if not field and name.lower() not in _OF_JAVA and ((close := _close(name, fields)) or is_exact):
                yield f"{call} has no field {name!r}{_suggestion(close, fields, model)}"
            elif field and not _is_written(name, field, (is_sdk or is_exact) or name not in shape["members"]):
                yield f"{call} has no field {name!r}; did you mean {field!r}?"
            elif field and name == key:
                yield from _nested(item, member, call, model, is_sdk=is_sdk)


def _is_written(name: str, field: str, has_capital: bool) -> bool:
    """Whether a name is the field, which begins with a capital, unless the API's own case is accepted."""
    return not has_capital or (name[:1].isupper() and not (_IS_PLAIN.fullmatch(field) and name != field))


def _nested(
    value: Any, member: Mapping[str, str], call: str, model: Mapping[str, Any], *, is_sdk: bool
) -> Iterator[str]:
    if member["shape"] not in _OTHER_NAMES:
        yield from _unknown_fields(value, model["shapes"][member["shape"]], call, model, is_sdk=is_sdk)


def _missing_fields(given: Mapping[str, Any], shape: Mapping[str, Any], call: str) -> Iterator[str]:
    fields = fields_of(shape)
    names = {key.removesuffix(".$").lower() for key in given}
    # A misspelled field is reported as such, not as a missing one.
    matched = names | {_close(name, fields).lower() for name in names if name not in fields}
    missing = [
        fields[name.lower()][0]
        for name in shape.get("required", ())
        # SDKs fill in idempotency tokens.
        if name.lower() not in matched and not shape["members"][name].get("idempotencyToken")
    ]
    if missing and not matched & _OF_JAVA:
        yield f"{call} needs {' and '.join(missing)}"


_IS_PLAIN = re.compile(r"([A-Z][a-z]+[0-9]*)+")
"""Names without acronyms, which both SDKs write alike."""


def fields_of(shape: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The members of a structure by their names in lower case: the name in Step Functions, and botocore's member."""
    return {
        name.lower(): (name[:1].upper() + name[1:], member)
        for name, member in shape.get("members", {}).items()
    }


def _close(name: str, fields: Mapping[str, tuple[str, Any]]) -> str:
    close = get_close_matches(name.lower(), fields, 1, 0.75)
    return fields[close[0]][0] if close else ""


def _suggestion(close: str, fields: Mapping[str, tuple[str, Any]], model: Mapping[str, Any]) -> str:
    if close:
        return f"; did you mean {close!r}?"
    known = ", ".join(sorted(name for name, _ in fields.values())) or "none"
    return f"; its fields are {known}" + (
        f" (in botocore {botocore_version()})" if "metadata" in model else ""
    )
