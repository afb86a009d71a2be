"""The environment of the functions, as one checked model."""

from __future__ import annotations

import os
from functools import cache

from pydantic import BaseModel, ConfigDict

__all__ = ["Environment", "environment"]


class Environment(BaseModel):
    """The environment variables that the stack sets for each function of the workflow."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    stage: str
    ledger_table: str
    review_bucket: str
    review_settings: str
    """JSON of `lambdas.reviews.settings.ReviewSettings`."""
    restart_settings: str
    """JSON of `lambdas.loops.restart_policy.RestartSettings`."""
    token_table: str | None = None
    """Table of the task tokens. Set only for functions that answer waiting workflows."""
    flow_definition_arns: str | None = None
    """Comma-separated ARNs, or `*` for all. Set only for functions that start or list loops."""

    @property
    def flow_definitions(self) -> tuple[str, ...]:
        """ARNs of the flow definitions that the stage handles; empty for all of the account."""
        return tuple(arn for arn in (self.flow_definition_arns or "").split(",") if arn.startswith("arn:"))


@cache
def environment() -> Environment:
    """Returns the environment of this process, read once.

    Raises:
        pydantic.ValidationError: A variable is missing.
    """
    return Environment.model_validate(
        {name: os.environ.get(name.upper()) for name in Environment.model_fields}
    )
