from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops import names as loop_names

A2I_PATTERN = re.compile(r"^[a-z0-9](-*[a-z0-9])*$")
valid_names = st.from_regex(r"\A[a-z0-9](-{0,2}[a-z0-9]){0,20}\Z")


def accepted(name: str) -> bool:
    return bool(A2I_PATTERN.fullmatch(name)) and 1 <= len(name) <= 63


@given(st.text(min_size=1))
def test_every_key_gives_valid_name(key: str) -> None:
    assert accepted(loop_names.from_key(key))


@given(valid_names)
def test_valid_name_is_unchanged(name: str) -> None:
    assert loop_names.from_key(name) == name
    assert loop_names.check(name) == name


def test_similar_keys_give_different_names() -> None:
    keys = ["Order 17", "order 17", "order_17", "order-17", "ORDER-17", "x" * 64, "x" * 65]
    assert len({loop_names.from_key(key) for key in keys}) == len(keys)


@given(st.text(min_size=1), st.integers(2, 99))
def test_restart_names_are_valid_and_deterministic(key: str, attempt: int) -> None:
    root = loop_names.from_key(key)
    name = loop_names.of_restart(root, attempt)
    assert accepted(name)
    assert name == loop_names.of_restart(root, attempt)
    fallback = loop_names.of_restart_fallback(root, attempt)
    assert accepted(fallback)
    assert len({name, fallback, loop_names.of_restart(root, attempt + 1)}) == 3
    assert fallback != loop_names.of_restart_fallback(root, attempt + 1)


def test_long_roots_with_same_start_have_different_restarts() -> None:
    one, other = "a" * 62 + "b", "a" * 62 + "c"
    assert loop_names.of_restart(one, 2) != loop_names.of_restart(other, 2)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Invoice 7", "can contain only"),
        ("-a", "can contain only"),
        ("a-", "can contain only"),
        ("", "can contain only"),
        ("a" * 64, "64 characters"),
    ],
)
def test_invalid_name_error_suggests_valid_name(name: str, problem: str) -> None:
    with pytest.raises(loop_names.InvalidLoopName, match=problem) as refusal:
        loop_names.check(name)
    shown = re.findall(r"'([^']*)'", str(refusal.value))[-1]
    assert accepted(shown)
