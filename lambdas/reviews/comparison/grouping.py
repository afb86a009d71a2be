"""Groups the shapes of several sides that mark the same object: at most one shape of each side in a group.

Equal shapes are grouped first. Then the most similar pairs, pairs with the same label before all others. The result
does not depend on the order of the shapes or of the sides.

An answer can have thousands of shapes in one place, so that each is similar to each. Up to `MAX_PAIRS` pairs and
`MAX_EFFORT`, all pairs that can be similar are compared, and the result is exact. Above, only shapes that are close to
each other are compared, in several rounds, and the result is approximate: a shape can be grouped with another one than
the most similar, and a group can lack a shape. So time and memory are bounded, whatever a worker draws.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import combinations
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lambdas.reviews.comparison.values import Shape

MAX_PAIRS = 200_000
"""The pairs that are compared to find the exact groups, and in each round of the approximate ones. Three workers who
mark 250 objects in the same place have as many. They take half a second and 60 MB."""
MAX_EFFORT = 1_500_000
"""The same limit for shapes that are slow to compare, in the unit of `Shape.effort`, about a microsecond."""
MAX_EFFORT_OF_ROUND = 375_000
"""The effort of each round of the approximate groups."""
MAX_CHECKS = 5_000_000
"""The pairs of which at most the extents are compared."""
MAX_PART = 64
"""The shapes of a part, which are all compared with each other, in a round of the approximate groups."""


class Grouped(NamedTuple):
    """The groups.

    Attributes:
        groups: In each, the index of the shape by the index of its side.
        is_approximate: Whether there were too many pairs to compare.
    """

    groups: list[Mapping[int, int]]
    is_approximate: bool


def group(sides: Sequence[Sequence[Shape]]) -> Grouped:
    """Groups the shapes by object. A shape that marks an object alone is a group, too."""
    nodes = _nodes(sides)
    groups = [each for node in nodes for each in node.groups]
    is_approximate = False
    if nodes := _open(nodes, len(sides)):
        pairs = _near(nodes)
        is_approximate = pairs is None
        if pairs is None:
            _join_in_rounds(nodes, len(sides))
        else:
            _join(_ranked(pairs), len(sides))
    return Grouped([each.members for each in groups if each.heir is None], is_approximate)


class _Group:
    """The shapes of an object, by side. Once it has joined another group, that one is its heir."""

    __slots__ = ("heir", "members")

    def __init__(self, members: dict[int, int]) -> None:
        self.members = members
        self.heir: _Group | None = None

    def last(self) -> _Group:
        """Returns the group that has the members now."""
        found = self
        while found.heir is not None:
            found = found.heir
        return found

    def take(self, other: _Group) -> None:
        """Takes the members of a group that has no side in common."""
        self.members |= other.members
        other.heir = self


class _Node:
    """All equal shapes, with the groups that they are in."""

    __slots__ = ("across", "down", "effort", "groups", "place", "rank", "shape", "sides")

    def __init__(self, shape: Shape, rank: int, groups: list[_Group]) -> None:
        self.shape = shape
        self.rank = rank
        self.groups = groups
        self.across, self.down, self.effort = shape.extent, shape.vertical_extent, shape.effort
        left, right, top, bottom = map(_number, (*self.across, *self.down))
        middles = _number(left / 2 + right / 2), _number(top / 2 + bottom / 2)
        self.place = (*middles, _number(right - left), _number(bottom - top))
        self.sides: frozenset[frozenset[int]] = frozenset()

    def open(self, count: int) -> list[_Group]:
        """Returns the groups that lack a side."""
        self.groups = [
            each for each in dict.fromkeys(each.last() for each in self.groups) if len(each.members) < count
        ]
        return self.groups


_Pair = tuple[_Node, _Node]
_Sides = frozenset[frozenset[int]]


class _Round(NamedTuple):
    """A round of the approximate groups.

    Attributes:
        least: The similarity from which shapes are joined.
        same_label: Whether only shapes with the same label are joined.
        cut: Where parts are cut. In each round elsewhere, so that shapes on both sides of a cut meet in another round.
        by_side: Whether the shapes of each side are cut by themselves. So shapes meet that are all on one side of a
            place, and those of the other side of the comparison all on the other.
    """

    least: float
    same_label: bool
    cut: float
    by_side: bool = False


_ROUNDS = (
    _Round(0.9, True, 0.5),
    _Round(0.75, True, 0.4),
    _Round(0.6, True, 0.55),
    _Round(0.0, True, 0.45),
    _Round(0.0, True, 0.5, by_side=True),
    _Round(0.0, False, 0.5),
    _Round(0.0, False, 0.5, by_side=True),
)


def _nodes(sides: Sequence[Sequence[Shape]]) -> list[_Node]:
    """Returns the different shapes. The first ones of all sides are in a group, the second ones in another."""
    places: dict[Shape, list[list[int]]] = {}
    texts: dict[Shape, str] = {}
    for side, shapes in enumerate(sides):
        for index, shape in enumerate(shapes):
            places.setdefault(shape, [[] for _ in sides])[side].append(index)
            # Equal shapes can have two texts: 1 and 1.0.
            texts[shape] = min(repr(shape), texts.get(shape, "\U0010ffff"))
    made = []
    for rank, shape in enumerate(sorted(places, key=lambda one: texts[one])):
        indices = places[shape]
        groups = [
            _Group({side: found[nth] for side, found in enumerate(indices) if nth < len(found)})
            for nth in range(max(map(len, indices)))
        ]
        made.append(_Node(shape, rank, groups))
    return made


def _open(nodes: Iterable[_Node], count: int) -> list[_Node]:
    """Returns the shapes that can be joined with others."""
    found = [node for node in nodes if node.open(count)]
    for node in found:
        node.sides = frozenset(frozenset(each.members) for each in node.groups)
    return found


def _joinable(nodes: Iterable[_Node]) -> dict[_Sides, list[_Sides]]:
    """Returns with which sides each of the nodes' sides can be joined."""
    known = dict.fromkeys(node.sides for node in nodes)
    return {
        one: [other for other in known if any(a.isdisjoint(b) for a in one for b in other)] for one in known
    }


