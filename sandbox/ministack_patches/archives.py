"""How EventBridge archives and replays events."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

__all__ = ["correct"]

MAX_REPLAYS = 10
"""Active replays of an account and Region
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html)."""

_ACTIVE = ("STARTING", "RUNNING", "CANCELLING")
_DAY = 24 * 3600


def correct() -> None:
    """Corrects archives and replays."""
    _describe_archives()
    _replay()


def _describe_archives() -> None:
    """Describes archives without their events, and with the size of those that are not expired.

    AWS: an archive keeps each event for `RetentionDays`; 0 means that events are kept indefinitely. DescribeArchive
    returns how many events there are, and their size. AWS updates both figures within 24 hours, the engine at once.
    (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeArchive.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html)
    MiniStack: keeps events for ever, returns them in DescribeArchive, and the size is 0.
    """
    from ministack.core.responses import json_response
    from ministack.services import eventbridge

    describe = eventbridge._describe_archive

    def describe_figures(data: dict[str, Any]) -> Any:
        archive = eventbridge._archives.get(data.get("ArchiveName"))
        if archive is None:
            return describe(data)
        events = _kept(archive)
        sizes = (len(json.dumps(eventbridge._pattern_event_view(one).event_with_detail())) for one in events)
        archive |= {"Events": events, "EventCount": len(events), "SizeBytes": sum(sizes)}
        return json_response({name: value for name, value in archive.items() if name != "Events"})

    eventbridge._describe_archive = describe_figures


def _kept(archive: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that are not expired."""
    days = int(archive.get("RetentionDays") or 0)
    events: list[dict[str, Any]] = list(archive.get("Events", ()))
    return [one for one in events if one["Time"] > time.time() - days * _DAY] if days else events


def _replay() -> None:
    """Replays events to the rules that the request names, minute by minute, until the replay is cancelled.

    AWS: `Destination.FilterArns` names the rules that get the events; without it, all of the bus do. Events are
    replayed in intervals of one minute, the first minute first, and in any order within a minute.
    `EventLastReplayedTime` is the time of the last one. A period that ends before it begins is refused, and so is an
    eleventh active replay. A replay that is cancelled is CANCELLING, then CANCELLED; one that has ended cannot be
    cancelled. (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html,
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CancelReplay.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html)
    MiniStack: replays to all rules, in the order of the events, does not say how far it is, and accepts any period and
    any number of replays. A replay that is cancelled goes on.

    To stand for any order, the engine replays the events of a minute backwards.
    """
    from ministack.services import eventbridge

    eventbridge._start_replay = _start
    eventbridge._cancel_replay = _cancel


def _start(data: dict[str, Any]) -> Any:
    from ministack.core.responses import get_account_id, get_region, json_response
    from ministack.services import eventbridge

    name, source, destination = data["ReplayName"], data["EventSourceArn"], data["Destination"]
    first, last = (eventbridge._coerce_timestamp(data[f"Event{which}Time"]) for which in ("Start", "End"))
    archive_name, invalid = eventbridge._archive_name_from_ref(source)
    archive = eventbridge._archives.get(archive_name)
    if invalid:
        return _error(*invalid)
    if archive is None:
        return _error("ResourceNotFoundException", f"Archive {archive_name} does not exist.")
    if destination["Arn"] != archive["EventSourceArn"]:
        return _error("ValidationException", "Destination.Arn must match the archive event source.")
    if name in eventbridge._replays:
        return _error("ResourceAlreadyExistsException", f"Replay {name} already exists.")
    if first >= last:
        reason = "EventStartTime must be before EventEndTime."
        return _error("ValidationException", f"Parameter EventEndTime is not valid. Reason: {reason}")
    if sum(one["State"] in _ACTIVE for one in eventbridge._replays.values()) >= MAX_REPLAYS:
        return _error("LimitExceededException", f"There are already {MAX_REPLAYS} active replays.")
    replay = eventbridge._replays[name] = {
        "ReplayName": name,
        "ReplayArn": f"arn:aws:events:{get_region()}:{get_account_id()}:replay/{name}",
        "Description": data.get("Description", ""),
        "EventSourceArn": source,
        "EventStartTime": first,
        "EventEndTime": last,
        "Destination": destination,
        "State": "STARTING",
        "ReplayStartTime": time.time(),
    }
    answer = json_response({name: replay[name] for name in ("ReplayArn", "State", "ReplayStartTime")})
    events = [one for one in _kept(archive) if first <= one["Time"] <= last]
    # A thread does not inherit the account and Region of its parent.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, replay, events), daemon=True).start()
    return answer


def _run(replay: dict[str, Any], events: list[dict[str, Any]]) -> None:
    if replay["State"] == "STARTING":
        replay["State"] = "RUNNING"
    for event in _in_order_of_replay(events):
        if replay["State"] != "RUNNING":
            break
        _dispatch({**event, "ReplayName": replay["ReplayName"]}, replay["Destination"].get("FilterArns"))
        replay["EventLastReplayedTime"] = event["Time"]
    replay["State"] = "COMPLETED" if replay["State"] == "RUNNING" else "CANCELLED"
    replay["ReplayEndTime"] = time.time()


def _dispatch(event: dict[str, Any], only: list[str] | None) -> None:
    """Sends an event to the rules of its bus that match it, as MiniStack does; with `only`, to those of these."""
    from ministack.services import eventbridge

    view = eventbridge._pattern_event_view(event)
    for key, rule in list(eventbridge._rules.items()):
        if only is not None and rule["Arn"] not in only:
            continue
        if rule["EventBusName"] != event["EventBusName"] or rule["State"] != "ENABLED":
            continue
        if rule.get("EventPattern") and eventbridge._matches_pattern_view(rule["EventPattern"], view):
            for target in eventbridge._targets.get(key, ()):
                eventbridge._invoke_target(target, event, rule, view)


def _in_order_of_replay(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for _, minute in groupby(sorted(events, key=lambda one: one["Time"]), lambda one: one["Time"] // 60):
        yield from reversed(list(minute))


def _cancel(data: dict[str, Any]) -> Any:
    from ministack.core.responses import json_response
    from ministack.services import eventbridge

    replay = eventbridge._replays.get(data["ReplayName"])
    if replay is None:
        return _error("ResourceNotFoundException", f"Replay {data['ReplayName']} does not exist.")
    if replay["State"] not in ("STARTING", "RUNNING"):
        return _error("IllegalStatusException", f"Replay {replay['ReplayName']} is {replay['State']}.")
    replay["State"] = "CANCELLING"
    return json_response({"ReplayArn": replay["ReplayArn"], "State": "CANCELLING"})


def _error(code: str, message: str) -> Any:
    from ministack.core.responses import error_response_json

    return error_response_json(code, message, 400)
