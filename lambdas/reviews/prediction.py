"""The prediction of a custom task: where to find it in `inputContent`, and which forms it can have.

The caller that starts a loop chooses the form of `inputContent`. So the stage's settings can have a JMESPath for each
flow definition: ``model.result``, or ``{transcription: original_words}`` to name the element that a value belongs to.
For items of a list that belong to elements with numbered or computed names, the settings have a table
(`lambdas.reviews.rules.PredictedItems`). Without settings, the prediction is the first key of `PLACES` in the input, or
else a key with the name of an element. The settings can also switch the search off.

The prediction is either an object with one value per element, by name, or a value for the element that it fits best
(`lambdas.reviews.comparison.custom`). An object with a value and its confidence counts as one value, even if an
element has the name of one of its keys, such as "label" or "text". Each element defines which values it accepts
(`lambdas.reviews.comparison.elements`). This module reads the forms that several elements accept:

- a text, number or boolean, or an object with such a value and a confidence:
  ``{"label": "dog", "confidence": 0.7}`` (also "value", "text", "class", "name"; "score", "probability");
- several of these in a list, or ``{"dog": 0.7, "cat": 0.3}``.

A confidence is from 0 to 1. A value above 1 is a percentage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.rows import Scored
from lambdas.reviews.comparison.values import as_json, normalised
from lambdas.reviews.rules import INDEX, INDEX0

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from lambdas.reviews.rules import PredictedItems, PredictionPlace

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
    """The prediction of a task, before it is assigned to elements.

    Attributes:
        unnamed: A value for one element, without the element's name; None if there is none.
        key: The key of that value, if it is an object with a confidence.
        by_name: Values by the names of elements. If `unnamed` fits no element, these are used.
        fields: The names with single predicted values, including elements that no worker filled in.
    """

    unnamed: Any = None
    key: str | None = None
    by_name: Mapping[str, Any] = {}
    fields: Set[str] = frozenset()


def find_prediction(input_content: Any, names: Set[str], setting: PredictionPlace = None) -> Prediction:
    """Finds the prediction in the input of a custom task.

    Args:
        input_content: The input of the loop.
        names: The names of the elements that workers filled in.
        setting: Where the settings say that it is. With None, the keys in `PLACES` are searched, then `names`.
    """
    if setting is False:
        return Prediction()
    if setting is not None and not isinstance(setting, str):
        return _of_items(input_content, setting if isinstance(setting, tuple) else (setting,))
    path = setting
    named = path is not None
    found = _search_places(input_content) if path is None else search(path, input_content)
    if found is None:
        by_name = input_content if isinstance(input_content, dict) and not named else {}
        return Prediction(by_name=by_name)
    if by_name := _named_items(found, names):
        return Prediction(by_name=by_name, fields=_field_names(by_name, named))
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


def _of_items(input_content: Any, tables: Iterable[PredictedItems]) -> Prediction:
    """Returns the prediction in lists whose items belong to one element each."""
    by_name: dict[str, Any] = {}
    for table in tables:
        items = search(table.each, input_content)
        if not isinstance(items, list):
            continue
        for index, item in enumerate(items):
            name = _name_of(table, index, item)
            value = search(table.value, item)
            confidence = search(table.confidence, item) if table.confidence else None
            if name is not None and value is not None:
                by_name.setdefault(name, value if confidence is None else _with_confidence(value, confidence))
    return Prediction(by_name=by_name, fields=_field_names(by_name, named=True))


def _name_of(table: PredictedItems, index: int, item: Any) -> str | None:
    """Returns the name of an item's element; None if a placeholder has no single value in the item."""
    parts: list[Any] = list(table.name_parts())
    for at in range(1, len(parts), 2):
        place = {INDEX: index + 1, INDEX0: index}.get(parts[at])
        parts[at] = search(parts[at], item) if place is None else place
        if isinstance(parts[at], bool) or not isinstance(parts[at], str | int):
            return None
    return "".join(map(str, parts))


