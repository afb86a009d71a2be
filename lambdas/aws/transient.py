"""Which AWS errors are transient. All functions use this list.

Functions raise these errors as `TransientServiceError`, which the workflow retries (`workflow/parts/failures.py`).
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
"""Throttling, quotas on current use, and faults of the service, by the codes of all services that are called."""


def is_transient(error: Exception) -> bool:
    """Whether a retry of the same call can succeed.

    Args:
        error: An error of botocore: an error response of the service, or a failed connection.
    """
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code in _CODES or status >= 500
    return isinstance(error, ConnectionError | HTTPClientError | IncompleteReadError)
