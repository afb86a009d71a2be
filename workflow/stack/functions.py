"""What a Lambda function of the stack is, and how a file in `lambdas/` becomes one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.stack.dependencies import how_to_lock, unlocked
from workflow.stack.grants import GRANTS, Permission

__all__ = ["Function", "checked_permissions", "function", "requirements_of"]


@dataclass(frozen=True)
class Function:
    """One Lambda function of the stack.

    Attributes:
        name: in CamelCase; the logical id in the template, and the end of the function's name.
        handler: where its code starts, from the root of the bundle: `lambdas.collect_review.handler`.
        description: one line, for the Lambda console.
        memory: in MB; CPU grows with it.
        timeout: in seconds, always given: Lambda's own default is 3.
        permissions: what the function declares beside its code that it may do.
        requirements: the locked, hashed file of its own dependencies; None for the shared ones
            (requirements/lambdas.txt), which it then shares a bundle with.
        place: file and line of what it declares, for errors.
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
        """The stack parameter that changes with the function, so that a version of it is made."""
        return f"{self.name}Revision"


def function(name: str, root: Path = ROOT) -> Function:
    """The function that `lambdas/<name>.py` or the folder `lambdas/<name>/` holds.

    Its module may say more about it in a literal (it is read, never run)::

        FUNCTION = {
            "memory": 1024,
            "timeout": 60,
            "permissions": [{"actions": ["sns:Publish"], "resources": ["arn:aws:sns:…"]}],
            "grants": ["start_loop"],
        }

    A grant stands for permissions that several functions need (`workflow/stack/grants.py`).

    The first line of the module's docstring is the description. A file `requirements.txt` in the folder,
    or `lambdas/<name>.requirements.txt` beside the file, is what the function depends on.

    Raises:
        WorkflowError: there is no such function, Lambda cannot call it, its requirements are not locked, or what
            it says about itself cannot be.
        BundleError: its lock has a requirement without version or hash.
    """
    source, module = _source_of(name, root)
    requirements = requirements_of(module, root)
    tree = _parsed(source, root)
    _expect_handler(tree, source.relative_to(root))
    _expect_lock(requirements, root)
    declared = _declared(tree, source.relative_to(root))
    return Function(
        name="".join(part.capitalize() for part in name.split("_")),
        handler=f"{module}.handler",
        description=(ast.get_docstring(tree) or name).partition("\n")[0],
        memory=declared.get("memory", Function.memory),
        timeout=declared.get("timeout", Function.timeout),
        permissions=declared.get("permissions", ()),
        requirements=requirements if requirements.is_file() else None,
        place=_place_of_declared(tree, source.relative_to(root)),
    )


def requirements_of(module: str, root: Path = ROOT) -> Path:
    """Where the lock of a function's own dependencies is, or would be, by its module (`lambdas.<name>…`)."""
    folder, name = root / "lambdas", module.split(".")[1]
    file = folder / f"{name}.py"
    return folder / f"{name}.requirements.txt" if file.is_file() else folder / name / "requirements.txt"


def _source_of(name: str, root: Path) -> tuple[Path, str]:
    """Source file and module of a function."""
    folder = root / "lambdas"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise WorkflowError(
            f"{name!r} cannot name a function; use lower-case letters, digits and underscores"
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
        f"there is no function {name!r}: {f'name {close[0]!r}, or ' if close else ''}write lambdas/{name}.py, "
        f"or lambdas/{name}/handler.py, with `def handler(event, context):`"
    )


def _parsed(source: Path, root: Path) -> ast.Module:
    try:
        return ast.parse(source.read_bytes(), str(source))
    except SyntaxError as error:
        raise WorkflowError(f"{source.relative_to(root)}, line {error.lineno}: {error.msg}") from None


def _expect_handler(tree: ast.Module, where: Path) -> None:
    """A handler that Lambda can call: with the event and the context, by position."""
    handlers = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == "handler") or _assigns(node, "handler")
    ]
    if not handlers:
        raise WorkflowError(f"{where}: defines no `handler`; write `def handler(event, context):`")
    match handlers[-1]:
        case ast.FunctionDef(decorator_list=[], args=taken) as handler:
            pass
        case (
            ast.Assign(value=ast.Lambda(args=taken)) | ast.AnnAssign(value=ast.Lambda(args=taken)) as handler
        ):
            pass
        case _:
            return  # What a decorator makes of it, or a call returns, only a run can tell.
    place = f"{where}, line {handler.lineno}: `handler`"
    most = len(taken.posonlyargs) + len(taken.args)
    least = most - len(taken.defaults)
    if least > 2 or (most < 2 and not taken.vararg):
        wanted = least if least > 2 else most
        raise WorkflowError(
            f"{place} takes {wanted or 'no'} argument{'' if wanted == 1 else 's'}, and Lambda calls it with two: "
            "write `def handler(event, context):`"
        )
    for argument, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        if default is None:
            raise WorkflowError(
                f"{place} needs {argument.arg!r}, and Lambda calls it with two arguments alone: give it a default"
            )


