"""What a Lambda function of the stack is, and how a file in `lambdas/` becomes one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.stack.dependencies import how_to_lock, unlocked
from workflow.stack.grants import GRANTS, Permission
from workflow.stack.settings_errors import explained

__all__ = ["Function", "camel_case", "checked_permissions", "function", "requirements_of"]


@dataclass(frozen=True)
class Function:
    """One Lambda function of the stack.

    Attributes:
        name: In CamelCase. The logical ID in the template, and the end of the function's name.
        handler: The handler, from the root of the bundle: `lambdas.collect_review.handler`.
        description: One line, for the Lambda console.
        memory: In MB. CPU grows with it.
        timeout: In seconds.
        permissions: The permissions that it declares, in addition to writing its own logs.
        requirements: The locked, hashed file of its own dependencies. None if it has only the shared ones
            (requirements/lambdas.txt).
        place: File and line of its declaration, for errors.
    """

    name: str
    handler: str
    description: str = ""
    memory: int = 512
    timeout: int = 30
    permissions: tuple[Permission, ...] = ()
    requirements: Path | None = None
    place: str = field(default="", compare=False)

    @property
    def key_parameter(self) -> str:
        """The stack parameter that names the bundle's object in the artifact bucket."""
        return f"{self.name}Key"

    @property
    def revision_parameter(self) -> str:
        """The stack parameter that changes with the function, so that CloudFormation publishes a new version."""
        return f"{self.name}Revision"


def function(name: str, root: Path = ROOT) -> Function:
    """Returns the function in `lambdas/<name>.py` or in the folder `lambdas/<name>/`.

    Its module can declare more about it in a literal, which is read and never run::

        FUNCTION = {
            "memory": 1024,
            "timeout": 60,
            "permissions": [{"actions": ["sns:Publish"], "resources": ["arn:aws:sns:…"]}],
            "grants": ["start_loop"],
        }

    A grant is a named set of permissions that several functions need (`workflow/stack/grants.py`).

    The first line of the module's docstring is the description. The function's own dependencies are in
    `requirements.txt` in the folder, or in `lambdas/<name>.requirements.txt` next to the file.

    Raises:
        WorkflowError: There is no such function, Lambda cannot call its handler, its requirements are not
            locked, or its declaration is invalid.
        BundleError: Its lock has a requirement without a version or a hash.
    """
    source, module = _source_of(name, root)
    requirements = requirements_of(module, root)
    where = source.relative_to(root)
    tree = _parsed(source, where)
    _expect_handler(tree, where)
    _expect_lock(requirements, root)
    node = next((node for node in tree.body if _assigns(node, "FUNCTION")), None)
    place = f"{where}, line {node.lineno}: FUNCTION" if node else str(where)
    declared = _declared(node, place)
    granted = (permission for grant in declared.grants for permission in GRANTS[grant])
    return Function(
        name=camel_case(name),
        handler=f"{module}.handler",
        description=(ast.get_docstring(tree) or name).partition("\n")[0],
        memory=declared.memory,
        timeout=declared.timeout,
        permissions=(*granted, *declared.permissions),
        requirements=requirements if requirements.is_file() else None,
        place=place,
    )


def camel_case(name: str) -> str:
    """Returns `CollectReview` for `collect_review`."""
    return "".join(part.capitalize() for part in name.split("_"))


def requirements_of(module: str, root: Path = ROOT) -> Path:
    """Returns the path, existing or not, of the lock for the dependencies of a module (`lambdas.<name>…`)."""
    folder, name = root / "lambdas", module.split(".")[1]
    file = folder / f"{name}.py"
    return folder / f"{name}.requirements.txt" if file.is_file() else folder / name / "requirements.txt"


def _source_of(name: str, root: Path) -> tuple[Path, str]:
    """Source file and module of a function."""
    folder = root / "lambdas"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise WorkflowError(
            f"{name!r} is not a valid name of a function; use lowercase letters, digits and underscores"
        )
    if (file := folder / f"{name}.py").is_file():
        return file, f"lambdas.{name}"
    for inside in ("handler.py", "__init__.py"):
        if (file := folder / name / inside).is_file():
            return file, f"lambdas.{name}.handler" if inside == "handler.py" else f"lambdas.{name}"
    known = [file.stem for file in folder.glob("*.py")] + [
        file.parent.name for file in folder.glob("*/handler.py")
    ]
    close = get_close_matches(name, known, 1)
    raise WorkflowError(
        f"function {name!r} does not exist: {f'use {close[0]!r}, or ' if close else ''}write lambdas/{name}.py "
        f"or lambdas/{name}/handler.py with `def handler(event, context):`"
    )


