"""The console of the engine in a browser: a person plays a whole story, and finds out what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from console.server import serving
from lambdas.loops.loop import Loop
from sandbox.local import console_site, local_stage
from tests import accessibility
from tests.engine.published import PublishedStage
from workflow.publish.account import Account
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack.assembly import assemble
from workflow.stack.targets import local

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e"


@dataclass
class Watched:
    """A page in a browser that collects what goes wrong in it."""

    page: Page
    base: str
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page


@pytest.fixture(scope="module")
def link(published: PublishedStage) -> Iterator[str]:
    with serving(console_site(published.sandbox, published.stage.name)) as link:
        yield link


@pytest.fixture
def watched(browser: Browser, link: str) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watched = Watched(page, link.partition("/?")[0])
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("console", lambda one: watched.errors.append(one.text) if one.type == "error" else None)
    page.on("dialog", lambda dialog: (watched.errors.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.goto(link)
    yield watched
    context.close()
    assert watched.errors == []


@pytest.fixture(scope="module")
def unreadable_flow(published: PublishedStage) -> str:
    """A flow definition whose output is where the stage does not read, so that each execution fails."""
    bucket = published.name("elsewhere")
    published.s3.create_bucket(Bucket=bucket)
    return published.sandbox.flow_definitions.create(published.name("flow"), bucket)


@pytest.fixture
def failed(published: PublishedStage, unreadable_flow: str) -> Loop:
    """A loop whose execution failed. Its texts are hostile."""
    flow, name = unreadable_flow, published.name("failed")
    published.start(name, flow, {"text": HOSTILE})
    published.sandbox.loops.answer(name, {"comment": HOSTILE})
    published.ended(name)
    return published.row(name)


def test_person_starts_a_loop_answers_it_and_sees_the_review(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("button", name="An animal to choose a name for").click()
    name = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("radio", name="Cat").check()
    page.get_by_role("button", name="Submit").click()

    # The page of the loop updates itself until the review is there.
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator("#summary")).to_contain_text("stored")
    expect(page.locator("#review-part")).to_contain_text("People kept all that the model predicted.")

    page.get_by_role("link", name="Execution").first.click()
    expect(page.locator("#summary")).to_contain_text("SUCCEEDED")
    page.get_by_role("link", name="Collect review: passed").click()
    step = page.locator("#step")
    expect(step.get_by_role("heading", level=2)).to_have_text("Collect review")
    expect(step).to_contain_text("What the step added")
    expect(step).to_contain_text("stored")  # in the log of the function


def test_failed_execution_is_understood_in_three_clicks(watched: Watched, failed: Loop) -> None:
    # Loops of other tests may fill the first page of the whole list.
    assert failed.flow_definition_arn is not None
    page = watched.go(f"/?flow={failed.flow_definition_arn.rpartition('/')[2]}")
    page.get_by_role("link", name=failed.human_loop_name).click()
    page.get_by_role("link", name="Execution").first.click()
    page.locator("#summary").get_by_role("link", name="Collect review").click()

    step = page.locator("#step")
    expect(step).to_contain_text("OutputNotAllowed")
    expect(step).to_contain_text("output_buckets")


def test_execution_runs_again_from_its_page(
    watched: Watched, failed: Loop, published: PublishedStage
) -> None:
    before = failed.execution
    page = watched.go(f"/loops/{failed.human_loop_name}")
    page.get_by_role("link", name="Execution").first.click()
    page.get_by_role("button", name="Run again").click()

    expect(page.locator("#summary")).to_contain_text("FAILED")
    published.ended(failed.human_loop_name, count=2)
    page = watched.go(f"/loops/{failed.human_loop_name}")
    expect(page.get_by_role("link", name="Execution")).to_have_count(2)
    assert published.row(failed.human_loop_name).execution != before


def test_loop_is_closed_with_a_note(watched: Watched, failed: Loop) -> None:
    page = watched.go(f"/loops/{failed.human_loop_name}")
    page.locator("#note").fill(HOSTILE)
    page.locator("#do-close").click()

    expect(page.locator("#summary")).to_contain_text("closed")
    expect(page.locator("#summary")).to_contain_text("<img src=x onerror=alert(1)>")


NESTED_FLOW = "nested"
NESTED = """
from workflow.steps import Chain, Map, Parallel, Pass

each = Map(
    "For each field",
    item_processor=Chain([Pass("Look at field"), Pass("Note it", result="noted")]),
    items_path="$.fields",
)
both = Parallel("Two things at once")
both.add_branch(Chain([Pass("List fields", result={"fields": ["name", "date"]}), each]))
both.add_branch(Pass("Count"))
completed, failed, stopped = [both], [], []
"""


def test_added_steps_are_boxes_inside_boxes(
    browser: Browser, published: PublishedStage, tmp_path: Path
) -> None:
    post_review = tmp_path / "post_review.py"
    post_review.write_text(NESTED)
    stage = local_stage().model_copy(update={"name": "nested", "flow_definitions": (NESTED_FLOW,)})
    account = Account(published.sandbox.session)
    package = make_package(
        stage, assemble(post_review), local(), account=account.id, artifact_bucket=account.artifact_bucket
    )
    flow = published.sandbox.flow_definitions.create(NESTED_FLOW, stage.output_buckets[0])
    done = publish(account, stage, package, confirm=lambda plan: True)
    assert done is not None
    nested = PublishedStage(published.sandbox, stage, dict(done.outputs), published.eventually)
    name = nested.name("nested")
    nested.start(name, flow, {"text": "fine"})
    nested.sandbox.loops.answer(name, {"comment": "fine"})
    nested.ended(name)

    with serving(console_site(nested.sandbox, stage.name)) as link:
        page = browser.new_page()
        page.goto(link)
        page.get_by_role("link", name=name).click()
        page.get_by_role("link", name="Execution").first.click()
        for state in ("Two things at once", "For each field", "Look at field", "Count"):
            expect(page.get_by_role("link", name=f"{state}: passed")).to_be_visible()
        outer, inner = (
            page.locator(f"[data-state='{state}'] rect").first.bounding_box()
            for state in ("Two things at once", "Look at field")
        )
        page.get_by_role("link", name="Look at field: passed").click()
        step = page.locator("#step")
        expect(step.get_by_role("heading", level=2)).to_have_text("Look at field")
        expect(step).to_contain_text("For each field")
        expect(step.get_by_label("Visit, of 2")).to_have_value("2")  # the newest
        page.close()
    assert outer is not None
    assert inner is not None
    assert outer["x"] < inner["x"] < inner["x"] + inner["width"] < outer["x"] + outer["width"]
    assert outer["y"] < inner["y"] < inner["y"] + inner["height"] < outer["y"] + outer["height"]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_are_accessible_and_fit(
    watched: Watched, failed: Loop, published: PublishedStage, width: int, scheme: str
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert failed.execution is not None
    execution = f"/executions/{failed.execution.rpartition(':')[2]}"
    tasks = [task.name for task in console_site(published.sandbox, published.stage.name).reviewers.waiting(3)]  # type: ignore[union-attr]
    paths = [
        "/",
        f"/loops/{failed.human_loop_name}",
        f"{execution}?state=Collect+review",
        f"{execution}?view=table",
        f"{execution}?view=events",
        "/tasks",
        *(f"/tasks/{name}" for name in tasks[:3]),
        "/report",
    ]
    found = []
    for path in paths:
        watched.go(path)
        found += accessibility.problems(page, only_colors=scheme == "dark")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{path} is wider than the window")
    assert found == []
