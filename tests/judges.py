"""Runs checkov, cfn-lint and parliament over the template, the roles for CI, and the artifact bucket's policy.

python -m tests.judges BIN    BIN has their commands: `make judges` installs them in an environment of their own

What they find has to be repaired, or accepted with a reason in judges.toml. All that checkov and cfn-lint find counts
(checkov knows severities only with an account of its vendor), and what is of medium severity or above for parliament.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from tests.cloudformation_yaml import Template
from workflow import ROOT
from workflow.publish.artifacts import bucket_policy
from workflow.publish.resolution import resolved_resources

TEMPLATE = ROOT / "definitions/template.json"
ROLES = ROOT / "docs/examples/github_roles.yml"
ACCEPTED = Path(__file__).with_name("judges.toml")
HERE = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333"}
GIVEN = {
    **HERE,
    "Stage": "prod",
    "Repository": "owner/name",
    "OutputBuckets": "arn:aws:s3:::outputs",
    "DocumentBuckets": "arn:aws:s3:::documents",
    "FlowDefinitionArns": "*",
    "Subnets": "subnet-0123abcd",
    "ServiceRole": "arn:aws:iam::111122223333:role/deploy",
}
PLACE = "eu-west-1:111122223333"
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{PLACE}:table/NAME",
    "AWS::Lambda::Function": f"arn:aws:lambda:{PLACE}:function:NAME",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{PLACE}:log-group:NAME:*",
    "AWS::S3::Bucket": "arn:aws:s3:::afterloop-prod-bucket",
    "AWS::SNS::Topic": f"arn:aws:sns:{PLACE}:NAME",
    "AWS::SQS::Queue": f"arn:aws:sqs:{PLACE}:NAME",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{PLACE}:stateMachine:NAME",
}
"""Types that policies refer to, and ARNs for them."""

NAMED_BY_REF = ("AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::S3::Bucket")
"""Types whose Ref is a name, not an ARN."""


@dataclass(frozen=True, order=True)
class Finding:
    """What a judge found.

    Attributes:
        judge: `checkov`, `cfn-lint` or `parliament`.
        check: The judge's name for the check.
        of: The resource; of parliament, the policy and the actions.
        text: What is wrong.
    """

    judge: str
    check: str
    of: str
    text: str


def main(commands: Path) -> int:
    accepted = tomllib.loads(ACCEPTED.read_text())["accepted"]
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(
            {*_checkov(commands), *_cfn_lint(commands, Path(folder)), *_parliament(commands, Path(folder))}
        )
    lines = [*not_accepted(found, accepted), *without_finding(found, accepted)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(found)} findings, {len(lines)} to repair or to accept in {ACCEPTED.name}\n")
    return 1 if lines else 0


def not_accepted(found: Iterable[Finding], accepted: Iterable[Mapping[str, str]]) -> list[str]:
    """Returns a line for each finding without a reason to keep it."""
    known = list(accepted)
    return [
        f"{one.judge}: {one.check}: {one.of}: {one.text}"
        for one in found
        if not any(_accepts(entry, one) for entry in known)
    ]


def without_finding(found: Iterable[Finding], accepted: Iterable[Mapping[str, str]]) -> list[str]:
    """Returns a line for each entry that accepts nothing, or gives no reason."""
    known = list(found)
    return [
        f"{ACCEPTED.name}: {entry['judge']} {entry['check']} of {entry['of']!r}: {why}"
        for entry in accepted
        for why in [
            "no reason" if not entry.get("reason", "").strip() else "",
            "" if any(_accepts(entry, one) for one in known) else "nothing was found",
        ]
        if why
    ]


def _accepts(entry: Mapping[str, str], found: Finding) -> bool:
    same = (entry["judge"], entry["check"]) == (found.judge, found.check)
    return same and fnmatchcase(found.of, entry["of"])


def _checkov(commands: Path) -> Iterator[Finding]:
    # Without --skip-download, it asks its vendor for guidelines.
    options = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact", "-o", "json"]
    # Not the whole paths: it takes them into the values of variables, and one of 40 characters for a secret key.
    files = (part for file in (TEMPLATE, ROLES) for part in ("-f", file.relative_to(ROOT)))
    report = json.loads(_output(commands / "checkov", *options, *files))
    if report["summary"]["parsing_errors"]:
        raise SystemExit("checkov cannot read a template")
    for one in report["results"]["failed_checks"]:
        yield Finding("checkov", one["check_id"], one["resource"], one["check_name"])


def _cfn_lint(commands: Path, folder: Path) -> Iterator[Finding]:
    # It knows the definition's ARNs in the partition aws only.
    (filled := folder / "template.json").write_text(TEMPLATE.read_text().replace("${Partition}", "aws"))
    for one in json.loads(_output(commands / "cfn-lint", "--format", "json", filled, ROLES)):
        path = ".".join(map(str, one["Location"]["Path"] or []))
        yield Finding("cfn-lint", one["Rule"]["Id"], path, one["Message"])


def _parliament(commands: Path, folder: Path) -> Iterator[Finding]:
    (policies := folder / "policies").mkdir()
    for name, document in _policies():
        (policies / f"{name.replace('/', '--')}.json").write_text(json.dumps(document, indent=1))
    options = ["--json", "--include-community-auditors", "--minimum_severity", "MEDIUM"]
    for line in _output(commands / "parliament", *options, "--directory", policies).splitlines():
        if not line.startswith("{"):
            continue
        one = json.loads(line)
        name = Path(one["location"]["filepath"]).stem.replace("--", "/")
        detail = one["detail"] if isinstance(one["detail"], list) else []
        actions = [part["action"] for part in detail if "action" in part] or one["location"].get(
            "actions", []
        )
        what = f"{name}: {', '.join(sorted(actions))}" if actions else name
        yield Finding("parliament", one["issue"], what, f"{one['title']} {one['detail'] or ''}".strip())


def _output(*command: str | Path) -> str:
    """What a judge writes to its standard output. Its exit status only says whether it found something."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if not done.stdout and done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed:\n{done.stderr}")
    return done.stdout


def _policies() -> Iterator[tuple[str, Any]]:
    """The policies by name, filled in as CloudFormation would."""
    for template in (json.loads(TEMPLATE.read_text()), yaml.load(ROLES.read_text(), Template)):
        kinds = {name: one["Type"] for name, one in template["Resources"].items()}
        for name, resource in resolved_resources(template, GIVEN).items():
            properties = resource.get("Properties", {})
            for policy in properties.get("Policies", []):
                yield f"{name}/{policy['PolicyName']}", _filled(policy["PolicyDocument"], kinds)
            if "PolicyDocument" in properties:
                yield name, _filled(properties["PolicyDocument"], kinds)
    yield "artifact-bucket", bucket_policy("afterloop-artifacts", HERE["AWS::Region"])


def _filled(document: Any, kinds: Mapping[str, str]) -> Any:
    def value(found: re.Match[str]) -> str:
        name, _, attribute = found[1].partition(".")
        if not attribute and kinds.get(name) in NAMED_BY_REF:
            return name.lower()
        return HERE.get(name) or ARNS.get(kinds.get(name, ""), f"arn:aws:s3:::{name.lower()}").replace(
            "NAME", name
        )

    return json.loads(re.sub(r"\$\{([^}]+)\}", value, json.dumps(document)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
