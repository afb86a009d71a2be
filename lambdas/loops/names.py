"""Names of human loops: what A2I accepts, and names derived from keys and from restarts.

A2I accepts `^[a-z0-9](-*[a-z0-9])*$`, 1 to 63 characters, unique per account and Region (StartHumanLoop API page).
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["MAX_LENGTH", "InvalidLoopName", "check", "from_key", "of_restart", "of_restart_fallback"]

MAX_LENGTH = 63
_PATTERN = re.compile(r"[a-z0-9](-*[a-z0-9])*")
_DIGEST_LENGTH = 10


class InvalidLoopName(ValueError):
    """A2I would reject the name. The message says why, and suggests a valid name."""


def check(name: str) -> str:
    """Returns the name if A2I accepts it.

    boto3 does not check the pattern. Without this check, the input would be stored before A2I rejects the name.

    Raises:
        InvalidLoopName: The name is invalid. The message suggests a valid one.
    """
    if len(name) > MAX_LENGTH:
        problem = f"has {len(name)} characters; the maximum is {MAX_LENGTH}"
    elif not _PATTERN.fullmatch(name):
        problem = "can contain only a-z, 0-9, and hyphens between them"
    else:
        return name
    raise InvalidLoopName(f"Human loop name {name!r} {problem}. A valid name: {from_key(name)!r}.")


def from_key(key: str) -> str:
    """Returns the name for a key of the caller (an order number, the path of a document).

    The same key always gives the same name. A key that is a valid name is used unchanged. Any other key is made
    readable and gets a digest, so that two keys that differ only in punctuation do not share a name.
    """
    if _PATTERN.fullmatch(key) and len(key) <= MAX_LENGTH:
        return key
    readable = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
    return _shortened(readable, _digest(key))


def of_restart(root: str, attempt: int) -> str:
    """Returns the name of attempt number `attempt` in the lineage that began with `root`.

    The name depends on these two values only, so that a restart that runs twice starts one loop.
    """
    suffix = f"attempt-{attempt}"
    name = f"{root}-{suffix}"
    return name if len(name) <= MAX_LENGTH else _shortened(root, f"{_digest(root)}-{suffix}")


def restarted_from(name: str) -> tuple[str, int] | None:
    """Returns the name of the attempt before the one with that name, and its number; None if that is no restart.

    Only if the names were not too long to be readable: otherwise, the name before cannot be told from the name.
    """
    match = re.fullmatch(r"(.+)-attempt-([0-9]{1,4})", name)
    if match is None or (attempt := int(match[2])) < 2:
        return None
    return (match[1] if attempt == 2 else of_restart(match[1], attempt - 1)), attempt - 1


def of_restart_fallback(root: str, attempt: int) -> str:
    """Returns the second name for that attempt, for when another loop has the first. Also deterministic."""
    return _shortened(root, f"{_digest(f'{root} {attempt}')}-attempt-{attempt}")


def _shortened(readable: str, suffix: str) -> str:
    head = readable[: MAX_LENGTH - len(suffix) - 1].rstrip("-")
    return f"{head}-{suffix}" if head else suffix


def _digest(text: str) -> str:
    # surrogatepass: a key can contain half of a surrogate pair, which plain UTF-8 does not encode.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
