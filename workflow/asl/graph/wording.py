"""The labels of boxes and arrows: short texts from the machine itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from workflow.asl.integration import arguments_of, integration_of
from workflow.asl.walk import State, Way, is_distributed

__all__ = ["label_of", "meaning_of", "note_of"]


# Arrows


def label_of(way: Way) -> str:
    """A short text for when a way is taken; empty if the arrow needs none."""
    if way.kind == "choice":
        return _short(str(way.of.get("Comment") or _condition(way.of)))
    if way.kind == "catch":
        errors = _errors(way)
        every = errors == ["States.ALL"]
        return "" if every else _short(", ".join(error.rpartition(".")[2] for error in errors))
    return "otherwise" if way.kind == "default" else ""


def meaning_of(way: Way) -> str:
    """The full text for when a way is taken."""
    if way.kind == "choice":
        return _condition(way.of)
    if way.kind == "catch":
        errors = _errors(way)
        return f"on {'any error' if errors == ['States.ALL'] else ', '.join(errors)}"
    return "if no rule matches" if way.kind == "default" else ""


def _errors(way: Way) -> list[str]:
    return [str(error) for error in way.of.get("ErrorEquals", ())]


def _condition(rule: Mapping[str, Any]) -> str:
    """A rule of a Choice in a few words."""
    if "Condition" in rule:
        expression = re.sub(r"^\{%\s*|\s*%\}$", "", str(rule["Condition"]))
        return re.sub(r"\s+", " ", expression.replace("$states.input.", ""))
    for word in ("And", "Or"):
        if word in rule:
            return f" {word.lower()} ".join(
                f"({_condition(part)})" if {"And", "Or"} & part.keys() else _condition(part)
                for part in rule[word]
            )
    if "Not" in rule:
        return f"not ({_condition(rule['Not'])})"
    variable = _last(str(rule.get("Variable", "")))
    for operator, value in rule.items():
        if operator in ("Variable", "Next", "Comment", "Assign", "Output"):
            continue
        if operator.startswith("Is"):
            kind = operator.removeprefix("Is").lower()
            predicate = kind if kind in ("present", "null", "numeric") else f"a {kind}"
            return f"{variable} {'is' if value else 'is not'} {predicate}"
        if operator == "BooleanEquals":
            return variable if value else f"not {variable}"
        compared = _last(str(value)) if operator.endswith("Path") else json.dumps(value, ensure_ascii=False)
        plain = re.sub(r"^(String|Numeric|Boolean|Timestamp)|Path$", "", operator)
        return f"{variable} {_OPERATORS.get(plain, plain.lower())} {compared}"
    return variable


_OPERATORS = {
    "Equals": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "≤",
    "GreaterThanEquals": "≥",
}


def _last(path: str) -> str:
    """The last name of a JSONPath."""
    names = re.findall(r"[^.\[\]'\"$]+", path)
    return names[-1] if names else path


# Boxes


def note_of(state: State) -> str:
    """What a state does: the small text under its name."""
    kind = state["Type"]
    if kind == "Task":
        return _short(_called(state))
    if kind == "Wait":
        path = state.get("SecondsPath") or state.get("TimestampPath") or ""
        seconds = state.get("Seconds")
        if isinstance(seconds, int | float):
            return f"{seconds} s"
        return _short(f"until {state['Timestamp']}" if "Timestamp" in state else _last(path) or "computed")
    if kind == "Map":
        return "for each item, distributed" if is_distributed(state) else "for each item"
    return "in parallel" if kind == "Parallel" else ""


_SERVICES = {
    "lambda": "Lambda",
    "sns": "SNS",
    "sqs": "SQS",
    "events": "EventBridge",
    "dynamodb": "DynamoDB",
    "glue": "Glue",
    "states": "Step Functions",
    "sagemaker": "SageMaker",
    "sagemakera2iruntime": "A2I",
}


def _called(state: State) -> str:
    called = integration_of(state)
    if called is None:
        resource = str(state.get("Resource", ""))
        return f"Lambda {_function(resource)}" if ":function:" in resource else resource.rpartition(":")[2]
    arguments = arguments_of(state)
    if called.service == "lambda" and isinstance(arguments, Mapping):
        return f"Lambda {_function(str(arguments.get('FunctionName', '')))}".strip()
    waits = " and wait" if called.form else ""
    return f"{_SERVICES.get(called.service, called.service)} {called.action}{waits}"


def _function(named: str) -> str:
    """A function's name from `${CollectReviewArn}`, a name or an ARN, without version, alias and stage prefix."""
    placeholder = re.fullmatch(r"\$\{(.+?)(Arn)?\}", named)
    if placeholder:
        return placeholder[1]
    name = re.search(r"(?:^|:function:)([\w-]+)(:[^:]*)?$", named)
    # Names of stages are lower case; the stack's functions begin with a capital letter.
    return re.sub(r"^afterloop-[a-z0-9-]+-(?=[A-Z]\w*$)", "", name[1] if name else named)


def _short(text: str) -> str:
    return text if len(text) <= 34 else text[:33].rstrip() + "…"
