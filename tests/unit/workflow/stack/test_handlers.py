"""What Lambda cannot call is refused before it is published, from the file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow.errors import WorkflowError
from workflow.stack.functions import function

ASYNC = "async def main(event, context): ...\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\nasync def handler(event, context):\n    return 1",
            "lambdas/ask.py:2: `handler` is a coroutine (`async def`), which Lambda does not run: write `def handler("
            "event, context):`, and call asyncio.run(…) in it",
        ),
        (f"{ASYNC}handler = main", "lambdas/ask.py:1: `main` is a coroutine"),
        ("from lambdas.other import main as handler", "lambdas/other.py:1: `main` is a coroutine"),
        ("from .other import main as handler", "lambdas/other.py:1: `main` is a coroutine"),
        ("from lambdas.other import handler", "lambdas/other.py: defines no `handler`; rename `main`, or write `def h"),
        (
            "def handler(event, context):\n    if event:\n        yield 1",
            "lambdas/ask.py:1: `handler` is a generator (`yield` in line 3), which Lambda does not run: return a list",
        ),
        ("def handler(event, context):\n    x = yield from event", "is a generator (`yield` in line 2)"),
        ("class handler:\n    ...", "lambdas/ask.py:1: `handler` is a class, and Lambda cannot return its instance: w"),
        ("handler = None", "lambdas/ask.py:1: `handler` is None, not a function: write `def handler(event, context):`"),
        ("handler = {'a': 1}", "`handler` is {'a': 1}, not a function"),
        ("def lambda_handler(event, context): ...", "defines no `handler`; rename `lambda_handler`, or write `def han"),
        ("def handeler(event, context): ...", "lambdas/ask.py: defines no `handler`; rename `handeler`, or write"),
        ("if True:\n    def handler(event): ...", "lambdas/ask.py:2: `handler` takes 1 argument, but Lambda calls it"),
        ("def handler(event, context)\n    return 1", "lambdas/ask.py:1: SyntaxError: expected ':'"),
        ("def handler(event, context):\n    await event", "lambdas/ask.py:2: SyntaxError: 'await' outside async funct"),
        ("def handler(event, context): ...\nreturn 1", "lambdas/ask.py:2: SyntaxError: 'return' outside function"),
        ("def handler(event, context):\n\tx = 1\n        y = 2", "lambdas/ask.py:3: TabError: inconsistent use of tab"),
        (b"# caf\xe9\ndef handler(event, context): ...", "; save the file as UTF-8"),
        ("def handler(event, context): ...".encode("utf-16"), "; save the file as UTF-8"),
        (b"def handler(event, context): ...\n\0", "; save the file as UTF-8"),
    ],
)  # fmt: skip
def test_handler_that_lambda_cannot_call_is_refused(project: Path, text: str | bytes, message: str) -> None:
    (project / "lambdas/ask.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    (project / "lambdas/other.py").write_text(ASYNC)
    with pytest.raises(WorkflowError) as refusal:
        function("ask", project)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        f"import asyncio\n{ASYNC}def handler(event, context):\n    return asyncio.run(main(event, context))",
        "def handler(event, context):\n    def each():\n        yield 1\n    return list(each())",
        "@wrapped\nasync def handler(event, context): ...",
        "@wrapped\nclass handler: ...",
        "from lambdas.other import nothing_known as handler",
        "from lambdas.no_such_file import handler",
        "from somewhere import *",
        "try:\n    from fast import handler\nexcept ImportError:\n    def handler(event, context): ...",
        "match 1:\n    case 1:\n        handler = print\n    case _:\n        handler = repr",
        "handler, other = pair()",
        "def main(event, context): ...\nhandler = main",
        "handler = main = handler",
        "\ufeffdef handler(event, context): ...\r\n",
    ],
)
def test_handler_that_lambda_can_call_or_only_a_run_shows_is_accepted(project: Path, text: str) -> None:
    (project / "lambdas/ask.py").write_bytes(text.encode())
    (project / "lambdas/other.py").write_text("from somewhere import nothing_known\n")
    assert function("ask", project).handler == "lambdas.ask.handler"


@pytest.mark.parametrize("inside", ["handler.py", "__init__.py"])
def test_file_and_folder_with_one_name_are_refused(project: Path, inside: str) -> None:
    (project / "lambdas/ask").mkdir()
    (project / "lambdas/ask" / inside).write_text("def handler(event, context): ...\n")
    with pytest.raises(WorkflowError, match="of which Python imports only one: rename one of them"):
        function("ask", project)
