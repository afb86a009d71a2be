"""The flow definitions of the samples, and how a loop of a sample starts: by the stage's own function."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.worker_tasks.description import TaskDescription
from console.worker_tasks.elements.boxes import BoundingBox
from console.worker_tasks.elements.choice import Choice
from console.worker_tasks.elements.classification import Classifier
from console.worker_tasks.elements.spans import EntityAnnotation
from console.worker_tasks.elements.text import Text
from sandbox import samples
from sandbox.errors import SandboxError
from sandbox.identity import ACCOUNT_ID
from sandbox.samples import Sample, TaskType

if TYPE_CHECKING:
    from sandbox.engine import Sandbox

__all__ = ["FLOW_DEFINITIONS", "SampleFlow", "create_flow_definitions", "start_sample"]


@dataclass(frozen=True)
class SampleFlow:
    """A flow definition of the local engine.

    Attributes:
        title: What a loop is about, in words.
        sample: The prediction and the answers.
        workers: How many workers answer each loop.
        task: What its tasks ask of a worker; None for built-in tasks, whose pages are built in, too.
    """

    title: str
    sample: Sample
    workers: int
    task: TaskDescription | None = None

    @property
    def task_type(self) -> TaskType:
        """The kind of task."""
        return self.sample.task_type


FLOW_DEFINITIONS: Mapping[str, SampleFlow] = {
    "job-applications": SampleFlow("A form to check", samples.JOB_APPLICATION, 1),
    "image-moderation": SampleFlow("A picture to moderate", samples.MODERATION, 2),
    "support-messages": SampleFlow(
        "A message to classify",
        samples.SUPPORT_MESSAGE,
        3,
        TaskDescription(
            instructions="Read the message, and choose what it mainly is.",
            text="taskObject",
            elements=(
                Classifier(
                    element="crowd-classifier",
                    name="sentiment",
                    header="What is the message?",
                    categories="labels",
                ),
                Text(element="crowd-text-area", name="comment", header="Why? You can leave this blank."),
            ),
        ),
    ),
    "animal-names": SampleFlow(
        "An animal to choose a name for",
        samples.ANIMAL_NAME,
        1,
        TaskDescription(
            instructions="Look at the picture, and choose the animal.",
            picture="taskObject",
            elements=(
                Choice(
                    element="crowd-radio-button",
                    name="animal",
                    header="Which animal is it?",
                    options=("bird", "cat", "dog"),
                ),
            ),
        ),
    ),
    "animal-boxes": SampleFlow(
        "Animals to draw boxes around",
        samples.ANIMALS,
        1,
        TaskDescription(
            instructions="Draw a box around each animal. Correct the boxes that are there already.",
            picture="taskObject",
            elements=(
                BoundingBox(
                    element="crowd-bounding-box",
                    name="animals",
                    header="Boxes around dogs and cats",
                    labels=("Cat", "Dog"),
                    initial_value="prediction.animals",
                ),
            ),
        ),
    ),
    "order-parts": SampleFlow(
        "An order with parts to mark",
        samples.ORDER,
        1,
        TaskDescription(
            instructions="Mark each product, person, place and date. Correct what is marked already.",
            text="taskObject",
            elements=(
                EntityAnnotation(
                    element="crowd-entity-annotation",
                    name="parts",
                    header="Parts of the order",
                    labels=("product", "person", "place", "date"),
                    initial_value="prediction.parts",
                ),
            ),
        ),
    ),
}
"""Flow definitions by name."""


def create_flow_definitions(sandbox: Sandbox, output_bucket: str) -> None:
    """Creates all flow definitions of the samples.

    Args:
        sandbox: The engine.
        output_bucket: The bucket for the outputs.
    """
    for name, flow in FLOW_DEFINITIONS.items():
        sandbox.flow_definitions.create(
            name,
            output_bucket,
            task_count=flow.workers,
            task_type=flow.task_type,
            conditions=flow.sample.conditions,
            task=flow.task,
        )


def start_sample(
    client: Callable[[str], Any],
    region: str,
    *,
    function: str,
    document_bucket: str | None,
    flow_definition: str,
    name: str,
) -> None:
    """Starts a loop about the sample of a flow definition, by the function StartLoop of the stage.

    Args:
        client: Returns a boto3 client for a service of the engine.
        region: The Region of the flow definition.
        function: The name or ARN of the function.
        document_bucket: The bucket for the document or image; None is enough for a text.
        flow_definition: One of `FLOW_DEFINITIONS`.
        name: The name of the loop.

    Raises:
        SandboxError: The function failed.
    """
    sample = FLOW_DEFINITIONS[flow_definition].sample
    s3 = client("s3")
    if document_bucket is None:
        if sample.has_picture:
            raise SandboxError(
                "the stage has no document_buckets for the image: name one in stages.toml, and publish"
            )
        document_bucket = ""
    task: dict[str, Any]
    if sample.task_type == "custom":
        task = {"type": "custom", "inputContent": sample.content(s3, document_bucket)}
    elif sample.task_type == "textract":
        document = sample.upload(s3, document_bucket)
        task = {"type": "textract", "request": {"Document": document, "FeatureTypes": ["FORMS"]}}
    else:
        task = {"type": "rekognition", "request": {"Image": sample.upload(s3, document_bucket)}}
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:flow-definition/{flow_definition}"
    request = {"humanLoopName": name, "flowDefinitionArn": arn, "task": task}
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(request))
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        why = f"{payload.get('errorType')}: {payload.get('errorMessage')}"
        raise SandboxError(f"cannot start {name}: {why}")
