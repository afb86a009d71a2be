"""The wheels of locked requirements, fetched by pip for a machine and checked by their hashes."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name

from workflow.asl.origin import shown_path
from workflow.errors import BundleError
from workflow.stack import PYTHON
from workflow.stack.locks import Lock, Pinned, how_to_lock
from workflow.stack.targets import Target

__all__ = ["GLIBC", "MACHINE", "fetch"]

GLIBC = 34
"""Amazon Linux 2023, under Lambda's Python 3.12 and later, has glibc 2.34. Older wheels run on it, too."""

MACHINE = "aarch64"
"""What wheels call arm64."""


def fetch(lock: Lock, target: Target, folder: Path, root: Path) -> None:
    """Unpacks the wheels of a lock into a folder, without what they depend on.

    Args:
        lock: The requirements.
        target: The machine and the Python that run them.
        folder: An empty folder, or none.
        root: The project's folder. Paths of wheels in the lock begin there.

    Raises:
        BundleError: A requirement has no wheel for the target, or one with another hash; or nothing can be fetched.
    """
    requirements = folder.with_name(f"{folder.name}.txt")
    # Without markers, which pip would evaluate for the interpreter that it runs in.
    lines = (f"{pinned.source} {' '.join(pinned.hashes)}" for pinned in lock.values())
    requirements.write_text("\n".join(lines), encoding="utf-8")
    run = subprocess.run(  # noqa: S603  the command is ours, the file is hashed
        _installer(requirements, target, folder), cwd=root, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BundleError(_why_not(run.stderr or run.stdout, lock, target))


def _installer(requirements: Path, target: Target, folder: Path) -> list[str]:
    options = [
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet"),
        *("--target", str(folder), "-r", str(requirements)),
    ]
    if importlib.util.find_spec("pip"):
        platforms = []
        if not target.is_here:
            # pip takes a platform literally: a wheel for an older glibc needs its own.
            platforms = [f"--platform=manylinux_2_{minor}_{MACHINE}" for minor in range(GLIBC, 16, -1)]
            platforms += [
                f"--platform=manylinux2014_{MACHINE}",
                "--implementation=cp",
                "--python-version",
                PYTHON,
            ]
        quiet = ["--no-compile", "--no-input", "--disable-pip-version-check"]
        return [sys.executable, "-m", "pip", "install", *quiet, *platforms, *options]
    if uv := shutil.which("uv"):
        here = ["--python", sys.executable]
        there = ["--python-version", PYTHON, f"--python-platform={MACHINE}-manylinux_2_{GLIBC}"]
        return [uv, "pip", "install", *(here if target.is_here else there), *options]
    raise BundleError("wheels cannot be fetched without pip or uv; install pip: python -m ensurepip")


_UNREACHABLE = re.compile(
    r"Retrying \(|Max retries exceeded|ConnectionError|NewConnectionError|NameResolutionError|ConnectTimeout|"
    r"ReadTimeout|SSLError|ProxyError|not a trusted or secure host|error sending request|dns error|"
    r"client error \(Connect\)"
)


_NAMES = re.compile(
    r"(?:No matching distribution found for|satisfies the requirement|wheels? for|ERROR:) `?([\w.-]+)"
)


def _why_not(output: str, lock: Lock, target: Target) -> str:
    """The reason in pip's output, or in that of uv, in one line."""
    if mismatch := re.search(r"DO NOT MATCH THE HASHES|Hash mismatch for `?([\w.-]+)", output):
        found = re.search(r"^\s+([\w.-]+)==\S+ from ", output, re.MULTILINE)
        pinned = _named((found or mismatch)[1], lock) if found or mismatch[1] else None
        return _other_hash(output, pinned or next(iter(lock.values())))
    if _UNREACHABLE.search(output):
        names = ", ".join(map(str, lock.values()))
        return (
            f"the wheels of {names} cannot be fetched, because the package index cannot be reached: check the network "
            "and pip's configuration (python -m pip config list)"
        )
    named = (_named(found[1], lock) for found in _NAMES.finditer(output))
    if pinned := next(filter(None, named), None):
        return (
            f"{pinned} has no wheel for {target}, and functions are built only from wheels: use another version or "
            "another package"
        )
    errors = [line for line in output.splitlines() if line.lower().startswith("error")]
    return f"the wheels of the functions could not be fetched: {[*errors, output.strip()][0]}"


def _other_hash(output: str, pinned: Pinned) -> str:
    got = re.search(r"(?:Got\s+|Computed:\s+sha256:)([0-9a-f]{64})", output)
    other = f"another hash, sha256:{got[1]}" if got else "another hash"
    return (
        f"{shown_path(pinned.file)}: {pinned}: the wheel has {other}: it was changed, or locked without this file; if "
        f"you trust it, lock it again: {how_to_lock(pinned.file)}"
    )


def _named(name: str, lock: Lock) -> Pinned | None:
    """The requirement that a name, or the name of a wheel's file, belongs to."""
    return lock.get(canonicalize_name(name)) or lock.get(canonicalize_name(name.split("-")[0]))
