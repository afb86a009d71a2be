"""The command line as tests run it: its output, and answers to its questions."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

import deploy


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as end:
        deploy.main(arguments)
    captured = capsys.readouterr()
    code = end.value.code
    return (code if isinstance(code, int) else 0 if code is None else 1), captured.out, captured.err


def interrupted(*_: object, **__: object) -> NoReturn:
    """Raises what Ctrl-C raises. Replaces a function."""
    raise KeyboardInterrupt


class Answers:
    """Answers to questions, in order. The questions are in `questions`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers, self.questions = list(answers), []
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer.confirm", self.answer)
        monkeypatch.setattr("typer.prompt", self.answer)

    def answer(self, question: str, default: object = None) -> object:
        self.questions.append(question)
        answer = self.answers.pop(0)
        return default if answer is None else answer


def printed_json(command: str, printed: str, *, several: bool = False) -> Any:
    """The JSON document that a command printed. It must have all keys of the command's shape, and no others.

    Args:
        command: The command.
        printed: What it printed.
        several: Whether it was for all loops that match filters.
    """
    from workflow.cli.shapes import SHAPES, SHAPES_OF_SEVERAL

    shape = (SHAPES_OF_SEVERAL if several else SHAPES)[command].model_validate_json(
        printed, by_alias=True, by_name=False
    )
    document = json.loads(printed)
    assert json.loads(shape.model_dump_json(by_alias=True)) == document
    return document
