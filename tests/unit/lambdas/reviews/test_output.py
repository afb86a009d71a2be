from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.comparison.elements.text import Text
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.output import REKOGNITION, TEXTRACT, parse_output
from tests import review_samples as samples

# "Amazon A2I Output Data": the custom example, and the metadata of workers, as the page has them.
TRANSCRIPTION = """
{
    "flowDefinitionArn": "arn:aws:sagemaker:us-west-2:111122223333:flow-definition/flow-definition-name",
    "humanAnswers": [
        {
            "answerContent": {
                "transcription": "use lambda to turn your notebook"
            },
            "submissionTime": "2020-12-28T18:59:58.321Z",
            "acceptanceTime": "2020-12-28T18:59:15.191Z",
            "timeSpentInSeconds": 40.543,
            "workerId": "a12b3cdefg4h5i67",
            "workerMetadata": {
                "identityData": {
                    "identityProviderType": "Cognito",
                    "issuer": "https://cognito-idp.aws-region.amazonaws.com/aws-region_123456789",
                    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
                }
            }
        }
    ],
    "humanLoopName": "human-loop-name",
    "inputContent": {
        "audioPath": "s3://DOC-EXAMPLE-BUCKET1/a2i_transcribe_demo/Fully-Managed Notebook.mp4",
        "end_time": 950.27,
        "original_words": "but definitely use Lambda to turn your ",
        "start_time": 948.51
    }
}
"""
CONDITIONS = {
    "Conditions": [
        {
            "EvaluationResult": True,
            "Or": [
                {
                    "ConditionParameters": {"ConfidenceLessThan": 98, "ModerationLabelName": "Suggestive"},
                    "ConditionType": "ModerationLabelConfidenceCheck",
                    "EvaluationResult": True,
                },
                {
                    "ConditionParameters": {
                        "ConfidenceGreaterThan": 98,
                        "ModerationLabelName": "Female Swimwear Or Underwear",
                    },
                    "ConditionType": "ModerationLabelConfidenceCheck",
                    "EvaluationResult": False,
                },
            ],
        },
        {
            "EvaluationResult": False,
            "And": [{"ConditionType": "Sampling", "EvaluationResult": True}, {"EvaluationResult": False}],
        },
    ]
}


def test_parses_documented_custom_output() -> None:
    output = parse_output(TRANSCRIPTION.encode())

    assert output.task_type == "custom"
    assert output.human_loop_name == "human-loop-name"
    assert output.input_content["end_time"] == 950.27
    (answer,) = output.human_answers
    assert answer.elements == {"transcription": Text(value="use lambda to turn your notebook")}
    assert json.loads(answer.content) == {"transcription": "use lambda to turn your notebook"}
    assert answer.submission_time == datetime(2020, 12, 28, 18, 59, 58, 321000, tzinfo=UTC)
    assert answer.acceptance_time == datetime(2020, 12, 28, 18, 59, 15, 191000, tzinfo=UTC)
    assert answer.time_spent_in_seconds == 40.543
    assert answer.worker_id == "a12b3cdefg4h5i67"
    assert answer.identity.identity_provider_type == "Cognito"


@pytest.mark.parametrize("spelling", ["moderationLabels", "ModerationLabels"])
@pytest.mark.parametrize("place", ["inputContent", "inputContent, with the kind of task", "top level"])
def test_parses_ai_service_fields_in_both_places_and_spellings(place: str, spelling: str) -> None:
    document = samples.rekognition(
        [("Suggestive", "", 96.7)], [("Suggestive", "")], humanTaskActivationConditionResults=CONDITIONS
    )
    text = json.dumps(document).replace("moderationLabels", spelling)
    document = json.loads(text)
    if place == "top level":
        document |= document.pop("inputContent")
    if place.endswith("the kind of task"):
        source = document.pop("awsManagedHumanLoopRequestSource")
        document["inputContent"]["awsManagedHumanLoopRequestSource"] = source
    output = samples.parsed(document)

    assert output.task_type == "rekognition"
    for prediction in (output.ai_service_response, output.selected_ai_service_response):
        assert prediction is not None
        assert prediction.moderation_labels is not None
        (label,) = prediction.moderation_labels
        assert (label.name, label.parent_name, label.confidence) == ("Suggestive", "", 96.7)
    (label,) = output.human_answers[0].moderation_labels or ()
    assert (label.name, label.confidence) == ("Suggestive", None)
    assert output.activation_conditions == [
        "ModerationLabelConfidenceCheck(Suggestive, ConfidenceLessThan=98)"
    ]


def test_custom_input_does_not_decide_the_task_type() -> None:
    document = samples.custom({"awsManagedHumanLoopRequestSource": "mine"}, {"a": {"label": "x"}})
    assert samples.parsed(document).task_type == "custom"


