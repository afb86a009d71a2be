"""CloudFormation resource types that the template uses and MiniStack lacks."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["add"]


def add() -> None:
    """Adds `AWS::Athena::NamedQuery` to MiniStack in this process. Call it once, before the engine serves requests."""
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Athena::NamedQuery",
        {"create": _create_named_query, "update": _replace_named_query, "delete": _delete_named_query},
    )


def _create_named_query(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    from ministack.services import athena

    request: dict[str, Any] = {
        key: properties[key]
        for key in ("Name", "Description", "Database", "QueryString")
        if key in properties
    }
    request["WorkGroup"] = properties.get("WorkGroup", "primary")
    request.setdefault("Name", f"{stack_name}-{logical_id}")
    status, _, body = athena._create_named_query(request)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"AWS::Athena::NamedQuery create failed: {answer}")
    query = answer["NamedQueryId"]
    return query, {"NamedQueryId": query}


def _replace_named_query(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    """Creates a new query and deletes the old one. For each property, CloudFormation documents "Replacement"."""
    created = _create_named_query(physical_id, new, stack_name)
    _delete_named_query(physical_id, old)
    return created


def _delete_named_query(physical_id: str, properties: dict[str, Any]) -> None:
    from ministack.services import athena

    athena._delete_named_query({"NamedQueryId": physical_id})
