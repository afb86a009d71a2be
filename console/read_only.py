"""A session whose clients only read: the console never writes to a published stage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workflow.errors import AfterloopError

if TYPE_CHECKING:
    import boto3

__all__ = ["WriteRefused", "read_only"]

_READS = re.compile(r"(?:Describe|Get|List|Head|Query|BatchGet|Filter|Search|Select)[A-Z]?\w*")
"""The names of AWS's operations that read. Scan is not one of them: no page may read a whole table."""


class WriteRefused(AfterloopError):
    """A call that would have written to a stage."""


def read_only(session: boto3.Session) -> boto3.Session:
    """Makes a session refuse every operation that does not read, before the call is made. Returns the session.

    Clients that were made before are not affected.
    """

    def refuse(model: Any, **_: Any) -> None:
        if not _READS.fullmatch(model.name):
            raise WriteRefused(
                f"the console only reads: {model.service_model.service_name} {model.name} was not called"
            )

    session.events.register("before-parameter-build", lambda **given: refuse(**given))
    return session
