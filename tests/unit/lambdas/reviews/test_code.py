"""Which code and which settings made a record: digests that are the same in AWS and in a checkout."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest

from lambdas.reviews.code import code_digest, digest_of
from lambdas.reviews.settings import ReviewSettings
from tests.review_samples import custom, record_of
from workflow import ROOT
from workflow.stack.bundles import build_bundles, function, local

PACKAGE = "lambdas/reviews/"


def settings(**changes: Any) -> ReviewSettings:
    return ReviewSettings.model_validate({"outputBuckets": ["outputs"], **changes})


def test_record_names_code_and_settings() -> None:
    record = record_of(custom({}, {"a": "x"}))
    assert record.made_by is not None
    assert (record.made_by.code, record.made_by.settings) == (
        code_digest(),
        ReviewSettings().digest("my-flow"),
    )
    for digest in (record.made_by.code, record.made_by.settings):
        assert len(digest) == 12
        assert set(digest) <= set("0123456789abcdef")


def test_bundle_of_the_function_has_the_digest_of_the_checkout() -> None:
    bundle = build_bundles([function("collect_review")], local())["CollectReview"]
    with zipfile.ZipFile(bundle.path) as archive:
        sources = {
            name.removeprefix(PACKAGE): archive.read(name)
            for name in archive.namelist()
            if name.startswith(PACKAGE) and name.endswith(".py")
        }
    # All of the package, because a function's bundle has only what the function imports.
    files = {path.relative_to(ROOT / PACKAGE).as_posix() for path in (ROOT / PACKAGE).rglob("*.py")}
    assert set(sources) == files
    assert digest_of(sources) == code_digest()


def test_digest_changes_with_source_and_not_with_line_ends() -> None:
    sources = {"a.py": b"x = 1\ny = 2\n", "b.py": b""}
    digest = digest_of(sources)
    assert digest_of(dict(reversed(sources.items()))) == digest
    assert digest_of({**sources, "a.py": b"x = 1\r\ny = 2\r\n"}) == digest
    others = [
        {**sources, "a.py": b"x = 1\ny = 3\n"},
        {"a.py": sources["a.py"]},
        {"c.py": sources["a.py"], "b.py": b""},
        {"a.py": b"", "b.py": sources["a.py"]},
    ]
    assert len({digest, *map(digest_of, others)}) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"workerIdentity": "hash"},
        {"predictions": {"forms": "model.result"}},
        {"predictions": {"forms": False}},
        {"flowDefinitions": {"forms": {"fields": {"total": {"same": "number"}}}}},
        {"flowDefinitions": {"forms": {"record": {"document_id": "id"}}}},
    ],
)
def test_settings_of_the_flow_definition_change_its_digest(changes: dict[str, Any]) -> None:
    before, after = settings(), settings(**changes)
    assert after.digest("forms") != before.digest("forms")
    assert (after.digest("others") != before.digest("others")) == ("workerIdentity" in changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"outputBuckets": ["more", "buckets"]},
        {"maxOutputBytes": 9},
        {"predictions": {"others": "x"}},
        {"flowDefinitions": {"others": {"record": {"document_id": "id"}}}},
    ],
)
def test_other_settings_do_not_change_the_digest(changes: dict[str, Any]) -> None:
    assert settings(**changes).digest("forms") == settings().digest("forms")


def test_each_setting_is_of_the_stage_or_of_a_flow_definition() -> None:
    """A new setting belongs into one of the three groups; see `ReviewSettings.digest`."""
    assert set(ReviewSettings.model_fields) == {
        "output_buckets",
        "max_output_bytes",
        "predictions",
        "flow_definitions",
        "worker_identity",
    }
