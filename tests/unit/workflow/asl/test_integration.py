from __future__ import annotations

import pytest

from workflow.asl.integration import arguments_of, integration_of


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("arn:aws:states:::sns:publish", ("sns", "publish", "", False)),
        ("arn:aws-cn:states:::glue:startJobRun.sync", ("glue", "startJobRun", ".sync", False)),
        ("arn:aws:states:::states:startExecution.sync:2", ("states", "startExecution", ".sync:2", False)),
        (
            "arn:${AWS::Partition}:states:::aws-sdk:sagemakera2iruntime:startHumanLoop.waitForTaskToken",
            ("sagemakera2iruntime", "startHumanLoop", ".waitForTaskToken", True),
        ),
    ],
)
def test_integration_of_a_resource(resource: str, expected: tuple[str, str, str, bool]) -> None:
    assert integration_of({"Type": "Task", "Resource": resource}) == expected


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:lambda:eu-west-1:123456789012:function:check",
        "arn:aws:states:eu-west-1:123456789012:activity:by-hand",
        "${CollectReviewArn}",
        "arn:aws:states:::sns",
    ],
)
def test_other_resources_have_no_integration(resource: str) -> None:
    assert integration_of({"Type": "Task", "Resource": resource}) is None


def test_state_without_resource_has_no_integration() -> None:
    assert integration_of({"Type": "Pass"}) is None


def test_arguments_in_both_query_languages() -> None:
    assert arguments_of({"Parameters": {"a": 1}}) == {"a": 1}
    assert arguments_of({"Arguments": "{% $states.input %}"}) == "{% $states.input %}"
    assert arguments_of({"Type": "Task"}) is None
