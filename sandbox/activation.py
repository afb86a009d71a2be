"""Activation conditions of a flow definition: they decide whether workers review a prediction.

The flow definition of a built-in task has a JSON document of conditions. Amazon A2I evaluates all of them against the
prediction, starts a human loop if any of `Conditions` is true, and shows workers what matched.
(https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-human-fallback-conditions-json-schema.html)

The documentation leaves three points open. In the sandbox, a form key must equal the condition's key or an alias
exactly (Textract keeps the colon of "Name:"). A comparison of word confidences is true if it is true for any word of
the key or the value. `And` shows workers what all of its parts match.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdas.reviews.output import REKOGNITION, TEXTRACT

__all__ = ["Decision", "FormPrediction", "ModerationPrediction", "Prediction", "check_conditions", "decide"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_MAX_NESTING = 2
"""How many levels of And and Or A2I supports."""


_ConditionTypes = dict[str, Callable[[Mapping[str, Any]], "set[str] | None"]]
"""Condition type → function that returns the items that match its parameters, or None if it is false."""


@dataclass(frozen=True)
class Decision:
    """Whether workers review a prediction, and why.

    Attributes:
        needed: Whether to start a human loop.
        conditions: The flow definition's conditions, each with its `EvaluationResult`.
        selected: The items of the prediction that workers are shown.
    """

    needed: bool
    conditions: dict[str, Any]
    selected: set[str]


def decide(conditions: str | None, prediction: Prediction) -> Decision:
    """Evaluates the conditions of a flow definition.

    Args:
        conditions: The HumanLoopActivationConditions, checked by `check_conditions`. With None, every prediction is
            reviewed.
        prediction: The prediction.
    """
    document = json.loads(conditions) if conditions else {}
    if not document.get("Conditions"):
        return Decision(True, {"Conditions": []}, set(prediction.everything))
    results = [_evaluate(condition, prediction) for condition in document["Conditions"]]
    true = [items for _, items in results if items is not None]
    return Decision(bool(true), {"Conditions": [result for result, _ in results]}, set().union(*true))


def _evaluate(condition: Mapping[str, Any], prediction: Prediction) -> tuple[dict[str, Any], set[str] | None]:
    """Returns the condition with its results, and the items that it matches, or None if it is false."""
    for operator_name in ("And", "Or"):
        if operator_name not in condition:
            continue
        results = [_evaluate(part, prediction) for part in condition[operator_name]]
        parts, matches = [part for part, _ in results], [items for _, items in results if items is not None]
        items: set[str] | None = None
        if operator_name == "Or" and matches:
            items = set().union(*matches)
        elif operator_name == "And" and len(matches) == len(results):
            # The parts may match different items, or none (a missing key). Then show the items of each part.
            items = set.intersection(*matches) or set().union(*matches)
        return {"EvaluationResult": items is not None, operator_name: parts}, items
    kind, parameters = condition["ConditionType"], condition.get("ConditionParameters", {})
    if kind == "Sampling":
        sampled = _is_sampled(parameters["RandomSamplingPercentage"], prediction.fingerprint)
        items = set(prediction.everything) if sampled else None
    else:
        items = prediction.condition_types[kind](parameters)
    return {**condition, "EvaluationResult": items is not None}, items


def _is_sampled(percentage: float, fingerprint: str) -> bool:
    # From the A2I documentation: "If you send the same request multiple times, the result of Sampling does not change."
    digest = hashlib.sha256(fingerprint.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100 < percentage


@dataclass
class FormPrediction:
    """The response of Textract's AnalyzeDocument. Its items are the IDs of the key blocks."""

    blocks: Sequence[Mapping[str, Any]]
    fingerprint: str = ""
    everything: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {block["Id"]: block for block in self.blocks}
        self.keys = {
            block["Id"]: self.text(block) for block in self.blocks if "KEY" in block.get("EntityTypes", ())
        }
        self.everything = set(self.keys)
        self.condition_types: _ConditionTypes = {
            "ImportantFormKeyConfidenceCheck": self._check_confidence,
            "MissingImportantFormKey": self._check_missing,
        }

    def block(self, block_id: str) -> Mapping[str, Any]:
        """Returns the block with an ID."""
        return self._by_id[block_id]

    def related(self, block: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
        """Returns the blocks that a block is related to: by `CHILD` or, from key to value, by `VALUE`."""
        return [
            self._by_id[related]
            for relationship in block.get("Relationships", ())
            if relationship["Type"] == kind
            for related in relationship["Ids"]
            if related in self._by_id
        ]

    def text(self, block: Mapping[str, Any]) -> str:
        """Returns the words of a key or a value."""
        return " ".join(child["Text"] for child in self.related(block, "CHILD") if child.get("Text"))

    def select(self, keys: set[str]) -> list[Mapping[str, Any]]:
        """Returns the blocks of some keys: key, value, and the words and check boxes of both."""
        wanted = keys | {part["Id"] for key in keys for part in self._parts(key)}
        return [block for block in self.blocks if block["Id"] in wanted]

    def _parts(self, key: str) -> list[Mapping[str, Any]]:
        block = self._by_id[key]
        values = self.related(block, "VALUE")
        children = [child for parent in (block, *values) for child in self.related(parent, "CHILD")]
        return [*values, *children]

    def _check_confidence(self, parameters: Mapping[str, Any]) -> set[str] | None:
        matches = {
            key
            for key in self._important(parameters)
            if _compare(parameters, "KeyValueBlockConfidence", [self._by_id[key].get("Confidence", 0.0)])
            and _compare(parameters, "WordBlockConfidence", self._word_confidences(key))
        }
        return matches or None

    def _check_missing(self, parameters: Mapping[str, Any]) -> set[str] | None:
        # A missing key is true and matches no item: workers are shown the whole document, without fields.
        return None if self._important(parameters) else set()

    def _important(self, parameters: Mapping[str, Any]) -> list[str]:
        names = {parameters.get("ImportantFormKey"), *parameters.get("ImportantFormKeyAliases", ())}
        return [key for key, text in self.keys.items() if "*" in names or text in names]

    def _word_confidences(self, key: str) -> list[float]:
        return [part.get("Confidence", 0.0) for part in self._parts(key) if part["BlockType"] == "WORD"]


@dataclass
class ModerationPrediction:
    """The response of Rekognition's DetectModerationLabels. Its items are the names of the labels."""

    labels: Sequence[Mapping[str, Any]]
    fingerprint: str = ""
    everything: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.everything = {label["Name"] for label in self.labels}
        self.condition_types: _ConditionTypes = {"ModerationLabelConfidenceCheck": self._check_confidence}

    def select(self, names: set[str]) -> list[Mapping[str, Any]]:
        """Returns the labels with some names."""
        return [label for label in self.labels if label["Name"] in names]

    def _check_confidence(self, parameters: Mapping[str, Any]) -> set[str] | None:
        wanted = parameters.get("ModerationLabelName")
        matches = {
            label["Name"]
            for label in self.labels
            if wanted in ("*", label["Name"]) and _compare(parameters, "Confidence", [label["Confidence"]])
        }
        return matches or None


Prediction = FormPrediction | ModerationPrediction
"""A prediction, as items that conditions match and workers review. The same `fingerprint` is always sampled alike."""


def _compare(parameters: Mapping[str, Any], prefix: str, confidences: Sequence[float]) -> bool:
    """Returns whether each comparison with this prefix is true for at least one of the confidences."""
    return all(
        any(holds(confidence, parameters[prefix + name]) for confidence in confidences)
        for name, holds in _COMPARISONS.items()
        if prefix + name in parameters
    )


# Checks a document when a flow definition is created, so that the code above meets only valid conditions.

_PARAMETERS: dict[str, tuple[set[str], set[str]]] = {
    # Condition type → the parameters that name something, and the parameters that are numbers.
    "ImportantFormKeyConfidenceCheck": (
        {"ImportantFormKey", "ImportantFormKeyAliases"},
        {p + c for p in ("KeyValueBlockConfidence", "WordBlockConfidence") for c in _COMPARISONS},
    ),
    "MissingImportantFormKey": ({"ImportantFormKey", "ImportantFormKeyAliases"}, set()),
    "ModerationLabelConfidenceCheck": ({"ModerationLabelName"}, {"Confidence" + c for c in _COMPARISONS}),
    "Sampling": (set(), {"RandomSamplingPercentage"}),
}
_REQUIRED = {
    "ImportantFormKeyConfidenceCheck": "ImportantFormKey",
    "MissingImportantFormKey": "ImportantFormKey",
    "ModerationLabelConfidenceCheck": "ModerationLabelName",
    "Sampling": "RandomSamplingPercentage",
}
_TYPES_BY_SOURCE = {
    TEXTRACT: {"ImportantFormKeyConfidenceCheck", "MissingImportantFormKey", "Sampling"},
    REKOGNITION: {"ModerationLabelConfidenceCheck", "Sampling"},
}


def check_conditions(conditions: str, source: str) -> None:
    """Checks a HumanLoopActivationConditions document.

    Args:
        conditions: The document, as JSON.
        source: The flow definition's AwsManagedHumanLoopRequestSource.

    Raises:
        ValueError: The document is invalid. The message says what is wrong, and where.
    """
    try:
        document = json.loads(conditions)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"invalid JSON: {error}") from None
    listed = document.get("Conditions") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the list 'Conditions' is missing")
    for index, condition in enumerate(listed):
        _check(condition, f"Conditions[{index}]", _TYPES_BY_SOURCE[source], 0)


