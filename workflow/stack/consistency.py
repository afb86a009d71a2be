"""Whether the dependencies of a function are complete, by what each of them says that it needs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workflow.asl.origin import shown_path
from workflow.errors import BundleError
from workflow.stack.locks import Lock, how_to_lock
from workflow.stack.targets import Target

__all__ = ["LAMBDA_HAS", "expect_complete"]

LAMBDA_HAS = frozenset(
    {
        *("awslambdaric", "snapshot_restore_py"),
        *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
    }
)
"""Modules of Lambda's Python runtime, in addition to the standard library: boto3 and what it needs."""

_DISTRIBUTIONS = frozenset({canonicalize_name(name) for name in LAMBDA_HAS} | {"python-dateutil"})


class _Distribution(NamedTuple):
    version: str
    needs: list[Requirement]


def expect_complete(
    own: Path, shared: Path, lock: Lock, target: Target, written: Iterable[str], file: Path
) -> None:
    """Refuses dependencies of a function that lack what one of them needs.

    Args:
        own: The zip of what only the function needs.
        shared: The zip of what all functions share.
        lock: The requirements of the function's own lock.
        target: The machine and the Python that run them.
        written: The requirements as they were written, which can name extras.
        file: The function's own lock.

    Raises:
        BundleError: One is missing, or has another version than what another one needs.
    """
    found = {**_distributions(shared), **_distributions(own)}
    wanted = [(name, "") for name in lock]
    wanted += [one for requirement in map(_parsed, written) if requirement for one in _extras(requirement)]
    seen: set[tuple[str, str]] = set()
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in seen or name not in found:
            continue
        seen.add((name, extra))
        for need in found[name].needs:
            if need.marker and not need.marker.evaluate({**target.environment, "extra": extra}):
                continue
            _expect(need, found, f"{name} {found[name].version}", file)
            wanted += [(canonicalize_name(need.name), ""), *_extras(need)]


def _expect(need: Requirement, found: dict[str, _Distribution], who: str, file: Path) -> None:
    name = canonicalize_name(need.name)
    if name not in found and name in _DISTRIBUTIONS:
        return
    if name not in found:
        problem = "is not in the lock"
    elif not need.specifier.contains(found[name].version, prereleases=True):
        problem = f"is locked in version {found[name].version}"
    else:
        return
    need.marker = None
    raise BundleError(
        f"{shown_path(file)}: {who} needs {need}, which {problem}: lock it again: {how_to_lock(file)}"
    )


def _extras(requirement: Requirement) -> Iterator[tuple[str, str]]:
    return ((canonicalize_name(requirement.name), extra) for extra in requirement.extras)


def _distributions(path: Path) -> dict[str, _Distribution]:
    """The distributions in a zip, by normalised name."""
    found: dict[str, _Distribution] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            folder, _, file = name.partition("/")
            if folder.endswith(".dist-info") and file == "METADATA":
                read = HeaderParser().parsestr(archive.read(name).decode())
                needs = [one for text in read.get_all("Requires-Dist", []) if (one := _parsed(text))]
                found[canonicalize_name(str(read["Name"]))] = _Distribution(str(read["Version"]), needs)
    return found


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
