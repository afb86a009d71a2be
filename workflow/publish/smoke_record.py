"""The result of a smoke test, beside the publish that was live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.history import Smoke, amend
from workflow.publish.live_publish import find_live
from workflow.publish.outcomes import read_history

if TYPE_CHECKING:
    from workflow.publish.account import Account

__all__ = ["SmokeRecord"]


class SmokeRecord:
    """Where the result of a smoke test belongs. Made before the test: a publish may end while it runs.

    Args:
        account: where the stage is.
        stage: the name of the stage.
    """

    def __init__(self, account: Account, stage: str) -> None:
        self._account, self._stage = account, stage
        self._tested = self._live()

    def write(self, failed: Sequence[str]) -> str | None:
        """Writes the result; returns why it could not, in a sentence.

        Args:
            failed: the checks that failed.
        """
        if self._tested is None or self._live() != self._tested:
            return (
                "the result is not recorded: what is live is not one publish as it was published; "
                f"see `python deploy.py status --stage {self._stage}`"
            )
        smoke = Smoke(passed=not failed, at=datetime.now(UTC).replace(microsecond=0), failed=tuple(failed))
        try:
            amend(self._account, self._stage, self._tested, smoke=smoke)
        except (ClientError, PublishError) as error:
            return f"the result is not recorded: {error}"
        return None

    def _live(self) -> int | None:
        """The number of the publish that is live as it was published; None if none is, or it is not known."""
        try:
            stack = self._account.stacks.find(f"afterloop-{self._stage}")
            live = find_live(self._account, stack, read_history(self._account, self._stage, stack))
        except (ClientError, PublishError):  # The test itself needs no permission for the records.
            return None
        return live.record.number if live.record and live.is_in_place else None