def _check(condition: Any, where: str, types: set[str], depth: int) -> None:
    if not isinstance(condition, dict):
        raise ValueError(f"{where} is not an object")
    for operator_name in ("And", "Or"):
        if operator_name in condition:
            parts = condition[operator_name]
            if len(condition) > 1:
                raise ValueError(f"{where} has other keys in addition to {operator_name}")
            if depth == _MAX_NESTING:
                raise ValueError(f"{where}: And and Or can be nested in at most {_MAX_NESTING} levels")
            if not isinstance(parts, list) or len(parts) < 2:
                raise ValueError(f"{where}.{operator_name} is not a list of two or more conditions")
            for index, part in enumerate(parts):
                _check(part, f"{where}.{operator_name}[{index}]", types, depth + 1)
            return
    kind = condition.get("ConditionType")
    if not isinstance(kind, str) or kind not in types:
        raise ValueError(f"invalid {where}.ConditionType: {kind!r}; use {', '.join(sorted(types))}")
    parameters = condition.get("ConditionParameters", {})
    names, numbers = _PARAMETERS[kind]
    if not isinstance(parameters, dict) or _REQUIRED[kind] not in parameters:
        raise ValueError(f"{where}.ConditionParameters has no {_REQUIRED[kind]}")
    for name, value in parameters.items():
        _check_parameter(name, value, f"{where}.ConditionParameters.{name}", names, numbers)


def _check_parameter(name: str, value: Any, where: str, names: set[str], numbers: set[str]) -> None:
    if name in numbers:
        minimum = 0.01 if name == "RandomSamplingPercentage" else 0
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= 100:
            raise ValueError(f"{where} is not a number from {minimum} to 100")
    elif name == "ImportantFormKeyAliases" and name in names:
        if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
            raise ValueError(f"{where} is not a list of strings")
    elif name in names:
        if not isinstance(value, str):
            raise ValueError(f"{where} is not a string")
    else:
        raise ValueError(f"unknown parameter {where}; use {', '.join(sorted(names | numbers))}")
