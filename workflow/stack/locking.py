"""Locks the requirements of a function: writes which version of each package it gets, with the hashes of its files.

uv resolves them, for Lambda's machines and for every other machine with this Python, from where pip is configured to
get packages. What all functions share stays as it is locked, unless a requirement needs another version, and is not
repeated in the lock of the function.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from workflow import ROOT
from workflow.asl.origin import shown_path
from workflow.errors import BundleError
from workflow.stack import PYTHON
from workflow.stack.functions import SHARED_REQUIREMENTS
from workflow.stack.locks import Pinned, how_to_lock, merged, read_all, read_lock, written_requirements
from workflow.stack.targets import aws
from workflow.stack.wheels import GLIBC, MACHINE

__all__ = ["Locked", "lock", "to_lock"]


@dataclass(frozen=True)
class Locked:
    """A lock that was written.

    Attributes:
        file: The lock.
        packages: What it has, each as `NAME==VERSION`. Empty if the function needs only what all functions share.
    """

    file: Path
    packages: tuple[str, ...]


def to_lock(functions: Iterable[str] = (), root: Path = ROOT) -> list[Path]:
    """Returns the requirements, as they are written, of functions; of all that have some by default.

    Raises:
        BundleError: A function has no requirements, or none has.
    """
    folder = root / "lambdas"
    found = {file.name.removesuffix(".requirements.in"): file for file in folder.glob("*.requirements.in")}
    found |= {file.parent.name: file for file in folder.glob("*/requirements.in")}
    if not found:
        raise BundleError(
            "no function has requirements of its own: write lambdas/NAME.requirements.in with a package in each line"
        )
    # A shell completes paths: the file of a function, its folder or its requirements.
    chosen = [
        Path(name.removesuffix("/requirements.in")).name.partition(".")[0] for name in functions
    ] or sorted(found)
    for name in chosen:
        if name not in found:
            close = get_close_matches(name, found, 1)
            where = f"{name}/requirements.in" if (folder / name).is_dir() else f"{name}.requirements.in"
            hint = f"did you mean {close[0]!r}, or" if close else "write it, or"
            raise BundleError(
                f"lambdas/{where} does not exist; {hint} name one of {', '.join(sorted(found))}"
            )
    return [found[name] for name in chosen]


def lock(written: Path, root: Path = ROOT, *, upgrade: bool = False) -> Locked:
    """Locks requirements into the `.txt` beside them.

    Args:
        written: The requirements, as they are written.
        root: The project's folder. The paths of wheels in the requirements begin there.
        upgrade: Whether to choose the latest versions, not those that are locked.

    Raises:
        BundleError: There are no versions that fit together and have wheels, or the package index cannot be reached.
    """
    list(written_requirements(written))  # Options that uv and pip would understand differently are refused.
    file, shared = written.with_suffix(".txt"), root / SHARED_REQUIREMENTS
    kept = [shared] if shared.is_file() else []
    together = [path for path in (written, shared.with_suffix(".in")) if path.is_file()]
    with tempfile.TemporaryDirectory() as scratch:
        resolver = _Resolver(Path(scratch), root, together, [*kept, *([] if upgrade else [file])], written)
        found = resolver.resolved()
    locked = read_lock(*kept, environment=aws().environment)
    lines = [one for one in found if one.key not in locked or locked[one.key].version != one.version]
    head = f"# Written by `{how_to_lock(file)}`: what it needs in addition to {SHARED_REQUIREMENTS.as_posix()}.\n"
    file.write_text(head + "".join(f"{one.text}\n" for one in lines), encoding="utf-8")
    return Locked(file, tuple(map(str, lines)))


class _Resolver:
    """Resolves requirements with uv.

    Args:
        scratch: A folder for the results. It stands in for a project, so that uv reads no pyproject.toml.
        root: The project's folder.
        files: The requirements.
        preferred: Locks, some of which may not exist. Their versions are chosen if they fit.
        written: The file that errors name.
    """

    def __init__(
        self, scratch: Path, root: Path, files: Sequence[Path], preferred: Sequence[Path], written: Path
    ) -> None:
        self._scratch, self._root, self._files, self._written = scratch, root, files, written
        self._preferred = [pinned for path in preferred for pinned in _readable(path)]
        self._configured, self._environment = _as_pip_is_configured()

    def resolved(self) -> list[Pinned]:
        """Returns the requirements for all machines, in versions that Lambda's machines and this one can have.

        Raises:
            BundleError: As `lock`.
        """
        there = f"--python-platform={MACHINE}-manylinux_2_{GLIBC}", "--python-version", PYTHON
        lowest = min(sys.version_info[:2], tuple(map(int, PYTHON.split("."))))
        universal = "--universal", "--fork-strategy=fewest", "--python-version", ".".join(map(str, lowest))
        for_lambda = self._run(*there)
        try:
            for_here = self._run(constraints=for_lambda)
        except BundleError:
            # The latest version for Lambda's Python can be too new for this one.
            for_here = self._run()
            for_lambda = self._run(*there, constraints=for_here)
        versions = {one.key: one for one in (*for_lambda, *for_here)}
        found = self._run(*universal, constraints=versions.values())
        # Where a folder of wheels stands in for an index, uv knows the hash only of the wheel that it chose.
        return merged(merged(found, for_lambda), for_here)

    def _run(self, *options: str, constraints: Iterable[Pinned] = ()) -> list[Pinned]:
        output, constrained = self._scratch / "locked.txt", self._scratch / "constraints.txt"
        # uv prefers the versions in the file that it writes. With hashes, it would not look for those of other files.
        output.write_text(_without_hashes(self._preferred), encoding="utf-8")
        constrained.write_text(_without_hashes(constraints), encoding="utf-8")
        run = subprocess.run(  # noqa: S603  our command
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--color=never", "--no-progress"),
                *("--project", str(self._scratch), "--python", sys.executable, "--only-binary=:all:"),
                *(
                    "--generate-hashes",
                    "--no-annotate",
                    "--no-header",
                    "--no-emit-index-url",
                    "--no-emit-find-links",
                ),
                *(*self._configured, *options, "--constraints", str(constrained), "-o", str(output)),
                *map(str, self._files),
            ],
            cwd=self._root,
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise BundleError(f"{shown_path(self._written)}: cannot be locked: {_in_one_line(run.stderr)}")
        return read_all(output)


def _readable(lock: Path) -> list[Pinned]:
    """The requirements of a lock; none if it does not exist or is damaged, because it is written again."""
    try:
        return read_all(lock)
    except BundleError:
        return []


def _without_hashes(lock: Iterable[Pinned]) -> str:
    return "".join(f"{one}{f' ; {one.marker}' if one.marker else ''}\n" for one in lock)


def _in_one_line(output: str) -> str:
    """What uv reports: the cause, without hints."""
    text = re.sub(r"^error:\s*", "", output.partition("\nhint:")[0].strip())
    text = re.sub(r"^No solution found when resolving dependencies[^\n]*\n\s*(cause:|╰─▶)\s*", "", text)
    text = " ".join(text.replace("╰─▶", "").replace("cause:", "").split())
    if "has no usable wheels" in text or "have no usable wheels" in text:
        text += " Functions are built only from wheels: use another package."
    return text


def _as_pip_is_configured() -> tuple[list[str], dict[str, str]]:
    """Options and variables for uv, so that it gets packages from where pip gets them."""
    settings = _settings_of_pip()

    def listed(key: str) -> list[str]:
        return settings.get(key, "").split()

    options = ["--index-strategy=unsafe-best-match"]  # As pip: the best version of all indexes.
    indexes = [*listed("index-url"), *listed("extra-index-url")]
    # Of a version that several indexes have, uv takes the files of the first one, and pip those of all. The default
    # one is the last for uv. Without an index-url, it is the same for both.
    default = ["--default-index", indexes.pop()] if settings.get("index-url") else []
    options += [*(part for index in indexes for part in ("--index", index)), *default]
    for key, option in (
        ("find-links", "--find-links"),
        ("trusted-host", "--allow-insecure-host"),
        ("constraint", "--constraints"),
    ):
        for value in listed(key):
            options += [option, value]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    variables = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"}
    return options, {name: settings[key] for key, name in variables.items() if settings.get(key)}


def _settings_of_pip() -> Mapping[str, str]:
    """pip's configuration for `pip install`: option → value. Empty in an environment without pip."""
    if not importlib.util.find_spec("pip"):
        return {}
    run = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found: dict[str, dict[str, str]] = {}
    for line in run.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        found.setdefault(section, {})[key.replace("_", "-")] = str(ast.literal_eval(value))
    # The later one counts, as for pip itself.
    return {
        key: value for name in ("global", "install", ":env:") for key, value in found.get(name, {}).items()
    }
