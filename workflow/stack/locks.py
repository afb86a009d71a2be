"""Requirements of functions, as people write them (`.in`) and locked: one version of each package, with hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from workflow.asl.origin import shown_path
from workflow.errors import BundleError

__all__ = [
    "Lock",
    "Pinned",
    "how_to_lock",
    "merged",
    "read_all",
    "read_lock",
    "unlocked",
    "written_requirements",
]


@dataclass(frozen=True)
class Pinned:
    """A locked requirement.

    Attributes:
        name: The name of the package, as written.
        version: The only version that it allows.
        source: What pip installs: `NAME==VERSION`, or the path or address of a wheel.
        marker: Where it is needed; empty for everywhere.
        hashes: Options with the hashes of its files.
        line: All of it, on one line.
        file: The lock.
    """

    name: str
    version: str
    source: str
    marker: str
    hashes: tuple[str, ...]
    line: str
    file: Path

    @property
    def key(self) -> str:
        """The normalised name."""
        return canonicalize_name(self.name)

    @property
    def text(self) -> str:
        """The lines of a lock."""
        first = f"{self.source} ; {self.marker}" if self.marker else self.source
        return " \\\n    ".join([first, *self.hashes])

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


Lock = dict[str, Pinned]
"""Locked requirements, by normalised name."""


def read_lock(*files: Path, environment: Mapping[str, str] | None = None) -> Lock:
    """Returns the requirements of locked, hashed files. A later file overrides an earlier one, name by name.

    Args:
        files: The files.
        environment: The values of markers. A requirement whose marker does not hold is left out. This interpreter's
            by default.

    Raises:
        BundleError: As `read_all`.
    """
    found = (one for file in files for one in read_all(file))
    return {one.key: one for one in found if not one.marker or _holds(Marker(one.marker), environment)}


def read_all(file: Path) -> list[Pinned]:
    """Returns all requirements of a locked, hashed file, wherever they are needed.

    Raises:
        BundleError: The file is missing, or a requirement has no version or no hash.
    """
    # An option for pip, such as `--index-url`, is left out: its configuration counts.
    return [_pinned(line, file) for line in _lines(file) if not line.startswith("-")]


def merged(lock: Iterable[Pinned], other: Iterable[Pinned]) -> list[Pinned]:
    """Returns a lock, with the hashes that another one has for the same versions."""
    more = {(one.key, one.version): one.hashes for one in other}
    return [
        replace(one, hashes=tuple(sorted({*one.hashes, *more.get((one.key, one.version), ())})))
        for one in lock
    ]


def _pinned(line: str, file: Path) -> Pinned:
    text, *hashes = line.split(" --hash=")
    requirement, version = _requirement(text), _version(text)
    if version is None or not hashes:
        raise BundleError(
            f"{shown_path(file)}: {text!r} has no version or no hash; lock it: {how_to_lock(file)}"
        )
    source = text.partition(" ;")[0].strip() if _is_wheel(text) else "==".join(version)
    marker = str(requirement.marker) if requirement and requirement.marker else ""
    return Pinned(*version, source, marker, tuple(f"--hash={one}" for one in hashes), line, file)


def how_to_lock(file: Path) -> str:
    """Returns the command that writes a lock: of a function, or that of all functions."""
    name = file.name.removesuffix(".txt").removesuffix(".in")
    if name == "requirements":
        return f"python deploy.py lock {file.parent.name}"
    return f"python deploy.py lock {name.removesuffix('.requirements')}" if "." in name else "make lock"


def unlocked(written: Path, lock: Lock, environment: Mapping[str, str] | None = None) -> list[str]:
    """Returns the requirements of a `.in` file that a lock does not have, or not in a version that they allow.

    Args:
        written: The file.
        lock: What the function has.
        environment: The values of markers, as for `read_lock`.

    Raises:
        BundleError: As `written_requirements`.
    """
    missing = []
    for line in written_requirements(written):
        requirement, pinned = _requirement(line), _version(line)
        if requirement is None and pinned is None:
            continue  # A folder or an archive: only the locking can look into it.
        if requirement and requirement.marker and not _holds(requirement.marker, environment):
            continue
        found = lock.get(canonicalize_name(requirement.name if requirement else pinned[0] if pinned else ""))
        if found is None or (
            requirement and not requirement.specifier.contains(found.version, prereleases=True)
        ):
            missing.append(line)
    return missing


def written_requirements(file: Path) -> Iterator[str]:
    """Returns the requirements in a `.in` file and in those that it includes, one line each.

    Raises:
        BundleError: A file is missing, or has an option that says where packages come from.
    """
    waiting, read = [file], set[Path]()
    while waiting:
        one = waiting.pop()
        if one.resolve() not in read:
            read.add(one.resolve())
            yield from _written(one, waiting)


def _written(file: Path, included: list[Path]) -> Iterator[str]:
    """The requirements in one file. Adds the files that it includes to a list."""
    for line in _lines(file):
        if not line.startswith("-"):
            yield line
        elif other := re.fullmatch(r"(?:-r|--requirement)[ =]?(.+)", line):
            included.append(file.parent / other[1].strip())
        elif _WHERE_FROM.match(line):
            option = re.split(r"[ =]", line)[0]
            raise BundleError(
                f"{shown_path(file)}: {option} is not supported: pip's configuration says where the packages of "
                "functions come from, for locks and bundles: python -m pip config --site set global.extra-index-url URL"
            )


_WHERE_FROM = re.compile(r"-i\b|-f\b|--(index-url|extra-index-url|find-links|no-index|trusted-host)\b")


def _version(text: str) -> tuple[str, str] | None:
    """The name and the only version of a requirement; None if several are allowed, or the name has none."""
    requirement = _requirement(text)
    if _is_wheel(text):
        path = unquote(urlsplit((requirement and requirement.url) or text.partition(" ;")[0]).path)
        try:
            name, version, _, _ = parse_wheel_filename(PurePosixPath(path).name)
        except InvalidWheelFilename:
            return None
        return (requirement.name if requirement else name), str(version)
    if requirement and (one := re.fullmatch(r"==([^*,]+)", str(requirement.specifier))):
        return requirement.name, one[1]
    return None


def _is_wheel(text: str) -> bool:
    """Whether a requirement is the path or the address of a wheel."""
    return text.partition(" ;")[0].partition("#")[0].strip().endswith(".whl")


def _holds(marker: Marker, environment: Mapping[str, str] | None) -> bool:
    # A requirement outside of any extra: without a value, a marker that names `extra` is an error.
    return marker.evaluate({"extra": "", **(environment or {})})


def _lines(file: Path) -> Iterator[str]:
    """Logical lines of a requirements file, without comments, with single spaces."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BundleError(f"{shown_path(file)}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BundleError(f"{shown_path(file)}: is not UTF-8; save it as UTF-8") from None
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        if logical := " ".join(re.sub(r"(^|\s)#.*", "", line).split()):
            yield logical


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
