"""The base classes of our states, Retry and Catch: fields that the SDK lacks, and errors that name the state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any, NamedTuple

from workflow.asl.origin import caller, name_of, readable
from workflow.asl.plain import plain_state
from workflow.asl.reach import expect_step, first
from workflow.asl.sdk import SDK, Block, State
from workflow.errors import StepTypeError, WorkflowError

__all__ = ["Fields", "Step", "made"]


made: ContextVar[list[Any] | None] = ContextVar(
    "the states that are made, if somebody wants to know", default=None
)


class _Field(NamedTuple):
    """A field as the SDK expects it: an object with a `value`, which is the name in snake_case."""

    value: str


class Fields(Block):
    """A block of the SDK with additional fields, and errors for unknown ones.

    Attributes:
        added_fields: The fields of Amazon States Language that the SDK's class lacks, in snake_case.
        place: The file and line that made the block.
    """

    added_fields: tuple[str, ...] = ()
    place: tuple[str, int] | None = None

    def allowed_fields(self) -> list[Any]:
        """The fields that the block can have. The SDK calls this."""
        return [*super().allowed_fields(), *map(_Field, self.added_fields)]

    def __getattr__(self, name: str) -> Any:
        # The SDK returns None for any name, and recurses endlessly when copied, because `fields` is not set yet.
        if name != "fields" and not name.startswith("__"):
            if name in self.fields:
                return self.fields[name]
            if self.is_field_allowed(name):
                return None
        raise AttributeError(f"{type(self).__name__} has no attribute or field {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # The SDK renders `fields`, so an attribute with the name of a field changes nothing, except `iterator`.
        is_late = "fields" in vars(self) and name not in {*vars(self), "iterator"}
        if is_late and self.is_field_allowed(name):
            raise StepTypeError(
                f"{name_of(self)}: setting {name!r} changes nothing; write {type(self).__name__}(…, {name}=…)"
            )
        super().__setattr__(name, value)

    def _expect_fields(self, names: Iterable[str], who: str) -> None:
        allowed = sorted(field.value for field in self.allowed_fields())
        for name in names:
            if name not in allowed:
                close = get_close_matches(name, allowed, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"its fields are {', '.join(allowed)}"
                if not close and "resource" in allowed:
                    hint += "; the arguments of a call are in parameters={…}"
                raise StepTypeError(f"{who}: {type(self).__name__} has no field {name!r}; {hint}")


class Step(Fields, State):
    """A state that knows where it was made, and rejects what the SDK would silently ignore.

    Attributes:
        is_rendered: Whether a machine was rendered with the current next step, or default of a Choice. Another one
            then loses nothing: it belongs to the next machine that uses the state.
    """

    next_step: Any
    is_rendered = False

    def __init__(self, state_id: str, *args: Any, **kwargs: Any) -> None:
        self.place = caller()
        if not isinstance(state_id, str) or not state_id:
            who = f"{type(self).__name__} at {readable(self.place)}"
            raise WorkflowError(f"{who}: a state's name must be a string, not {state_id!r}")
        if not state_id.isprintable():
            who = f"{type(self).__name__} at {readable(self.place)}"
            raise WorkflowError(
                f"{who}: the name {state_id!r} has a character that cannot be printed; remove it"
            )
        self.state_id = state_id
        if (states := made.get()) is not None:
            states.append(self)
        self._expect_fields(kwargs.keys() - {"output_schema"}, name_of(self))
        with self._named():
            super().__init__(state_id, *args, **kwargs)

    def next(self, next_step: Any) -> Any:
        """Continues with a step or chain, and returns it. For a Choice it becomes the default."""
        expect_step(next_step, name_of(self))
        if self.state_type in ("Succeed", "Fail"):
            raise WorkflowError(
                f"{name_of(self)}: a {self.state_type} ends the machine; {next_step.state_id!r} cannot follow it"
            )
        if self._would_lose(self.next_step, next_step):
            raise WorkflowError(
                f"{name_of(self)} already leads to {self.next_step.state_id!r};"
                f" it cannot also lead to {next_step.state_id!r}"
            )
        if self.state_type == "Choice":
            self.default_choice(next_step)
        else:
            self.next_step = next_step
            self.is_rendered = False
        return next_step

    def add_retry(self, retry: Any) -> None:
        """Adds a Retry, or a list of them, after the existing ones."""
        with self._named():
            super().add_retry(self._expect_blocks(retry, SDK.Retry))

    def add_catch(self, catch: Any) -> None:
        """Adds a Catch, or a list of them, after the existing ones."""
        with self._named():
            super().add_catch(self._expect_blocks(catch, SDK.Catch))

    def problem_in_map(self) -> str | None:
        """The problem with this state inside an inline Map, or None."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """This state in Amazon States Language, without its name."""
        return self._rendered(super().to_dict())

    def _rendered(self, raw: dict[str, Any]) -> dict[str, Any]:
        rendered = plain_state(raw, self)
        self.is_rendered = True
        return rendered

    def _would_lose(self, current: Any, next_step: Any) -> bool:
        """Whether another next step would remove the current one from a machine."""
        return current is not None and not self.is_rendered and first(current) is not first(next_step)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Lets errors of the SDK name this state."""
        try:
            yield
        except WorkflowError:
            raise
        except ValueError as error:
            raise WorkflowError(f"{name_of(self)}: {str(error).strip()}") from error

    def _expect_blocks(self, blocks: Any, kind: Any) -> list[Any]:
        listed = list(blocks) if isinstance(blocks, list | tuple) else [blocks]
        for block in listed:
            if not isinstance(block, kind):
                raise WorkflowError(
                    f"{name_of(self)}: expected a {kind.__name__} or a list of them, not {block!r}"
                )
        return listed
