"""Tests of the IDs of classes."""

from __future__ import annotations

import pytest

from workflow.errors import AfterloopError
from workflow.operations.manifest.classes import classes_by_attribute

TWO = {"animal": {"dog", "cat"}, "mood": {"sad", "good"}}


def test_ids_of_each_attribute_start_with_0() -> None:
    assert classes_by_attribute(TWO, []) == {"animal": ("cat", "dog"), "mood": ("good", "sad")}


def test_given_labels_come_first_and_others_follow() -> None:
    assert classes_by_attribute({"animal": {"ant", "dog"}}, ["wolf", "dog"]) == {
        "animal": ("wolf", "dog", "ant")
    }
    given = ["mood=sad", "animal=dog", "mood=so=so"]
    assert classes_by_attribute(TWO, given) == {"animal": ("dog", "cat"), "mood": ("sad", "so=so", "good")}


def test_label_with_an_equals_sign_needs_no_attribute_if_reviews_have_it() -> None:
    assert classes_by_attribute({"animal": {"a=b", "c"}}, ["c", "a=b"]) == {"animal": ("c", "a=b")}


@pytest.mark.parametrize(
    ("found", "given", "message"),
    [
        (
            TWO,
            ["dog"],
            "--label dog: does not say for which attribute; write ATTRIBUTE=LABEL, with one of animal, mood",
        ),
        (TWO, ["moood=good"], "--label moood=good: does not say for which attribute"),
        (
            {"mood": {"good"}},
            ["moood=good"],
            "no attribute 'moood', only mood; if this is a label, write mood=moood=good",
        ),
        ({}, ["dog"], "no attribute of these reviews has classes"),
        (TWO, ["mood=sad", "mood=sad"], "--label mood=sad: given twice"),
    ],
)
def test_given_label_that_fits_no_attribute_is_refused(
    found: dict[str, set[str]], given: list[str], message: str
) -> None:
    with pytest.raises(AfterloopError, match=message):
        classes_by_attribute(found, given)
