"""The prediction of a custom task: where it lies in `inputContent`, and in which shapes it comes.

`inputContent` is whatever the loop was started with, so the place is named per flow definition in the stage's
settings, as a JMESPath: ``model.result``, or ``{transcription: original_words}`` to give a value the name of
the element that it belongs to. Where none is named, the first of `PLACES` that is there is taken, else a
value that is named like the element.

The prediction is either an object with one value for each element, by name, or the value of the one element that
it fits best (`lambdas.reviews.comparison.custom`). An object with a value and its confidence is one value, even if
an element is called "label" or "text" like a key of it. Each element says which values it takes
(`lambdas.reviews.comparison.elements`): its own, and such as are written here, which are

- a text, number or boolean, or an object with such a value and a confidence:
  ``{"label": "dog", "confidence": 0.7}`` (also "value", "text", "class", "name"; "score", "probability");
- several of these in a list, or ``{"dog": 0.7, "cat": 0.3}``.

A confidence is from 0 to 1; above 1 it is taken as percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.rows import Scored
from lambdas.reviews.comparison.values import as_json, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

PLACES = (
    "prediction",
    "predictions",
    "inference",
    "modelOutput",
    "model_output",
    "initialValue",
    "initial_value",
)

_VALUE_KEYS = ("label", "value", "text", "class", "name")
_CONFIDENCE_KEYS = ("confidence", "score", "probability")


class Prediction(NamedTuple):
    """The prediction of a task, taken apart as far as that can be done without its elements.

    Attributes:
        unnamed: A value for one element, which the prediction does not name; None if there is none.
        key: The key under which that value stands, if it is an object with its confidence.
        by_name: Values by the names of elements; of an unnamed one, those that it has if it fits no element.
        fields: The names under which single values are predicted, also for elements that nobody filled in.
    """

    unnamed: Any = None
    key: str | None = None
    by_name: Mapping[str, Any] = {}
    fields: Set[str] = frozenset()


def find_prediction(input_content: Any, names: Set[str], path: str | None = None) -> Prediction:
    """Returns the prediction in a custom task's input.

    Args:
        input_content: What the loop was started with.
        names: The names of the elements that workers filled in.
        path: The JMESPath from there to the prediction; without one `PLACES` are looked at, and then the names.
    """
    named = path is not None
    found = _search_places(input_content) if path is None else search(path, input_content)
    if found is None:
        by_name = input_content if isinstance(input_content, dict) and not named else {}
        return Prediction(by_name=by_name)
    if isinstance(found, dict) and not names.isdisjoint(found) and not _is_one_value(found, names):
        return Prediction(by_name=found, fields=_field_names(found, named))
    if _holds_fields(found, named):
        return Prediction(found, _value_key(found), by_name=found, fields=_field_names(found, named))
    return Prediction(found, _value_key(found))


def _search_places(input_content: Any) -> Any:
    if not isinstance(input_content, dict):
        return None
    found = next((input_content[place] for place in PLACES if input_content.get(place) is not None), None)
    if isinstance(found, str | bool | int | float):
        confidence = confidence_of(input_content)
        return found if confidence is None else {"value": found, "confidence": confidence}
    return found


def search(path: str, document: Any) -> Any:
    """Returns what a JMESPath leads to in a document; None if it leads to nothing."""
    import jmespath  # only flow definitions with a path pay for it
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(path, document)
    except (JMESPathError, TypeError, ValueError, ArithmeticError):
        return None  # a function met what it is not for


def _value_key(value: Any) -> str | None:
    """Returns the key under which an object has its single predicted value; None if it has none."""
    if not isinstance(value, dict):
        return None
    single = {key.lower(): key for key, inner in value.items() if isinstance(inner, str | bool | int | float)}
    return next((single[key] for key in _VALUE_KEYS if key in single), None)


def _is_one_value(value: dict[str, Any], names: Set[str]) -> bool:
    """Tells whether an object is one value with its confidence, rather than one that holds values by these names.

    An element can be called like a key of it: then it is one value, unless another of its keys is a name, too.
    """
    inner = {key: value[key] for key in value if key.lower() in _CONFIDENCE_KEYS}
    key = _value_key(value)
    if key is None or not any(told is None or _share(told) is not None for told in inner.values()):
        return False
    return names & value.keys() <= {key, *inner}


def _field_names(value: dict[str, Any], named: bool) -> set[str]:
    """Returns the keys of an object that have a single value each, without a confidence of the whole.

    Args:
        value: The object.
        named: Whether its place was named: only there every key is a field. Elsewhere one must have a confidence.
    """
    return {
        key
        for key, inner in value.items()
        if scored(inner) is not None
        and not (key.lower() in _CONFIDENCE_KEYS and _share(inner) is not None)
        and (named or (isinstance(inner, dict) and confidence_of(inner) is not None))
    }


def _holds_fields(value: Any, named: bool) -> bool:
    """Tells whether an object is one of values by field, even if nobody filled in a field of its names."""
    if not isinstance(value, dict) or _is_one_value(value, frozenset()):
        return False
    if (_value_key(value) or "").lower() in ("label", "value", "class"):
        return False  # "name" and "text" may well be fields
    numbers = [inner for inner in value.values() if type(inner) in (int, float) and 0 <= inner <= 1]
    if len(numbers) == len(value) > 1:
        return False  # labels with their probabilities
    return bool(_field_names(value, named)) and all(
        inner is None or scored(inner) is not None for inner in value.values()
    )


def scored(value: Any) -> Scored | None:
    """Returns a single predicted value, with its confidence; None if it is not of such a shape."""
    if isinstance(value, str | bool | int | float):
        return Scored(value)
    key = _value_key(value)
    return None if key is None else Scored(value[key], confidence_of(value))


def is_scored(value: Any) -> bool:
    """Tells whether a predicted value is nothing but a value and its confidence."""
    keys = {key.lower() for key in value} if isinstance(value, dict) else set()
    return len(keys) == 2 and not keys.isdisjoint(_VALUE_KEYS) and not keys.isdisjoint(_CONFIDENCE_KEYS)


def confidence_of(value: dict[str, Any]) -> float | None:
    """Returns the confidence, from 0 to 1, that stands in a predicted value; None if there is none."""
    lowered = {key.lower(): inner for key, inner in value.items()}
    return next((_share(lowered[key]) for key in _CONFIDENCE_KEYS if key in lowered), None)


def several(value: Any) -> list[Scored] | None:
    """Returns several predicted values, each with its confidence; None if they are not of such a shape."""
    if isinstance(value, dict) and value and all(_share(inner) is not None for inner in value.values()):
        return [Scored(label, _share(confidence)) for label, confidence in value.items()]
    if isinstance(value, list):
        candidates = [scored(inner) for inner in value]
        found = [candidate for candidate in candidates if candidate is not None]
        return found if len(found) == len(value) else None
    return None


def is_yes_or_no(value: Any) -> bool:
    """Tells whether a predicted value is true or false, with a confidence or without."""
    single = scored(value)
    return single is not None and isinstance(single.value, bool)


def as_text(item: Scored) -> Scored:
    """Returns a single predicted value as the text that people would type for it."""
    value = item.value
    return Scored(normalised(value if isinstance(value, str) else as_json(value)), item.confidence)


def _share(confidence: object) -> float | None:
    """Returns a custom model's confidence as one of 0 to 1: above 1 it is taken as percent."""
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 100:
        return None
    return float(confidence) if confidence <= 1 else confidence / 100
