"""What a Lambda function of the stack is, and how a file in `lambdas/` becomes one."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.stack.grants import GRANTS, Permission
from workflow.stack.handlers import expect_handler, parsed
from workflow.stack.locks import Lock, how_to_lock, read_lock, unlocked
from workflow.stack.settings_errors import explained
from workflow.stack.targets import aws

__all__ = [
    "SHARED_REQUIREMENTS",
    "Function",
    "camel_case",
    "checked_permissions",
    "function",
    "names_in",
    "requirements_of",
    "source_of",
]

SHARED_REQUIREMENTS = Path("requirements/lambdas.txt")
"""The lock of what all functions share, from the project's folder."""


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
    source, module = source_of(name, root)
    requirements = requirements_of(module, root)
    where = source.relative_to(root).as_posix()
    tree = parsed(source, root)
    expect_handler(tree, source, root)
    _expect_lock(requirements, root)
    node = _declaration_in(tree, where)
    place = f"{where}:{node.lineno}: FUNCTION" if node else where
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


_NAME = re.compile(r"[a-z][a-z0-9_]*")


def names_in(root: Path) -> list[str]:
    """Returns the names of the files and folders in `lambdas/` that can be functions, sorted."""
    folder = root / "lambdas"
    names = {file.stem for file in folder.glob("*.py") if file.is_file()}
    names |= {file.parent.name for file in folder.glob("*/handler.py")}
    return sorted(name for name in names if _NAME.fullmatch(name))


def source_of(name: str, root: Path) -> tuple[Path, str]:
    """Returns the source file and the module of a function.

    Raises:
        WorkflowError: There is no such function, or two.
    """
    folder = root / "lambdas"
    if not _NAME.fullmatch(name):
        raise WorkflowError(
            f"{name!r} is not a valid name of a function; use lowercase letters, digits and underscores"
        )
    if (file := folder / f"{name}.py").is_file():
        if any((folder / name / inside).is_file() for inside in ("handler.py", "__init__.py")):
            raise WorkflowError(
                f"lambdas/{name}.py and the folder lambdas/{name}/ have one name, of which Python imports only one: "
                "rename one of them"
            )
        return file, f"lambdas.{name}"
    for inside in ("handler.py", "__init__.py"):
        if (file := folder / name / inside).is_file():
            return file, f"lambdas.{name}.handler" if inside == "handler.py" else f"lambdas.{name}"
    close = get_close_matches(name, names_in(root), 1)
    raise WorkflowError(
        f"function {name!r} does not exist: {f'use {close[0]!r}, or ' if close else ''}write lambdas/{name}.py "
        f"or lambdas/{name}/handler.py with `def handler(event, context):`"
    )


def _expect_lock(lock: Path, root: Path) -> None:
    """Refuses a `requirements.in` without a lock that has all of it."""
    written = lock.with_suffix(".in")
    if not written.is_file():
        return
    shown, target = (path.relative_to(root).as_posix() for path in (written, lock))
    how = f"lock it: {how_to_lock(written)}"
    if not lock.is_file():
        raise WorkflowError(
            f"{shown}: {target} is missing, so the bundle would have no dependency in it; {how}"
        )
    # Only what a function needs in addition is in its own lock.
    shared = root / SHARED_REQUIREMENTS
    environment = aws().environment
    locked: Lock = read_lock(*([shared] if shared.is_file() else []), lock, environment=environment)
    if missing := unlocked(written, locked, environment):
        raise WorkflowError(f"{shown}: {target} does not have {', '.join(missing)}; {how}")


def _expect_grant(name: str) -> str:
    if name not in GRANTS:
        raise ValueError(f"grant {name!r} does not exist; the grants are {', '.join(GRANTS)}")
    return name


class _Declaration(BaseModel):
    """The literal `FUNCTION` of a module."""

    model_config = ConfigDict(extra="forbid")

    memory: int = Field(default=Function.memory, ge=128, le=10_240, strict=True)
    """The memory in MB."""
    timeout: int = Field(default=Function.timeout, ge=1, le=900, strict=True)
    """The timeout in seconds."""
    permissions: tuple[Permission, ...] = ()
    """A list of `{"actions": [...], "resources": [...]}`."""
    grants: tuple[Annotated[str, AfterValidator(_expect_grant)], ...] = ()
    """A list of names."""


def _declaration_in(tree: ast.Module, where: str) -> ast.Assign | ast.AnnAssign | None:
    """The statement that assigns `FUNCTION`. The file is not run, so nothing else can set or change it."""
    found = None
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="FUNCTION")])
                | ast.AnnAssign(target=ast.Name(id="FUNCTION"), value=ast.expr())
            ) if not found:
                found = node
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if _resembles(name, keys):
                raise WorkflowError(
                    f"{where}:{node.lineno}: nothing reads `{name}`; did you mean `FUNCTION`?"
                )
            case _ if any(_changes_declaration(one) for one in ast.walk(node)):
                raise WorkflowError(
                    f"{where}:{node.lineno}: FUNCTION: write all of it in one literal: Afterloop reads it without "
                    "running the file"
                )
    return found


def _resembles(name: str, keys: Sequence[ast.expr | None]) -> bool:
    words = {key.value for key in keys if isinstance(key, ast.Constant)}
    is_close = name != "FUNCTION" and get_close_matches(name.upper(), ["FUNCTION"], 1)
    return bool(is_close and words & _Declaration.model_fields.keys())


def _changes_declaration(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="FUNCTION", ctx=ast.Store()):
            return True
        case ast.Subscript(value=ast.Name(id="FUNCTION"), ctx=ast.Store()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="FUNCTION"), attr="update" | "setdefault")):
            return True
    return False


def _declared(node: ast.Assign | ast.AnnAssign | None, place: str) -> _Declaration:
    if node is None or node.value is None:
        return _Declaration()
    try:
        return _Declaration.model_validate(ast.literal_eval(node.value))
    except ValidationError as error:
        raise WorkflowError(f"{place}: {explained(error, _Declaration)}") from None
    except (ValueError, TypeError):
        raise WorkflowError(
            f"{place}: must be a literal dictionary: Afterloop reads it without running the file"
            f"{_not_literal(node.value)}"
        ) from None


def _not_literal(value: ast.expr) -> str:
    """Which part of a declaration is no literal; empty if it has no parts."""
    for part in [*value.keys, *value.values] if isinstance(value, ast.Dict) else []:
        try:
            ast.literal_eval(part or value)
        except (ValueError, TypeError):
            return f": write the value of {ast.unparse(part)[:60]!r}" if part else ": write out **"
    return ""


def checked_permissions(declared: Any, place: str) -> tuple[Permission, ...]:
    """Returns the permissions in a list of `{"actions": [...], "resources": [...]}`.

    Raises:
        WorkflowError: The list is invalid. The message names the place.
    """
    try:
        return TypeAdapter(tuple[Permission, ...]).validate_python(declared)
    except ValidationError as error:
        raise WorkflowError(f"{place}: {explained(error, Permission)}") from None
