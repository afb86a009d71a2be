"""CloudFormation resource types that the template uses and MiniStack lacks."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["add"]


def add() -> None:
    """Adds the types to MiniStack in this process. Call it once, before the engine serves requests."""
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Athena::NamedQuery",
        {"create": _create_named_query, "update": _replace_named_query, "delete": _delete_named_query},
    )
    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Events::Archive",
        {"create": _create_archive, "update": _update_archive, "delete": _delete_archive},
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


def _create_archive(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    from ministack.services import eventbridge

    name = properties.get("ArchiveName") or f"{stack_name}-{logical_id}"[:48]
    request = _archive_request(name, properties) | {"EventSourceArn": properties["SourceArn"]}
    created = _answer("AWS::Events::Archive create", eventbridge._create_archive(request))
    return name, {"Arn": created["ArchiveArn"], "ArchiveName": name}


def _update_archive(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    """Changes what UpdateArchive changes. A new name or source is a replacement: the new archive is empty
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-archive.html)."""
    from ministack.services import eventbridge

    if any(old.get(name) != new.get(name) for name in ("ArchiveName", "SourceArn")):
        created = _create_archive(physical_id, new, stack_name)
        _delete_archive(physical_id, old)
        return created
    # What the template no longer has goes back to its default.
    request = {
        "Description": "",
        "EventPattern": "",
        "RetentionDays": 0,
        **_archive_request(physical_id, new),
    }
    updated = _answer("AWS::Events::Archive update", eventbridge._update_archive(request))
    return physical_id, {"Arn": updated["ArchiveArn"], "ArchiveName": physical_id}


def _delete_archive(physical_id: str, properties: dict[str, Any]) -> None:
    from ministack.services import eventbridge

    eventbridge._delete_archive({"ArchiveName": physical_id})


def _archive_request(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {"ArchiveName": name}
    request |= {key: properties[key] for key in ("Description", "RetentionDays") if key in properties}
    if "EventPattern" in properties:
        request["EventPattern"] = json.dumps(properties["EventPattern"])
    if "RetentionDays" in request:
        request["RetentionDays"] = int(request["RetentionDays"])
    return request


def _answer(what: str, response: tuple[int, Any, bytes]) -> dict[str, Any]:
    """Returns what a service answered. Raises ValueError if it refused the request."""
    status, _, body = response
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(f"{what} failed: {answer}")
    return answer
