"""The prediction of a custom task: where it lies in `inputContent`, and in which shapes it comes.

`inputContent` is whatever the loop was started with, so the place is named per flow definition in the stage's
settings, as a JMESPath: ``model.result``, or ``{transcription: original_words}`` to give a value the name of
the element that it belongs to. Where none is named, the first of `PLACES` that is there is taken, else a
value that is named like the element.

The prediction is either an object with one value for each element, by name, or the value of the one element
that it fits. Values come as the element's own value, or as

- a text, number or boolean, or an object with such a value and a confidence:
  ``{"label": "dog", "confidence": 0.7}`` (also "value", "text", "class", "name"; "score", "probability");
- for a classification, also a list of these, or ``{"dog": 0.7, "cat": 0.3}``: the likeliest is taken;
- for labels and check boxes, also a list of labels or of such objects, or ``{"dog": 0.7, …}``: those of at
  least 0.5 are taken;
- for boxes, entities, points and outlines, the list alone, each with a confidence or not.

A confidence is from 0 to 1; above 1 it is taken as percent.
"""

from __future__ import annotations

from typing import Any

from lambdas.reviews.comparison.rows import Scored, share

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
LIKELY = 0.5


def find_prediction(input_content: Any, path: str | None = None) -> Any:
    """Returns the prediction in a custom task's input; None if there is none.

    Args:
        input_content: What the loop was started with.
        path: The JMESPath from there to the prediction; without one `PLACES` are looked at.
    """
    if path is not None:
        import jmespath  # only flow definitions with a path pay for it
        from jmespath.exceptions import JMESPathError

        try:
            return jmespath.search(path, input_content)
        except (JMESPathError, TypeError, ValueError, ArithmeticError):
            return None  # a function met what it is not for: in this document there is no prediction
    if not isinstance(input_content, dict):
        return None
    found = next((input_content[place] for place in PLACES if input_content.get(place) is not None), None)
    if isinstance(found, str | bool | int | float):
        confidence = next((input_content[key] for key in _CONFIDENCE_KEYS if key in input_content), None)
        return {"value": found, "confidence": confidence}
    return found


def scored(value: Any) -> Scored | None:
    """Returns a single predicted value, with its confidence; None if it is not of such a shape."""
    if isinstance(value, str | bool | int | float):
        return Scored(value)
    if isinstance(value, dict):
        lowered = {key.lower(): inner for key, inner in value.items()}
        for key in _VALUE_KEYS:
            if isinstance(lowered.get(key), str | bool | int | float):
                return Scored(lowered[key], confidence_of(value))
    return None


def is_scored(value: Any) -> bool:
    """Tells whether a predicted value is nothing but a value and its confidence."""
    keys = {key.lower() for key in value} if isinstance(value, dict) else set()
    return len(keys) == 2 and not keys.isdisjoint(_VALUE_KEYS) and not keys.isdisjoint(_CONFIDENCE_KEYS)


def confidence_of(value: dict[str, Any]) -> float | None:
    """Returns the confidence, from 0 to 1, that stands in a predicted value; None if there is none."""
    lowered = {key.lower(): inner for key, inner in value.items()}
    return next((share(lowered[key]) for key in _CONFIDENCE_KEYS if key in lowered), None)


def likeliest(value: Any) -> Scored | None:
    """Returns the label that a classification predicts."""
    single = scored(value)
    if single is not None:
        return single
    candidates = _candidates(value)
    if not candidates:
        return None
    return max(candidates, key=lambda candidate: (candidate.confidence or 0.0, str(candidate.value)))


def likely(value: Any) -> list[Scored] | None:
    """Returns the labels that a multi-label classification predicts; None if it predicts nothing of the kind."""
    if isinstance(value, dict) and isinstance(value.get("labels"), list):
        value = value["labels"]
    single = scored(value)
    candidates = [single] if single is not None else _candidates(value)
    if candidates is None:
        return None
    return [one for one in candidates if one.confidence is None or one.confidence >= LIKELY]


def _candidates(value: Any) -> list[Scored] | None:
    if isinstance(value, dict) and value and all(share(inner) is not None for inner in value.values()):
        return [Scored(label, share(confidence)) for label, confidence in value.items()]
    if isinstance(value, list):
        candidates = [scored(inner) for inner in value]
        found = [candidate for candidate in candidates if candidate is not None]
        return found if len(found) == len(value) else None
    return None
