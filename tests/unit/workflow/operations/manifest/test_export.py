"""Tests of the export of many reviews: class IDs, order, and reasons for left-out reviews."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.errors import OutputMissing, OutputNotAllowed
from lambdas.reviews.location import S3Location
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.ground_truth import problems_of_manifest
from workflow.errors import AfterloopError
from workflow.operations.manifest.export import Export, export_manifest
from workflow.operations.reviews_source import StoredReview

PLACE = "s3://out/my-flow/2026/03/01/10/00/00/loop-1/output.json"


class Outputs:
    """Outputs or errors, by location."""

    def __init__(self) -> None:
        self.found: dict[str, bytes | Exception] = {}

    def read(self, location: S3Location, limit: int) -> bytes:
        found = self.found[str(location)]
        if isinstance(found, Exception):
            raise found
        assert len(found) <= limit
        return found


class Reviews:
    """Stored reviews with their outputs."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.stored: list[StoredReview] = []

    def add(
        self,
        *answers: dict[str, Any],
        about: Any = "s3://images/cat.jpg",
        output: bytes | Exception | None = None,
        **record: Any,
    ) -> None:
        self.add_output(samples.custom({"taskObject": about}, *answers), output, **record)

    def add_output(self, document: Any, output: bytes | Exception | None = None, **more: Any) -> None:
        number = len(self.stored)
        record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
        place = f"s3://out/{number}/output.json"
        record = record.model_copy(
            update={"human_loop_name": f"loop-{number}", "output_location": place, **more}
        )
        self.outputs.found[place] = output or json.dumps(document).encode()
        self.stored.append(StoredReview(record.key, record.flow_definition, record.to_line()))

    def export(self, **options: Any) -> tuple[Export, list[dict[str, Any]]]:
        file = io.StringIO()
        export = export_manifest(self.stored, self.outputs, file, **options)  # type: ignore[arg-type]
        return export, [json.loads(line) for line in file.getvalue().split("\n")[:-1]]


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


def test_class_has_the_same_id_in_all_lines(reviews: Reviews) -> None:
    for animal in ("dog", "cat", "dog", "bird"):
        reviews.add({"animal": {"label": animal}}, about=f"s3://images/{animal}.jpg")
    export, lines = reviews.export()
    assert [one.classes for one in export.attributes] == [("bird", "cat", "dog")]
    assert [line["animal"] for line in lines] == ["2", "1", "2", "0"]
    assert [line["source-ref"] for line in lines] == [
        f"s3://images/{name}.jpg" for name in ("dog", "cat", "dog", "bird")
    ]
    assert (export.lines, export.left_out) == (4, [])


def test_given_labels_keep_their_ids_and_others_follow(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "ant"}})
    reviews.add({"animal": {"label": "dog"}})
    export, lines = reviews.export(labels=["dog", "wolf"])
    assert export.attributes[0].classes == ("dog", "wolf", "ant")
    assert [line["animal"] for line in lines] == ["2", "0"]


def test_lines_are_in_the_order_of_the_reviews(reviews: Reviews) -> None:
    for number in range(100):
        reviews.add({"animal": {"label": "dog"}}, about=f"s3://images/{number}.jpg")
    seen: list[int] = []
    _, lines = reviews.export(progress=seen.append)
    assert [line["source-ref"] for line in lines] == [f"s3://images/{number}.jpg" for number in range(100)]
    assert seen == [50, 100]


def test_left_out_reviews_have_a_reason(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}})
    reviews.add({"animal": {"label": "dog"}}, {"animal": {"label": "cat"}})  # a tie
    reviews.add(
        {"animal": {"label": "dog"}}, output=OutputMissing("there is no object at s3://out/2/output.json")
    )
    reviews.add({"animal": {"label": "dog"}}, output=b"{")
    reviews.stored.append(StoredReview("s3://reviews/odd.json", "my-flow", b'{"schema_version":1}'))
    export, lines = reviews.export()
    assert len(lines) == export.lines == 1
    reasons = dict(export.left_out)
    assert set(reasons) == {"s3://reviews/odd.json", "loop-1", "loop-2", "loop-3"}
    assert reasons["s3://reviews/odd.json"] == "review record, $.human_loop_name: missing"
    assert reasons["loop-1"] == "no majority"
    assert "there is no object" in reasons["loop-2"]
    assert reasons["loop-3"].startswith("output.json, $")


