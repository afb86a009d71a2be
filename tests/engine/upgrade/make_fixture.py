"""Builds the fixture of a commit from git: `python -m tests.engine.upgrade.make_fixture 657dd37`.

Runs the commit's own code in a temporary folder, with the packages that are installed here.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent


def make(commit: str) -> Path:
    """Writes the fixture of a commit next to this file; returns its path."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _check_out(commit, root)
        described = json.loads(
            subprocess.run(
                [sys.executable, HERE / "describe.py", HERE / "post_review.py"],
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        files = {f"{name}.json": _text(content) for name, content in described.items()}
        files |= {
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
            for path in (root / "lambdas").rglob("*")
            if path.is_file()
        }
    fixture = HERE / f"{commit}.zip"
    _write(fixture, files)
    return fixture


def _check_out(commit: str, folder: Path) -> None:
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=HERE.parents[2], stdout=subprocess.PIPE, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def _text(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _write(fixture: Path, files: dict[str, str]) -> None:
    # The same content gives the same bytes: entries are sorted and have no current time or platform.
    with zipfile.ZipFile(fixture, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # Without a time, it gets 1980.
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=9)


if __name__ == "__main__":
    fixture = make(sys.argv[1])
    sys.stdout.write(f"{fixture}: {fixture.stat().st_size:,} bytes\n")
