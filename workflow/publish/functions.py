"""Lambda: versions and code of functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

__all__ = ["Functions", "versions_in"]


def versions_in(definition: str) -> set[str]:
    """The ARNs of versions of functions that a definition names, after its placeholders were filled in."""
    return set(re.findall(r"arn:[\w-]+:lambda:[^:\"]+:\d+:function:[\w-]+:\d+", definition))


class Functions:
    """The functions of an account and Region."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client

    def exists(self, arn: str) -> bool:
        """Whether a function, or a version of one, exists."""
        try:
            self._client.get_function_configuration(FunctionName=arn)
        except self._client.exceptions.ResourceNotFoundException:
            return False
        return True

    def invoke_later(self, arn: str) -> None:
        """Invokes a function, and does not wait for it."""
        self._client.invoke(FunctionName=arn, InvocationType="Event")

    def versions(self, function: str) -> list[str]:
        """ARNs of a function's published versions, newest first."""
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        versions = [one for page in pages for one in page["Versions"] if one["Version"] != "$LATEST"]
        newest_first = sorted(versions, key=lambda one: int(one["Version"]), reverse=True)
        return [one["FunctionArn"] for one in newest_first]

    def delete_version(self, version: str) -> None:
        """Deletes a version of a function."""
        self._client.delete_function(FunctionName=version)

    def update_code(self, name: str, **source: Any) -> None:
        """Replaces a function's code without CloudFormation, and waits until the new code runs.

        Args:
            name: the function's name.
            source: `ZipFile`, or `S3Bucket` and `S3Key` (UpdateFunctionCode).
        """
        self._client.update_function_code(FunctionName=name, **source)
        # Two minutes in all. The default is to look every second, and the code often runs sooner.
        self._client.get_waiter("function_updated_v2").wait(
            FunctionName=name,
            WaiterConfig={"Delay": 0.2, "MaxAttempts": 600},  # type: ignore[typeddict-item] # it takes a float, too
        )
