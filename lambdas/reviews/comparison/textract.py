"""crowd-textract-analyze-document: key-value pairs, matched by block id, then by the text of the key.

Workers review the selected part of the response. A pair that they did not see is neither kept nor removed. The
confidence of a pair is the lowest one of its key, its value and the words of its value.

A value with one check box and nothing else is a selection. In any other value, each check box becomes the text of its
status, in the order of the value's parts: "SELECTED Yes NOT_SELECTED No".

An alias of an important form key counts as the key, and the field has the name of the key. The aliases are those of
the activation conditions, and of the keys that the worker page offers.

What cannot be read is not compared: a pair with a block of an odd form or with a reference to a block that is missing,
and a pair that one side lacks if some of its blocks are left out.

Reference:
    fields: One for each pair, with the text of the predicted key. An alias in `ImportantFormKeyAliases` counts as the
        key.
    same: The texts differ only in white space, or are the same by the setting `same`; check boxes have the same status.
    prediction: The selected part of Textract's response.
"""

from __future__ import annotations

from collections import Counter, deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.rows import Row, Scored, is_known, not_compared, percent
from lambdas.reviews.comparison.values import as_json, normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set

    from lambdas.reviews.output import Output
    from lambdas.reviews.record import Kind
    from lambdas.reviews.rules import FlowRules
    from lambdas.reviews.service_parts import Block, Prediction

SHARED_WEIGHT = 100_000
"""Blocks and characters that pairs can share. A part belongs to one key or value, so all pairs together have no more
text than the blocks. But a thousand keys could refer to one value of three thousand words."""
MAX_DISTANCES = 2_000_000
"""The characters of the values of one key, times their number, up to which it is compared which ones are the same. By
their distance, that takes a few seconds at most, and usually a few milliseconds."""
MAX_VALUES = 100
"""Different values of one key. Of more, only equal ones are matched: each would have to be compared with each."""


def rows(output: Output, rules: FlowRules) -> list[Row]:
    """Returns a row for each key-value pair that the model predicted or a worker added."""
    answers = [answer.blocks for answer in output.human_answers]
    if all(blocks is None for blocks in answers):
        return []  # the worker page did not ask for pairs
    everything = _by_id(_blocks(output.ai_service_response))
    selected = output.selected_ai_service_response
    shown = _by_id(_blocks(selected or output.ai_service_response))
    known = {**everything, **shown}
    keys = _keys_by_alias(output)
    predicted = _pairs(shown.values(), known, known, keys)
    given = [
        _pairs(blocks or (), {**known, **_by_id(blocks or ())}, known, keys, is_partial=answer.is_partial)
        for blocks, answer in zip(answers, output.human_answers, strict=True)
    ]

    # Workers can also answer pairs of the prediction that were not selected.
    mentioned = {pair.id for pairs in given for pair in pairs} - {pair.id for pair in predicted}
    unselected = [block for id_, block in everything.items() if id_ in mentioned]
    predicted += _pairs(unselected, known, known, keys)

    if rules.fields:
        predicted, *given = _with_same_values([predicted, *given], rules)
    matches = [_match(predicted, pairs) for pairs in given]
    partial_answers = [answer.is_partial for answer in output.human_answers]
    found = [
        _row(pair, [match.of_prediction.get(index) for match in matches], partial_answers)
        for index, pair in enumerate(predicted)
    ]
    added = _added([match.added for match in matches])
    rows = [*found, *(_row(None, pairs, partial_answers) for pairs in added)]
    return [_compared_if_known(row, output) for row in rows if row.name or row.in_prediction]


class PredictedPair(NamedTuple):
    """A pair that the model predicted, and its blocks.

    Attributes:
        name: The name of its field; empty if the key has no text.
        value: The value as the record has it, as JSON, unless a worker made it a text.
        key: The id of its KEY block.
        values: The ids of its VALUE blocks.
    """

    name: str
    value: str
    key: str
    values: list[str]


