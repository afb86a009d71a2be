"""Tests of samples that run one after another. The tests of the smoke test have what a sample is."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.unit.workflow.operations.test_smoke import Stage, stage
from workflow.operations.sample_executions import SampleExecutions, SampleSeries

__all__ = ["stage"]


def test_samples_are_deleted_when_they_have_ended_or_the_series_ends(stage: Stage) -> None:
    samples = SampleExecutions(stage.resources, stage.session, "outputs")  # type: ignore[arg-type]
    stage.workflow.statuses["Completed"] = "RUNNING"
    with SampleSeries(samples, "Completed") as series:
        series.start()
        series.start()
        assert len(stage.loops()) == 2, "the first one still runs"
        stage.workflow.statuses["Completed"] = "FAILED"
        series.start()
        (loop,) = stage.loops()
        assert loop.startswith("sample-")
    assert stage.loops() == []


def test_sample_that_does_not_start_leaves_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "StartExecution")

    monkeypatch.setattr(stage.workflow, "start_execution", refused)
    samples = SampleExecutions(stage.resources, stage.session, "outputs")  # type: ignore[arg-type]
    with SampleSeries(samples, "Completed") as series, pytest.raises(ClientError):
        series.start()
    assert stage.remains() == []
