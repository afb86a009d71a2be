from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.loop import Loop
from lambdas.reviews.record import read_review
from tests.review_samples import answered_pair, custom, pair, rekognition, textract
from tests.unit.workflow.operations.review_view.samples import (
    DOCUMENTS,
    GOLDEN,
    OUTPUTS,
    REVIEWS,
    Stage,
    picture,
)
from tests.unit.workflow.operations.review_view.test_forms import placed
from workflow.operations.review_view import ReviewView, reading
from workflow.operations.review_view.objects import DocumentError
from workflow.operations.review_view.reading import ReviewUnreadable

BOX = {"label": "dog", "left": 10, "top": 10, "width": 20, "height": 20}


def boxes(*found: dict[str, Any]) -> dict[str, Any]:
    return {"animals": {"boundingBoxes": list(found), "inputImageProperties": {"width": 100, "height": 50}}}


def shown(stage: Stage, loop: Loop, **options: Any) -> ReviewView:
    view = stage.reader.review(loop, **options)
    assert view is not None
    # The whole view is JSON.
    json.loads(view.model_dump_json(by_alias=True))
    return view


def form(bucket: str = DOCUMENTS, name: str = "form.png", fields: int = 1) -> dict[str, Any]:
    document = textract(
        [placed(pair(f"f{index}", f"Key {index}", "Ana"), 0.1) for index in range(fields)],
        [pairs for index in range(fields) for pairs in (answered_pair(f"f{index}", f"Key {index}", "Eva"),)],
    )
    document["inputContent"]["aiServiceRequest"] = {
        "document": {"s3Object": {"bucket": bucket, "name": name}}
    }
    return document


def test_form_is_shown_with_the_place_of_each_field(stage: Stage) -> None:
    stage.put("form.png", picture(200, 300))
    view = shown(stage, stage.store("form", form()))
    assert [(row.number, row.name, row.outcome, row.marked) for row in view.rows] == [
        (1, "Key 0", "changed", True)
    ]
    assert view.image is not None
    assert view.image.document == view.documents[0]
    assert (view.documents[0].location, view.documents[0].media_type) == (
        f"s3://{DOCUMENTS}/form.png",
        "image/png",
    )
    assert (view.image.width, view.image.height) == (200, 300)
    assert [(shape.row, shape.who, shape.points[0]) for shape in view.image.shapes] == [
        (1, "key", (10, 10)), (1, "value", (50, 10)),
    ]  # fmt: skip
    assert (view.problems, view.image.problems) == ([], [])


def test_form_whose_document_cannot_be_read_says_why_and_has_its_places(stage: Stage) -> None:
    view = shown(stage, stage.store("gone", form(name="gone.png")))
    assert view.image is not None
    assert view.image.document is not None
    assert not view.image.document.can_open
    assert "the object does not exist" in str(view.image.document.problem)
    assert len(view.image.shapes) == 2


def test_form_in_a_pdf_is_a_link_without_shapes(stage: Stage) -> None:
    stage.put("form.pdf", b"%PDF-1.7")
    view = shown(stage, stage.store("pdf", form(name="form.pdf")))
    assert view.image is not None
    assert (view.image.shapes, view.image.document) == ([], view.documents[0])
    assert view.documents[0].media_type == "application/pdf"
    assert "marked only on images" in view.image.problems[0]


def test_moderated_image_is_shown(stage: Stage) -> None:
    stage.put("cat.jpg", picture(kind="JPEG"))
    document = rekognition([("Violence", "", 80.0)], [], [("Violence", "")], [])
    document["inputContent"]["aiServiceRequest"]["image"]["s3Object"]["bucket"] = DOCUMENTS
    view = shown(stage, stage.store("image", document))
    assert view.image is not None
    assert (view.image.shapes, view.documents[0].media_type) == ([], "image/jpeg")
    assert [(row.outcome, [answer.agrees for answer in row.answers]) for row in view.rows] == [
        ("removed", [True, False, True])
    ]


def test_boxes_are_drawn_on_the_image_of_the_input(stage: Stage) -> None:
    image = stage.put("dogs.png", picture(100, 50))
    given = {"taskObject": image, "prediction": {"boundingBoxes": [BOX]}}
    view = shown(stage, stage.store("boxes", custom(given, boxes(BOX), boxes(BOX, BOX | {"left": 60}))))
    assert view.image is not None
    assert [(shape.row, shape.who, shape.worker, shape.points) for shape in view.image.shapes] == [
        (1, "worker", 2, [(60, 20), (80, 60)]),
        (2, "both", None, [(10, 20), (30, 60)]),
        (2, "worker", 1, [(10, 20), (30, 60)]),
        (2, "worker", 2, [(10, 20), (30, 60)]),
    ]
    assert [row.outcome for row in view.rows] == ["unresolved", "kept"]


