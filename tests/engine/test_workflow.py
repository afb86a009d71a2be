"""Each final status of a human loop: one execution, and its effects on ledger, bucket, topics and history."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.loops.claims import claim_id
from lambdas.loops.restart_policy import BackOff, RestartRules
from lambdas.reviews.location import S3Location
from lambdas.reviews.rules import FieldSettings, PredictedItems
from lambdas.reviews.times import timestamp
from sandbox.local import local_stage
from sandbox.samples import JOB_APPLICATION, MODERATION, SUPPORT_MESSAGE, form, form_answer
from tests.engine.published import PublishedStage
from workflow.operations.loops import Loops
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack.assembly import assemble
from workflow.stack.stages import FlowDefinitionSettings
from workflow.stack.targets import local

RED_END = ["Escalate", "Give claim back", "Failed"]
CLAIMED = ["Claim status change", "Route by status"]
DUPLICATE = ["Claim status change", "Read the row", "Whose row is it?", "Already handled"]
HANDLED = ["Workflow waiting?", "Handled"]


@pytest.fixture(scope="module")
def flow(published: PublishedStage) -> str:
    """A flow definition of a custom task for one worker."""
    return published.flow_definition()


def test_completed_review_is_stored_in_four_states(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0], worker="worker-1", seconds_spent=12)

    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    assert execution["states"] == [*CLAIMED, "Collect review", "Record review", *HANDLED]
    row = published.row(name)
    assert (row.status, row.outcome) == ("Completed", "stored")
    assert row.execution == execution["executionArn"]
    record = published.record(row.review_location or "")
    assert record["human_loop_name"] == name
    assert {field["name"]: field["outcome"] for field in record["fields"]} == {
        "sentiment": "changed",
        "comment": "answered",
    }
    assert record["answers"][0]["worker_id"] == "worker-1"
    assert row.review is not None
    assert (row.review["answers"], row.review["changed"], row.review["overruled"]) == (1, 1, True)
    # The input is the event. The state contains figures, never the document.
    state = json.loads(execution["output"])
    assert state["detail"]["humanLoopName"] == name
    assert "Broken on arrival" not in execution["output"]


@pytest.mark.parametrize("sample", [JOB_APPLICATION, MODERATION], ids=lambda sample: sample.task_type)
def test_reviews_of_built_in_tasks_are_stored(published: PublishedStage, sample: Any) -> None:
    name = published.name(sample.task_type)
    flow = published.flow_definition(task_type=sample.task_type, conditions=sample.conditions)
    where = sample.upload(published.s3, published.stage.document_buckets[0])
    request = (
        {"Document": where, "FeatureTypes": ["FORMS"]} if sample is JOB_APPLICATION else {"Image": where}
    )
    published.invoke(
        "StartLoop",
        {
            "humanLoopName": name,
            "flowDefinitionArn": flow,
            "task": {"type": sample.task_type, "request": request},
        },
    )
    published.sandbox.loops.answer(name, sample.answers[0])

    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    record = published.record(published.row(name).review_location or "")
    assert record["task_type"] == sample.task_type
    assert record["activation_conditions"]
    assert record["overruled"] is True


def test_failed_loop_is_restarted_and_second_attempt_stored(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.fail(name, "InternalError", "a fault of the service")

    (execution,) = published.ended(name)
    assert execution["states"][-3:] == ["Back off", "Restart loop", "Record restart"]
    first = published.row(name)
    assert (first.outcome, first.failure_code) == ("restarted", "InternalError")
    second = published.row(first.next_loop_name or "")
    assert (second.attempt, second.previous_loop_name, second.root_loop_name) == (2, name, name)
    assert published.sandbox.loops.get(second.human_loop_name).input_content == SUPPORT_MESSAGE.prediction

    published.sandbox.loops.answer(second.human_loop_name, SUPPORT_MESSAGE.answers[0])
    published.ended(second.human_loop_name)
    assert published.row(second.human_loop_name).outcome == "stored"


EXPIRING, NIGHT = "expiring", "expiring-at-night"


@pytest.fixture(scope="module")
def expiring(published: PublishedStage) -> PublishedStage:
    """A separate stage, whose expired loops go to another team, and with settings of comparison."""
    rows = PredictedItems(each="rows", name="row-{index}-{kind}", value="text", confidence="sure")
    fields = {
        "row-*-total": FieldSettings(same="number"),
        "*-issued": FieldSettings(same="date"),
        "*-name": FieldSettings(same="distance", max_distance=1),
        "*": FieldSettings(same="text"),
    }
    stage = local_stage().model_copy(
        update={
            "name": "expiring",
            "flow_definitions": (EXPIRING, NIGHT),
            "restart": RestartRules(expired_to=NIGHT, back_off=BackOff(first_seconds=1)),
            "predictions": {EXPIRING: rows, NIGHT: False},
            "flow_definition_settings": {EXPIRING: FlowDefinitionSettings(fields=fields)},
        }
    )
    account = Account(published.sandbox.session)
    package = make_package(
        stage, assemble(), local(), account=account.id, artifact_bucket=account.artifact_bucket
    )
    for flow in (EXPIRING, NIGHT):
        published.sandbox.flow_definitions.create(flow, stage.output_buckets[0])
    done = publish(account, stage, package, confirm=lambda plan: True)
    assert done is not None
    return PublishedStage(published.sandbox, stage, dict(done.outputs), published.eventually)


def test_expired_loop_goes_to_flow_definition_in_settings(expiring: PublishedStage) -> None:
    day, night = (expiring.flow_definition_arn(flow) for flow in (EXPIRING, NIGHT))
    name = expiring.name()
    expiring.start(name, day, SUPPORT_MESSAGE.prediction)
    expiring.sandbox.loops.fail(name, "Expired", "nobody came")

    (execution,) = expiring.ended(name)
    assert execution["states"][-3:] == ["Back off", "Restart loop", "Record restart"]
    first = expiring.row(name)
    assert (first.outcome, first.failure_code, first.flow_definition_arn) == ("restarted", "Expired", day)
    assert NIGHT in (first.reason or "")
    second = expiring.row(first.next_loop_name or "")
    assert (second.attempt, second.previous_loop_name, second.root_loop_name) == (2, name, name)
    assert second.flow_definition_arn == night
    loop = expiring.sandbox.loops.get(second.human_loop_name)
    assert (loop.flow_definition_arn, loop.input_content) == (night, SUPPORT_MESSAGE.prediction)

    expiring.sandbox.loops.answer(second.human_loop_name, SUPPORT_MESSAGE.answers[0])
    expiring.ended(f'"{second.human_loop_name}"')
    stored = expiring.row(second.human_loop_name)
    assert (stored.status, stored.outcome) == ("Completed", "stored")
    location = stored.review_location or ""
    assert f"/reviews/flow_definition={NIGHT}/" in location
    record = expiring.record(location)
    assert record["flow_definition_arn"] == night
    assert (record["prediction_source"], stored.review["overruled"]) == (None, False)


def test_review_is_compared_by_settings_of_its_fields(expiring: PublishedStage) -> None:
    kinds = {"total": "12.40", "issued": "2026-05-01", "name": "Amazon", "unit": "KG", "note": "x"}
    content = {"rows": [{"kind": kind, "text": text, "sure": 0.9} for kind, text in kinds.items()]}
    answer = {
        "row-1-total": "12.4 €",
        "row-2-issued": "1 May 2026",
        "row-3-name": "Amazn",
        "row-4-unit": "kg.",
        "row-5-note": "y",
    }
    name = expiring.name()
    expiring.start(name, expiring.flow_definition_arn(EXPIRING), content)
    expiring.sandbox.loops.answer(name, answer)

    expiring.ended(name)
    stored = expiring.row(name)
    record = expiring.record(stored.review_location or "")
    assert {field["name"]: (field["outcome"], field["confidence"]) for field in record["fields"]} == {
        **dict.fromkeys(list(answer)[:4], ("kept", 0.9)),
        "row-5-note": ("changed", 0.9),
    }
    assert record["prediction_source"] == "settings"


def test_rejected_input_is_escalated_with_lineage_and_command(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.fail(name, "ValidationError", "the template has no such variable")

    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    assert execution["states"][4:6] == ["Escalate failed loop", "Record escalation"]
    message = published.message(name)
    assert message["kind"] == "loop-failed"
    assert "EscalationTopic" in message["topic"]
    assert "same input would fail again" in message["reason"]
    assert [loop["humanLoopName"] for loop in message["lineage"]] == [name]
    assert message["command"] == f"python deploy.py loops restart {name} --stage local"
    assert message["attributes"] == {
        "kind": "loop-failed",
        "stage": "local",
        "flowDefinition": flow.rpartition("/")[2],
        "humanLoopStatus": "Failed",
        "failureCode": "ValidationError",
    }
    assert execution["executionArn"] in message["execution"]
    assert published.row(name).outcome == "escalated"


def test_lineage_that_keeps_failing_is_escalated(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    loop = name
    for _ in range(3):
        published.sandbox.loops.fail(loop, "InternalError")
        published.ended(f'"{loop}"')
        last, loop = loop, published.row(loop).next_loop_name or ""
    assert loop == ""
    message = published.message(last)
    assert "all 3 attempts are used up" in message["reason"]
    assert [one["attempt"] for one in message["lineage"]] == [1, 2, 3]
    assert message["lineage"][0]["humanLoopName"] == name


def test_loop_not_started_by_afterloop_is_escalated(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.a2i.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": "{}"}
    )
    published.sandbox.loops.fail(name, "InternalError")
    published.ended(name)
    message = published.message(name)
    assert "its input is unknown" in message["reason"]
    assert message["command"] == f'python deploy.py loops close {name} --stage local --note "..."'


@pytest.mark.parametrize("answered", [0, 1])
def test_stopped_loop_is_notified_and_answers_stored(published: PublishedStage, answered: int) -> None:
    name = published.name()
    published.start(name, published.flow_definition(task_count=2), SUPPORT_MESSAGE.prediction)
    for answer in SUPPORT_MESSAGE.answers[:answered]:
        published.sandbox.loops.answer(name, answer)
    published.a2i.stop_human_loop(HumanLoopName=name)

    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    assert {"Notify stopped", "Record stop"} <= set(execution["states"])
    row = published.row(name)
    assert (row.status, row.outcome) == ("Stopped", "notified")
    assert (row.review_location is not None) == bool(answered)
    message = published.message(name)
    assert message["kind"] == "loop-stopped"
    assert "NotificationTopic" in message["topic"]


@pytest.mark.parametrize("output", [None, {}, {"outputS3Uri": None}, {"outputS3Uri": ""}, "absent"])
def test_stopped_loop_without_output_is_not_a_failure(published: PublishedStage, output: Any) -> None:
    name = published.name()
    detail = published.event(name, "Stopped", humanLoopOutput=output)
    if output == "absent":
        del detail["humanLoopOutput"]
    published.sandbox.events.deliver(detail)
    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    assert "Keep answers" not in execution["states"]
    assert published.row(name).outcome == "notified"


def test_one_of_many_deliveries_is_processed(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: published.sandbox.events.redeliver(name), range(4)))

    executions = published.ended(name, 5)
    assert sum("Record review" in one["states"] for one in executions) == 1
    assert sum(one["states"] == DUPLICATE for one in executions) == 4
    assert all(one["status"] == "SUCCEEDED" for one in executions)


@pytest.mark.parametrize("field", ["humanLoopName", "creationTime", "humanLoopStatus"])
@pytest.mark.parametrize("value", ["absent", None, "", 7])
def test_event_without_loop_name_is_escalated(published: PublishedStage, field: str, value: Any) -> None:
    marker = published.name("unreadable")
    detail = published.event(marker, "Completed", marker=marker)
    if value == "absent":
        del detail[field]
    else:
        detail[field] = value
    published.sandbox.events.deliver(detail)

    (execution,) = published.ended(marker)
    assert execution["status"] == "FAILED"
    assert execution["states"] == ["Claim status change", "Escalate unclaimed event", "Not taken"]
    assert f"$.detail.{field}" in execution["cause"]
    about = "unknown" if field == "humanLoopName" else marker
    found = published.eventually(
        lambda: [
            one
            for one in published.messages(about, "event-unclaimed")
            if execution["executionArn"] in one["execution"]
        ]
    )
    assert f"$.detail.{field}" in found[0]["reason"]


def test_unknown_status_fails_and_gives_claim_back(published: PublishedStage) -> None:
    name = published.name()
    published.sandbox.events.deliver(published.event(name, "Deleting"))
    (execution,) = published.ended(name)
    assert execution["status"] == "FAILED"
    assert execution["states"] == [*CLAIMED, "Unknown status", *RED_END]
    assert "Deleting" in published.message(name)["reason"]
    (claim,) = published.row(name).claims.values()
    assert claim["state"] == "released"


def _put_output(published: PublishedStage, name: str, body: bytes) -> str:
    bucket, key = published.stage.output_buckets[0], f"bad/{name}/output.json"
    published.s3.put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


BAD_LOCATIONS = {
    "null": (None, "InvalidDocument", "outputS3Uri"),
    "not a location": ("https://example.com/output.json", "InvalidDocument", "outputS3Uri"),
    "elsewhere": ("s3://somebody-elses-bucket/output.json", "OutputNotAllowed", "output_buckets"),
    "missing": ("s3://human-review-outputs/nothing/output.json", "OutputMissing", "object does not exist"),
}


@pytest.mark.parametrize("case", BAD_LOCATIONS)
def test_bad_output_location_is_escalated_with_reason(published: PublishedStage, case: str) -> None:
    location, error, reason = BAD_LOCATIONS[case]
    _is_refused(published, location, error, reason)


BAD_OUTPUTS = {
    "empty": (b"", "InvalidDocument", "empty"),
    "not JSON": (b"<html>", "InvalidDocument", "line 1 column 1"),
    "an array": (b"[]", "InvalidDocument", "$"),
    "50 MB": (b"x" * 50_000_000, "OutputTooLarge", "50,000,000"),
    "an unknown task type": (
        json.dumps(
            {
                "flowDefinitionArn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
                "humanLoopName": "x",
                "humanAnswers": [],
                "inputContent": {},
                "awsManagedHumanLoopRequestSource": "AWS/Palmistry/ReadHands/V9",
            }
        ).encode(),
        "InvalidDocument",
        "AWS/Palmistry/ReadHands/V9",
    ),
}


@pytest.mark.parametrize("case", BAD_OUTPUTS)
def test_bad_output_is_escalated_and_not_stored(published: PublishedStage, case: str) -> None:
    body, error, reason = BAD_OUTPUTS[case]
    name = published.name("bad")
    location = _put_output(published, name, body)
    _is_refused(published, location, error, reason, name)
    bucket, key = location.removeprefix("s3://").split("/", 1)
    assert published.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body  # untouched


def test_completed_loop_without_answers_can_be_run_again(published: PublishedStage) -> None:
    name = published.name("bad")
    detail = published.event(name, "Completed")
    document = {
        "flowDefinitionArn": detail["flowDefinitionArn"],
        "humanLoopName": name,
        "humanAnswers": [],
        "inputContent": SUPPORT_MESSAGE.prediction,
    }
    location = _put_output(published, name, json.dumps(document).encode())
    detail["humanLoopOutput"] = {"outputS3Uri": location}
    _is_refused(published, location, "NoAnswers", "nobody answered", name)

    answer = {"answerContent": SUPPORT_MESSAGE.answers[0], "submissionTime": "2026-03-04T06:00:00.000Z"}
    _put_output(published, name, json.dumps(document | {"humanAnswers": [answer]}).encode())
    published.sandbox.events.deliver(detail)
    _, stored = published.ended(name, 2)
    assert (stored["status"], published.row(name).outcome) == ("SUCCEEDED", "stored")


def test_stopped_loop_without_answers_is_notified_and_not_stored(published: PublishedStage) -> None:
    name = published.name()
    detail = published.event(name, "Stopped")
    document = {
        "flowDefinitionArn": detail["flowDefinitionArn"],
        "humanLoopName": name,
        "humanAnswers": [],
        "inputContent": {},
    }
    location = _put_output(published, name, json.dumps(document).encode())
    published.sandbox.events.deliver({**detail, "humanLoopOutput": {"outputS3Uri": location}})
    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"
    assert "Keep answers" in execution["states"]
    row = published.row(name)
    assert (row.outcome, row.review_location) == ("notified", None)


def _is_refused(
    published: PublishedStage, location: Any, error: str, reason: str, name: str | None = None
) -> None:
    name = name or published.name("bad")
    published.sandbox.events.deliver(
        published.event(name, "Completed", humanLoopOutput={"outputS3Uri": location})
    )
    (execution,) = published.ended(name)
    assert execution["status"] == "FAILED"
    assert execution["error"] == error
    assert execution["states"] == [*CLAIMED, "Collect review", *RED_END]
    message = published.message(name)
    assert (message["kind"], message["step"]) == ("step-failed", "Collect review")
    assert reason in message["reason"]
    assert message["command"] == f"python deploy.py loops redrive {name} --stage local"
    row = published.row(name)
    assert (row.outcome, row.review_location) == ("failed", None)
    assert reason in (row.reason or "")
    assert (row.reason or "").startswith(f"Collect review: {error}: ")
    stored = published.s3.list_objects_v2(Bucket=published.outputs["ReviewBucket"], Prefix="reviews/")
    assert not [one for one in stored.get("Contents", []) if name in one["Key"]]


def test_output_that_arrives_after_its_event_is_waited_for(published: PublishedStage) -> None:
    name = published.name()
    bucket, key = published.stage.output_buckets[0], f"late/{name}/output.json"
    detail = published.event(name, "Completed", humanLoopOutput={"outputS3Uri": f"s3://{bucket}/{key}"})
    answer = {"answerContent": SUPPORT_MESSAGE.answers[0], "submissionTime": "2026-03-04T06:00:00.000Z"}
    document = {
        "flowDefinitionArn": detail["flowDefinitionArn"],
        "humanLoopName": name,
        "humanAnswers": [answer],
        "inputContent": SUPPORT_MESSAGE.prediction,
    }
    published.sandbox.configure(wait_scale=0.25)
    try:
        published.sandbox.events.deliver(detail)

        def missing() -> bool:
            (execution,) = published.executions(name)
            history = published.states.get_execution_history(executionArn=execution["executionArn"])
            return any(event["type"] == "TaskFailed" for event in history["events"])

        published.eventually(missing)
        published.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document))
        (execution,) = published.ended(name)
    finally:
        published.sandbox.configure(wait_scale=0)
    assert (execution["status"], published.row(name).outcome) == ("SUCCEEDED", "stored")


def test_same_event_is_processed_after_cause_is_fixed(published: PublishedStage) -> None:
    name = published.name()
    location = f"s3://{published.stage.output_buckets[0]}/late/{name}/output.json"
    detail = published.event(name, "Completed", humanLoopOutput={"outputS3Uri": location})
    published.sandbox.events.deliver(detail)
    (refused,) = published.ended(name)
    assert refused["error"] == "OutputMissing"
    # *Redrive* in the console only fails again, where the execution ended.
    published.message(name)
    row = published.row(name)
    assert published.redrive_in_console(refused["executionArn"])["error"] == "OutputMissing"
    assert published.row(name) == row

    document = {
        "flowDefinitionArn": detail["flowDefinitionArn"],
        "humanLoopName": name,
        "humanAnswers": [
            {
                "answerContent": SUPPORT_MESSAGE.answers[0],
                "submissionTime": "2026-03-04T06:00:00.000Z",
                "workerId": "w",
            }
        ],
        "inputContent": SUPPORT_MESSAGE.prediction,
    }
    bucket, key = location.removeprefix("s3://").split("/", 1)
    published.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document))
    published.sandbox.events.deliver(detail)
    refused, stored = published.ended(name, 2)
    assert stored["status"] == "SUCCEEDED"
    row = published.row(name)
    assert row.outcome == "stored"
    (claim,) = row.claims.values()
    assert (claim["state"], claim["execution"]) == ("done", stored["executionArn"])
    published.redrive_in_console(refused["executionArn"])
    assert published.row(name) == row
    assert len(published.messages(name)) == 1


def test_event_without_optional_keys_is_processed(published: PublishedStage) -> None:
    """Real events lacked humanLoopArn and flowDefinitionArn, and had uppercase letters in the name."""
    name = published.name("Loop").replace("loop", "Loop")
    detail = published.event(name, "Stopped")
    for key in ("humanLoopArn", "flowDefinitionArn", "failureCode", "failureReason", "humanLoopOutput"):
        del detail[key]
    published.sandbox.events.deliver(detail)
    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED"


@pytest.mark.parametrize("value", ["absent", None, ""])
@pytest.mark.parametrize("ending", ["Completed", "Failed", "Stopped"])
def test_message_has_flow_definition_from_ledger(
    published: PublishedStage, flow: str, ending: str, value: Any
) -> None:
    """The email addresses of single flow definitions (`escalate_to`) are filters on that attribute."""
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    output = {"outputS3Uri": _put_output(published, name, b"<html>")} if ending == "Completed" else None
    detail = published.event(
        name,
        ending,
        creationTime=published.created(name),
        failureCode="ValidationError",
        humanLoopOutput=output,
    )
    if value == "absent":
        del detail["flowDefinitionArn"]
    else:
        detail["flowDefinitionArn"] = value
    published.sandbox.events.deliver(detail)

    published.ended(name)
    message = published.message(name)
    assert message["flowDefinition"] == flow.rpartition("/")[2]
    assert message["attributes"]["flowDefinition"] == flow.rpartition("/")[2]
    assert published.row(name).flow_definition_arn == flow


def test_deleted_input_is_named_when_loop_cannot_be_restarted(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, {"text": "soon deleted"})
    bucket, key = S3Location.parse(published.row(name).input_location or "")
    published.s3.delete_object(Bucket=bucket, Key=key)

    published.sandbox.loops.fail(name, "InternalError")

    (execution,) = published.ended(name)
    assert "was deleted" in json.dumps(published.message(name))
    assert published.row(name).outcome != "restarted", execution["states"]


def test_restart_uses_flow_definition_from_ledger(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    detail = published.event(
        name, "Failed", creationTime=published.created(name), failureCode="InternalError"
    )
    del detail["flowDefinitionArn"]
    published.sandbox.events.deliver(detail)
    published.ended(name)
    second = published.row(published.row(name).next_loop_name or "")
    assert second.flow_definition_arn == flow


def test_review_has_flow_definition_from_ledger(published: PublishedStage, flow: str) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    answer = {"answerContent": SUPPORT_MESSAGE.answers[0], "submissionTime": "2026-03-04T06:00:00.000Z"}
    document = {
        "humanLoopName": name,
        "humanAnswers": [{**answer, "workerId": "w"}],
        "inputContent": SUPPORT_MESSAGE.prediction,
    }
    location = _put_output(published, name, json.dumps(document).encode())
    detail = published.event(
        name, "Completed", creationTime=published.created(name), humanLoopOutput={"outputS3Uri": location}
    )
    del detail["flowDefinitionArn"]
    published.sandbox.events.deliver(detail)

    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    stored = published.row(name).review_location or ""
    assert f"/reviews/flow_definition={flow.rpartition('/')[2]}/" in stored


SPELLINGS = ["07.890Z", "07.890000Z", "07.89Z", "07.8909Z"]


def test_claim_does_not_depend_on_time_format(published: PublishedStage) -> None:
    name = published.name()
    for number, seconds in enumerate(SPELLINGS, 1):
        time = f"2026-03-04T05:06:{seconds}"
        published.sandbox.events.deliver(published.event(name, "Stopped", creationTime=time))
        published.ended(name, number)

    executions = published.ended(name, len(SPELLINGS))
    assert [one["states"][-1] for one in executions] == ["Handled", *["Already handled"] * 3]
    assert list(published.row(name).claims) == ["2026-03-04T05:06:07.890Z Stopped"]
    published.message(name)


@pytest.mark.parametrize(
    ("time", "claimed"),
    [("2026-03-04T05:06:07Z", "2026-03-04T05:06:07.000Z"), ("last Monday", "last Monday")],
)
def test_unusual_time_format_is_accepted(published: PublishedStage, time: str, claimed: str) -> None:
    name = published.name()
    published.sandbox.events.deliver(published.event(name, "Stopped", creationTime=time))
    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert list(published.row(name).claims) == [f"{claimed} Stopped"]
    assert claim_id(time, "Stopped") == f"{claimed} Stopped"


def age(published: PublishedStage, name: str) -> None:
    """Lets the last change of a row be an hour ago."""
    published.sandbox.client("dynamodb").update_item(
        TableName=published.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET updatedAt = :then",
        ExpressionAttributeValues={":then": {"S": timestamp(datetime.now(UTC) - timedelta(hours=1))}},
    )


def test_lost_status_change_is_reconciled(published: PublishedStage, flow: str) -> None:
    """The stage's schedule runs the function once an hour, with the function's own role."""
    name = published.name("lost")
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    foreign = published.name("foreign")  # The ledger has never heard of it.
    content = {"InputContent": json.dumps(SUPPORT_MESSAGE.prediction)}
    published.sandbox.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName=foreign, FlowDefinitionArn=flow, HumanLoopInput=content
    )
    published.sandbox.events.lose(2)
    for one in (name, foreign):
        published.sandbox.loops.answer(one, SUPPORT_MESSAGE.answers[0])
        assert published.executions(one) == []
    other = published.name("open")
    published.start(other, flow, SUPPORT_MESSAGE.prediction)
    age(published, other)

    found = published.invoke("Reconcile", {})
    assert name in json.dumps(found)
    published.went_off("StatusChangesMissed")
    assert (other not in found["overdue"], found["oldestOpenSeconds"] < 3600) == (True, True)
    for one in (name, foreign):
        (execution,) = published.ended(one)
        assert execution["status"] == "SUCCEEDED"
        assert published.row(one).outcome == "stored"

    published.sandbox.events.redeliver(name)  # the event was only late
    assert published.ended(name, 2)[1]["states"][-1] == "Already handled"


def test_row_too_large_for_the_state_is_reported_by_name(published: PublishedStage) -> None:
    name = published.name("large-row")
    dynamodb = published.sandbox.session.client("dynamodb")
    row: Any = {"TableName": published.outputs["LedgerTable"], "Key": {"humanLoopName": {"S": name}}}
    # The claim returns the row, and no step can catch that it is too large. It has an attribute that somebody added.
    large = {":large": {"S": "x" * 300_000}}
    dynamodb.update_item(**row, UpdateExpression="SET myNotes = :large", ExpressionAttributeValues=large)
    event = published.event(name, "Stopped")
    del event["flowDefinitionArn"]  # So the message goes to the topic that nobody filters.
    published.sandbox.events.deliver(event)
    message = published.message(name, "execution-ended")
    assert message["flowDefinition"] == "unknown"
    assert "States.DataLimitExceeded" in message["reason"]
    assert "see the loop's row in the ledger for a large attribute" in message["reason"]
    assert published.eventually(lambda: published.row(name).escalated_at)
    assert published.row(name).outcome == "failed"

    dynamodb.update_item(**row, UpdateExpression="REMOVE myNotes")
    Loops(StageResources.find("local", published.sandbox.session), published.sandbox.session).redrive(name)
    assert published.ended(name, 2)[1]["status"] == "SUCCEEDED"


def test_large_form_of_three_workers_fits_into_state(published: PublishedStage) -> None:
    from sandbox.samples import Field

    fields = [Field(f"Question {number}:", f"answer {number}", confidence=60.0) for number in range(120)]
    prediction = form(fields)
    name = published.name("large")
    answers = [form_answer(prediction, {f"Question {n}:": "other"}) for n in (1, 1, 2)]
    document = {
        "awsManagedHumanLoopRequestSource": "AWS/Textract/AnalyzeDocument/Forms/V1",
        "flowDefinitionArn": published.flow_definition_arn("job-applications"),
        "humanLoopName": name,
        "humanAnswers": [
            {"answerContent": answer, "submissionTime": f"2026-03-04T06:0{n}:00.000Z", "workerId": f"w{n}"}
            for n, answer in enumerate(answers)
        ],
        "inputContent": {"aiServiceRequest": {}, "aiServiceResponse": _camel(prediction)},
    }
    body = json.dumps(document).encode()
    assert len(body) > 262_144  # more than a state may hold
    location = _put_output(published, name, body)
    published.sandbox.events.deliver(
        published.event(name, "Completed", humanLoopOutput={"outputS3Uri": location})
    )
    (execution,) = published.ended(name)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    assert len(execution["output"]) < 10_000
    record = published.record(published.row(name).review_location or "")
    outcomes = {field["name"]: field["outcome"] for field in record["fields"]}
    assert len(outcomes) == 120
    assert [outcome for outcome in outcomes.values() if outcome == "changed"] == ["changed"]


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _camel(inner) for key, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value