@pytest.mark.parametrize("nothing_in", ["inputContent", "top level"])
def test_null_in_one_place_does_not_hide_value_in_the_other(nothing_in: str) -> None:
    document = samples.rekognition([("Suggestive", "", 96.7)], [("Suggestive", "")])
    fields = document["inputContent"] if nothing_in == "top level" else document
    nothing = document if nothing_in == "top level" else document["inputContent"]
    response = document["inputContent"]["aiServiceResponse"]
    nothing["aiServiceResponse"] = None
    fields["aiServiceResponse"] = response
    # Whichever comes first.
    for ordered in (document, dict(reversed(document.items()))):
        assert samples.parsed(ordered).ai_service_response is not None


def test_textract_output_keeps_fields_for_comparison() -> None:
    output = samples.parsed(
        samples.textract([samples.pair("a", "Name:", "Ana")], [samples.answered_pair("a", "Name:", "Ann")])
    )

    assert output.task_type == "textract"
    assert output.ai_service_response is not None
    key, value, *words = output.ai_service_response.blocks or ()
    assert key.related("VALUE") == [value.id]
    assert [word.text for word in words] == ["Name:", "Ana"]
    assert output.ai_service_response.model_extra == {"documentMetadata": {"pages": 1}}
    assert [block.text for block in output.human_answers[0].blocks or ()] == ["Name:", "Ann"]


@pytest.mark.parametrize(
    "content", [{}, {REKOGNITION: {}}, {REKOGNITION: None}, {REKOGNITION: {"moderationLabels": None}}]
)
def test_parses_empty_answer(content: dict[str, Any]) -> None:
    document = samples.rekognition([("Suggestive", "", 96.7)]) | {"humanAnswers": [samples.answer(content)]}
    assert not samples.parsed(document).human_answers[0].moderation_labels


def test_parses_output_without_answers_and_input() -> None:
    output = parse_output(b'{"humanAnswers": []}')
    assert (output.human_answers, output.input_content) == ([], None)


def test_keeps_unknown_fields() -> None:
    document = samples.custom({"anything": 1}, {"a": {"label": "x", "later": [1]}})
    document |= {"newField": {"deep": [1, None]}, "raw": "not ours", "taskType": "nor this", "task_type": 1}
    document["humanAnswers"][0] |= {"novel": True, "content": "not ours", "elements": 1, "blocks": "x"}
    raw = json.dumps(document, indent=3).encode()
    output = parse_output(raw)

    assert output.raw == raw
    assert output.task_type == "custom"
    assert output.model_extra == {"newField": {"deep": [1, None]}, "task_type": 1}
    assert output.human_answers[0].model_extra == {"novel": True}
    assert output.human_answers[0].elements["a"].model_extra == {"later": [1]}
    assert json.loads(output.human_answers[0].content) == {"a": {"label": "x", "later": [1]}}


def broken(path: str, value: Any = ...) -> bytes:
    """Returns a Textract output with one value changed or removed."""
    document: Any = samples.textract(
        [samples.pair("a", "Name:", "Ana")], [samples.answered_pair("a", "Name:", "Ann")]
    )
    document["inputContent"]["humanTaskActivationConditionResults"] = json.loads(json.dumps(CONDITIONS))
    *parts, last = (int(part) if part.isdigit() else part for part in path.split(">"))
    place = document
    for part in parts:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


