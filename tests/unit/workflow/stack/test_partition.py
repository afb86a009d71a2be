"""No partition is spelled out: a stage can be in China or in GovCloud."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from workflow.publish.artifacts import ArtifactBucket
from workflow.stack.partition import partition_of
from workflow.stack.stages import Stage

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("mars-east-1", "aws", "amazonaws.com"),
    ],
)
def test_region_has_its_partition(region: str, partition: str, domain: str) -> None:
    assert partition_of(region) == (partition, domain)


def test_parameters_have_the_partition_of_the_stage() -> None:
    # Not validated: A2I is in no Region of another partition today.
    stage = Stage(
        name="dev",
        region="eu-west-1",
        output_buckets=("reviewed", "more"),
        document_buckets=("documents",),
        flow_definitions=("forms",),
    ).model_copy(update={"region": "cn-north-1"})
    parameters = stage.parameters("111122223333")
    assert parameters["OutputBuckets"] == "arn:aws-cn:s3:::reviewed,arn:aws-cn:s3:::more"
    assert parameters["DocumentBuckets"] == "arn:aws-cn:s3:::documents"
    flow = "arn:aws-cn:sagemaker:cn-north-1:111122223333:flow-definition/forms"
    assert parameters["FlowDefinitionArns"] == flow


def test_artifact_bucket_is_in_the_domain_of_the_partition() -> None:
    s3 = Mock()
    s3.get_bucket_versioning.return_value = {}
    bucket = ArtifactBucket(s3, "artifacts", owner="111122223333", region="cn-north-1", is_aws=True)
    bucket.ensure()
    assert bucket.url("key", "1") == ("https://artifacts.s3.cn-north-1.amazonaws.com.cn/key?versionId=1")
    policy = json.loads(s3.put_bucket_policy.call_args.kwargs["Policy"])
    assert policy["Statement"][0]["Resource"] == ["arn:aws-cn:s3:::artifacts", "arn:aws-cn:s3:::artifacts/*"]


def test_template_has_no_arn_of_one_partition() -> None:
    template = (ROOT / "definitions/template.json").read_text()
    assert "arn:aws:" not in template
    assert template.count("arn:${Partition}:states:::") > 10


RENDERED = "arn:aws:states:::"
"""The ARN of an integration, as rendered: the template replaces its partition."""


EXAMPLES = (
    "workflow/asl/checks/arns.py",
    "workflow/operations/sample.py",
    "workflow/operations/trials/running.py",
)
"""Modules with ARNs that no service gets: in a message, in a sample state, and in the context of a trial."""


def test_code_has_no_arn_of_one_partition() -> None:
    files = [path for room in ("workflow", "lambdas") for path in (ROOT / room).rglob("*.py")]
    files = [path for path in files if path.relative_to(ROOT).as_posix() not in EXAMPLES]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in files
        for line, text in _strings(path)
        if "arn:aws:" in text.replace(RENDERED, "")
    ]
    assert found == []


def _strings(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, without those that only document: each is a statement of its own."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value
