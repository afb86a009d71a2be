"""Fixtures that unit tests of several folders share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workflow.operations.report.drawing import Chart, Table


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have empty charts: drawing them takes longer than all else."""
    from workflow.operations.report.drawing import Chart  # imports matplotlib

    def empty(chart_id: str, title: str, description: str, *_: Any, table: Table, **__: Any) -> Chart:
        return Chart(chart_id, title, description, "<svg></svg>", "<svg></svg>", table)

    for module in ("charts", "model_charts"):
        monkeypatch.setattr(f"workflow.operations.report.{module}.draw_chart", empty)