def _near(nodes: Sequence[_Node]) -> list[_Pair] | None:
    """Returns the pairs that can be similar, because their extents overlap on both axes; None if they are too many."""
    joinable = _joinable(nodes)
    active: dict[_Sides, list[tuple[float, float, float, _Node]]] = {sides: [] for sides in joinable}
    pairs: list[_Pair] = []
    checks = effort = 0
    for start, end, low, high, node in _swept(nodes):
        for sides in joinable[node.sides]:
            others = active[sides]
            checks += len(others)
            others[:] = [one for one in others if one[0] >= start]
            beside = [one[3] for one in others if one[1] <= high and one[2] >= low]
            found = [one for one in beside if one.shape.is_near(node.shape)]
            checks += len(beside)
            pairs += [(node, one) for one in found]
            effort += sum(one.effort for one in found) + node.effort * len(found)
        if len(pairs) > MAX_PAIRS or effort > MAX_EFFORT or checks > MAX_CHECKS:
            return None
        active[node.sides].append((end, low, high, node))
    return pairs


def _swept(nodes: Sequence[_Node]) -> list[tuple[float, float, float, float, _Node]]:
    """Returns the extents along the axis on which fewer of them overlap, and on the other one, by their starts."""

    def overlaps(extents: Sequence[tuple[float, float]]) -> int:
        ends = sorted(end for _, end in extents)
        return -sum(bisect_left(ends, start) for start, _ in extents)

    extents = [(node.across, node.down) for node in nodes]
    if overlaps([down for _, down in extents]) < overlaps([across for across, _ in extents]):
        extents = [(down, across) for across, down in extents]
    swept = [(*along, *beside, node) for (along, beside), node in zip(extents, nodes, strict=True)]
    return sorted(swept, key=lambda each: (each[0], each[4].rank))


def _ranked(pairs: Iterable[_Pair], least: float = 0.0, *, same_label: bool = False) -> Iterator[_Pair]:
    """Yields the pairs that are similar: first those with the same label, then the most similar."""
    found = []
    for one, other in pairs:
        is_other_label = one.shape.label != other.shape.label
        if same_label and is_other_label:
            continue
        if not one.shape.is_near(other.shape):
            continue
        similarity = one.shape.similarity(other.shape)
        if similarity > 0 and similarity >= least:
            ranks = (one.rank, other.rank) if one.rank < other.rank else (other.rank, one.rank)
            found.append((is_other_label, -similarity, *ranks, one, other))
    found.sort(key=itemgetter(0, 1, 2, 3))
    for *_, one, other in found:
        yield one, other


