"""The package: everything that a stage's stack is made from. Built without remote calls."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow import ROOT
from workflow.errors import PublishError, WorkflowError
from workflow.publish.resolution import definition_string, resolved_resources, revision_parameters
from workflow.stack import USE_ANOTHER_MACHINE, VERSION_MARK
from workflow.stack.bundles import Bundle, Target, build_bundles
from workflow.stack.settings_warnings import warnings_of
from workflow.stack.subscriptions import keeping_subscriptions

if TYPE_CHECKING:
    from workflow.stack.assembly import Assembly
    from workflow.stack.stages import Stage

__all__ = [
    "EARLIER_BUNDLES",
    "Package",
    "bundle_key",
    "code_source",
    "make_package",
    "template_key",
    "template_text",
]

TEMPLATE_LIMIT = 1_000_000
"""Maximum size in bytes of a template in S3: 1 MB, not 1 MiB ("Template may not exceed 1000000 bytes in size")
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""

EARLIER_BUNDLES = "functions/"
"""Where earlier versions of Afterloop put bundles, and used them without a version."""

NOT_UPLOADED = "not-uploaded"
"""The version of a bundle that a publish would upload. Only plans have it: there is no such version."""


def template_key(template: bytes) -> str:
    """The key of a template in the artifact bucket."""
    return f"templates/{hashlib.sha256(template).hexdigest()}.json"


def bundle_key(parameter: str) -> str:
    """The key of a bundle, of a function's parameter: `KEY@VERSION`, or only the key in earlier stacks."""
    return parameter.partition(VERSION_MARK)[0]


def code_source(bucket: str, parameter: str) -> dict[str, str]:
    """Where a function's code is, as UpdateFunctionCode takes it."""
    key, _, version = parameter.partition(VERSION_MARK)
    return {"S3Bucket": bucket, "S3Key": key, **({"S3ObjectVersion": version} if version else {})}


