"""crowd-classifier, crowd-image-classifier: one label. `{"sentiment": {"label": "complaint"}}`"""

from __future__ import annotations

from typing import Literal

from typing_extensions import override

from console.posted import Posted
from console.worker_tasks.elements import Element, ElementView, Filled, Labels, Shown, labels_in, no_labels

__all__ = ["Classifier", "OptionsView"]


class OptionsView(ElementView):
    """Options of which one can be chosen.

    Attributes:
        options: The options.
        chosen: The position of the one that is chosen; None if none is.
        required: Whether one must be chosen.
    """

    options: tuple[str, ...]
    chosen: int | None
    required: bool


class Classifier(Element):
    """One label.

    Attributes:
        categories: The labels.
    """

    element: Literal["crowd-classifier", "crowd-image-classifier"]
    categories: Labels

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        view = options_view(self, labels_in(self.categories, shown.content), self.categories, field, posted)
        if view.chosen is None:
            return Filled(view, {}, False)
        return Filled(view, {self.name: {"label": view.options[view.chosen]}}, True)


def options_view(
    element: Element,
    options: tuple[str, ...],
    labels: Labels,
    field: str,
    posted: Posted | None,
    *,
    required: bool = True,
) -> OptionsView:
    """Returns options, of which one can be chosen.

    Args:
        element: The element.
        options: The options.
        labels: Where they come from.
        field: What the names of the fields begin with.
        posted: The submitted form.
        required: Whether one must be chosen.
    """
    chosen = posted.number(f"{field}option") if posted else None
    if chosen is not None and chosen >= len(options):
        chosen = None
    problem = no_labels(labels) if not options else None
    if posted is not None and options and required and chosen is None:
        problem = "Choose one."
    return OptionsView(
        kind="options",
        name=element.name,
        header=element.header,
        field=field,
        problem=problem,
        options=options,
        chosen=chosen,
        required=required,
    )
