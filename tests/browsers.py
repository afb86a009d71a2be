"""A headless browser for the tests of web pages.

The tests use the installed Chromium (`apt-get install chromium`), or the one in AFTERLOOP_CHROMIUM. Without a browser
they are skipped; with AFTERLOOP_REQUIRE_BROWSER=1 they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Turn off the browser's own network traffic.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once for each module.

    While playwright runs, `asyncio.run` fails in the same process. So it ends before the tests of another module.
    """
    path = os.environ.get("AFTERLOOP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"no browser: none of {', '.join(NAMES)} is on the PATH, and AFTERLOOP_CHROMIUM is not set"
        if os.environ.get("AFTERLOOP_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Most processes need no browser.
    from playwright.sync_api import Error, expect, sync_playwright

    # As long as other calls of playwright wait. The default of 5 s is too short for a page on a busy machine.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        except Error as error:
            pytest.fail(f"{path} does not start: {error}")
        yield chromium
        chromium.close()
