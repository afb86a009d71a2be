"""Fixtures of the tests of operations on loops that several threads process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.unit.doubles import StubbedSession


@pytest.fixture(scope="module")
def simulated() -> Iterator[StubbedSession]:
    """A session with moto's services, one for each module: making clients takes time."""
    with mock_aws():
        yield StubbedSession("sagemaker-a2i-runtime", "lambda")
