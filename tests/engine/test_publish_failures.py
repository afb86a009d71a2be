"""A publish that ends at any step, or loses its network or its credentials: what people see, and what goes on.

What can happen beside that is tested where it belongs: in the other modules `test_publish_*`. Each row of the table in
docs/how-to/stages.md is seen by one of these tests (see `tests.publish_failures`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.faults import DropAnswer, Error, Interrupt
from tests.command_line import interrupted
from tests.engine.publisher import Publisher, comment, follow_to_end
from tests.publish_failures import printed, saw
from workflow.errors import AccountError, PublishError
from workflow.publish.history import history
from workflow.publish.package import Package
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import publish
from workflow.publish.status import status


def records(publisher: Publisher) -> list[tuple[int, str]]:
    return [(one.number, one.outcome) for one in history(publisher.account, publisher.stage.name)]


def dies(publisher: Publisher, sandbox: Sandbox, package: Package, fault: Interrupt, operation: str) -> None:
    """Publishes; the process ends at a call to CloudFormation."""
    found = sandbox.faults.inject(fault, service="cloudformation", operation=operation, caller="clients")
    with found, pytest.raises(KeyboardInterrupt):
        publisher.publish(package)


def seen(publisher: Publisher) -> str:
    """What `status` prints."""
    return printed(status(publisher.account, publisher.stage, drift=False))


def waiting(resources: dict[str, Any]) -> None:
    """An edit that makes CloudFormation wait for a signal, when new executions run on the new version already."""
    comment("two")(resources)
    resources["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    resources["Wait"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": "LiveAlias",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "60"},
        "CreationPolicy": {"ResourceSignal": {"Timeout": "PT1M"}},
    }


def test_publish_that_ends_at_any_step_is_finished_by_the_next(
    publisher: Publisher,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Any],
    without_waits: None,
) -> None:
    """One test, since each step needs a published stage."""
    publisher.publish()
    check_end_before_cloudformation_begins(publisher, sandbox)
    check_end_while_cloudformation_works(publisher, sandbox, eventually)
    check_end_after_cloudformation(publisher, monkeypatch)
    check_lost_network(publisher, sandbox)
    check_expired_credentials(publisher, sandbox)
    check_deleted_stack(publisher)


def check_end_before_cloudformation_begins(publisher: Publisher, sandbox: Sandbox) -> None:
    package = publisher.package(comment("one"))
    dies(publisher, sandbox, package, Interrupt("after"), "CreateChangeSet")
    assert records(publisher) == [(1, "published")]
    saw("SIGKILL when the plan is made, before the record", seen(publisher), publisher.plan(package))

    dies(publisher, sandbox, package, Interrupt("before"), "ExecuteChangeSet")
    assert records(publisher) == [(1, "published"), (2, "started")]
    now = seen(publisher)
    assert publisher.publish(package, agree=False) is None
    assert records(publisher)[1:] == [(2, "taken back")]
    saw("SIGKILL between the record and the update", now, publisher.plan(package))


def check_end_while_cloudformation_works(
    publisher: Publisher, sandbox: Sandbox, eventually: Callable[..., Any]
) -> None:
    package = publisher.package(waiting)
    dies(publisher, sandbox, package, Interrupt("after"), "ExecuteChangeSet")
    with pytest.raises(PublishError) as busy:
        publisher.publish(package)
    eventually(lambda: "now Wait;" in seen(publisher))
    saw("SIGKILL while CloudFormation updates the stack", seen(publisher), busy.value)
    # Before the record says what became of it, nobody knows which publish made this version live.
    assert "which no publish made live" not in seen(publisher)

    publisher.account.session.client("cloudformation").signal_resource(
        StackName=publisher.stage.stack_name, LogicalResourceId="Wait", UniqueId="1", Status="SUCCESS"
    )
    follow_to_end(publisher)
    assert is_finished(publisher, package)
    assert records(publisher) == [(1, "published"), (2, "taken back"), (3, "published")]


def check_end_after_cloudformation(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    package = publisher.package(comment("three"))
    with monkeypatch.context() as patches:
        patches.setattr("workflow.publish.carrying_out.settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish(package)
    assert records(publisher)[-1] == (4, "started")
    saw("SIGKILL when CloudFormation has ended", seen(publisher), publisher.plan(package))
    assert is_finished(publisher, package)
    assert records(publisher)[-1] == (4, "published")


def check_lost_network(publisher: Publisher, sandbox: Sandbox) -> None:
    steps: list[str] = []

    class Steps(NoProgress):
        def step(self, text: str) -> None:
            steps.append(text)

    stage, package = publisher.stage, publisher.package(comment("four"))
    # The SDK repeats a call four times.
    with sandbox.faults.inject(
        DropAnswer(), service="cloudformation", operation="DescribeStackEvents", times=7
    ):
        done = publish(publisher.account, stage, package, confirm=lambda plan: True, progress=Steps())
    saw("The network is lost while CloudFormation works", *steps)
    assert done is not None
    assert records(publisher)[-1] == (5, "published")


def check_expired_credentials(publisher: Publisher, sandbox: Sandbox) -> None:
    package = publisher.package(comment("five"))
    expired = Error("ExpiredToken", "The security token included in the request is expired", status=403)
    with (
        sandbox.faults.inject(expired, service="cloudformation", operation="DescribeStackEvents"),
        pytest.raises(AccountError) as error,
    ):
        publisher.publish(package)
    follow_to_end(publisher)
    saw("Credentials expire while CloudFormation works", error.value, seen(publisher))
    assert is_finished(publisher, package)
    assert records(publisher)[-1] == (6, "published")


def is_finished(publisher: Publisher, package: Package) -> bool:
    """Whether the next publish has nothing to change."""
    done = publisher.publish(package)
    return done is not None and not done.changed


def check_deleted_stack(publisher: Publisher) -> None:
    """Somebody deletes the stack in the console."""
    client = publisher.account.session.client("cloudformation")
    client.delete_stack(StackName=publisher.stage.stack_name)
    waiter = client.get_waiter("stack_delete_complete")
    waiter.wait(StackName=publisher.stage.stack_name, WaiterConfig={"Delay": 0.1})
    assert status(publisher.account, publisher.stage) is None
    with pytest.raises(PublishError) as refused:
        publisher.publish()
    saw("Somebody deletes the stack by hand", publisher.plan(), refused.value)
