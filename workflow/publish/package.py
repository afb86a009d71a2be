"""The package: all that a stage's stack is made from. Made without remote calls."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow import ROOT
from workflow.errors import PublishError
from workflow.publish.resolution import resolved_resources, revision_parameters
from workflow.stack.bundles import Bundle, Target, build_bundles

if TYPE_CHECKING:
    from workflow.stack.assembly import Assembly
    from workflow.stack.stages import Stage

__all__ = ["Package", "make_package"]

TEMPLATE_LIMIT = 1024 * 1024
"""Bytes of a template in S3
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""


@dataclass(frozen=True)
class Package:
    """Template, parameters and bundles of one publish."""

    template: str
    """JSON text."""
    parameters: Mapping[str, str]
    bundles: Mapping[str, Bundle]
    """By function name."""

    @property
    def content(self) -> tuple[dict[str, Any], Mapping[str, str]]:
        """Template, parsed, and parameters."""
        return json.loads(self.template), self.parameters

    @property
    def is_ascii(self) -> bool:
        """Whether no text of the template has a character that CloudFormation loses when it is asked for it."""
        return json.dumps(json.loads(self.template), ensure_ascii=False).isascii()

    @property
    def definition(self) -> dict[str, Any]:
        """The state machine, with the template's placeholders."""
        resources = self.content[0]["Resources"].values()
        machines = [one for one in resources if one["Type"] == "AWS::StepFunctions::StateMachine"]
        definition: dict[str, Any] = json.loads(machines[0]["Properties"]["DefinitionString"])
        return definition

    @property
    def template_key(self) -> str:
        """Name of the template's object in the artifact bucket."""
        return f"templates/{hashlib.sha256(self.template.encode()).hexdigest()}.json"

    @property
    def digest(self) -> str:
        """Eight digits that tell this package from others, for people."""
        content = json.dumps([self.template, dict(self.parameters)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def stamped(self, deployed: Mapping[str, str]) -> Package:
        """With a new stamp at the revision of each function that is not as it is deployed.

        So Lambda always finds the function changed when a version of it is to be made, whatever versions there were,
        and never answers that there is one ("A version for this Lambda function exists"), which fails the publish.

        Args:
            deployed: the stack's parameters.
        """
        stamp = secrets.token_hex(3)
        revisions = {}
        for name in revision_parameters(self.content[0]).values():
            revision, before = self.parameters[name].partition("-")[0], deployed.get(name, "")
            revisions[name] = before if before.partition("-")[0] == revision else f"{revision}-{stamp}"
        return replace(self, parameters={**self.parameters, **revisions})

    @property
    def objects(self) -> dict[str, bytes | Path]:
        """What the artifact bucket must hold: content by key."""
        return {bundle.key: bundle.path for bundle in self.bundles.values()} | {
            self.template_key: self.template.encode()
        }


def make_package(
    stage: Stage, assembly: Assembly, target: Target, *, account: str, artifact_bucket: str, root: Path = ROOT
) -> Package:
    """The package of a stage.

    Args:
        stage: whose settings become parameters.
        assembly: definition, functions and template.
        target: what the functions run on.
        account: the 12 digits of the account it goes to.
        artifact_bucket: where the bundles will be.
        root: the project's folder.

    Raises:
        BundleError: a function cannot be bundled.
        SettingsError: the stage's settings do not fit into the stack's parameters.
        PublishError: the template is too large for CloudFormation.
    """
    template = assembly.template.to_json()
    if (size := len(template.encode())) > TEMPLATE_LIMIT:
        raise PublishError(
            f"the template is {size:,} bytes, and CloudFormation takes {TEMPLATE_LIMIT:,}: use fewer states"
        )
    bundles = build_bundles(assembly.functions, target, root=root)
    parameters = {
        **stage.parameters(account),
        "ArtifactBucket": artifact_bucket,
        **{function.key_parameter: bundles[function.name].key for function in assembly.functions},
    }
    return Package(template, {**parameters, **_revisions(json.loads(template), parameters)}, bundles)


def _revisions(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
    """For each function that a step runs, twelve digits that change when what a version keeps of it does."""
    resources = resolved_resources(template, parameters)
    found = {}
    for function, parameter in revision_parameters(template).items():
        properties = resources[function]["Properties"]
        kept = {key: value for key, value in properties.items() if key not in ("Description", "Tags")}
        text = json.dumps(kept, sort_keys=True)
        found[parameter] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return found
