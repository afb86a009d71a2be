"""Report and manifest of a stage on the engine, from its stack, its bucket and its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from sandbox.engine import Sandbox
from sandbox.invented_reviews import generate
from tests import review_samples as samples
from workflow import ROOT
from workflow.operations.report.loop_facts import count_loops, ledger_rows
from workflow.operations.reviews_source import Period, ReviewsError, open_reviews
from workflow.operations.stage_resources import NotPublishedError, StageResources

DAYS = ("--since", "2026-01-05", "--until", "2026-01-15")
PERIOD = Period(date(2026, 1, 5), date(2026, 1, 15))
FLOW = "ticket-routing"

TEMPLATE = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "humanLoopName", "KeyType": "HASH"}],
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"}
                    for name in ("humanLoopName", "status", "flowDefinitionArn", "createdAt")
                ],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": index,
                        "KeySchema": [
                            {"AttributeName": key, "KeyType": "HASH"},
                            {"AttributeName": "createdAt", "KeyType": "RANGE"},
                        ],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                    for index, key in (("by-status", "status"), ("by-flow-definition", "flowDefinitionArn"))
                ],
            },
        },
    },
    "Outputs": {
        "ReviewBucket": {"Value": {"Ref": "Bucket"}},
        "LedgerTable": {"Value": {"Ref": "Table"}},
    },
}


@dataclass
class Stage:
    name: str
    resources: StageResources
    stored: dict[str, bytes]

    def of_period(self, flow: str) -> dict[str, bytes]:
        return {
            key: line
            for key, line in self.stored.items()
            if f"={flow}/" in key and str(PERIOD.first) <= key.split("date=")[1][:10] < str(PERIOD.until)
        }


@pytest.fixture(scope="module")
def stage(sandbox: Sandbox, eventually: Callable[..., Any]) -> Stage:
    name = f"report-{uuid.uuid4().hex[:6]}"
    cloudformation = sandbox.client("cloudformation")
    cloudformation.create_stack(StackName=f"afterloop-{name}", TemplateBody=json.dumps(TEMPLATE))
    eventually(
        lambda: (
            cloudformation.describe_stacks(StackName=f"afterloop-{name}")["Stacks"][0]["StackStatus"]
            == "CREATE_COMPLETE"
        )
    )
    resources = StageResources.find(name, sandbox.session)
    stored = dict(generate(150, first=date(2026, 1, 1), days=20, seed=8))
    for key, line in stored.items():
        sandbox.client("s3").put_object(Bucket=resources.review_bucket, Key=key, Body=line)
    table = sandbox.session.resource("dynamodb").Table(resources.ledger_table)
    with table.batch_writer() as rows:
        for number, (status, day, flow, more) in enumerate(
            [
                ("Completed", "2026-01-05T00:00:00.000Z", FLOW, {"attempt": 1}),
                ("Completed", "2026-01-14T23:59:59.999999+00:00", FLOW, {"attempt": 2}),
                ("Failed", "2026-01-10T10:00:00Z", FLOW, {"outcome": "restarted", "failureCode": "Expired"}),
                ("Failed", "2026-01-10T10:00:00Z", "other", {"outcome": "escalated"}),
                (
                    "Failed",
                    "2026-01-10T10:00:00Z",
                    "other",
                    {"outcome": "restarted", "escalatedAt": "2026-01-10"},
                ),
                ("Refused", "2026-01-10T10:00:00Z", "other", {}),
                ("Completed", "2026-01-15T00:00:00.000Z", FLOW, {}),  # the day after
                ("Completed", "2026-01-04T23:59:59.999Z", FLOW, {}),  # the day before
            ]
        ):
            arn = resources.flow_definition_arn(flow)
            item = {
                "humanLoopName": f"loop-{number}",
                "status": status,
                "createdAt": day,
                "flowDefinitionArn": arn,
            }
            rows.put_item(Item=item | more)
    return Stage(name, resources, stored)


def test_unpublished_stage_is_not_found(sandbox: Sandbox) -> None:
    with pytest.raises(NotPublishedError, match="stage nowhere is not published in us-east-1"):
        StageResources.find("nowhere", sandbox.session)


def test_bucket_yields_the_requested_days_in_order(
    sandbox: Sandbox, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No proxy listens there, and requests to the loopback address must not use it.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    source = open_reviews(f"s3://{stage.resources.review_bucket}/reviews", sandbox.session)
    flows = source.flow_definitions()
    assert flows == sorted(flows)
    # Other tests also store reviews here.
    assert {key.split("/")[1].split("=")[1] for key in stage.stored} <= set(flows)
    for flow in source.flow_definitions():
        found = [(stored.location, stored.content) for stored in source.reviews(flow, PERIOD)]
        assert found == [
            (f"s3://{stage.resources.review_bucket}/{key}", line)
            for key, line in sorted(stage.of_period(flow).items())
        ]


def test_missing_bucket_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(ReviewsError, match="the bucket does not exist; publish the stage"):
        open_reviews("s3://no-such-bucket-of-anyone/reviews", sandbox.session).flow_definitions()


def test_ledger_yields_only_loops_of_the_period(sandbox: Sandbox, stage: Stage) -> None:
    resources = stage.resources
    total = count_loops(ledger_rows(resources.ledger_table, sandbox.session, PERIOD))
    assert total.by_status == {"Completed": 2, "Failed": 3, "Refused": 1}
    assert (total.restarts, total.recovered, total.restarted, total.escalated) == (
        1,
        1,
        2,
        2,
    )
    one = count_loops(
        ledger_rows(resources.ledger_table, sandbox.session, PERIOD, resources.flow_definition_arn(FLOW))
    )
    assert one.by_status == {"Completed": 2, "Failed": 1}
    assert one.by_day["2026-01-10"] == {"Failed": 1}
    # Both indexes return the same loops.
    other = count_loops(
        ledger_rows(resources.ledger_table, sandbox.session, PERIOD, resources.flow_definition_arn("other"))
    )
    assert Counter(one.by_status) + Counter(other.by_status) == total.by_status


def run(sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "deploy.py", *arguments],
        cwd=ROOT,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_report_has_reviews_and_loops_of_the_stage(sandbox: Sandbox, stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    command = (
        "report",
        "--stage",
        stage.name,
        "--flow-definition",
        FLOW,
        *DAYS,
        "--file",
        str(file),
        "-o",
        "json",
    )
    ran = run(sandbox, *command)
    assert ran.returncode == 0, ran.stderr
    printed = json.loads(ran.stdout)
    assert printed["reviews"] == len(stage.of_period(FLOW)) > 0
    assert printed["loops"] == {"byStatus": {"Completed": 2, "Failed": 1}, "restarts": 1, "escalated": 0}
    page = file.read_text(encoding="utf-8")
    assert f"Human reviews of {FLOW}" in page
    assert "How the human loops ended" in page
    assert stage.resources.ledger_table in page


def test_report_of_unpublished_stage_is_one_line_error(sandbox: Sandbox) -> None:
    ran = run(sandbox, "report", "--stage", "nowhere")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: stage nowhere is not published in")
    assert len(ran.stderr.splitlines()) == 1


def test_manifest_is_written_to_a_file_or_to_s3(sandbox: Sandbox, stage: Stage, tmp_path: Path) -> None:
    s3, bucket = sandbox.client("s3"), stage.resources.review_bucket
    document = samples.custom({"taskObject": "s3://images/cat.jpg"}, {"animal": {"label": "cat"}})
    record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
    record = record.model_copy(update={"output_location": f"s3://{bucket}/outputs/output.json"})
    s3.put_object(Bucket=bucket, Key=record.key, Body=record.to_line())
    s3.put_object(Bucket=bucket, Key="outputs/output.json", Body=json.dumps(document).encode())
    day = record.created_at.date()
    command = [
        "manifest",
        "--flow-definition",
        record.flow_definition,
        "--stage",
        stage.name,
        "--since",
        str(day),
    ]
    command += ["--until", str(day + timedelta(days=1))]

    file = tmp_path / "train.manifest"
    ran = run(sandbox, *command, "--file", str(file))
    assert ran.returncode == 0, ran.stderr
    assert f"1 review of {record.flow_definition} in {file}" in ran.stdout
    assert "animal: groundtruth/image-classification; classes: 0 cat" in ran.stdout
    line = json.loads(file.read_text())
    assert (line["source-ref"], line["animal"]) == ("s3://images/cat.jpg", "0")

    location = f"s3://{bucket}/training/train.manifest"
    printed = json.loads(run(sandbox, *command, "--file", location, "--output", "json").stdout)
    assert (printed["file"], printed["lines"], printed["leftOut"]) == (location, 1, [])
    assert [(one["name"], one["classes"]) for one in printed["attributes"]] == [("animal", ["cat"])]
    assert s3.get_object(Bucket=bucket, Key="training/train.manifest")["Body"].read() == file.read_bytes()
