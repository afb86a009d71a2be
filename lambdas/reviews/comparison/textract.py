"""Textract forms: key-value pairs, by block id, then by the key's text.

People are asked about the selected part of the response: a pair that was not shown to them is neither kept
nor removed. A pair's confidence is the least of its key's, its value's and its value's words'.

A value that is one check box and nothing else is a selection. In any other, each box stands as Textract writes its
status, in the order of the value's parts: "SELECTED Yes NOT_SELECTED No".
"""

from __future__ import annotations

from collections import Counter, deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.rows import Row, Scored, percent
from lambdas.reviews.comparison.values import as_json, normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

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
    predicted = _pairs(shown.values(), known, known)
    said = [_pairs(blocks or (), {**known, **_by_id(blocks or ())}, known) for blocks in answers]

    # Of what was not selected, the pairs that people speak of all the same.
    mentioned = {pair.id for pairs in said for pair in pairs} - {pair.id for pair in predicted}
    predicted += _pairs([block for id_, block in everything.items() if id_ in mentioned], known, known)

    matches = [_match(predicted, pairs) for pairs in said]
    found = [
        _row(pair, [match.of_prediction.get(index) for match in matches])
        for index, pair in enumerate(predicted)
    ]
    added = _added([match.added for match in matches])
    return found + [_row(None, said_of_it) for said_of_it in added]


class _Pair(NamedTuple):
    id: str
    key: str
    value: str | bool
    confidence: float | None


class _Match(NamedTuple):
    """A worker's pairs: by the prediction's index; and those that were not predicted, by the key's text."""

    of_prediction: dict[int, _Pair]
    added: dict[str, list[_Pair]]


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

    # Of several pairs with one key those that say the same belong together; only then those that do not.
    free = [index for index in range(len(predicted)) if index not in match.of_prediction]
    unmatched = _take(match, predicted, free, unmatched, lambda pair: (_loosely(pair.key), pair.value))
    free = [index for index in free if index not in match.of_prediction]
    for pair in _take(match, predicted, free, unmatched, lambda pair: _loosely(pair.key)):
        match.added.setdefault(_loosely(pair.key), []).append(pair)
    return match


def _take(
    match: _Match,
    predicted: Sequence[_Pair],
    free: Iterable[int],
    said: Iterable[_Pair],
    by: Callable[[_Pair], Hashable],
) -> list[_Pair]:
    """Matches pairs to the predictions that are free, in order, by what `by` tells of them; returns the others."""
    places: dict[Hashable, deque[int]] = {}
    for index in free:
        places.setdefault(by(predicted[index]), deque()).append(index)
    others = []
    for pair in said:
        if alike := places.get(by(pair)):
            match.of_prediction[alike.popleft()] = pair
        else:
            others.append(pair)
    return others


class _Found(NamedTuple):
    """A pair that was not predicted: who found it, and the first place that it has among those of its key."""

    by_worker: dict[int, _Pair]
    place: int


def _added(added: Sequence[Mapping[str, Sequence[_Pair]]]) -> list[list[_Pair | None]]:
    """Returns what each worker said of each pair that was not predicted, sorted by key.

    Of several pairs with one key those are the same that have the same value. What is left is taken together, one
    a worker: they found the same pair and read it differently. The order of the workers makes no difference.
    """
    made = []
    for text in sorted({text for pairs in added for text in pairs}):
        rows: list[_Found] = []
        # Places of the rows, the first on top, by who is in them.
        open_rows: dict[frozenset[int], list[int]] = {}
        for found in _of_the_same_value([pairs.get(text, ()) for pairs in added]):
            fitting = [who for who in open_rows if open_rows[who] and who.isdisjoint(found.by_worker)]
            if fitting:
                at = heappop(open_rows[min(fitting, key=lambda who: open_rows[who][0])])
                row = rows[at]
                rows[at] = _Found(row.by_worker | found.by_worker, min(row.place, found.place))
            else:
                at = len(rows)
                rows.append(found)
            heappush(open_rows.setdefault(frozenset(rows[at].by_worker), []), at)
        rows.sort(key=lambda row: row.place)
        made += [[row.by_worker.get(worker) for worker in range(len(added))] for row in rows]
    return made


def _of_the_same_value(said: Sequence[Sequence[_Pair]]) -> list[_Found]:
    """Returns the pairs of one key, those of the same value together, most workers first."""
    found: dict[tuple[str, int], _Found] = {}
    for worker, pairs in enumerate(said):
        times: Counter[str] = Counter()
        for place, pair in sorted(enumerate(pairs), key=lambda placed: placed[1].key):
            value = as_json(pair.value)
            same = found.get((value, times[value]), _Found({}, place))
            found[value, times[value]] = _Found({**same.by_worker, worker: pair}, min(same.place, place))
            times[value] += 1
    return [found[key] for key in sorted(found, key=lambda key: (-len(found[key].by_worker), key))]


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


def _pairs(
    blocks: Iterable[Block], known: Mapping[str, Block], predicted: Mapping[str, Block]
) -> list[_Pair]:
    return [_pair(block, known, predicted) for block in blocks if "KEY" in (block.entity_types or ())]


def _pair(key: Block, known: Mapping[str, Block], predicted: Mapping[str, Block]) -> _Pair:
    values = [known[id_] for id_ in key.related("VALUE") if id_ in known]
    parts = [part for value in values for part in _children(value, known)]
    confidences = [block.confidence for block in (key, *values, *parts) if block.confidence is not None]
    key_text = key.text if key.text is not None else _text(_children(key, known))
    value = normalised(" ".join(_value_text(value, known, predicted) for value in values))
    return _Pair(
        id=key.id,
        key=normalised(key_text),
        value=value == "SELECTED" if value in _STATUSES else value,
        confidence=percent(min(confidences, default=None)),
    )


_STATUSES = frozenset({"SELECTED", "NOT_SELECTED"})


def _value_text(value: Block, known: Mapping[str, Block], predicted: Mapping[str, Block]) -> str:
    """Returns a value's words and the statuses of its boxes, in the order of its parts.

    A status of the value itself wins over its box's. In an answer, a text that has no statuses in it does not tell
    of boxes: their statuses are put to where they are among the same words, or before other words.
    """
    parts = _children(value, known)
    if not parts and value.text and value.id in predicted:
        # The answer does not repeat what an untouched text is made of.
        untouched = _children(predicted[value.id], known)
        parts = untouched if normalised(_text(untouched)) == normalised(value.text) else []
    words = normalised(_text(parts))
    text = words if value.text is None else normalised(value.text)
    statuses = [part.selection_status for part in parts if part.selection_status]
    own = value.selection_status
    if _STATUSES.intersection(text.split()) or not (own or statuses):
        return text
    if text != words or (own and len(statuses) != 1):
        return " ".join([*([own] if own else statuses), text])
    told = [((part.selection_status and own) or part.selection_status, part.text) for part in parts]
    return " ".join(word for part in told for word in part if word)


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
