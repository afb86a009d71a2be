"""The environment of the functions, as one checked model."""

from __future__ import annotations

import os
from functools import cache

from pydantic import BaseModel, ConfigDict

__all__ = ["Environment", "environment"]


class Environment(BaseModel):
    """What the stack tells its functions. All functions of the workflow itself get it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    stage: str
    ledger_table: str
    review_bucket: str
    review_settings: str
    """JSON of `lambdas.reviews.settings.ReviewSettings`."""
    restart_settings: str
    """JSON of `lambdas.loops.restart_policy.RestartSettings`."""
    flow_definition_arns: str | None = None
    """For the functions that start loops or look for them: ARNs, with commas between; `*` stands for all."""

    @property
    def flow_definitions(self) -> tuple[str, ...]:
        """ARNs of those whose loops are the stage's; none stands for all of the account."""
        return tuple(arn for arn in (self.flow_definition_arns or "").split(",") if arn.startswith("arn:"))


@cache
def environment() -> Environment:
    """The environment of this process, read once.

    Raises:
        pydantic.ValidationError: A variable is missing: the stack is not ours.
    """
    return Environment.model_validate(
        {name: os.environ.get(name.upper()) for name in Environment.model_fields}
    )
