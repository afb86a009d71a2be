"""Boxes and spans made with the mouse or the keyboard give the output of the crowd element, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.server import serving
from console.site import Site
from tests.waiting_tasks import WaitingTasks, written

PREDICTED = [
    {"height": 120, "label": "Dog", "left": 96, "top": 240, "width": 150},
    {"height": 152, "label": "Dog", "left": 432, "top": 310, "width": 120},
]


@pytest.fixture(scope="module")
def served(browser: Browser) -> Iterator[tuple[Page, WaitingTasks, str]]:
    tasks = WaitingTasks()
    site = Site("local", lambda: tasks.connection, may_write=True, reviewers=tasks)
    with serving(site) as link:
        page = browser.new_page(viewport={"width": 1100, "height": 1000})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(link.replace("/?", "/tasks?"))
        yield page, tasks, link.partition("/?")[0]
        page.close()
        # An answer leads to the loop's page, which this console has no stage for.
        assert [error for error in errors if "the server responded with a status of" not in error] == []


@pytest.fixture
def worker(served: tuple[Page, WaitingTasks, str]) -> tuple[Page, WaitingTasks, str]:
    """A page, the tasks as they were at first, and the address of the console, with its guard."""
    served[1].reset()
    return served


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Returns where a pixel of the image is on the screen."""
    box = page.locator("[data-canvas]").bounding_box()
    assert box is not None
    scale = box["width"] / 800
    return box["x"] + x * scale, box["y"] + y * scale


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*at(page, *end))
    page.mouse.up()


def submitted(page: Page, tasks: WaitingTasks) -> str:
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_role("button", name="Submit").click()
    return written(tasks.answers[-1][2])


def output(*boxes: dict[str, Any], modified: bool = True) -> str:
    return written(
        {
            "animals": {
                "boundingBoxes": list(boxes),
                "initialValueModified": modified,
                "inputImageProperties": {"height": 533, "width": 800},
            }
        }
    )


def test_boxes_are_drawn_moved_and_resized_with_the_mouse(worker: tuple[Page, WaitingTasks, str]) -> None:
    page, tasks, address = worker
    page.goto(f"{address}/tasks/animal-boxes")
    canvas = page.locator("[data-canvas]")
    canvas.evaluate(
        "one => { one.style.width = '800px'; one.style.maxWidth = 'none'; }"
    )  # a pixel is a pixel
    page.locator("[data-tools] input[value='1']").check()
    drag(page, (766, 432), (584, 305))  # from the corner at the bottom right
    # The first box is moved by its line; the lower right corner of the second one is pulled.
    drag(page, (150, 240), (140, 230))
    page.mouse.click(*at(page, 500, 310))
    drag(page, (552, 462), (562, 472))
    page.locator("[data-row='1'] select").select_option("Cat")
    drag(page, (10, 10), (12, 12))  # no box: a click that trembled

    assert submitted(page, tasks) == output(
        PREDICTED[0] | {"left": 86, "top": 230},
        PREDICTED[1] | {"label": "Cat", "width": 130, "height": 162},
        {"height": 127, "label": "Dog", "left": 584, "top": 305, "width": 182},
    )


def test_boxes_are_made_with_the_keyboard_alone(worker: tuple[Page, WaitingTasks, str]) -> None:
    page, tasks, address = worker
    page.goto(f"{address}/tasks/animal-boxes")
    page.get_by_role("button", name="Add a box").focus()
    page.keyboard.press("Enter")
    box = page.locator("[data-shape='2']")
    expect(box).to_be_focused()
    expect(page.locator("[data-status]")).to_have_text(
        "Box 3, Cat: left 300, top 200, width 200, height 133, added"
    )
    for key in (
        "2",
        "ArrowRight",
        "ArrowRight",
        "Control+ArrowDown",
        "Shift+ArrowLeft",
        "Control+Shift+ArrowUp",
    ):
        page.keyboard.press(key)
    expect(box).to_have_attribute("aria-label", "Box 3, Dog: left 320, top 201, width 190, height 132")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("[data-shape='1']")).to_be_focused()
    page.keyboard.press("Delete")
    expect(box).to_be_focused()
    # What has to be corrected is said beside the box, and nothing that was drawn is lost.
    page.locator("[data-row='2'] input[data-side=left]").fill("790")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("[data-row='2'] .invalid")).to_contain_text("beyond the image")
    page.locator("[data-row='2'] input[data-side=left]").fill("320")
    assert submitted(page, tasks) == output(
        PREDICTED[0], {"height": 132, "label": "Dog", "left": 320, "top": 201, "width": 190}
    )


