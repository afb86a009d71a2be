"""What was published to a stage, one record each, in the artifact bucket: what a rollback goes back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from workflow.errors import PublishError
from workflow.publish.account import Account

__all__ = ["Record", "history", "latest", "record", "to_go_back_to"]


class Record(BaseModel):
    """One publish that succeeded."""

    model_config = ConfigDict(frozen=True)

    number: int
    """1 for the first publish of the stage."""
    at: datetime
    by: str
    """ARN of whoever published."""
    template_key: str
    parameters: Mapping[str, str]
    version: str
    """ARN of the state machine's version."""
    restores: int | None = None
    """The number of the publish that this one went back to, for a rollback."""

    @property
    def stands_for(self) -> int:
        """The number of the publish whose content this is."""
        return self.restores or self.number


def history(account: Account, stage: str) -> list[Record]:
    """The publishes of a stage, the oldest first."""
    keys = account.keys(_prefix(stage))
    contents = [account.read(key) for key in keys[-50:]]
    return [Record.model_validate_json(content) for content in contents if content]


def latest(account: Account, stage: str) -> Record | None:
    """The last publish of a stage; None when there is none."""
    content = account.read(keys[-1]) if (keys := account.keys(_prefix(stage))) else None
    return Record.model_validate_json(content) if content else None


def record(
    account: Account,
    stage: str,
    *,
    template_key: str,
    parameters: Mapping[str, str],
    version: str,
    restores: int | None = None,
) -> Record:
    """Writes down that a publish succeeded."""
    keys = account.keys(_prefix(stage))
    latest = int(keys[-1].rpartition("/")[2].removesuffix(".json")) if keys else 0
    made = Record(
        number=latest + 1,
        at=datetime.now(UTC).replace(microsecond=0),
        by=account.who,
        template_key=template_key,
        parameters=parameters,
        version=version,
        restores=restores,
    )
    account.write(f"{_prefix(stage)}{made.number:08}.json", made.model_dump_json().encode())
    return made


def to_go_back_to(records: Sequence[Record], to: int | None = None) -> Record:
    """The publish that a rollback goes back to: the one before what is published now, or number `to`.

    Raises:
        PublishError: there is none.
    """
    if not records:
        raise PublishError("nothing was published to this stage yet: there is nothing to go back to")
    now = records[-1].stands_for
    originals = [one for one in records if one.restores is None]
    if to is not None:
        if found := next((one for one in originals if one.number == to), None):
            return found
        known = ", ".join(str(one.number) for one in originals)
        raise PublishError(f"there is no publish {to} to go back to; there are {known}")
    earlier = [one for one in originals if one.number < now]
    if not earlier:
        raise PublishError(
            f"publish {now} is the first of this stage: there is nothing before it to go back to"
        )
    return earlier[-1]


def _prefix(stage: str) -> str:
    return f"stages/{stage}/publishes/"
