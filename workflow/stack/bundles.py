"""The zips that the functions' code travels in: the same input gives the same bytes and the same name.

A bundle has the part of the package `lambdas/` that its function imports, and the function's locked
dependencies. It is named by a digest of all that goes in, so that a function whose code did not change
keeps its bundle, and a publish leaves it alone. boto3 is Lambda's own.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workflow.errors import WorkflowError
from workflow.stack.dependencies import (
    RULES,
    Target,
    add_entry,
    aws,
    compiled,
    dependencies_zip,
    local,
    read_lock,
)
from workflow.stack.functions import ROOT, Function, Permission, function

__all__ = ["Bundle", "Function", "Permission", "Target", "aws", "build_bundles", "function", "local"]

SHARED_REQUIREMENTS = Path("requirements/lambdas.txt")

BUNDLE_NAME_LENGTH = 32
KEPT_BUNDLES = 50
"""How many bundles the cache keeps beside those in use."""


@dataclass(frozen=True)
class Bundle:
    """The zip of one function."""

    digest: str
    """64 hexadecimal digits, of what goes in."""
    path: Path
    sources: tuple[str, ...]
    """The files of `lambdas/` in it, from the root of the project."""

    @property
    def key(self) -> str:
        """Name of the bundle's object in the artifact bucket."""
        return f"functions/{self.digest}.zip"


def build_bundles(
    functions: Iterable[Function], target: Target, *, root: Path = ROOT, cache: Path | None = None
) -> dict[str, Bundle]:
    """The bundles of functions, by function name; those that are in the cache are not built again.

    Args:
        functions: whose code to bundle.
        target: `aws()` or `local()`.
        root: the project's folder, with `lambdas/` and `requirements/`.
        cache: where bundles are kept; `.build/` in the root by default.

    Raises:
        BundleError: a dependency has no wheel for the target, or is not installed here.
        WorkflowError: a function's source is missing or is not Python.
    """
    cache = cache or root / ".build"
    imports = _Imports(root, cache)
    bundles = {one.name: _bundle(one, target, root, cache, imports) for one in functions}
    imports.save()
    _prune(cache, {bundle.path for bundle in bundles.values()})
    return bundles


def _bundle(of: Function, target: Target, root: Path, cache: Path, imports: _Imports) -> Bundle:
    own = [of.requirements] if of.requirements else []
    dependencies = dependencies_zip(read_lock(root / SHARED_REQUIREMENTS, *own), target, cache)
    sources = {name: (root / name).read_bytes() for name in _sources(of, root, imports)}
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
                        # As for the dependencies; the source stays, for tracebacks that show lines.
                        add_entry(archive, importlib.util.cache_from_source(name), compiled(name, content))
            unfinished.replace(bundle.path)
    return bundle


def _prune(cache: Path, used: set[Path]) -> None:
    """Deletes the oldest bundles beyond a number: each change of code makes some, of some MB each."""
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
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()


def _sources(of: Function, root: Path, imports: _Imports) -> list[str]:
    """Files of `lambdas/` that a function needs: its own, and all that they import, directly or not."""
    module = of.handler.rpartition(".")[0]
    start = _file_of(module, root)
    if start is None:
        raise WorkflowError(
            f"the function {of.name} has the handler {of.handler}, and there is no module {module}"
        )
    waiting = [start, *_whole_folder(start, root)]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        # Importing lambdas.a.b runs the __init__ of lambdas and of lambdas.a first.
        inside = [
            folder / "__init__.py" for folder in file.parents if folder.is_relative_to(root / "lambdas")
        ]
        waiting.extend(package for package in inside if package.is_file())
        if file.suffix == ".py":
            waiting.extend(imports.of(file))
    return sorted(file.relative_to(root).as_posix() for file in found)


def _whole_folder(start: Path, root: Path) -> list[Path]:
    """A function that is a folder takes all of it along: templates and other data beside the code."""
    if start.parent == root / "lambdas":
        return []
    own = root / "lambdas" / start.relative_to(root / "lambdas").parts[0]
    return [
        file
        for file in own.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name != "requirements.txt"
    ]


class _Imports:
    """What files of `lambdas/` import from there; kept by content, since parsing them all takes a while."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.file = cache / f"imports-{RULES}.json"
        self.known: dict[str, Any] = {}
        self.used: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            self.known = json.loads(self.file.read_bytes())

    def of(self, file: Path) -> list[Path]:
        """Files that a file imports by statement, or names in a string (for importlib)."""
        where = file.relative_to(self.root).as_posix()
        content = file.read_bytes()
        key = f"{where} {hashlib.sha256(content).hexdigest()}"
        self.used[key] = names, statements = self.known.get(key) or _module_names(where, content)
        for name, line in statements:
            if not _file_of(name, self.root) and not self.root.joinpath(*name.split(".")).is_dir():
                raise WorkflowError(f"{where}, line {line}: there is no module {name}")
        return [found for name in names if (found := _file_of(name, self.root))]

    def save(self) -> None:
        """Writes down what is new."""
        if not self.used.keys() <= self.known.keys():
            unfinished = self.file.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(self.known | self.used), encoding="utf-8")
            unfinished.replace(self.file)


def _module_names(where: str, content: bytes) -> tuple[list[str], list[tuple[str, int]]]:
    """Names in a file that may be modules of `lambdas`, and those that must be, with their lines."""
    try:
        tree = ast.parse(content, where)
    except SyntaxError as error:
        raise WorkflowError(f"{where}, line {error.lineno}: {error.msg}") from None
    package = PurePosixPath(where).with_suffix("").parts
    names: dict[str, None] = {}
    statements: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names.update(dict.fromkeys(alias.name for alias in node.names))
                statements.extend((alias.name, node.lineno) for alias in node.names)
            case ast.ImportFrom():
                # level 1 is the module's own package: for a/b.py and for a/__init__.py alike, that is a.
                prefix = [*package[: len(package) - node.level]] if node.level else []
                base = ".".join([*prefix, *filter(None, [node.module])])
                names.update(dict.fromkeys([base, *(f"{base}.{alias.name}" for alias in node.names)]))
                statements.append((base, node.lineno))
            case ast.Constant(value=str(text)) if text.startswith("lambdas."):
                names[text] = None
    return (
        [name for name in names if name.split(".")[0] == "lambdas"],
        [(name, line) for name, line in statements if name.split(".")[0] == "lambdas"],
    )


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
