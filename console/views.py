"""The base of all views."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["ProblemView", "View"]


class View(BaseModel):
    """What a page shows. The template gets it as `view`; `?format=json` prints it, with camelCase keys."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        arbitrary_types_allowed=False,
        extra="forbid",
        from_attributes=True,
        frozen=True,
        populate_by_name=True,
    )


class ProblemView(View):
    """A page that says what is wrong.

    Attributes:
        title: The heading.
        text: What is wrong and what to do.
        commands: Commands that help.
    """

    title: str
    text: str
    commands: tuple[str, ...] = ()
