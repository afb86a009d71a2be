"""The events of the history, as Step Functions returns them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from console.executions.paging import part_of
from console.executions.summary import link_to, seconds_of
from console.executions.views import EventsView, EventView, VisitLink
from workflow.operations.executions import ExecutionView, Visit

__all__ = ["EVENTS", "events_of"]

EVENTS = 100
"""Events on one page."""


def events_of(execution: ExecutionView, page: int, visit: Visit | None = None) -> EventsView:
    """Returns a page of the events.

    Args:
        execution: The execution.
        page: The page, from 1. One that does not exist gives the nearest.
        visit: Only the events about this visit. None: all events.
    """
    events = list(execution.events)
    if visit is not None:
        wanted = set(visit.event_ids)
        events = [event for event in events if event["id"] in wanted]
    part, pages = part_of(events, page, EVENTS)
    links = _links(execution)
    return EventsView(
        events=tuple(_event(execution, event, links) for event in part),
        pages=pages,
        step=None if visit is None else link_to(visit),
    )


def _links(execution: ExecutionView) -> dict[int, VisitLink]:
    """Returns the visit that each event is about, by the id of the event."""
    return {
        number: link for visit in execution.visits for link in (link_to(visit),) for number in visit.event_ids
    }


def _event(execution: ExecutionView, event: Mapping[str, Any], links: Mapping[int, VisitLink]) -> EventView:
    time = event.get("timestamp")
    details: Mapping[str, Any] = next(
        (value for key, value in event.items() if key.endswith("EventDetails")), {}
    )
    return EventView(
        id=event["id"],
        type=event["type"],
        time=time if isinstance(time, datetime) else None,
        offset=seconds_of(execution.started, time, None) if isinstance(time, datetime) else None,
        previous=event.get("previousEventId"),
        step=links.get(event["id"]),
        details=dict(details),
    )
