from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import HASH, HOW_TO_LOCK
from workflow.errors import WorkflowError
from workflow.stack.functions import Function, function
from workflow.stack.grants import GRANTS, Permission


@pytest.mark.parametrize(
    ("written", "lock", "message"),
    [
        ("pandas\n", None, "lambdas/notify.requirements.txt is missing, so the bundle would"),
        ("# none yet\n", None, "lambdas/notify.requirements.txt is missing, so the bundle would"),
        ("Some.Thing\nPandas[fast] >= 2 # new\n", "some-thing==1", "does not have Pandas[fast] >= 2;"),
        ("some_thing>=2\nother\n", "some-thing==1", "does not have some_thing>=2, other;"),
    ],
)
def test_unlocked_requirements_are_refused(
    project: Path, written: str, lock: str | None, message: str
) -> None:
    (project / "lambdas/notify.requirements.in").write_text(written)
    if lock:
        (project / "lambdas/notify.requirements.txt").write_text(f"{lock} {HASH}\n")
    with pytest.raises(WorkflowError) as refusal:
        function("notify", project)
    assert str(refusal.value).startswith("lambdas/notify.requirements.in: ")
    assert message in str(refusal.value)
    assert str(refusal.value).endswith(f"; {HOW_TO_LOCK}")


@pytest.mark.parametrize(
    "written",
    [
        "Some.Thing[more]>=1,<2  # why\n",
        "-c other.in\n--pre\n./folder\nsome_thing",
        "colorama; sys_platform == 'win32'\n",
        "some-thing\\\n  >=1",
    ],
)
def test_locked_requirements_are_accepted(project: Path, written: str) -> None:
    (project / "lambdas/notify.requirements.in").write_text(written)
    (project / "lambdas/notify.requirements.txt").write_text(f"some-thing==1.2 {HASH}\n")
    assert function("notify", project).requirements


def test_locked_prerelease_is_accepted(project: Path) -> None:
    (project / "lambdas/notify.requirements.in").write_text("some-thing>=1\n")
    (project / "lambdas/notify.requirements.txt").write_text(f"some-thing==2.0rc1 {HASH}\n")
    assert function("notify", project).requirements


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (
            "def handler(event): ...",
            "takes 1 argument, but Lambda calls it with two: write `def handler(event, con",
        ),
        ("def handler(): ...", "takes no arguments, but"),
        ("def handler(*, event=None): ...", "takes no arguments, but"),
        ("def handler(event, context, more): ...", "takes 3 arguments, but"),
        ("def handler(a, b, c, *more): ...", "takes 3 arguments, but"),
        ("handler = lambda event: 1", "takes 1 argument, but"),
        ("def handler(event, context): ...\ndef handler(event): ...", "takes 1 argument, but"),
        (
            "def handler(event, context, *, table): ...",
            "needs 'table', but Lambda passes only the event and the context: add a default",
        ),
    ],
)
def test_invalid_signature_of_handler_is_refused(project: Path, handler: str, message: str) -> None:
    (project / "lambdas/ask.py").write_text(f"{handler}\n")
    line = len(handler.splitlines())
    with pytest.raises(WorkflowError) as refusal:
        function("ask", project)
    assert str(refusal.value).startswith(f"lambdas/ask.py:{line}: `handler` {message}")


@pytest.mark.parametrize(
    "handler",
    [
        "def handler(event, context): ...",
        "def handler(event, context, /, table=None, *, more=1, **rest): ...",
        "def handler(*_): ...",
        "def handler(event, *_): ...",
        "def handler(event, context=None): ...",
        "@wrapped\ndef handler(event): ...",
        "handler = lambda event, context: 1",
        "handler = App().run",
        "handler: object = made(by=3)",
        "def handler(event): ...\nhandler = wrapped(handler)",
    ],
)
def test_valid_or_unknown_signature_of_handler_is_accepted(project: Path, handler: str) -> None:
    (project / "lambdas/ask.py").write_text(f"{handler}\n")
    assert function("ask", project).handler == "lambdas.ask.handler"


def test_function_has_the_declarations_of_its_module(project: Path) -> None:
    (project / "lambdas/ask.py").write_text(
        '"""Asks.\n\nAnd more."""\n'
        'FUNCTION = {"memory": 1024, "timeout": 60, "permissions": [\n'
        '    {"actions": ["sns:Publish"], "resources": ["arn:aws:sns:*:*:a", "${LedgerTable.Arn}"]}]}\n'
        "handler = print\n"
    )
    assert function("ask", project) == Function(
        name="Ask",
        handler="lambdas.ask.handler",
        description="Asks.",
        memory=1024,
        timeout=60,
        permissions=(
            Permission(actions=("sns:Publish",), resources=("arn:aws:sns:*:*:a", "${LedgerTable.Arn}")),
        ),
    )


