"""What the checks found in a definition, kept from one run to the next.

The checks parse each JSONata expression, read the models of AWS services and run a validator: a third of the time and
of the memory of a `plan`. They find the same in the same definition, so they run again only when it, or they, changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflow import ROOT
from workflow.asl.checks import Finding, check

__all__ = ["checked"]

KEPT_RUNS = 20
"""How many definitions the cache keeps the findings of."""

_JUDGES = ("statelint", "jsonata-python", "botocore")
"""The packages that the checks ask. Another version can find something else."""


def checked(cache: Path, definition: Mapping[str, Any], **known: Any) -> list[Finding]:
    """Returns the findings of `check`, from the cache if it has them.

    Two runs at the same time can each write the cache. Then the findings of one of them are not in it.

    Args:
        cache: The folder to keep them in.
        definition: As for `check`.
        known: Its other arguments.
    """
    kept = cache / "checks.json"
    key = _digest(definition, known)
    entries = _read(kept)
    with contextlib.suppress(KeyError, TypeError):
        return [Finding(**finding) for finding in entries[key]]
    found = check(definition, **known)
    entries[key] = [vars(finding) for finding in found]
    # A project that cannot be written can be checked, too.
    with contextlib.suppress(OSError):
        _write(kept, dict(list(entries.items())[-KEPT_RUNS:]))
    return found


def _digest(*arguments: Any) -> str:
    """Of what the findings follow from: the arguments, the code of the checks, and the packages that they ask."""
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True, default=_plain).encode())
    digest.update(" ".join([sys.version, *map(version, _JUDGES)]).encode())
    for file in sorted((ROOT / "workflow" / "asl").rglob("*.py")):
        # With its length, so that a line that moves to the next file changes the digest.
        content = file.read_bytes()
        digest.update(len(content).to_bytes(8) + content)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else repr(value)


def _read(kept: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(kept.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _write(kept: Path, entries: Mapping[str, Any]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        unfinished = Path(scratch) / kept.name
        unfinished.write_text(json.dumps(entries), encoding="utf-8")
        unfinished.replace(kept)  # In one step: another process can read it at the same time.