def _parsed(source: Path, where: Path) -> ast.Module:
    try:
        return ast.parse(source.read_bytes(), str(source))
    except SyntaxError as error:
        raise WorkflowError(f"{where}, line {error.lineno}: {error.msg}") from None


def _expect_handler(tree: ast.Module, where: Path) -> None:
    """Refuses a handler that Lambda cannot call with the event and the context, by position."""
    handlers = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == "handler") or _assigns(node, "handler")
    ]
    if not handlers:
        raise WorkflowError(f"{where}: defines no `handler`; write `def handler(event, context):`")
    # The last definition counts, as in Python.
    match handlers[-1]:
        case (
            ast.FunctionDef(decorator_list=[], args=taken)
            | ast.Assign(value=ast.Lambda(args=taken))
            | ast.AnnAssign(value=ast.Lambda(args=taken))
        ) as handler:
            pass
        case _:
            return  # Only a run shows what a decorator or a call returns.
    place = f"{where}, line {handler.lineno}: `handler`"
    positional = len(taken.posonlyargs) + len(taken.args)
    required = positional - len(taken.defaults)
    # `*args` takes the rest, however few parameters are before it.
    if required > 2 or (positional < 2 and not taken.vararg):
        count = required if required > 2 else positional
        raise WorkflowError(
            f"{place} takes {count or 'no'} argument{'' if count == 1 else 's'}, but Lambda calls it with two: "
            "write `def handler(event, context):`"
        )
    for argument, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        if default is None:
            raise WorkflowError(
                f"{place} needs {argument.arg!r}, but Lambda passes only the event and the context: add a default"
            )


def _expect_lock(lock: Path, root: Path) -> None:
    """Refuses a `requirements.in` without a lock that has all of it."""
    written = lock.with_suffix(".in")
    if not written.is_file():
        return
    shown, target = (path.relative_to(root).as_posix() for path in (written, lock))
    how = f"lock it: {how_to_lock(shown)}"
    if not lock.is_file():
        raise WorkflowError(
            f"{shown}: {target} is missing, so the bundle would have no dependency in it; {how}"
        )
    if missing := unlocked(written, lock):
        raise WorkflowError(f"{shown}: {target} does not have {', '.join(missing)}; {how}")


def _expect_grant(name: str) -> str:
    if name not in GRANTS:
        raise ValueError(f"grant {name!r} does not exist; the grants are {', '.join(GRANTS)}")
    return name


class _Declaration(BaseModel):
    """The literal `FUNCTION` of a module."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    memory: int = Field(default=Function.memory, ge=128, le=10_240, strict=True)
    """The memory in MB."""
    timeout: int = Field(default=Function.timeout, ge=1, le=900, strict=True)
    """The timeout in seconds."""
    permissions: tuple[Permission, ...] = ()
    """A list of `{"actions": [...], "resources": [...]}`."""
    grants: tuple[Annotated[str, AfterValidator(_expect_grant)], ...] = ()
    """A list of names."""


def _declared(node: ast.stmt | None, place: str) -> _Declaration:
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return _Declaration()
    try:
        return _Declaration.model_validate(ast.literal_eval(node.value))
    except ValidationError as error:
        raise WorkflowError(f"{place}: {explained(error, _Declaration)}") from None
    except ValueError:
        raise WorkflowError(
            f"{place}: must be a literal dictionary: Afterloop reads it without running the file"
        ) from None


def checked_permissions(declared: Any, place: str) -> tuple[Permission, ...]:
    """Returns the permissions in a list of `{"actions": [...], "resources": [...]}`.

    Raises:
        WorkflowError: The list is invalid. The message names the place.
    """
    try:
        return TypeAdapter(tuple[Permission, ...]).validate_python(declared)
    except ValidationError as error:
        raise WorkflowError(f"{place}: {explained(error, Permission)}") from None


def _assigns(node: ast.stmt, name: str) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == name for target in targets)
        case ast.AnnAssign(target=ast.Name(id=target)):
            return target == name
    return False
