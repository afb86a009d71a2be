"""Tests of your own steps, and of whole state machines, without publishing and without an AWS account.

    from sandbox.testing import run_workflow, try_step

    def test_shop_gets_the_review():
        step = try_step("Tell the shop", mock={"result": {"MessageId": "m-1"}})
        assert step.sent["MessageBody"]["overruled"] is True
        assert step.next_state == "Workflow waiting?"

    def test_people_are_told_if_the_shop_is_closed():
        run = run_workflow("completed", states={"Tell the shop": {"error": "SQS.QueueDoesNotExistException"}})
        assert run.status == "FAILED"
        assert "Escalate" in run.states

`try_step` runs one step as `python deploy.py try` does. `run_workflow` runs your workflow from the event to the end,
and `run_machine` any state machine. All use one local engine, which starts with the first call and ends with the
process: `engine` returns it, for resources that your steps need. Waits and the intervals of retries are skipped.

Nothing is published. The workflow's own calls get the answers that they get in a real execution. Your steps get the
answers that you give to their names (`states`) or to their services (`services`), as in a file of canned results. A
call without an answer is made on the engine: a function of `lambdas/` runs there, with the role and the environment
that a publish would give it, and the topics, the bucket and the table that `${…}` names are there. Roles allow what the
permissions of the steps allow, derived or declared.
"""

from __future__ import annotations

from sandbox.testing.running import run_machine, run_workflow, try_step
from sandbox.testing.runs import Call, Run, Visit
from sandbox.testing.shared import engine

__all__ = ["Call", "Run", "Visit", "engine", "run_machine", "run_workflow", "try_step"]
