"""The package of a stage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from workflow import ROOT
from workflow.errors import PublishError, WorkflowError
from workflow.publish import package as package_module
from workflow.publish.package import TEMPLATE_LIMIT, Package, make_package, template_text
from workflow.publish.resolution import definition_string
from workflow.stack.assembly import assemble
from workflow.stack.bundles import local
from workflow.stack.stages import Stage

STAGE = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))


def versioned(revision: str) -> Package:
    version = {
        "Type": "AWS::Lambda::Version",
        "Properties": {
            "FunctionName": {"Ref": "Collect"},
            "Description": {"Fn::Join": [" ", [{"Ref": "CollectRevision"}]]},
        },
    }
    template = {"Resources": {"CollectVersion": version}}
    return Package(json.dumps(template), {"CollectRevision": revision, "Other": "x"}, {})


def test_revision_gets_a_new_stamp_when_the_function_changes() -> None:
    """Lambda creates no version of a function that equals an earlier version."""
    first = versioned("aaaa").stamped({}).parameters["CollectRevision"]
    again = versioned("aaaa").stamped({"CollectRevision": first}).parameters
    changed = versioned("bbbb").stamped({"CollectRevision": first}).parameters["CollectRevision"]
    back = versioned(first).stamped({"CollectRevision": changed}).parameters["CollectRevision"]

    assert again == {"CollectRevision": first, "Other": "x"}
    assert len({first, changed, back}) == 3
    assert [one.partition("-")[0] for one in (first, changed, back)] == ["aaaa", "bbbb", "aaaa"]


def make(**settings: Any) -> Package:
    return make_package(
        STAGE.model_copy(update=settings),
        assemble(),
        local(),
        account="111122223333",
        artifact_bucket="artifacts",
    )


def test_function_with_a_name_too_long_for_the_stage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_module, "MAX_FUNCTION_NAME", 20)
    with pytest.raises(WorkflowError) as refusal:
        make()
    assert str(refusal.value) == (
        "lambdas/answer_workflow.py: the function's name in the stage dev would have 28 characters, and Lambda "
        "accepts 20; rename the file"
    )


def test_package_has_template_parameters_and_bundles() -> None:
    package = make()

    assert package.parameters["OutputBuckets"] == "arn:aws:s3:::reviewed"
    assert package.parameters["ArtifactBucket"] == "artifacts"
    bundle = package.bundles["CollectReview"]
    assert package.parameters["CollectReviewKey"] == bundle.key
    assert package.objects[bundle.key] == bundle.path
    assert package.objects[package.template_key] == package.template.encode()
    assert package.definition["StartAt"] in package.definition["States"]
    assert package.parameters["CollectReviewRevision"]


def test_revision_follows_settings_that_the_function_gets() -> None:
    def revision(**settings: Any) -> str:
        return make(**settings).parameters["CollectReviewRevision"]

    assert revision() == revision(log_retention_days=7)
    assert revision() != revision(output_buckets=("reviewed", "more"))


def test_digest_follows_parameters() -> None:
    assert make().digest == make().digest != make(log_retention_days=7).digest


def test_too_large_template_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_module, "TEMPLATE_LIMIT", 1000)
    with pytest.raises(
        PublishError, match=r"\d bytes, .*\d of them for the definition; .* at most 1,000: move some"
    ):
        make()


LARGE = """
from workflow.steps import THIS_STEP, LambdaStep
completed = [
    LambdaStep(f"Check number {number}", parameters={
        "FunctionName": f"check_{number % 20}",
        "Payload": {"number": number, "location.$": "$.review.location", "step": THIS_STEP},
    }, result_selector={"number.$": "$.Payload.number"}, result_path="$.checked")
    for number in range(480)
]
failed, stopped = [], []
"""


def test_480_steps_over_20_functions_fit_into_a_template(tmp_path: Path) -> None:
    (tmp_path / "lambdas").mkdir()
    for file in (ROOT / "lambdas").glob("*.py"):
        shutil.copy(file, tmp_path / "lambdas")
    for number in range(20):
        (tmp_path / f"lambdas/check_{number}.py").write_text("def handler(event, context): ...\n")
    (tmp_path / "post_review.py").write_text(LARGE)

    template = assemble(tmp_path / "post_review.py", tmp_path).template.to_dict()

    assert len(json.loads(definition_string(template))["States"]) > 480
    assert len(template_text(template)) <= TEMPLATE_LIMIT


def test_template_and_definition_have_no_white_space() -> None:
    package = make()
    definition = package.content[0]["Resources"]["StateMachine"]["Properties"]["DefinitionString"]
    for text in (package.template, definition):
        assert text == json.dumps(json.loads(text), separators=(",", ":"))
