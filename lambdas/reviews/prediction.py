"""The forms of a prediction of a custom task that several elements accept.

- A text, number or boolean, or an object with such a value and a confidence:
  ``{"label": "dog", "confidence": 0.7}`` (also "value", "text", "class", "name"; "score", "probability").
- Several of these in a list, or ``{"dog": 0.7, "cat": 0.3}``.

A confidence is from 0 to 1. A value above 1 is a percentage.

An empty value is no prediction, and overrules nobody. A class index is no prediction either: the number 3 cannot be
compared with the label "dog", nor can LABEL_3 (`is_comparable`). `lambdas.reviews.finding` finds the prediction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.rows import Scored
from lambdas.reviews.comparison.values import as_json, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?")
_CLASS_INDEX = re.compile(r"(label|class|cls|category)[ _-]?\d+", re.IGNORECASE)
"""Such as LABEL_1, the name that Hugging Face's transformers give a class without a name."""
_LOCATION = re.compile(r"(s3://|gs://|https?://|data:)\S+", re.IGNORECASE)
_EMPTY_JSON = frozenset({"[]", "{}", "null", '""'})

_LABEL_KEYS = ("label", "class")
_VALUE_KEYS = ("label", "value", "text", "class", "name")
CONFIDENCE_KEYS = ("confidence", "score", "probability")
_BESIDE_SHAPES = ("inputimageproperties", "labelmappings")


def search(path: str, document: Any) -> Any:
    """Returns the value at a JMESPath in a document, or None."""
    import jmespath  # here, because only flow definitions with a path need it
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(path, document)
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None  # a JMESPath function got a value of a type that it does not accept


def value_key(value: Any) -> str | None:
    """Returns the key of the predicted value in an object, or None."""
    if not isinstance(value, dict):
        return None
    single = {key.lower(): key for key, inner in value.items() if _is_single(inner)}
    found: str | None = next((single[key] for key in _VALUE_KEYS if key in single), None)
    if found is None or found.lower() not in _LABEL_KEYS or _kind(value[found]) == "text":
        return found
    # Detectors name a class beside its index: {"class": 16, "name": "dog"}.
    named: list[str] = [single[key] for key in (*_LABEL_KEYS, "name") if key in single]
    return next((key for key in named if _kind(value[key]) == "text"), found)


def is_blank(value: Any, *, lists: bool = False) -> bool:
    """Whether a value predicts nothing: null, a blank text, or an object or a list of only such values.

    Args:
        value: The value.
        lists: Whether an empty list also predicts nothing. If not, it says that the model saw nothing.
    """
    match value:
        case None:
            return True
        case str():
            return not value.strip() or value.strip() in _EMPTY_JSON
        case list():
            return all(is_blank(inner, lists=lists) for inner in value) if value else lists
        case dict():
            # How sure the model is of nothing, or how large the image is, does not matter.
            own = {key: value[key] for key in value if key.lower() not in CONFIDENCE_KEYS + _BESIDE_SHAPES}
            return all(is_blank(inner, lists=lists) for inner in (own or value).values())
    return False


def is_comparable(predicted: Iterable[Scored], given: Iterable[str | None]) -> bool:
    """Whether predicted labels can be compared with the labels that workers gave.

    Workers cannot confirm numbers, true and false, names such as LABEL_1, and locations of files, unless their labels
    are of this kind, too.

    Args:
        predicted: The predicted labels. Without any, there is nothing to compare: False.
        given: The labels of all workers.
    """
    kinds = {_kind(one.value) for one in predicted}
    return "text" in kinds or not kinds.isdisjoint(_kind(text) for text in given if text is not None)


def is_location(value: Any) -> bool:
    """Whether a text is the location of a file."""
    return isinstance(value, str) and _LOCATION.fullmatch(value.strip()) is not None


def _kind(value: Any) -> str:
    text = str(value).strip()
    if text.casefold() in ("true", "false"):
        return "boolean"
    kinds = {"number": _NUMBER, "class index": _CLASS_INDEX, "location": _LOCATION}
    return next((kind for kind, pattern in kinds.items() if pattern.fullmatch(text)), "text")


def _is_single(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and not is_blank(value))


def scored(value: Any) -> Scored | None:
    """Returns a single predicted value with its confidence, or None if the value has another form."""
    if _is_single(value):
        return Scored(value)
    key = value_key(value)
    return None if key is None else Scored(value[key], confidence_of(value))


def is_value_with_confidence(value: Any) -> bool:
    """Whether an object has only a value and its confidence."""
    keys = {key.lower() for key in value} if isinstance(value, dict) else set()
    return len(keys) == 2 and not keys.isdisjoint(_VALUE_KEYS) and not keys.isdisjoint(CONFIDENCE_KEYS)


def confidence_of(value: dict[str, Any]) -> float | None:
    """Returns the confidence in a predicted value, from 0 to 1, or None."""
    lowered = {key.lower(): inner for key, inner in value.items()}
    return next((share(lowered[key]) for key in CONFIDENCE_KEYS if key in lowered), None)


def several(value: Any) -> list[Scored] | None:
    """Returns several predicted values with their confidences, or None if the value has another form."""
    if isinstance(value, dict) and value and all(share(inner) is not None for inner in value.values()):
        return [Scored(label, share(confidence)) for label, confidence in value.items()]
    if isinstance(value, list):
        candidates = [scored(inner) for inner in value]
        found = [candidate for candidate in candidates if candidate is not None]
        return found if len(found) == len(value) else None
    return None


def is_yes_or_no(value: Any) -> bool:
    """Whether a predicted value is true or false, with or without a confidence."""
    single = scored(value)
    return single is not None and isinstance(single.value, bool)


def as_text(item: Scored) -> Scored:
    """Returns a single predicted value as the text that a worker would enter."""
    value = item.value
    return Scored(normalised(value if isinstance(value, str) else as_json(value)), item.confidence)


def share(confidence: object) -> float | None:
    """Returns the confidence of a custom model from 0 to 1. A value above 1 is a percentage."""
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 100:
        return None
    return float(confidence) if confidence <= 1 else confidence / 100