def test_boxes_without_an_image_are_drawn_on_its_size(stage: Stage) -> None:
    view = shown(stage, stage.store("alone", custom({}, boxes(BOX))))
    assert view.image is not None
    assert (view.image.document, view.image.width, view.image.height) == (None, 100, 50)
    assert len(view.image.shapes) == 1


def test_spans_are_marked_in_the_text_of_the_input(stage: Stage) -> None:
    entity = {"label": "name", "startOffset": 0, "endOffset": 3}
    given = {"text": "Ana lives here", "prediction": {"entities": [entity | {"endOffset": 4}]}}
    view = shown(stage, stage.store("spans", custom(given, {"ner": {"entities": [entity]}})))
    assert view.text is not None
    assert view.text.named_in == "inputContent.text"
    assert [piece.text for piece in view.text.pieces] == ["Ana", " ", "lives here"]
    assert (view.rows[0].marked, view.image) == (True, None)
    assert view.rows[0].reviewed is not None
    assert view.rows[0].reviewed.text == "name: “Ana”, characters 0 to 3"


def test_spans_without_their_text_say_so(stage: Stage) -> None:
    entity = {"label": "name", "startOffset": 0, "endOffset": 300}
    view = shown(stage, stage.store("lost", custom({"text": "short"}, {"ner": {"entities": [entity]}})))
    assert (view.text, view.problems) == (
        None,
        ["The text that people marked is not in the input of the loop."],
    )


def test_large_review_is_shown_in_parts(stage: Stage) -> None:
    loop = stage.store("large", form(fields=45))
    view = shown(stage, loop, limit=20)
    assert (len(view.rows), view.counts.fields, view.first) == (20, 45, 1)
    view = shown(stage, loop, first=41, limit=20)
    assert [row.number for row in view.rows] == [*range(41, 46)]
    assert view.image is not None
    assert {shape.row for shape in view.image.shapes} == {*range(41, 46)}
    assert len(shown(stage, loop, limit=None).rows) == 45
    assert [shown(stage, loop, first=first, limit=2).first for first in (-5, 0, 1_000)] == [1, 1, 45]


@pytest.mark.parametrize("name", ["custom", "rekognition", "textract"])
def test_record_without_its_output_is_shown_and_says_so(stage: Stage, name: str) -> None:
    stage.s3.put_object(Bucket=REVIEWS, Key=name, Body=(GOLDEN / f"{name}.json").read_bytes())
    view = shown(stage, Loop(human_loop_name="loop-1", review_location=f"s3://{REVIEWS}/{name}"))
    assert len(view.rows) == view.counts.fields
    assert "A2I's output cannot be read, so that not all is shown" in view.problems[0]


def test_sample_data_have_no_document(stage: Stage) -> None:
    record = read_review((GOLDEN / "textract.json").read_bytes())
    loop = stage.keep(record.model_copy(update={"invented": True}))
    view = shown(stage, loop)
    assert (view.invented, view.problems, view.documents) == (True, [], [])
    assert stage.reader.documents(loop) == []


def test_input_that_was_stored_names_the_document_if_the_output_is_gone(stage: Stage) -> None:
    loop = stage.store("moved", form())
    stage.s3.delete_object(Bucket=OUTPUTS, Key="my-flow/moved/output.json")
    task = {
        "type": "textract",
        "request": {"Document": {"S3Object": {"Bucket": DOCUMENTS, "Name": "form.png"}}},
    }
    stage.s3.put_object(Bucket=REVIEWS, Key="inputs/moved.json", Body=json.dumps({"task": task}))
    view = shown(stage, loop.model_copy(update={"input_location": f"s3://{REVIEWS}/inputs/moved.json"}))
    assert [one.location for one in view.documents] == [f"s3://{DOCUMENTS}/form.png"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"task": 3}', b"nonsense", b"[" * 5_000])
def test_input_that_cannot_be_read_says_so(stage: Stage, content: bytes) -> None:
    stage.s3.put_object(Bucket=REVIEWS, Key="inputs/odd.json", Body=content)
    loop = Loop(human_loop_name="odd", input_location=f"s3://{REVIEWS}/inputs/odd.json")
    with pytest.raises(DocumentError, match="The input of the loop cannot be read"):
        stage.reader.documents(loop)


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b'{"humanAnswers": [}'])
def test_output_that_is_damaged_costs_only_what_it_shows(stage: Stage, content: bytes) -> None:
    loop = stage.store("damaged", form())
    stage.s3.put_object(Bucket=OUTPUTS, Key="my-flow/damaged/output.json", Body=content)
    stage.reader._inputs.clear()
    view = shown(stage, loop)
    assert (len(view.rows), view.documents) == (1, [])
    assert view.problems[0].startswith("A2I's output cannot be read")


def test_output_without_readable_answers_still_names_the_document(stage: Stage) -> None:
    loop = stage.store("unreadable", form())
    document = form() | {"humanAnswers": [7]}
    stage.s3.put_object(Bucket=OUTPUTS, Key="my-flow/unreadable/output.json", Body=json.dumps(document))
    stage.reader._inputs.clear()
    assert shown(stage, loop).documents[0].location == f"s3://{DOCUMENTS}/form.png"


