"""Wheels that are made on the spot, and a folder of them that takes the place of a package index."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["only_from", "wheel"]


def only_from(shelf: Path) -> dict[str, str]:
    """Returns the variables with which pip looks nowhere but in a folder."""
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shelf),
        "PIP_CONFIG_FILE": os.devnull,
        **dict.fromkeys(("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"), ""),
    }


def wheel(
    shelf: Path,
    name: str = "tiny",
    version: str = "1.0",
    tag: str = "py3-none-any",
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, str] = {},
) -> str:
    """Puts a wheel on a shelf; returns the option that pins it by its hash."""
    path, info = shelf / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {
            f"{name}/__init__.py": f"tag = {tag!r}\n",
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str('any' in tag).lower()}\nTag: {tag}\n",
            f"{info}/RECORD": "",
        }.items():
            archive.writestr(zipfile.ZipInfo(file), text)  # Without the time, so that the hash stays.
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