BLOCKS = f"humanAnswers>0>answerContent>{TEXTRACT}>blocks"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "output.json, $: the document is empty"),
        (b" \n ", "output.json, $: the document is empty"),
        (b"\xef\xbb\xbf", "output.json, $: the document is empty"),
        (b"<Error/>", "output.json, $: expected an object, at line 1 column 1"),
        (b"[]", "output.json, $: expected an object"),
        (b"{", "output.json, $: not JSON: expected a key in quotes, at line 1 column 2"),
        (b'{"a": 1', "output.json, $: not JSON: expected ',' or '}', at line 1 column 8"),
        (b'{"a" 1}', "output.json, $: not JSON: expected ':' after a key"),
        (
            b'{"a":\n\n  tru}',
            "output.json, $.a: not JSON: EOF while parsing a value, in the value, at line 3 column 3",
        ),
        (b'{"a": [1, {"b": "c}', "output.json, $.a: not JSON: the document ends within this value"),
        (b'{"humanAnswers": []} {}', "output.json, $: not JSON: unexpected text after the end"),
        (
            b'{"humanAnswers": [], "humanAnswers": []}',
            "output.json, $: duplicate key 'humanAnswers'",
        ),
        (b'{"humanAnswers": [], "x": "\xff"}', "output.json, $.x: not JSON"),
        (
            b'{"humanAnswers": [{"answerContent": {"e": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}]}",
            "output.json, $.humanAnswers[0].answerContent.e: nested too deeply",
        ),
        (b'{"humanAnswers": [], "x": ' + b"[" * 90_000, "output.json, $.x: not JSON: the document ends"),
        (b"{}", "output.json, $.humanAnswers: missing"),
        (b'{"humanAnswers": null}', "output.json, $.humanAnswers: expected a list"),
        (b'{"humanAnswers": {}}', "output.json, $.humanAnswers: expected a list"),
        (b'{"humanAnswers": [7]}', "output.json, $.humanAnswers[0]: expected an object"),
        (b'{"humanAnswers": [{}]}', "output.json, $.humanAnswers[0].answerContent: missing"),
        (
            broken("humanAnswers>0>answerContent", [1]),
            "output.json, $.humanAnswers[0].answerContent: expected an object",
        ),
        (
            broken(BLOCKS, {"0": 1}),
            f"output.json, $.humanAnswers[0].answerContent['{TEXTRACT}']: expected an object",
        ),
        (broken(BLOCKS.removesuffix(">blocks"), 7), "output.json, $.humanAnswers[0].answerContent["),
        (
            broken("awsManagedHumanLoopRequestSource", "AWS/Comprehend/DetectEntities/V1"),
            "output.json, $.awsManagedHumanLoopRequestSource: unknown kind of task 'AWS/Comprehend/DetectEntities/V1'",
        ),
        (
            broken("awsManagedHumanLoopRequestSource", 3),
            "output.json, $.awsManagedHumanLoopRequestSource: unknown",
        ),
    ],
)
def test_malformed_output_error_is_one_line_with_place(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_output(raw)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_error_does_not_quote_answers() -> None:
    document = samples.custom({}, {})
    document["humanAnswers"][0]["answerContent"] = "secret"
    with pytest.raises(InvalidDocument) as caught:
        samples.parsed(document)
    assert "secret" not in str(caught.value)


@given(samples.any_output, st.data())
def test_parsing_raises_only_invalid_document(document: dict[str, Any], data: st.DataObject) -> None:
    # Replaces any value in the document by any other, then cuts the text and exchanges bytes.
    places = [(document, key) for key in document]
    for place, key in places:
        inner = place[key]
        places += [
            (inner, index)
            for index in (
                inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
            )
        ]
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(samples.any_json)
    raw = bytearray(json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode())
    variants = [bytes(raw), bytes(raw[: data.draw(st.integers(0, len(raw)))])]
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        variants.append(bytes(raw))
    for variant in variants:
        try:
            output = parse_output(variant)
        except InvalidDocument:
            continue
        assert output.raw == variant
        json.loads(variant)  # what is accepted is JSON


@pytest.mark.parametrize("task_type", samples.OUTPUTS)
@given(st.data())
def test_parses_every_valid_output(task_type: str, data: st.DataObject) -> None:
    document = data.draw(samples.OUTPUTS[task_type])
    output = samples.parsed(document)
    assert output.task_type == task_type
    assert [json.loads(answer.content) for answer in output.human_answers] == [
        answer["answerContent"] for answer in document["humanAnswers"]
    ]


def _walk(reader: JsonReader, choice: random.Random) -> Any:
    """Reads a document in random steps. The result must not depend on the steps."""
    if reader.peek() == "{" and choice.random() < 0.7:
        return {key: _walk(reader, choice) for key in reader.members()}
    if reader.peek() == "[" and choice.random() < 0.7:
        return [_walk(reader, choice) for _ in reader.elements()]
    return reader.value()


@given(samples.any_json, st.sampled_from([None, 1]), st.booleans(), st.randoms(use_true_random=False))
def test_reader_agrees_with_json(
    value: Any, indent: int | None, escaped: bool, choice: random.Random
) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    reader = JsonReader(raw, "test")
    assert _walk(reader, choice) == value
    reader.expect_end()


@given(
    st.binary() | st.text('[]{}:,"\\0tru \n', max_size=30).map(str.encode), st.randoms(use_true_random=False)
)
def test_reader_accepts_only_valid_json(raw: bytes, choice: random.Random) -> None:
    reader = JsonReader(raw, "test")
    try:
        value = _walk(reader, choice)
        reader.expect_end()
    except InvalidDocument:
        return
    assert value == json.loads(raw.removeprefix(b"\xef\xbb\xbf"))


def test_reader_avoids_possessive_groups() -> None:
    """Before 3.11.5, a possessive repeat of a group misses matches: the reader would find no end of an object."""
    from lambdas.reviews import json_reader

    patterns = [value.pattern for value in vars(json_reader).values() if isinstance(value, re.Pattern)]
    assert len(patterns) > 4
    for pattern in patterns:
        text = pattern if isinstance(pattern, str) else pattern.decode()
        assert not re.search(r"\)(\*|\+|\?|\{\d*,?\d*\})\+", text), text


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        (0, 0.0),
        (40.5, 40.5),
        ("5.5", 5.5),
        (2_592_000, 2_592_000.0),
        (-5, None),
        (2_592_001, None),
        (1e300, None),
        ("NaN", None),
        ("Infinity", None),
        (None, None),
    ],
)
def test_impossible_working_time_is_none(seconds: Any, kept: float | None) -> None:
    document = samples.custom({})
    document["humanAnswers"] = [samples.answer({"a": "x"}, timeSpentInSeconds=seconds)]
    output = samples.parsed(document)
    assert output.human_answers[0].time_spent_in_seconds == kept
    assert json.loads(output.raw) == document  # the document is unchanged
    assert samples.record_of(document).seconds_spent == kept
