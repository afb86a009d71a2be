"""Which kept data a new stage adopts: by an option, or asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.terminal import approved, tell
from workflow.errors import PublishError

if TYPE_CHECKING:
    from workflow.cli.show import StackActivity
    from workflow.publish.kept_data import Generation

__all__ = ["DataChoice", "KeptData"]

KeptData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="adopt|new|NAME",
        help="If a destroyed stage of this name kept its data: adopt it, begin with new data, or adopt the data with "
        "this table or bucket.",
    ),
]


@dataclass(frozen=True)
class DataChoice:
    """Chooses the data of a new stage.

    Attributes:
        activity: Is paused for the question.
        stage: The stage's name.
        option: The value of `--data`.
    """

    activity: StackActivity
    stage: str
    option: str | None

    def __call__(self, found: Sequence[Generation]) -> Generation | None:
        """The data to adopt, of what was found.

        Raises:
            PublishError: It is not clear which, and nobody can be asked.
        """
        if self.option == "new" or not (found or self.option):
            return None
        if self.option:
            return self._named(found, self.option)
        return self._asked(found)

    def _named(self, found: Sequence[Generation], option: str) -> Generation:
        if option == "adopt" and len(found) == 1:
            return found[0]
        if not found:
            raise PublishError(
                f"no kept data of stage {self.stage} was found: check account and Region, or pass --data new"
            )
        if option == "adopt":
            raise PublishError(
                f"{len(found)} earlier stacks of stage {self.stage} kept data: {_listed(found)}: pass --data with the "
                "name of a table or bucket of the one to adopt"
            )
        for generation in found:
            if option in [one.name for one in generation.resources]:
                return generation
        raise PublishError(f"no kept data of stage {self.stage} has the name {option}: {_listed(found)}")

    def _asked(self, found: Sequence[Generation]) -> Generation | None:
        with self.activity.paused():
            for generation in found:
                tell(f"An earlier stack of stage {self.stage} kept {generation.text}.", err=True)
                if approved(
                    self.activity.console,
                    "Adopt this data? Otherwise it stays, unused",
                    "pass --data adopt or --data new",
                ):
                    return generation
        return None


def _listed(found: Sequence[Generation]) -> str:
    return "; ".join(generation.text for generation in found)
