"""A human loop as the ledger keeps it. The fields of `Loop` are the names of the attributes of its row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from lambdas.loops.identity import name_of
from lambdas.loops.rows import UnreadableRow, key_of, plain_values

__all__ = [
    "CLAIM",
    "EXECUTION",
    "OPERATOR",
    "Claim",
    "ClaimedIn",
    "Loop",
    "LoopStatus",
    "OperatorAction",
    "Outcome",
    "TaskType",
]

LoopStatus = Literal["Starting", "InProgress", "Completed", "Failed", "Stopped", "NotNeeded", "Refused"]
"""NotNeeded and Refused are Afterloop's own: in both cases A2I has no loop."""
Outcome = Literal["processing", "stored", "restarted", "escalated", "notified", "failed", "closed"]
"""processing: an execution has claimed a status change of the loop and has not recorded what it did."""
TaskType = Literal["custom", "textract", "rekognition"]

Attempts = Annotated[int, Field(ge=0, le=10_000)]
"""More than anybody restarts a loop, and few enough for a name: the number of an attempt is part of it."""

CLAIM = "claim "
"""The beginning of the name of an attribute that holds a claim."""

EXECUTION = "execution "
"""The beginning of the name of an attribute about an execution that claimed. The rest is its ARN."""

OPERATOR = "operator "
"""The beginning of the name of an attribute about what an operator did. The rest is `OperatorAction.key`."""


class Claim(TypedDict):
    """The hold of an execution on a status change."""

    state: Literal["working", "done", "released"]
    """working: the execution is processing the status change. done: the outcome is recorded. released: the execution
    failed, and another one can claim it."""
    execution: str
    """The ARN of the execution that claimed it last."""
    at: NotRequired[str]
    """When it was claimed."""


class ClaimedIn(BaseModel):
    """What the row says about an execution that processed the loop: the first time that it claimed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    claim: str | None = None
    """The claim, `creationTime status`."""
    at: str | None = None
    """When it was claimed."""


class OperatorAction(BaseModel):
    """A command that an operator ran on a loop, or the button of the console that does the same.

    It is recorded before the command does anything. What came of it is in the rest of the row.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    action: str
    """restart, stop, close or redrive."""
    by: str
    """The ARN of who ran it, as AWS STS returns it."""
    at: str
    """When."""

    @property
    def key(self) -> str:
        """The same for the same action, so that a write that is repeated adds nothing."""
        return f"{self.at} {self.action} {hashlib.sha256(self.by.encode()).hexdigest()[:8]}"


class Loop(BaseModel):
    """A human loop in the ledger. Only the name is certain: the ledger may learn of a loop from its event.

    Times are ISO 8601 in UTC. Locations are `s3://bucket/key`.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    human_loop_name: str
    """The key: the loop's name. If another loop of that name has the row, the name, `@` and the creation time."""
    flow_definition_arn: str | None = None
    """The human review workflow of the loop."""
    human_loop_arn: str | None = None
    """The loop's ARN in A2I."""
    status: str | None = None
    """NotNeeded: the activation conditions were not met. Refused: A2I refused to start the loop, and the name can
    be used again."""
    task_type: TaskType | None = None
    """custom, textract or rekognition."""
    created_at: str | None = None
    """When the row was created. For a loop that Afterloop did not start: when the loop was created."""
    loop_created_at: str | None = None
    """A2I's creation time of the loop, once it is known. Name and creation time identify a loop: A2I lets the name be
    used again once the loop is deleted."""
    started_at: str | None = None
    """When A2I had accepted the start of the loop: the loop was created between `createdAt` and then."""
    updated_at: str | None = None
    """When the row was last written. New figures of a recomputed review do not change it."""
    attempt: Attempts = 1
    """1 for the first loop of a lineage, 2 for its first restart, and so on."""
    max_attempts: Attempts | None = None
    """The maximum number of attempts of this lineage, if an operator set one."""
    root_loop_name: str | None = None
    """The first loop of the lineage."""
    previous_loop_name: str | None = None
    """The loop of which this one is the restart."""
    next_loop_name: str | None = None
    """The restart of this loop."""
    input_location: str | None = None
    """The input, `s3://…`, stored before the loop was started."""
    input_digest: str | None = None
    """The SHA-256 digest of the input. A start with the same name and another input is refused."""
    outcome: str | None = None
    """What the workflow did after the loop ended. processing: it has claimed the status change."""
    reason: str | None = None
    """The reason for the outcome, in plain words."""
    review_location: str | None = None
    """The review record, `s3://…`."""
    output_location: str | None = None
    """A2I's `output.json`. For a loop that was not needed: the prediction."""
    execution: str | None = None
    """The ARN of the last execution that processed the loop."""
    failure_code: str | None = None
    """A2I's failure code."""
    failure_reason: str | None = None
    """A2I's failure reason."""
    review: dict[str, Any] | None = None
    """The figures of the review."""
    waiting: bool | None = None
    """Whether a workflow waits for the loop."""
    answer: str | None = None
    """The result of notifying a waiting workflow: delivered, or ended if the workflow had already ended."""
    answered_at: str | None = None
    """When the waiting workflow was notified."""
    escalated_at: str | None = None
    """When the loop was last escalated to a person. Stays after the person has decided."""
    note: str | None = None
    """Why a person closed the loop."""
    closed_by: str | None = None
    """Who closed the loop."""
    closed_at: str | None = None
    """When the loop was closed."""
    claims: dict[str, Claim] = {}
    """The claimed status changes, by `creationTime status`."""
    executions: dict[str, ClaimedIn] = {}
    """The executions that claimed a status change, by ARN, oldest first. Rows of earlier versions have only `execution`
    and the last one of each claim."""
    operator_actions: list[OperatorAction] = []
    """The commands that operators ran on the loop, oldest first. Rows of earlier versions have none."""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Loop:
        """Returns the loop of an item of the table, as DynamoDB's API returns it.

        Raises:
            UnreadableRow: The item is not a row.
        """
        plain = plain_values(item)
        plain["claims"] = {
            name.removeprefix(CLAIM): value for name, value in plain.items() if name.startswith(CLAIM)
        }
        plain["executions"] = _executions(plain)
        plain["operatorActions"] = _operator_actions(plain)
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            raise UnreadableRow.of(key_of(item), error) from error

    @property
    def name(self) -> str:
        """The loop's name in A2I."""
        return name_of(self.human_loop_name)

    @property
    def root(self) -> str:
        """The name of the first loop of the lineage."""
        return self.root_loop_name or self.name


def _operator_actions(plain: Mapping[str, Any]) -> list[Any]:
    """The commands of operators, oldest first. One with odd values is left out: it costs itself, and not the row."""
    found = [
        value
        for name, value in plain.items()
        if name.startswith(OPERATOR)
        and isinstance(value, dict)
        and all(isinstance(value.get(key), str) for key in OperatorAction.model_fields)
    ]
    return sorted(found, key=lambda one: (one["at"], one["by"]))


def _executions(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The executions of a row, oldest first. Of one with odd values, only the ARN is known."""
    found = {
        name.removeprefix(EXECUTION): {
            key: text
            for key in ClaimedIn.model_fields
            if isinstance(value, dict) and isinstance(text := value.get(key), str)
        }
        for name, value in plain.items()
        if name.startswith(EXECUTION) and name != EXECUTION
    }
    # Sorted by the ARN, too: DynamoDB returns attributes in any order.
    return dict(sorted(found.items(), key=lambda one: (one[1].get("at", ""), one[0])))
