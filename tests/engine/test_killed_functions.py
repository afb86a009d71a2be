"""Functions of a published stage whose process is killed in the middle of their work."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sandbox.faults import KillWorker
from sandbox.samples import SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from workflow.operations.loops import Loops
from workflow.operations.stage_resources import StageResources

A2I = "sagemaker-a2i-runtime"


def test_killed_functions_handle_each_loop_once(published: PublishedStage) -> None:
    """Each function dies once, where a repetition could do its work twice: after the call that does the work."""
    answered, failed = published.name("answered"), published.name("failed")
    flow, inject = published.flow_definition(), published.sandbox.faults.inject
    kill = KillWorker("after")
    with ExitStack() as faults:
        killed = [
            faults.enter_context(
                inject(kill, service=service, operation=operation, function=function, times=1)
            )
            for function, service, operation in (
                ("StartLoop", A2I, "StartHumanLoop"),
                ("CollectReview", "s3", "PutObject"),
                ("RestartLoop", A2I, "StartHumanLoop"),
            )
        ]
        with pytest.raises(RuntimeError, match=r"Runtime\.ExitError"):
            published.start(answered, flow, SUPPORT_MESSAGE.prediction)
        published.start(answered, flow, SUPPORT_MESSAGE.prediction)
        published.start(failed, flow, SUPPORT_MESSAGE.prediction)
        published.sandbox.loops.fail(failed, "InternalError")
        published.sandbox.loops.answer(answered, SUPPORT_MESSAGE.answers[0])
        [collected], [restarted] = published.ended(answered), published.ended(failed)
    assert [one.count for one in killed] == [1, 1, 1]

    assert (collected["status"], restarted["status"]) == ("SUCCEEDED", "SUCCEEDED")
    row = published.row(answered)
    assert (row.status, row.outcome, len(row.claims)) == ("Completed", "stored", 1)
    assert published.record(str(row.review_location))["human_loop_name"] == answered
    row = published.row(failed)
    assert (row.outcome, row.next_loop_name) == ("restarted", f"{failed}-attempt-2")
    loops = [loop.name for loop in published.sandbox.loops.list() if loop.flow_definition_arn == flow]
    assert sorted(loops) == sorted([answered, failed, f"{failed}-attempt-2"])
    _check_logs(published, answered)


def _check_logs(published: PublishedStage, name: str) -> None:
    """Each attempt has its lines, also the one that was killed."""
    session = published.sandbox.session
    logs = Loops(StageResources.find(published.stage.name, session), session).logs(name)
    collected = [line for line in logs.lines if line.state == "Collect review"]
    messages = [
        (line.attempt, line.level, line.message.partition("\n")[0].partition(" Error: ")[2] or line.message)
        for line in collected
        if line.level not in ("LAMBDA", "METRIC") and not line.message.startswith("REPORT")
    ]
    assert messages == [
        (1, "INFO", "called"),
        (1, "ERROR", "Runtime exited without providing a reason"),
        (2, "INFO", "called"),
        (2, "INFO", "review stored"),
    ]
    reports = [line.message for line in collected if line.message.startswith("REPORT")]
    assert ["Status: error" in report for report in reports] == [True, False]
    assert not any(line.by_time for line in logs.lines)
    assert logs.notes == []
    started = [line.message for line in logs.lines if line.function.endswith("-StartLoop")]
    assert started == ["starting", "starting", "started"]
