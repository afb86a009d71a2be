"""crowd-rekognition-detect-moderation-labels: the labels that apply, of those that A2I selected.

`{"AWS/Rekognition/DetectModerationLabels/Image/V3": {"moderationLabels": [{"name": "Alcohol", "parentName": ""}]}}`

An answer has only labels that apply: "None of these" is an empty list. A worker has to choose one or the other.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import override

from console.posted import Posted
from console.views import View
from console.worker_tasks.elements import Element, ElementView, Filled, Shown, at
from lambdas.reviews.output import REKOGNITION

__all__ = ["Moderation", "ModerationView"]


class CategoryView(View):
    """A label.

    Attributes:
        name: The name.
        parent: The name of the label above it, or an empty text.
        checked: Whether it applies.
    """

    name: str
    parent: str
    checked: bool


class ModerationView(ElementView):
    """The labels.

    Attributes:
        categories: The labels that A2I selected.
        none: Whether "None of these" is checked.
    """

    categories: tuple[CategoryView, ...]
    none: bool


class Moderation(Element):
    """The labels of a moderation task."""

    element: Literal["crowd-rekognition-detect-moderation-labels"] = (
        "crowd-rekognition-detect-moderation-labels"
    )
    name: str = REKOGNITION
    header: str = "Which of these does the image show?"

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        categories = tuple(
            CategoryView(
                name=name,
                parent=parent,
                checked=posted is not None and posted.has(f"{field}label-{index}"),
            )
            for index, (name, parent) in enumerate(_labels(shown.content))
        )
        none = posted is not None and posted.has(f"{field}none")
        found = [
            {"name": category.name, "parentName": category.parent}
            for category in categories
            if category.checked
        ]
        is_valid = bool(found) != none
        problem = None
        if posted is not None and not is_valid:
            problem = (
                "You checked labels and “None of these”. Uncheck one or the other."
                if none
                else "Check the labels that apply, or “None of these”."
            )
        view = ModerationView(
            kind="moderation",
            name=self.name,
            header=self.header,
            field=field,
            problem=problem,
            categories=categories,
            none=none,
        )
        return Filled(view, {self.name: {"moderationLabels": found}}, is_valid)


def _labels(content: Any) -> list[tuple[str, str]]:
    """Returns name and parent of each label that A2I selected."""
    for response in ("selectedAiServiceResponse", "aiServiceResponse"):
        found = at(content, f"{response}.moderationLabels")
        if isinstance(found, list):
            labels = [label for label in found if isinstance(label, dict)]
            names = [(label.get("name"), label.get("parentName")) for label in labels]
            return [
                (name, parent if isinstance(parent, str) else "")
                for name, parent in names
                if isinstance(name, str)
            ]
    return []
