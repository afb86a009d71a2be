"""AWS clients of the functions, created on first use, and the decorator that marks transient errors."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.environment import environment
from lambdas.aws.transient import is_transient
from lambdas.loops.ledger import Ledger
from lambdas.loops.starting import Starter
from lambdas.loops.tokens import Tokens
from lambdas.loops.waiting import WaitingWorkflows
from lambdas.reviews.errors import TransientServiceError

if TYPE_CHECKING:
    from lambdas.loops.abandoned import AbandonedExecutions

__all__ = ["abandoned", "client", "ledger", "starter", "transient_errors", "waiting"]

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def client(service: str) -> Any:
    """Returns the boto3 client of a service, one per process."""
    return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 3}))  # type: ignore[call-overload]


@functools.cache
def ledger() -> Ledger:
    """Returns the stage's ledger."""
    return Ledger(client("dynamodb"), environment().ledger_table)


@functools.cache
def starter() -> Starter:
    """Returns the object that starts loops for the stage."""
    return Starter(
        ledger=ledger(),
        bucket=environment().review_bucket,
        s3=client("s3"),
        a2i=client("sagemaker-a2i-runtime"),
        textract=client("textract"),
        rekognition=client("rekognition"),
        waiting=waiting(),
        flow_definitions=environment().flow_definitions,
    )


@functools.cache
def waiting() -> WaitingWorkflows:
    """Returns the workflows that wait for loops of the stage."""
    token_table = environment().token_table
    assert token_table is not None, "the stack gives the function no table of tokens"
    return WaitingWorkflows(
        ledger=ledger(),
        tokens=Tokens(client("dynamodb"), token_table, environment().ledger_table),
        s3=client("s3"),
        stepfunctions=client("stepfunctions"),
        a2i=client("sagemaker-a2i-runtime"),
    )


@functools.cache
def abandoned() -> AbandonedExecutions:
    """Returns the object that settles executions of the stage that ended without finishing."""
    # Only two functions need it.
    from lambdas.loops.abandoned import AbandonedExecutions
    from lambdas.loops.escalation import Escalation
    from lambdas.loops.reports import Reports

    return AbandonedExecutions(
        ledger=ledger(),
        waiting=waiting(),
        states=client("stepfunctions"),
        escalation=Escalation(
            client("sns"), os.environ["ESCALATION_TOPIC"], os.environ["ALARM_TOPIC"], environment().stage
        ),
        reports=Reports(client("dynamodb"), environment().ledger_table),
    )


def transient_errors(handler: Callable[P, R]) -> Callable[P, R]:
    """Decorates a handler: raises transient errors as `TransientServiceError`, which the workflow retries."""

    @functools.wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            if is_transient(error):
                raise TransientServiceError(str(error)) from error
            raise

    return wrapped
