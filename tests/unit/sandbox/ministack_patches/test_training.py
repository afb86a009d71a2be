"""Tasks that start training jobs, with jobs that go on when the test says so."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from sandbox.canned_results import parse_results
from sandbox.ministack_patches import canned, integrations, permissions, training
from sandbox.protocol import operation
from sandbox.tenant import Tenant
from sandbox.training import TrainingJobs
from tests.documentation import blocks
from tests.unit.sandbox.training_jobs import REQUEST, FakeEffects
from workflow.steps import Chain, definition

TENANT = Tenant("111122223333", "us-east-1")
JOB = {"TrainingJobName": "triage-1"}


class Jobs:
    """Training jobs on an event loop in another thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.go_on = threading.Event()
        self.effects = FakeEffects()
        self.service = TrainingJobs(self.effects, self.moment)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self):
        """Lets the jobs end."""
        self.go_on.set()
        asyncio.run_coroutine_threadsafe(self.all_ended(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def all_ended(self):
        while self.service._running:
            await asyncio.wait(self.service._running)

    async def moment(self):
        while not self.go_on.is_set():
            await asyncio.sleep(0.005)

    def call(self, service, name, parameters):
        requested = operation(service, name)
        given = requested.read(parameters)
        permissions.check(f"sagemaker:{name}", TENANT.arn("training-job", given["TrainingJobName"]))
        result = asyncio.run_coroutine_threadsafe(self.perform(name, given), self.loop).result()
        return json.loads(requested.respond(result, "")[2])

    async def perform(self, name, given):
        if name == "CreateTrainingJob":
            return await self.service.create_training_job(TENANT, given, lambda *_: None)
        if name == "StopTrainingJob":
            return await self.service.stop_training_job(TENANT, given)
        return self.service.describe_training_job(TENANT, given)

    def status(self):
        return self.call("sagemaker", "DescribeTrainingJob", JOB)["TrainingJobStatus"]


@pytest.fixture
def jobs(machines):
    jobs = Jobs()
    integrations.connect(jobs.call)
    yield jobs
    jobs.close()


def train(form="", **more):
    return {
        "Train": {
            "Type": "Task",
            "Resource": training.RESOURCE + form,
            "Parameters": REQUEST,
            "End": True,
            **more,
        }
    }


def test_task_ends_when_the_job_is_started(machines, jobs):
    ended = machines.run(train())
    assert json.loads(ended["output"]) == {"TrainingJobArn": TENANT.arn("training-job", "triage-1")}
    assert jobs.status() == "InProgress"
    detail = jobs.effects.events[0]["Detail"]
    assert detail["Tags"] == {"MANAGED_BY_AWS": "STARTED_BY_STEP_FUNCTIONS"}


def test_sync_waits_for_the_end_and_gives_the_description(machines, jobs, eventually):
    execution = machines.start(machines.create(train(".sync")))
    eventually(lambda: any(event["type"] == "TaskSubmitted" for event in machines.history(execution)))
    jobs.go_on.set()
    output = json.loads(machines.ended(execution)["output"])
    assert (output["TrainingJobStatus"], output["SecondaryStatus"]) == ("Completed", "Completed")
    assert output["ModelArtifacts"] == {"S3ModelArtifacts": "s3://models/triage/triage-1/output/model.tar.gz"}
    assert isinstance(output["CreationTime"], int)
    assert output["CreationTime"] > 1e12


def test_failed_job_fails_the_task_with_its_description(machines, jobs):
    jobs.go_on.set()
    jobs.effects.denied = {"s3:PutObject"}
    caught = {"Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]}
    states = train(".sync", **caught) | {"Caught": {"Type": "Pass", "End": True}}
    error = json.loads(machines.run(states)["output"])
    assert error["Error"] == "States.TaskFailed"
    described = json.loads(error["Cause"])
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Artifact upload failed: AccessDenied")


def test_job_of_a_stopped_execution_is_stopped(machines, jobs, eventually):
    execution = machines.start(machines.create(train(".sync")))
    eventually(lambda: any(event["type"] == "TaskSubmitted" for event in machines.history(execution)))
    machines.call("_stop_execution", executionArn=execution)
    eventually(lambda: jobs.status() == "Stopped")


def test_second_job_with_a_name_is_refused(machines, jobs):
    assert machines.run(train())["status"] == "SUCCEEDED"
    second = machines.run(train())
    assert (second["status"], second["error"]) == ("FAILED", "SageMaker.ResourceInUseException")
    assert "names must be unique" in second["cause"]


@pytest.mark.parametrize(
    ("form", "allowed", "succeeds"),
    [
        ("", ["sagemaker:CreateTrainingJob", "sagemaker:AddTags", "iam:PassRole"], True),
        ("", ["sagemaker:CreateTrainingJob", "sagemaker:AddTags"], False),
        ("", ["sagemaker:CreateTrainingJob", "iam:PassRole"], False),
        ("", ["sagemaker:AddTags", "iam:PassRole"], False),
        (".sync", ["sagemaker:*", "iam:PassRole"], False),
        (".sync", ["sagemaker:*", "iam:PassRole", "events:*"], True),
    ],
)
def test_role_needs_the_permissions_of_the_call(machines, jobs, form, allowed, succeeds):
    jobs.go_on.set()
    only = {"StringLike": {"iam:PassedToService": ["sagemaker.amazonaws.com*"]}}
    statements = [
        {
            "Effect": "Allow",
            "Action": action,
            "Resource": "*",
            **({"Condition": only} if "iam:" in action else {}),
        }
        for action in allowed
    ]
    machines.role = machines.add_role(f"trainer-{len(allowed)}", *statements)
    ended = machines.run(train(form))
    assert (ended["status"] == "SUCCEEDED") is succeeds, ended
    assert ended.get("error") == (None if succeeds else "SageMaker.AmazonSageMakerException")


def test_sdk_integrations_start_describe_and_stop_a_job(machines, jobs):
    def task(action, parameters, **more):
        resource = f"arn:aws:states:::aws-sdk:sagemaker:{action}"
        return {"Type": "Task", "Resource": resource, "Parameters": parameters, **more}

    ended = machines.run(
        {
            "Start": task("createTrainingJob", REQUEST, Next="Describe"),
            "Describe": task("describeTrainingJob", JOB, ResultPath="$.job", Next="Stop"),
            "Stop": task("stopTrainingJob", JOB, ResultPath="$.stopped", End=True),
        }
    )
    job = json.loads(ended["output"])["job"]
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("InProgress", "Starting")
    # As the SDK for Java: a text in ISO 8601.
    assert job["CreationTime"].endswith("Z")
    assert jobs.status() in ("Stopping", "Stopped")
    again = machines.run({"Start": task("createTrainingJob", REQUEST, End=True)})
    assert again["error"] == "SageMaker.ResourceInUseException"
    none = machines.run({"Describe": task("describeTrainingJob", {"TrainingJobName": "none"}, End=True)})
    assert (none["error"], none["cause"]) == ("SageMaker.SageMakerException", "Requested resource not found.")


class TwoAtOnce(FakeEffects):
    """Lets requests look for their data until there are two of them."""

    looking = 0

    async def keys(self, tenant, bucket, prefix):
        self.looking += 1
        while self.looking < 2:
            await asyncio.sleep(0.001)
        return ["1.json"]


def test_steps_of_the_page_start_one_job_for_two_reviews_at_once(machines, jobs):
    """Both executions of docs/how-to/retrain.md have found that job 1 is due."""
    (block,) = (
        one
        for one in blocks("docs/how-to/retrain.md")
        if one.file == "workflow/post_review.py" and "TrainingStep" not in one.content
    )
    found = {}
    exec(block.content, found)
    steps = json.loads(
        json.dumps(definition(Chain(found["completed"]))).replace("${ReviewBucket}", "reviews")
    )
    effects = jobs.service._effects = TwoAtOnce()
    due = {"Payload": {"number": "1", "train": True}}
    number = canned.given.add(parse_results({"states": {"Enough to train?": {"result": due}}}), None)
    try:
        machine = machines.create(steps["States"])
        executions = [
            machines.start(machine, {"detail": {"flowDefinitionArn": "arn", "humanLoopName": name}})
            for name in ("message-1", "message-2")
        ]
        outputs = [json.loads(machines.ended(execution)["output"])["training"] for execution in executions]
    finally:
        canned.given.remove(number)
    names = [event["Detail"]["TrainingJobName"] for event in effects.events]
    assert names == ["triage-1"]
    assert sorted("job" in output for output in outputs) == [False, True]
    assert sorted("refused" in output for output in outputs) == [False, True]