def _expect_lock(lock: Path, root: Path) -> None:
    """What a function says that it depends on is locked: beside its `requirements.in` is a lock that has all of it."""
    written = lock.with_suffix(".in")
    if not written.is_file():
        return
    shown, target = (path.relative_to(root).as_posix() for path in (written, lock))
    how = f"lock it: {how_to_lock(shown)}"
    if not lock.is_file():
        raise WorkflowError(
            f"{shown}: there is no {target} beside it, so that the bundle has none of it; {how}"
        )
    if lacking := unlocked(written, lock):
        raise WorkflowError(f"{shown}: {target} does not have {', '.join(lacking)}; {how}")


def _declared(tree: ast.Module, where: Path) -> dict[str, Any]:
    """The literal `FUNCTION` of a module, checked."""
    node = _declaration(tree)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return {}
    place = _place_of_declared(tree, where)
    try:
        declared = ast.literal_eval(node.value)
    except ValueError:
        raise WorkflowError(f"{place}: must be a literal dictionary: it is read, not run") from None
    return _checked(declared, place)


def _declaration(tree: ast.Module) -> ast.stmt | None:
    return next((node for node in tree.body if _assigns(node, "FUNCTION")), None)


def _place_of_declared(tree: ast.Module, where: Path) -> str:
    node = _declaration(tree)
    return f"{where}, line {node.lineno}: FUNCTION" if node else str(where)


def _checked(declared: Any, place: str) -> dict[str, Any]:
    if not isinstance(declared, dict):
        raise WorkflowError(f"{place}: must be a dictionary")
    if unknown := declared.keys() - {"memory", "timeout", "permissions", "grants"}:
        raise WorkflowError(
            f"{place}: unknown key {min(unknown)!r}; the keys are memory, timeout, permissions, grants"
        )
    for key, low, high, unit in (("memory", 128, 10_240, "MB"), ("timeout", 1, 900, "seconds")):
        value = declared.get(key, low)
        if type(value) is not int or not low <= value <= high:
            raise WorkflowError(f"{place}: {key} must be {low} to {high} {unit}, not {value!r}")
    own = checked_permissions(declared.get("permissions", []), place)
    return {**declared, "permissions": (*_granted(declared.get("grants", []), place), *own)}


def _granted(names: Any, place: str) -> tuple[Permission, ...]:
    if not isinstance(names, list | tuple):
        raise WorkflowError(f"{place}: grants must be a list of names")
    for name in names:
        if name not in GRANTS:
            raise WorkflowError(f"{place}: there is no grant {name!r}; there are {', '.join(GRANTS)}")
    return tuple(permission for name in names for permission in GRANTS[name])


def checked_permissions(declared: Any, place: str) -> tuple[Permission, ...]:
    """Permissions that a person wrote: a list of `{"actions": [...], "resources": [...]}`.

    Raises:
        WorkflowError: it is not; says where (`place`) and what a permission is.
    """
    if not isinstance(declared, list | tuple):
        raise WorkflowError(f"{place}: permissions must be a list")
    for permission in declared:
        if not isinstance(permission, dict) or permission.keys() != {"actions", "resources"}:
            raise WorkflowError(
                f'{place}: a permission is {{"actions": [...], "resources": [...]}}, not {permission!r}'
            )
        for key, pattern in _IAM_PATTERNS.items():
            values = permission[key]
            if not isinstance(values, list | tuple) or not values:
                raise WorkflowError(f"{place}: {key} must be a list that is not empty, not {values!r}")
            for value in values:
                if not isinstance(value, str) or not re.fullmatch(pattern, value):
                    raise WorkflowError(f"{place}: {value!r} is none of IAM's {key}")
    return tuple(
        Permission(tuple(permission["actions"]), tuple(permission["resources"])) for permission in declared
    )


_IAM_PATTERNS = {
    "actions": r"[a-z0-9-]+:[A-Za-z*]+",
    "resources": r"(arn:|\$\{[A-Za-z0-9:.]+\}).*|\*",
}


def _assigns(node: ast.stmt, name: str) -> bool:
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)
