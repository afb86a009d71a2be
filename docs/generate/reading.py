"""Reads documentation from the source: docstrings of attributes, sections of docstrings, exceptions.

The source is parsed and not imported: your functions can need packages that are not installed here.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import NamedTuple

from docs.generate.markdown import prose
from workflow import ROOT

__all__ = [
    "ExceptionClass",
    "attribute_docs",
    "exceptions",
    "first_paragraph",
    "section",
    "trees",
    "words_of",
]


class ExceptionClass(NamedTuple):
    """An exception class: its name, the names of its base classes, and the first paragraph of its docstring."""

    name: str
    bases: tuple[str, ...]
    doc: str


def attribute_docs(model: type) -> dict[str, str]:
    """Returns the docstrings of a class's attributes, also those in the section `Attributes:` of its own docstring."""
    nodes = ast.walk(_parsed(Path(inspect.getfile(model))))
    found = next(node for node in nodes if isinstance(node, ast.ClassDef) and node.name == model.__name__)
    below = {name: prose(doc) for name, doc in _docs_below(found)}
    return section(ast.get_docstring(found) or "", "Attributes") | below


def section(doc: str, name: str) -> dict[str, str]:
    """Returns a section of a Google style docstring, such as `Raises:`, name → text."""
    match = re.search(rf"^{name}:\n((?:(?:[ ]+.*)?\n?)*)", doc, re.MULTILINE)
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", dedent(match[1])) if match else ():
        key, colon, text = entry.partition(":")
        if colon and re.fullmatch(r"[\w, ]+", key):
            found |= dict.fromkeys((part.strip() for part in key.split(",")), prose(text))
    return found


def words_of(module: ModuleType, name: str) -> dict[str, str]:
    """Returns word → meaning, from the lines `word: meaning` below the module's `NAME = Literal[…]`."""
    doc = dict(_docs_below(_parsed(Path(inspect.getfile(module)))))[name]
    return dict(re.findall(r"^(\w+): (.+)$", doc, re.MULTILINE))


def first_paragraph(doc: str) -> str:
    """Returns the first paragraph of a docstring, on one line."""
    return prose(doc.partition("\n\n")[0])


def exceptions(*packages: str, root: str = "") -> list[ExceptionClass]:
    """Returns the public exceptions of packages of the project, in the order of modules and lines.

    Args:
        packages: Names of packages, such as `lambdas`.
        root: Return only this class and its subclasses. By default, all exceptions.
    """
    classes = [
        ExceptionClass(
            node.name,
            tuple(base.id if isinstance(base, ast.Name) else ast.unparse(base) for base in node.bases),
            first_paragraph(ast.get_docstring(node) or ""),
        )
        for package in packages
        for _, tree in trees(package)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    known = {root} if root else {one.__name__ for one in vars(builtins).values() if _is_exception(one)}
    # A subclass can come before its base class, so repeat until nothing is added.
    while more := {one.name for one in classes if known & set(one.bases)} - known:
        known |= more
    # By the bases: another class can have the name of an exception.
    return [one for one in classes if one.name == root or known & set(one.bases)]


def trees(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yields the modules of a package of the project, parsed."""
    for file in sorted((ROOT / package).rglob("*.py")):
        yield file, _parsed(file)


def _is_exception(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Exception)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def _docs_below(node: ast.ClassDef | ast.Module) -> Iterator[tuple[str, str]]:
    """Yields each name that is assigned in a class or module, with the string below it (PEP 257)."""
    for field, text in pairwise(node.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                yield name, doc