def test_grant_adds_its_permissions(project: Path) -> None:
    (project / "lambdas/ask.py").write_text(
        'FUNCTION = {"grants": ["start_loop"], "permissions": [{"actions": ["sns:Publish"], "resources": ["*"]}]}\n'
        "def handler(event, context): ...\n"
    )
    assert function("ask", project).permissions == (
        *GRANTS["start_loop"],
        Permission(actions=("sns:Publish",), resources=("*",)),
    )


ANY = '"resources": ["*"]'


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("dict()", "must be a literal dictionary: Afterloop reads it without running the file"),
        ("[]", "should be a valid dictionary, not []"),
        ('{"memroy": 1}', "memroy: unknown key; did you mean 'memory'?"),
        ('{"x": 1}', "x: unknown key; the keys are memory, timeout, permissions, grants"),
        (
            '{"grants": ["start"]}',
            "grants.0: grant 'start' does not exist; the grants are start_loop, answer_waiting",
        ),
        (
            '{"grants": "start_loop"}',
            "grants: should be a valid list, not 'start_loop': write [\"start_loop\"]. A",
        ),
        ('{"memory": 64}', "memory: should be greater than or equal to 128, not 64. The memory in MB."),
        ('{"timeout": True}', "timeout: should be a valid integer, not True. The timeout in seconds."),
        (
            '{"timeout": 901}',
            "timeout: should be less than or equal to 900, not 901. The timeout in seconds.",
        ),
        ('{"permissions": {}}', "permissions: should be a valid list, not {}. A list of `{"),
        (
            '{"permissions": [{"actions": ["a:B"]}]}',
            "permissions.0.resources: is missing. ARNs, which can hold",
        ),
        (
            f'{{"permissions": [{{"actions": [], {ANY}}}]}}',
            "actions: should have at least 1 item, not []. IAM actions",
        ),
        (
            f'{{"permissions": [{{"actions": ["Get"], {ANY}}}]}}',
            "actions.0: 'Get' is invalid. IAM actions, such as s3",
        ),
        (
            '{"permissions": [{"actions": ["a:B"], "resources": ["t"]}]}',
            "permissions.0.resources.0: 't' is invalid.",
        ),
    ],
)
def test_invalid_declaration_is_refused(project: Path, declared: str, message: str) -> None:
    (project / "lambdas/ask.py").write_text(f"FUNCTION = {declared}\ndef handler(event, context): ...\n")
    with pytest.raises(WorkflowError) as refusal:
        function("ask", project)
    assert str(refusal.value).startswith("lambdas/ask.py:1: FUNCTION: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("Function = {'timeout': 5}", "lambdas/ask.py:2: nothing reads `Function`; did you mean `FUNCTION`?"),
        (
            "FUNCTIONS = {'memory': 512}",
            "lambdas/ask.py:2: nothing reads `FUNCTIONS`; did you mean `FUNCTION`?",
        ),
        (
            "FUNCTION = {}\nFUNCTION['timeout'] = 5",
            "lambdas/ask.py:3: FUNCTION: write all of it in one literal",
        ),
        (
            "FUNCTION = {}\nFUNCTION.update(timeout=5)",
            "lambdas/ask.py:3: FUNCTION: write all of it in one literal",
        ),
        (
            "FUNCTION = {}\nFUNCTION |= {'timeout': 5}",
            "lambdas/ask.py:3: FUNCTION: write all of it in one literal",
        ),
        ("if True:\n    FUNCTION = {}", "lambdas/ask.py:2: FUNCTION: write all of it in one literal"),
        ("FUNCTION = {'timeout': 15 * 60}", "without running the file: write the value of '15 * 60'"),
    ],
)
def test_declaration_that_is_not_one_literal_is_refused(project: Path, more: str, message: str) -> None:
    (project / "lambdas/ask.py").write_text(f"def handler(event, context): ...\n{more}\n")
    with pytest.raises(WorkflowError) as refusal:
        function("ask", project)
    assert message in str(refusal.value)


def test_other_dictionaries_of_a_function_are_its_own(project: Path) -> None:
    text = "FUNC = {'a': 1}\nFUNCTION_NAMES = {'memory'}\nfunction = {}\ndef handler(event, context): ...\n"
    (project / "lambdas/ask.py").write_text(text)
    assert function("ask", project).memory == Function.memory


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"lambdas/ask\.py: defines no `handler`; write `def handler\(event, context\):`"),
        ("def handler(:\n", r"lambdas/ask\.py:1: "),
    ],
)
def test_file_that_is_not_a_function_is_refused(project: Path, text: str, message: str) -> None:
    (project / "lambdas/ask.py").write_text(text)
    with pytest.raises(WorkflowError, match=message):
        function("ask", project)


@pytest.mark.parametrize("name", ["nobody", "../secrets", "Ask", ""])
def test_unknown_function_is_refused_with_the_file_to_write(project: Path, name: str) -> None:
    with pytest.raises(WorkflowError, match=rf"lambdas/{name}\.py|is not a valid name"):
        function(name, project)