def _join(pairs: Iterable[_Pair], count: int) -> None:
    """Joins the groups of each pair, as far as they have no side in common."""
    for pair in pairs:
        # Which of the two is first must not depend on how they were found.
        one, other = sorted(pair, key=lambda node: node.rank)
        if not (one.groups and other.groups and one.open(count) and other.open(count)):
            continue
        waiting: dict[frozenset[int], deque[_Group]] = {}
        for each in other.groups:
            waiting.setdefault(frozenset(each.members), deque()).append(each)
        for each in one.groups:
            if each.heir is None and (found := _free(each, waiting)):
                each.take(found)


def _free(group: _Group, waiting: Mapping[frozenset[int], deque[_Group]]) -> _Group | None:
    """Returns the first group that has no side in common with this one, and takes it off the waiting ones."""
    for sides, groups in waiting.items():
        while groups and sides.isdisjoint(group.members):
            found = groups.popleft()
            # While it waited, it can have joined another group, or taken one.
            if found.heir is None and found.members.keys().isdisjoint(group.members):
                return found
    return None


def _join_in_rounds(nodes: Sequence[_Node], count: int) -> None:
    for each in _ROUNDS:
        nodes = _open(nodes, count)
        if each.same_label:
            labels: dict[str, list[_Node]] = {}
            for node in nodes:
                labels.setdefault(node.shape.label, []).append(node)
            kinds = list(labels.values())
        else:
            kinds = [list(nodes)]
        joinable = {one: frozenset(others) for one, others in _joinable(nodes).items()}
        size = _part_size(nodes)
        parts = [part for kind in kinds for part in _parts(kind, size, each)]
        pairs = (
            (one, other)
            for part in parts
            for one, other in combinations(part, 2)
            if other.sides in joinable[one.sides]
        )
        _join(_ranked(_affordable(pairs), each.least, same_label=each.same_label), count)


def _affordable(pairs: Iterable[_Pair]) -> Iterator[_Pair]:
    """Yields the first pairs, up to the effort of a round: slow shapes can be too many even in the smallest parts."""
    left = MAX_EFFORT_OF_ROUND
    for one, other in pairs:
        left -= one.effort + other.effort
        if left < 0:
            return
        yield one, other


def _part_size(nodes: Sequence[_Node]) -> int:
    """Returns the size of a part, for the limits of a round."""
    if not nodes:
        return MAX_PART
    effort = 2 * sum(node.effort for node in nodes) / len(nodes)
    pairs = min(MAX_PAIRS, MAX_EFFORT_OF_ROUND / effort)
    return max(2, min(MAX_PART, int(2 * pairs / len(nodes))))


def _parts(nodes: Sequence[_Node], size: int, settings: _Round) -> Iterator[Sequence[_Node]]:
    """Cuts the shapes into parts that are close to each other, along the axis on which they differ most."""
    left: list[Sequence[_Node]] = [nodes]
    while left:
        part = left.pop()
        if len(part) <= size:
            yield part
            continue
        axis = max(range(4), key=lambda one: _spread([node.place[one] for node in part]))
        ordered = sorted(part, key=lambda node: (node.place[axis], node.rank))
        queues: dict[_Sides | None, list[_Node]] = {}
        for node in ordered:
            queues.setdefault(node.sides if settings.by_side else None, []).append(node)
        first = [node for queue in queues.values() for node in queue[: _cut(queue, settings)]]
        second = [node for queue in queues.values() for node in queue[_cut(queue, settings) :]]
        if not first:
            yield part[:size]
        else:
            left += [first, second]


def _cut(queue: Sequence[_Node], settings: _Round) -> int:
    return int(len(queue) * settings.cut)


def _spread(places: Sequence[float]) -> float:
    return _number(max(places) - min(places))


def _number(value: float) -> float:
    """Returns a number that can be sorted: also an integer that no float can be, and the result of an overflow."""
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return 0.0 if math.isnan(number) else number
