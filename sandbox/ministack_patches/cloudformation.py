"""CloudFormation."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects CloudFormation."""
    _name_resources_by_region()


def _name_resources_by_region() -> None:
    """Gives resources without a name different names in each Region.

    AWS: the names that CloudFormation generates are unique.
    MiniStack: generates the same name in each Region, so that stacks with the same name share roles and buckets, which
    are not regional.
    """
    from ministack.core.responses import get_region
    from ministack.services.cloudformation import provisioners

    name = provisioners._physical_name

    def name_in_region(stack: str, logical_id: str, **more: Any) -> str:
        """Returns MiniStack's name. Its last 13 characters are a hash, here also of the Region."""
        given = str(name(stack, logical_id, **more))
        digest = hashlib.sha256(f"{given}:{get_region()}".encode()).hexdigest()[:13]
        return given[:-13] + (digest if more.get("lowercase") else digest.upper())

    provisioners._physical_name = name_in_region
