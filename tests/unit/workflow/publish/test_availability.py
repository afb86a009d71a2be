"""Services that a Region does not offer."""

from __future__ import annotations

from types import SimpleNamespace

import boto3
import pytest

from workflow.publish.availability import not_offered
from workflow.stack.assembly import assemble
from workflow.stack.stages import A2I_REGIONS


def test_service_missing_in_the_region_is_a_warning() -> None:
    inner = {
        "States": {
            "Deep": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:bedrockruntime:invokeModel"}
        }
    }
    definition = {
        "States": {
            "Train": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"},
            "Ask": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:bedrockruntime:invokeModel"},
            "Start": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution"},
            "Odd": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:unheardof:do"},
            "All": {"Type": "Map", "ItemProcessor": inner},
            "End": {"Type": "Pass"},
        }
    }
    regions = {"bedrock-runtime": ["us-east-1"], "sagemaker": ["us-east-1", "eu-west-2"], "stepfunctions": []}

    session = SimpleNamespace(
        region_name="eu-west-2",
        get_available_regions=lambda service: regions[service],
    )

    warnings = not_offered(definition, session)

    assert warnings == [
        "bedrock-runtime may not be available in eu-west-2: these states would fail: Ask, Deep"
    ]


@pytest.mark.parametrize("region", sorted(A2I_REGIONS))
def test_workflow_calls_only_services_of_every_a2i_region(region: str) -> None:
    assert not_offered(assemble().definition, boto3.Session(region_name=region)) == []
