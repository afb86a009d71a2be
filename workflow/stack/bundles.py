"""The zips with the functions' code: the same input gives the same bytes and the same name.

A bundle has the part of the package `lambdas/` that its function imports, and the function's locked
dependencies. Its name is a digest of its content, so a function whose code did not change keeps its bundle, and a
publish does not update it. boto3 comes with Lambda. A module that a function imports, and that neither its bundle nor
Lambda has, is refused here: on AWS the first call would fail.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.stack.consistency import LAMBDA_HAS, expect_complete
from workflow.stack.dependencies import (
    RULES,
    add_source,
    expect_size,
    modules,
    own_zip,
    shared_zip,
)
from workflow.stack.functions import SHARED_REQUIREMENTS, Function, function, requirements_of
from workflow.stack.imports import Imports, file_of
from workflow.stack.locks import Lock, how_to_lock, read_lock, written_requirements
from workflow.stack.targets import Target, aws, local

__all__ = ["Bundle", "Function", "Target", "aws", "build_bundles", "function", "local"]

BUNDLE_NAME_LENGTH = 32

KEPT_BUNDLES = 50
"""How many bundles the cache keeps in addition to those in use."""

KEPT_DEPENDENCIES = 20
"""How many zips of dependencies it keeps in addition to those in use."""


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
        BundleError: A dependency has no wheel for the target, or one with another hash, or lacks what it needs.
        WorkflowError: A function's source is missing, has a syntax error, or imports a missing module.
    """
    cache = cache or root / ".build"
    functions = list(functions)
    shared = read_lock(root / SHARED_REQUIREMENTS, environment=target.environment)
    dependencies = {one.name: _dependencies(one, shared, target, root, cache) for one in functions}
    files = _files(functions, dependencies, root, cache)
    bundles = {name: _bundle(found, dependencies[name], target, root, cache) for name, found in files.items()}
    used = {path for zips in dependencies.values() for path in zips}
    _prune(cache, used | {bundle.path for bundle in bundles.values()})
    return bundles


def _dependencies(one: Function, shared: Lock, target: Target, root: Path, cache: Path) -> tuple[Path, ...]:
    """The zips with the dependencies of a function: what all functions share, and its own, if it has any.

    Raises:
        BundleError: As `build_bundles`.
    """
    own = read_lock(one.requirements, environment=target.environment) if one.requirements else {}
    kept = {name: pinned for name, pinned in shared.items() if name not in own}
    common, special = shared_zip(kept, target, cache, root), own_zip(own, target, cache, root)
    if special is None or one.requirements is None:
        zips: tuple[Path, ...] = (common,)
    else:
        zips = (common, special)
        written = one.requirements.with_suffix(".in")
        extras = written_requirements(written) if written.is_file() else ()
        expect_complete(special, common, own, target, extras, one.requirements)
    expect_size(zips, {**kept, **own})
    return zips


def _files(
    functions: list[Function], dependencies: Mapping[str, tuple[Path, ...]], root: Path, cache: Path
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
        has = LAMBDA_HAS.union(*map(modules, dependencies[one.name]))
        missing.extend(_missing_modules(one, imports.closure([start]), has, root, imports))
    if missing:
        raise WorkflowError("\n".join(missing))
    imports.keep()
    return files


def _bundle(
    files: Iterable[str], dependencies: tuple[Path, ...], target: Target, root: Path, cache: Path
) -> Bundle:
    sources = {name: (root / name).read_bytes() for name in files}
    names = [path.name for path in dependencies]
    digest = _digest(RULES, *names, *(part for item in sources.items() for part in item))
    bundle = Bundle(digest, cache / f"{digest[:BUNDLE_NAME_LENGTH]}.zip", tuple(sources))
    if not bundle.path.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            unfinished = Path(scratch) / "bundle.zip"
            # The largest one first: it is copied, and the files of the others are compressed again.
            first, *others = sorted(dependencies, key=lambda path: path.stat().st_size, reverse=True)
            shutil.copyfile(first, unfinished)
            with zipfile.ZipFile(unfinished, "a") as archive:
                for more in others:
                    _add_all(archive, more)
                for name, content in sources.items():
                    add_source(archive, name, content, target)
            unfinished.replace(bundle.path)  # In one step: another process can build the same bundle.
    return bundle


def _add_all(archive: zipfile.ZipFile, more: Path) -> None:
    """Adds the entries of another zip, but for files that the archive has, such as those of a common namespace."""
    known = set(archive.namelist())
    with zipfile.ZipFile(more) as other:
        for entry in other.infolist():
            if entry.filename not in known:
                archive.writestr(entry, other.read(entry), compresslevel=6)


def _missing_modules(
    one: Function, files: Iterable[Path], available: frozenset[str], root: Path, imports: Imports
) -> Iterator[str]:
    """A line for each import of a function's files that nothing provides."""
    for file in files:
        for module, line in imports.of(file).outside:
            if module not in available:
                yield (
                    f"{file.relative_to(root).as_posix()}:{line}: imports {module}, which is neither in the "
                    f"bundle of {one.name} nor in Lambda's Python: {_how_to_provide(module, one, root)}"
                )


def _how_to_provide(module: str, one: Function, root: Path) -> str:
    if file_of(f"lambdas.{module}", root):
        return f"write `from lambdas.{module} import …`"
    if file_of(module, root):
        return "a function imports only from `lambdas`, so move what it needs there"
    written = requirements_of(one.handler, root).with_suffix(".in")
    where = written.relative_to(root).as_posix()
    return f"add {_package_of(module)} to {where}, and lock it: {how_to_lock(written)}"


def _package_of(module: str) -> str:
    """The package that provides a module. Its name can be another one, and is known if it is installed here."""
    found = importlib.metadata.packages_distributions().get(module)
    return f"the package {found[0]}" if found else "the package that provides it"


def _prune(cache: Path, used: set[Path]) -> None:
    """Deletes the oldest zips: each change of code makes new bundles, of a few MB each, each new lock dependencies."""
    zips = [path for path in cache.glob("*.zip") if path not in used]
    bundles = [path for path in zips if len(path.stem) == BUNDLE_NAME_LENGTH]
    dependencies = [path for path in zips if path.stem.startswith("dependencies-")]
    with contextlib.suppress(FileNotFoundError):  # Another process prunes at the same time.
        for paths, kept in ((bundles, KEPT_BUNDLES), (dependencies, KEPT_DEPENDENCIES)):
            for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)[kept:]:
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