def predicted_pairs(output: Output) -> list[PredictedPair]:
    """Returns all pairs of the prediction: first those that workers reviewed, in the order of their rows."""
    everything = _by_id(_blocks(output.ai_service_response))
    shown = _by_id(_blocks(output.selected_ai_service_response or output.ai_service_response))
    known = {**everything, **shown}
    others = [block for id_, block in everything.items() if id_ not in shown]
    return [
        PredictedPair(pair.key, as_json(pair.value), pair.id, known[pair.id].related("VALUE"))
        for pair in _pairs([*shown.values(), *others], known, known, _keys_by_alias(output))
    ]


def _compared_if_known(row: Row, output: Output) -> Row:
    return row if is_known(output, in_prediction=row.predicted is not None) else not_compared(row)


def _keys_by_alias(output: Output) -> dict[str, str]:
    """Returns the important form keys by their aliases, and by themselves if they have aliases."""
    aliases_of: dict[str, list[str]] = {}
    for parameters in output.important_form_keys:
        lowered = {name.lower(): value for name, value in parameters.items()}
        key, aliases = lowered.get("importantformkey"), lowered.get("importantformkeyaliases")
        if isinstance(key, str) and key.strip() not in ("", "*"):
            texts = aliases if isinstance(aliases, list) else []
            aliases_of.setdefault(normalised(key), []).extend(text for text in texts if isinstance(text, str))
    # The alias of one key can be another key, and that is what it is then.
    found: dict[str, str] = {}
    for key, aliases in aliases_of.items():
        if aliases:
            found.setdefault(_loosely(key), key)
    of_their_own = {_loosely(key) for key in aliases_of}
    for key, aliases in aliases_of.items():
        for alias in map(_loosely, map(normalised, aliases)):
            if alias and alias not in of_their_own:
                found.setdefault(alias, key)
    return found


class _Pair(NamedTuple):
    id: str
    key: str
    value: str | bool
    confidence: float | None
    is_odd: bool = False
    """Whether something is left out that the key or the value depends on."""
    same_as: str | None = None
    """The JSON of the value that it is the same as, by the settings of the field; None without such settings."""

    @property
    def vote(self) -> str:
        return self.same_as or as_json(self.value)


def _with_same_values(sides: Sequence[Sequence[_Pair]], rules: FlowRules) -> list[list[_Pair]]:
    """Returns the pairs of each side, with what their values are the same as among the pairs with the same key."""
    from lambdas.reviews.comparison.sameness import sameness_of

    by_key: dict[str, list[_Pair]] = {}
    for pair in (pair for pairs in sides for pair in pairs):
        by_key.setdefault(_loosely(pair.key), []).append(pair)
    same_as: dict[tuple[str, str], str] = {}
    for key, pairs in by_key.items():
        rule = sameness_of(rules.field(min(pair.key for pair in pairs)))
        values = {as_json(pair.value): pair.value for pair in pairs}
        if rule is None or len(values) > MAX_VALUES or len(values) * sum(map(len, values)) > MAX_DISTANCES:
            continue
        texts = sorted(values)
        for _, members in rule.groups([values[text] for text in texts], [1] * len(texts)):
            same_as |= {(key, texts[member]): texts[members[0]] for member in members}
    return [
        [pair._replace(same_as=same_as.get((_loosely(pair.key), as_json(pair.value)))) for pair in pairs]
        for pairs in sides
    ]


class _Match(NamedTuple):
    """A worker's pairs: by the index of the prediction; and those that were not predicted, by the text of the key."""

    of_prediction: dict[int, _Pair]
    added: dict[str, list[_Pair]]


def _match(predicted: Sequence[_Pair], given: Sequence[_Pair]) -> _Match:
    index_of = {pair.id: index for index, pair in enumerate(predicted)}
    match = _Match({}, {})
    unmatched = []
    for pair in given:
        index = index_of.get(pair.id)
        if index is None or index in match.of_prediction:
            unmatched.append(pair)
        else:
            match.of_prediction[index] = pair

    # Several pairs can have the same key. First match those that also have the same value, then the others.
    free = [index for index in range(len(predicted)) if index not in match.of_prediction]
    unmatched = _take(match, predicted, free, unmatched, lambda pair: (_loosely(pair.key), pair.vote))
    free = [index for index in free if index not in match.of_prediction]
    for pair in _take(match, predicted, free, unmatched, lambda pair: _loosely(pair.key)):
        match.added.setdefault(_loosely(pair.key), []).append(pair)
    return match


