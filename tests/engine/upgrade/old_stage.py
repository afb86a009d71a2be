"""Publishes the stage of a fixture, with the same result in the account as the code of that time.

It calls AWS itself and shares no code with `workflow.publish`, which publishes differently now.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.stack.bundles import build_bundles
from workflow.stack.functions import Function
from workflow.stack.targets import local

HERE = Path(__file__).parent
POST_REVIEW = HERE / "post_review.py"


@dataclass(frozen=True)
class OldStage:
    """The content of a fixture."""

    settings: dict[str, Any]
    template: dict[str, Any]
    parameters: dict[str, str]
    parent: dict[str, Any]
    root: Path
    """A folder with the functions' sources, where their bundles can be built."""

    @classmethod
    def of(cls, commit: str, root: Path) -> OldStage:
        """Unpacks the fixture of a commit into an empty folder."""
        with zipfile.ZipFile(HERE / f"{commit}.zip") as files:
            files.extractall(root)
        shutil.copytree(ROOT / "requirements", root / "requirements")
        (ROOT / ".build").mkdir(exist_ok=True)
        (root / ".build").symlink_to(ROOT / ".build")
        parts = ("settings", "template", "parameters", "parent")
        return cls(*(json.loads((root / f"{part}.json").read_text()) for part in parts), root=root)

    def publish(self, sandbox: Sandbox, eventually: Callable[..., Any]) -> dict[str, str]:
        """Creates the stack, a version of its state machine with the alias `live`, and the record of the publish.

        Returns:
            The stack's outputs.
        """
        name = self.settings["name"]
        bucket = f"afterloop-artifacts-{sandbox.account_id}-{sandbox.region}"
        s3, template = sandbox.client("s3"), json.dumps(self.template)
        template_key = f"templates/{hashlib.sha256(template.encode()).hexdigest()}.json"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=template_key, Body=template)
        parameters = {**self.parameters, "ArtifactBucket": bucket, **self._upload_functions(s3, bucket)}
        outputs = _create_stack(
            sandbox,
            eventually,
            StackName=f"afterloop-{name}",
            TemplateURL=f"{sandbox.endpoint_url}/{bucket}/{template_key}",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Tags=[{"Key": "afterloop:stage", "Value": name}],
        )
        record = {
            "number": 1,
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "by": sandbox.client("sts").get_caller_identity()["Arn"],
            "template_key": template_key,
            "parameters": parameters,
            "version": _make_live(sandbox, outputs["StateMachine"]),
            "restores": None,
        }
        s3.put_object(Bucket=bucket, Key=f"stages/{name}/publishes/00000001.json", Body=json.dumps(record))
        return outputs

    def _upload_functions(self, s3: Any, bucket: str) -> dict[str, str]:
        """Uploads the functions' bundles; returns the parameters that depend on them."""
        functions = [
            Function(name, resource["Properties"]["Handler"])
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
        ]
        parameters = {}
        for name, bundle in build_bundles(functions, local(), root=self.root).items():
            key = f"functions/{bundle.digest}.zip"  # Where bundles were then.
            s3.put_object(Bucket=bucket, Key=key, Body=bundle.path.read_bytes())
            parameters |= {f"{name}Key": key, f"{name}Revision": bundle.digest[:12]}
        return {key: value for key, value in parameters.items() if key in self.template["Parameters"]}


def _create_stack(sandbox: Sandbox, eventually: Callable[..., Any], **request: Any) -> dict[str, str]:
    cloudformation = sandbox.client("cloudformation")
    stack_id = cloudformation.create_stack(Capabilities=["CAPABILITY_NAMED_IAM"], **request)["StackId"]

    def settled() -> Any:
        stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        return stack if stack["StackStatus"] != "CREATE_IN_PROGRESS" else None

    stack = eventually(settled, timeout=60, message="the old stack is created")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack.get("StackStatusReason")
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _make_live(sandbox: Sandbox, machine: str) -> str:
    """Publishes a version and points the alias to it; returns the version's ARN."""
    states = sandbox.client("stepfunctions")
    version = states.publish_state_machine_version(stateMachineArn=machine, description="publish 0123abcd")
    arn: str = version["stateMachineVersionArn"]
    states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": arn, "weight": 100}]
    )
    return arn
