"""Where to see a published stage in the AWS console."""

from __future__ import annotations

from collections.abc import Mapping

from workflow.publish.account import Account

__all__ = ["links"]


def links(account: Account, outputs: Mapping[str, str]) -> dict[str, str]:
    """Links to a stage's pages in the AWS console; none for a local engine.

    Args:
        account: where the stage is.
        outputs: the stack's outputs.
    """
    if not account.is_aws:
        return {}
    console = f"https://{account.region}.console.aws.amazon.com"
    home = f"home?region={account.region}#"
    pages = {
        "Dashboard": f"{console}/cloudwatch/{home}dashboards/dashboard/{outputs.get('Dashboard')}",
        "StateMachine": f"{console}/states/{home}/statemachines/view/{outputs.get('StateMachine')}",
        "LedgerTable": f"{console}/dynamodbv2/{home}table?name={outputs.get('LedgerTable')}",
        "ReviewBucket": f"{console}/s3/buckets/{outputs.get('ReviewBucket')}?region={account.region}",
    }
    return {name: page for name, page in pages.items() if name in outputs}
