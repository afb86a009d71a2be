"""The scheduler: everything that acts is an actor, one runs at a time, and each stops at every call of a service.

An actor is a greenlet. `Scheduler.run` chooses which actor continues, and what happens to its call: it is made, it is
refused, its answer is lost, or the actor dies before or after it. There are no threads and no real time, so the
choices alone determine everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from greenlet import GreenletExit, getcurrent, greenlet

from tests.faults.choices import Choices
from tests.faults.clock import Clock

__all__ = ["Actor", "Call", "Fault", "Killed", "Scheduler", "Stuck"]

Fault = Literal["", "throttle", "error", "drop", "kill before", "kill after"]
"""What happens to a call: nothing; refused by throttling or with a server error; done, but its answer is lost; its
actor dies before or after it."""

MAX_STEPS = 6000
"""A schedule that takes more calls than this does not end."""

MAX_SLOW = timedelta(minutes=2)
"""How much time may pass while an actor is ready and does not continue."""


class Killed(GreenletExit):  # type: ignore[misc] # greenlet has no types
    """Raised in an actor that is dead and still makes a call, such as in a `finally` block."""


class Stuck(AssertionError):
    """The schedule does not end."""


@dataclass
class Call:
    """A call of a service.

    Attributes:
        service: boto3's name of the service.
        operation: The operation, such as UpdateItem.
        work: Makes the call.
        refuse: Returns the exception for a refused call; `dropped` for a lost answer.
        subject: What the call is about, for the trace.
    """

    service: str
    operation: str
    work: Callable[[], Any]
    refuse: Callable[[Fault], Exception]
    subject: str = ""


@dataclass(eq=False)
class Actor:
    """Something that acts: an execution, an invocation of a function, a delivery, a person.

    Attributes:
        kind: execution, function, person, delivery or world.
        killed: Called when the actor dies.
        result: What its work returned, and `error`: what it raised.
        about: The execution of an actor that runs one; the caller of a function.
        deadline: When a function is ended by Lambda.
        begun: When it was spawned.
        threads: How many threads it has started.
    """

    name: str
    kind: str
    work: Callable[[], Any]
    killed: Callable[[], None] = lambda: None
    call: Call | None = None
    wake: datetime | None = None
    blocked: Callable[[], bool] | None = None
    done: bool = False
    dead: bool = False
    result: Any = None
    error: BaseException | None = None
    where: str = ""
    immortal: bool = False
    deadline: datetime | None = None
    refused: Fault = ""
    about: Any = None
    begun: datetime | None = None
    threads: int = 0
    greenlet: Any = field(default=None, repr=False)

    def is_ready(self, now: datetime) -> bool:
        """Whether it can continue."""
        if self.wake is not None and self.wake <= now:
            return True
        if self.blocked is not None:
            return not self.blocked()
        return self.wake is None


class Scheduler:
    """Runs actors.

    Attributes:
        faults: The probability of a fault at each call, by kind of actor.
        again: The probability that a refused call is refused again when it is repeated.
        plan: Number of a call → its fault, instead of faults by chance.
        switch: The probability that another actor continues after a call.
        outage: Services that refuse all calls until a time.
        broken: Whether a call is refused for as long as this is set, whatever else is planned.
    """

    def __init__(self, choices: Choices, clock: Clock) -> None:
        self.choices, self.clock = choices, clock
        self.actors: list[Actor] = []
        self.faults = 0.0
        self.kinds: tuple[Fault, ...] = ("throttle", "error", "drop", "kill before", "kill after")
        self.again = 0.5
        self.switch = 0.5
        self.plan: dict[int, Fault] | None = None
        self.outage: dict[str, datetime] = {}
        self.broken: Callable[[Actor, Call], bool] = lambda actor, call: False
        self.trace: list[tuple[float, str, str]] = []
        self.steps = 0
        self.calls = 0
        self.injected: Counter[str] = Counter()
        self.stopped = False
        self._hub = getcurrent()
        self._dying: list[Actor] = []
        self._last: Actor | None = None

    # For actors.

    @property
    def current(self) -> Actor:
        """The actor that runs."""
        actor: Actor = getcurrent().actor
        return actor

    @property
    def in_actor(self) -> bool:
        """Whether an actor runs, not the scheduler itself."""
        return hasattr(getcurrent(), "actor")

    def make(self, call: Call) -> Any:
        """Makes a call, when the scheduler says so."""
        actor = self.current
        if actor.dead:
            raise Killed
        actor.call = call
        return self._hub.switch()

    def sleep(self, seconds: float) -> None:
        """Lets the actor wait."""
        self.wait(None, seconds)

    def wait(self, blocked: Callable[[], bool] | None, seconds: float | None = None) -> bool:
        """Lets the actor wait while `blocked`, at most some seconds. Returns False if the time was up."""
        actor = self.current
        if actor.dead:
            raise Killed
        actor.blocked = blocked
        actor.wake = None if seconds is None else self.clock.now + timedelta(seconds=seconds)
        self._hub.switch()
        actor.blocked = actor.wake = None
        return blocked is None or not blocked()

    def join(self, other: Actor) -> None:
        """Waits for the end of another actor."""
        self.wait(lambda: not other.done)

    def say(self, text: str, actor: Actor | None = None) -> None:
        """Adds a line to the trace."""
        name = actor.name if actor else getattr(getattr(getcurrent(), "actor", None), "name", "world")
        self.trace.append((self.clock.seconds, name, text))

    # For everybody.

    def spawn(self, actor: Actor) -> Actor:
        """Adds an actor. It begins when it is chosen."""

        def run() -> None:
            try:
                actor.result = actor.work()
            except GreenletExit:
                pass
            except Exception as error:
                actor.error = error
            actor.done = True

        actor.begun = self.clock.now
        actor.greenlet = greenlet(run, parent=self._hub)
        actor.greenlet.actor = actor
        self.actors.append(actor)
        return actor

    def kill(self, actor: Actor) -> None:
        """Ends an actor at once. What it has asked services to do is done; it learns nothing of it."""
        if actor.done or actor.dead:
            return
        actor.dead = actor.done = True
        if actor in self.actors:
            self.actors.remove(actor)
        # Unwound in `run`: a greenlet that ends returns to the hub, not to the actor that kills it.
        self._dying.append(actor)
        actor.killed()

    def run(self) -> None:
        """Runs until no actor can continue."""
        while True:
            while self._dying:
                self._dying.pop().greenlet.throw(GreenletExit)
            if self.stopped:
                return
            now = self.clock.now
            ready = [actor for actor in self.actors if actor.is_ready(now)]
            wakes = [actor.wake for actor in self.actors if actor.wake is not None and actor.wake > now]
            if not ready:
                if not wakes:
                    return
                self.clock.reach(min(wakes))
                continue
            if self._last in ready:
                ready.remove(self._last)
                ready.insert(0, self._last)
            # Time may also pass while others are ready: they are slow.
            number = len(ready) + (1 if wakes and min(wakes) - now <= MAX_SLOW else 0)
            one = self.choices.index(number, zero=1 - self.switch)
            if one == len(ready):
                self.clock.reach(min(wakes))
                continue
            self._resume(ready[one])

    def _resume(self, actor: Actor) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Stuck(f"the schedule does not end after {MAX_STEPS:,} steps: {actor.name} {actor.where}")
        self._last = actor
        if actor.deadline is not None and self.clock.now > actor.deadline:
            self.say("takes too long and is ended", actor)
            self.kill(actor)
            return
        call, actor.call = actor.call, None
        if call is None:
            actor.greenlet.switch()
        else:
            self._perform(actor, call)
        if actor.done and actor in self.actors:
            self.actors.remove(actor)

    def _perform(self, actor: Actor, call: Call) -> None:
        self.clock.advance(0.001)
        self.calls += 1
        fault = self._fault(actor, call)
        what = f"{call.service} {call.operation} {call.subject}".rstrip()
        if actor.where:
            what = f"[{actor.where}] {what}"
        if fault == "kill before":
            self.say(f"dies before {what}", actor)
            self.kill(actor)
            return
        if fault in ("throttle", "error"):
            self.say(f"{what}: refused ({fault})", actor)
            actor.greenlet.throw(call.refuse(fault))
            return
        try:
            result, error = call.work(), None
        except Exception as refused:
            result, error = None, refused
        if fault == "drop":
            self.say(f"{what}: done ({_outcome(error)}), the answer is lost", actor)
            actor.greenlet.throw(call.refuse("drop"))
        elif fault == "kill after":
            self.say(f"dies after {what}: {_outcome(error)}", actor)
            self.kill(actor)
        else:
            self.say(f"{what}: {_outcome(error)}", actor)
            if error is None:
                actor.greenlet.switch(result)
            else:
                actor.greenlet.throw(error)

    def _fault(self, actor: Actor, call: Call) -> Fault:
        if self.broken(actor, call):
            return "error"
        if self.plan is not None:
            fault = self.plan.get(self.calls, "")
            if fault:
                self.injected[fault] += 1
            return "" if actor.immortal and fault.startswith("kill") else fault
        until = self.outage.get(call.service)
        if until is not None:
            if self.clock.now < until:
                return "error"
            del self.outage[call.service]
        if not self.faults:
            return ""
        # What was refused once is often refused again: the caller gives up only after some tries.
        if not self.choices.chance(self.again if actor.refused else self.faults):
            actor.refused = ""
            return ""
        kinds = [kind for kind in self.kinds if not (actor.immortal and kind.startswith("kill"))]
        fault = actor.refused or self.choices.of(["", *kinds])
        actor.refused = fault if fault in ("throttle", "error", "drop") else ""
        if fault:
            self.injected[fault] += 1
        return fault


def _outcome(error: Exception | None) -> str:
    if error is None:
        return "done"
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    return f"refused ({code or getattr(error, 'error', None) or type(error).__name__})"
