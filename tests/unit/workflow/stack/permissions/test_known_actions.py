"""Whether declared actions exist."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from workflow.stack.permissions.known_actions import _WITHOUT_API, _prefixes, problems_of_actions

# Without an import, which takes a second.
_CFN_LINT = Path(str(importlib.util.find_spec("cfnlint").origin)).parent  # type: ignore[union-attr]
IAM = json.loads((_CFN_LINT / "data/AdditionalSpecs/Policies.json").read_text())


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ("s3:GetObjct", "s3:GetObject"),
        ("dynamodb:PutItm", "dynamodb:PutItem"),
        ("sqs:Sned*", "sqs:Send*"),
        ("comprehnd:DetectSentiment", "comprehend"),
        ("stepfunctions:StartExecution", "states"),
        ("bedrock-runtime:InvokeModel", "bedrock"),
        ("cloudwatchlogs:PutLogEvents", "logs"),
        ("sesv2:SendEmail", "ses"),
        # Actions of an API that IAM has under another name
        ("lambda:Invoke", "lambda:InvokeFunction"),
        ("bedrock:Converse", "bedrock:InvokeModel"),
        ("s3:ListObjectsV2", "s3:ListBucket"),
        ("dynamodb:TransactWriteItems", "dynamodb:PutItem"),
    ],
)
def test_misspelled_action_is_an_error_with_what_is_meant(action: str, meant: str) -> None:
    [(message, severity)] = problems_of_actions([action])
    assert severity == "error"
    assert message.endswith(f"did you mean {meant!r}?")


@pytest.mark.parametrize("action", ["foo:Bar", "dynamodb:Write", "s3:Xyz*"])
def test_action_that_is_like_no_known_one_is_a_warning(action: str) -> None:
    [(message, severity)] = problems_of_actions([action])
    assert severity == "warning"
    assert message.startswith(f"'{action}' may not exist: botocore ")


@pytest.mark.parametrize("action", ["s3:*", "s3:Get*", "s3:getobject", "dynamodb:*Item", "s3:GetObjec?"])
def test_actions_and_patterns_that_match_are_accepted(action: str) -> None:
    assert list(problems_of_actions([action])) == []


OF_A_REVIEW_WORKFLOW = (
    "athena dynamodb events execute-api iam kms lambda logs s3 sns sqs ssm states sts textract"
)

WITH_SIMILAR_NAMES = (
    "appflow billing detective dms finspace glue kinesisvideo mpa rds route53-recovery-control-config s3tables support "
    "transfer"
)


def test_no_action_of_iam_is_called_misspelled() -> None:
    """Those of services that a review workflow uses, and those whose names are like others, as cfn-lint has them."""
    services = f"{OF_A_REVIEW_WORKFLOW} {WITH_SIMILAR_NAMES}".split()
    actions = [f"{service}:{name}" for service in services for name in IAM[service]["Actions"]]
    wrong = [message for message, severity in problems_of_actions(actions) if severity == "error"]
    assert wrong == []


def test_no_service_of_iam_is_called_misspelled() -> None:
    unknown = IAM.keys() - _prefixes().keys()
    assert len(unknown) > 50
    problems = problems_of_actions([f"{service}:Any" for service in unknown])
    assert [message for message, severity in problems if severity == "error"] == []


def test_actions_without_api_exist_in_iam() -> None:
    for service, names in _WITHOUT_API.items():
        for name in names.split():
            assert name.lower() in IAM[service]["Actions"], f"{service}:{name}"
            assert re.fullmatch(r"[A-Za-z]\w+", name)
