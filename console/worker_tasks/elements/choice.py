"""crowd-radio-button, crowd-radio-group: one of several buttons.

Buttons of one name give `{"animal": {"cat": false, "dog": true}}`. In a crowd-radio-group, each button has a name of
its own, which here is also its value: `{"cat": {"cat": false}, "dog": {"dog": true}}`.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import override

from console.posted import Posted
from console.worker_tasks.elements import Element, Filled, Labels, Shown, labels_in
from console.worker_tasks.elements.classification import options_view

__all__ = ["Choice"]


class Choice(Element):
    """Radio buttons.

    Attributes:
        options: The values of the buttons.
        required: Whether one must be chosen. Otherwise an answer can have false for each.
    """

    element: Literal["crowd-radio-button", "crowd-radio-group"]
    options: Labels
    required: bool = True

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        options = labels_in(self.options, shown.content)
        view = options_view(self, options, self.options, field, posted, required=self.required)
        checked = {option: index == view.chosen for index, option in enumerate(options)}
        checked = dict(sorted(checked.items()))
        is_valid = bool(options) and (view.chosen is not None or not self.required)
        if self.element == "crowd-radio-group":
            return Filled(view, {option: {option: checked[option]} for option in checked}, is_valid)
        return Filled(view, {self.name: checked}, is_valid)
