"""What the code says about itself: docstrings of fields, of sections, of exceptions. Read, never run."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Union, get_args, get_origin

from docs.generate.markdown import prose
from workflow import ROOT

__all__ = [
    "ExceptionClass",
    "attribute_docs",
    "doc_of",
    "exceptions",
    "first_paragraph",
    "plain_type",
    "section",
    "trees",
    "words_of",
]


@dataclass(frozen=True)
class ExceptionClass:
    """An exception that the code defines.

    Attributes:
        name: The class's.
        module: Where it is, `lambdas.loops.start_request`.
        bases: Names of the classes that it is made from.
        doc: The first paragraph of its docstring.
    """

    name: str
    module: str
    bases: tuple[str, ...]
    doc: str


def attribute_docs(model: type) -> dict[str, str]:
    """Name → meaning of a class's attributes: from texts below them, or from its docstring's `Attributes:`."""
    node = _class(Path(inspect.getfile(model)), model.__name__)
    return {**section(doc_of(node), "Attributes"), **dict(_texts_below(node))}


def section(doc: str, name: str) -> dict[str, str]:
    """A section of a Google style docstring, such as `Raises:`: name → text."""
    match = re.search(rf"^{name}:\n((?:(?:[ ]+.*)?\n?)*)", doc, re.MULTILINE)
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", inspect.cleandoc(match[1])) if match else ():
        key, colon, text = entry.partition(":")
        if colon and re.fullmatch(r"[\w, ]+", key):
            found |= dict.fromkeys((part.strip() for part in key.split(",")), prose(text))
    return found


def plain_type(annotation: Any) -> Any:
    """A type without what `Annotated` adds to it, and without its None."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain_type(arguments[0])
    if origin in (Union, types.UnionType):
        return plain_type(next(one for one in arguments if one is not type(None)))
    return annotation


def words_of(module: ModuleType, name: str) -> dict[str, str]:
    """Word → meaning, from the text below the module's `NAME = Literal[…]`: a line `word: meaning` each."""
    statements = _parsed(Path(inspect.getfile(module))).body
    for statement, text in pairwise(statements):
        match statement, text:
            case (
                ast.Assign(targets=[ast.Name(id=target)]),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ) if target == name:
                return {
                    word: prose(meaning) for word, meaning in re.findall(r"^(\w+): (.+)$", doc, re.MULTILINE)
                }
    raise LookupError(f"{module.__name__} has no text below {name}")


def doc_of(node: ast.AST) -> str:
    """The docstring of a class, function or module."""
    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Module)
    return ast.get_docstring(node) or ""


def first_paragraph(doc: str) -> str:
    """The first paragraph of a docstring, on one line."""
    return prose(doc.partition("\n\n")[0])


def exceptions(*packages: str, root: str = "") -> list[ExceptionClass]:
    """The public exceptions of packages of the project, in the order of modules and lines.

    Args:
        packages: Names of packages, `lambdas`.
        root: Only this class and what is made from it. By default, all exceptions.
    """
    classes = [
        ExceptionClass(
            node.name,
            ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
            tuple(base.id if isinstance(base, ast.Name) else ast.unparse(base) for base in node.bases),
            first_paragraph(doc_of(node)),
        )
        for package in packages
        for file, tree in trees(package)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    known = {root} if root else {one.__name__ for one in vars(builtins).values() if _is_exception(one)}
    while more := {one.name for one in classes if known & set(one.bases)} - known:
        known |= more
    return [one for one in classes if one.name in known]


def _is_exception(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Exception)


def trees(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """The modules of a package of the project, parsed."""
    for file in sorted((ROOT / package).rglob("*.py")):
        yield file, _parsed(file)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


def _class(file: Path, name: str) -> ast.ClassDef:
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{file} has no class {name}")


def _texts_below(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                yield name, prose(doc)
