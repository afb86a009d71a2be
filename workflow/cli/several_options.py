"""The options of the commands that process many human loops: the filters, and how the loops are processed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lambdas.loops.loop import Outcome
from workflow.cli import times
from workflow.cli.options import FlowDefinition, Yes

if TYPE_CHECKING:
    from workflow.operations.several import Operation

__all__ = ["SeveralOptions"]

DEFAULT_AT_ONCE = 10


@dataclass(frozen=True)
class SeveralOptions:
    """The filters, and how to process the loops that match."""

    outcome: Annotated[
        Outcome | None,
        typer.Option(
            metavar="OUTCOME", case_sensitive=False, help="Only loops with this outcome in the ledger."
        ),
    ] = None
    since: Annotated[
        datetime | None, times.since("Only loops that failed or were escalated at this time or later")
    ] = None
    flow_definition: FlowDefinition = None
    failure_code: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Only loops with this failure code of A2I, or with this error of the workflow, such as"
            " OutputNotAllowed.",
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=50,  # workflow.operations.client.MAX_CONNECTIONS
            help=f"How many loops to process at the same time. The default is {DEFAULT_AT_ONCE}.",
        ),
    ] = None
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Do not stop if the first loops all fail.")
    ] = False
    yes: Yes = False

    @property
    def number_at_once(self) -> int:
        """How many loops to process at the same time."""
        return self.at_once or DEFAULT_AT_ONCE

    def check(self, name: str | None, operation: Operation) -> None:
        """Raises `BadParameter` unless there is either a name or a filter, and the filters make sense."""
        if name is not None:
            self.check_unused("a name", None)
            return
        if not self._given("outcome", "since", "flow_definition", "failure_code"):
            raise typer.BadParameter(
                "specify the name of a human loop, or filters: --outcome, --since, --flow-definition, --failure-code",
                param_hint="NAME",
            )
        from workflow.operations.several import OUTCOMES

        if self.outcome is not None and self.outcome not in OUTCOMES[operation]:
            possible = [one for one in OUTCOMES[operation] if one in get_args(Outcome)]
            raise typer.BadParameter(
                f"loops {operation} is not possible for the outcome {self.outcome}, only for {', '.join(possible)}",
                param_hint="--outcome",
            )

    def check_unused(self, what: str, name: str | None, *, filters_only: bool = False) -> None:
        """Raises `BadParameter` if there are filters, or a name, beside what needs none.

        Args:
            what: What needs none.
            name: The name that was given, if any.
            filters_only: Whether the options for how to process many loops are allowed.
        """
        given = self._given("outcome", "since", "flow_definition", "failure_code")
        if not filters_only:
            given += self._given("at_once", "keep_going")
        if name is not None:
            given.append("NAME")
        if given:
            more = (
                "; to start it with another flow definition, use --new-flow-definition"
                if given == ["--flow-definition"] and what == "a name"
                else ""
            )
            raise typer.BadParameter(f"cannot be combined with {what}{more}", param_hint=given[0])

    def _given(self, *names: str) -> list[str]:
        defaults = {field.name: field.default for field in fields(self)}
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != defaults[name]]
