"""Programs that get messages, as settings: HTTPS URLs, and ARNs of SQS queues."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["Endpoint", "Endpoints", "protocol_of"]

MAX_LENGTH = 1024
"""Characters of an endpoint: three are in a parameter of the stack, which has 4,096."""

_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}")
_URL = re.compile(r"https://[A-Za-z0-9\[][^\s,|#@]*")


def _valid(endpoint: str) -> str:
    """Refuses what SNS cannot send to, and what cannot be in a parameter of the stack."""
    if endpoint.startswith("http://"):
        raise ValueError(f"{endpoint!r} is not encrypted; use https://")
    if endpoint.startswith("arn:") and endpoint.endswith(".fifo"):
        raise ValueError(f"{endpoint!r} is a FIFO queue; use a standard queue")
    if not (_QUEUE.fullmatch(endpoint) or _URL.fullmatch(endpoint)):
        raise ValueError(f"{endpoint!r} is neither an HTTPS URL nor the ARN of an SQS queue")
    return endpoint


Endpoint = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_valid)]

Endpoints = Annotated[tuple[Endpoint, ...], Field(max_length=3)]


def protocol_of(endpoint: str) -> str:
    """Returns the protocol of SNS for an endpoint or an email address: `https`, `sqs` or `email`."""
    if endpoint.startswith("arn:"):
        return "sqs"
    return "https" if endpoint.startswith("https:") else "email"
