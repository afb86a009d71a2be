"""Tests of JSON output: each command has one documented shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deploy import COMMANDS
from tests.command_line import run
from workflow.cli.program import command_line
from workflow.cli.shapes import SHAPES

ARGUMENTS = {
    "loops show": ["a"],
    "loops graph": ["a"],
    "loops logs": ["a"],
    "loops start": ["--flow-definition", "f", "--name", "a", "--document", "s3://b/c"],
    "loops restart": ["a"],
    "loops stop": ["a"],
    "loops close": ["a", "--note", "done"],
    "loops redrive": ["a"],
    "manifest": ["--flow-definition", "f"],
    "try": ["Record review"],
}
"""What commands need in addition to --output json."""

WITHOUT_AWS = ("local", "render", "init", "lock")
"""Commands that need no credentials."""


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from leaves(inner, f"{name} {word}".strip())


def test_each_command_with_json_output_has_a_shape() -> None:
    with_json = [
        name
        for name, command in leaves(command_line(COMMANDS))
        if any("--output" in parameter.opts for parameter in command.params)
    ]
    assert with_json == list(SHAPES)


@pytest.mark.parametrize("command", [name for name in SHAPES if name not in WITHOUT_AWS])
def test_errors_with_json_output_are_one_line_on_standard_error(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*command.split(), *ARGUMENTS.get(command, []), "--output", "json", capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: no AWS credentials found")
    assert err.count("\n") == 1


def test_watch_refuses_json_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("publish", "--watch", "--output", "json", capsys=capsys) == (
        1,
        "",
        "error: Invalid value for --watch: does not support --output json; see `python deploy.py publish --help`\n",
    )
