"""Names of human loops: what A2I accepts, and names derived from keys and from restarts.

A2I takes `^[a-z0-9](-*[a-z0-9])*$`, 1 to 63 characters, unique per account and Region (StartHumanLoop's API page).
boto3 does not check the pattern, so a bad name would only be found after the input was stored.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["InvalidLoopName", "check", "from_key", "of_restart", "of_restart_instead"]

LONGEST = 63
_PATTERN = re.compile(r"[a-z0-9](-*[a-z0-9])*")
_DIGEST_LENGTH = 10


class InvalidLoopName(ValueError):
    """A name that A2I would refuse. The text says why, and shows a name that would do."""


def check(name: str) -> str:
    """Return the name if A2I accepts it.

    Raises:
        InvalidLoopName: With a name that would do.
    """
    if len(name) > LONGEST:
        problem = f"has {len(name)} characters, and {LONGEST} is the most"
    elif not _PATTERN.fullmatch(name):
        problem = "may hold only a-z, 0-9 and hyphens between them"
    else:
        return name
    raise InvalidLoopName(f"Human loop name {name!r} {problem}. A name that would do: {from_key(name)!r}.")


def from_key(key: str) -> str:
    """A name for a key of the caller's own (an order number, a document's path): the same key, the same name.

    A key that is a valid name is its own name. Any other is made readable and gets a digest of the
    key, so that two keys that look alike do not share a name.
    """
    if _PATTERN.fullmatch(key) and len(key) <= LONGEST:
        return key
    readable = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
    return _shortened(readable, _digest(key))


def of_restart(root: str, attempt: int) -> str:
    """The name of the loop that is attempt number `attempt` of the lineage that began with `root`.

    It follows from the two alone, so that a restart made twice is one restart.
    """
    suffix = f"attempt-{attempt}"
    name = f"{root}-{suffix}"
    return name if len(name) <= LONGEST else _shortened(root, f"{_digest(root)}-{suffix}")


def of_restart_instead(root: str, attempt: int) -> str:
    """The name of that attempt where its own is another loop's: it follows from the two as well."""
    return _shortened(root, f"{_digest(f'{root} {attempt}')}-attempt-{attempt}")


def _shortened(readable: str, suffix: str) -> str:
    head = readable[: LONGEST - len(suffix) - 1].rstrip("-")
    return f"{head}-{suffix}" if head else suffix


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
