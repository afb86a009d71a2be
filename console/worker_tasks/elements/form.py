"""crowd-textract-analyze-document: the key-value pairs of a form.

An answer repeats the blocks of each pair that is on the document: KEY and VALUE with their text, and each check box as
a block of its own. A value that the worker cleared has an empty text. A pair that the worker does not find on the
document is left out.

Keys cannot be changed, as with the attribute `no-key-edit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from typing_extensions import override

from console.posted import Posted
from console.views import View
from console.worker_tasks.elements import Element, ElementView, Filled, Shown, at
from console.worker_tasks.elements.text import unchanged
from lambdas.reviews.output import TEXTRACT

__all__ = ["Check", "Form", "FormView", "Pair", "Value", "answer", "pairs"]

Block = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """A check box.

    Attributes:
        id: The id of its block.
        is_selected: Whether it is checked.
    """

    id: str
    is_selected: bool


@dataclass(frozen=True)
class Value:
    """A value.

    Attributes:
        block: Its block.
        text: Its words.
        checks: Its check boxes. A value with check boxes has no text in an answer.
    """

    block: Block
    text: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A key with its values. Mostly, that is one."""

    block: Block
    key: str
    values: tuple[Value, ...]


class AreaView(View):
    """A rectangle on the document, in parts of its width and height, from 0 to 1."""

    left: float
    top: float
    width: float
    height: float


class ValueView(View):
    """A value.

    Attributes:
        text: The text in the field; None for a value with check boxes.
        checks: Whether each check box is checked.
    """

    text: str | None
    checks: tuple[bool, ...]


class PairView(View):
    """A pair.

    Attributes:
        key: The text of the key.
        values: Its values.
        missing: Whether the worker does not find it on the document.
        areas: Where key and values are.
    """

    key: str
    values: tuple[ValueView, ...]
    missing: bool
    areas: tuple[AreaView, ...]


class FormView(ElementView):
    """The pairs."""

    pairs: tuple[PairView, ...]


class Form(Element):
    """The pairs of a form that A2I selected."""

    element: Literal["crowd-textract-analyze-document"] = "crowd-textract-analyze-document"
    name: str = TEXTRACT
    header: str = "Compare each value with the document, and correct what is wrong."

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        found = pairs(shown.content)
        missing = [
            posted is not None and posted.has(f"{field}pair-{index}-missing") for index in range(len(found))
        ]
        if posted is not None:
            found = [_filled(pair, f"{field}pair-{index}-", posted) for index, pair in enumerate(found)]
        view = FormView(
            kind="form",
            name=self.name,
            header=self.header,
            field=field,
            pairs=tuple(_pair_view(pair, gone) for pair, gone in zip(found, missing, strict=True)),
        )
        return Filled(
            view, answer([pair for pair, gone in zip(found, missing, strict=True) if not gone]), True
        )


def pairs(content: Any) -> list[Pair]:
    """Returns the pairs in the input of a loop, in the order of the prediction.

    Args:
        content: The input, with `selectedAiServiceResponse` or `aiServiceResponse`.
    """
    by_id: dict[str, Block] = {}
    for response in ("aiServiceResponse", "selectedAiServiceResponse"):
        by_id |= {block["id"]: block for block in _blocks(content, response)}
    shown = list(_blocks(content, "selectedAiServiceResponse")) or list(_blocks(content, "aiServiceResponse"))
    return [
        Pair(
            block,
            _text(block, by_id),
            tuple(
                Value(
                    value,
                    _text(value, by_id),
                    tuple(
                        Check(child["id"], child.get("selectionStatus") == "SELECTED")
                        for child in _related(value, "CHILD", by_id)
                        if child.get("blockType") == "SELECTION_ELEMENT"
                    ),
                )
                for value in _related(block, "VALUE", by_id)
            ),
        )
        for block in shown
        if "KEY" in _list(block.get("entityTypes"))
    ]


def answer(found: list[Pair]) -> dict[str, Any]:
    """Returns the answerContent with these pairs."""
    blocks: list[dict[str, Any]] = []
    for pair in found:
        blocks.append({**_answer_block(pair.block), "text": pair.key})
        for value in pair.values:
            block = _answer_block(value.block)
            blocks.append(block if value.checks else {**block, "text": value.text})
            blocks += [
                {
                    "blockType": "SELECTION_ELEMENT",
                    "id": check.id,
                    "selectionStatus": "SELECTED" if check.is_selected else "NOT_SELECTED",
                }
                for check in value.checks
            ]
    return {TEXTRACT: {"blocks": blocks}}


def _filled(pair: Pair, field: str, posted: Posted) -> Pair:
    values = [
        replace(
            value,
            text=unchanged(posted.text(f"{field}value-{index}", value.text), value.text),
            checks=tuple(
                replace(check, is_selected=posted.has(f"{field}value-{index}-check-{number}"))
                for number, check in enumerate(value.checks)
            ),
        )
        for index, value in enumerate(pair.values)
    ]
    return replace(pair, values=tuple(values))


def _pair_view(pair: Pair, missing: bool) -> PairView:
    areas = (_area(block) for block in (pair.block, *(value.block for value in pair.values)))
    return PairView(
        key=pair.key,
        values=tuple(
            ValueView(
                text=None if value.checks else value.text,
                checks=tuple(check.is_selected for check in value.checks),
            )
            for value in pair.values
        ),
        missing=missing,
        areas=tuple(area for area in areas if area),
    )


def _answer_block(block: Block) -> dict[str, Any]:
    return {
        "blockType": block.get("blockType"),
        "entityTypes": block.get("entityTypes"),
        "id": block["id"],
        "relationships": [
            {"ids": relationship.get("ids"), "type": relationship.get("type")}
            for relationship in _list(block.get("relationships"))
            if isinstance(relationship, Mapping)
        ],
    }


def _blocks(content: Any, response: str) -> Iterator[Block]:
    for block in _list(at(content, f"{response}.blocks")):
        if isinstance(block, Mapping) and isinstance(block.get("id"), str):
            yield block


def _related(block: Block, kind: str, by_id: Mapping[str, Block]) -> list[Block]:
    return [
        by_id[id_]
        for relationship in _list(block.get("relationships"))
        if isinstance(relationship, Mapping) and relationship.get("type") == kind
        for id_ in _list(relationship.get("ids"))
        if isinstance(id_, str) and id_ in by_id
    ]


def _text(block: Block, by_id: Mapping[str, Block]) -> str:
    words = (child.get("text") for child in _related(block, "CHILD", by_id))
    return " ".join(word for word in words if isinstance(word, str) and word)


def _area(block: Block) -> AreaView | None:
    box = at(block, "geometry.boundingBox")
    sides = [at(box, side) for side in ("left", "top", "width", "height")]
    if not all(isinstance(side, int | float) and -1 <= side <= 2 for side in sides):
        return None
    left, top, width, height = map(float, sides)
    return AreaView(left=left, top=top, width=width, height=height)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
