"""Tests of what marks a field and its shape together, in a browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.server import serving
from console.site import Site
from lambdas.loops.loop import Loop
from tests.review_samples import custom, record_of
from tests.unit.workflow.operations.review_view.samples import picture
from workflow.operations.review_view.composing import Document, compose
from workflow.operations.review_view.model import DocumentView
from workflow.operations.review_view.objects import OpenedObject
from workflow.operations.review_view.record import ReadRecord
from workflow.operations.review_view.shapes import Size

IMAGE = picture(400, 200)
MOVED = {"label": "dog", "left": 40, "top": 100, "width": 120, "height": 80}
KEPT = [{"label": "cat", "left": 20 * at, "top": 10, "width": 15, "height": 60} for at in range(12)]


class Reviews:
    """One review: a box that people moved, and twelve that they kept."""

    def review(self, loop: Loop, **_: Any) -> Any:
        predicted = {"boundingBoxes": [MOVED | {"width": 100}, *KEPT]}
        answered = {"boundingBoxes": [MOVED, *KEPT], "inputImageProperties": {"width": 400, "height": 200}}
        record = record_of(custom({"prediction": {"animals": predicted}}, {"animals": answered}))
        view = DocumentView(
            index=0, location="s3://images/a.png", named_in="a", media_type="image/png", can_open=True
        )
        return compose("s3://reviews/a", ReadRecord(record), None, [Document(view, Size(400, 200))])

    def open(self, loop: Loop, index: int) -> OpenedObject:
        return OpenedObject("a.png", "image/png", len(IMAGE), io.BytesIO(), IMAGE)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    loop = Loop(human_loop_name="animals", review_location="s3://reviews/a")
    connection: Any = SimpleNamespace(loops=SimpleNamespace(find=lambda name: loop), reviews=Reviews())
    with serving(Site("dev", lambda: connection)) as link:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(link.replace("/?", "/loops/animals/review?"))
        yield page
        page.close()
        assert errors == []


def test_field_and_its_shape_are_marked_together(page: Page) -> None:
    field, shape = page.locator("#field-1"), page.locator("#mark-1")
    image = page.get_by_role("img", name="What people reviewed").bounding_box()
    drawn = shape.locator(".people .line").bounding_box()
    assert image is not None
    assert drawn is not None
    # The box is where people drew it, however large the image is shown.
    scale = image["width"] / 400
    middle = (drawn["x"] + drawn["width"] / 2, drawn["y"] + drawn["height"] / 2)
    assert ((middle[0] - image["x"]) / scale, (middle[1] - image["y"]) / scale) == pytest.approx(
        (100, 140), abs=1
    )
    # With the width of the line.
    assert 120 <= drawn["width"] / scale <= 135

    field.hover()
    expect(shape).to_have_class("on")
    page.mouse.move(drawn["x"] + 2, drawn["y"] - 40)
    expect(field).not_to_have_class("changed on")
    page.mouse.move(*middle)
    expect(field).to_have_class("changed on")
    field.get_by_role("link", name="1").focus()
    expect(shape).to_have_class("on")


def test_shape_leads_to_its_folded_field(page: Page) -> None:
    kept = page.locator("#field-5")
    expect(kept).to_be_hidden()

    page.locator("#mark-5 .line").click(position={"x": 8, "y": 60})

    expect(kept).to_be_visible()
    expect(kept.get_by_role("link")).to_be_focused()


def test_shapes_of_one_side_can_be_hidden(page: Page) -> None:
    page.get_by_role("checkbox", name="people, solid").uncheck()

    expect(page.locator("#mark-1 .people")).to_be_hidden()
    expect(page.locator("#mark-1 .prediction")).to_be_visible()
