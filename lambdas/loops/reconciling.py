"""Finds status changes that were missed and work that was left unfinished, and completes both.

Events can be lost and executions can be killed. So once an hour, two witnesses are asked what is open: the ledger
(`open_loops.py`), which forgets nothing that it has heard of, and A2I's list of loops (`listed_loops.py`), which has
the loops that the ledger has never heard of. Either alone loses loops.

All of this is safe to repeat, to run twice at the same time, and to run while the event is still on its way: every
claim and start is a conditional write to the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.loops.abandoned import AbandonedExecutions
from lambdas.loops.ledger import Ledger
from lambdas.loops.lifetimes import Lifetimes
from lambdas.loops.listed_loops import ListedLoops, shuffled
from lambdas.loops.marks import Marks
from lambdas.loops.missed_events import MissedEvents
from lambdas.loops.open_loops import OpenLoops
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.starting import Starter

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["Reconciler"]


@dataclass(frozen=True)
class Reconciler:
    """Compares the ledger with A2I.

    Attributes:
        state_machine: ARN to start executions with: the workflow's alias.
        longest_claim: How long an execution can hold a claim. If given, those held longer are found.
    """

    ledger: Ledger
    marks: Marks
    starter: Starter
    a2i: AugmentedAIRuntimeClient
    sagemaker: SageMakerClient
    states: SFNClient
    state_machine: str
    abandoned: AbandonedExecutions
    longest_claim: timedelta | None = None

    def run(
        self,
        flow_definitions: Sequence[str] = (),
        *,
        only: str | None = None,
        since: datetime | None = None,
        out_of_time: Callable[[], bool] = lambda: False,
        progress: Callable[[str, Reconciliation], None] = lambda flow, so_far: None,
    ) -> Reconciliation:
        """Reconciles.

        Args:
            flow_definitions: ARNs of the flow definitions whose lists are read; all of the account if empty.
            only: The only flow definition to look at, by ARN. Unfinished starts of others are resumed, too.
            since: Reconcile completely: read A2I's list of loops created since then, and every row of the ledger. By
                default, the list is read from where the last run ended, and the ledger says what is open.
            out_of_time: Called after each step. If it returns True, the rest is left to the next run.
            progress: Called after each page of the list with the flow definition and the results so far.
        """
        found = Reconciliation()
        events = MissedEvents(self.states, self.state_machine)
        known = OpenLoops(
            ledger=self.ledger,
            marks=self.marks,
            starter=self.starter,
            a2i=self.a2i,
            states=self.states,
            events=events,
            abandoned=self.abandoned,
            found=found,
            lifetimes=Lifetimes(self.sagemaker),
            longest_claim=self.longest_claim,
            only=only,
            since=since,
        )
        listed = ListedLoops(
            ledger=self.ledger,
            marks=self.marks,
            tokens=self.starter.waiting.tokens,
            a2i=self.a2i,
            events=events,
            settle=known.settle,
            found=found,
            since=since,
            progress=progress,
        )

        def lists() -> Iterator[None]:
            flows = [only] if only else list(flow_definitions or self._all_flow_definitions())
            return _in_turns([(flow, listed.of(flow)) for flow in shuffled(flows)], found)

        work = {
            "unfinished starts": known.starts,
            "claims": known.processing,
            "messages": known.failed,
            "executions that ended": known.ended_executions,
            "loops in progress": known.in_progress,
            "flow definitions": lists,
        }
        for _ in _in_turns([(what, _begun(begin)) for what, begin in work.items()], found):
            if out_of_time():
                found.complete = False
                break
        return found

    def _all_flow_definitions(self) -> Iterator[str]:
        for page in self.sagemaker.get_paginator("list_flow_definitions").paginate():
            for flow in page["FlowDefinitionSummaries"]:
                yield flow["FlowDefinitionArn"]


def _begun(begin: Callable[[], Iterator[None]]) -> Iterator[None]:
    """Begins work when its first step is taken, so that an error of the beginning is one of the work, too."""
    yield from begin()


def _in_turns(work: Sequence[tuple[str, Iterator[None]]], found: Reconciliation) -> Iterator[None]:
    """Takes one step of each kind of work in turns, so that none waits for another if the time runs out.

    Args:
        work: The kinds, each with what to call it in an error. An error ends that kind only.
        found: Where errors are recorded.
    """
    waiting = list(work)
    while waiting:
        for one in list(waiting):
            what, steps = one
            stepped = False
            with found.noting_problems(what):
                for _ in steps:
                    stepped = True
                    break
            if stepped:
                yield
            else:
                waiting.remove(one)
