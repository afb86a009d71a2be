"""The training jobs of the page on retraining. One needs the SageMaker SDK: `make test-sagemaker` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from tests.documentation import blocks, copy_of_the_project


@pytest.mark.skipif(find_spec("sagemaker") is None, reason="TrainingStep needs the extra sagemaker")
def test_training_step_of_the_page_can_be_assembled(tmp_path: Path) -> None:
    """Runs in another process, because importing the SageMaker SDK causes warnings and sets loggers."""
    project = copy_of_the_project(tmp_path)
    written = []
    for block in blocks("docs/how-to/retrain.md"):
        if (block.file or "").startswith("lambdas/") or "TrainingStep(" in block.content:
            assert block.file is not None
            (project / block.file).write_text(block.content)
            written.append(block.file)
    assert "workflow/post_review.py" in written
    code = (
        "from workflow.stack.assembly import assemble; made = assemble()\n"
        "from workflow.stack.permissions import statements_for\n"
        "print(made.definition['States']['Train']['Resource'])\n"
        "print(*(action for one in statements_for(made.definition) for action in one.actions))\n"
        "print(*(on for one in statements_for(made.definition) for on in one.resources), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "arn:aws:states:::sagemaker:createTrainingJob" in run.stdout
    assert "iam:PassRole" in run.stdout
    allowed = [line for line in run.stdout.splitlines() if ":training-job/" in line]
    assert [line.rpartition("/")[2] for line in allowed] == ["triage-*"]


class Jobs:
    """Training jobs that exist."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def describe_training_job(self, TrainingJobName: str) -> None:  # noqa: N803 (as boto3 names it)
        if TrainingJobName not in self.names:
            error = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": error}, "DescribeTrainingJob")


@pytest.mark.parametrize(
    ("reviews", "jobs", "answer"),
    [
        (499, [], {"number": "0", "train": False}),
        (500, [], {"number": "1", "train": True}),
        # Another review was stored in between: both executions count it.
        (501, [], {"number": "1", "train": True}),
        (501, ["triage-1"], {"number": "1", "train": False}),
        (1_203, ["triage-1"], {"number": "2", "train": True}),
    ],
)
def test_job_is_due_until_it_exists(
    monkeypatch: pytest.MonkeyPatch, reviews: int, jobs: list[str], answer: dict[str, Any]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (block,) = (one for one in blocks("docs/how-to/retrain.md") if one.file == "lambdas/enough_to_train.py")
    found: dict[str, Any] = {}
    exec(block.content, found)
    found |= {"count": lambda _: reviews, "sagemaker": Jobs(*jobs)}
    assert found["handler"]({"flowDefinitionArn": "arn", "every": 500}, None) == answer


def test_channel_of_the_page_is_one_of_a_training_job() -> None:
    (block,) = (
        block for block in blocks("docs/how-to/retrain.md") if "AugmentedManifestFile" in block.content
    )
    found: dict[str, object] = {}
    exec(block.content, found)
    shape = boto3.Session(region_name="us-east-1").client("sagemaker").meta.service_model.shape_for("Channel")
    report = ParamValidator().validate(found["channel"], shape)
    assert not report.has_errors(), report.generate_report()
