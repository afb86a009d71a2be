"""The samples conform to the service models, and the project reads their answers as real ones."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from botocore.validate import ParamValidator
from PIL import Image

from lambdas.reviews.output import REKOGNITION, TEXTRACT, parse_output
from sandbox.pictures import ANIMALS_SIZE, PAGE
from sandbox.protocol import operation
from sandbox.samples import (
    ANIMAL_NAME,
    ANIMALS,
    INVOICE,
    JOB_APPLICATION,
    MODERATION,
    ORDER,
    SUPPORT_MESSAGE,
    Field,
    Sample,
    form,
    form_answer,
)
from tests.review_samples import custom, record_of

OPERATIONS = {"textract": "AnalyzeDocument", "rekognition": "DetectModerationLabels"}


@pytest.mark.parametrize("sample", [JOB_APPLICATION, INVOICE, MODERATION], ids=lambda sample: sample.name)
def test_predictions_conform_to_the_service_model(sample):
    requested = operation(sample.task_type, OPERATIONS[sample.task_type])
    report = ParamValidator().validate(sample.prediction, requested.model.output_shape)
    assert not report.has_errors(), report.generate_report()
    assert requested.read_response(json.loads(json.dumps(sample.prediction))) == sample.prediction


@pytest.mark.parametrize("sample", [JOB_APPLICATION, INVOICE], ids=lambda sample: sample.name)
def test_blocks_of_a_form_are_related(sample):
    blocks = {block["Id"]: block for block in sample.prediction["Blocks"]}
    assert len(blocks) == len(sample.prediction["Blocks"])
    named = {
        related
        for block in blocks.values()
        for relationship in block.get("Relationships", ())
        for related in relationship["Ids"]
    }
    assert named <= blocks.keys()
    # Each block except the page is related to another.
    assert {block_id for block_id, block in blocks.items() if block["BlockType"] != "PAGE"} == named


def test_job_application_has_low_confidences_and_a_check_box():
    blocks = JOB_APPLICATION.prediction["Blocks"]
    keys = [block for block in blocks if "KEY" in block.get("EntityTypes", ())]
    assert len(keys) == 6
    assert sum(key["Confidence"] < 85 for key in keys) == 3
    assert [block["SelectionStatus"] for block in blocks if block["BlockType"] == "SELECTION_ELEMENT"] == [
        "SELECTED"
    ]


@pytest.mark.parametrize(
    "sample",
    [JOB_APPLICATION, INVOICE, MODERATION, SUPPORT_MESSAGE, ANIMAL_NAME, ANIMALS, ORDER],
    ids=lambda sample: sample.name,
)
def test_samples_have_three_answers_that_differ(sample):
    assert len(sample.answers) == 3
    assert len({json.dumps(answer, sort_keys=True) for answer in sample.answers}) > 1


def test_form_answer_changes_only_the_given_fields():
    prediction = form([Field("Name:", "Jane Doe"), Field("Age:", "30"), Field("Married", True)])
    blocks = form_answer(prediction, {"Name:": "Joan Doe", "Married": False})[TEXTRACT]["blocks"]
    texts = [block["text"] for block in blocks if "text" in block]
    assert texts == ["Name:", "Joan Doe", "Age:", "30", "Married"]
    assert [block["selectionStatus"] for block in blocks if "selectionStatus" in block] == ["NOT_SELECTED"]


def test_form_answer_refuses_unknown_key():
    with pytest.raises(ValueError, match="the form has no key 'Name'"):
        form_answer(form([Field("Name:", "Jane")]), {"Name": "Joan"})


def test_same_form_has_same_ids():
    assert form([Field("Name:", "Jane")]) == form([Field("Name:", "Jane")])


@pytest.mark.parametrize("sample", [JOB_APPLICATION, INVOICE], ids=lambda sample: sample.name)
def test_page_shows_each_word_and_the_state_of_the_check_box(sample):
    page = Image.open(io.BytesIO(sample.picture())).convert("L")
    assert page.size == PAGE
    blocks = {block["Id"]: block for block in sample.prediction["Blocks"]}
    for block in blocks.values():
        if block["BlockType"] not in ("WORD", "SELECTION_ELEMENT"):
            continue
        box = block["Geometry"]["BoundingBox"]
        left, top = box["Left"] * PAGE[0], box["Top"] * PAGE[1]
        area = page.crop(
            (
                round(left),
                round(top),
                round(left + box["Width"] * PAGE[0]),
                round(top + box["Height"] * PAGE[1]),
            )
        )
        assert area.getextrema()[0] < 120, block  # something dark is in it
    # The samples' boxes are empty on paper: the middle of them is white.
    check_box = next(block for block in blocks.values() if block["BlockType"] == "SELECTION_ELEMENT")
    box = check_box["Geometry"]["BoundingBox"]
    middle = (
        round((box["Left"] + box["Width"] / 2) * PAGE[0]),
        round((box["Top"] + box["Height"] / 2) * PAGE[1]),
    )
    assert page.getpixel(middle) > 240


def test_page_shows_what_the_document_says_not_what_was_read():
    read = form([Field("Name:", "Jane Doe"), Field("Married", True)])
    sample = Sample("a-form", "textract", read, ())
    same, other = sample.picture(), replace(sample, actual={"Name:": "Joan Doe"}).picture()
    assert same != other
    assert sample.picture() == same


def test_boxes_are_around_the_animals_of_the_picture():
    picture = Image.open(io.BytesIO(ANIMALS.picture())).convert("RGB")
    assert picture.size == ANIMALS_SIZE
    dog, cat, other = ANIMALS.answers[0]["animals"]["boundingBoxes"]
    for box, fur in ((dog, (142, 96, 60)), (cat, (94, 94, 104)), (other, (220, 196, 150))):
        left, top, right, bottom = (
            box["left"],
            box["top"],
            box["left"] + box["width"],
            box["top"] + box["height"],
        )
        inside = [color for _, color in picture.crop((left, top, right, bottom)).getcolors()]
        assert any(_near(color, fur) for color in inside)
        # Nothing of it is above, or left or right of the box.
        for area in (
            (left - 20, top - 20, right + 20, top),
            (left - 20, top, left, bottom),
            (right, top, right + 20, bottom),
        ):
            outside = [color for _, color in picture.crop(area).getcolors()]
            assert not any(_near(color, fur) for color in outside), (box, area)


def _near(color: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return sum(abs(a - b) for a, b in zip(color, other, strict=True)) < 12


def test_content_of_an_image_task_names_the_uploaded_image():
    class S3:
        def put_object(self, **request):
            self.request = request

    s3 = S3()
    content = ANIMALS.content(s3, "documents")
    assert content == {"taskObject": "s3://documents/animals.png", **ANIMALS.prediction}
    assert s3.request["Body"] == ANIMALS.picture()
    assert ORDER.content(s3, "documents") == ORDER.prediction


def test_parse_output_reads_the_answers():
    samples = (JOB_APPLICATION, MODERATION, SUPPORT_MESSAGE, ANIMAL_NAME, ANIMALS, ORDER)
    sources = {"textract": TEXTRACT, "rekognition": REKOGNITION, "custom": None}
    for sample, source in ((sample, sources[sample.task_type]) for sample in samples):
        document = {
            "humanLoopName": "a",
            "flowDefinitionArn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
            "inputContent": {},
            "humanAnswers": [
                {
                    "answerContent": answer,
                    "submissionTime": "2026-03-01T10:00:00.000Z",
                    "workerId": str(index),
                }
                for index, answer in enumerate(sample.answers)
            ],
        }
        if source:
            document = {"awsManagedHumanLoopRequestSource": source, **document}
        output = parse_output(json.dumps(document).encode())
        assert output.task_type == sample.task_type
        assert len(output.human_answers) == 3


@pytest.mark.parametrize(
    ("sample", "changes"),
    [
        # The cat was called a dog, the first box was too small, the second dog was missed.
        (ANIMALS, {"animals/Dog": "changed"}),
        (ANIMAL_NAME, {"animal": "changed"}),
        (ORDER, {"parts/person": "changed"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_people_overrule_the_model_in_the_samples(sample, changes):
    record = record_of(
        custom({"taskObject": "s3://documents/a.png", **sample.prediction}, *sample.answers[:1])
    )
    found = {(field.name, field.outcome) for field in record.fields}
    assert changes.items() <= found
