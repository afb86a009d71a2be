"""The smoke test passes on a working stage, reports problems, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.engine.published import PublishedStage
from workflow import ROOT
from workflow.errors import AfterloopError
from workflow.operations import sample
from workflow.operations.smoke import SmokeTest
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account
from workflow.publish.history import history


def smoke_test(published: PublishedStage, bucket: str | None = None, **more: str) -> SmokeTest:
    resources = StageResources.find("local", published.sandbox.session)
    session = published.sandbox.session
    return SmokeTest(resources, session, bucket or published.stage.output_buckets[0], **more)  # type: ignore[arg-type]


def leftovers(published: PublishedStage) -> list[str]:
    """Returns what the smoke test left in the stage: objects, rows, queues, topics and subscriptions."""
    buckets = (published.outputs["ReviewBucket"], *published.stage.output_buckets)
    keys = [
        one["Key"]
        for bucket in buckets
        for one in published.s3.list_object_versions(Bucket=bucket).get("Versions", [])
        if "smoke" in one["Key"]
    ]
    items = published.sandbox.client("dynamodb").scan(TableName=published.outputs["LedgerTable"])["Items"]
    rows = [name for item in items if "smoke" in (name := item["humanLoopName"]["S"])]
    queues = (
        published.sandbox.client("sqs").list_queues(QueueNamePrefix="afterloop-smoke").get("QueueUrls", [])
    )
    sns = published.sandbox.client("sns")
    subscriptions = [one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"]]
    topics = [one["TopicArn"] for one in sns.list_topics()["Topics"]]
    return [*keys, *rows, *queues, *(one for one in (*subscriptions, *topics) if "smoke" in one)]


def test_working_stage_passes_and_is_left_unchanged(published: PublishedStage) -> None:
    """The loop at A2I comes through the real rule: only its event starts an execution."""
    flow_definition = published.flow_definition()
    checks = list(smoke_test(published, flow_definition=flow_definition.rpartition("/")[2]).checks())
    assert [check for check in checks if check.problem] == []
    assert Counter(check.loop for check in checks) == {"Completed": 3, "Failed": 3, "Stopped": 3, "Rule": 4}
    machine = published.outputs["StateMachine"]
    ran = [check for check in checks if check.what != "the rule starts an execution"]
    assert all(str(check.version).startswith(f"{machine}:") for check in ran)
    assert leftovers(published) == []
    assert published.a2i.list_human_loops(FlowDefinitionArn=flow_definition)["HumanLoopSummaries"] == []
    for status in ("Completed", "Failed", "Stopped"):
        assert_sample_is_like(published, status)


def assert_sample_is_like(published: PublishedStage, status: str) -> None:
    """The sample that `try` gives to a step has what the executions of the smoke test gave to the next step."""
    machine = published.outputs["StateMachine"]
    executions = published.states.list_executions(stateMachineArn=machine)["executions"]
    name = next(one["executionArn"] for one in executions if one["name"].endswith(f"-{status.lower()}"))
    history = published.states.get_execution_history(executionArn=name, maxResults=1000)["events"]
    entered = [event["stateEnteredEventDetails"] for event in history if "stateEnteredEventDetails" in event]
    given = next(json.loads(one["input"]) for one in entered if one["name"] == "Workflow waiting?")
    made = sample.state(status.lower())
    if status == "Stopped":
        # Nobody had answered the loop of the smoke test.
        assert set(made.pop("review")) == set(sample.state("completed")["review"])
        made["detail"]["humanLoopOutput"] = None
    assert keys(made) == keys(given)
    assigned: dict[str, str] = {}
    for event in history:
        assigned |= event.get("stateExitedEventDetails", {}).get("assignedVariables", {})
    assert set(sample.variables(status.lower())) <= set(assigned)


def keys(value: object) -> object:
    """The keys of a value, without the values."""
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def test_piped_output_is_not_wrapped(published: PublishedStage) -> None:
    published.s3.create_bucket(Bucket="not-of-the-stage-either")
    ran = subprocess.run(
        [
            sys.executable,
            "deploy.py",
            "smoke",
            "--stage",
            "local",
            "--output-bucket",
            "not-of-the-stage-either",
        ],
        cwd=ROOT,
        env=published.sandbox.environment(COLUMNS="30"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    problem = r"^    the execution ended as FAILED in Collect review: .* \((arn:\S+)\)$"
    (failed,) = re.findall(problem, ran.stdout, re.MULTILINE)
    assert published.states.describe_execution(executionArn=failed)["status"] == "FAILED"
    assert ran.stdout.splitlines()[-1].endswith("Only the executions of the test remain.")
    smoke = history(Account(published.sandbox.session), "local")[-1].smoke
    assert smoke is not None, "the result is kept beside the publish"
    assert (smoke.passed, smoke.failed[0]) == (False, "Completed: the execution succeeds")


def test_failed_checks_report_their_problem(published: PublishedStage) -> None:
    published.s3.create_bucket(Bucket="not-of-the-stage")
    checks = list(smoke_test(published, "not-of-the-stage").checks())
    problems = {check.what: check.problem for check in checks if check.problem}
    assert all(check.loop == "Completed" for check in checks if check.problem)
    assert "not in an output bucket of the stage" in (problems["the execution succeeds"] or "")
    assert problems["the outcome in the ledger is stored"] == "the outcome is failed"
    assert leftovers(published) == []


def test_missing_output_bucket_is_one_line_error(published: PublishedStage) -> None:
    with pytest.raises(
        AfterloopError,
        match=r"output cannot be written to s3://there-is-no-such-bucket/\S+: the bucket does not exist; create it, "
        "or use another output bucket of the stage: the first one counts, or --output-bucket of `smoke`$",
    ):
        list(smoke_test(published, "there-is-no-such-bucket").checks())
    assert leftovers(published) == []
