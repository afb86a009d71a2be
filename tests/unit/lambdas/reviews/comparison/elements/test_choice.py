from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.agreed_answer import of_review
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, record_of, values_by_field

PETS = ("bird", "cat", "dog")
BY_NAME = {"my-flow": "m"}


def checked(*options: str, of: tuple[str, ...] = PETS) -> dict[str, bool]:
    return {option: option in options for option in of}


def pet(*workers: Any, prediction: Any = None, choice: bool | None = None) -> dict[str, tuple[Any, Any, str]]:
    settings = {} if choice is None else {"my-flow": {"fields": {"pet": {"choice": choice}}}}
    found = {} if prediction is None else {"prediction": {"pet": prediction}}
    document = custom(found, *({"pet": worker} for worker in workers))
    return values_by_field(fields_of(document, flow_definitions=settings))


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    ("prediction", "expected", "confidence"),
    [
        ("cat", "kept", None),
        ("dog", "changed", None),
        (["cat"], "kept", None),
        ({"labels": ["dog"]}, "changed", None),
        ({"label": "cat", "confidence": 0.4}, "kept", 0.4),
        ([{"label": "dog", "score": 0.45}, {"label": "cat", "score": 0.4}], "changed", 0.45),
        ([{"label": "lion", "score": 0.1}, {"label": "cat", "score": 0.4}], "kept", 0.4),
        ({"bird": 0.3, "cat": 0.4, "dog": 0.3}, "kept", 0.4),
        ({"bird": 40, "cat": 30, "dog": 30}, "changed", 0.4),
        ({"bird": 0.5, "cat": 0.5, "dog": 0.0}, "kept", 0.5),
        ({"bird": False, "cat": True, "dog": False}, "kept", None),
        ({"bird": True, "cat": False, "dog": False}, "changed", None),
        ({"bird": False, "cat": False, "dog": False}, "added", None),
        (" Cat ", "kept", None),
    ],
)
def test_prediction_is_the_likeliest_option(
    place: str, workers: int, prediction: Any, expected: str, confidence: float | None
) -> None:
    document = samples.with_prediction(place, prediction, checked("cat"))
    document["humanAnswers"] = samples.answers(*[{"e": checked("cat")}] * workers)
    (field,) = fields_of(document)
    assert (field.name, field.kind, field.reviewed, field.outcome) == ("e", "choice", '"cat"', expected)
    assert field.confidence == confidence


@pytest.mark.parametrize(
    "prediction", ["lion", 3, True, {"label": "lion", "confidence": 0.9}, {"lion": 0.9, "cat": 0.1}, 0.4, ["lion"]]
)  # fmt: skip
def test_what_is_no_option_is_no_prediction(prediction: Any) -> None:
    assert pet(checked("cat"), prediction=prediction) == {"pet": (None, "cat", "answered")}


@pytest.mark.parametrize("prediction", [None, "cat", {"bird": 0.3, "cat": 0.4, "dog": 0.3}])
def test_three_workers_who_choose_three_options_are_a_tie(prediction: Any) -> None:
    found = {"prediction": {"pet": prediction}} if prediction else {}
    record = record_of(custom(found, *({"pet": checked(one)} for one in PETS)))
    (field,) = record.fields
    assert (field.reviewed, field.outcome, field.agreement) == (None, "unresolved", 1 / 3)
    answer = of_review(record, "s3://reviews/loop-1")
    assert (answer["answers"], answer["unresolved"]) == ({}, ["pet"])


def test_waiting_workflow_gets_the_option_with_most_votes() -> None:
    record = record_of(custom({}, *({"pet": checked(one)} for one in ("cat", "dog", "dog"))))
    assert of_review(record, "s3://reviews/loop-1")["answers"] == {"pet": "dog"}


def test_nothing_checked_is_an_empty_answer() -> None:
    assert pet(checked("cat"), checked(), checked("cat"), prediction="cat") == {"pet": ("cat", "cat", "kept")}
    assert pet(checked("cat"), checked(), checked(), prediction="cat") == {"pet": ("cat", None, "removed")}


@pytest.mark.parametrize(
    ("workers", "prediction"),
    [
        ([checked("cat", "dog")], None),
        ([checked("cat"), checked("cat", "dog")], "cat"),
        ([checked("cat")], ["cat", "dog"]),
        ([checked("cat")], []),
        ([checked("cat")], checked("cat", "dog")),
        ([checked("cat")], {"cat": 0.9, "dog": 0.8, "bird": 0.1}),
        ([checked("cat")], [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.8}]),
        ([checked()], "cat"),
        ([checked(), checked()], None),
        ([{"on": True}], None),
    ],
)
def test_several_checked_or_predicted_are_check_boxes(workers: list[Any], prediction: Any) -> None:
    found = {} if prediction is None else {"prediction": {"pet": prediction}}
    fields = fields_of(custom(found, *({"pet": worker} for worker in workers)))
    assert {field.kind for field in fields} == {"selection"}
    assert len(fields) == len(workers[0])


