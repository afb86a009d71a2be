"""What a plan says about the role that CloudFormation assumes."""

from __future__ import annotations

import pytest

from workflow.publish.package import Package
from workflow.publish.plan import Plan, SettingChange
from workflow.publish.service_role import with_service_role
from workflow.publish.stacks import Stack

OLD, NEW = (f"arn:aws:iam::111122223333:role/{name}" for name in ("old", "new"))
OTHER = SettingChange("LogRetentionDays", "30", "7")


@pytest.mark.parametrize(
    ("now", "wanted", "changes", "settings", "warning"),
    [
        ("", None, [OTHER], [], ""),
        (OLD, OLD, [OTHER], [], ""),
        ("", NEW, [OTHER], [SettingChange("service_role", None, NEW)], ""),
        (OLD, NEW, [OTHER], [SettingChange("service_role", OLD, NEW)], ""),
        (
            OLD,
            None,
            [OTHER],
            [],
            f"CloudFormation goes on with the role {OLD}, although the settings name none",
        ),
        # An operation needs something to change: otherwise, each later plan would show the role again.
        (OLD, NEW, [], [], f"takes the role {NEW} with the next change of the stack"),
    ],
)
def test_role_is_a_setting_that_cannot_be_taken_away(
    now: str, wanted: str | None, changes: list[SettingChange], settings: list[SettingChange], warning: str
) -> None:
    stack = Stack("afterloop-dev", "id", "UPDATE_COMPLETE", service_role=now)
    before = Plan("afterloop-dev", creates=False, settings=changes)

    plan = with_service_role(before, stack, Package("{}", {}, {}, service_role=wanted))

    assert plan.settings == [*changes, *settings]
    assert plan.is_empty == (not changes)
    assert len(plan.warnings) == bool(warning)
    assert warning in " ".join(plan.warnings)
