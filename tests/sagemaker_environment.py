"""Runs the tests of `workflow.steps` with the SageMaker SDK, and compares the rendered machine with the golden file.

python tests/sagemaker_environment.py    creates an environment in a temporary folder (250 MB, a minute)

The SageMaker SDK is an optional dependency, for steps such as TrainingStep. The usual environment does not have it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "unit" / "workflow" / "golden" / "every_step.json"
NOT_NEEDED = {"duckdb", "matplotlib", "ministack", "pygraphviz"}
TOOLS = ("pytest", "markdown-it-py")


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # Only what assembles the workflow needs: not the engine, which pins its own botocore, and no drawing libraries.
    needed = [one for one in project["dependencies"] if re.match(r"[a-z0-9-]+", one)[0] not in NOT_NEEDED]
    extra = project["optional-dependencies"]["sagemaker"]
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        run(sys.executable, "-m", "venv", python.parent.parent)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needed, *extra, *TOOLS)
        tests = ("tests/unit/workflow/test_steps.py", "tests/unit/docs/test_retraining.py")
        run(python, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *tests)
        rendered = Path(folder) / "rendered.json"
        for order in ("door-first", "sdk-first"):
            run(python, "tests/unit/workflow/every_step.py", rendered, order)
            if rendered.read_bytes() != GOLDEN.read_bytes():
                sys.stderr.write(f"{order}: the rendered machine differs from {GOLDEN.relative_to(ROOT)}\n")
                return 1
    sys.stdout.write("The same definition, byte for byte, with and without the SageMaker SDK.\n")
    return 0


def run(*command: str | Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    sys.exit(main())
