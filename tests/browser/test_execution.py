"""Tests of the graph of an execution, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.executions.recent import RecentExecutions
from console.server import serving
from console.site import Site
from tests.unit.console.conftest import resources
from tests.unit.console.executions.executions import History, OneExecution, StageLoopsDouble

STEPS = [f"Step {number}" for number in range(30)]


@dataclass
class Shown:
    """The page of an execution that the test goes on with."""

    page: Page
    execution: OneExecution

    @property
    def scale(self) -> float:
        script = "one => one.getAttribute('width') / one.viewBox.baseVal.width"
        return float(self.page.locator("#graph svg").evaluate(script))

    def scrolled(self) -> list[float]:
        found: list[float] = self.page.evaluate("[scrollY, graph.scrollTop]")
        return found


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    following = [{"Next": name} for name in STEPS[1:]]
    states = {
        name: {"Type": "Pass", **after}
        for name, after in zip(STEPS, [*following, {"End": True}], strict=True)
    }
    history = History({"StartAt": STEPS[0], "States": states})
    for name in STEPS[:10]:
        history.passed(name)
    history.entered(STEPS[10], "Pass")
    execution = OneExecution(history, "RUNNING")
    connection: Any = SimpleNamespace(
        states=execution,
        executions=RecentExecutions(execution),
        loops=StageLoopsDouble(),
        resources=resources(),
    )
    with serving(Site("dev", lambda: connection)) as link:
        page = browser.new_page(viewport={"width": 1280, "height": 700})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.clock.install()
        page.goto(link.replace("/?", "/executions/one?"))
        yield Shown(page, execution)
        page.close()
        assert errors == []


def test_chosen_step_is_shown_without_scrolling(shown: Shown) -> None:
    page = shown.page
    page.evaluate("scrollTo(0, 150)")
    page.get_by_role("link", name="Step 9: passed").scroll_into_view_if_needed()
    before = shown.scrolled()
    assert before[0] > 0
    page.get_by_role("link", name="Step 9: passed").click()

    expect(page.locator("#step-title")).to_have_text("Step 9")
    page.wait_for_load_state()  # the script of the new page has run
    assert shown.scrolled() == pytest.approx(before, abs=1)
    assert page.url.endswith("?state=Step+9")


def test_running_step_is_in_sight_at_first(shown: Shown) -> None:
    graph = shown.page.locator("#graph").bounding_box()
    step = shown.page.locator("[data-state='Step 10'] rect").first.bounding_box()
    assert graph is not None
    assert step is not None
    assert graph["y"] <= step["y"] <= step["y"] + step["height"] <= graph["y"] + graph["height"]


def test_size_of_the_graph_is_kept_while_it_is_updated(shown: Shown) -> None:
    page, history = shown.page, shown.execution.history
    page.get_by_role("button", name="Make the graph smaller").click()
    page.get_by_role("button", name="Make the graph smaller").click()
    smaller = shown.scale
    assert smaller < 0.8
    history.left(STEPS[10], "Pass")
    history.entered(STEPS[11], "Pass")
    page.clock.run_for(10_000)  # a console that only reads asks less often

    expect(page.locator("#summary")).to_contain_text("It is running Step 11")
    expect(page.locator("#step-title")).to_have_text("Step 11")
    expect(page.get_by_role("link", name="Step 10: passed")).to_have_count(1)
    assert shown.scale == pytest.approx(smaller)
    history.left(STEPS[11], "Pass")
    history.add("ExecutionSucceeded")
    shown.execution.status = "SUCCEEDED"
    page.clock.run_for(10_000)  # a console that only reads asks less often

    expect(page.locator("#summary")).to_contain_text("It succeeded")
    expect(page.locator("[data-live]")).to_have_count(0)
    page.reload()
    assert shown.scale == pytest.approx(smaller)
    page.get_by_role("button", name="Fit").click()
    assert shown.scale == 1  # It is narrower than its place.