@dataclass(frozen=True)
class Package:
    """Template, parameters and bundles of one publish."""

    template: str
    """JSON text."""
    parameters: Mapping[str, str]
    bundles: Mapping[str, Bundle]
    """By function name."""
    warnings: tuple[str, ...] = ()
    """What may be a mistake in a step, one sentence each."""
    places: Mapping[str, str] = field(default_factory=dict)
    """State name → file:line where it was made."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The tags of the stack, besides that with the stage's name."""
    service_role: str | None = None
    """ARN of the role that CloudFormation assumes; None for that of the last operation."""

    @property
    def content(self) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The parsed template, and the parameters."""
        return json.loads(self.template), self.parameters

    @property
    def definition(self) -> dict[str, Any]:
        """The definition of the state machine, with the template's placeholders."""
        definition: dict[str, Any] = json.loads(definition_string(self.content[0]))
        return definition

    @property
    def template_key(self) -> str:
        """The key of the template in the artifact bucket."""
        return template_key(self.template.encode())

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that identify this package, for people."""
        content = json.dumps([self.template, dict(self.parameters)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    def stamped(self, deployed: Mapping[str, str]) -> Package:
        """The package for a stack that exists.

        The revision of each function that differs from the deployed one gets a new stamp, each email address keeps its
        subscription, and each bundle that is deployed its version.

        Args:
            deployed: the parameters of the stack; empty if it does not exist.
        """
        # The revision is an environment variable of the function, so a new stamp changes the function. Without
        # it, going back to earlier code fails: Lambda publishes no version of a function that equals an existing
        # one ("A version for this Lambda function exists"), and CloudFormation reports that as an error.
        stamp = secrets.token_hex(3)
        revisions = {}
        for name in revision_parameters(self.content[0]).values():
            revision, before = self.parameters[name].partition("-")[0], deployed.get(name, "")
            revisions[name] = before if before.partition("-")[0] == revision else f"{revision}-{stamp}"
        bundles = {}
        keys = {bundle.key for bundle in self.bundles.values()}
        for name, value in self.parameters.items():
            if value in keys:
                before = deployed.get(name, "")
                is_deployed = before.startswith(f"{value}{VERSION_MARK}")
                bundles[name] = before if is_deployed else f"{value}{VERSION_MARK}{NOT_UPLOADED}"
        parameters = keeping_subscriptions(self.parameters, deployed)
        return replace(self, parameters={**parameters, **revisions, **bundles})

    @property
    def objects(self) -> dict[str, bytes | Path]:
        """The objects that the artifact bucket must contain before this package is published: content by key."""
        bundles = {bundle.key: bundle.path for bundle in self.bundles.values()}
        return {**bundles, self.template_key: self.template.encode()}

    @property
    def bundle_versions(self) -> dict[str, str]:
        """The versions of bundles that the parameters name, by key."""
        keys = {bundle.key for bundle in self.bundles.values()}
        named = (value.partition(VERSION_MARK) for value in self.parameters.values())
        return {
            key: version for key, _, version in named if key in keys and version not in ("", NOT_UPLOADED)
        }

    def uploaded(self, versions: Mapping[str, str]) -> Package:
        """The package with these versions of its bundles.

        Args:
            versions: the versions of the objects in the artifact bucket, by key.
        """
        uploaded = {
            name: f"{key}{VERSION_MARK}{versions[key]}"
            for name, value in self.parameters.items()
            if (key := bundle_key(value)) in versions
        }
        return replace(self, parameters={**self.parameters, **uploaded})


MAX_FUNCTION_NAME = 64
"""Characters (Lambda API reference, CreateFunction)."""


def make_package(
    stage: Stage, assembly: Assembly, target: Target, *, account: str, artifact_bucket: str, root: Path = ROOT
) -> Package:
    """Builds the package of a stage.

    Args:
        stage: the stage, whose settings become parameters.
        assembly: definition, functions and template.
        target: the platform that the functions run on.
        account: the 12 digits of the account to publish to.
        artifact_bucket: the name of the bucket for the bundles.
        root: the project's folder.

    Raises:
        BundleError: a function cannot be bundled.
        SettingsError: the stage's settings do not fit into the stack's parameters.
        PublishError: the template is too large for CloudFormation.
        WorkflowError: a function's name is too long for this stage.
    """
    for function in assembly.functions:
        if (length := len(f"{stage.stack_name}-{function.name}")) > MAX_FUNCTION_NAME:
            raise WorkflowError(
                f"{function.place.partition(':')[0]}: the function's name in the stage {stage.name} would have "
                f"{length} characters, and Lambda accepts {MAX_FUNCTION_NAME}; rename the file"
            )
    template = template_text(assembly.content)
    bundles = build_bundles(assembly.functions, target, root=root)
    parameters = {
        **stage.parameters(account),
        "ArtifactBucket": artifact_bucket,
        **{function.key_parameter: bundles[function.name].key for function in assembly.functions},
    }
    parameters |= _revisions(json.loads(template), parameters)
    return Package(
        template,
        parameters,
        bundles,
        (*warnings_of(stage), *assembly.warnings),
        assembly.places,
        tags=stage.tags,
        service_role=stage.service_role,
    )


def template_text(template: Mapping[str, Any]) -> str:
    """The text of a template, without white space.

    Raises:
        PublishError: it is too large for CloudFormation.
    """
    text = json.dumps(template, separators=(",", ":"), sort_keys=True)
    if (size := len(text)) > TEMPLATE_LIMIT:
        definition = len(json.dumps(definition_string(template)))
        raise PublishError(
            f"the template has {size:,} bytes, {definition:,} of them for the definition; CloudFormation accepts at "
            f"most {TEMPLATE_LIMIT:,}: {USE_ANOTHER_MACHINE}"
        )
    return text


def _revisions(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
    """The value of each revision parameter: a hash of what a version of the function keeps, code and settings."""
    resources = resolved_resources(template, parameters)
    found = {}
    for function, parameter in revision_parameters(template).items():
        properties = resources[function]["Properties"]
        kept = {key: value for key, value in properties.items() if key not in ("Description", "Tags")}
        text = json.dumps(kept, sort_keys=True)
        found[parameter] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return found
