"""Which errors of AWS pass by themselves: the one list that the functions go by.

The workflow retries what a function raises as `TransientServiceError` (`workflow/parts/failures.py`).
"""

from __future__ import annotations

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

__all__ = ["is_transient"]

_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "KmsThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceQuotaExceededException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Throttled, over a quota that frees itself, or broken on the service's side, by the names that services give it."""


def is_transient(error: Exception) -> bool:
    """Whether the same call may well succeed later.

    Args:
        error: What botocore raised: an answer of the service, or a connection that broke on the way.
    """
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code in _CODES or status >= 500
    return isinstance(error, ConnectionError | HTTPClientError | IncompleteReadError)
