"""Publishes a large machine to the local engine, and runs it: `python -m benchmarks.bench_large`.

The machine has 500 of the user's steps, which call 20 functions in turns. In a copy of the project:

    definition, template   their size in bytes, as they are sent
    plan                   `python deploy.py plan` of a stage that does not exist, without and with bundles in the cache
    publish                `python deploy.py publish --yes`
    smoke                  `python deploy.py smoke`: one execution goes through all steps

The seconds are those of one run. The exit status is 1 if a command fails, or the template is larger than CloudFormation
accepts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.publish.package import TEMPLATE_LIMIT, template_text
from workflow.publish.resolution import definition_string
from workflow.stack.assembly import assemble

FUNCTIONS = 20

STEPS = f"""
from workflow.steps import THIS_STEP, LambdaStep
completed = [
    LambdaStep(
        f"Check number {{number}}",
        parameters={{
            "FunctionName": f"check_{{number % {FUNCTIONS}}}",
            "Payload": {{"number": number, "location.$": "$.review.location", "step": THIS_STEP}},
        }},
        result_selector={{"number.$": "$.Payload.number"}},
        result_path="$.checked",
    )
    for number in range(500)
]
failed, stopped = [], []
"""

FUNCTION = """
def handler(event, context):
    return {"number": event["number"]}
"""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="afterloop-bench-") as folder:
        root = _project(Path(folder))
        template = assemble(root / "workflow/post_review.py", root).template.to_dict()
        print(f"definition {len(definition_string(template)):>9,} bytes")
        size = len(template_text(template))
        print(f"template   {size:>9,} bytes   at most {TEMPLATE_LIMIT:,}")
        with Sandbox.start(log_level="WARNING", wait_scale=0) as sandbox:
            sandbox.client("s3").create_bucket(Bucket="reviewed")
            environment = sandbox.environment()
            statuses = [
                _timed(environment, root, *command)
                for command in (["plan"], ["plan"], ["publish", "--yes"], ["smoke"])
            ]
    return int(statuses != [2, 2, 0, 0] or size > TEMPLATE_LIMIT)


def _project(folder: Path) -> Path:
    """A copy of the project with the large machine."""
    for name in ("workflow", "lambdas", "sandbox", "console", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("deploy.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    settings = {"region": "us-east-1", "output_buckets": ["reviewed"]}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (folder / "stages.toml").write_text(f"[stages.bench]\n{lines}")
    (folder / "workflow/post_review.py").write_text(STEPS)
    for number in range(FUNCTIONS):
        (folder / f"lambdas/check_{number}.py").write_text(f'"""Checks."""\n{FUNCTION}')
    return folder


def _timed(environment: Mapping[str, str], root: Path, *command: str) -> int:
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "deploy.py", *command, "--stage", "bench"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{command[0]:10} {time.perf_counter() - start:9.1f} s       {run.stderr.strip()}", flush=True)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
