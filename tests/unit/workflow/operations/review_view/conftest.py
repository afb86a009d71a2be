from __future__ import annotations

import pytest

from tests.unit.doubles import StubbedSession
from tests.unit.workflow.operations.review_view.samples import Stage


@pytest.fixture(scope="module")
def stage(simulated: StubbedSession) -> Stage:
    """A stage with the buckets of reviews, outputs and documents."""
    return Stage(simulated)
