"""Whether the credentials are for the account of a stage: nobody publishes to an account that nobody named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.errors import AccountError
from workflow.publish.engine_access import not_on_engine
from workflow.stack import ENGINE_ACCOUNT

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = ["expect_right_account", "wrong_account"]


def expect_right_account(account: Account, stage: Stage, *, writes: bool) -> None:
    """Checks the account of the credentials against the settings of a stage.

    Args:
        account: The account of the credentials.
        stage: The stage.
        writes: Whether the command writes to the account. If so, the stage has to name it, unless it is that of a
            local engine.

    Raises:
        AccountError: The account is not that of the stage, or the stage names none.
    """
    if stage.account == ENGINE_ACCOUNT and account.is_aws:
        raise not_on_engine(stage.name)
    if stage.account and account.id != stage.account:
        raise wrong_account(stage, account.id, is_aws=account.is_aws)
    if writes and not stage.account and account.is_aws:
        raise AccountError(
            f"stage {stage.name} names no account, and the credentials are for account {account.id}: if that is the "
            f'right one, add account = "{account.id}" to [stages.{stage.name}] in the settings, or run '
            f"`python deploy.py init --stage {stage.name}`"
        )


def wrong_account(stage: Stage, account: str, *, is_aws: bool) -> AccountError:
    """Returns the error for credentials of another account than that of the stage."""
    on_engine = "AWS_ENDPOINT_URL leads to a local engine; use a terminal without it"
    return AccountError(
        f"the credentials are for account {account}, but stage {stage.name} belongs to account {stage.account}: "
        + ("choose other credentials with --profile" if is_aws else on_engine)
    )
