"""What functions depend on, for the machine they run on: wheels for AWS, or what is installed here.

Both come from the same locked files, so that the sandbox runs the versions that AWS gets.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import marshal
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from workflow.errors import BundleError

__all__ = [
    "Lock",
    "Target",
    "add_entry",
    "aws",
    "compiled",
    "dependencies_zip",
    "how_to_lock",
    "local",
    "read_lock",
    "unlocked",
]

Lock = dict[str, str]
"""Requirements by normalised name, each with version, marker and hashes on one line."""

RULES = "1"
"""Part of every digest: raise it when the same input gives other bytes."""

UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

GLIBC_MINORS = range(34, 16, -1)
"""Amazon Linux 2023, under Lambda's Python 3.12 and later, has glibc 2.34; older wheels run on it too."""


@dataclass(frozen=True)
class Target:
    """The machine that a bundle is for."""

    python: str
    """Such as 3.13."""
    architecture: Literal["arm64", "x86_64"]
    is_here: bool = False
    """Whether the bundle runs in this very interpreter, as the sandbox's functions do."""

    @property
    def tag(self) -> str:
        """Names the target in digests and file names."""
        if self.is_here:
            return f"here-{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
        return f"aws-{self.python}-{self.architecture}"


def aws(python: str = "3.13", architecture: Literal["arm64", "x86_64"] = "arm64") -> Target:
    """Lambda's own machines."""
    return Target(python, architecture)


def local() -> Target:
    """This machine and this interpreter: nothing is downloaded."""
    arm = sysconfig.get_platform().endswith(("arm64", "aarch64"))
    return Target("{}.{}".format(*sys.version_info), "arm64" if arm else "x86_64", is_here=True)


def read_lock(*files: Path) -> Lock:
    """The requirements of locked, hashed files; a later file overrides an earlier one, name by name.

    Raises:
        BundleError: a file is missing, or a requirement has no version or no hash.
    """
    lock: Lock = {}
    for file in files:
        for requirement in _requirements(file):
            matched = re.match(r"([A-Za-z0-9._-]+)==\S+(\s|$)", requirement)
            if not matched or "--hash=" not in requirement:
                raise BundleError(
                    f"{file}: {requirement.split(' --hash')[0]!r} has no version or no hash; lock it: "
                    f"{how_to_lock(f'{file.stem}.in')}"
                )
            lock[_normalised(matched[1])] = requirement
    return lock


def how_to_lock(written: str) -> str:
    """The command that locks a `.in` file."""
    return f"python -m uv pip compile --generate-hashes {written} -o {written.removesuffix('.in')}.txt"


def unlocked(written: Path, lock: Path) -> list[str]:
    """The requirements of a `.in` that its lock has not, or not in a version that they allow.

    What has a marker may be left out of a lock; what is no plain requirement (`-r more.in`) is left to the locking.

    Raises:
        BundleError: the lock has a requirement without version or hash.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    locked = read_lock(lock)
    lacking = []
    for line in _requirements(written):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        pinned = locked.get(_normalised(requirement.name))
        version = re.search(r"==([^\s;]+)", pinned or "")
        if version is None:
            if requirement.marker is None and requirement.url is None:
                lacking.append(line)
        elif not requirement.specifier.contains(version[1], prereleases=True):
            lacking.append(line)
    return lacking


def dependencies_zip(lock: Lock, target: Target, cache: Path) -> Path:
    """The zip of all that a lock names, for a target; built once, then found in the cache by its name.

    Raises:
        BundleError: a dependency has no wheel for the target, or is not installed here.
    """
    digest = hashlib.sha256("\n".join([RULES, target.tag, *lock.values()]).encode()).hexdigest()
    path = cache / f"dependencies-{target.tag}-{digest[:16]}.zip"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            files = _installed(lock) if target.is_here else _wheels(lock, target, Path(scratch))
            unfinished = Path(scratch) / path.name
            _write(unfinished, sorted(files), target)
            unfinished.replace(path)
    return path


def add_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds a file to a zip with a fixed time and mode, so that the same content gives the same bytes."""
    entry = zipfile.ZipInfo(name)  # 1 January 1980, the earliest that a zip can tell
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix, on every machine
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=6)


def _write(path: Path, files: Iterable[tuple[str, Path]], target: Target) -> None:
    size = 0
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files:
            content = file.read_bytes()
            if target.is_here and name.endswith(".py"):
                # Every cold start on the engine unpacks the zip anew: compiled once here, dependencies
                # import in a third of the time. On AWS the bytes may not depend on who compiled them.
                name, content = name + "c", compiled(name, content)
            size += len(content)
            add_entry(archive, name, content)
    if size > UNZIPPED_LIMIT:
        raise BundleError(
            f"the dependencies are {size / 2**20:.0f} MB unpacked, and Lambda takes 250 MB: "
            "depend on less, or move the work out of Lambda"
        )


