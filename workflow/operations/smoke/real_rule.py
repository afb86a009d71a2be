"""A human loop that the smoke test starts and stops at A2I, so that its event comes through the stage's rule."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import AfterloopError
from workflow.operations.flow_definitions import FlowDefinitions

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["RULE_TIMEOUT_SECONDS", "execution_of", "heard_flow_definition", "remove_loop", "stop_new_loop"]

RULE_TIMEOUT_SECONDS = 180
"""EventBridge usually delivers an event within seconds, and promises no time."""
STOP_TIMEOUT_SECONDS = 60

INPUT = {"smokeTest": "This task is a test, and is stopped at once. No action is needed."}
"""The input of the loop. Whatever the template expects, workers see the task for a moment at most."""


def heard_flow_definition(resources: StageResources, session: boto3.Session, name: str) -> str:
    """Returns the ARN of a flow definition whose events the stage gets.

    Args:
        resources: The published stage.
        session: The session.
        name: Its name or ARN.

    Raises:
        AfterloopError: It does not exist, or the stage does not get its events.
    """
    arn = FlowDefinitions(resources, session).existing(name)
    heard = resources.parameter("FlowDefinitionArns").split(",")
    if heard != ["*"] and arn not in heard:
        names = ", ".join(one.rpartition("/")[2] for one in heard)
        raise AfterloopError(
            f"stage {resources.stage} gets no events of the flow definition {name}, only of {names}: name one of them, "
            "or add it to flow_definitions in the settings and publish"
        )
    return arn


def stop_new_loop(session: boto3.Session, name: str, flow_definition: str, cleaning: ExitStack) -> None:
    """Starts a human loop, and stops it.

    Args:
        session: The session.
        name: The name of the loop.
        flow_definition: The ARN of its flow definition.
        cleaning: Gets what deletes the loop.

    Raises:
        AfterloopError: A2I refuses the loop.
    """
    a2i = session.client("sagemaker-a2i-runtime")
    try:
        a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow_definition,
            HumanLoopInput={"InputContent": json.dumps(INPUT)},
        )
    except ClientError as error:
        answer = error.response["Error"]
        raise AfterloopError(
            f"A2I does not start a human loop of {flow_definition} for the smoke test: {answer['Code']}: "
            f"{answer['Message']}"
        ) from error
    cleaning.callback(remove_loop, session, name)
    a2i.stop_human_loop(HumanLoopName=name)


def execution_of(name: str, row: Callable[[str], dict[str, str]]) -> str | None:
    """Waits for the execution that the event of a loop starts.

    Args:
        name: The name of the loop.
        row: Returns the row of a loop in the ledger.

    Returns:
        The ARN of the execution; None if none has claimed the loop in time.
    """
    deadline = time.monotonic() + RULE_TIMEOUT_SECONDS
    while not (execution := row(name).get("execution")):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.5)
    return execution


def remove_loop(session: boto3.Session, name: str) -> None:
    """Deletes a human loop, if it exists. One in progress is stopped before: A2I deletes only loops that ended."""
    a2i = session.client("sagemaker-a2i-runtime")
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    try:
        while (status := a2i.describe_human_loop(HumanLoopName=name)["HumanLoopStatus"]) in (
            "InProgress",
            "Stopping",
        ):
            if status == "InProgress":
                a2i.stop_human_loop(HumanLoopName=name)
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        a2i.delete_human_loop(HumanLoopName=name)
    except a2i.exceptions.ResourceNotFoundException:
        return
