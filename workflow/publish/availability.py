"""Whether a Region offers the services that the workflow's steps call: told before, not by a rollback."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["not_offered"]

_OTHER_NAMES = {
    "cloudwatchlogs": "logs",
    "elasticloadbalancingv2": "elbv2",
    "elasticmapreduce": "emr",
    "eventbridge": "events",
    "sfn": "stepfunctions",
    "states": "stepfunctions",
}
"""Services that Step Functions and the SDK name differently beyond hyphens."""


def not_offered(
    definition: Mapping[str, Any],
    region: str,
    *,
    services: Iterable[str],
    regions_of: Callable[[str], Collection[str]],
) -> list[str]:
    """Sentences about states that call a service which the Region is not known to have.

    Args:
        definition: the state machine.
        region: where it is to run.
        services: names of the SDK's services.
        regions_of: gives the Regions of a service, by the SDK's name; none where they are not known.
    """
    named = {name.replace("-", ""): name for name in services}
    callers: dict[str, list[str]] = {}
    for state, service in _calls(definition):
        known = named.get(_OTHER_NAMES.get(service, service).replace("-", ""))
        if known:
            callers.setdefault(known, []).append(state)
    return [
        f"AWS is not known to offer {service} in {region}: {', '.join(states)} would fail there"
        for service, states in sorted(callers.items())
        if (regions := regions_of(service)) and region not in regions
    ]


_INTEGRATION = re.compile(r"arn:aws[a-z-]*:states:[^:]*:[^:]*:(?:aws-sdk:)?([a-z0-9-]+):")


def _calls(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """States with the services that they call, in branches and maps too."""
    for name, state in machine.get("States", {}).items():
        matched = re.match(
            r"arn:aws[a-z-]*:states:[^:]*:[^:]*:(?:aws-sdk:)?([a-z0-9-]+):", str(state.get("Resource", ""))
        )
        if matched:
            yield name, matched[1]
        for inner in (*state.get("Branches", ()), state.get("Iterator"), state.get("ItemProcessor")):
            if inner:
                yield from _calls(inner)