def test_setting_says_that_boxes_are_a_choice() -> None:
    assert pet(checked(), checked(), choice=True) == {"pet": (None, None, "answered")}
    assert pet(checked("cat"), prediction=["cat", "dog"], choice=True) == {
        "pet": (["cat", "dog"], "cat", "changed")
    }
    # A worker who checked two has given an answer of their own.
    both = checked("cat", "dog")
    assert pet(both, both, checked("cat"), choice=True) == {"pet": (None, ["cat", "dog"], "answered")}


def test_prediction_without_name_fits_choice_by_setting() -> None:
    found = [{"label": "cat", "score": 0.4}, {"label": "lion", "score": 0.1}]
    rules = {"my-flow": {"fields": {"pet": {"choice": True}}}}
    document = custom({"prediction": found}, {"pet": checked()})
    assert values_by_field(fields_of(document, flow_definitions=rules)) == {"pet": ("cat", None, "removed")}


def test_setting_says_that_boxes_are_no_choice() -> None:
    assert pet(checked("cat"), prediction="cat", choice=False) == {
        "pet/bird": (False, False, "kept"),
        "pet/cat": (True, True, "kept"),
        "pet/dog": (False, False, "kept"),
    }


SIZES = ("small", "medium", "large")
ONE_CHOICE = {"my-flow": {"fields": {"size": {"buttons": SIZES}}}}


def buttons(*chosen: str, value: str | None = None) -> dict[str, Any]:
    """The answers of buttons with names of their own."""
    return {size: {value or "on": size in chosen} for size in SIZES}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("value", [None, "x"])
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, (None, "small", "answered")),
        ({"size": "small"}, ("small", "small", "kept")),
        ({"prediction": "large"}, ("large", "small", "changed")),
        ({"prediction": {"small": 0.4, "medium": 0.3, "large": 0.3}}, ("small", "small", "kept")),
        ({"prediction": {"small": False, "medium": True, "large": False}}, ("medium", "small", "changed")),
        ({"prediction": {"size": {"label": "large", "confidence": 0.4}}}, ("large", "small", "changed")),
        ({"small": True, "medium": False, "large": False}, ("small", "small", "kept")),
        ({"small": {"on": False}, "medium": {"on": True}}, ("medium", "small", "changed")),
        ({"prediction": {"note": "x", "small": 0.2, "medium": 0.8}}, ("medium", "small", "changed")),
        ({"prediction": {"note": "x", "large": {"value": True, "confidence": 0.9}}}, ("large", "small", "changed")),
        ({"prediction": {"note": "x", "large": "maybe"}}, (None, "small", "answered")),
    ],
)  # fmt: skip
def test_buttons_with_names_of_their_own_are_one_choice(
    found: dict[str, Any], expected: tuple[Any, Any, str], value: str | None, workers: int
) -> None:
    answer = buttons("small", value=value) | {"note": "x"}
    fields = values_by_field(fields_of(custom(found, *[answer] * workers), flow_definitions=ONE_CHOICE))
    assert fields.pop("note")[1] == "x"
    assert fields == {"size": expected}


def test_worker_who_checked_no_button_left_the_choice_empty() -> None:
    document = custom({"size": "small"}, buttons(), buttons(), buttons("small"))
    assert values_by_field(fields_of(document, flow_definitions=ONE_CHOICE)) == {
        "size": ("small", None, "removed")
    }


def test_three_workers_with_three_buttons_are_a_tie() -> None:
    document = custom({}, *map(buttons, SIZES))
    (field,) = fields_of(document, flow_definitions=ONE_CHOICE)
    assert (field.name, field.kind, field.outcome) == ("size", "choice", "unresolved")


@pytest.mark.parametrize(
    "answer",
    [{"note": "x"}, {"small": "a text", "medium": {"on": True}}, buttons("small") | {"size": "a text"}],
)
def test_setting_that_does_not_fit_the_page_changes_nothing(answer: dict[str, Any]) -> None:
    assert fields_of(custom({}, answer), flow_definitions=ONE_CHOICE) == fields_of(custom({}, answer))


@given(
    st.lists(st.sampled_from([*PETS, None]), min_size=1, max_size=3).filter(any),
    st.sampled_from([None, *PETS]) | st.fixed_dictionaries(dict.fromkeys(PETS, st.floats(0, 0.49))),
)
def test_choice_gives_only_an_answer_that_somebody_gave(chosen: list[str | None], prediction: Any) -> None:
    workers = [checked(one) if one else checked() for one in chosen]
    ((predicted, reviewed, outcome),) = pet(*workers, prediction=prediction).values()
    assert reviewed in chosen or outcome == "unresolved"
    assert predicted in (None, *PETS)
    tied = any(
        chosen.count(one) == chosen.count(other) == max(map(chosen.count, chosen))
        for one, other in combinations(set(chosen), 2)
    )
    assert (outcome == "unresolved") == tied


@pytest.mark.parametrize("workers", [1, 3])
def test_probabilities_of_all_options_say_that_it_is_a_choice(workers: int) -> None:
    nobody = [checked()] * workers
    assert pet(*nobody, prediction={"bird": 0.3, "cat": 0.4, "dog": 0.3}) == {"pet": ("cat", None, "removed")}
    # Those of check boxes have another sum.
    assert pet(*nobody, prediction={"bird": 0.3, "cat": 0.1, "dog": 0.3}) == {
        f"pet/{one}": (False, False, "kept") for one in PETS
    }
