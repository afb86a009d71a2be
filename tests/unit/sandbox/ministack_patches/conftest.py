"""Fixtures for tests of single corrections, which call the functions of MiniStack in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def ministack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MiniStack without resources, with permissions that are enforced. Corrections are undone after the test."""
    from ministack import app
    from ministack.services import cloudwatch, eventbridge, iam, lambda_svc, sns, sqs, stepfunctions

    services = (cloudwatch, eventbridge, iam, lambda_svc, sns, sqs, stepfunctions)
    monkeypatch.setattr(app, "AUTH", True)
    monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0)
    before = {
        module: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("ministack.")
    }
    yield
    for module, names in before.items():
        vars(module).update(names)
    for service in services:
        service.reset()
