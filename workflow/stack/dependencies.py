"""The dependencies of functions: wheels for AWS, or what is installed on this machine.

Both come from the same locked files, so the local engine runs the versions that AWS gets.
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

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from workflow.errors import BundleError
from workflow.stack import ARCHITECTURE, PYTHON

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

RULES = "1"
"""Part of every digest. Increase it when the same input gives different bytes."""

UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

GLIBC_MINORS = range(34, 16, -1)
"""Amazon Linux 2023, under Lambda's Python 3.12 and later, has glibc 2.34. Older wheels run on it, too."""


@dataclass(frozen=True)
class Target:
    """The machine that a bundle is for.

    Attributes:
        tag: Names the target in digests and file names.
        is_here: Whether the bundle runs in this interpreter, as the local engine's functions do.
    """

    tag: str
    is_here: bool = False


def aws() -> Target:
    """Returns the target for Lambda's own machines."""
    return Target(f"aws-{PYTHON}-{ARCHITECTURE}")


def local() -> Target:
    """Returns the target for this machine and interpreter. Nothing is downloaded."""
    return Target(f"here-{sys.implementation.cache_tag}-{sysconfig.get_platform()}", is_here=True)


@dataclass(frozen=True)
class Pinned:
    """A locked requirement.

    Attributes:
        requirement: Name and marker.
        version: The only version that it allows.
        line: All of it, with its hashes, on one line.
    """

    requirement: Requirement
    version: str
    line: str

    def __str__(self) -> str:
        return f"{self.requirement.name}=={self.version}"


Lock = dict[str, Pinned]
"""Locked requirements, by normalised name."""


def read_lock(*files: Path) -> Lock:
    """Returns the requirements of locked, hashed files. A later file overrides an earlier one, name by name.

    Raises:
        BundleError: A file is missing, or a requirement has no version or no hash.
    """
    lock: Lock = {}
    for file in files:
        for line in _lines(file):
            text, hashes, _ = line.partition(" --hash=")
            requirement = _requirement(text)
            version = re.fullmatch(r"==([^*,]+)", str(requirement.specifier) if requirement else "")
            if requirement is None or version is None or not hashes:
                raise BundleError(
                    f"{file}: {text!r} has no version or no hash; lock it: {how_to_lock(f'{file.stem}.in')}"
                )
            lock[canonicalize_name(requirement.name)] = Pinned(requirement, version[1], line)
    return lock


def how_to_lock(written: str) -> str:
    """Returns the command that locks a `.in` file."""
    return f"python -m uv pip compile --generate-hashes {written} -o {written.removesuffix('.in')}.txt"


def unlocked(written: Path, lock: Path) -> list[str]:
    """Returns the requirements of a `.in` file that its lock does not have, or not in a version that they allow.

    Raises:
        BundleError: The lock has a requirement without a version or a hash.
    """
    locked = read_lock(lock)
    missing = []
    for line in _lines(written):
        requirement = _requirement(line)
        if requirement is None:
            continue  # An option, such as `-r more.in`: only the locking can follow it.
        pinned = locked.get(canonicalize_name(requirement.name))
        if pinned is None:
            # A lock leaves out what its platform does not need.
            found = bool(requirement.marker or requirement.url)
        else:
            found = requirement.specifier.contains(pinned.version, prereleases=True)
        if not found:
            missing.append(line)
    return missing


def dependencies_zip(lock: Lock, target: Target, cache: Path) -> Path:
    """Returns the zip of everything in a lock, for a target. It is built once, then found in the cache by its name.

    Raises:
        BundleError: A dependency has no wheel for the target, or is not installed here.
    """
    lines = (pinned.line for pinned in lock.values())
    digest = hashlib.sha256("\n".join([RULES, target.tag, *lines]).encode()).hexdigest()
    path = cache / f"dependencies-{target.tag}-{digest[:16]}.zip"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            files = _installed(lock) if target.is_here else _wheels(lock, Path(scratch))
            unfinished = Path(scratch) / path.name
            _write(unfinished, sorted(files), target)
            unfinished.replace(path)  # In one step: another process can build the same zip.
    return path


def add_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds a file to a zip with a fixed time and mode, so that the same content gives the same bytes."""
    entry = zipfile.ZipInfo(name)  # 1 January 1980, the earliest date of a zip.
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix, whatever this machine is.
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=6)


def _write(path: Path, files: Iterable[tuple[str, Path]], target: Target) -> None:
    size = 0
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files:
            content = file.read_bytes()
            if target.is_here and name.endswith(".py"):
                # The local engine unpacks the zip on every cold start. Compiled here, dependencies import in a
                # third of the time. Bundles for AWS must not depend on the interpreter that built them.
                name, content = name + "c", compiled(name, content)
            size += len(content)
            add_entry(archive, name, content)
    if size > UNZIPPED_LIMIT:
        raise BundleError(
            f"the dependencies are {size / 2**20:.0f} MB unpacked, and Lambda's limit is 250 MB: "
            "remove some, or move the work out of Lambda"
        )


@lru_cache(maxsize=4096)
def compiled(name: str, source: bytes) -> bytes:
    """Returns the .pyc of a module, valid whatever the modification time of its source (PEP 552, unchecked hash)."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)


