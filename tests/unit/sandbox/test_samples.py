"""The samples conform to the service models, and the project reads their answers as real ones."""

from __future__ import annotations

import json

import pytest
from botocore.validate import ParamValidator

from lambdas.reviews.output import REKOGNITION, TEXTRACT, parse_output
from sandbox.protocol import operation
from sandbox.samples import (
    INVOICE,
    JOB_APPLICATION,
    MODERATION,
    SUPPORT_MESSAGE,
    Field,
    form,
    form_answer,
)

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
    "sample", [JOB_APPLICATION, INVOICE, MODERATION, SUPPORT_MESSAGE], ids=lambda sample: sample.name
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


def test_parse_output_reads_the_answers():
    for sample, source in ((JOB_APPLICATION, TEXTRACT), (MODERATION, REKOGNITION), (SUPPORT_MESSAGE, None)):
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
