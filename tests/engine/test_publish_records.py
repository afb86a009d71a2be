"""Records of publishes on the embedded engine: what became of each, and what a rollback goes back to."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from tests.engine.publisher import Publisher, answering, broken, comment
from tests.publish_failures import saw
from workflow.errors import DeploymentError, PublishError
from workflow.publish.cleaning import clean
from workflow.publish.history import history
from workflow.publish.rollback import choose, roll_back
from workflow.publish.status import status
from workflow.stack import ALIAS


def records(publisher: Publisher) -> list[tuple[int, str]]:
    return [(one.number, one.outcome) for one in history(publisher.account, publisher.stage.name)]


def shown(publisher: Publisher) -> tuple[list[tuple[int, str]], list[str]]:
    """The publishes and the sentences of `status`."""
    found = status(publisher.account, publisher.stage, drift=False)
    assert found is not None
    return [(one.number, one.outcome) for one in found.publishes], list(found.differences)


def goes_back(publisher: Publisher, to: int | None = None) -> int:
    """Rolls back; returns the number of the publish that it went back to."""
    target = choose(publisher.account, publisher.stage, to)
    roll_back(publisher.account, publisher.stage, target, confirm=lambda plan: True)
    return target.number


def test_rollback_goes_back_from_what_is_live(publisher: Publisher) -> None:
    """One test, since each step needs the one before."""
    versions = []
    for text in ("one", "two", "three"):
        published = publisher.publish(publisher.package(comment(text)))
        assert published
        assert published.version
        versions.append(published.version)

    # As after a shift that was reversed, or by hand: version 2 gets new executions, and the stack has publish 3.
    publisher.account.machines.route(publisher.stack.outputs["StateMachine"], ALIAS, {versions[1]: 100})
    (says,) = shown(publisher)[1]
    assert "run on version 2, of publish 2 of" in says
    assert publisher.plan(publisher.package(comment("four"))).differences == [says]
    assert goes_back(publisher) == 2
    assert shown(publisher)[1] == []
    with pytest.raises(PublishError, match="publish 2 is live already: nothing to roll back"):
        goes_back(publisher, to=2)

    with pytest.raises(DeploymentError) as failed:
        publisher.publish(publisher.package(broken))
    assert publisher.stack_status == "UPDATE_ROLLBACK_COMPLETE"
    assert records(publisher)[-2:] == [(4, "published"), (5, "taken back")]
    (says,) = shown(publisher)[1]
    assert "publish 5 of" in says
    saw("The update of the stack fails", failed.value, says)
    assert publisher.plan(publisher.package(comment("two"))).differences == [says]
    with pytest.raises(PublishError, match=r"publish 5 was taken back .*; choose one of 1, 2, 3"):
        goes_back(publisher, to=5)
    assert choose(publisher.account, publisher.stage).number == 1


def test_cleaning_takes_what_nobody_needs_and_spares_what_a_rollback_needs(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = publisher.account.artifacts

    def objects() -> set[tuple[str, str]]:
        """The versions in the bucket, which the stages of other tests use, too."""
        return set(artifacts.versions("", older_than=timedelta(days=-1)))

    answering(publisher, "one")
    publisher.publish()
    answering(publisher, "two")
    before = objects()
    assert publisher.publish(agree=False) is None
    assert objects() == before, "what a declined publish uploaded is gone"

    orphan = ("bundles/orphan.zip", artifacts.write("bundles/orphan.zip", b""))
    monkeypatch.setattr(
        "workflow.publish.cleaning.clean", partial(clean, grace=timedelta(days=-1), every=timedelta(0))
    )
    publisher.publish()
    assert orphan not in objects()
    assert goes_back(publisher) == 1
    name = f"{publisher.stage.stack_name}-DecideRestart"
    answer = publisher.account.session.client("lambda").invoke(FunctionName=name)["Payload"].read()
    assert answer == b'"one"'
