"""The rules by which the reviews of one flow definition are compared: where predictions are, and settings of fields.

A stage sets them in ``stages.toml``. Field names can contain ``*`` for any characters. If several names match a field,
the most specific one counts alone: first the exact name, then the one with the most characters besides ``*``, then the
one with the fewest ``*``, then the first in the order of the alphabet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from lambdas.reviews.record import FieldRecord, Kind


def _jmespath(expression: str) -> str:
    import jmespath  # here, because only stages with such a path need it: it slows down a cold start
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        advice = "; a JMESPath has no $ before the first key" if expression.startswith("$") else ""
        raise ValueError(
            f"not a JMESPath expression: {' '.join(str(error).split())[:300]}{advice}"
        ) from error
    except RecursionError:
        raise ValueError("not a JMESPath expression: nested too deeply") from None
    return expression


JmesPath = Annotated[str, AfterValidator(_jmespath)]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
INDEX, INDEX0 = "index", "index0"


def _name_of_item(template: str) -> str:
    """Checks the template of a name."""
    for placeholder in _PLACEHOLDER.findall(template):
        word = placeholder.strip()
        if not word:
            raise ValueError("an empty placeholder {}; use {index}, {index0} or a JMESPath in the item")
        if word.casefold().removeprefix("forloop.") in (INDEX, INDEX0) and placeholder not in (INDEX, INDEX0):
            raise ValueError(f"unknown placeholder {{{placeholder}}}; use {{index}} (from 1) or {{index0}}")
        if placeholder not in (INDEX, INDEX0):
            _jmespath(placeholder)
    if set("{}") & set(_PLACEHOLDER.sub("", template)):
        raise ValueError(f"a brace without its pair in {template!r}")
    return template


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class PredictedItems(_Table):
    """A list of predictions in `inputContent`, one item for each element. The first item of a name counts."""

    each: JmesPath
    """JMESPath from `inputContent` to the list."""
    name: Annotated[str, AfterValidator(_name_of_item)]
    """The name of the item's element. `{index}` is the item's place from 1, `{index0}` from 0, and any other `{…}` is
    a JMESPath in the item."""
    value: JmesPath
    """JMESPath in the item to the predicted value."""
    confidence: JmesPath | None = None
    """JMESPath in the item to the confidence, from 0 to 1, or a percentage."""

    def name_parts(self) -> list[str]:
        """Returns the parts of `name`: a text, a placeholder, a text, and so on."""
        return _PLACEHOLDER.split(self.name)


class FieldSettings(_Table):
    """The settings of the field with the name FIELD, which can contain `*` for any characters. If several names match
    a field, the most specific one counts: the exact name, or else the one with the most characters besides `*`.
    """

    same: Literal["exact", "text", "number", "date", "distance"] = "exact"
    """When two values are the same: the prediction and an answer, or the answers of two workers. With `text`, case and
    punctuation are ignored. With `number`, 12.40 is 12.4. With `date`, 1 May 2026 is 2026-05-01. With `distance`, a few
    characters can differ. What cannot be read as such is compared exactly. The setting has no effect on check boxes,
    choices, sets of labels, and shapes: the log of CollectReview then has a warning."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """For `number`: the largest difference of two numbers that are the same, in their unit."""
    decimal: Literal[".", ","] = "."
    """For `number`: the decimal separator of a text with two meanings, such as 1,234."""
    day_first: bool = False
    """For `date`: whether 03/04/2026 is 3 April. By default, it is March 4. 3.4.2026 is always 3 April."""
    max_distance: int | None = Field(default=None, ge=1)
    """For `distance`, required: how many characters may be inserted, deleted or replaced."""
    buttons: tuple[str, ...] = ()
    """Names of radio buttons that exclude each other, each a `crowd-radio-button` with a name of its own in a
    `crowd-radio-group`: they are one choice with the name FIELD. FIELD must not be the name of another element."""
    choice: bool | None = None
    """Whether boxes under one name, `{"FIELD": {"cat": true, "dog": false}}`, are one choice: one field, with one vote
    a worker. By default, they are if no worker checked more than one and somebody checked one, unless the prediction
    names several. Check boxes of which people happened to check one look the same, so set it, true or false, for each
    element with boxes. Then all its reviews have the same fields."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for key, of in (
            ("tolerance", "number"),
            ("decimal", "number"),
            ("day_first", "date"),
            ("max_distance", "distance"),
        ):
            if getattr(self, key) != type(self).model_fields[key].default and self.same != of:
                raise ValueError(f"{key} is only for same = {of!r}, not {self.same!r}")
        if self.same == "distance" and self.max_distance is None:
            raise ValueError("same = 'distance' needs max_distance, the number of characters that may differ")
        if self.buttons and len(set(self.buttons)) < max(len(self.buttons), 2):
            raise ValueError("buttons needs at least two different names")
        return self


