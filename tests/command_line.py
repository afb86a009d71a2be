"""The command line as the tests run it, and a person at its keyboard."""

from __future__ import annotations

from typing import NoReturn

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
    raise KeyboardInterrupt


class Answers:
    """A person at the keyboard: answers each question in turn, and remembers it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers, self.questions = list(answers), []
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer.confirm", self.answer)
        monkeypatch.setattr("typer.prompt", self.answer)

    def answer(self, question: str, default: object = None) -> object:
        self.questions.append(question)
        answer = self.answers.pop(0)
        return default if answer is None else answer
