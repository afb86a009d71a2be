"""The usual ways of a loop, each with one fault at every call: `singles`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.director import Schedule
from tests.faults.scheduler import Fault

__all__ = ["SCRIPTS", "single", "singles"]

FAULTS: tuple[Fault, ...] = ("kill before", "kill after", "drop", "error", "throttle")


def _completed(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Completed", times=2)
    schedule.settle()


def _restarted(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Failed", "InternalError")
    schedule.settle()
    schedule.finish("Completed")
    schedule.settle()


def _escalated(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Failed", "ValidationError", times=2)
    schedule.settle()


def _restarted_by_person(schedule: Schedule) -> None:
    _escalated(schedule)
    schedule.command("restart")
    schedule.settle()
    schedule.finish("Failed", "InternalError")
    schedule.settle()


def _closed(schedule: Schedule) -> None:
    _escalated(schedule)
    schedule.command("close")
    schedule.settle()


def _stopped(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.command("stop")
    schedule.settle()


def _missed(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Completed", times=0)
    schedule.command("reconcile")
    schedule.settle()


def _deleted(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Completed", times=0)
    schedule.delete()
    schedule.command("reconcile")
    schedule.settle()
    schedule.deliver()
    schedule.settle()


def _output_late(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Completed", output=False)
    schedule.settle()
    schedule.write_output()
    schedule.command("redrive")
    schedule.settle()


def _asked_again(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.ask()
    schedule.finish("Completed")
    schedule.settle()
    schedule.ask()
    schedule.settle()


def _aborted(schedule: Schedule) -> None:
    schedule.ask()
    schedule.settle()
    schedule.finish("Completed")
    schedule.abort("Collect review")
    schedule.settle()
    schedule.command("redrive")
    schedule.settle()


SCRIPTS: dict[str, Callable[[Schedule], None]] = {
    "completed": _completed,
    "restarted": _restarted,
    "escalated": _escalated,
    "restarted by a person": _restarted_by_person,
    "closed": _closed,
    "stopped": _stopped,
    "missed": _missed,
    "deleted": _deleted,
    "output late": _output_late,
    "asked again": _asked_again,
    "aborted": _aborted,
}


def singles(script: str, faults: tuple[Fault, ...] = FAULTS) -> Iterator[tuple[str, Schedule]]:
    """Runs a script once for each of its calls and each fault, with that fault at that call.

    Yields:
        What `single` takes, and the schedule.
    """
    calls = Schedule(0, [], script=SCRIPTS[script], plan={}).run().calls_of_script
    for number in range(1, calls + 1):
        for fault in faults:
            name = f"{script}:{fault}:{number}"
            yield name, single(name)


def single(name: str) -> Schedule:
    """Runs a script with one fault: `completed:kill after:3`."""
    script, fault, call = name.split(":")
    plan: dict[int, Any] = {int(call): fault}
    return Schedule(0, [], script=SCRIPTS[script], plan=plan).run()
