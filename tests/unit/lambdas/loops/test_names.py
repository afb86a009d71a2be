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
def test_every_key_has_a_name_that_a2i_accepts(key: str) -> None:
    assert accepted(loop_names.from_key(key))


@given(valid_names)
def test_a_key_that_is_a_name_is_its_own_name(name: str) -> None:
    assert loop_names.from_key(name) == name
    assert loop_names.check(name) == name


def test_keys_that_look_alike_have_names_of_their_own() -> None:
    keys = ["Order 17", "order 17", "order_17", "order-17", "ORDER-17", "x" * 64, "x" * 65]
    assert len({loop_names.from_key(key) for key in keys}) == len(keys)


@given(st.text(min_size=1), st.integers(2, 99))
def test_a_restart_has_one_name_that_a2i_accepts(key: str, attempt: int) -> None:
    root = loop_names.from_key(key)
    name = loop_names.of_restart(root, attempt)
    assert accepted(name)
    assert name == loop_names.of_restart(root, attempt)
    instead = loop_names.of_restart_fallback(root, attempt)
    assert accepted(instead)
    assert len({name, instead, loop_names.of_restart(root, attempt + 1)}) == 3
    assert instead != loop_names.of_restart_fallback(root, attempt + 1)


def test_long_roots_that_begin_alike_do_not_share_a_restart() -> None:
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
def test_a_bad_name_is_refused_with_one_that_would_do(name: str, problem: str) -> None:
    with pytest.raises(loop_names.InvalidLoopName, match=problem) as refusal:
        loop_names.check(name)
    shown = re.findall(r"'([^']*)'", str(refusal.value))[-1]
    assert accepted(shown)
