"""The result of a smoke test is kept beside the publish that was live."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.unit.workflow.publish.conftest import Services
from tests.unit.workflow.publish.small_stack import described, package
from tests.unit.workflow.publish.test_live_publish import MACHINE
from workflow.publish.account import Account
from workflow.publish.history import history, start
from workflow.publish.package import Package
from workflow.publish.rollback import choose
from workflow.publish.smoke_record import SmokeRecord
from workflow.stack.stages import Stage


def package_of(number: int) -> Package:
    """A package that has the parameters of the stack, and its template if the number is 1."""
    return package() if number == 1 else replace(package(), template=package().template + "\n" * number)


def published(account: Account, services: Services, number: int = 1) -> None:
    start(account, "dev", package_of(number), outcome="published", version=f"{MACHINE}:{number}")


def finds(services: Services, version: int) -> None:
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.describes_alias({version: 100})
    if version == 1:
        services.describes_machine("{}", f"{MACHINE}:{version}")
        services.describes_machine("{}")


def test_result_is_kept_with_the_publish_that_is_live(account: Account, services: Services) -> None:
    published(account, services)
    published(account, services, 2)
    for failed in ([], ["Completed: the row"]):
        finds(services, 1)
        record = SmokeRecord(account, "dev")
        finds(services, 1)
        assert record.write(failed) is None
        first, second = history(account, "dev")
        assert first.smoke is not None
        assert (first.smoke.passed, list(first.smoke.failed)) == (not failed, failed)
        assert datetime.now(UTC) >= first.smoke.at
        assert second.smoke is None


def test_result_is_not_kept_if_something_else_is_live(account: Account, services: Services) -> None:
    published(account, services)
    finds(services, 9)
    record = SmokeRecord(account, "dev")
    assert "the result is not recorded: what is live is not one publish" in str(record.write([]))
    finds(services, 1)
    record = SmokeRecord(account, "dev")
    finds(services, 9)  # A publish ended during the test.
    assert "is not recorded" in str(record.write([]))
    services.cloudformation.add_client_error("describe_stacks", "AccessDenied")
    assert "is not recorded" in str(SmokeRecord(account, "dev").write([]))
    assert [one.smoke for one in history(account, "dev")] == [None]


def test_rollback_shows_the_last_test_of_what_it_restores(
    account: Account, services: Services, stage: Stage
) -> None:
    """Also if it was tested after an earlier rollback to it."""
    published(account, services)
    (first,) = history(account, "dev")
    published(account, services, 2)
    start(account, "dev", package(), restores=first, outcome="published", version=f"{MACHINE}:1")
    finds(services, 1)
    record = SmokeRecord(account, "dev")
    finds(services, 1)
    record.write(["Completed: the row"])
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.describes_alias({2: 100})
    services.describes_machine("{}", f"{MACHINE}:2")
    services.describes_machine("{}")
    target = choose(account, stage)
    assert target.number == 1
    assert target.smoke is not None
    assert target.smoke.failed == ("Completed: the row",)
