"""What every state, Retry and Catch of ours has beyond the SDK's: fields of newer ASL, and errors that name it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Any

from workflow.asl.origin import caller, name_of, readable
from workflow.asl.plain import plain_state
from workflow.asl.reach import expect_step, first
from workflow.asl.sdk import SDK, Block, State
from workflow.errors import WorkflowError

__all__ = ["AslField", "Fields", "Step"]


class AslField(Enum):
    """Fields of the Amazon States Language that the SDK's own `Field` lacks."""

    QueryLanguage = "query_language"
    Arguments = "arguments"
    Assign = "assign"
    Output = "output"
    ResultSelector = "result_selector"
    Credentials = "credentials"
    ErrorPath = "error_path"
    CausePath = "cause_path"
    MaxDelaySeconds = "max_delay_seconds"
    JitterStrategy = "jitter_strategy"
    Comment = "comment"
    ItemProcessor = "item_processor"
    ItemReader = "item_reader"
    ItemSelector = "item_selector"
    ItemBatcher = "item_batcher"
    Items = "items"
    ResultWriter = "result_writer"
    Label = "label"
    MaxConcurrencyPath = "max_concurrency_path"
    ToleratedFailureCount = "tolerated_failure_count"
    ToleratedFailureCountPath = "tolerated_failure_count_path"
    ToleratedFailurePercentage = "tolerated_failure_percentage"
    ToleratedFailurePercentagePath = "tolerated_failure_percentage_path"


class Fields(Block):
    """What every block of ours has beyond the SDK's: the fields it lacks, and errors that name it."""

    lacking: tuple[AslField, ...] = ()
    place: tuple[str, int] | None = None

    def allowed_fields(self) -> list[Any]:
        """The fields that the block may have, as the SDK asks for them."""
        return [*super().allowed_fields(), *self.lacking]

    def __getattr__(self, name: str) -> Any:
        # The SDK answers None to any name whatsoever, and recurses when copied (no `fields` yet).
        if name != "fields" and not name.startswith("__"):
            if name in self.fields:
                return self.fields[name]
            if self.is_field_allowed(name):
                return None
        raise AttributeError(f"{type(self).__name__} has no attribute or field {name!r}")

    def _expect_fields(self, names: Iterable[str], who: str) -> None:
        allowed = sorted(field.value for field in self.allowed_fields())
        for name in names:
            if name not in allowed:
                close = get_close_matches(name, allowed, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(allowed)}"
                raise WorkflowError(f"{who}: {type(self).__name__} has no field {name!r}; {hint}")


class Step(Fields, State):
    """A state that knows where it was made, and refuses what the SDK would drop without a word."""

    next_step: Any

    def __init__(self, state_id: str, *args: Any, **kwargs: Any) -> None:
        self.place = caller()
        if not isinstance(state_id, str) or not state_id:
            who = f"{type(self).__name__} at {readable(self.place)}"
            raise WorkflowError(f"{who}: a state's name must be a string, not {state_id!r}")
        self.state_id = state_id
        self._expect_fields(kwargs.keys() - {"output_schema"}, name_of(self))
        try:
            super().__init__(state_id, *args, **kwargs)
        except ValueError as error:
            raise WorkflowError(f"{name_of(self)}: {error}") from error

    def next(self, next_step: Any) -> Any:
        """Lead on to a step or chain, and return it. A Choice takes it as its default."""
        expect_step(next_step, name_of(self))
        if self.state_type in ("Succeed", "Fail"):
            raise WorkflowError(
                f"{name_of(self)}: a {self.state_type} ends the machine, {next_step.state_id!r} cannot follow it"
            )
        if self.next_step is not None and first(self.next_step) is not first(next_step):
            raise WorkflowError(
                f"{name_of(self)} leads to {self.next_step.state_id!r};"
                f" it cannot also lead to {next_step.state_id!r}"
            )
        if self.state_type == "Choice":
            self.default_choice(next_step)
        else:
            self.next_step = next_step
        return next_step

    def add_retry(self, retry: Any) -> None:
        """Add a Retry, or a list of these, after those that are there."""
        super().add_retry(self._expect_blocks(retry, SDK.Retry))

    def add_catch(self, catch: Any) -> None:
        """Add a Catch, or a list of these, after those that are there."""
        super().add_catch(self._expect_blocks(catch, SDK.Catch))

    def problem_in_map(self) -> str | None:
        """What is wrong with this state where it runs for each item of an inline Map; None if nothing is."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Render this state alone, as it stands in a definition's States."""
        return plain_state(super().to_dict(), self)

    def _expect_blocks(self, blocks: Any, kind: Any) -> list[Any]:
        listed = list(blocks) if isinstance(blocks, list | tuple) else [blocks]
        for block in listed:
            if not isinstance(block, kind):
                raise WorkflowError(
                    f"{name_of(self)}: expected a {kind.__name__} or a list of these, not {block!r}"
                )
        return listed
