"""What must hold in every schedule: the promise that each loop that ends is handled once, or a person knows.

`Model` follows every write to the ledger and every effect outside it, and knows who may do what. What it remembers is
compared with the table at the end (`at_the_end`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lambdas.loops.identity import name_of
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import EXECUTION, Loop
from tests.faults.scheduler import Actor
from tests.faults.services import TABLE, A2iLoop
from tests.faults.world import MACHINE, Execution, Simulation, Token, client

__all__ = ["Model"]

_CLAIM = "claim "


class Model:
    """Knows what each status change has been through.

    Attributes:
        claims: `(loop, claim)` → state and execution.
        outcomes: Key of a row → its outcome.
        restarts: Loop that failed → the loops that were started for it.
    """

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self.claims: dict[tuple[str, str], tuple[str, str]] = {}
        self.outcomes: dict[str, str | None] = {}
        self.restarts: dict[A2iLoop, list[A2iLoop]] = {}
        self.finished: dict[tuple[str, str], list[str]] = {}
        self.unreadable: list[Any] = []
        self.answers: dict[str, list[tuple[A2iLoop, str]]] = {}
        world.written = self._written
        world.a2i.starting = self._started
        world.answered = self._answered

    # While it runs

    def _written(self, key: str, before: Any, after: Any) -> None:
        if key.startswith("tokens "):
            return
        before, after = before or {}, after or {}
        name = name_of(key)
        for attribute in sorted({*before, *after}):
            if attribute.startswith(_CLAIM) and before.get(attribute) != after.get(attribute):
                claim = (name, attribute.removeprefix(_CLAIM))
                self._claim_changed(claim, key, _held(before.get(attribute)), _held(after.get(attribute)))
        self._outcome_changed(key, before, after)
        self._check_own_event(key, before, after)
        self._check_executions(key, before, after)

    def _check_executions(self, key: str, before: Any, after: Any) -> None:
        """Checks that the row has each execution that ever had a claim in it."""
        had = {name for name in before if name.startswith(EXECUTION)}
        holders = {
            EXECUTION + held[1] for name in after if name.startswith(_CLAIM) and (held := _held(after[name]))
        }
        if missing := (had | holders) - {*after}:
            self._bad(f"{key}: the row does not have {sorted(missing)}")

    def _check_own_event(self, key: str, before: Any, after: Any) -> None:
        """Checks that A2I's own event and the reconciler's about a deleted loop are not processed at the same time."""
        held = {name: held for name in after if name.startswith(_CLAIM) and (held := _held(after[name]))}
        if [state for state, _ in held.values()].count("working") > 1:
            self._bad(f"{key}: two executions process it: {held}")
        for name, (state, execution) in held.items():
            others = [other for other in held if other != name and other in before]
            if self._is_deletion(execution) and state == "working" and name not in before and others:
                self._bad(f"{key}: it is escalated as deleted after its own event: {others}")

    def _claim_changed(
        self,
        claim: tuple[str, str],
        key: str,
        old: tuple[str, str] | None,
        new: tuple[str, str] | None,
    ) -> None:
        elsewhere = self._elsewhere(claim, key)
        if new is None or (old is None and elsewhere == new):
            # The story of an earlier loop with the name moves to an item of its own.
            if new is None and elsewhere is None:
                self._bad(f"{_text(claim)}: its claim disappears from the ledger")
            return
        actor, state, execution = self._world.acting, new[0], new[1]
        before = old or elsewhere
        mine = self._execution_of(actor)
        self.claims[claim] = new
        if before is not None and before[0] == "done" and before != new:
            # A step after the outcome failed, or the execution died there: the claim is given back.
            if state == "released" and execution == before[1] and not self._succeeded(execution):
                self.finished.pop(claim, None)
                return
            self._bad(f"{_text(claim)}: was done by {_short(before[1])} and is {state} now")
        elif state == "working":
            if mine is None or mine.arn != execution:
                self._bad(f"{_text(claim)}: {actor and actor.name} claims it for {_short(execution)}")
            elif before is not None and before[0] == "working" and before[1] != execution:
                self._bad(
                    f"{_text(claim)}: {_short(execution)} takes the claim that {_short(before[1])} holds"
                )
        elif state in ("released", "done"):
            if before is None:
                self._bad(f"{_text(claim)}: {state} without a claim")
            elif before[1] != execution:
                self._bad(f"{_text(claim)}: {state} changes its execution")
            elif before[0] == "working" and mine is None and self._runs(execution, actor):
                self._bad(
                    f"{_text(claim)}: {actor and actor.name} sets it to {state} while {_short(execution)} runs"
                )
            elif mine is not None and mine.arn != execution:
                self._bad(f"{_text(claim)}: {mine.name} sets it to {state}, and {_short(execution)} holds it")
            if state == "done":
                self.finished.setdefault(claim, []).append(execution)
                if len(self.finished[claim]) > 1:
                    self._bad(f"{_text(claim)}: handled twice: {self.finished[claim]}")
        else:
            self._bad(f"{_text(claim)}: unknown state {state}")

    def _outcome_changed(self, key: str, before: Any, after: Any) -> None:
        old, new = _string(before, "outcome"), _string(after, "outcome")
        self.outcomes[key] = new
        if old == new:
            return
        # Another loop of the name has its own row.
        finished = [
            claim
            for claim in self.finished
            if claim[0] == name_of(key)
            and _CLAIM + claim[1] in {**before, **after}
            # A2I's own event replaces the supposition that a loop was deleted.
            and not (self._is_deletion(self.claims[claim][1]) and old == "stored")
        ]
        was_final = old in ("stored", "restarted") and new is not None and finished
        mine = self._execution_of(self._world.acting)
        # Somebody pressed Redrive in the console after a colleague had restarted the loop. The row keeps its restart.
        redriven = old == "restarted" and mine is not None and mine.redrives > 0 and "nextLoopName" in after
        if was_final and not redriven and not self._new_status_change(before, after):
            self._bad(f"{key}: it was {old}, and now its outcome is {new}")
        if new == "stored":
            loop = self._loop_of(mine) if mine else None
            location = _string(after, "outputLocation") or ""
            if loop is not None and not location.endswith(loop.key):
                self._bad(f"{key}: the review of {loop} has the output {location}")

    def _started(self, loop: A2iLoop) -> None:
        actor = self._world.acting
        if actor is None or actor.kind == "world":
            return
        loop.ours = loop.known = True
        row = self._world.ledger.item(loop.name) or {}
        if previous := _string(row, "previousLoopName"):
            execution = self._execution_of(actor)
            failed = self._loop_of(execution) if execution else self._loop_of_row(previous)
            if failed is None:
                return
            before = self.restarts.setdefault(failed, [])
            # A start whose function died before it recorded that A2I had started the loop. If the loop has ended and
            # been deleted since, nothing shows that there was one, so people are asked again.
            is_repeated = _string(row, "status") == "Starting" and all(
                one.name == loop.name for one in before
            )
            before.append(loop)
            if len(before) > 1 and not is_repeated:
                self._bad(f"{failed} is restarted twice: {', '.join(map(str, self.restarts[failed]))}")
            if failed.text != loop.text:
                self._bad(f"{loop} is the restart of {failed}, with the input of another loop: {loop.text}")

    def _answered(self, token: Token, kind: str, request: Any) -> None:
        execution = self._execution_of(self._world.acting)
        # If the execution of a supposition dies after it has answered, A2I's own event answers again. That is refused.
        is_own = execution is not None and not self._is_deletion(execution.arn)
        loop = self._loop_of(execution) if execution and is_own else None
        if loop is not None and "nextLoopName" in (self._world.ledger.item(loop.name) or {}):
            loop = None  # a person has restarted it, so this is the answer about the restart
        before = self.answers.setdefault(token.text, []) if loop else []
        if any(one is loop and other != kind for one, other in before):
            self._bad(f"{token.execution.name} gets two kinds of answers about {loop}")
        if loop is not None:
            before.append((loop, kind))
        if kind == "success":
            asked = token.execution.event["text"]
            answer = json.loads(request["output"])
            location = answer.get("reviewLocation", "").removeprefix("s3://reviews/")
            review = json.loads(self._world.buckets.objects.get(("reviews", location), b"{}"))
            output = review.get("output_location", "").removeprefix("s3://outputs/")
            loop = next((one for one in self._world.a2i.all if one.key == output), None)
            if loop is None or json.loads(loop.text) != {"text": asked}:
                self._bad(f"{token.execution.name} asks about {asked!r} and gets the review of {loop}")

    def restored(self, key: str) -> None:
        """Takes over what an item says that was lost, and may have been put back as it was before."""
        name, item = name_of(key), self._world.ledger.item(key) or {}
        for claim in [one for one in self.claims if one[0] == name]:
            self.claims.pop(claim)
            self.finished.pop(claim, None)
        for attribute, value in item.items():
            held = _held(value) if attribute.startswith(_CLAIM) else None
            if held is not None:
                claim = (name, attribute.removeprefix(_CLAIM))
                self.claims[claim] = held
                if held[0] == "done":
                    self.finished[claim] = [held[1]]
        self.outcomes[key] = _string(item, "outcome")
        self.answers.clear()

    # In the end

    def at_the_end(self) -> None:
        """Checks the account after everything has calmed down."""
        for key, item in self._world.ledger.items().items():
            if " " in key and not any(name.startswith(_CLAIM) for name in item):
                continue
            if _string(item, "outcome") != self.outcomes.get(key):
                self._bad(
                    f"{key}: the outcome is {_string(item, 'outcome')}, the model has {self.outcomes.get(key)}"
                )
            if _string(item, "outcome") in ("processing", "failed", "escalated"):
                what = (
                    "it was restarted" if "nextLoopName" in item else "nothing that a person can do ends that"
                )
                self._bad(f"{key}: needs action for ever ({_string(item, 'outcome')}): {what}")
            for attribute, value in item.items():
                if not attribute.startswith(_CLAIM):
                    continue
                claim = (name_of(key), attribute.removeprefix(_CLAIM))
                held = _held(value)
                if held != self.claims.get(claim):
                    self._bad(
                        f"{_text(claim)}: the ledger has {held}, the model has {self.claims.get(claim)}"
                    )
                # What became of a deleted loop is known now, so nobody has to free the claim of the supposition.
                is_superseded = self._is_superseded(key, item, held)
                if held and held[0] != "done" and not is_superseded:
                    self._bad(
                        f"{_text(claim)}: still {held[0]}, held by {_short(held[1])}; nothing will free it"
                    )
        for loop in self._world.a2i.all:
            self._check_handled(loop)
        for row in self.unreadable:
            self._bad(f"a row cannot be read: {row}")
        for execution in self._world.executions.values():
            if execution.status != "RUNNING":
                continue
            if execution.machine == MACHINE:
                self._bad(f"execution {execution.name} never ends: {execution.run.entered[-1]}")
            else:
                self._bad(f"{execution.name} waits for ever: {execution.run.given}")

    def _check_handled(self, loop: A2iLoop) -> None:
        if loop.status in ("InProgress", "Stopping"):
            self._bad(f"{loop} has not ended")
            return
        if not self._is_known(loop):
            return
        done = [claim for claim in self.claims if self.is_about(claim, loop)]
        # That a loop was deleted is a supposition, which its own event corrects.
        own = [claim for claim in done if not self._is_deletion(self.claims[claim][1])]
        if len(own) > 1:
            self._bad(f"{loop} was handled under two claims: {[claim[1] for claim in own]}")
        if own and own != done:
            row = next(row for row in self.rows() if row.name == loop.name and own[0][1] in row.claims)
            if not own[0][1].endswith(f" {row.status}") or row.outcome == "escalated":
                self._bad(f"{loop} ended as {loop.status}, and its row is {row.status}, {row.outcome}")
        if any(self.claims[claim][0] == "done" for claim in done):
            return
        later = [one for one in self._world.a2i.all if one.name == loop.name and one.created > loop.created]
        if any(one.ours and one.text == loop.text for one in later):
            return  # its start was repeated when it was gone already, and people were asked again
        rows = [row for row in self.rows() if row.name == loop.name]
        if not any(row.outcome in ("closed", "restarted", "escalated") for row in rows):
            self._bad(
                f"{loop} ended as {loop.status}, was never handled, and nobody knows: {self._row(loop)}"
            )

    def _is_known(self, loop: A2iLoop) -> bool:
        """Whether Afterloop knows of a loop, as docs/reliability.md says ("What is not promised").

        A loop that somebody else started, whose event was lost, and that was deleted before a whole run of the
        reconciler saw it has left no trace. A run that dies between A2I's list and its first write leaves none either;
        the next run, within the hour, lists the loop again. A run that fails names the loop, and raises an alarm.
        """
        return loop.known or any(
            actor.done
            and not actor.dead
            and actor.error is None
            and not getattr(actor.result, "problems", [])
            for actor in loop.seen_by
        )

    def _is_superseded(self, key: str, item: Any, held: tuple[str, str] | None) -> bool:
        return (
            held is not None
            and held[0] == "released"
            and self._is_deletion(held[1])
            and _string(item, "execution") != held[1]
            and self.outcomes[key] in ("stored", "notified", "restarted", "escalated")
        )

    def _is_deletion(self, arn: str) -> bool:
        execution = self._world.executions.get(arn)
        return execution is not None and execution.event["detail"].get("failureCode") == "LoopDeleted"

    def _row(self, loop: A2iLoop) -> str:
        row = self._world.ledger.item(loop.name)
        if row is None:
            return "no row"
        return f"status {_string(row, 'status')}, outcome {_string(row, 'outcome')}"

    def rows(self) -> Iterator[Loop]:
        """Returns the ledger's rows, without a call that a schedule sees."""
        return Ledger(client("dynamodb"), TABLE).select(unreadable=self.unreadable.append)

    # Who and what

    def _bad(self, text: str) -> None:
        self._world.violated(text)

    def _runs(self, arn: str, seen_by: Actor | None) -> bool:
        """Whether an execution runs, and an actor could see that: it was not redriven since the actor began."""
        execution = self._world.executions.get(arn)
        if execution is None or execution.status != "RUNNING":
            return False
        begun = seen_by.begun if seen_by else None
        return execution.redriven is None or begun is None or execution.redriven < begun

    def _succeeded(self, arn: str) -> bool:
        execution = self._world.executions.get(arn)
        return execution is not None and execution.status == "SUCCEEDED"

    def _execution_of(self, actor: Actor | None) -> Execution | None:
        while actor is not None:
            if isinstance(actor.about, Execution):
                return actor.about if actor.about.machine == MACHINE else None
            actor = actor.about
        return None

    def _loop_of(self, execution: Execution) -> A2iLoop | None:
        detail = execution.event.get("detail", {})
        found = [
            loop
            for loop in self._world.a2i.all
            if loop.name == detail.get("humanLoopName")
            and f"{loop.created:%Y-%m-%dT%H:%M:%S}" == str(detail.get("creationTime"))[:19]
        ]
        return found[0] if found else None

    def _loop_of_row(self, key: str) -> A2iLoop | None:
        created = _string(self._world.ledger.item(key) or {}, "loopCreatedAt")
        return next(
            (
                one
                for one in self._world.a2i.all
                if one.name == name_of(key) and f"{one.created:%Y-%m-%dT%H:%M:%S}" == str(created)[:19]
            ),
            None,
        )

    def is_about(self, claim: tuple[str, str], loop: A2iLoop) -> bool:
        """Whether a claim is of the end of this loop, and of no other loop with its name."""
        return claim[0] == loop.name and claim[1][:19] == f"{loop.created:%Y-%m-%dT%H:%M:%S}"

    def _elsewhere(self, claim: tuple[str, str], key: str) -> tuple[str, str] | None:
        for other, item in self._world.ledger.items().items():
            if other != key and name_of(other) == claim[0] and (found := item.get(_CLAIM + claim[1])):
                return _held(found)
        return None

    def _new_status_change(self, before: Any, after: Any) -> bool:
        return any(name.startswith(_CLAIM) and name not in before for name in after)


def _held(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    return value["M"]["state"]["S"], value["M"]["execution"]["S"]


def _string(item: Any, name: str) -> str | None:
    value = item.get(name)
    return None if value is None else value.get("S")


def _text(claim: tuple[str, str]) -> str:
    return f"{claim[0]} [{claim[1]}]"


def _short(arn: str) -> str:
    return arn.rpartition(":")[2]
