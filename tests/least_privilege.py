"""Whether each permission of the stage `local` is needed, by what the engine recorded during all engine tests.

A plugin of pytest. Each worker process keeps what its engine recorded, and the controller puts the records together and
judges them: a permission that nothing used, or that is wider than its use, fails the run. A run of some of the tests
proves nothing and is not judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import Sandbox
from workflow.stack.grants import GRANTS

__all__ = ["Granted", "Recorder", "comparable", "keep", "unjustified"]

TESTS = Path(__file__).parent
FUNCTIONS = TESTS.parent / "lambdas"


@dataclass(frozen=True, order=True)
class Granted:
    """One action on one resource that a role is allowed.

    Attributes:
        role: The role's name in the template: `CollectReviewRole`.
        action: The action.
        resource: The resource, which can have wildcards.
    """

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"


EXPLAINED: dict[tuple[str, str, str], str] = {
    (
        "*",
        "logs:*",
        "*",
    ): "Lambda and Step Functions deliver logs themselves; the engine does so without permission",
    ("*", "xray:*", "*"): "Lambda and Step Functions send traces themselves; the engine has none",
    ("ChatChannelRole", "cloudwatch:*", "*"): (
        "AWS's chat integration draws the graph of an alarm; that of the engine shows texts"
    ),
    ("ReleaseClaimRole", "sqs:SendMessage", "*"): "Lambda sends there what the function failed to process",
    ("StateMachineRole", "lambda:InvokeFunction", "*"): (
        "an execution runs a version, whose number rises, or, after a hot swap, the newest code: see `invoke_function`"
        " in workflow/stack/permissions/messaging.py"
    ),
    ("RuleRole", "states:StartExecution", "*:stateMachine:afterloop-local"): (
        "AWS checks the machine's ARN for its alias, the engine the alias's: see workflow/stack/template/events.py"
    ),
    ("ReconcileRole", "states:StartExecution", "*:stateMachine:afterloop-local"): "as for RuleRole",
    (
        "AnswerWorkflowRole",
        "s3:GetObject",
        "*/predictions/*",
    ): "as for ReleaseClaimRole, with which it shares the grant",
    ("ReleaseClaimRole", "s3:GetObject", "*/predictions/*"): (
        "a failed loop whose restart needed no review, if the execution ended between the two:"
        " tests/unit/lambdas/loops/test_waiting.py::test_follow_notifies_if_the_restart_has_ended"
    ),
    ("*", "dynamodb:DeleteItem", "*:table/afterloop-local-LedgerTable-*"): (
        "tokens that an earlier version kept there, which no stage of this version has:"
        " tests/unit/lambdas/loops/test_waiting.py::TestTokenTable::test_tokens_of_earlier_versions_are_found_and_moved"
    ),
    ("*", "states:SendTask*", "*:stateMachine:afterloop-local"): (
        "steps HumanReview of the stage's own state machine, if the settings name others; the stage of the tests"
        " admits all"
    ),
}
"""Role, action and resource (patterns) that the tests cannot use as AWS does, and why they are needed there."""

WITHOUT_RESOURCES = re.compile(
    "rekognition:DetectModerationLabels|sagemaker:List(FlowDefinitions|HumanLoops)|textract:AnalyzeDocument"
)
"""Actions for which IAM has no resource, so that only `*` is possible (Service Authorization Reference)."""

GENERATED = re.compile("[0-9a-f]{8}")
"""What names have that a test made up, so that no policy could name them."""


def unjustified(
    granted: Iterable[Granted],
    used: Mapping[Granted, Iterable[str]],
    explained: Mapping[tuple[str, str, str], str] = EXPLAINED,
) -> list[str]:
    """Returns a line for each permission that is not used or wider than its use, and for each needless explanation.

    Args:
        granted: What roles are allowed.
        used: The resources on which each permission was used.
        explained: The permissions that need no proof, by patterns for role, action and resource, and the reason.
    """
    needed = sorted(set(granted))
    lines = []
    for one in needed:
        resources = {found for same in _alike(one, needed) for found in used.get(same, ())}
        if any(_is_for(patterns, one) for patterns in explained):
            continue
        if not resources:
            lines.append(f"{one}: no test used it")
        elif word := _only_word(one, resources):
            lines.append(f"{one}: wider than its use: the wildcard stands for {word!r} only")
    for patterns in explained:
        if not any(_is_for(patterns, one) for one in needed):
            lines.append(f"{', '.join(patterns)}: explained, but no role has it")
    return lines


def _is_for(patterns: tuple[str, str, str], granted: Granted) -> bool:
    parts = (granted.role, granted.action, granted.resource)
    return all(fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns, strict=True))


def _alike(granted: Granted, others: Iterable[Granted]) -> Iterator[Granted]:
    """The permission itself, and those of functions with the same grant: it is for code that they share."""
    yield granted
    grants = _grants_with(granted)
    if grants:
        for one in others:
            same = (one.action, one.resource) == (granted.action, granted.resource)
            if same and grants & _grants_with(one):
                yield one


def _grants_with(granted: Granted) -> set[str]:
    return {
        grant
        for grant in _grants_of(granted.role)
        for permission in GRANTS[grant]
        if granted.action in permission.actions
    }


def _grants_of(role: str) -> list[str]:
    """The grants that the function of a role declares."""
    name = re.sub("(?<!^)(?=[A-Z])", "_", role.removesuffix("Role")).lower()
    file = FUNCTIONS / f"{name}.py"
    if not file.exists():
        return []
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FUNCTION":
            grants: list[str] = ast.literal_eval(node.value).get("grants", [])
            return grants
    return []


def _only_word(granted: Granted, resources: Iterable[str]) -> str:
    """The word that a pattern could name instead of its first wildcard; empty if there is none."""
    fixed, wildcard, _ = granted.resource.partition("*")
    if not wildcard or (not fixed and WITHOUT_RESOURCES.fullmatch(granted.action)):
        return ""
    words = {re.split(r"[/:]", resource[len(fixed) :], maxsplit=1)[0] for resource in resources}
    return words.pop() if len(words) == 1 and not any(map(GENERATED.search, words)) else ""


# The plugin


_KEPT = pytest.StashKey[dict[str, list[Any]]]()


def keep(config: pytest.Config, sandbox: Sandbox) -> None:
    """Keeps what the engine recorded until the end of the run."""
    kept = config.stash.setdefault(_KEPT, {"granted": [], "used": []})
    roles = dict(_roles(sandbox))
    kept["granted"] += [
        [role, action, comparable(resource)]
        for name, role in roles.items()
        for action, resource in _allowed(sandbox, name)
    ]
    kept["used"] += [
        [
            roles[one["role"]],
            one["action"],
            comparable(one["permitted"]),
            [*map(comparable, one["resources"])],
        ]
        for one in sandbox.permissions_used()
        if one["role"] in roles
    ]


def comparable(resource: str) -> str:
    """The resource without what differs between the engines of two processes, which share the tests as they like."""
    return re.sub(r"(afterloop-local-[A-Za-z]+)-[0-9A-Fa-f]{13}(?![0-9A-Za-z])", r"\1-generated", resource)


def _roles(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """The name of each role of the stage, and its name in the template."""
    from sandbox.local import local_stage  # takes longer to import than most test modules

    stack = local_stage().stack_name
    for page in sandbox.client("iam").get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if match := re.fullmatch(rf"{stack}-(\w+)-\w+", role["RoleName"]):
                yield role["RoleName"], match[1]


def _allowed(sandbox: Sandbox, name: str) -> Iterator[tuple[str, str]]:
    iam = sandbox.client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement["Resource"]):
                        yield action, resource


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Recorder:
    """Puts together what the processes of a run kept, and judges it at the end."""

    def __init__(self) -> None:
        self._granted: set[Granted] = set()
        self._used: dict[Granted, set[str]] = {}
        self._tests: set[str] = set()
        self._lines: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._tests |= {item.nodeid.partition("::")[0] for item in items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker process of pytest-xdist has ended."""
        self._add(getattr(node, "workeroutput", {}).get("least_privilege", {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        kept = session.config.stash.get(_KEPT, {})
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["least_privilege"] = {**kept, "tests": sorted(self._tests)}
            return
        self._add(kept)
        if not session.testsfailed and self._is_complete(session.config):
            self._lines = unjustified(self._granted, self._used)
            if self._lines:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._lines:
            terminalreporter.section("permissions that the engine tests do not need", red=True)
            for line in self._lines:
                terminalreporter.line(line)

    def _add(self, kept: Mapping[str, Any]) -> None:
        self._tests |= set(kept.get("tests", ()))
        self._granted |= {Granted(*one) for one in kept.get("granted", ())}
        for role, action, resource, found in kept.get("used", ()):
            self._used.setdefault(Granted(role, action, resource), set()).update(found)

    def _is_complete(self, config: pytest.Config) -> bool:
        """Whether all engine tests ran."""
        chosen = (
            any("::" in str(one) for one in config.args) or config.option.keyword or config.option.markexpr
        )
        modules = {f"tests/engine/{file.name}" for file in (TESTS / "engine").glob("test_*.py")}
        return not chosen and not config.option.deselect and modules <= self._tests
