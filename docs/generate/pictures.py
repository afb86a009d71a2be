"""Takes the pictures of the console, the report and the dashboard for the documentation: `make pictures`.

It runs `make local` with one more loop, whose execution fails, and looks at the pages in a headless Chromium, which has
to be installed (`apt-get install chromium`), or named in AFTERLOOP_CHROMIUM.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from playwright.sync_api import Page, sync_playwright

from docs.generate import dashboard_picture
from sandbox.clients import FlowDefinitions, HumanLoops
from sandbox.connection import engine_of
from workflow import ROOT
from workflow.operations.client import LoopsClient

__all__ = ["main"]

_FOLDER = ROOT / "docs"
_WIDTH = 1180
_FAILED = "message-3304"


@dataclass(frozen=True)
class _Local:
    """What `make local` printed.

    Attributes:
        console: The link to the console.
        variables: The variables with which an SDK uses the engine.
    """

    console: str
    variables: dict[str, str]


def main() -> int:
    """Takes all pictures, and returns the exit status."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("AFTERLOOP_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        sys.stderr.write("error: no browser: install Chromium, or name it in AFTERLOOP_CHROMIUM\n")
        return 1
    with (
        tempfile.TemporaryDirectory() as folder,
        _running(Path(folder) / "report.html") as local,
        sync_playwright() as playwright,
    ):
        _fail_one(local)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 800}, color_scheme="light")
        page.goto(local.console)
        _look_around(page, local.console.partition("/?")[0])
        page.set_viewport_size({"width": 796, "height": 1100})
        page.goto((Path(folder) / "report.html").as_uri())
        _take(page, "report", 1100)
        dashboard_picture.take_picture(browser, Path(folder) / "dashboard.html", _FOLDER / "dashboard.png")
        browser.close()
    return 0


@contextmanager
def _running(report: Path) -> Iterator[_Local]:
    """Runs `make local` for as long as the context lasts."""
    command = [sys.executable, "deploy.py", "local", "--report", str(report)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "export AWS_EC2_METADATA_DISABLED" in line:  # the last one
                    break
            text = "".join(lines)
            [link] = re.findall(r"Console at (\S+)", text)
            yield _Local(link, dict(re.findall(r"export (AWS_\w+)='?([^'\s]*)", text)))
        finally:
            process.terminate()


def _fail_one(local: _Local) -> None:
    """Completes a loop whose output is where the stage does not read."""
    os.environ.update(local.variables)
    engine = engine_of(os.environ)
    assert engine is not None
    region = local.variables["AWS_REGION"]
    client: Any = boto3.Session().client
    FlowDefinitions(client, engine, region).create("returns", "another-bucket")
    loops = HumanLoops(engine, region)
    LoopsClient("local").start_custom("returns", {"text": "The lamp came broken."}, human_loop_name=_FAILED)
    loops.answer(_FAILED, {"reason": {"label": "broken"}})


def _look_around(page: Page, console: str) -> None:
    page.get_by_role("link", name=_FAILED).wait_for()
    page.locator("tr", has_text=_FAILED).locator(".badge", has_text=re.compile("failed")).wait_for()
    _take(page, "console-loops", 760)
    page.goto(f"{console}/loops/application-1041")
    page.locator("#review-part img, #review-part image").first.wait_for()
    page.locator("#review-part").screenshot(path=_FOLDER / "console-review.png")
    page.goto(f"{console}/loops/{_FAILED}")
    page.get_by_role("link", name="Execution").first.click()
    page.locator("#summary").get_by_role("link", name="Collect review").click()
    page.locator("#step").wait_for()
    page.set_viewport_size({"width": _WIDTH, "height": 1000})
    page.wait_for_timeout(500)  # the graph moves to the step
    _take(page, "console-execution", 1000)
    page.goto(f"{console}/tasks/animals-16")
    page.locator("[data-canvas]").wait_for()
    _take(page, "console-task", 980)


def _take(page: Page, name: str, height: int) -> None:
    width = page.viewport_size["width"] if page.viewport_size else _WIDTH
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=_FOLDER / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
