"""Links into the AWS console."""

from __future__ import annotations

from types import SimpleNamespace

from workflow.publish.outputs import links

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:afterloop-dev"


def test_stage_on_aws_has_links_into_the_console() -> None:
    account = SimpleNamespace(region="eu-west-1", is_aws=True)
    assert links(account, {"StateMachine": MACHINE, "Rule": "r", "Dashboard": "afterloop-dev"}) == {
        "Dashboard": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#dashboards/dashboard/afterloop-dev",
        "StateMachine": "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1"
        f"#/statemachines/view/{MACHINE}",
    }


def test_local_engine_has_no_links() -> None:
    assert links(SimpleNamespace(region="eu-west-1", is_aws=False), {"StateMachine": MACHINE}) == {}
