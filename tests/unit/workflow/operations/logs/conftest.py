from __future__ import annotations

import pytest

from tests.unit.cloudwatch_logs import CloudWatchLogs


@pytest.fixture
def logs() -> CloudWatchLogs:
    return CloudWatchLogs()
