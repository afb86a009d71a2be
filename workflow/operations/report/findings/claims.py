"""What a report can claim, and how claims name models and fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from workflow.operations.report import words
from workflow.operations.report.figures import (
    OTHER_FIELDS,
    OTHER_VERSIONS,
    FieldName,
    Figures,
    Model,
    ModelFigures,
)

__all__ = [
    "MAX_FALSE",
    "MAX_NAMED",
    "Claim",
    "Finding",
    "comparable",
    "field_label",
    "listed",
    "model_label",
    "names_of",
]

MAX_FALSE = 0.01
"""At most so many of the reports in which a difference is only chance may claim it, for each kind of finding."""

MAX_NAMED = 3
"""How many models a finding names. It counts the others."""


class Claim(Enum):
    """The kinds of findings."""

    RISING = "the overrule rate is rising"
    FALLING = "the overrule rate is falling"
    STABLE = "the overrule rate is stable"
    NEW_VERSION = "a model has a new version"
    FIELD_STANDS_OUT = "a field is overruled more than the others"
    OVERCONFIDENT = "a model is overconfident"
    UNDERCONFIDENT = "a model is underconfident"
    RELIABLE = "a model's confidence is reliable"
    UNEVEN = "a model's confidence is too high in one range and too low in another"
    RANKS_BADLY = "a model's confidence does not separate right from wrong"
    RATE_OF_ALL = "the share of all predictions that people would overrule"
    THRESHOLD_FOR_ALL = "a threshold catches most of all errors"
    THRESHOLD_TO_LOWER = "a lower threshold would save reviews"
    UNCHECKED = "nothing is known about what nobody checked"
    CHEAPEST_THRESHOLD = "a threshold costs least"
    REVIEW_NOTHING = "no threshold costs less than reviewing nothing"
    REVIEW_EVERYTHING = "no threshold costs less than reviewing everything"
    COST_UNDECIDED = "the data do not show which threshold costs least"
    IDLE_CONDITIONS = "an activation condition catches almost nothing"
    PEOPLE_AGREE = "people agree with each other"
    PEOPLE_MOSTLY_AGREE = "people mostly agree with each other"
    PEOPLE_DISAGREE = "people often disagree with each other"
    NO_LOOP_FAILED = "no human loop failed"
    LOOPS_FAILED = "human loops failed or were escalated"


@dataclass(frozen=True)
class Finding:
    """A finding.

    Attributes:
        claim: What kind of finding it is.
        point: The point in a few words.
        because: The numbers that support it, and what to do.
    """

    claim: Claim
    point: str
    because: str


def comparable(figures: Figures) -> Sequence[ModelFigures]:
    """Returns the models about which something can be said: not the versions that are counted together."""
    return [model for model in figures.models if model.model.version != OTHER_VERSIONS]


def model_label(model: Model, figures: Figures) -> str:
    """Returns the name of a model: its flow definition, with its version if there are several."""
    name = words.shortened(words.legible(model.flow_definition), 60)
    if sum(other.model.flow_definition == model.flow_definition for other in figures.models) == 1:
        return name
    version = "no version" if model.version is None else words.shortened(words.legible(model.version), 30)
    return f"{name}, {version}" if model.version in (None, OTHER_VERSIONS) else f"{name}, version {version}"


def names_of(models: Sequence[ModelFigures], figures: Figures, before: str = " of ") -> str:
    """Returns the names of models for a sentence, after a space and a word; empty if there is only one model at all."""
    if len(figures.models) == 1:
        return ""
    return before + listed([f"“{model_label(model.model, figures)}”" for model in models])


def listed(names: Sequence[str]) -> str:
    """Returns names for a sentence: `a, b and c`, or `a, b, c and 2 more`."""
    shown = list(names[:MAX_NAMED])
    if (rest := len(names) - MAX_NAMED) and rest > 0:
        shown.append(f"{rest} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def with_names(values: Sequence[str], models: Sequence[ModelFigures], figures: Figures) -> str:
    """Returns a value for each model, for a sentence: `5% for “a” and 7% for “b”`."""
    return listed(
        [value + names_of([model], figures, " for ") for value, model in zip(values, models, strict=True)]
    )


def joined(texts: Sequence[str], models: Sequence[ModelFigures], figures: Figures) -> str:
    """Returns a sentence from a text for each model, with the names of the models if there are several."""
    if len(figures.models) == 1:
        return texts[0][0].upper() + texts[0][1:] + "."
    pairs = zip(models, texts, strict=True)
    return (
        "; ".join([f"{model_label(model.model, figures)}: {text}" for model, text in pairs][:MAX_NAMED]) + "."
    )


def field_label(field: FieldName, figures: Figures) -> str:
    """Returns the field's name, with its flow definition if another one has a field with the same name."""
    if field.name == OTHER_FIELDS or figures.names[field.name] == 1:
        return field.name
    return f"{field.name} · {field.flow_definition}"
