"""Functions, services, actions and resources of a Task that do not exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from workflow.asl.checks.arns import why_not_arn
from workflow.asl.checks.problem import Severity, hint, similar
from workflow.asl.integration import FORMS, Integration, arguments_of, integration_of
from workflow.asl.optimized import OPTIMIZED, api_of, integration_for
from workflow.asl.services import actions_of, botocore_version, is_stream, services
from workflow.asl.walk import State

__all__ = ["problems_of_function", "problems_of_resource"]


def problems_of_function(state: State, functions: Collection[str]) -> Iterator[str]:
    """A function of `lambdas/` that does not exist. ARNs and names computed at run time are not checked."""
    called = integration_of(state)
    if not functions or called is None or (called.service, called.action) != ("lambda", "invoke"):
        return
    arguments = arguments_of(state)
    function = arguments.get("FunctionName") if isinstance(arguments, Mapping) else None
    if not isinstance(function, str) or ":" in function or function.startswith("{%"):
        return
    name = re.sub(r"^\$\{(\w+?)(Arn)?\}$", r"\1", function)
    if _plain(name) not in {_plain(known) for known in functions}:
        yield f"the function {name!r} does not exist{hint(name, functions)}"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def problems_of_resource(state: State, *, is_declared: bool = False) -> Iterator[tuple[str, Severity]]:
    """A Task's or a Map's resource that Step Functions does not have.

    botocore can be older than AWS. So a service or an action that it does not know is only a warning if the user
    declares the step's permissions, unless the name resembles a known one.

    Args:
        state: A state in Amazon States Language.
        is_declared: Whether the user's file declares permissions for the state.

    Yields:
        Messages, with their severity.
    """
    if state.get("Type") == "Map":
        yield from _problems_of_map(state)
    resource = state.get("Resource")
    if state.get("Type") != "Task" or not isinstance(resource, str) or resource.startswith("${"):
        return
    called = integration_of(state)
    if called is None:
        if why := _why_no_resource(resource):
            yield f"Resource {resource!r} is invalid: {why}", "error"
    elif why := why_not_arn(resource):
        yield f"Resource {resource!r} is invalid: {why}", "error"
    elif called.is_sdk:
        yield from _problems_of_sdk(called, is_declared=is_declared)
    elif why := _why_not_optimized(called):
        # An integration can be newer than the table. Its action then is one of the API, or resembles nothing.
        is_new = called.action not in OPTIMIZED.get(called.service, {}) and "did you mean" not in why
        yield why, "warning" if is_declared and is_new else "error"


def _why_no_resource(resource: str) -> str:
    """Why a resource that is no integration is no function or activity either; "" if it is one."""
    parts = re.sub(r"\$\{[^}]*\}", "x", resource).split(":")
    if (parts[:1] == ["arn"] and parts[2:3] == ["lambda"]) or ":function:" in resource:
        return why_not_arn(resource, "lambda", "function:NAME")
    if ":stateMachine:" in resource:
        return "to start a state machine, use arn:aws:states:::states:startExecution (StepFunctionsStartExecutionStep)"
    if ":activity:" in resource or (len(parts) == 7 and similar(parts[5], ["activity"], _CLOSE)):
        return why_not_arn(resource, "states", "activity:NAME")
    # The colons or the beginning may be wrong: what remains names an integration.
    named = re.search(r"(aws-sdk:)?([\w-]+):(\w+(?:\.\w+(?::2)?)?)$", resource)
    if named and (meant := _meant(named[2], named[3])):
        return f"did you mean {meant!r}?"
    expected = "the ARN of an integration (arn:aws:states:::sns:publish), a function or an activity"
    return why_not_arn(resource) or f"it is not {expected}"


def _meant(service: str, action: str) -> str:
    """The resource with the names that these resemble; "" if there is none."""
    action, dot, form = action.partition(".")
    for prefix, known, actions in (
        ("", OPTIMIZED, lambda name: OPTIMIZED[name]),
        ("aws-sdk:", services(), actions_of),
    ):
        name = similar(service, known, _CLOSE)
        if name and (found := similar(action, actions(name), _CLOSE)):
            return f"arn:aws:states:::{prefix}{name}:{found}{dot}{form}"
    return ""


_CLOSE = 0.8
"""How similar two names are that are the same name, misspelled."""


# AWS SDK integrations


def _problems_of_sdk(called: Integration, *, is_declared: bool) -> Iterator[tuple[str, Severity]]:
    service, action = called.service, called.action
    if service not in services():
        close = _similar_service(service)
        if not close and action in OPTIMIZED.get(service, {}):
            close = f"arn:aws:states:::{service}:{action}"
        yield _unknown(
            f"there is no service {service!r} in AWS SDK integrations", close, is_declared=is_declared
        )
    elif action not in actions_of(service):
        actions = actions_of(service)
        close = similar(action, actions, _CLOSE) or _beginning(action, actions) or _sibling(service, action)
        message = f"the service {service} has no action {action!r}"
        yield _unknown(message, close, is_declared=is_declared, hint=hint(action, actions))
    elif is_stream(service, action):
        without = re.sub(r"(WithResponse|WithBidirectional)?Stream$", "", action)
        instead = f"; use {without!r}" if without != action and without in actions_of(service) else ""
        if optimized := integration_for(service, action):
            instead = f"; use {optimized!r}"
        yield f"{service}:{action} is a stream, which Step Functions does not support{instead}", "error"
    elif called.form not in ("", ".waitForTaskToken"):
        yield _why_no_form(called, ("", ".waitForTaskToken")), "error"


def _unknown(message: str, close: str, *, is_declared: bool, hint: str = "") -> tuple[str, Severity]:
    """A name that botocore does not know: a mistake, unless nothing is like it and the user declares permissions."""
    if close:
        return f"{message}; did you mean {close!r}?", "error"
    newer = f" (in botocore {botocore_version()}); if it is newer, upgrade boto3"
    return message + (hint or newer), "warning" if is_declared else "error"


def _beginning(action: str, actions: Collection[str]) -> str:
    """The longest action that a name begins with: `invoke` for `invokeFunction`, the name in IAM."""
    return max((one for one in actions if action.startswith(one)), key=len, default="")


def _sibling(service: str, action: str) -> str:
    """The resource of an action that another part of the service has: `bedrockruntime:converse` for `bedrock`."""
    optimized = OPTIMIZED.get(service, {})
    if close := similar(action, optimized, _CLOSE):
        return f"arn:aws:states:::{service}:{close}"
    others = (name for name in services() if name.startswith(service) and name != service)
    found = ((name, similar(action, actions_of(name), _CLOSE)) for name in others)
    return next((f"arn:aws:states:::aws-sdk:{name}:{close}" for name, close in found if close), "")


def _similar_service(name: str) -> str:
    """The service that is meant: by its name in boto3, in an optimized integration, or by a similar name."""
    plain = name.replace("-", "").lower()
    if plain in services():
        return plain
    by_folder = {folder.replace("-", ""): known for known, folder in services().items()}
    api, _ = api_of(name.lower(), "")
    return by_folder.get(plain) or (api if api in services() else "") or similar(plain, services(), _CLOSE)


def _why_no_form(called: Integration, forms: Collection[str]) -> str:
    name = f"{'aws-sdk:' if called.is_sdk else ''}{called.service}:{called.action}"
    supported = [form for form in forms if form]
    if close := similar(called.form, supported, 0.7):
        return f"there is no {called.form!r}; did you mean {close!r}?"
    form = similar(called.form, [form for form in FORMS if form], 0.7)
    if called.is_sdk and form and (waiting := integration_for(called.service, called.action, form)):
        return f"{name} does not support {called.form!r}: use {waiting!r}"
    return (
        f"{name} does not support {called.form!r}: it supports {' and '.join(supported) or 'none; remove it'}"
    )


# Optimized integrations


def _why_not_optimized(called: Integration) -> str:
    service, action = called.service, called.action
    if service not in OPTIMIZED:
        return _why_no_service(service, action)
    actions = OPTIMIZED[service]
    if action in actions:
        return "" if called.form in actions[action] else _why_no_form(called, actions[action])
    api, called_action = api_of(service, action)
    if called_action in actions_of(api):
        return f"{service}:{action} is no optimized integration; use {_sdk(api, called_action)}"
    close = similar(action, actions, _CLOSE) or _beginning(action, actions)
    if not close and (of_api := similar(action, actions_of(api), _CLOSE)):
        close = f"arn:aws:states:::aws-sdk:{api}:{of_api}"
    close = close or _sibling(service, action) or similar(action, actions)
    return f"the service {service} has no action {action!r}" + (f"; did you mean {close!r}?" if close else "")


def _why_no_service(service: str, action: str) -> str:
    close = similar(service, OPTIMIZED, _CLOSE)
    if close and close.lower() == service.lower():
        return f"there is no service {service!r}; did you mean {close!r}?"
    known = _similar_service(service)
    found = similar(action, actions_of(known), _CLOSE) if known else ""
    optimized = integration_for(known, found) or _optimized_by_api(known, action)
    if optimized:
        return f"there is no service {service!r}; did you mean {optimized!r}?"
    if found and known == service and found == action:
        return f"{service}:{action} is no optimized integration; use {_sdk(service, action)}"
    if found and (not close or found not in OPTIMIZED[close]):
        return f"there is no service {service!r}; did you mean {_sdk(known, found)}?"
    if close or known:
        return f"there is no service {service!r}; did you mean {close or known!r}?"
    return f"there is no service {service!r}; the optimized integrations are {', '.join(OPTIMIZED)}"


def _optimized_by_api(api: str, action: str) -> str:
    """The optimized integration of a service by its name in AWS SDK integrations: `elasticmapreduce` for `emr`."""
    names = [name for name in OPTIMIZED if api_of(name, action)[0] == api]
    return next((f"arn:aws:states:::{name}:{action}" for name in names if action in OPTIMIZED[name]), "")


def _sdk(service: str, action: str) -> str:
    return f"'arn:aws:states:::aws-sdk:{service}:{action}'"


# Maps


def _problems_of_map(state: State) -> Iterator[tuple[str, Severity]]:
    for field, actions in (("ItemReader", ("getObject", "listObjectsV2")), ("ResultWriter", ("putObject",))):
        part: Any = state.get(field)
        resource = part.get("Resource") if isinstance(part, Mapping) else None
        if isinstance(resource, str) and not resource.startswith("${"):
            named = re.fullmatch(r"arn:.*:states:::s3:(\w+)", resource)
            if not named or named[1] not in actions or why_not_arn(resource):
                can = " or ".join(f"'arn:aws:states:::s3:{action}'" for action in actions)
                yield f"{field}: Resource {resource!r} is invalid; use {can}", "error"
