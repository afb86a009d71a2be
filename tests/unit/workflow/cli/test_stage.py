"""Outputs, status and destroy."""

from __future__ import annotations

import pytest

from tests.command_line import Answers, run
from workflow.publish.destroying import Destruction


@pytest.mark.usefixtures("account")
def test_a_no_to_destroy_says_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doomed = Destruction("afterloop-dev", "id", 1, 0, [], [], deletes_data=False)
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *_, **__: doomed)
    Answers(monkeypatch, False)
    status, out, err = run("destroy", capsys=capsys)
    assert (status, err) == (1, "")
    assert out.endswith("Nothing was changed.\n")
