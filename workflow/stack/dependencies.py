"""The dependencies of functions, as zips: what all functions share, and what one function needs in addition.

For AWS, both are wheels that pip fetches. For the local engine, the shared ones are those installed with the project,
which `make` checked by their hashes. What is not installed in the locked version is fetched, as is what one function
needs in addition.
All come from the same locked files, so the local engine runs the versions that AWS gets.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import marshal
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from workflow.errors import BundleError
from workflow.stack.locks import Lock
from workflow.stack.targets import Target
from workflow.stack.wheels import fetch

__all__ = ["RULES", "add_entry", "add_source", "expect_size", "modules", "own_zip", "shared_zip"]

RULES = "1"
"""Part of every digest. Increase it when the same input gives different bytes."""

UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


def shared_zip(lock: Lock, target: Target, cache: Path, root: Path) -> Path:
    """Returns the zip of what all functions share. It is built once, then found in the cache by its name.

    Args:
        lock: The requirements.
        target: The machine and the Python that run them.
        cache: The folder with the zips.
        root: The project's folder.

    Raises:
        BundleError: A dependency has no wheel for the target, or one with another hash.
    """
    path = _path("", lock, target, cache)
    if not path.exists():
        with _scratch(cache) as scratch:
            files = (_here if target.is_here else _wheels)(lock, target, scratch, root)
            unfinished = scratch / path.name
            with zipfile.ZipFile(unfinished, "w") as archive:
                for name, file in sorted((name, file) for name, file in files if _is_needed(name)):
                    _add_compact(archive, name, file.read_bytes(), target)
            unfinished.replace(path)  # In one step: another process can build the same zip.
    return path


def own_zip(lock: Lock, target: Target, cache: Path, root: Path) -> Path | None:
    """Returns the zip of what one function needs in addition; None if it needs nothing. Else as `shared_zip`.

    Raises:
        BundleError: A dependency has no wheel for the target, or one with another hash.
    """
    if not lock:
        return None
    path = _path("own ", lock, target, cache)
    if not path.exists():
        with _scratch(cache) as scratch:
            unfinished = scratch / path.name
            with zipfile.ZipFile(unfinished, "w") as archive:
                # On this machine, time counts, not size.
                level = 1 if target.is_here else 6
                for name, file in sorted(_wheels(lock, target, scratch, root)):
                    if _is_of_distribution(name):
                        is_program = bool(file.stat().st_mode & 0o111)
                        add_entry(archive, name, file.read_bytes(), is_program=is_program, level=level)
            unfinished.replace(path)
    return path


@functools.cache
def modules(dependencies: Path) -> frozenset[str]:
    """Returns the top-level modules and packages in a zip of dependencies."""
    with zipfile.ZipFile(dependencies) as archive:
        return frozenset(name.split("/")[0].split(".")[0] for name in archive.namelist())


def expect_size(zips: Iterable[Path], lock: Lock) -> None:
    """Refuses dependencies that are too large for Lambda.

    Args:
        zips: The zips of a function.
        lock: Everything that it needs.

    Raises:
        BundleError: They are larger than the limit, unpacked.
    """
    size = sum(_unzipped(path) for path in zips)
    if size > UNZIPPED_LIMIT:
        raise BundleError(
            f"the dependencies ({', '.join(map(str, lock.values()))}) are {size / 2**20:.0f} MB unpacked, and Lambda's "
            "limit is 250 MB: remove some, or move the work out of Lambda"
        )


@functools.cache
def _unzipped(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        # On AWS, a bundle has no compiled modules beside their sources.
        return sum(entry.file_size for entry in archive.infolist() if "__pycache__" not in entry.filename)


def _path(kind: str, lock: Lock, target: Target, cache: Path) -> Path:
    content = "\n".join([kind + RULES, target.tag, *(pinned.line for pinned in lock.values())])
    digest = hashlib.sha256(content.encode()).hexdigest()
    return cache / f"dependencies-{target.tag}-{digest[:16]}.zip"


@contextlib.contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        yield Path(folder)


def add_entry(
    archive: zipfile.ZipFile, name: str, content: bytes, *, is_program: bool = False, level: int = 6
) -> None:
    """Adds a file to a zip with a fixed time and mode, so that the same content gives the same bytes."""
    entry = zipfile.ZipInfo(name)  # 1 January 1980, the earliest date of a zip.
    entry.external_attr = (0o755 if is_program else 0o644) << 16
    entry.create_system = 3  # Unix, whatever this machine is.
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=level)


def add_source(archive: zipfile.ZipFile, name: str, content: bytes, target: Target) -> None:
    """Adds a file of the project; a module for this machine also compiled, for cold starts."""
    add_entry(archive, name, content)
    if target.is_here and name.endswith(".py") and (code := compiled(name, content)):
        # The source stays, for tracebacks.
        add_entry(archive, importlib.util.cache_from_source(name), code)


def _add_compact(archive: zipfile.ZipFile, name: str, content: bytes, target: Target) -> None:
    """Adds a file; a module for this machine only compiled: it is imported in a third of the time.

    Bundles for AWS must not depend on the interpreter that built them.
    """
    if target.is_here and name.endswith(".py") and (code := compiled(name, content)):
        name, content = name + "c", code
    add_entry(archive, name, content)


@lru_cache(maxsize=4096)
def compiled(name: str, source: bytes) -> bytes | None:
    """Returns the .pyc of a module, valid whatever the modification time of its source (PEP 552, unchecked hash).

    None if this Python cannot compile it: some packages have files for other versions, or templates.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What a package does is not the user's to fix.
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)


