"""A review in the console, of a loop that the workflow processed on the engine."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from console.app import console_app
from console.site import Connection, Site
from sandbox.samples import JOB_APPLICATION
from tests.engine.published import PublishedStage
from workflow.operations.client import LoopsClient
from workflow.operations.stage_resources import StageResources


def test_form_is_shown_beside_its_document(published: PublishedStage) -> None:
    name, stage = published.name("form"), published.stage
    flow = published.flow_definition(task_type="textract", conditions=JOB_APPLICATION.conditions)
    where = JOB_APPLICATION.upload(published.s3, stage.document_buckets[0])["S3Object"]
    client = LoopsClient(stage.name, published.sandbox.session)
    client.start_textract(flow, f"s3://{where['Bucket']}/{where['Name']}", human_loop_name=name)
    published.sandbox.loops.answer(name, JOB_APPLICATION.answers[0])
    published.ended(name)

    session = published.sandbox.session
    site = Site(stage.name, lambda: Connection(StageResources.find(stage.name, session), session))
    browser = TestClient(console_app(site))
    document = browser.get(f"/loops/{name}/review?format=json").json()["part"]["review"]
    html = browser.get(f"/loops/{name}/review").text
    image = browser.get(f"/loops/{name}/document")

    assert [row["outcome"] for row in document["rows"]].count("changed") == 2
    assert (document["problems"], document["image"]["problems"]) == ([], [])
    # Each field has its key and its value on the page, and the page is the picture that Textract read.
    assert len(document["image"]["shapes"]) == 2 * len(document["rows"]) == 12
    assert len(re.findall('id="mark-', html)) == 6
    assert (image.headers["content-type"], image.content) == ("image/png", JOB_APPLICATION.picture())