def _take(
    match: _Match,
    predicted: Sequence[_Pair],
    free: Iterable[int],
    given: Iterable[_Pair],
    by: Callable[[_Pair], Hashable],
) -> list[_Pair]:
    """Matches pairs to free predictions with the same `by`, in order. Returns the pairs without a match."""
    places: dict[Hashable, deque[int]] = {}
    for index in free:
        places.setdefault(by(predicted[index]), deque()).append(index)
    others = []
    for pair in given:
        if alike := places.get(by(pair)):
            match.of_prediction[alike.popleft()] = pair
        else:
            others.append(pair)
    return others


class _Found(NamedTuple):
    """A pair that was not predicted: the workers who found it, and its first place among the pairs with its key."""

    by_worker: dict[int, _Pair]
    place: int


def _added(added: Sequence[Mapping[str, Sequence[_Pair]]]) -> list[list[_Pair | None]]:
    """Returns the pairs of each worker that were not predicted, grouped and sorted by key.

    Pairs with the same key and value are the same pair. The remaining pairs with the same key are combined, one per
    worker: workers who found the same pair read it differently. The order of the workers does not matter.
    """
    made = []
    for text in sorted({text for pairs in added for text in pairs}):
        rows: list[_Found] = []
        # Heaps of the rows' indices, by the workers who are in the row.
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


def _of_the_same_value(given: Sequence[Sequence[_Pair]]) -> list[_Found]:
    """Groups the pairs with one key by value, most workers first."""
    found: dict[tuple[str, int], _Found] = {}
    for worker, pairs in enumerate(given):
        times: Counter[str] = Counter()
        for place, pair in sorted(enumerate(pairs), key=lambda placed: placed[1].key):
            value = pair.vote
            same = found.get((value, times[value]), _Found({}, place))
            found[value, times[value]] = _Found({**same.by_worker, worker: pair}, min(same.place, place))
            times[value] += 1
    return [found[key] for key in sorted(found, key=lambda key: (-len(found[key].by_worker), key))]


def _row(predicted: _Pair | None, given: Sequence[_Pair | None], partial_answers: Sequence[bool]) -> Row:
    everyone = [pair for pair in (predicted, *given) if pair]
    keys = [pair.key for pair in everyone]
    name = predicted.key if predicted and predicted.key else min(filter(None, keys), default="")
    kind: Kind = "selection" if all(isinstance(pair.value, bool) for pair in everyone) else "text"
    row = Row(
        name=name,
        kind=kind,
        predicted=Scored(_value(predicted, name, kind), predicted.confidence) if predicted else None,
        answers=[_value(pair, name, kind) if pair and not pair.is_odd else None for pair in given],
    )
    is_known = not any(pair.is_odd for pair in everyone) and all(
        pair or not is_partial for pair, is_partial in zip(given, partial_answers, strict=True)
    )
    return row if is_known else not_compared(row)


def _value(pair: _Pair, name: str, kind: Kind) -> Any:
    """Returns the value of a pair, and also the key if a worker corrected it."""
    value: Any = pair.value
    if kind == "text" and isinstance(value, bool):
        value = "SELECTED" if value else "NOT_SELECTED"
    corrected = pair.key and _loosely(pair.key) != _loosely(name)
    return {"key": pair.key, "value": value} if corrected else value


def _pairs(
    blocks: Iterable[Block],
    known: Mapping[str, Block],
    predicted: Mapping[str, Block],
    keys: Mapping[str, str],
    *,
    is_partial: bool = False,
) -> list[_Pair]:
    """Returns the pairs of the blocks.

    Args:
        blocks: The blocks of the prediction, or of an answer.
        known: All blocks that these can refer to, by id.
        predicted: The blocks of the prediction, by id.
        keys: The important form keys by their aliases.
        is_partial: Whether some blocks of an answer are left out. Then a value of the prediction does not stand for
            one that the answer lacks.
    """
    own = {block.id for block in blocks} if is_partial else frozenset()
    weigh = _weigher(known)
    left = SHARED_WEIGHT + 2 * sum(map(_weight, known.values()))
    pairs = []
    for block in blocks:
        if "KEY" not in (block.entity_types or ()):
            continue
        left -= weigh(block)
        # Once the parts are used up, no further pair is read: it is not compared.
        pairs.append(
            _pair(block, known, predicted, keys, own)
            if left >= 0
            else _Pair(block.id, "", "", None, is_odd=True)
        )
    return pairs


