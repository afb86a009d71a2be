"""One odd value in an output costs its field, never the review, and what is not known overrules nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.reviews.output import REKOGNITION, TEXTRACT, parse_output
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.review_samples import answered_pair, fields_of, pair, rekognition, textract, values_by_field

RESPONSE = "inputContent>aiServiceResponse"
SELECTED = "inputContent>selectedAiServiceResponse"
ANSWER = f"humanAnswers>0>answerContent>{TEXTRACT}"
KEY, VALUE, WORD = "blocks>0", "blocks>1", "blocks>3"
KEPT = {"Date": ("1 May", "1 May", "kept")}
"""The field that nothing odd touches."""


def _form(workers: int = 1) -> dict[str, Any]:
    answers = [answered_pair("a", "Name", "Ana"), answered_pair("b", "Date", "1 May")]
    document = textract([pair("a", "Name", "Eva"), pair("b", "Date", "1 May")], *[answers] * workers)
    return json.loads(json.dumps(document))  # a copy in which no two places share an object


def _with(document: dict[str, Any], path: str, value: Any = None, *, remove: bool = False) -> dict[str, Any]:
    """Puts a value in a place of the document, or removes what is there."""
    *parents, last = path.split(">")
    place: Any = document
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    key: Any = int(last) if isinstance(place, list) else last
    if remove:
        del place[key]
    else:
        place[key] = value
    return document


CHANGED = {"Name": ("Eva", "Ana", "changed")}
NOT_COMPARED = {"Name": (None, "Ana", "answered")}
NO_ANSWER = {"Name": (None, None, "answered")}
WITHOUT_KEY = {"": (None, None, "answered")}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("place", [RESPONSE, SELECTED], ids=["response", "selected"])
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # A confidence is lost alone.
        (f"{KEY}>confidence", "high", CHANGED),
        (f"{KEY}>confidence", -1, CHANGED),
        (f"{KEY}>confidence", 1e300, CHANGED),
        (f"{KEY}>confidence", float("nan"), CHANGED),
        (f"{KEY}>confidence", float("inf"), CHANGED),
        (f"{KEY}>confidence", [90], CHANGED),
        (f"{KEY}>confidence", True, CHANGED),
        (f"{KEY}>confidence", None, CHANGED),
        (f"{KEY}>confidence", 10**400, CHANGED),
        (f"{WORD}>text", None, NOT_COMPARED),
        (f"{KEY}>relationships", None, NOT_COMPARED),
        (f"{KEY}>relationships", [{"type": "CHILD", "ids": ["a-k0"]}], NOT_COMPARED),
        (f"{KEY}>entityTypes", None, NOT_COMPARED),
        (f"{KEY}>entityTypes", [], NOT_COMPARED),
        ("blocks>2>text", None, NOT_COMPARED),
        ("blocks>2>text", {}, NOT_COMPARED),
        # What the field does not depend on.
        (f"{KEY}>blockType", "QUERY_RESULT_OF_TOMORROW", CHANGED),
        (f"{KEY}>blockType", 7, CHANGED),
        (f"{KEY}>geometry", "none", CHANGED),
        (f"{KEY}>page", "one", CHANGED),
        # A number is read as a text.
        (f"{WORD}>text", 12, {"Name": ("12", "Ana", "changed")}),
        # The text of the prediction is unknown.
        (f"{WORD}>text", {"S": "Eva"}, NOT_COMPARED),
        (f"{WORD}>text", True, NOT_COMPARED),
        (f"{WORD}>id", {"not": "an id"}, NOT_COMPARED),
        (f"{VALUE}>id", ["x"], NOT_COMPARED),
        (f"{VALUE}>relationships", "CHILD", NOT_COMPARED),
        (f"{VALUE}>relationships", [{"type": "CHILD", "ids": ["nowhere"]}], NOT_COMPARED),
        (f"{VALUE}>relationships", [{"type": "CHILD", "ids": [None]}], NOT_COMPARED),
        (f"{KEY}>relationships>0", {"type": "VALUE", "ids": ["nowhere"]}, NOT_COMPARED),
        (f"{KEY}>relationships>0", {"type": "VALUE", "ids": {"0": "a-value"}}, NOT_COMPARED),
        (f"{KEY}>entityTypes", "KEY", NOT_COMPARED),
        (KEY, "a block", NOT_COMPARED),
        (KEY, None, NOT_COMPARED),
    ],
)  # fmt: skip
def test_odd_block_of_prediction_costs_its_field(
    workers: int, place: str, path: str, value: Any, expected: dict[str, Any]
) -> None:
    document = _form(workers)
    del document["inputContent"]["aiServiceResponse" if place == SELECTED else "selectedAiServiceResponse"]
    fields = fields_of(_with(document, f"{place}>{path}", value))
    assert values_by_field(fields) == KEPT | expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (f"{VALUE}>text", 12, {"Name": ("Eva", "12", "changed")}),
        (f"{VALUE}>text", {"S": "Ana"}, NO_ANSWER),
        (f"{VALUE}>text", ["Ana"], NO_ANSWER),
        (f"{VALUE}>id", {}, NO_ANSWER),
        (VALUE, [], NO_ANSWER),
        (f"{VALUE}>confidence", "sure", CHANGED),
        (f"{VALUE}>selectionStatus", 7, NO_ANSWER),
        (f"{KEY}>relationships", [{"type": "VALUE", "ids": [{}]}], NO_ANSWER),
        (f"{KEY}>entityTypes", {"0": "KEY"}, NO_ANSWER),
        (KEY, 7, NO_ANSWER),
    ],
)
def test_odd_block_of_answer_costs_its_field(path: str, value: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(_with(_form(), f"{ANSWER}>{path}", value))) == KEPT | expected


def test_odd_block_of_one_worker_leaves_votes_of_the_others() -> None:
    document = _with(_form(3), f"{ANSWER}>{VALUE}>text", {"S": "Ana"})
    fields = {field.name: field for field in fields_of(document)}
    assert [(vote.value, vote.count) for vote in fields["Name"].votes] == [('"Ana"', 2), (None, 1)]
    assert fields["Name"].outcome == "answered"
    assert fields["Date"].outcome == "kept"


@pytest.mark.parametrize("missing", ["id", "blockType", "confidence"])
def test_key_without_id_is_matched_by_its_text(missing: str) -> None:
    document = _form()
    del document["inputContent"]["selectedAiServiceResponse"]
    _with(document, f"{RESPONSE}>{KEY}>{missing}", remove=True)
    assert values_by_field(fields_of(document)) == KEPT | CHANGED


@pytest.mark.parametrize("response", [None, [], 7, "text", {"blocks": {"0": 1}}, {"blocks": 3}, {}])
def test_form_without_readable_prediction_overrules_nobody(response: Any) -> None:
    document = _with(_with(_form(), RESPONSE, response), SELECTED, response)
    assert samples.record_of(document).prediction_source is None
    expected = {"Name": "Ana", "Date": "1 May"}
    assert values_by_field(fields_of(document)) == {
        name: (None, value, "answered") for name, value in expected.items()
    }


MODERATED = f"humanAnswers>0>answerContent>{REKOGNITION}>moderationLabels"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["Gore"], {"Gore": "kept", "Smoking": "removed"}),
        ([" Gore ", {"name": "Drugs", "parentName": None}], {"Gore": "kept", "Smoking": "removed", "Drugs": "added"}),
        ([{"name": "Gore", "parentName": "", "id": 3, "more": {}}], {"Gore": "kept", "Smoking": "removed"}),
        (["Gore", "Gore", "Smoking"], {"Gore": "kept", "Smoking": "kept"}),
        ([], {"Gore": "removed", "Smoking": "removed"}),
        (["Gore", 7], {"Gore": "kept", "Smoking": "answered"}),
        (["Gore", {"name": {"en": "Smoking"}}], {"Gore": "kept", "Smoking": "answered"}),
        (["Gore", {}], {"Gore": "kept", "Smoking": "answered"}),
        (["Gore", None, ""], {"Gore": "kept", "Smoking": "answered"}),
        ([{"name": "Gore", "confidence": "high"}], {"Gore": "kept", "Smoking": "removed"}),
        ([{"name": "Gore", "parentName": ["x"]}], {"Gore": "kept", "Smoking": "removed"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_moderation_answers_in_all_forms(
    workers: int, as_list: bool, given: list[Any], expected: dict[str, str]
) -> None:
    document = rekognition([("Gore", "", 90.0), ("Smoking", "", 60.0)], *[[]] * workers)
    for answer in document["humanAnswers"]:
        answer["answerContent"] = {REKOGNITION: given if as_list else {"moderationLabels": given}}
    outcomes = {field.name: field.outcome for field in fields_of(document)}
    assert outcomes == expected


@pytest.mark.parametrize(
    ("label", "gore"),
    [({"confidence": "high"}, "kept"), ({"name": ["Gore"]}, "answered"), ({"name": None}, "answered")],
)
def test_odd_predicted_label_costs_itself(label: dict[str, Any], gore: str) -> None:
    document = rekognition([("Gore", "", 90.0), ("Smoking", "", 60.0)], [("Gore", ""), ("Smoking", "")])
    document["inputContent"]["aiServiceResponse"]["moderationLabels"][0].update(label)
    fields = {field.name: field for field in fields_of(document)}
    assert {name: field.outcome for name, field in fields.items()} == {"Gore": gore, "Smoking": "kept"}
    assert fields["Gore"].confidence is None
    assert fields["Smoking"].confidence == 0.6


@pytest.mark.parametrize("confidence", [-1, 101, 1e300, float("nan"), float("-inf"), "99", True])
def test_impossible_confidence_is_unknown(confidence: Any) -> None:
    (field,) = fields_of(rekognition([("Gore", "", confidence)], [("Gore", "")]))
    assert (field.outcome, field.confidence) == ("kept", None)


@pytest.mark.parametrize(
    "odd", [None, 7, True, {}, [], "", "soon", "9999-12-31T23:59:59-14:00", float("nan")]
)
@pytest.mark.parametrize(
    "key",
    ["timeSpentInSeconds", "acceptanceTime", "submissionTime", "workerId", "workerMetadata", "somethingNew"],
)
def test_odd_metadata_of_worker_leaves_the_answer(key: str, odd: Any) -> None:
    document = samples.custom({"prediction": "a"}, {"e": {"label": "b"}}, {"e": {"label": "b"}})
    document["humanAnswers"][0][key] = odd
    record = samples.record_of(document)
    assert values_by_field(list(record.fields)) == {"e": ("a", "b", "changed")}
    assert (len(record.answers), record.unreadable_answers) == (2, 0)
    assert record.completed_at == datetime(2026, 3, 1, 10, 1, tzinfo=UTC)
    json.loads(record.to_line())


@pytest.mark.parametrize(
    ("accepted", "submitted"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("before", datetime(2026, 3, 1, 9, 59, 0, 123000, tzinfo=UTC)),  # the creation of the loop
    ],
)
def test_answer_without_time_has_the_time_before_it(accepted: str, submitted: datetime) -> None:
    document = samples.custom({"prediction": "a"}, {"e": {"label": "b"}})
    document["humanAnswers"][0] |= {"submissionTime": "yesterday", "acceptanceTime": accepted}
    record = samples.record_of(document)
    assert (record.completed_at, record.answers[0].submitted_at) == (None, submitted)


@pytest.mark.parametrize("odd", [7, None, "text", {}, {"answerContent": None}, {"answerContent": [1]}])
def test_answer_without_content_leaves_the_others(odd: Any) -> None:
    document = samples.custom({"prediction": "a"}, {"e": {"label": "b"}}, {"e": {"label": "b"}})
    document["humanAnswers"].insert(0, odd)
    record = samples.record_of(document)
    assert [field.outcome for field in record.fields] == ["changed"]
    assert (len(record.answers), record.unreadable_answers) == (2, 1)


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        *[("humanLoopName", odd) for odd in ([], {}, None, True)],  # a number is the name of another loop
        *[(key, odd) for key in ("flowDefinitionArn", "somethingNew") for odd in (7, [], {}, None, True)],
    ],
)
def test_odd_names_are_those_of_the_event(key: str, odd: Any) -> None:
    document = samples.custom({"prediction": "a"}, {"e": {"label": "b"}})
    document[key] = odd
    record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
    assert (record.human_loop_name, record.flow_definition) == ("loop-1", "my-flow")
    assert [field.outcome for field in record.fields] == ["changed"]


MET = {
    "ConditionType": "ModerationLabelConfidenceCheck",
    "ConditionParameters": {"ModerationLabelName": "Gore", "ConfidenceLessThan": 98},
    "EvaluationResult": True,
}


@pytest.mark.parametrize(
    "odd",
    [
        7,
        None,
        "text",
        [],
        MET | {"EvaluationResult": "maybe"},
        MET | {"EvaluationResult": None},
        {"Or": MET, "EvaluationResult": True},
        {"Or": [7, {"And": "x"}], "EvaluationResult": True},
        {"ConditionType": ["x"], "EvaluationResult": True},
        {"EvaluationResult": True, "ConditionParameters": "none"},
    ],
)
def test_odd_condition_costs_itself(odd: Any) -> None:
    results = {"Conditions": [odd, MET]}
    document = rekognition([("Gore", "", 90.0)], [("Gore", "")], humanTaskActivationConditionResults=results)
    record = samples.record_of(document)
    assert record.activation_conditions == ["ModerationLabelConfidenceCheck(Gore, ConfidenceLessThan=98)"]
    assert [field.outcome for field in record.fields] == ["kept"]


@pytest.mark.parametrize("odd", [7, "text", [], {"Conditions": {}}, {"Conditions": 7}, None, True])
def test_odd_list_of_conditions_is_no_condition(odd: Any) -> None:
    document = rekognition([("Gore", "", 9.0)], [("Gore", "")], humanTaskActivationConditionResults=odd)
    assert samples.record_of(document).activation_conditions == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"cut \\ud83d"', '"cut \ufffd"'),
        ("1e999", '"inf"'),
        ("-1e999", '"-inf"'),
        ("NaN", '"nan"'),
        ("9" * 5000, '"inf"'),
        ("9" * 400, "9" * 400),
    ],
)
@pytest.mark.parametrize("place", ["answer", "input", "unknown"])
def test_value_that_is_hard_to_read_costs_its_field(place: str, written: str, read: str) -> None:
    values = {"answer": '"a"', "input": '"a"', "unknown": '"a"'} | {place: written}
    text = json.dumps(
        samples.custom({"prediction": {"e": "INPUT"}, "x": "UNKNOWN"}, {"e": "ANSWER", "f": "b"})
    )
    for name, value in values.items():
        text = text.replace(f'"{name.upper()}"', value)
    record = build_record(samples.change(), parse_output(text.encode()), ReviewSettings(), "dev")
    fields = {field.name: field for field in record.fields}
    assert fields["f"].reviewed == '"b"'
    if place == "answer":
        assert fields["e"].reviewed == read
    assert json.loads(record.to_line().decode())["fields"]


@pytest.mark.parametrize("answers", [None, {}, 7, "text", [7], [{}], [{"answerContent": "x"}]])
def test_output_without_any_readable_answer_is_refused(answers: Any) -> None:
    from lambdas.reviews.errors import InvalidDocument

    with pytest.raises(InvalidDocument, match=r"^output.json, \$.humanAnswers"):
        samples.parsed(samples.custom({}) | {"humanAnswers": answers})


@pytest.mark.parametrize("given", [None, {}, {"moderationLabels": None}])
def test_answer_without_list_of_labels_removes_nothing(given: Any) -> None:
    document = rekognition([("Gore", "", 90.0)], [])
    document["humanAnswers"][0]["answerContent"] = {REKOGNITION: given}
    assert values_by_field(fields_of(document)) == {"Gore": (None, None, "answered")}


@pytest.mark.parametrize("given", [None, {}, {"blocks": None}])
def test_answer_without_list_of_blocks_removes_nothing(given: Any) -> None:
    document = _form()
    document["humanAnswers"][0]["answerContent"] = {TEXTRACT: given}
    assert {field.outcome for field in fields_of(document)} == {"answered"}


@pytest.mark.parametrize(
    ("answer", "predicted", "expected"),
    [
        ({"label": None}, "dog", ("e", "dog", None, "removed")),
        ({"label": ""}, "dog", ("e", "dog", None, "removed")),
        ({"labels": None}, ["dog"], ("e/dog", "dog", None, "removed")),
        ({"label": 5}, "5", ("e", "5", "5", "kept")),
        ({"labels": [5]}, ["5"], ("e/5", "5", "5", "kept")),
        ({"label": 0.0}, 0.0, ("e", "0", "0", "kept")),
        ({"label": 2.50}, 2.5, ("e", "2.5", "2.5", "kept")),
        ({"label": ["dog"]}, "dog", ("e", None, {"label": ["dog"]}, "answered")),
        ({"labels": {"0": "dog"}}, ["dog"], ("e", None, {"labels": {"0": "dog"}}, "answered")),
        ({"labels": [["dog"]]}, ["dog"], ("e", None, {"labels": [["dog"]]}, "answered")),
        (3, "3", ("e", 3, 3, "kept")),
        (3, "3.0", ("e", 3, 3, "kept")),
        (3, "4", ("e", 4, 3, "changed")),
        (True, "true", ("e", True, True, "kept")),
        (False, "True", ("e", True, False, "changed")),
        (True, "1", ("e", None, True, "answered")),
        (3, "NaN", ("e", None, 3, "answered")),
        ([1], "x", ("e", None, [1], "answered")),
        (True, "x", ("e", None, True, "answered")),
        (5, {"label": "c"}, ("e", None, 5, "answered")),
        ({"labels": None, "label": "x"}, "x", ("e", "x", "x", "kept")),
        ({"labeledImage": []}, "x", ("e", None, {"labeledImage": []}, "answered")),
        ({"boundingBoxes": None, "inputImageProperties": 7}, [], ("e", None, None, "")),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_odd_value_of_element_costs_its_field(
    workers: int, answer: Any, predicted: Any, expected: tuple[Any, ...]
) -> None:
    document = samples.custom({"prediction": {"e": predicted}}, *[{"e": answer, "note": "x"}] * workers)
    values = values_by_field(fields_of(document))
    assert values.pop("note")[1] == "x"
    assert values == ({expected[0]: expected[1:]} if expected[-1] else {})  # no box is no field


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([{"labels": ["cat", {}]}], {"e/cat": "kept", "e/dog": "answered"}),
        ([{"labels": ["cat", None]}, {"labels": ["cat"]}], {"e/cat": "kept", "e/dog": "answered"}),
        ([{"labels": ["cat", "dog"]}, {"labels": ["cat", []]}], {"e/cat": "kept", "e/dog": "answered"}),
        ([{"labels": ["cat"]}, {"labels": 7}], {"e": "answered"}),
    ],
)
def test_odd_label_costs_what_the_answer_lacks(answers: list[Any], expected: dict[str, str]) -> None:
    document = samples.custom({"prediction": {"e": ["cat", "dog"]}}, *({"e": one} for one in answers))
    assert {
        field.name: field.outcome if field.compared else "answered" for field in fields_of(document)
    } == expected


def _outputs() -> dict[str, dict[str, Any]]:
    box = {"label": "dog", "left": 1, "top": 2, "width": 3, "height": 4}
    answer = {
        "pet": {"label": "cat"},
        "size": {"small": True, "large": False},
        "boxes": {"boundingBoxes": [box], "inputImageProperties": {"width": 9, "height": 9}},
        "judged": {"tone": "polite", "score": 4},
        "tags": {"labels": ["a", "b"]},
        "mask": {"labeledImage": {"pngImageData": "iVBO"}, "labelMappings": {"a": {"color": "#fff"}}},
        "roads": {"lines": [{"label": "road", "vertices": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}]},
        "note": "x",
    }
    predicted = {"pet": {"label": "dog", "score": 0.9}, "boxes": [box], "size": {"small": 0.4, "large": 0.6}}
    met = {"Conditions": [{"Or": [MET], "EvaluationResult": True}]}
    moderated = rekognition(
        [("Gore", "Violence", 90.0)], *[[("Gore", "Violence")]] * 2, humanTaskActivationConditionResults=met
    )
    custom = samples.custom({"prediction": predicted, "taskObject": "…"}, answer, answer)
    form = _form(2)
    del form["inputContent"]["selectedAiServiceResponse"]
    outputs = {"custom": custom, "form": form, "moderation": moderated}
    return {name: json.loads(json.dumps(document)) for name, document in outputs.items()}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _places(value[key], (*path, key))


DECISIVE = {"humanAnswers", "awsManagedHumanLoopRequestSource", "humanLoopName"}
"""Keys at the top level without which a document is no output of the loop."""


@pytest.mark.parametrize("name", ["custom", "form", "moderation"])
def test_odd_value_in_any_place_keeps_the_review(name: str) -> None:
    unknown = object()
    text = json.dumps(_outputs()[name])
    odd_values = [None, True, -1, 1e300, "odd", "", [], {}, [[1]], {"a": {"b": 1}}, unknown]
    for number, place in enumerate(_places(json.loads(text))):
        if len(place) == 1 and place[0] in DECISIVE:
            continue
        for offset in (0, 4, 8):  # each value in many places, and in each place other values
            odd = odd_values[(number + offset) % len(odd_values)]
            document = json.loads(text)
            inner = document
            for key in place[:-1]:
                inner = inner[key]
            if odd is unknown:
                del inner[place[-1]]
            else:
                inner[place[-1]] = odd
            record = samples.record_of(document)
            assert json.loads(record.to_line())["answers"], (place, odd)


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


DEEP = _nested(300)
"""More levels than the parser of pydantic reads."""


def test_answer_nested_too_deeply_costs_itself() -> None:
    document = samples.custom({"prediction": {"e": 5}}, {"e": DEEP}, {"e": 5}, {"e": 5})
    record = samples.record_of(document)
    assert (record.unreadable_answers, len(record.answers)) == (1, 2)
    assert values_by_field(list(record.fields)) == {"e": (5, 5, "kept")}


def test_answer_of_many_levels_is_compared() -> None:
    value = _nested(180)
    assert values_by_field(fields_of(samples.custom({"prediction": {"e": value}}, {"e": value}))) == {
        "e": (value, value, "kept")
    }


@pytest.mark.parametrize(
    "key", ["inputContent", "later", "humanTaskActivationConditionResults", "aiServiceResponse"]
)
def test_other_value_nested_too_deeply_costs_itself(key: str) -> None:
    document = samples.custom({"prediction": {"e": 5}}, {"e": 5}) | {key: DEEP}
    assert [field.outcome for field in fields_of(document)] == [
        "answered" if key == "inputContent" else "kept"
    ]


@pytest.mark.parametrize("key", ["acceptanceTime", "workerMetadata", "later"])
def test_worker_value_nested_too_deeply_costs_itself(key: str) -> None:
    document = samples.custom({"prediction": {"e": 5}}, {"e": 5})
    document["humanAnswers"][0][key] = DEEP
    assert [field.outcome for field in fields_of(document)] == ["kept"]


@pytest.mark.parametrize(
    "path", [f"{ANSWER}>{VALUE}>geometry", f"{ANSWER}>{VALUE}>text", f"{ANSWER}>{VALUE}"]
)
def test_block_nested_too_deeply_costs_its_field(path: str) -> None:
    assert values_by_field(fields_of(_with(_form(), path, DEEP))) == KEPT | NO_ANSWER


def test_predicted_text_with_many_brackets_is_a_text() -> None:
    document = samples.custom({"prediction": {"e": "[" * 100_000}}, {"e": 5})
    assert values_by_field(fields_of(document)) == {"e": (None, 5, "answered")}


def test_word_that_a_block_names_often_counts_once() -> None:
    document = _form()
    blocks = document["inputContent"]["aiServiceResponse"]["blocks"]
    blocks[0]["relationships"][1]["ids"] *= 1000
    fields = fields_of(document)
    assert values_by_field(fields) == KEPT | CHANGED
