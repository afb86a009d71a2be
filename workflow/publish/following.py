"""Following a stack operation to its end, event by event, and finding why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from lambdas.aws.transient import is_transient
from workflow.errors import AccountError, DeploymentError
from workflow.publish.aws_errors import explained, is_expired
from workflow.publish.engine_access import is_on_this_machine
from workflow.publish.handler_errors import advice
from workflow.publish.stacks import Event, Stacks, pauses

T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""How long AWS may be out of reach: a laptop wakes up before its network does."""

ENGINE_PATIENCE_SECONDS = 5.0
"""The same for an engine on this machine."""

__all__ = ["first_cause", "follow", "follow_deletion"]


def follow(
    stacks: Stacks,
    stack_id: str,
    token: str,
    on_event: Callable[[Event], None],
    *,
    meanwhile: Callable[[], object] = lambda: None,
    report: Callable[[str], None] = lambda text: None,
    expected: Collection[str] = (),
) -> None:
    """Waits until a stack operation has ended, and reports each event.

    If AWS cannot be reached for a while, it waits.

    Args:
        stacks: the stacks of the account.
        stack_id: the stack's ARN.
        token: the token that the operation was started with; its events carry it.
        on_event: called with each event, oldest first.
        meanwhile: called as long as the operation goes on, every few seconds at least.
        report: called with what happens, in a sentence, while AWS cannot be reached.
        expected: other statuses with which the operation succeeds, for one that ends in a rollback.

    Raises:
        AccountError: AWS could not be reached for too long, or the session has expired. The operation goes on.
        DeploymentError: the operation failed; the message has the first cause that CloudFormation gives.
    """
    # Events rather than a waiter of boto3: the status alone gives neither progress nor a cause. And by ARN,
    # because a deleted stack cannot be found by its name.
    events: list[Event] = []
    for pause in pauses():
        seen = {event.id for event in events}
        new = _patiently(lambda seen=seen: stacks.events(stack_id, token, seen), stack_id, report)  # type: ignore[misc]
        events += new
        for event in new:
            on_event(event)
        if events and events[-1].ends_operation:
            break
        meanwhile()
        time.sleep(pause)
    status = events[-1].status
    if status not in expected and ("ROLLBACK" in status or status.endswith("FAILED")):
        raise _failure(events)


def _patiently(ask: Callable[[], T], stack_id: str, report: Callable[[str], None]) -> T:
    """The answer of CloudFormation, which is asked again while it cannot be reached."""
    patience = ENGINE_PATIENCE_SECONDS if is_on_this_machine() else PATIENCE_SECONDS
    since: float | None = None
    for pause in pauses(first=0.5, longest=10):
        try:
            answer = ask()
        except (ClientError, ConnectionError, HTTPClientError, IncompleteReadError) as error:
            if isinstance(error, ClientError) and is_expired(error):
                raise _left_alone(error, stack_id) from None
            if not is_transient(error):
                raise
            # Not a wall clock, which jumps while a laptop sleeps.
            since = since or time.monotonic()
            if time.monotonic() - since > patience:
                raise _left_alone(error, stack_id) from None
            report("AWS cannot be reached; CloudFormation continues, and is asked again")
        except (CredentialRetrievalError, NoCredentialsError, SSOError, TokenRetrievalError) as error:
            raise _left_alone(error, stack_id) from None
        else:
            if since:
                report("AWS can be reached again")
            return answer
        time.sleep(pause)
    raise AssertionError("pauses never end")


def _left_alone(error: Exception, stack_id: str) -> AccountError:
    """The error for an operation that goes on, and that this process cannot follow any more."""
    stage = stack_id.split("/")[1].removeprefix("afterloop-")
    return AccountError(
        f"{explained(error) or error}; CloudFormation continues its operation: then "
        f"`python deploy.py status --stage {stage}` shows what became of it, and the same command again completes it"
    )


def follow_deletion(stacks: Stacks, stack_id: str, meanwhile: Callable[[], object]) -> None:
    """Waits until a stack is deleted whose deletion somebody else, or an earlier command, has begun.

    Args:
        stacks: the stacks of the account.
        stack_id: the stack's ARN.
        meanwhile: called as long as the deletion goes on, every few seconds at least.

    Raises:
        DeploymentError: the deletion failed.
    """
    for pause in pauses():
        stack = stacks.find(stack_id)
        if stack is None:
            return
        if stack.status == "DELETE_FAILED":
            reason = stack.reason or "CloudFormation gives no reason"
            raise DeploymentError(
                f"{stack.name}: {reason}; fix the cause and run destroy again",
                resource=stack.name,
                cause=reason,
                status=stack.status,
            )
        meanwhile()
        time.sleep(pause)


def first_cause(events: Sequence[Event]) -> Event | None:
    """The first failure of an operation; None if no event gives a reason."""
    failures = [event for event in events if event.status.endswith("FAILED") and event.reason]
    # CloudFormation cancels what is in progress after a failure, and may report that before the failure itself.
    causes = [event for event in failures if "cancelled" not in event.reason and not event.is_stack_event]
    return next(iter([*causes, *failures]), None)


def _failure(events: Sequence[Event]) -> DeploymentError:
    cause = first_cause(events) or events[-1]
    status = events[-1].status
    outcome = {
        "ROLLBACK_COMPLETE": "the new resources were deleted",
        "UPDATE_ROLLBACK_COMPLETE": "the stack was rolled back and is unchanged",
        "CREATE_FAILED": "what was created stays; the next publish first deletes it",
        "UPDATE_FAILED": "what was changed stays; the next publish first rolls it back",
        "DELETE_FAILED": "the other resources were deleted; fix the cause and run destroy again",
        "UPDATE_ROLLBACK_FAILED": "it could not be rolled back; publish again, which first continues the rollback",
    }.get(status, f"the stack is now in {status}")
    reason = " ".join(cause.reason.split()) or "CloudFormation gives no reason"
    known = f"; {found}" if (found := advice(reason)) else ""
    # A change set does not always say whether a resource is replaced.
    lift = (
        "; to change it, first publish only protected = false" if "denied by stack policy" in reason else ""
    )
    return DeploymentError(
        f"{cause.resource} ({cause.type}): {reason}; {outcome}{lift}{known}",
        resource=cause.resource,
        cause=reason,
        status=status,
    )
