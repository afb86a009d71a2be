"""Resources that are found by a tag (Resource Groups Tagging API)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["TaggedResources"]


class TaggedResources:
    """The tagged resources of an account and Region."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def find(self, key: str, value: str, types: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """The tags of the resources that have a tag, by ARN.

        A resource that was deleted can be listed for a while.

        Args:
            key: The tag's key.
            value: Its value.
            types: Types of resources, such as `dynamodb:table`.
        """
        pages = self._client.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": key, "Values": [value]}], ResourceTypeFilters=list(types)
        )
        return {
            found["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in found["Tags"]}
            for page in pages
            for found in page["ResourceTagMappingList"]
        }
