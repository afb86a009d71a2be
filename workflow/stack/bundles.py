"""The zips that the functions' code travels in: the same input gives the same bytes and the same name.

A bundle has the part of the package `lambdas/` that its function imports, and the function's locked
dependencies. It is named by a digest of all that goes in, so that a function whose code did not change
keeps its bundle, and a publish leaves it alone. boto3 is Lambda's own. A module that a function imports and that is
neither in its bundle nor there on Lambda is told here: on AWS it would fail at the first call.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

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

__all__ = ["Bundle", "Function", "Target", "aws", "build_bundles", "function", "local"]

SHARED_REQUIREMENTS = Path("requirements/lambdas.txt")

BUNDLE_NAME_LENGTH = 32
IMPORTS_VERSION = "2"
"""Of the file that remembers imports: raise it when something else is kept of them."""

LAMBDA_HAS = frozenset(
    {
        *("awslambdaric", "snapshot_restore_py"),
        *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
    }
)
"""Modules of Lambda's Python runtime beside the standard library."""

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
        WorkflowError: a function's source is missing or is not Python, or it imports what will not be there.
    """
    cache = cache or root / ".build"
    imports = _Imports(root, cache)
    functions = list(functions)
    dependencies = {one.name: _dependencies(one, target, root, cache) for one in functions}
    sources = {one.name: _sources(one, root, imports) for one in functions}
    absent = [
        line
        for one in functions
        for line in _absent(one, sources[one.name].imported, dependencies[one.name], imports)
    ]
    if absent:
        raise WorkflowError("\n".join(absent))
    bundles = {
        one.name: _bundle(sources[one.name].files, dependencies[one.name], target, root, cache)
        for one in functions
    }
    imports.save()
    _prune(cache, {bundle.path for bundle in bundles.values()})
    return bundles


def _dependencies(of: Function, target: Target, root: Path, cache: Path) -> Path:
    own = [of.requirements] if of.requirements else []
    return dependencies_zip(read_lock(root / SHARED_REQUIREMENTS, *own), target, cache)


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
                        # As for the dependencies; the source stays, for tracebacks that show lines.
                        add_entry(archive, importlib.util.cache_from_source(name), compiled(name, content))
            unfinished.replace(bundle.path)
    return bundle


def _absent(of: Function, files: Iterable[str], dependencies: Path, imports: _Imports) -> Iterator[str]:
    """A line for each import of a function's files that nothing provides."""
    for file in files:
        for module, line in imports.outside(file):
            if module not in LAMBDA_HAS and module not in _modules(dependencies):
                written = requirements_of(of.handler, imports.root).with_suffix(".in")
                shown = written.relative_to(imports.root).as_posix()
                yield (
                    f"{file}, line {line}: imports {module}, which is neither in the bundle of {of.name} nor in "
                    f"Lambda's Python: name what provides it in {shown}, and lock that: {how_to_lock(shown)}"
                )


@functools.cache
def _modules(dependencies: Path) -> frozenset[str]:
    """The modules and packages that a zip of dependencies has at its top."""
    with zipfile.ZipFile(dependencies) as archive:
        return frozenset(name.split("/")[0].split(".")[0] for name in archive.namelist())


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


@dataclass(frozen=True)
class _Sources:
    """Files of `lambdas/`, from the root of the project."""

    files: list[str]
    """What a function needs: its own, and all that they import, directly or not."""
    imported: list[str]
    """Of these, what its handler's module imports, directly or not, and itself."""


def _sources(of: Function, root: Path, imports: _Imports) -> _Sources:
    module = of.handler.rpartition(".")[0]
    start = _file_of(module, root)
    if start is None:
        raise WorkflowError(
            f"the function {of.name} has the handler {of.handler}, and there is no module {module}"
        )
    return _Sources(
        files=_with_imports([start, *_whole_folder(start, root)], root, imports),
        imported=_with_imports([start], root, imports),
    )


def _with_imports(waiting: list[Path], root: Path, imports: _Imports) -> list[str]:
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
        if file.is_file()
        and "__pycache__" not in file.parts
        and file.name not in ("requirements.in", "requirements.txt")
    ]


class _Imports:
    """What files of `lambdas/` import, from there and elsewhere; kept by content, since parsing takes a while."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.file = cache / f"imports-{IMPORTS_VERSION}.json"
        self.known: dict[str, Any] = {}
        self.used: dict[str, Any] = {}
        self.found: dict[str, tuple[list[Path], _Lines]] = {}
        with contextlib.suppress(OSError, ValueError):
            self.known = json.loads(self.file.read_bytes())

    def of(self, file: Path) -> list[Path]:
        """Files that a file imports by statement, or names in a string (for importlib)."""
        where = file.relative_to(self.root).as_posix()
        if where not in self.found:
            content = file.read_bytes()
            key = f"{where} {hashlib.sha256(content).hexdigest()}"
            self.used[key] = found = self.known.get(key) or _module_names(where, content)
            for name, line in found[1]:
                if not _file_of(name, self.root) and not self.root.joinpath(*name.split(".")).is_dir():
                    raise WorkflowError(f"{where}, line {line}: there is no module {name}")
            self.found[where] = [path for name in found[0] if (path := _file_of(name, self.root))], found[2]
        return self.found[where][0]

    def outside(self, where: str) -> _Lines:
        """Modules from elsewhere that a file surely imports when it is imported itself, with their lines."""
        return self.found[where][1]

    def save(self) -> None:
        """Writes down what is new."""
        if not self.used.keys() <= self.known.keys():
            unfinished = self.file.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(self.known | self.used), encoding="utf-8")
            unfinished.replace(self.file)


_Lines = list[tuple[str, int]]


def _module_names(where: str, content: bytes) -> tuple[list[str], _Lines, _Lines]:
    """Names in a file that may be modules of `lambdas`, those that must be, with their lines, and those of others."""
    try:
        tree = ast.parse(content, where)
        compile(tree, where, "exec", dont_inherit=True)  # Finds more: a `return` outside of a function, say.
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
        _from_outside(tree),
    )


def _from_outside(tree: ast.Module) -> _Lines:
    """What a module imports in any case when it is imported, and not from `lambdas` or the standard library.

    Left out is what an `if`, a `try` or a `with` decides, what a function imports when it is called, and all of a
    module that changes where Python looks.
    """
    if any(
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
        for node in ast.walk(tree)
    ):
        return []
    found: dict[str, int] = {}
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        match waiting.pop():
            case ast.Import(names=names, lineno=line):
                for alias in names:
                    found.setdefault(alias.name.split(".")[0], line)
            case ast.ImportFrom(module=str(module), level=0, lineno=line):
                found.setdefault(module.split(".")[0], line)
            case ast.ClassDef(body=body):
                waiting.extend(reversed(body))
    known = {"lambdas", *sys.stdlib_module_names}
    return [(module, line) for module, line in found.items() if module not in known]


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
