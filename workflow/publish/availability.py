"""Whether a Region offers the services that the workflow's steps call: told before, not by a rollback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from workflow.asl.integration import integration_of
from workflow.asl.walk import states

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
    for name, state in states(definition):
        if called := integration_of(state):
            known = named.get(_OTHER_NAMES.get(called.service, called.service).replace("-", ""))
            if known:
                callers.setdefault(known, []).append(name)
    return [
        f"AWS is not known to offer {service} in {region}: {', '.join(names)} would fail there"
        for service, names in sorted(callers.items())
        if (regions := regions_of(service)) and region not in regions
    ]