# Parts of a distribution that no function needs.
_UNNEEDED_SUFFIXES = (".pyc", ".pyi")
_UNNEEDED_FOLDERS = frozenset({"__pycache__", "tests", "test", "bin"})
_NEEDED_METADATA = ("METADATA", "entry_points.txt")
_UNNEEDED = (
    # A web page for HTTP APIs, 1.5 MB.
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/swagger-ui",
)


def _is_needed(name: str) -> bool:
    path = PurePosixPath(name)
    # Console scripts of an installed distribution are outside its folder: "../../../bin/jp.py".
    if path.is_absolute() or ".." in path.parts or path.suffix in _UNNEEDED_SUFFIXES:
        return False
    if _UNNEEDED_FOLDERS.intersection(path.parts[:-1]) or name.startswith(_UNNEEDED):
        return False
    if path.parts[0].endswith(".dist-info"):
        # Packages read their version and entry points at run time; licenses must go with the code.
        return path.name in _NEEDED_METADATA or "licen" in name.lower()
    return path.name != "py.typed"


def _installed(lock: Lock) -> Iterator[tuple[str, Path]]:
    """Files of the distributions installed in this interpreter, checked against the lock."""
    for pinned in lock.values():
        marker = pinned.requirement.marker
        if marker and not marker.evaluate():
            continue
        try:
            distribution = importlib.metadata.distribution(pinned.requirement.name)
        except importlib.metadata.PackageNotFoundError:
            raise BundleError(
                f"{pinned} is not installed here, so the local engine cannot run it: "
                f"pip install --no-deps {pinned}"
            ) from None
        if distribution.version != pinned.version:
            raise BundleError(
                f"{pinned.requirement.name} is installed in version {distribution.version}, but locked in "
                f"{pinned.version}: pip install --no-deps {pinned}"
            )
        for file in distribution.files or ():
            if _is_needed(str(file)):
                yield str(file), Path(str(file.locate()))


def _wheels(lock: Lock, scratch: Path) -> list[tuple[str, Path]]:
    """Files of the wheels for AWS, fetched by pip, or by uv in an environment without pip."""
    requirements, folder = scratch / "requirements.txt", scratch / "files"
    requirements.write_text("\n".join(pinned.line for pinned in lock.values()), encoding="utf-8")
    run = subprocess.run(  # noqa: S603  the command is ours, the file is hashed
        _installer(requirements, folder), capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BundleError(_why_no_wheel(run.stderr, lock))
    return [
        (name, file)
        for file in folder.rglob("*")
        if file.is_file() and _is_needed(name := file.relative_to(folder).as_posix())
    ]


def _installer(requirements: Path, folder: Path) -> list[str]:
    machine = "aarch64"  # What wheels call arm64.
    options = [
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet"),
        *("--python-version", PYTHON, "--target", str(folder), "-r", str(requirements)),
    ]
    if importlib.util.find_spec("pip"):
        # pip takes a platform literally: a wheel for an older glibc needs its own.
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
        quiet = ["--no-compile", "--no-input", "--disable-pip-version-check"]
        return [
            *(sys.executable, "-m", "pip", "install", *quiet, "--implementation=cp"),
            *(*platforms, f"--platform=manylinux2014_{machine}", *options),
        ]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", f"--python-platform={machine}-manylinux_2_34", *options]
    raise BundleError("wheels cannot be fetched without pip or uv; install pip: python -m ensurepip")


def _why_no_wheel(output: str, lock: Lock) -> str:
    matched = re.search(
        r"(?:No matching distribution found for|satisfies the requirement|wheels? for) `?([A-Za-z0-9._-]+)",
        output,
    )
    if matched and (pinned := lock.get(canonicalize_name(matched[1].split("==")[0]))):
        return (
            f"{pinned} has no wheel for Python {PYTHON} on {ARCHITECTURE} Linux, and functions are built only "
            "from wheels: use another version or another package"
        )
    errors = [line for line in output.splitlines() if line.lower().startswith("error")]
    return f"the wheels of the functions could not be fetched: {[*errors, output.strip()][0]}"


def _lines(file: Path) -> Iterator[str]:
    """Logical lines of a requirements file, without comments, with single spaces."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror}") from None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if logical := " ".join(re.sub(r"(^|\s)#.*", "", line).split()):
            yield logical


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
