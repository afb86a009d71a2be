"""What to do about a human loop that failed: restart it, and when and where, or escalate.

The rules come from the stage's settings (`restart` in stages.toml) and reach the functions as one JSON
document, the environment variable RESTART_SETTINGS. Nothing in here calls AWS.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["BackOff", "Decision", "RestartRules", "RestartSettings"]

KNOWN_FAILURE_CODES = ("InternalError", "Expired", "ValidationError")
"""The codes that the documentation of DescribeHumanLoop names. The API types the field as a free string."""


class Decision(NamedTuple):
    """What happens next to a failed human loop."""

    action: Literal["restart", "escalate"]
    wait_seconds: int
    """How long to back off before the restart; 0 when escalated."""
    next_flow_definition: str | None
    """ARN of the flow definition that the next attempt goes to; None when escalated."""
    reason: str
    """In plain words, for a message that a person reads."""


def _spelt_as_the_service_does(code: str) -> str:
    for known in KNOWN_FAILURE_CODES:
        if code != known and code.casefold() == known.casefold():
            raise ValueError(f"{code!r} is spelt {known!r} by the service")
    return code


FailureCode = Annotated[str, Field(pattern=r"^[A-Za-z]+$"), AfterValidator(_spelt_as_the_service_does)]
Email = Annotated[str, Field(pattern=r"^[^@\s,#]+@[^@\s,#]+\.[^@\s,#]+$", max_length=320)]
_NAME = r"[a-z0-9](-*[a-z0-9]){0,62}"
_ARN = r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:flow-definition/"
FlowName = Annotated[str, Field(pattern=rf"^{_NAME}$")]
FlowDefinition = Annotated[str, Field(pattern=rf"^({_ARN})?{_NAME}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackOff(_Settings):
    """How long to wait before a restart: `first_seconds` x `rate` ^ (attempt - 1), at most `max_seconds`."""

    first_seconds: int = Field(default=60, ge=0, le=86_400)
    """The wait before the first restart."""
    rate: float = Field(default=2.0, ge=1, le=10)
    """How much longer each following wait is."""
    max_seconds: int = Field(default=3_600, ge=0, le=604_800)
    """The longest wait."""
    jitter: float = Field(default=0.5, ge=0, le=1)
    """The part of the wait, 0 to 1, that is spread: loops that failed together do not restart together."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_seconds < self.first_seconds:
            raise ValueError(
                f"max_seconds ({self.max_seconds}) is below first_seconds ({self.first_seconds})"
            )
        return self

    def seconds(self, attempt: int, loop_name: str) -> int:
        """Seconds to wait after attempt number `attempt` (1 is the first loop) of the loop so named failed.

        The same loop always gets the same wait, so that an execution that runs again waits as long: the
        jitter is drawn from the name, not from chance.
        """
        # The exponent is bounded: beyond it, every permitted rate above 1 is over the limit or never will be.
        grown = min(float(self.max_seconds), self.first_seconds * self.rate ** min(attempt - 1, 200))
        drawn = int.from_bytes(hashlib.sha256(f"{loop_name} {attempt}".encode()).digest()[:8]) / 2**64
        return round(grown * (1 - self.jitter * drawn))


class RestartRules(_Settings):
    """The rules for the loops of a stage, or of one flow definition."""

    restart_on: tuple[FailureCode, ...] = ("InternalError", "Expired")
    """The failure codes that lead to a restart; every other code, also one unknown today, is escalated."""
    max_attempts: int = Field(default=3, ge=1, le=20)
    """How many loops a lineage may have, the first included."""
    back_off: BackOff = BackOff()
    expired_to: FlowDefinition | None = None
    """Name or ARN of another flow definition (another team) that expired loops go to; one of the stage's."""
    escalate_to: tuple[Email, ...] = ()
    """E-mail addresses that are told about escalations, beside those of the whole stage."""


class RestartSettings(RestartRules):
    """The rules of a stage, and those of single flow definitions, by name.

    The rules of a flow definition are whole: what it does not say is the default, not the stage's. The
    stage settings (`workflow/stack/stages.py`) merge the two before they get here.
    """

    flow_definitions: dict[FlowName, RestartRules] = {}

    def rules_for(self, flow_definition: str | None) -> RestartRules:
        """The rules for loops of a flow definition, given by name or ARN, or unknown."""
        name = (flow_definition or "").rpartition("/")[2]
        return self.flow_definitions.get(name, self)

    def with_max_attempts(self, most: int) -> RestartSettings:
        """The same rules with another number of attempts, for all flow definitions."""
        flows = {
            name: rules.model_copy(update={"max_attempts": most})
            for name, rules in self.flow_definitions.items()
        }
        return self.model_copy(update={"max_attempts": most, "flow_definitions": flows})

    def decide(
        self,
        *,
        failure_code: str | None,
        attempt: int,
        flow_definition: str | None,
        input_known: bool,
        loop_name: str,
    ) -> Decision:
        """Decides what happens next to a loop that failed.

        Args:
            failure_code: as in the status change; None or empty when the event had none.
            attempt: the attempt that failed; 1 for the first loop of a lineage.
            flow_definition: ARN of the flow definition that the loop belonged to, when known.
            input_known: whether the ledger knows where the loop's input is. It is unknown for loops that
                were not started through Afterloop: the service does not give it back.
            loop_name: name of the loop that failed; the jitter is drawn from it.
        """
        rules = self.rules_for(flow_definition)
        if refusal := _why_not_restart(rules, failure_code, attempt, flow_definition, input_known):
            return Decision("escalate", 0, None, refusal)
        target = _arn_beside(flow_definition or "", rules.expired_to if failure_code == "Expired" else None)
        wait = rules.back_off.seconds(attempt, loop_name)
        elsewhere = (
            "" if target == flow_definition else f" with the flow definition {target.rpartition('/')[2]}"
        )
        return Decision(
            "restart",
            wait,
            target,
            f"The loop {_IN_WORDS.get(failure_code or '', f'failed with {failure_code}')}: "
            f"attempt {attempt + 1} of {rules.max_attempts} starts in {wait} s{elsewhere}.",
        )


_IN_WORDS = {
    "InternalError": "failed by an error inside the service",
    "Expired": "expired before the people answered",
    "ValidationError": "was refused for its input",
}


def _why_not_restart(
    rules: RestartRules, code: str | None, attempt: int, flow_definition: str | None, input_known: bool
) -> str | None:
    if not code:
        return "The loop failed and the status change gives no failure code."
    if code not in rules.restart_on:
        if code == "ValidationError":
            return "The loop was refused for its input (ValidationError): the same input would fail again."
        if code in KNOWN_FAILURE_CODES:
            return f"The loop {_IN_WORDS[code]} ({code}), and the settings do not restart that."
        return f"The loop failed with {code}, a code that the settings do not restart."
    if attempt >= rules.max_attempts:
        return (
            f"The loop {_IN_WORDS.get(code, f'failed with {code}')} ({code}), "
            f"and all {rules.max_attempts} attempts are used up."
        )
    if not input_known:
        return (
            f"The loop {_IN_WORDS.get(code, f'failed with {code}')} ({code}), but its input is not known: "
            "it was not started through Afterloop, and the service does not give an input back."
        )
    if not flow_definition:
        return f"The loop failed with {code}, but its flow definition is not known."
    return None


def _arn_beside(flow_definition: str, other: str | None) -> str:
    """ARN of `other`, a name or an ARN, in the account and Region of the flow definition given by ARN."""
    if other is None:
        return flow_definition
    return other if other.startswith("arn:") else f"{flow_definition.rpartition('/')[0]}/{other}"
