"""Textract and Rekognition with HumanLoopConfig, through boto3: predictions, decisions, and the loops they start."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from lambdas.reviews.output import REKOGNITION, TEXTRACT, parse_output
from sandbox.engine import Sandbox
from sandbox.protocol import operation
from sandbox.samples import (
    INVOICE,
    JOB_APPLICATION,
    MODERATION,
    Field,
    form,
    form_answer,
)
from tests.unit.sandbox.training_jobs import REQUEST

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def bucket(sandbox: Sandbox, unique: str) -> str:
    """A bucket for documents."""
    sandbox.client("s3").create_bucket(Bucket=f"{unique}-documents")
    return f"{unique}-documents"


@pytest.fixture
def forms(sandbox: Sandbox, unique: str) -> str:
    """A flow definition for fields of job applications with low confidence."""
    return sandbox.flow_definitions.create(
        f"{unique}-forms", f"{unique}-output", task_type="textract", conditions=JOB_APPLICATION.conditions
    )


@pytest.fixture
def images(sandbox: Sandbox, unique: str) -> str:
    """A flow definition for labels with low confidence."""
    return sandbox.flow_definitions.create(
        f"{unique}-images", f"{unique}-output", task_type="rekognition", conditions=MODERATION.conditions
    )


def conforms(service: str, name: str, response: dict[str, Any]) -> None:
    """Checks a response against the botocore model."""
    plain = {key: value for key, value in response.items() if key != "ResponseMetadata"}
    report = ParamValidator().validate(plain, operation(service, name).model.output_shape)
    assert not report.has_errors(), report.generate_report()


def read(sandbox: Sandbox, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return sandbox.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def error_of(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def config(name: str, flow: str) -> dict[str, str]:
    return {"HumanLoopName": name, "FlowDefinitionArn": flow}


def test_form_with_low_confidences_is_reviewed(sandbox, unique, bucket, forms):
    document = JOB_APPLICATION.upload(sandbox.client("s3"), bucket)
    response = sandbox.client("textract").analyze_document(
        Document=document,
        FeatureTypes=["FORMS", "TABLES"],
        HumanLoopConfig=config(unique, forms)
        | {"DataAttributes": {"ContentClassifiers": ["FreeOfPersonallyIdentifiableInformation"]}},
    )
    conforms("textract", "AnalyzeDocument", response)
    assert response["Blocks"] == JOB_APPLICATION.prediction["Blocks"]
    activation = response["HumanLoopActivationOutput"]
    assert (
        activation["HumanLoopArn"] == f"arn:aws:sagemaker:us-east-1:{sandbox.account_id}:human-loop/{unique}"
    )
    assert activation["HumanLoopActivationReasons"] == ["ConditionsEvaluation"]
    results = json.loads(activation["HumanLoopActivationConditionsEvaluationResults"])
    assert [condition["EvaluationResult"] for condition in results["Conditions"]] == [True, True]

    state = sandbox.loops.answer(unique, JOB_APPLICATION.answers[0])
    assert state.status == "Completed"
    output = json.loads(read(sandbox, state.output_uri))
    assert output["awsManagedHumanLoopRequestSource"] == TEXTRACT
    assert output["humanAnswers"][0]["answerContent"] == JOB_APPLICATION.answers[0]
    content = output["inputContent"]
    assert content.keys() == {
        "aiServiceRequest",
        "aiServiceResponse",
        "humanTaskActivationConditionResults",
        "selectedAiServiceResponse",
    }
    assert content["aiServiceRequest"] == {
        "document": {"s3Object": {"bucket": bucket, "name": "job-application.png"}},
        "featureTypes": ["FORMS", "TABLES"],
        "humanLoopConfig": {
            "dataAttributes": {"contentClassifiers": ["FreeOfPersonallyIdentifiableInformation"]},
            "flowDefinitionArn": forms,
            "humanLoopName": unique,
        },
    }
    assert len(content["aiServiceResponse"]["blocks"]) == len(response["Blocks"])
    assert content["aiServiceResponse"]["documentMetadata"] == {"pages": 1}
    assert content["humanTaskActivationConditionResults"] == results
    selected = content["selectedAiServiceResponse"]["blocks"]
    assert len([block for block in selected if "KEY" in block.get("entityTypes", ())]) == 3
    parsed = parse_output(json.dumps(output).encode())
    assert parsed.task_type == "textract"
    assert parsed.activation_conditions


def test_form_with_high_confidences_is_not_reviewed(sandbox, unique, bucket, forms):
    response = sandbox.client("textract").analyze_document(
        Document=INVOICE.upload(sandbox.client("s3"), bucket),
        FeatureTypes=["FORMS"],
        HumanLoopConfig=config(unique, forms),
    )
    conforms("textract", "AnalyzeDocument", response)
    assert response["HumanLoopActivationOutput"].keys() == {"HumanLoopActivationConditionsEvaluationResults"}
    code, _ = error_of(sandbox.client("sagemaker-a2i-runtime").describe_human_loop, HumanLoopName=unique)
    assert code == "ResourceNotFoundException"


def test_image_with_low_confidences_is_reviewed(sandbox, unique, bucket, images):
    response = sandbox.client("rekognition").detect_moderation_labels(
        Image=MODERATION.upload(sandbox.client("s3"), bucket),
        MinConfidence=60,
        HumanLoopConfig=config(unique, images),
    )
    conforms("rekognition", "DetectModerationLabels", response)
    assert [label["Name"] for label in response["ModerationLabels"]] == [
        "Swimwear or Underwear",
        "Female Swimwear or Underwear",
    ]
    assert response["HumanLoopActivationOutput"]["HumanLoopArn"].endswith(f"human-loop/{unique}")
    state = sandbox.loops.answer(unique, MODERATION.answers[0])
    output = json.loads(read(sandbox, state.output_uri))
    assert output["awsManagedHumanLoopRequestSource"] == REKOGNITION
    assert output["inputContent"]["aiServiceRequest"]["image"] == {
        "s3Object": {"bucket": bucket, "name": "beach.png"}
    }
    [first, _] = output["inputContent"]["selectedAiServiceResponse"]["moderationLabels"]
    assert first == {
        "confidence": 78.4132,
        "name": "Swimwear or Underwear",
        "parentName": "",
        "taxonomyLevel": 1,
    }
    assert parse_output(json.dumps(output).encode()).task_type == "rekognition"


def test_response_without_human_loop_config_is_the_prediction(sandbox):
    response = sandbox.client("textract").analyze_document(Document={"Bytes": PNG}, FeatureTypes=["TABLES"])
    conforms("textract", "AnalyzeDocument", response)
    assert "HumanLoopActivationOutput" not in response
    assert {block["BlockType"] for block in response["Blocks"]} == {"PAGE", "LINE", "WORD"}


def test_prediction_is_read_from_object_next_to_document(sandbox, unique, bucket, forms):
    prediction = form([Field("Full name:", "Ada", confidence=60), Field("Age:", "36")])
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=bucket, Key="mine/form.pdf", Body=b"%PDF-1.7")
    s3.put_object(Bucket=bucket, Key="mine/form.pdf.prediction.json", Body=json.dumps(prediction).encode())
    document = {"S3Object": {"Bucket": bucket, "Name": "mine/form.pdf"}}
    response = sandbox.client("textract").analyze_document(
        Document=document, FeatureTypes=["FORMS"], HumanLoopConfig=config(unique, forms)
    )
    assert response["Blocks"] == prediction["Blocks"]
    assert "HumanLoopArn" in response["HumanLoopActivationOutput"]  # any key below 70
    sandbox.loops.answer(unique, form_answer(prediction, {"Full name:": "Ida"}))

    s3.put_object(
        Bucket=bucket, Key="mine/form.pdf.prediction.json", Body=b'{"Blocks": [{"Confidence": 101}]}'
    )
    code, message = error_of(
        sandbox.client("textract").analyze_document, Document=document, FeatureTypes=["FORMS"]
    )
    assert code == "InvalidParameterException"
    assert f"s3://{bucket}/mine/form.pdf.prediction.json is not a response of AnalyzeDocument" in message


def test_repeated_request_returns_same_loop(sandbox, unique, bucket, forms):
    analyze = sandbox.client("textract").analyze_document
    request = {
        "Document": JOB_APPLICATION.upload(sandbox.client("s3"), bucket),
        "FeatureTypes": ["FORMS"],
        "HumanLoopConfig": config(unique, forms),
    }
    first, second = analyze(**request), analyze(**request)
    assert first["HumanLoopActivationOutput"] == second["HumanLoopActivationOutput"]
    sandbox.client("s3").put_object(Bucket=bucket, Key="job-application.png", Body=PNG + b"another page")
    code, message = error_of(analyze, **request)
    assert code == "InvalidParameterException"
    assert f"human-loop/{unique} already exists" in message


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"Bytes": b"plain text"}, "UnsupportedDocumentException"),
        ({"S3Object": {"Bucket": "no-such-bucket-here", "Name": "a.png"}}, "InvalidS3ObjectException"),
        ({}, "InvalidParameterException"),
        ({"Bytes": PNG, "S3Object": {"Bucket": "abc", "Name": "a.png"}}, "InvalidParameterException"),
    ],
)
def test_analyze_refuses_unreadable_document(sandbox, document, code):
    analyze = sandbox.client("textract").analyze_document
    assert error_of(analyze, Document=document, FeatureTypes=["FORMS"])[0] == code


def test_detect_refuses_unsupported_image(sandbox):
    detect = sandbox.client("rekognition").detect_moderation_labels
    assert error_of(detect, Image={"Bytes": b"%PDF-1.7"})[0] == "InvalidImageFormatException"


def test_analyze_refuses_flow_definition_of_another_service(sandbox, unique, images):
    analyze = sandbox.client("textract").analyze_document
    request = {"Document": {"Bytes": PNG}, "FeatureTypes": ["FORMS"]}
    code, message = error_of(analyze, **request, HumanLoopConfig=config(unique, images))
    assert (code, TEXTRACT in message) == ("InvalidParameterException", True)
    code, message = error_of(analyze, **request, HumanLoopConfig=config("Wrong_Name", images))
    assert (code, "humanLoopConfig.humanLoopName" in message) == ("InvalidParameterException", True)
    arguments = {
        "HumanLoopName": unique,
        "FlowDefinitionArn": images,
        "HumanLoopInput": {"InputContent": "{}"},
    }
    assert (
        error_of(sandbox.client("sagemaker-a2i-runtime").start_human_loop, **arguments)[0]
        == "ValidationException"
    )


@pytest.mark.parametrize("missing", ["textract:AnalyzeDocument", "sagemaker:StartHumanLoop", "s3:GetObject"])
def test_caller_needs_all_three_permissions(sandbox, unique, bucket, forms, missing):
    actions = {"textract:AnalyzeDocument", "sagemaker:StartHumanLoop", "s3:GetObject"} - {missing}
    client = client_of_user(sandbox, unique, "textract", {"Action": sorted(actions), "Resource": "*"})
    code, message = error_of(
        client.analyze_document,
        Document=JOB_APPLICATION.upload(sandbox.client("s3"), bucket),
        FeatureTypes=["FORMS"],
        HumanLoopConfig=config(unique, forms),
    )
    client.close()
    assert code == ("InvalidS3ObjectException" if missing == "s3:GetObject" else "AccessDeniedException")
    assert missing in message


def client_of_user(sandbox: Sandbox, name: str, service: str, *allowed: dict[str, Any]) -> Any:
    """Returns a client of a new user who has these permissions."""
    user = sandbox.client("iam").create_user(UserName=name)["User"]["UserName"]
    statements = [{"Effect": "Allow", **one} for one in allowed]
    policy = {"Version": "2012-10-17", "Statement": statements}
    sandbox.client("iam").put_user_policy(UserName=user, PolicyName="some", PolicyDocument=json.dumps(policy))
    key = sandbox.client("iam").create_access_key(UserName=user)["AccessKey"]
    return sandbox.client(
        service, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )


def test_training_job_runs_with_its_role_and_ends(sandbox, unique, bucket, eventually):
    s3, sagemaker, iam = (sandbox.client(service) for service in ("s3", "sagemaker", "iam"))
    s3.put_object(Bucket=bucket, Key="reviews/1 & 2.json", Body=b"{}")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    request = json.loads(json.dumps(REQUEST).replace("s3://reviews/a/", f"s3://{bucket}/reviews/"))
    request |= {
        "TrainingJobName": unique,
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
    }
    code, message = error_of(sagemaker.create_training_job, **request)
    assert (code, "Access Denied" in message) == ("ValidationException", True)
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    objects = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/reviews/*", f"arn:aws:s3:::{bucket}/models/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [listing, objects]})
    iam.put_role_policy(RoleName=unique, PolicyName="data", PolicyDocument=policy)

    create = {"Action": "sagemaker:CreateTrainingJob", "Resource": f"arn:*:training-job/{unique}"}
    only = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    passing = {"Action": "iam:PassRole", "Resource": role, "Condition": only}
    refused = client_of_user(sandbox, f"{unique}-a", "sagemaker", create)
    code, message = error_of(refused.create_training_job, **request)
    assert (code, "iam:PassRole" in message) == ("AccessDeniedException", True)
    allowed = client_of_user(sandbox, f"{unique}-b", "sagemaker", create, passing)
    arn = allowed.create_training_job(**request)["TrainingJobArn"]
    assert arn.endswith(f":training-job/{unique}")
    for client in (refused, allowed):
        client.close()

    def ended() -> dict[str, Any] | None:
        job = sagemaker.describe_training_job(TrainingJobName=unique)
        return job if job["TrainingJobStatus"] != "InProgress" else None

    job = eventually(ended)
    assert job["TrainingJobStatus"] == "Completed", job
    assert read(sandbox, job["ModelArtifacts"]["S3ModelArtifacts"]).startswith(b"\x1f\x8b")
    assert error_of(sagemaker.create_training_job, **request)[0] == "ResourceInUse"
    listed = sagemaker.list_training_jobs(NameContains=unique, StatusEquals="Completed")
    assert [one["TrainingJobArn"] for one in listed["TrainingJobSummaries"]] == [arn]
    assert not sagemaker.list_training_jobs(NameContains=unique, StatusEquals="Failed")[
        "TrainingJobSummaries"
    ]