def _named_items(found: Any, names: Set[str]) -> dict[str, Any]:
    """Returns the values of a list of ``{name, value, confidence}`` by name, if it names an element; otherwise, {}."""
    if not isinstance(found, list):
        return {}
    by_name: dict[str, Any] = {}
    for item in found:
        keys = {key.lower(): key for key in item} if isinstance(item, dict) else {}
        if not {"name", "value"} <= keys.keys() or not isinstance(item[keys["name"]], str):
            return {}
        confidence = confidence_of(item)
        value = item[keys["value"]]
        by_name.setdefault(
            item[keys["name"]], value if confidence is None else _with_confidence(value, confidence)
        )
    return {} if names.isdisjoint(by_name) else by_name


def _with_confidence(value: Any, confidence: Any) -> Any:
    single = isinstance(value, str | bool | int | float)
    return {"value": value, "confidence": confidence} if single else value


def search(path: str, document: Any) -> Any:
    """Returns the value at a JMESPath in a document, or None."""
    import jmespath  # here, because only flow definitions with a path need it
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(path, document)
    except (JMESPathError, TypeError, ValueError, ArithmeticError):
        return None  # a JMESPath function got a value of a type that it does not accept


def _value_key(value: Any) -> str | None:
    """Returns the key of the predicted value in an object, or None."""
    if not isinstance(value, dict):
        return None
    single = {key.lower(): key for key, inner in value.items() if isinstance(inner, str | bool | int | float)}
    return next((single[key] for key in _VALUE_KEYS if key in single), None)


def _is_one_value(value: dict[str, Any], names: Set[str]) -> bool:
    """Whether an object is one value with its confidence, and not values by the names of elements.

    If an element has the name of one of its keys, the object is one value, unless another key is also such a name.
    """
    inner = {key: value[key] for key in value if key.lower() in _CONFIDENCE_KEYS}
    key = _value_key(value)
    if key is None or not any(value is None or _share(value) is not None for value in inner.values()):
        return False
    return names & value.keys() <= {key, *inner}


def _field_names(value: dict[str, Any], named: bool) -> set[str]:
    """Returns the keys of an object that have a single value, without the confidence of the object itself.

    Args:
        value: The object.
        named: Whether the settings name its path. If not, only a value with a confidence is a field, because the
            object can contain other things than predictions.
    """
    return {
        key
        for key, inner in value.items()
        if scored(inner) is not None
        and not (key.lower() in _CONFIDENCE_KEYS and _share(inner) is not None)
        and (named or (isinstance(inner, dict) and confidence_of(inner) is not None))
    }


def _holds_fields(value: Any, named: bool) -> bool:
    """Whether an object has values by the names of fields, even if no worker filled in any of these fields."""
    if not isinstance(value, dict) or _is_one_value(value, frozenset()):
        return False
    if (_value_key(value) or "").lower() in ("label", "value", "class"):
        return False  # but "name" and "text" can be names of fields
    numbers = [inner for inner in value.values() if type(inner) in (int, float) and 0 <= inner <= 1]
    if len(numbers) == len(value) > 1:
        return False  # labels with their probabilities
    return bool(_field_names(value, named)) and all(
        inner is None or scored(inner) is not None for inner in value.values()
    )


def scored(value: Any) -> Scored | None:
    """Returns a single predicted value with its confidence, or None if the value has another form."""
    if isinstance(value, str | bool | int | float):
        return Scored(value)
    key = _value_key(value)
    return None if key is None else Scored(value[key], confidence_of(value))


def is_value_with_confidence(value: Any) -> bool:
    """Whether an object has only a value and its confidence."""
    keys = {key.lower() for key in value} if isinstance(value, dict) else set()
    return len(keys) == 2 and not keys.isdisjoint(_VALUE_KEYS) and not keys.isdisjoint(_CONFIDENCE_KEYS)


def confidence_of(value: dict[str, Any]) -> float | None:
    """Returns the confidence in a predicted value, from 0 to 1, or None."""
    lowered = {key.lower(): inner for key, inner in value.items()}
    return next((_share(lowered[key]) for key in _CONFIDENCE_KEYS if key in lowered), None)


def several(value: Any) -> list[Scored] | None:
    """Returns several predicted values with their confidences, or None if the value has another form."""
    if isinstance(value, dict) and value and all(_share(inner) is not None for inner in value.values()):
        return [Scored(label, _share(confidence)) for label, confidence in value.items()]
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


def _share(confidence: object) -> float | None:
    """Returns the confidence of a custom model from 0 to 1. A value above 1 is a percentage."""
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 100:
        return None
    return float(confidence) if confidence <= 1 else confidence / 100
