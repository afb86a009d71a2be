"""Whether Lambda can call the `handler` of a module, as far as the file shows without being run."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from workflow.errors import WorkflowError

__all__ = ["expect_handler", "is_function", "parsed"]

_WRITE = "write `def handler(event, context):`"

_OTHER_NAMES = ("lambda_handler", "main", "handle", "run")
"""What other projects call it."""

MAX_HOPS = 5
"""How many times a handler may have been assigned or imported from elsewhere, until nobody follows it."""


def parsed(source: Path, root: Path) -> ast.Module:
    """Reads a module without running it.

    Raises:
        WorkflowError: Python cannot import it.
    """
    where = source.relative_to(root).as_posix()
    try:
        tree = ast.parse(importlib.util.decode_source(source.read_bytes()), str(source))
        with warnings.catch_warnings(action="ignore"):
            compile(tree, str(source), "exec")  # finds `return` and `await` in a wrong place
    except SyntaxError as error:
        at = f":{error.lineno}" if error.lineno else ""
        # Without a line, it is about the bytes of the file.
        advice = "" if error.lineno else "; save the file as UTF-8"
        raise WorkflowError(f"{where}{at}: {type(error).__name__}: {error.msg}{advice}") from None
    except ValueError as error:  # bytes that are not text
        raise WorkflowError(f"{where}: {error}; save the file as UTF-8") from None
    except OSError as error:
        raise WorkflowError(f"{where}: cannot be read: {error.strerror}") from None
    return tree


def is_function(source: Path, root: Path) -> bool:
    """Whether a file has a `handler`, so that it is a function and no module of functions."""
    try:
        return any(_bindings(parsed(source, root).body, "handler"))
    except WorkflowError:
        return False


def expect_handler(tree: ast.Module, source: Path, root: Path) -> None:
    """Refuses a handler that Lambda cannot call with the event and the context, by position.

    A handler that is decorated, or made by a call, is accepted: only a run shows what it is.

    Args:
        tree: The module.
        source: Its file.
        root: The folder that has `lambdas/`.

    Raises:
        WorkflowError: There is none, or it is no plain function of two parameters.
    """
    _expect(tree, "handler", source.relative_to(root), root, MAX_HOPS)


def _bindings(statements: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Yields the statements that bind a name of a module, also in its conditions and `try` blocks, in their order."""
    for statement in statements:
        if _binds(statement, name):
            yield statement
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for block in _blocks(statement):
                yield from _bindings(block, name)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        for field in ("body", "orelse", "finalbody"):
            if block := getattr(part, field, None):
                yield block


def _binds(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return statement.name == name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((one.asname or one.name) in (name, "*") for one in names)
        case ast.Assign(targets=targets):
            return any(name in _names(target) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr()) | ast.AugAssign(target=target):
            return name in _names(target)
    return False


def _names(target: ast.expr) -> set[str]:
    return {
        one.id for one in ast.walk(target) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def _expect(tree: ast.Module, name: str, where: Path, root: Path, hops: int) -> None:
    found = list(_bindings(tree.body, name))
    if not found:
        raise WorkflowError(f"{where.as_posix()}: {_missing(tree, name)}")
    # The last definition counts, as in Python.
    node = found[-1]
    place = f"{where.as_posix()}:{node.lineno}: `{name}`"
    match node:
        case ast.ClassDef(decorator_list=[]):
            raise WorkflowError(f"{place} is a class, and Lambda cannot return its instance: {_WRITE}")
        case ast.AsyncFunctionDef(decorator_list=[]):
            raise WorkflowError(
                f"{place} is a coroutine (`async def`), which Lambda does not run: {_WRITE}, and call "
                "asyncio.run(…) in it"
            )
        case ast.FunctionDef(decorator_list=[]):
            _expect_function(node, place)
        case ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(value=ast.expr() as value):
            _expect_value(value, name, place, tree, where, root, hops)
        case ast.ImportFrom() if hops:
            _expect_imported(node, name, where, root, hops)


def _expect_value(
    value: ast.expr, name: str, place: str, tree: ast.Module, where: Path, root: Path, hops: int
) -> None:
    match value:
        case ast.Lambda():
            _expect_parameters(value.args, place)
        case ast.Name(id=other) if hops and other != name and any(_bindings(tree.body, other)):
            _expect(tree, other, where, root, hops - 1)
        case ast.Constant() | ast.Dict() | ast.List() | ast.Tuple() | ast.Set() | ast.JoinedStr():
            raise WorkflowError(f"{place} is {ast.unparse(value)[:60]}, not a function: {_WRITE}")


def _expect_imported(node: ast.ImportFrom, name: str, where: Path, root: Path, hops: int) -> None:
    """Follows a handler into another file of the project, which is in the bundle too."""
    original = next((one.name for one in node.names if (one.asname or one.name) == name), None)
    folder = (root / where).parents[node.level - 1] if node.level else root
    file = folder.joinpath(*(node.module or "").split(".")).with_suffix(".py")
    if original and file.is_file() and file.is_relative_to(root / "lambdas"):
        _expect(parsed(file, root), original, file.relative_to(root), root, hops - 1)


def _missing(tree: ast.Module, name: str) -> str:
    functions = [
        one.name
        for one in tree.body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    close = get_close_matches(name, functions, 1) or [one for one in _OTHER_NAMES if one in functions]
    return (
        f"defines no `{name}`; {f'rename `{close[0]}`, or ' if close and name == 'handler' else ''}{_WRITE}"
    )


def _expect_function(function: ast.FunctionDef, place: str) -> None:
    if line := next(_yields(function.body), None):
        raise WorkflowError(
            f"{place} is a generator (`yield` in line {line}), which Lambda does not run: return a list"
        )
    _expect_parameters(function.args, place)


def _yields(nodes: list[ast.stmt] | list[ast.AST]) -> Iterator[int]:
    """Yields the lines with a `yield` of this function, not of functions in it."""
    for node in nodes:
        if isinstance(node, ast.Yield | ast.YieldFrom):
            yield node.lineno
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _yields(list(ast.iter_child_nodes(node)))


def _expect_parameters(taken: ast.arguments, place: str) -> None:
    positional = len(taken.posonlyargs) + len(taken.args)
    required = positional - len(taken.defaults)
    # `*args` takes the rest, however few parameters are before it.
    if required > 2 or (positional < 2 and not taken.vararg):
        count = required if required > 2 else positional
        raise WorkflowError(
            f"{place} takes {count or 'no'} argument{'' if count == 1 else 's'}, but Lambda calls it with two: "
            f"{_WRITE}"
        )
    for argument, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        if default is None:
            raise WorkflowError(
                f"{place} needs {argument.arg!r}, but Lambda passes only the event and the context: add a default"
            )
