"""Tests of the page of a review, and of the route of its documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws
from starlette.testclient import TestClient

from console import review_part
from lambdas.loops.loop import Loop
from lambdas.reviews.record import read_review
from tests.review_samples import answered_pair, custom, pair, textract
from tests.unit.doubles import StubbedSession
from tests.unit.workflow.operations.review_view.samples import DOCUMENTS, GOLDEN, REVIEWS, Stage, picture
from tests.unit.workflow.operations.review_view.test_forms import placed

EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202egpj\"'"
BOX = {"label": EVIL, "left": 10, "top": 10, "width": 20, "height": 20}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with mock_aws():
        yield Stage(StubbedSession())


@pytest.fixture
def open_page(console: Callable[..., TestClient], stage: Stage) -> Callable[..., Any]:
    """Returns the answer to a request about a loop of the stage."""

    def get(loop: Loop, path: str = "review", method: str = "GET", **query: Any) -> Any:
        loops = SimpleNamespace(find=lambda name: loop if name == loop.human_loop_name else None)
        client = console(SimpleNamespace(loops=loops, reviews=stage.reader))
        return client.request(method, f"/loops/{loop.human_loop_name}/{path}", params=query)

    return get


def form(*answers: tuple[str, ...], key: str = "form.png") -> dict[str, Any]:
    names = ("Name", "City", "Age")
    document = textract(
        [placed(pair(name, name, "Ana Silva"), 0.1) for name in names],
        *(
            [answered_pair(name, name, value) for name, value in zip(names, given, strict=True)]
            for given in answers
        ),
    )
    document["inputContent"]["aiServiceRequest"] = {
        "document": {"s3Object": {"bucket": DOCUMENTS, "name": key}}
    }
    return document


def text_of(response: Any) -> str:
    """Returns the text of a page, as a person reads it."""
    return " ".join(re.sub(r"<[^>]+>", "", response.text).split())


def test_review_shows_prediction_beside_answers(open_page: Any, stage: Stage) -> None:
    stage.put("form.png", picture())
    same = "Ana Silva"
    loop = stage.store("form", form((same, "Ana Souza", "a"), (same, "Ana Souza", "b"), (same, same, "c")))

    response = open_page(loop)

    text = text_of(response)
    assert response.status_code == 200
    assert "People overruled the model in 1 of 3 fields. In 1, no value has a majority." in text
    assert "Ana <del>Silva</del>" in response.text
    assert "Ana <ins>Souza</ins>" in response.text
    assert "2 of 3 agree (66.7 %)" in text
    assert "≠differs: worker 3 Ana Silva" in text
    assert "most votes for one value: 1 of 3 (33.3 %)" in text
    assert "all 3 workers" in text
    assert "confidence 90 %" in text
    # What changed comes first, and each field leads to its place on the image.
    assert re.findall(r'<a href="#(mark-\d)"', response.text) == ["mark-1", "mark-2", "mark-3"]
    assert re.findall(r'id="(mark-\d)"', response.text) == ["mark-1", "mark-2", "mark-3"]
    assert '<img src="/loops/form/document?object=0"' in response.text


def test_review_is_json_too(open_page: Any, stage: Stage) -> None:
    document = open_page(stage.store("form", form(("a", "b", "c"))), format="json").json()

    assert [row["outcome"] for row in document["part"]["review"]["rows"]] == ["changed"] * 3
    assert document["part"]["review"]["image"]["shapes"][0]["points"][0] == [10, 10]


def test_hostile_values_are_only_text(open_page: Any, stage: Stage) -> None:
    boxes = {"boundingBoxes": [BOX], "inputImageProperties": {"width": 100, "height": 100}}
    spans = {"entities": [{"label": EVIL, "startOffset": 0, "endOffset": 20}]}
    given = {"taskObject": f"s3://{DOCUMENTS}/{EVIL[:28]}", "text": EVIL, "prediction": {EVIL: EVIL}}
    document = custom(given, {EVIL: EVIL + "!", "boxes": boxes, "spans": spans, "deep": [[EVIL]]})
    document["humanAnswers"][0]["workerId"] = EVIL

    response = open_page(stage.store("hostile", document))

    assert response.status_code == 200
    assert "<img src=x" not in response.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", response.text)
    assert r"\x1B[2J\u202Egpj" in response.text
    assert "style=" not in response.text


def test_record_without_votes_is_shown(open_page: Any, stage: Stage) -> None:
    record = read_review((GOLDEN / "custom-made-by.json").read_bytes())
    without = [field.model_copy(update={"votes": []}) for field in record.fields]
    odd = [field.model_copy(update={"votes": [], "per_worker": []}) for field in record.fields]
    loop = stage.keep(record.model_copy(update={"fields": [*without, *odd]}))

    assert open_page(loop).status_code == 200


def test_large_review_has_parts(open_page: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_part, "MAX_ROWS", 20)
    count = 45
    document = textract(
        [pair(f"f{index}", f"Key {index}", "a") for index in range(count)],
        [pairs for index in range(count) for pairs in [answered_pair(f"f{index}", f"Key {index}", "b")]],
    )
    loop = stage.store("large", document)

    first, last, whole = (open_page(loop, first=value) for value in ("1", "41", "all"))

    assert "Fields 1 to 20 of 45" in text_of(first)
    assert "Next" in text_of(first)
    assert "Previous" not in text_of(first)
    assert "Fields 41 to 45 of 45" in text_of(last)
    assert "first=21" in last.text
    assert whole.text.count('id="field-') == count


@pytest.mark.parametrize("first", ["", "x", "-1", "0", "9" * 30, "²", "1e3"])
def test_odd_part_is_the_first_or_the_last(open_page: Any, stage: Stage, first: str) -> None:
    response = open_page(stage.store("form", form(("a", "b", "c"))), first=first)

    assert response.status_code == 200
    assert 'id="field-' in response.text


def test_many_kept_fields_are_folded(open_page: Any, stage: Stage) -> None:
    document = textract(
        [pair(f"f{index}", f"Key {index}", "a") for index in range(20)],
        [
            pairs
            for index in range(20)
            for pairs in [answered_pair(f"f{index}", f"Key {index}", "a" if index else "b")]
        ],
    )

    response = open_page(stage.store("folded", document))

    assert '<details id="kept"><summary>19 kept fields</summary>' in response.text


def test_review_that_cannot_be_read_says_what_to_do(open_page: Any, stage: Stage) -> None:
    stage.s3.put_object(Bucket=REVIEWS, Key="odd.json", Body=b"nonsense")

    response = open_page(Loop(human_loop_name="odd", review_location=f"s3://{REVIEWS}/odd.json"))

    assert response.status_code == 200
    assert "earlier versions of the object" in response.text


def test_loop_without_a_review_says_so(open_page: Any) -> None:
    assert "No review is stored for this loop." in open_page(Loop(human_loop_name="new")).text


def test_unknown_loop_is_a_page(open_page: Any, stage: Stage, console: Any) -> None:
    loops = SimpleNamespace(find=lambda name: None)
    client = console(SimpleNamespace(loops=loops, reviews=stage.reader))

    for path in ("/loops/nothing/review", "/loops/nothing/document", "/loops/a%2Fb/review"):
        response = client.get(path)
        assert response.status_code == 404
        assert "No such human loop" in response.text


@pytest.mark.parametrize("last", ["review", "document"])
def test_key_that_ends_like_a_page_leads_to_its_loop(stage: Stage, console: Any, last: str) -> None:
    loop = Loop(human_loop_name="order-17-x")
    loops = SimpleNamespace(find=lambda name: loop if name == f"order/17/{last}" else None)
    client = console(SimpleNamespace(loops=loops, reviews=stage.reader))

    response = client.get(f"/loops/order%2F17%2F{last}", follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (303, "/loops/order-17-x")


PAGE = b"<html><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("content", "media_type", "disposition"),
    [
        (picture(), "image/png", "inline"),
        (picture(kind="JPEG"), "image/jpeg", "inline"),
        (picture(kind="WEBP"), "image/webp", "inline"),
        (picture(kind="TIFF"), "image/tiff", "attachment"),
        (b"%PDF-1.7", "application/pdf", "attachment"),
        (PAGE, "application/octet-stream", "attachment"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", "attachment"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_document_is_shown_only_if_it_is_an_image(
    open_page: Any, stage: Stage, content: bytes, media_type: str, disposition: str
) -> None:
    stage.put("a/x\u00e9.png", content, ContentType="text/html")
    loop = stage.store("document", form(("a", "b", "c"), key="a/x\u00e9.png"))

    response = open_page(loop, "document")
    head = open_page(loop, "document", "HEAD")

    assert response.content == content
    for answer in (response, head):
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"] == f"{disposition}; filename*=UTF-8''x%C3%A9.png"
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert head.content == b""


@pytest.mark.parametrize("index", ["1", "-1", "x", "", "9" * 30, "../0", "s3://documents/secret"])
def test_only_what_the_input_names_is_sent(open_page: Any, stage: Stage, index: str) -> None:
    stage.put("secret", b"secret")
    response = open_page(stage.store("form", form(("a", "b", "c"))), "document", object=index)

    assert response.status_code == 404
    assert "this is not one of them" in response.text


def test_document_that_is_gone_is_a_page(open_page: Any, stage: Stage) -> None:
    response = open_page(stage.store("gone", form(("a", "b", "c"), key="gone.png")), "document")

    assert response.status_code == 404
    assert "the object does not exist" in response.text