def _expect_one_choice_per_button(fields: dict[str, FieldSettings]) -> dict[str, FieldSettings]:
    """Checks the settings of all fields of a flow definition: an element belongs to only one choice."""
    choice_of: dict[str, str] = {}
    for name, settings in fields.items():
        if settings.buttons and "*" in name:
            raise ValueError(f"{name}: buttons needs the name of one choice, without *")
        for button in settings.buttons:
            if button in choice_of:
                raise ValueError(f"{name}: the button {button!r} also belongs to {choice_of[button]!r}")
            choice_of[button] = name
    return fields


SettingsOfFields = Annotated[dict[str, FieldSettings], AfterValidator(_expect_one_choice_per_button)]

PredictionPlace = str | Literal[False] | PredictedItems | tuple[PredictedItems, ...] | None

DEFAULT_FIELD = FieldSettings()


@dataclass(frozen=True)
class FlowRules:
    """The rules of one flow definition.

    Attributes:
        prediction: For custom tasks, where the prediction is: a JMESPath from ``inputContent``, tables for lists of
            items, False for no prediction, or None to search for it.
        fields: Settings by the name of the field, which can contain ``*``.
    """

    prediction: PredictionPlace = None
    fields: Mapping[str, FieldSettings] = field(default_factory=dict)

    def field(self, name: str) -> FieldSettings:
        """Returns the settings of a field: those with the most specific name that matches."""
        if not self.fields:
            return DEFAULT_FIELD
        if name in self.fields:
            return self.fields[name]
        return next((found for parts, found in self._patterns if _matches(parts, name)), DEFAULT_FIELD)

    def without_effect(self, fields: Iterable[FieldRecord]) -> list[Kind]:
        """Returns the kinds of fields that have a setting `same`, not only the one for all fields, and take none."""
        from lambdas.reviews.record import WITH_SAMENESS

        for_all = self.fields.get("*")
        return sorted(
            {
                each.kind
                for each in fields
                if each.kind not in WITH_SAMENESS
                and (found := self.field(each.name)).same != "exact"
                and found is not for_all
            }
        )

    @cached_property
    def buttons(self) -> dict[str, tuple[str, ...]]:
        """The names of the buttons of each choice, by the name of the choice."""
        return {name: settings.buttons for name, settings in self.fields.items() if settings.buttons}

    @cached_property
    def _patterns(self) -> list[tuple[list[str], FieldSettings]]:
        """The parts between the ``*`` of names with ``*``, the most specific name first."""
        names = sorted(
            (name for name in self.fields if "*" in name),
            key=lambda name: (name.count("*") - len(name), name.count("*"), name),
        )
        return [(name.split("*"), self.fields[name]) for name in names]


def _matches(parts: list[str], name: str) -> bool:
    """Whether a name has the parts in this order, with any characters between them.

    Not by a regular expression: workers and predictions choose names, and the time to see that a long one does not
    match would grow with a power of its length for each ``*``.
    """
    first, *inner, last = parts
    at, end = len(first), len(name) - len(last)
    if end < at or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in inner:
        # The first place leaves most room for the parts after it.
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
