"""Runs the how-to pages and the explanation on the engine, and checks the roles for CI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.canned_file import DEFAULT_FILE, following
from sandbox.canned_results import Results
from sandbox.engine import Sandbox
from sandbox.local import local_stage
from sandbox.sample_flows import create_flow_definitions
from sandbox.samples import SUPPORT_MESSAGE
from tests.documentation import PAGES, Story, copy_of_the_project, story_environment
from tests.wheels import only_from, wheel
from workflow import ROOT
from workflow.operations.client import LoopsClient
from workflow.publish.account import Account
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack.assembly import assemble
from workflow.stack.locks import read_lock
from workflow.stack.stages import Stage, checked_stage
from workflow.stack.targets import local

ELSEWHERE = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/publish-from-ci.md",
}
"""Pages that other tests check: test_docs.py of the unit tests, test_tutorial.py, and the end of this file."""

STORIES = [page for page in PAGES if page not in ELSEWHERE]


@pytest.fixture(scope="module")
def engine() -> Iterator[Sandbox]:
    """A separate engine, in the state after the tutorial: buckets, flow definitions, the stage dev, a review."""
    stage = local_stage()
    with Sandbox.start(wait_scale=0, log_level="WARNING") as running:
        for bucket in (*stage.output_buckets, *stage.document_buckets):
            running.client("s3").create_bucket(Bucket=bucket)
        create_flow_definitions(running, stage.output_buckets[0])
        dev = {"region": "us-east-1", "output_buckets": list(stage.output_buckets)}
        publish_to(running, checked_stage("stages.toml", "dev", dev))
        content = SUPPORT_MESSAGE.prediction
        LoopsClient("dev", running.session).start_custom(
            "support-messages", content, human_loop_name="message-1"
        )
        for answer in SUPPORT_MESSAGE.answers:
            running.loops.answer("message-1", answer)
        yield running


def publish_to(engine: Sandbox, stage: Stage) -> None:
    """Publishes the project."""
    account = Account(engine.session)
    package = make_package(
        stage, assemble(), local(), account=account.id, artifact_bucket=account.artifact_bucket
    )
    assert publish(account, stage, package, confirm=lambda plan: True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_of_the_project(tmp_path)


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables with which pip finds the packages that pages name: only these, without a network."""
    shelf = tmp_path_factory.mktemp("shelf")
    slugify = "def slugify(text):\n    return '-'.join(text.lower().split())\n"
    wheel(shelf, "python_slugify", requires=["text-unidecode"], files={"slugify/__init__.py": slugify})
    wheel(shelf, "text_unidecode")
    # What all functions share is resolved with it.
    for pinned in read_lock(ROOT / "requirements/lambdas.txt").values():
        wheel(shelf, pinned.name.replace("-", "_"), pinned.version)
    return only_from(shelf)


@pytest.mark.parametrize("page", STORIES)
def test_page_can_be_followed(page: str, engine: Sandbox, project: Path, index: dict[str, str]) -> None:
    # As `make local` does, once the page has written the file.
    canned = following(project / DEFAULT_FILE.name, Results(), engine.canned_results, print)
    with canned, Story(project, story_environment(**engine.variables(), **index)) as story:
        story.follow(page)


RECORDED = """
import atexit
import pathlib
import sys
import botocore.client
import deploy

call = botocore.client.BaseClient._make_api_call
called = []  # Several threads call: an append is atomic, printing a line is not.
file = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: file.write_text("\\n".join(called)))

def recorded(self, operation, parameters):
    # S3 has actions of their own for a version of an object.
    version = "Version" if "VersionId" in parameters else ""
    called.append(f"{self.meta.service_model.signing_name}:{operation}{version}")
    return call(self, operation, parameters)

botocore.client.BaseClient._make_api_call = recorded
deploy.main()
"""
PERMISSIONS = {
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadObjectVersion": "s3:GetObjectVersion",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""API call → IAM action, where they differ (Service Authorization Reference, Amazon S3)."""


def test_ci_roles_allow_the_calls_of_their_commands(
    engine: Sandbox, project: Path, roles: dict[str, Any]
) -> None:
    settings, calls = project / "stages.toml", project / "calls.txt"
    commands = (
        (3, ["plan"], "PlanRole"),
        (5, ["publish", "--yes"], "PublishRole"),
        (5, ["smoke"], "PublishRole"),
    )
    for days, command, role in commands:
        settings.write_text(
            '[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["human-review-outputs"]\n'
            f"log_retention_days = {days}\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", RECORDED, str(calls), *command],
            cwd=project,
            env=story_environment(**engine.variables()),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == (2 if command == ["plan"] else 0), run.stderr
        called = set(calls.read_text().splitlines())
        assert ("sqs:CreateQueue" if command == ["smoke"] else "cloudformation:CreateChangeSet") in called
        called.discard("sts:GetCallerIdentity")  # needs no permission
        refused = [call for call in called if not allows(roles[role], PERMISSIONS.get(call, call))]
        assert refused == [], role


SUBJECTS = {
    "PlanRole": ["repo:${Repository}:pull_request", "repo:${Repository}:ref:refs/heads/main"],
    "PublishRole": "repo:${Repository}:environment:${Stage}",
}
"""Who may assume a role. The plan of each day runs on the main branch."""


def test_plan_role_cannot_publish(roles: dict[str, Any]) -> None:
    for action in ("cloudformation:ExecuteChangeSet", "iam:PutRolePolicy", "states:UpdateStateMachine"):
        assert not allows(roles["PlanRole"], action)
        assert allows(roles["PublishRole"], action) or action.startswith("cloudformation")
    for name, role in roles.items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        claims = trust["Condition"]["StringEquals"]
        assert claims["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        assert claims["token.actions.githubusercontent.com:sub"] == SUBJECTS[name]


def test_publish_role_can_create_every_resource(roles: dict[str, Any]) -> None:
    template = json.loads((ROOT / "definitions/template.json").read_text())
    services = {one["Type"].split("::")[1].lower() for one in template["Resources"].values()}
    for service in services:
        prefix = "states" if service == "stepfunctions" else service
        action = "iam:CreateRole" if service == "iam" else f"{prefix}:CreateAnything"
        assert allows(roles["PublishRole"], action), service


def test_cfn_lint_accepts_the_roles() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(ROLES)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


ROLES = ROOT / "docs/examples/github_roles.yml"


class Template(yaml.SafeLoader):
    """Loads CloudFormation's YAML. Tags such as `!Sub` are dropped, their text or list is kept."""


Template.add_multi_constructor(
    "!",
    lambda loader, tag, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node)
    ),
)


@pytest.fixture(scope="module")
def roles() -> dict[str, Any]:
    resources = yaml.load(ROLES.read_text(), Template)["Resources"]
    found = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    for role in found.values():
        # `!If [Smoke, !Ref SmokePolicy, …]` is a list.
        named = [
            name
            for one in role.get("ManagedPolicyArns", [])
            for name in ([one] if isinstance(one, str) else one)
        ]
        role["Policies"] += [resources[name]["Properties"] for name in named if name in resources]
    return found


def allows(role: dict[str, Any], action: str) -> bool:
    patterns = [
        pattern
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for pattern in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    ]
    return any(fnmatchcase(action, pattern) for pattern in patterns)
