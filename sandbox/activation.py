"""Activation conditions of a flow definition: does this prediction need people?

A flow definition of a built-in task holds a JSON document of conditions. Amazon A2I evaluates all of them
against the prediction, starts a human loop if any of `Conditions` is true, and shows people what matched.
(https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-human-fallback-conditions-json-schema.html)

Where the documentation leaves a choice, this is what the sandbox does: a form key must equal the condition's
key or an alias, as read (Textract keeps the colon of "Name:"); a comparison of word confidences holds
when it holds for any word of key or value; `And` shows people what all of its parts match.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Decision", "FormPrediction", "ModerationPrediction", "Prediction", "check_conditions", "decide"]

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_MAX_NESTING = 2
"""Levels of And and Or that A2I supports."""


_ConditionTypes = dict[str, Callable[[Mapping[str, Any]], "set[str] | None"]]


class Prediction(Protocol):
    """What a service predicted, as items that conditions match and people review."""

    condition_types: _ConditionTypes
    """By condition type: the items that match its parameters, or None when the condition is false."""

    everything: set[str]
    """All items."""

    fingerprint: str
    """Of the request and the prediction; the same one is always sampled alike."""


@dataclass(frozen=True)
class Decision:
    """Whether people review a prediction, and why.

    Attributes:
        needed: whether a human loop is to be started.
        conditions: the flow definition's conditions, each with its `EvaluationResult`.
        selected: the items of the prediction that people are shown.
    """

    needed: bool
    conditions: dict[str, Any]
    selected: set[str]


def decide(conditions: str | None, prediction: Prediction) -> Decision:
    """Evaluates the conditions of a flow definition.

    Args:
        conditions: its HumanLoopActivationConditions, checked by `check_conditions`; None when it has none,
            which sends every prediction to people.
        prediction: what the service predicted.
    """
    document = json.loads(conditions) if conditions else {}
    if not document.get("Conditions"):
        return Decision(True, {"Conditions": []}, set(prediction.everything))
    results = [_evaluate(condition, prediction) for condition in document["Conditions"]]
    true = [items for _, items in results if items is not None]
    return Decision(bool(true), {"Conditions": [result for result, _ in results]}, set().union(*true))


def _evaluate(condition: Mapping[str, Any], prediction: Prediction) -> tuple[dict[str, Any], set[str] | None]:
    """The condition with its results, and the items that it matches: None when it is false."""
    for joint in ("And", "Or"):
        if joint not in condition:
            continue
        results = [_evaluate(part, prediction) for part in condition[joint]]
        parts, matches = [part for part, _ in results], [items for _, items in results if items is not None]
        items: set[str] | None = None
        if joint == "Or" and matches:
            items = set().union(*matches)
        elif joint == "And" and len(matches) == len(results):
            items = set.intersection(*matches) or set().union(*matches)
        return {"EvaluationResult": items is not None, joint: parts}, items
    kind, parameters = condition["ConditionType"], condition.get("ConditionParameters", {})
    if kind == "Sampling":
        sampled = _is_sampled(parameters["RandomSamplingPercentage"], prediction.fingerprint)
        items = set(prediction.everything) if sampled else None
    else:
        items = prediction.condition_types[kind](parameters)
    return {**condition, "EvaluationResult": items is not None}, items


def _is_sampled(percentage: float, fingerprint: str) -> bool:
    # "If you send the same request multiple times, the result of Sampling does not change."
    digest = hashlib.sha256(fingerprint.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100 < percentage


@dataclass
class FormPrediction:
    """Textract's answer to AnalyzeDocument: items are the ids of its key blocks."""

    blocks: Sequence[Mapping[str, Any]]
    fingerprint: str = ""
    everything: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {block["Id"]: block for block in self.blocks}
        self._keys = [block for block in self.blocks if "KEY" in block.get("EntityTypes", ())]
        self.everything = {key["Id"] for key in self._keys}
        self.condition_types: _ConditionTypes = {
            "ImportantFormKeyConfidenceCheck": self._check_confidence,
            "MissingImportantFormKey": self._check_missing,
        }

    def select(self, keys: set[str]) -> list[Mapping[str, Any]]:
        """The blocks that belong to these keys: key, value, and the words and check boxes of both."""
        wanted: set[str] = set()
        for key in keys:
            wanted.add(key)
            wanted.update(self._related(key, "CHILD"))
            for value in self._related(key, "VALUE"):
                wanted.add(value)
                wanted.update(self._related(value, "CHILD"))
        return [block for block in self.blocks if block["Id"] in wanted]

    def _check_confidence(self, parameters: Mapping[str, Any]) -> set[str] | None:
        matches = {
            key["Id"]
            for key in self._important(parameters)
            if _compare(parameters, "KeyValueBlockConfidence", [key.get("Confidence", 0.0)])
            and _compare(parameters, "WordBlockConfidence", self._word_confidences(key["Id"]))
        }
        return matches or None

    def _check_missing(self, parameters: Mapping[str, Any]) -> set[str] | None:
        return None if self._important(parameters) else set()

    def _important(self, parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        names = {parameters.get("ImportantFormKey"), *parameters.get("ImportantFormKeyAliases", ())}
        return [key for key in self._keys if "*" in names or self._text(key["Id"]) in names]

    def _text(self, block_id: str) -> str:
        words = (self._by_id[child].get("Text", "") for child in self._related(block_id, "CHILD"))
        return " ".join(filter(None, words))

    def _word_confidences(self, key: str) -> list[float]:
        parts = [*self._related(key, "CHILD")]
        for value in self._related(key, "VALUE"):
            parts += self._related(value, "CHILD")
        return [
            self._by_id[part].get("Confidence", 0.0)
            for part in parts
            if self._by_id[part]["BlockType"] == "WORD"
        ]

    def _related(self, block_id: str, kind: str) -> list[str]:
        return [
            related
            for relationship in self._by_id[block_id].get("Relationships", ())
            if relationship["Type"] == kind
            for related in relationship["Ids"]
            if related in self._by_id
        ]


@dataclass
class ModerationPrediction:
    """Rekognition's answer to DetectModerationLabels: items are the names of its labels."""

    labels: Sequence[Mapping[str, Any]]
    fingerprint: str = ""
    everything: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.everything = {label["Name"] for label in self.labels}
        self.condition_types: _ConditionTypes = {"ModerationLabelConfidenceCheck": self._check_confidence}

    def select(self, names: set[str]) -> list[Mapping[str, Any]]:
        """The labels of these names."""
        return [label for label in self.labels if label["Name"] in names]

    def _check_confidence(self, parameters: Mapping[str, Any]) -> set[str] | None:
        wanted = parameters.get("ModerationLabelName")
        matches = {
            label["Name"]
            for label in self.labels
            if wanted in ("*", label["Name"]) and _compare(parameters, "Confidence", [label["Confidence"]])
        }
        return matches or None


def _compare(parameters: Mapping[str, Any], prefix: str, confidences: Sequence[float]) -> bool:
    """Whether each comparison with this prefix holds for one of the confidences."""
    return all(
        any(holds(confidence, parameters[prefix + name]) for confidence in confidences)
        for name, holds in _COMPARISONS.items()
        if prefix + name in parameters
    )


# Checking the document when a flow definition is created, so that nothing above meets what it does not know.

_PARAMETERS: dict[str, tuple[set[str], set[str]]] = {
    # Condition type: the parameters that name something, and those that compare a confidence.
    "ImportantFormKeyConfidenceCheck": (
        {"ImportantFormKey", "ImportantFormKeyAliases"},
        {p + c for p in ("KeyValueBlockConfidence", "WordBlockConfidence") for c in _COMPARISONS},
    ),
    "MissingImportantFormKey": ({"ImportantFormKey", "ImportantFormKeyAliases"}, set()),
    "ModerationLabelConfidenceCheck": ({"ModerationLabelName"}, {"Confidence" + c for c in _COMPARISONS}),
    "Sampling": (set(), {"RandomSamplingPercentage"}),
}
_NAMED_BY = {
    "ImportantFormKeyConfidenceCheck": "ImportantFormKey",
    "MissingImportantFormKey": "ImportantFormKey",
    "ModerationLabelConfidenceCheck": "ModerationLabelName",
    "Sampling": "RandomSamplingPercentage",
}
_TYPES_BY_SOURCE = {
    "AWS/Textract/AnalyzeDocument/Forms/V1": {
        "ImportantFormKeyConfidenceCheck",
        "MissingImportantFormKey",
        "Sampling",
    },
    "AWS/Rekognition/DetectModerationLabels/Image/V3": {"ModerationLabelConfidenceCheck", "Sampling"},
}


def check_conditions(conditions: str, source: str) -> None:
    """Checks a HumanLoopActivationConditions document.

    Args:
        conditions: the JSON text.
        source: the flow definition's AwsManagedHumanLoopRequestSource.

    Raises:
        ValueError: says what is wrong, and where in the document.
    """
    try:
        document = json.loads(conditions)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    listed = document.get("Conditions") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("has no list 'Conditions'")
    for index, condition in enumerate(listed):
        _check(condition, f"Conditions[{index}]", _TYPES_BY_SOURCE[source], 0)


def _check(condition: Any, where: str, types: set[str], depth: int) -> None:
    if not isinstance(condition, dict):
        raise ValueError(f"{where} is not an object")
    for joint in ("And", "Or"):
        if joint in condition:
            parts = condition[joint]
            if depth == _MAX_NESTING or len(condition) > 1:
                raise ValueError(f"{where}: {joint} stands alone, in at most {_MAX_NESTING} levels")
            if not isinstance(parts, list) or len(parts) < 2:
                raise ValueError(f"{where}.{joint} is not a list of two or more conditions")
            for index, part in enumerate(parts):
                _check(part, f"{where}.{joint}[{index}]", types, depth + 1)
            return
    kind = condition.get("ConditionType")
    if not isinstance(kind, str) or kind not in types:
        raise ValueError(f"{where}.ConditionType is {kind!r}: use {', '.join(sorted(types))}")
    parameters = condition.get("ConditionParameters", {})
    names, numbers = _PARAMETERS[kind]
    if not isinstance(parameters, dict) or _NAMED_BY[kind] not in parameters:
        raise ValueError(f"{where}.ConditionParameters lacks {_NAMED_BY[kind]}")
    for name, value in parameters.items():
        _check_parameter(name, value, f"{where}.ConditionParameters.{name}", names, numbers)


def _check_parameter(name: str, value: Any, where: str, names: set[str], numbers: set[str]) -> None:
    if name in numbers:
        least = 0.01 if name == "RandomSamplingPercentage" else 0
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 100:
            raise ValueError(f"{where} is not a number from {least} to 100")
    elif name == "ImportantFormKeyAliases" and name in names:
        if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
            raise ValueError(f"{where} is not a list of strings")
    elif name in names:
        if not isinstance(value, str):
            raise ValueError(f"{where} is not a string")
    else:
        raise ValueError(f"{where} is unknown here: use {', '.join(sorted(names | numbers))}")
