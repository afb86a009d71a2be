"""Whether the services that the workflow's steps call are there: a warning in the plan, not a failure later.

On AWS, a Region may not offer them. A local engine runs some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3

from workflow.asl.integration import integration_of
from workflow.asl.optimized import api_of
from workflow.asl.services import botocore_name
from workflow.asl.walk import states
from workflow.publish.local_engine import not_run

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.package import Package

__all__ = ["not_offered", "unavailable"]


def unavailable(account: Account, package: Package) -> list[str]:
    """Warnings about states that call a service which the account's Region, or the local engine, does not have."""
    if account.is_aws:
        return not_offered(package.definition, account.session)
    return not_run(package.definition, package.places, account.endpoint_url, account.secret_access_key)


def not_offered(definition: Mapping[str, Any], session: boto3.Session) -> list[str]:
    """Warnings about states that call a service which is not known in a Region.

    Args:
        definition: the state machine.
        session: its Region is where the state machine will run.
    """
    callers: dict[str, list[str]] = {}
    for name, state in states(definition):
        if called := integration_of(state):
            api = called.service if called.is_sdk else api_of(called.service, called.action)[0]
            if service := botocore_name(api):
                callers.setdefault(service, []).append(name)
    # botocore's list of Regions can be older than AWS: that is why this is a warning.
    return [
        f"{service} may not be available in {session.region_name}: these states would fail: {', '.join(names)}"
        for service, names in sorted(callers.items())
        # No Regions at all: boto3 does not know them.
        if (regions := session.get_available_regions(service)) and session.region_name not in regions
    ]
