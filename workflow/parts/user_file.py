"""The user's file: run, and its mistakes explained in one line."""

from __future__ import annotations

import builtins
import os
import re
import sys
import traceback
from collections.abc import Iterable
from contextlib import redirect_stdout
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from types import ModuleType

import workflow.steps
from workflow.asl.origin import shown_path
from workflow.errors import AfterloopError, WorkflowError

__all__ = ["run"]

_FUNCTIONS_ONLY = "the file only describes steps, on this machine, before a publish"


def run(path: Path, *, silent: bool = False) -> ModuleType:
    """Runs the file, and returns it as a module.

    What the file prints goes to standard error: standard output may be JSON for a program.

    Args:
        path: The file.
        silent: Whether to drop what the file prints, because it has been shown.

    Raises:
        WorkflowError: The file cannot be read, or raises an error.
    """
    module = ModuleType("workflow.post_review")
    module.__file__ = str(path)
    try:
        with redirect_stdout(StringIO() if silent else sys.stderr):
            # Not `import`: its bytecode cache misses an edit within the same second that keeps the file's length.
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 (the user's own file)
    except AfterloopError:
        raise
    except (Exception, SystemExit) as error:
        # The mistake is in the user's file: report one line, not a traceback through our modules.
        raise WorkflowError(_mistake(error, path, module)) from error
    return module


def _mistake(error: BaseException, path: Path, module: ModuleType) -> str:
    """An error raised by a file, as one line: file, line, type, message and what to do."""
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == str(path)]
    line, message = (lines or [None])[-1], str(error)
    if isinstance(error, SyntaxError):
        line, message = line or error.lineno, error.msg
    where = f"{shown_path(path)}{f':{line}' if line else ''}{_in_module(error, path)}"
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"{where}: {' '.join(what.split())}{_hint(error, module)}"


def _in_module(error: BaseException, path: Path) -> str:
    """Where a module of the user's own raised the error that the file imports or calls; empty if none did."""
    own = Path(workflow.steps.__file__).parent
    if isinstance(error, SyntaxError) and error.filename not in (None, str(path), "<string>"):
        return f" (in {shown_path(Path(error.filename))}:{error.lineno})"
    for at in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(at.filename)
        if file == path:
            break
        if (
            file.is_relative_to(path.parents[1])
            and not file.is_relative_to(own)
            and ".venv" not in file.parts
        ):
            return f" (in {shown_path(file)}:{at.lineno})"
    return ""


def _hint(error: BaseException, module: ModuleType) -> str:
    match error:
        case SystemExit():
            return "; the file must not end the process: remove it"
        case SyntaxError(msg=message) if re.search("decode byte|null bytes", str(message)):
            return "; save the file as UTF-8"
        case ModuleNotFoundError(name=str(name)):
            return _for_module(name)
        case ImportError():
            return _for_import(str(error))
        case NameError(name=str(name)):
            return _for_name(name, module)
        case AttributeError(name=str(name), obj=thing) if thing is not None:
            return _meant(name, dir(thing))
        case KeyError(args=[str(name)]) if _raised_in(error) in (os.__file__, "<frozen os>"):
            return f"; the environment variable {name} is not set"
        case OSError(filename=str(name)) if not Path(name).is_absolute():
            return f"; it depends on the current folder: use Path(__file__).with_name({Path(name).name!r})"
        case TypeError():
            return _for_wrong_type(str(error))
        case _ if type(error).__module__.startswith(("boto3.", "botocore.")):
            return f"; {_FUNCTIONS_ONLY}: call AWS from a step, or from a function in lambdas/"
    return ""


def _for_module(name: str) -> str:
    first = name.partition(".")[0]
    if first == "lambdas":
        return f'; a step needs no import of its function: write "FunctionName": {name.rpartition(".")[2]!r}'
    if first == "workflow":
        return ""
    return f"; {_FUNCTIONS_ONLY}: import it in a function in lambdas/, or install it for this Python"


def _for_import(message: str) -> str:
    found = re.match(r"cannot import name '(\w+)' from '([\w.]+)'", message)
    return _meant(found[1], dir(sys.modules.get(found[2]))) if found else ""


def _for_name(name: str, module: ModuleType) -> str:
    if name in workflow.steps.__all__:
        return f"; write `from workflow.steps import {name}`"
    return _meant(name, [*vars(module), *workflow.steps.__all__, *dir(builtins)])


def _for_wrong_type(message: str) -> str:
    """For a step without a list, and steps that are joined by an operator."""
    without_list = r"'(\w+)' object is not iterable|\(not \"(\w+)\"\) to list"
    found = re.search(rf"{without_list}|unsupported operand .*: '(\w+)' and '\w+'", message)
    step = next(filter(None, found.groups()), "") if found else ""
    kind = getattr(workflow.steps, step, None) if step else None
    if not (isinstance(kind, type) and issubclass(kind, workflow.steps.State)):
        return ""
    return (
        f"; write the step in a list: [{step}(…)]"
        if "unsupported" not in message
        else "; write the steps in a list, in their order"
    )


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, [one for one in known if not one.startswith("_")], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _raised_in(error: BaseException) -> str:
    return traceback.extract_tb(error.__traceback__)[-1].filename