TEXT = "Please send three desk lamps to Maria Quill in Springfield before 14 May, and one spare bulb."


def spans(*found: tuple[str, str]) -> str:
    entities = [
        {"endOffset": TEXT.index(part) + len(part), "label": label, "startOffset": TEXT.index(part)}
        for label, part in found
    ]
    return written({"parts": {"entities": entities}})


def test_spans_are_marked_with_the_mouse(worker: tuple[Page, WaitingTasks, str]) -> None:
    page, tasks, address = worker
    page.goto(f"{address}/tasks/order-parts")
    page.locator("[data-start='47']").dblclick()  # Springfield, a person until now
    page.get_by_role("button", name="place").click()
    first, last = (page.locator(f"[data-start='{start}']").bounding_box() for start in (82, 88))
    assert first is not None
    assert last is not None
    page.mouse.move(first["x"] + 1, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 1, last["y"] + last["height"] / 2, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="product").click()
    page.locator("[data-row='0']").get_by_role("button", name="Remove").click()

    assert submitted(page, tasks) == spans(
        ("person", "Maria Quill"), ("place", "Springfield"), ("date", "14 May"), ("product", "spare bulb")
    )
    # A part of a word, after characters that a script counts twice, and a line end that browsers change.
    described = tasks.task("order-parts").description
    tasks.add("birds", {"taskObject": "🐦🐦 a\r\nbirdhouse"}, description=described)
    page.goto(f"{address}/tasks/birds")
    page.locator("[data-start='6']").evaluate(
        "word => getSelection().setBaseAndExtent(word.firstChild, 0, word.firstChild, 4)"
    )
    page.get_by_role("button", name="product").click()
    expect(page.locator("[data-quote]")).to_have_text("bird")
    assert submitted(page, tasks) == written(
        {"parts": {"entities": [{"endOffset": 10, "label": "product", "startOffset": 6}]}}
    )


def test_spans_are_marked_with_the_keyboard_alone(worker: tuple[Page, WaitingTasks, str]) -> None:
    page, tasks, address = worker
    page.goto(f"{address}/tasks/order-parts")
    page.get_by_role("button", name="date").focus()
    page.keyboard.press("Tab")
    text = page.get_by_role("listbox")
    expect(text).to_be_focused()
    expect(text).to_have_attribute("aria-activedescendant", "e0-span-word-0")
    for key in ("End", "ArrowLeft", "Shift+ArrowLeft", "1"):  # the full stop, bulb, spare bulb
        page.keyboard.press(key)
    expect(page.locator("[data-status]")).to_have_text("“spare bulb” is marked as product.")
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    expect(text).to_have_attribute("aria-activedescendant", "e0-span-word-47")
    page.keyboard.press("Shift+ArrowLeft")  # “in Springfield” shares a part with “Springfield”
    page.keyboard.press("3")
    expect(page.locator("[data-status]")).to_contain_text("This shares a part with “Springfield”, person")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Delete")
    page.keyboard.press("3")
    assert submitted(page, tasks) == spans(
        ("product", "desk lamps"),
        ("person", "Maria Quill"),
        ("place", "Springfield"),
        ("date", "14 May"),
        ("product", "spare bulb"),
    )
