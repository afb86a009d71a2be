"""What the files of `lambdas/` import, read without running them."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from workflow.errors import WorkflowError

__all__ = ["Imported", "Imports", "file_of"]

KEPT_FILES = 500
"""How many versions of files the cache keeps what they import of."""

_RULES = f"2 {sys.version_info.major}.{sys.version_info.minor}"
"""Part of every key in the cache: each Python has its own syntax and standard library.

Increase the number when the same file gives another result."""


class Imported(NamedTuple):
    """What a file imports.

    Attributes:
        files: Files of `lambdas/`.
        outside: Modules that are not of `lambdas/` or the standard library, with their lines.
    """

    files: list[Path]
    outside: list[tuple[str, int]]


class _Named(NamedTuple):
    """The modules that the text of a file names, with the lines of the imports.

    Attributes:
        inside: Modules of `lambdas`, or what could be one: then, its line is 0.
        outside: As `Imported`.
    """

    inside: list[tuple[str, int]]
    outside: list[tuple[str, int]]


class Imports:
    """What the files of a project import. For one build only: files change between two builds of a process.

    Parsing all files takes some tenths of a second, so what a text names is kept in the cache.

    Args:
        root: The project's folder, with `lambdas/`.
        cache: The folder to keep it in.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self._root = root
        self._kept = cache / "imports.json"
        self._named = _read(self._kept)
        self._grown = False
        self._imported: dict[Path, Imported] = {}
        self._packages: dict[Path, list[Path]] = {}
        self._files: dict[str, Path | None] = {}

    def of(self, file: Path) -> Imported:
        """Returns what a file imports by statement, or names in a string (for importlib).

        Raises:
            WorkflowError: It has a syntax error, or imports a module of `lambdas` that is missing.
        """
        if file not in self._imported:
            self._imported[file] = self._read(file)
        return self._imported[file]

    def closure(self, files: list[Path]) -> list[Path]:
        """Returns files of `lambdas/` and all that they import from there, directly or not, sorted.

        Raises:
            WorkflowError: As `of`.
        """
        found: set[Path] = set()
        waiting = list(files)
        while waiting:
            file = waiting.pop()
            if file in found:
                continue
            found.add(file)
            waiting.extend(self._packages_of(file.parent))
            if file.suffix == ".py":
                waiting.extend(self.of(file).files)
        return sorted(found)

    def _packages_of(self, folder: Path) -> list[Path]:
        """The `__init__` of a folder and of those around it: importing lambdas.a.b first runs lambdas and lambdas.a."""
        if folder not in self._packages:
            inside = [one for one in (folder, *folder.parents) if one.is_relative_to(self._root / "lambdas")]
            self._packages[folder] = [init for one in inside if (init := one / "__init__.py").is_file()]
        return self._packages[folder]

    def keep(self) -> None:
        """Writes the cache, if it was read in vain."""
        if not self._grown:
            return
        newest = list(self._named.items())[-KEPT_FILES:]
        with tempfile.TemporaryDirectory(dir=self._kept.parent) as scratch:
            unfinished = Path(scratch) / self._kept.name
            unfinished.write_text(json.dumps(dict(newest)), encoding="utf-8")
            unfinished.replace(self._kept)

    def _read(self, file: Path) -> Imported:
        where = file.relative_to(self._root).as_posix()
        content = file.read_bytes()
        key = hashlib.sha256(f"{_RULES} {where}\0".encode() + content).hexdigest()
        named = _checked(self._named.get(key))
        if named is None:
            named = self._named[key] = _named(where, content)
            self._grown = True
        found: list[Path] = []
        for name, line in named.inside:
            if name not in self._files:
                self._files[name] = file_of(name, self._root)
            if path := self._files[name]:
                found.append(path)
            elif line and not self._root.joinpath(*name.split(".")).is_dir():
                raise WorkflowError(f"{where}:{line}: module {name} does not exist")
        return Imported(found, named.outside)


def file_of(module: str, root: Path) -> Path | None:
    """Returns the file of a module; None if there is none."""
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _read(kept: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(kept.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _checked(kept: Any) -> _Named | None:
    with contextlib.suppress(TypeError, ValueError):
        return _Named(*([(str(name), int(line)) for name, line in names] for names in kept))
    return None


def _named(where: str, content: bytes) -> _Named:
    try:
        tree = ast.parse(content, where)
        # Compiling finds more than parsing, such as a `return` outside a function.
        compile(tree, where, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise WorkflowError(f"{where}:{error.lineno}: {error.msg}") from None
    inside = list(_names(tree, PurePosixPath(where).with_suffix("").parts))
    # A module that changes sys.path imports from a place that is not known here.
    return _Named(inside, [] if b"sys.path" in content else _outside(tree))


def _names(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Names of modules of `lambdas`, with the line of the import; 0 if the name could be of something else."""
    names: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names.extend((alias.name, node.lineno) for alias in node.names)
            case ast.ImportFrom():
                # level 1 is the module's own package: for a/b.py and for a/__init__.py alike, that is a.
                prefix = package[: len(package) - node.level] if node.level else ()
                base = ".".join([*prefix, *filter(None, [node.module])])
                names.append((base, node.lineno))
                names.extend((f"{base}.{alias.name}", 0) for alias in node.names)
            case ast.Constant(value=str(text)) if text.startswith("lambdas."):
                names.append((text, 0))
    return ((name, line) for name, line in names if name.split(".")[0] == "lambdas")


def _outside(tree: ast.Module) -> list[tuple[str, int]]:
    """The modules that importing this one and running its handler imports, not from `lambdas` or the standard library.

    An import inside an `if`, a `try`, a `with` or a function that the handler does not use is left out, because it can
    be optional.
    """
    found: dict[str, int] = {}
    waiting: list[ast.stmt] = list(reversed([*tree.body, *_run_by_handler(tree)]))
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


def _run_by_handler(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of the handler, and of the functions of its file that it uses, directly or not."""
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    waiting, seen = ["handler"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            yield from functions[name].body
            used = (node for part in functions[name].body for node in ast.walk(part))
            waiting.extend(node.id for node in used if isinstance(node, ast.Name))
