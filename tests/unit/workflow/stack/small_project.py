"""A small project with two functions, and its bundles."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from workflow.stack.bundles import Target, build_bundles, function, local

__all__ = ["HASH", "JMESPATH", "HOW_TO_LOCK", "build", "write_project"]

HASH = "--hash=sha256:" + "0" * 64
JMESPATH = f"jmespath=={importlib.metadata.version('jmespath')} {HASH}\n"
HOW_TO_LOCK = "lock it: python deploy.py lock notify"


def write_project(root: Path) -> Path:
    """Writes two functions, a module that one of them uses, and a lock with one small dependency."""
    for name, text in {
        "requirements/lambdas.txt": f"# compiled\n{JMESPATH}",
        "lambdas/__init__.py": "",
        "lambdas/ask.py": "from lambdas.shared import word\n\ndef handler(*_):\n    return word\n",
        "lambdas/notify.py": "def handler(event, context): ...\n",
        "lambdas/shared.py": 'word = "why"\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def build(root: Path, *names: str, target: Target | None = None):
    bundles = build_bundles([function(name, root) for name in names], target or local(), root=root)
    return next(iter(bundles.values())) if len(names) == 1 else bundles
