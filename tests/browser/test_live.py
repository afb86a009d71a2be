"""Tests of what keeps the console's pages up to date, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from console.rendering import STATIC
from console.server import serving_app

HTML = """<!doctype html><html lang="en"><title>Live</title>
<script src="/live.js" defer></script><main>{}</main><p id="live-status" role="status"></p></html>"""


@dataclass
class Served:
    """A page whose content the test changes."""

    main: str = ""
    status: int = 200
    requests: int = 0

    def page(self, request: Request) -> Response:
        self.requests += 1
        return HTMLResponse(HTML.format(self.main), self.status)


@pytest.fixture
def served(browser: Browser) -> Iterator[tuple[Page, Served]]:
    content = Served('<p id="part" data-live>first</p><p id="other">other</p>')
    routes = [
        Route("/", content.page),
        Route("/live.js", lambda request: FileResponse(STATIC / "live.js", media_type="text/javascript")),
    ]
    with serving_app(Starlette(routes=routes)) as link:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.clock.install()
        page.goto(link)
        yield page, content
        page.close()
        assert errors == []


def _pass(page: Page) -> None:
    page.clock.run_for(2_000)


def test_changed_part_is_replaced_and_the_rest_stays(served):
    page, content = served
    page.evaluate("document.getElementById('other').textContent = 'mine'")
    content.main = '<p id="part" data-live>second</p><p id="other">theirs</p>'
    _pass(page)

    expect(page.locator("#part")).to_have_text("second")
    expect(page.locator("#other")).to_have_text("mine")


def test_focus_and_open_details_survive(served):
    page, content = served
    details = '<details id="more"><summary id="head">{}</summary>text</details>'
    content.main = f'<div id="part" data-live>{details.format("one")}</div>'
    page.reload()
    page.locator("#head").focus()
    page.keyboard.press("Enter")
    content.main = f'<div id="part" data-live>{details.format("two")}</div>'
    _pass(page)

    expect(page.locator("#head")).to_have_text("two")
    expect(page.locator("#head")).to_be_focused()
    assert page.locator("#more").evaluate("one => one.open")


def test_part_with_a_field_in_use_waits(served):
    page, content = served
    content.main = '<div id="part" data-live>old <input id="field" aria-label="Note"></div>'
    page.reload()
    page.locator("#field").fill("half a sen")
    content.main = '<div id="part" data-live>new <input id="field" aria-label="Note"></div>'
    with page.expect_response("**/"):
        _pass(page)
    assert page.locator("#field").input_value() == "half a sen"

    page.locator("#field").blur()
    _pass(page)
    expect(page.locator("#part")).to_contain_text("new")


def test_final_page_is_not_fetched_again(served):
    page, content = served
    content.main = '<p id="part">final</p>'
    _pass(page)
    expect(page.locator("#part")).to_have_text("final")
    before = content.requests
    for _ in range(3):
        _pass(page)

    assert content.requests == before


def test_error_is_shown_and_the_page_goes_on(served):
    page, content = served
    content.main, content.status = "<p>The AWS session has expired.</p>", 502
    _pass(page)
    expect(page.locator("#live-status")).to_contain_text(
        "not updated at the moment: The AWS session has expired."
    )
    expect(page.locator("#part")).to_have_text("first")

    content.main, content.status = '<p id="part" data-live>again</p>', 200
    _pass(page)
    expect(page.locator("#part")).to_have_text("again")
    expect(page.locator("#live-status")).to_have_text("")