@lru_cache(maxsize=4096)
def compiled(name: str, source: bytes) -> bytes:
    """The .pyc of a module, valid whatever the time of its source (PEP 552, unchecked hash)."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)


# What is in a distribution but never needed in a function.
_UNNEEDED_SUFFIXES = (".pyc", ".pyi")
_UNNEEDED_FOLDERS = frozenset({"__pycache__", "tests", "test", "bin"})
_NEEDED_METADATA = ("METADATA", "entry_points.txt")
_UNNEEDED = (
    # A web page about an HTTP API, 1.5 MB, that no function of a workflow serves.
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui",
)


def _is_needed(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix in _UNNEEDED_SUFFIXES:
        return False
    if _UNNEEDED_FOLDERS.intersection(path.parts[:-1]) or name.startswith(_UNNEEDED):
        return False
    if path.parts[0].endswith(".dist-info"):
        return path.name in _NEEDED_METADATA or "licen" in name.lower()
    return path.name != "py.typed"


def _installed(lock: Lock) -> Iterator[tuple[str, Path]]:
    """Files of the distributions installed in this interpreter, checked against the lock."""
    for name, requirement in lock.items():
        if not _applies_here(requirement):
            continue
        version = re.search(r"==([^\s;]+)", requirement)
        assert version
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise BundleError(
                f"{name}=={version[1]} is not installed here, so that the local engine cannot run it: "
                f"pip install --no-deps {name}=={version[1]}"
            ) from None
        if distribution.version != version[1]:
            raise BundleError(
                f"{name} is installed in version {distribution.version}, and locked in {version[1]}: "
                f"pip install --no-deps {name}=={version[1]}"
            )
        for file in distribution.files or ():
            if _is_needed(str(file)):
                yield str(file), Path(str(file.locate()))


def _applies_here(requirement: str) -> bool:
    marker = requirement.split(" --hash")[0].partition(";")[2].strip()
    if not marker:
        return True
    from packaging.markers import Marker

    return Marker(marker).evaluate()


def _wheels(lock: Lock, target: Target, scratch: Path) -> list[tuple[str, Path]]:
    """Files of the wheels for AWS, fetched by pip (or uv, in an environment without pip)."""
    requirements, folder = scratch / "requirements.txt", scratch / "files"
    requirements.write_text("\n".join(lock.values()), encoding="utf-8")
    run = subprocess.run(  # noqa: S603  the command is ours, the file is hashed
        _installer(target, requirements, folder), capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BundleError(_why_no_wheel(run.stderr, lock, target))
    return [
        (name, file)
        for file in folder.rglob("*")
        if file.is_file() and _is_needed(name := file.relative_to(folder).as_posix())
    ]


def _installer(target: Target, requirements: Path, folder: Path) -> list[str]:
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[target.architecture]
    what = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet"]
    where = ["--python-version", target.python, "--target", str(folder), "-r", str(requirements)]
    if importlib.util.find_spec("pip"):
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-compile",
            "--no-input",
            "--disable-pip-version-check",
        ]
        return [*pip, *what, "--implementation=cp", *platforms, f"--platform=manylinux2014_{machine}", *where]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", *what, f"--python-platform={machine}-manylinux_2_34", *where]
    raise BundleError("there is neither pip nor uv to fetch wheels with: python -m ensurepip")


def _why_no_wheel(output: str, lock: Lock, target: Target) -> str:
    matched = re.search(
        r"(?:No matching distribution found for|satisfies the requirement|wheels? for) `?([A-Za-z0-9._-]+)",
        output,
    )
    if matched and (requirement := lock.get(_normalised(matched[1].split("==")[0]))):
        pinned = requirement.split()[0]
        return (
            f"{pinned} has no wheel for Python {target.python} on {target.architecture} Linux, and functions "
            "are built from wheels alone: take another version, or do without it"
        )
    errors = [line for line in output.splitlines() if line.lower().startswith("error")]
    return f"the wheels of the functions could not be fetched: {[*errors, output.strip()][0]}"


def _requirements(file: Path) -> Iterator[str]:
    """Logical lines of a requirements file, without comments, white space made single."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror}") from None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if requirement := " ".join(re.sub(r"(^|\s)#.*", "", line).split()):
            yield requirement


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
