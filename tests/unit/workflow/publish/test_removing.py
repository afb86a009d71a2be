"""Updates of a stack before and after the one that a plan shows."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from workflow.errors import PublishError
from workflow.publish import removing
from workflow.publish.progress import NoProgress


def test_removal_that_fails_says_that_the_stage_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "removal", lambda *_: (Mock(), []))
    monkeypatch.setattr(removing, "url_of", lambda *_: "")
    monkeypatch.setattr(removing, "change_set_of", Mock(side_effect=PublishError("no")))
    with pytest.raises(
        PublishError, match=r"the stage is published, but .* \(no\): publish again to remove it"
    ):
        removing.remove_unneeded(Mock(), Mock(), Mock(), Mock(), NoProgress())
