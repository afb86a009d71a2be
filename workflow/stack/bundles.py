"""The zips with the functions' code: the same input gives the same bytes and the same name.

A bundle has the part of the package `lambdas/` that its function imports, and the function's locked
dependencies. Its name is a digest of its content, so a function whose code did not change keeps its bundle, and a
publish does not update it. boto3 comes with Lambda. A module that a function imports, and that neither its bundle nor
Lambda has, is refused here: on AWS the first call would fail.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.stack.dependencies import (
    RULES,
    Target,
    add_entry,
    aws,
    compiled,
    dependencies_zip,
    how_to_lock,
    local,
    read_lock,
)
from workflow.stack.functions import Function, function, requirements_of
from workflow.stack.imports import Imports, file_of

__all__ = ["Bundle", "Function", "Target", "aws", "build_bundles", "function", "local"]

SHARED_REQUIREMENTS = Path("requirements/lambdas.txt")

BUNDLE_NAME_LENGTH = 32

LAMBDA_HAS = frozenset(
    {
        *("awslambdaric", "snapshot_restore_py"),
        *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
    }
)
"""Modules of Lambda's Python runtime, in addition to the standard library: boto3 and what it needs."""

KEPT_BUNDLES = 50
"""How many bundles the cache keeps in addition to those in use."""


@dataclass(frozen=True)
class Bundle:
    """The zip of one function.

    Attributes:
        digest: 64 hexadecimal digits, of its content.
        path: Where the zip is on this machine.
        sources: The files of `lambdas/` in it, from the project's folder.
    """

    digest: str
    path: Path
    sources: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the bundle's object in the artifact bucket."""
        return f"bundles/{self.digest}.zip"


def build_bundles(
    functions: Iterable[Function], target: Target, *, root: Path = ROOT, cache: Path | None = None
) -> dict[str, Bundle]:
    """Returns the bundles of functions, by function name. Those in the cache are not built again.

    Args:
        functions: The functions to bundle.
        target: `aws()` or `local()`.
        root: The project's folder, with `lambdas/` and `requirements/`.
        cache: Where bundles are kept; `.build/` in the root by default.

    Raises:
        BundleError: A dependency has no wheel for the target, or is not installed here.
        WorkflowError: A function's source is missing, has a syntax error, or imports a missing module.
    """
    cache = cache or root / ".build"
    functions = list(functions)
    dependencies = {}
    for one in functions:
        own = [one.requirements] if one.requirements else []
        dependencies[one.name] = dependencies_zip(read_lock(root / SHARED_REQUIREMENTS, *own), target, cache)
    files = _files(functions, dependencies, root, cache)
    bundles = {name: _bundle(found, dependencies[name], target, root, cache) for name, found in files.items()}
    _prune(cache, {bundle.path for bundle in bundles.values()})
    return bundles


def _files(
    functions: list[Function], dependencies: Mapping[str, Path], root: Path, cache: Path
) -> dict[str, list[str]]:
    """The files of `lambdas/` in each function's bundle, from the project's folder.

    Raises:
        WorkflowError: As `build_bundles`.
    """
    imports = Imports(root, cache)
    files: dict[str, list[str]] = {}
    missing: list[str] = []
    for one in functions:
        start = file_of(one.handler.rpartition(".")[0], root)
        assert start is not None  # `function` found it there.
        found = imports.closure([start, *_whole_folder(start, root)])
        files[one.name] = [file.relative_to(root).as_posix() for file in found]
        missing.extend(_missing_modules(one, imports.closure([start]), dependencies[one.name], root, imports))
    if missing:
        raise WorkflowError("\n".join(missing))
    imports.keep()
    return files


def _bundle(files: Iterable[str], dependencies: Path, target: Target, root: Path, cache: Path) -> Bundle:
    sources = {name: (root / name).read_bytes() for name in files}
    digest = _digest(RULES, dependencies.name, *(part for item in sources.items() for part in item))
    bundle = Bundle(digest, cache / f"{digest[:BUNDLE_NAME_LENGTH]}.zip", tuple(sources))
    if not bundle.path.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            unfinished = Path(scratch) / "bundle.zip"
            shutil.copyfile(dependencies, unfinished)
            with zipfile.ZipFile(unfinished, "a") as archive:
                for name, content in sources.items():
                    add_entry(archive, name, content)
                    if target.is_here and name.endswith(".py"):
                        # Compiled for the same reason as dependencies; the source stays, for tracebacks.
                        add_entry(archive, importlib.util.cache_from_source(name), compiled(name, content))
            unfinished.replace(bundle.path)  # In one step: another process can build the same bundle.
    return bundle


def _missing_modules(
    one: Function, files: Iterable[Path], dependencies: Path, root: Path, imports: Imports
) -> Iterator[str]:
    """A line for each import of a function's files that nothing provides."""
    for file in files:
        for module, line in imports.of(file).outside:
            if module not in LAMBDA_HAS and module not in _modules(dependencies):
                written = requirements_of(one.handler, root).with_suffix(".in")
                shown = written.relative_to(root).as_posix()
                yield (
                    f"{file.relative_to(root).as_posix()}:{line}: imports {module}, which is neither in the "
                    f"bundle of {one.name} nor in Lambda's Python: add the package that provides it to {shown}, and "
                    f"lock it: {how_to_lock(shown)}"
                )


@functools.cache
def _modules(dependencies: Path) -> frozenset[str]:
    """The top-level modules and packages in a zip of dependencies."""
    with zipfile.ZipFile(dependencies) as archive:
        return frozenset(name.split("/")[0].split(".")[0] for name in archive.namelist())


def _prune(cache: Path, used: set[Path]) -> None:
    """Deletes the oldest bundles: each change of code makes new ones, of a few MB each."""
    bundles = [
        path for path in cache.glob("*.zip") if len(path.stem) == BUNDLE_NAME_LENGTH and path not in used
    ]
    with contextlib.suppress(FileNotFoundError):  # Another process prunes at the same time.
        for path in sorted(bundles, key=lambda path: path.stat().st_mtime_ns, reverse=True)[KEPT_BUNDLES:]:
            path.unlink()


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # With its length, so that "ab" and "c" give another digest than "a" and "bc".
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()


def _whole_folder(start: Path, root: Path) -> list[Path]:
    """All files of a function that is a folder: it can have templates and other data next to its code."""
    if start.parent == root / "lambdas":
        return []
    own = root / "lambdas" / start.relative_to(root / "lambdas").parts[0]
    return [
        file
        for file in own.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and file.name not in ("requirements.in", "requirements.txt")
    ]