# Parts of a shared distribution that no function needs.
_UNNEEDED_SUFFIXES = (".pyc", ".pyi")
_UNNEEDED_FOLDERS = frozenset({"__pycache__", "tests", "test", "bin"})
_NEEDED_METADATA = ("METADATA", "entry_points.txt")
_UNNEEDED = (
    # A web page for HTTP APIs, 1.5 MB.
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui",
)


def _is_needed(name: str) -> bool:
    """Whether functions need a file of what they share. The project's tests run with what is left."""
    path = PurePosixPath(name)
    # Console scripts of an installed distribution are outside its folder: "../../../bin/jp.py".
    if path.is_absolute() or ".." in path.parts or path.suffix in _UNNEEDED_SUFFIXES:
        return False
    if _UNNEEDED_FOLDERS.intersection(path.parts[:-1]) or name.startswith(_UNNEEDED):
        return False
    if path.parts[0].endswith(".dist-info"):
        # Packages read their version and entry points at run time; licenses must go with the code.
        return path.name in _NEEDED_METADATA or "licen" in name.lower()
    return path.name != "py.typed"


_OF_INSTALLATION = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
"""Files in a .dist-info that say how and where a distribution was installed, which differs between machines."""


def _is_of_distribution(name: str) -> bool:
    """Whether a file of a package that only the user knows goes into a bundle: all do but what pip makes.

    Some packages import their tests, or read their type stubs.
    """
    path = PurePosixPath(name)
    if path.suffix == ".pyc" or path.parts[0] == "bin":
        return False
    return not (path.parts[0].endswith(".dist-info") and path.name in _OF_INSTALLATION)


def _here(lock: Lock, target: Target, scratch: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Files of the distributions that are installed in this interpreter, and of the wheels of the others."""
    missing = {}
    for name, pinned in lock.items():
        try:
            distribution = importlib.metadata.distribution(pinned.name)
        except importlib.metadata.PackageNotFoundError:
            distribution = None
        if distribution is None or distribution.version != pinned.version:
            missing[name] = pinned
            continue
        for file in distribution.files or ():
            yield str(file), Path(str(file.locate()))
    if missing:
        yield from _wheels(missing, target, scratch, root)


def _wheels(lock: Lock, target: Target, scratch: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Files of the wheels for a target."""
    folder = scratch / "files"
    fetch(lock, target, folder, root)
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file