def test_loop_without_a_review_still_names_its_documents(stage: Stage) -> None:
    stage.put("page.png", picture())
    task = {
        "type": "custom",
        "inputContent": {"page": f"s3://{DOCUMENTS}/page.png", "web": "https://x.example/"},
    }
    stage.s3.put_object(Bucket=REVIEWS, Key="inputs/waiting.json", Body=json.dumps({"task": task}))
    loop = Loop(human_loop_name="waiting", input_location=f"s3://{REVIEWS}/inputs/waiting.json")
    assert stage.reader.review(loop) is None
    assert [(one.index, one.named_in, one.can_open) for one in stage.reader.documents(loop)] == [
        (0, "inputContent.page", True), (1, "inputContent.web", False),
    ]  # fmt: skip
    assert b"".join(stage.reader.open(loop, 0).chunks()) == picture()
    assert stage.reader.documents(Loop(human_loop_name="unknown")) == []


@pytest.mark.parametrize("index", [-1, 1, 10**9])
def test_only_what_the_input_names_is_opened(stage: Stage, index: int) -> None:
    with pytest.raises(DocumentError, match="names 1 objects, and this is not one of them"):
        stage.reader.open(stage.store("form", form()), index)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"nonsense", "earlier versions"),
        (b'{"schema_version": 9}', "update Afterloop"),
        (None, "deleted"),
    ],
)
def test_review_that_cannot_be_read_says_what_to_do(stage: Stage, content: bytes | None, why: str) -> None:
    loop = Loop(human_loop_name="odd", review_location=f"s3://{REVIEWS}/odd.json")
    stage.s3.delete_object(Bucket=REVIEWS, Key="odd.json")
    if content is not None:
        stage.s3.put_object(Bucket=REVIEWS, Key="odd.json", Body=content)
    with pytest.raises(ReviewUnreadable, match=why):
        stage.reader.review(loop)


def test_location_that_is_no_location_says_so(stage: Stage) -> None:
    with pytest.raises(ReviewUnreadable, match="expected s3://"):
        stage.reader.review(Loop(human_loop_name="odd", review_location="file:///etc/passwd"))


def test_odd_values_of_a_record_are_reported(stage: Stage) -> None:
    document = json.loads((GOLDEN / "custom.json").read_text())
    document["answers"][0]["submitted_at"] = "yesterday"
    document["fields"][0]["outcome"] = "guessed"
    stage.s3.put_object(Bucket=REVIEWS, Key="odd.json", Body=json.dumps(document))
    view = shown(stage, Loop(human_loop_name="odd", review_location=f"s3://{REVIEWS}/odd.json"))
    assert view.problems[-1].endswith("values that cannot be read, in answers, fields: they are left out.")
    # Which answer is whose is unknown without one of them.
    assert (view.workers, len(view.rows)) == ([], 11)


def test_input_is_read_once_while_a_person_looks_at_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "KEPT", 4)
    loop = stage.store("again", form())
    shown(stage, loop)
    stage.s3.delete_object(Bucket=OUTPUTS, Key="my-flow/again/output.json")
    assert shown(stage, loop).problems == []
    for name in ("b", "c", "d", "e"):
        shown(stage, stage.store(name, form()))
    assert shown(stage, loop).problems != []


def test_expired_credentials_are_not_a_problem_of_the_review(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = stage.store("expired", form())
    response: Any = {"Error": {"Code": "ExpiredToken"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    def refuse(**_: Any) -> Any:
        raise ClientError(response, "GetObject")

    monkeypatch.setattr(stage.reader._objects._client, "get_object", refuse)
    with pytest.raises(ClientError):
        stage.reader.review(loop)


def test_refusal_that_nobody_knows_costs_only_its_part(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = stage.store("refused", form())
    read = stage.reader._objects._client.get_object

    def refuse_outputs(**call: Any) -> Any:
        if call["Bucket"] == OUTPUTS:
            raise ClientError({"Error": {"Code": "PermanentRedirect"}}, "GetObject")
        return read(**call)

    monkeypatch.setattr(stage.reader._objects._client, "get_object", refuse_outputs)
    view = shown(stage, loop)
    assert (len(view.rows), view.problems[0][-17:]) == (1, "PermanentRedirect")


def test_image_is_found_behind_what_is_none(stage: Stage) -> None:
    given = {
        "a.png": f"s3://{DOCUMENTS}/missing.png",
        "b.png": stage.put("page.png", b"a page of text"),
        "image": stage.put("dogs", picture(100, 50)),
    }
    view = shown(stage, stage.store("behind", custom(given, boxes(BOX))))
    assert view.image is not None
    assert view.image.document is not None
    assert (view.image.document.index, view.image.document.named_in) == (2, "inputContent.image")
    assert [one.index for one in view.documents] == [2, 0, 1]
