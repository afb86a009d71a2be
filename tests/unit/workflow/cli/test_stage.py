"""Tests of `outputs`, `status` and `destroy`."""

from __future__ import annotations

import pytest

from tests.command_line import Answers, run
from workflow.publish.destroying import Destruction


@pytest.mark.usefixtures("account")
def test_answering_no_to_destroy_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    destruction = Destruction("afterloop-dev", "id", 1, 0, [], [], deletes_data=False)
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *_, **__: destruction)
    Answers(monkeypatch, False)
    status, out, err = run("destroy", capsys=capsys)
    assert (status, err) == (1, "")
    assert out.endswith("Nothing was changed.\n")