def test_review_of_a_later_version_is_exported(reviews: Reviews) -> None:
    box = {"label": "dog", "left": 0, "top": 0, "width": 9, "height": 9}
    span = {"label": "dog", "startOffset": 0, "endOffset": 3}
    size = {"width": 64, "height": 48}
    answer = {"cars": {"boundingBoxes": [box], "inputImageProperties": size}, "names": {"entities": [span]}}
    reviews.add({"animal": {"label": "dog"}, **answer})
    (stored,) = reviews.stored
    later = stored.content.replace(b'"schema_version":1', b'"schema_version":1,"reviewed_twice":true')
    # Values are JSON texts in the record, so quotes are escaped.
    later = later.replace(b'{\\"height', b'{\\"angle\\":0,\\"height').replace(
        b'{\\"end', b'{\\"a\\":0,\\"end'
    )
    assert later.count(b"angle") > 1
    reviews.stored.append(StoredReview(stored.location, stored.flow_definition, later))
    export, lines = reviews.export()
    assert (export.left_out, lines[0]) == ([], lines[1])


def test_odd_value_in_a_record_costs_its_review_alone(reviews: Reviews) -> None:
    span = {"label": "dog", "startOffset": 0, "endOffset": 3}
    reviews.add({"animal": {"label": "dog"}, "names": {"entities": [span]}})
    good = reviews.stored[0]
    for old, new in (
        (b'"reviewed":"{\\"endOffset\\":3,', b'"reviewed":"{'),
        (b'"reviewed":"\\"dog\\""', b'"reviewed":"dog"'),
        (b'"reviewed":"\\"dog\\""', b'"reviewed":"{}"'),
        (b'"output_location":"s3://', b'"output_location":"'),
    ):
        odd = good.content.replace(old, new)
        assert odd != good.content
        reviews.stored.append(StoredReview(good.location, good.flow_definition, odd))
    export, lines = reviews.export()
    assert len(lines) == 1
    assert len(export.left_out) == 4
    assert all(reason.startswith("review record: a value cannot be read: ") for _, reason in export.left_out)


def test_missing_permission_on_outputs_ends_the_export(reviews: Reviews) -> None:
    for _ in range(40):
        reviews.add({"animal": {"label": "dog"}}, output=OutputNotAllowed(f"{PLACE}: access denied"))
    with pytest.raises(
        AfterloopError,
        match="access denied; the export reads the outputs, so your credentials need s3:GetObject",
    ):
        reviews.export()


def test_class_ids_start_with_0_for_each_attribute(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}, "mood": {"label": "sad"}, "tags": {"labels": ["wet", "big"]}})
    reviews.add({"animal": {"label": "cat"}, "mood": {"label": "good"}, "tags": {"labels": ["wet"]}})
    export, lines = reviews.export(labels=["mood=sad"])
    assert {one.name: one.classes for one in export.attributes} == {
        "animal": ("cat", "dog"),
        "mood": ("sad", "good"),
        "tags": ("big", "wet"),
    }
    assert [(line["animal"], line["mood"]) for line in lines] == [("1", "0"), ("0", "1")]
    assert problems_of_manifest(lines) == []


def test_label_that_is_in_no_line_is_no_class(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}})
    reviews.add({"animal": {"label": "ant"}, "note": "x"}, about="s3://images/2.jpg", status="Stopped")
    reviews.add({"cars": {"boundingBoxes": [{"label": "van", "left": 0, "top": 0, "width": 1, "height": 1}]}})
    export, _ = reviews.export()
    assert {one.name: one.classes for one in export.attributes} == {"animal": ("dog",), "cars": ()}


def test_lines_without_an_attribute_are_counted_by_reason(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}, "note": "x"})
    reviews.add({"animal": {"label": "dog"}, "note": "x"}, {"animal": {"label": "cat"}, "note": "x"})
    reviews.add({"note": "x"})
    export, _ = reviews.export()
    animal, note = export.attributes
    assert (animal.lines, animal.missing) == (1, {"no majority": 1, "no answer": 1})
    assert (note.lines, note.missing) == (3, {})


def test_attribute_option_writes_only_the_lines_that_have_it(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}, "note": "x"})
    reviews.add({"note": "x"})
    reviews.add({"animal": {"label": "cat"}}, {"animal": {"label": "dog"}})
    export, lines = reviews.export(attribute="animal")
    assert [set(line) for line in lines] == [{"source-ref", "animal", "animal-metadata"}]
    assert [(one.name, one.lines, one.missing) for one in export.attributes] == [("animal", 1, {})]
    assert export.left_out == [("loop-1", "no answer"), ("loop-2", "no majority")]
    with pytest.raises(
        AfterloopError, match="no review has an attribute 'animals'; choose one of animal, note"
    ):
        reviews.export(attribute="animals")


