"""Items that anybody could put into the ledger's table."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from lambdas.loops.loop import Loop

__all__ = ["odd_items"]

_TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["Starting", "InProgress", "Failed", "escalated", "failed"]),
    st.sampled_from(["working", "done", "custom", "loop", "arn:x"]),
    st.sampled_from(["2026-03-04T05:06:07.890Z", "0001-01-01T00:00:00+23:59", "2026-03-04", "s3://b/k"]),
)
_NUMBERS = st.one_of(st.integers(-3, 10**6).map(str), st.sampled_from(["1E+125", "-1E+125", "1E-130", "2.5"]))
_SCALARS = st.one_of(
    _TEXTS.map(lambda text: {"S": text}),
    _NUMBERS.map(lambda number: {"N": number}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.binary(min_size=1, max_size=3).map(lambda data: {"B": data}),
    st.sets(_NUMBERS, min_size=1, max_size=2).map(lambda numbers: {"NS": sorted(numbers)}),
    st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=2).map(lambda texts: {"SS": sorted(texts)}),
)
_KEYS = st.sampled_from(
    ["state", "execution", "at", "claim", "answers", "changed", "unresolved", "agreement", "overruled"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda values: {"L": values}),
        st.dictionaries(_KEYS, inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=4,
)
_EXECUTIONS = ["execution arn:x", "execution "]
_CLAIMS = ["claim 2026-03-04T05:06:07.890Z Failed", "claim ", "claim x Completed"]
_ATTRIBUTES = [to_camel(name) for name in Loop.model_fields if name not in ("human_loop_name", "claims")]
_INDEXED = ("status", "outcome", "createdAt", "flowDefinitionArn")
"""DynamoDB refuses another type than a string, and an empty string, in the keys of indexes."""


@st.composite
def odd_items(draw: Any, name: str = "odd") -> dict[str, Any]:
    """An item with that key, and any attributes in any of DynamoDB's types."""
    names = draw(
        st.lists(st.sampled_from(_ATTRIBUTES + _CLAIMS + _EXECUTIONS + ["more"]), max_size=8, unique=True)
    )
    item = {key: draw(_VALUES) for key in names if key not in _INDEXED}
    item |= {key: {"S": draw(_TEXTS.filter(bool))} for key in names if key in _INDEXED}
    return {**item, "humanLoopName": {"S": name}}
