"""Textract forms: key-value pairs, by block id, then by the key's text.

People are asked about the selected part of the response: a pair that was not shown to them is neither kept
nor removed. A pair's confidence is the least of its key's, its value's and its value's words'.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.rows import Row, Scored, percent
from lambdas.reviews.comparison.values import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lambdas.reviews.output import Block, Output, Prediction
    from lambdas.reviews.record import Kind


def rows(output: Output) -> list[Row]:
    """Returns a row for each key-value pair that was predicted or that somebody added."""
    answers = [answer.blocks for answer in output.human_answers]
    if all(blocks is None for blocks in answers):
        return []  # the workers' page did not ask for pairs
    everything = _by_id(_blocks(output.ai_service_response))
    selected = output.selected_ai_service_response
    shown = _by_id(_blocks(selected or output.ai_service_response))
    known = {**everything, **shown}
    predicted = _pairs(shown.values(), known)
    said = [_pairs(blocks or (), {**known, **_by_id(blocks or ())}) for blocks in answers]

    # Of what was not selected, the pairs that people speak of all the same.
    mentioned = {pair.id for pairs in said for pair in pairs} - {pair.id for pair in predicted}
    predicted += _pairs([block for id_, block in everything.items() if id_ in mentioned], known)

    matches = [_match(predicted, pairs) for pairs in said]
    found = [
        _row(pair, [match.of_prediction.get(index) for match in matches])
        for index, pair in enumerate(predicted)
    ]
    added = sorted({place for match in matches for place in match.added})
    return found + [_row(None, [match.added.get(place) for match in matches]) for place in added]


class _Pair(NamedTuple):
    id: str
    key: str
    value: str | bool
    confidence: float | None


class _Match(NamedTuple):
    """A worker's pairs: by the prediction's index, or else by the key's text and how many there were of it."""

    of_prediction: dict[int, _Pair]
    added: dict[tuple[str, int], _Pair]


def _match(predicted: Sequence[_Pair], said: Sequence[_Pair]) -> _Match:
    index_of = {pair.id: index for index, pair in enumerate(predicted)}
    match = _Match({}, {})
    unmatched = []
    for pair in said:
        index = index_of.get(pair.id)
        if index is None or index in match.of_prediction:
            unmatched.append(pair)
        else:
            match.of_prediction[index] = pair

    free: dict[str, list[int]] = {}
    for index, pair in enumerate(predicted):
        if index not in match.of_prediction:
            free.setdefault(_loosely(pair.key), []).append(index)
    count: Counter[str] = Counter()
    for pair in unmatched:
        text = _loosely(pair.key)
        if free.get(text):
            match.of_prediction[free[text].pop(0)] = pair
        else:
            match.added[text, count[text]] = pair
            count[text] += 1
    return match


def _row(predicted: _Pair | None, said: Sequence[_Pair | None]) -> Row:
    everyone = [pair for pair in (predicted, *said) if pair]
    name = predicted.key if predicted else min(pair.key for pair in everyone)
    kind: Kind = "selection" if all(isinstance(pair.value, bool) for pair in everyone) else "text"
    return Row(
        name=name,
        kind=kind,
        predicted=Scored(_value(predicted, name, kind), predicted.confidence) if predicted else None,
        said=[_value(pair, name, kind) if pair else None for pair in said],
    )


def _value(pair: _Pair, name: str, kind: Kind) -> Any:
    """Returns a pair's value; with its key, where a person corrected that."""
    value: Any = pair.value
    if kind == "text" and isinstance(value, bool):
        value = "SELECTED" if value else "NOT_SELECTED"
    corrected = pair.key and _loosely(pair.key) != _loosely(name)
    return {"key": pair.key, "value": value} if corrected else value


def _pairs(blocks: Iterable[Block], known: Mapping[str, Block]) -> list[_Pair]:
    return [_pair(block, known) for block in blocks if "KEY" in (block.entity_types or ())]


def _pair(key: Block, known: Mapping[str, Block]) -> _Pair:
    values = [known[id_] for id_ in key.related("VALUE") if id_ in known]
    parts = [part for value in values for part in _children(value, known)]
    confidences = [block.confidence for block in (key, *values, *parts) if block.confidence is not None]
    key_text = key.text if key.text is not None else _text(_children(key, known))
    return _Pair(
        id=key.id,
        key=normalised(key_text),
        value=_pair_value(values, parts, known),
        confidence=percent(min(confidences, default=None)),
    )


def _pair_value(values: Sequence[Block], parts: Sequence[Block], known: Mapping[str, Block]) -> str | bool:
    statuses = [block.selection_status for block in (*values, *parts) if block.selection_status]
    text = normalised(
        " ".join(value.text if value.text is not None else _text(_children(value, known)) for value in values)
    )
    if not text and len(statuses) == 1:
        text = statuses[0]
    return text == "SELECTED" if text in ("SELECTED", "NOT_SELECTED") else text


def _text(parts: Iterable[Block]) -> str:
    return " ".join(part.text or "" for part in parts)


def _children(block: Block, known: Mapping[str, Block]) -> list[Block]:
    return [known[id_] for id_ in block.related("CHILD") if id_ in known]


def _blocks(prediction: Prediction | None) -> tuple[Block, ...]:
    return (prediction.blocks if prediction else None) or ()


def _by_id(blocks: Iterable[Block]) -> dict[str, Block]:
    found: dict[str, Block] = {}
    for block in blocks:
        found.setdefault(block.id, block)
    return found


def _loosely(key: str) -> str:
    """Returns a key's text as it is compared: "Name :" and "name" are the same key."""
    return key.casefold().rstrip(": ")