def test_names_that_become_one_are_refused_before_anything_is_written(reviews: Reviews) -> None:
    reviews.add({"a b": {"label": "x"}, "other": {"label": "z"}})
    reviews.add({"a-b": {"label": "y"}})
    file = io.StringIO()
    with pytest.raises(
        AfterloopError,
        match="the elements 'a b' and 'a-b' would both become the attribute a-b; export one of them",
    ):
        export_manifest(reviews.stored, reviews.outputs, file)  # type: ignore[arg-type]
    assert file.getvalue() == ""
    for element, label in (("a b", "x"), ("a-b", "y")):
        _, lines = reviews.export(attribute=element)
        assert [line["a-b-metadata"]["class-name"] for line in lines] == [label]
    assert len(reviews.export(attribute="other")[1]) == 1


def test_element_with_the_name_of_a_service_attribute_is_refused(reviews: Reviews) -> None:
    document = samples.textract([], [samples.answered_pair("a", "Name", "Ann")])
    document["humanAnswers"][0]["answerContent"]["form"] = {"label": "invoice"}
    reviews.add_output(document)
    with pytest.raises(AfterloopError, match="would both become the attribute form"):
        reviews.export()


def test_stopped_loops_and_invented_reviews_are_left_out(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}}, status="Stopped")
    reviews.add({"animal": {"label": "dog"}}, invented=True)
    export, lines = reviews.export()
    assert lines == []
    assert export.left_out == [
        ("loop-0", "the loop was stopped, so answers can be missing"),
        ("loop-1", "an invented sample review"),
    ]


def test_spans_and_labels_of_one_attribute_share_its_classes(reviews: Reviews) -> None:
    reviews.add({"a": {"entities": [{"label": "dog", "startOffset": 0, "endOffset": 3}]}}, about="a dog")
    reviews.add({"a": {"label": "wolf"}}, about="a wolf")
    export, lines = reviews.export()
    assert export.attributes[0].classes == ("dog", "wolf")
    assert lines[1]["a"] == "1"
    assert problems_of_manifest(lines) == []


def test_sources_and_types_are_counted(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}})
    reviews.add({"animal": {"labels": ["dog"]}}, about="a dog")
    export, lines = reviews.export()
    assert export.sources == {"source-ref": 1, "source": 1}
    assert export.attributes[0].types == {
        "groundtruth/image-classification": 1,
        "groundtruth/text-classification-multilabel": 1,
    }
    assert problems_of_manifest(lines) == []


SIZE = {"inputImageProperties": {"width": 640, "height": 480}}


@pytest.mark.parametrize("element", samples.ELEMENTS)
@given(st.data())
def test_every_element_is_exported_as_documented(element: str, data: st.DataObject) -> None:
    given_by_worker = st.lists(samples.ELEMENTS[element], min_size=1, max_size=3)
    reviews = Reviews()
    for answers in data.draw(st.lists(given_by_worker, min_size=1, max_size=3)):
        content = {"taskObject": "s3://images/cat.jpg", "size": SIZE}
        reviews.add_output(samples.custom(content, *({element: answer} for answer in answers)))
    export, lines = reviews.export()
    assert problems_of_manifest(lines) == []
    assert all(attribute.element == element for attribute in export.attributes)
    assert len(lines) + len(export.left_out) == len(reviews.stored)


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Outputs of one flow definition, all with an object that workers saw."""
    about = st.sampled_from(["s3://images/cat.jpg", "What a day."])
    made = draw(st.lists(samples.any_output, min_size=1, max_size=4))
    size = {"inputImageProperties": {"width": 640, "height": 480}}
    return [
        one | {"inputContent": one["inputContent"] | {"taskObject": draw(about), "size": size}}
        for one in made
    ]


@given(documents())
def test_every_manifest_is_as_documented(made: list[dict[str, Any]]) -> None:
    reviews = Reviews()
    for document in made:
        reviews.add_output(document)
    export, lines = reviews.export()
    assert problems_of_manifest(lines) == []
    assert export.lines == len(lines) == len(made) - len(export.left_out)
    for attribute in export.attributes:
        assert attribute.lines + attribute.missing.total() == export.lines
        assert attribute.lines == sum(attribute.name in line for line in lines)
