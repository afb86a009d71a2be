"""The smoke test of a stage: runs one execution for each status with a sample event, and checks every effect.

checks.py      the checks, in order
executions.py  waits for executions, and says in which state one failed
listening.py   the queue that gets the messages of the topics
traces.py      what a run creates, and how it is removed
real_rule.py   a loop at A2I whose event goes through the real rule

The test runs on a published stage, on AWS or in the sandbox. It deletes what it creates: objects, ledger rows, the
loop at A2I, the queue and its subscriptions. What a run could not delete because it was killed, a later run deletes.
The executions remain, and subscribers of the topics receive the messages about the failed and the stopped loop. The
names of the test's loops start with `smoke-`.
"""

from workflow.operations.smoke.checks import Check, SmokeTest
from workflow.operations.smoke.listening import queue_policy

__all__ = ["Check", "SmokeTest", "queue_policy"]