def _weigher(known: Mapping[str, Block]) -> Callable[[Block], int]:
    """Returns a function that says how much text a key and its value have, without reading it."""
    of_value: dict[str, int] = {}

    def with_children(block: Block) -> int:
        return _weight(block) + sum(_weight(known[id_]) for id_ in block.related("CHILD") if id_ in known)

    def weigh(key: Block) -> int:
        total = with_children(key)
        for id_ in key.related("VALUE"):
            if id_ in known:
                if id_ not in of_value:
                    of_value[id_] = with_children(known[id_])
                total += of_value[id_]
        return total

    return weigh


def _weight(block: Block) -> int:
    return 1 + len(block.text or "")


def _pair(
    key: Block,
    known: Mapping[str, Block],
    predicted: Mapping[str, Block],
    keys: Mapping[str, str],
    own: Set[str],
) -> _Pair:
    values = [known[id_] for id_ in key.related("VALUE") if id_ in known]
    parts = [part for value in values for part in _children(value, known)]
    confidences = [
        confidence
        for block in (key, *values, *parts)
        if (confidence := percent(block.confidence)) is not None
    ]
    key_text = key.text if key.text is not None else _text(_children(key, known))
    key_text = normalised(key_text)
    value = normalised(" ".join(_value_text(value, known, predicted) for value in values))
    return _Pair(
        id=key.id,
        key=keys.get(_loosely(key_text), key_text) if keys else key_text,
        value=value == "SELECTED" if value in _STATUSES else value,
        confidence=min(confidences, default=None),
        is_odd=_is_odd(key, values, parts, known, predicted, own),
    )


def _has_text(value: Block, known: Mapping[str, Block]) -> bool:
    return value.text is not None or value.selection_status is not None or bool(_children(value, known))


def _is_odd(
    key: Block,
    values: Sequence[Block],
    parts: Sequence[Block],
    known: Mapping[str, Block],
    predicted: Mapping[str, Block],
    own: Set[str],
) -> bool:
    if any(block.is_odd for block in (key, *values, *parts, *_children(key, known))):
        return True
    if not key.related("VALUE") or (key.text is None and not key.related("CHILD")):
        return True  # a key has a value, though that can be empty, and a text
    if any(
        _has_text(predicted.get(value.id, value), known) and not _has_text(value, known) for value in values
    ):
        return True  # the text of a value that a worker emptied is empty, not missing
    if len(values) < len(key.related("VALUE")) or (own and any(value.id not in own for value in values)):
        return True
    # A text in the block itself takes precedence over its parts.
    return any(
        id_ not in known for block in (key, *values) if block.text is None for id_ in block.related("CHILD")
    )


_STATUSES = frozenset({"SELECTED", "NOT_SELECTED"})


def _value_text(value: Block, known: Mapping[str, Block], predicted: Mapping[str, Block]) -> str:
    """Returns the words of a value and the statuses of its check boxes, in the order of its parts.

    A status of the value itself takes precedence over the status of its check box. In an answer, the text may contain
    no statuses. Then they are inserted: in their place if the words are unchanged, otherwise before the words.
    """
    parts = _children(value, known)
    if not parts and value.text and value.id in predicted:
        # An answer does not repeat the parts of a value that the worker did not change.
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
    # A status of the value replaces the status of its only check box.
    words_of_parts = (((part.selection_status and own) or part.selection_status, part.text) for part in parts)
    return " ".join(word for pair in words_of_parts for word in pair if word)


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
    """Returns the text of a key for comparisons: "Name :" and "name" are the same key."""
    return key.casefold().rstrip(": ")
