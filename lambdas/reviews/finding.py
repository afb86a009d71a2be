"""Finds the prediction of a custom task in `inputContent`.

The caller that starts a loop chooses the form of `inputContent`. So the stage's settings can have a JMESPath for each
flow definition: ``model.result``, or ``{transcription: original_words}`` to name the element that a value belongs to.
For items of a list that belong to elements with numbered or computed names, the settings have a table
(`lambdas.reviews.rules.PredictedItems`). Without settings, the prediction is the first key of `PLACES` in the input
that is not empty, or else a key with the name of an element, unless its value is a list of several texts: they can be
the options of the element. The settings can also switch the search off.

The prediction is either an object with one value per element, by name; a list of ``{"name": …, "value": …}`` for
elements; or a value for the element that it fits best (`lambdas.reviews.comparison.custom`). An object with a value and
its confidence counts as one value, even if an element has the name of one of its keys, such as "label" or "text".

An empty value is no prediction (`lambdas.reviews.prediction.is_blank`). An empty list says that the model saw nothing,
if it is at a place in the settings or under a key that says prediction. Elsewhere, it is what the page shows at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.prediction import (
    CONFIDENCE_KEYS,
    confidence_of,
    is_blank,
    scored,
    search,
    share,
    value_key,
)
from lambdas.reviews.rules import INDEX, INDEX0

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from lambdas.reviews.rules import PredictedItems, PredictionPlace

PREDICTIONS = ("prediction", "predictions", "inference", "modelOutput", "model_output")
"""Keys of a prediction."""
PREFILLS = ("initialValue", "initial_value")
"""Keys of what a page shows before the worker changes it. It is often a prediction."""
PLACES = (*PREDICTIONS, *PREFILLS)


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


def find_prediction(input_content: Any, names: Set[str], setting: PredictionPlace) -> Prediction:
    """Finds the prediction in the input of a custom task.

    Args:
        input_content: The input of the loop.
        names: The names of the elements that workers filled in.
        setting: Where the settings say that it is. With None, the keys in `PLACES` are searched, then `names`.
    """
    if setting is False:
        return Prediction()
    if setting is None:
        return _searched(input_content, names)
    if isinstance(setting, str):
        return _assigned(search(setting, input_content), names, named=True)
    return _of_items(input_content, setting if isinstance(setting, tuple) else (setting,))


def _searched(input_content: Any, names: Set[str]) -> Prediction:
    """Returns the prediction in one of the usual places, or else the values with the names of elements."""
    if not isinstance(input_content, dict):
        return Prediction()
    for place in PLACES:
        found = input_content.get(place)
        if _predicts_nothing(found, names, lists=place in PREFILLS):
            continue
        if isinstance(found, str | bool | int | float):
            found = _with_confidence(found, confidence_of(input_content))
        return _assigned(found, names, named=False, lists=place in PREFILLS)
    by_name = _not_blank(input_content, lists=True)
    return Prediction(by_name={name: found for name, found in by_name.items() if not _are_options(found)})


def _are_options(found: Any) -> bool:
    # AWS's templates take the options of an element from the input, such as `task.input.labels`.
    return isinstance(found, list) and len(found) > 1 and all(isinstance(one, str) for one in found)


def _assigned(found: Any, names: Set[str], *, named: bool, lists: bool = False) -> Prediction:
    """Returns a prediction by the names of elements, or else as the value of one element.

    Args:
        found: What is at the place of the prediction.
        names: The names of the elements that workers filled in.
        named: Whether the settings name the place.
        lists: Whether empty lists are no prediction.
    """
    if _predicts_nothing(found, names, lists=lists):
        return Prediction()
    by_name = _named_items(found, names)
    if not by_name and isinstance(found, dict):
        by_name = found
        if names.isdisjoint(found) or _is_one_value(found, names):
            if not _holds_fields(found, named):
                return Prediction(found, value_key(found))
            return Prediction(found, value_key(found), _not_blank(found, lists), _field_names(found, named))
    if not by_name:
        return Prediction(found)
    return Prediction(by_name=_not_blank(by_name, lists), fields=_field_names(by_name, named))


def _predicts_nothing(found: Any, names: Set[str], *, lists: bool) -> bool:
    # An element can have the name of a key that is_blank ignores, such as "score".
    if isinstance(found, dict) and any(
        not is_blank(found[name], lists=lists) for name in names & found.keys()
    ):
        return False
    return is_blank(found, lists=lists)


def _not_blank(by_name: dict[str, Any], lists: bool) -> dict[str, Any]:
    return {name: value for name, value in by_name.items() if not is_blank(value, lists=lists)}


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
            if name is not None:
                by_name.setdefault(name, _with_confidence(value, confidence))
    return Prediction(by_name=_not_blank(by_name, lists=False), fields=_field_names(by_name, named=True))


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
        by_name.setdefault(item[keys["name"]], _with_confidence(item[keys["value"]], confidence_of(item)))
    return {} if names.isdisjoint(by_name) else by_name


def _with_confidence(value: Any, confidence: Any) -> Any:
    if confidence is None or not isinstance(value, str | bool | int | float):
        return value
    return {"value": value, "confidence": confidence}


def _is_one_value(value: dict[str, Any], names: Set[str]) -> bool:
    """Whether an object is one value with its confidence, and not values by the names of elements.

    If an element has the name of one of its keys, the object is one value, unless another key is also such a name.
    """
    inner = {key: value[key] for key in value if key.lower() in CONFIDENCE_KEYS}
    key = value_key(value)
    if key is None or not any(value is None or share(value) is not None for value in inner.values()):
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
        and not (key.lower() in CONFIDENCE_KEYS and share(inner) is not None)
        and (named or (isinstance(inner, dict) and confidence_of(inner) is not None))
    }


def _holds_fields(value: Any, named: bool) -> bool:
    """Whether an object has values by the names of fields, even if no worker filled in any of these fields."""
    if not isinstance(value, dict) or _is_one_value(value, frozenset()):
        return False
    if (value_key(value) or "").lower() in ("label", "value", "class"):
        return False  # but "name" and "text" can be names of fields
    numbers = [inner for inner in value.values() if type(inner) in (int, float) and 0 <= inner <= 1]
    if len(numbers) == len(value) > 1:
        return False  # labels with their probabilities
    return bool(_field_names(value, named)) and all(
        is_blank(inner) or scored(inner) is not None for inner in value.values()
    )
