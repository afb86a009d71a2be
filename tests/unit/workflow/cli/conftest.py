"""What the tests of the command line share."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from workflow.stack.stages import Stage


@pytest.fixture(autouse=True)
def nowhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS settings of the person at the keyboard."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    empty = tmp_path_factory.mktemp("aws") / "settings"
    empty.touch()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(empty))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere to publish to, whoever asks."""
    somewhere = mock.Mock(id="111122223333", region="us-east-1", is_aws=True)
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))
    monkeypatch.setattr("workflow.cli.options.StageOptions.reach", lambda _: (somewhere, stage))
    monkeypatch.setattr("workflow.stack.assembly.assemble", lambda: None)
    monkeypatch.setattr("workflow.publish.package.make_package", lambda *_, **__: None)
