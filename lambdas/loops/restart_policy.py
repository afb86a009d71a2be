"""Decides what to do about a human loop that failed: restart it (and when, and where) or escalate it.

The rules come from the stage's settings (`restart` in stages.toml). The functions receive them as JSON in the
environment variable RESTART_SETTINGS. Nothing in this module calls AWS.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["KNOWN_FAILURE_CODES", "LOOP_DELETED", "BackOff", "Decision", "RestartRules", "RestartSettings"]

KNOWN_FAILURE_CODES = ("InternalError", "Expired", "ValidationError")
"""The codes in the documentation of DescribeHumanLoop. In the API, the field is a string without an enum."""

LOOP_DELETED = "LoopDeleted"
"""The failure code of a loop that was deleted in A2I before its status change was received. Not a code of A2I."""


class Decision(NamedTuple):
    """What to do about a failed human loop."""

    action: Literal["restart", "escalate"]
    wait_seconds: int
    """How long to wait before the restart; 0 for an escalation."""
    next_flow_definition: str | None
    """ARN of the flow definition for the next attempt; None for an escalation."""
    reason: str
    """The reason in plain words, for messages to people."""


MIN_RESEMBLANCE = 0.85
"""From which ratio of difflib a code counts as misspelled. `InternalServerError` is below: A2I may add such a code."""


def _check_spelling(code: Any) -> Any:
    # A misspelled code would be valid, but would never match.
    if code in KNOWN_FAILURE_CODES or not isinstance(code, str):
        return code
    import difflib  # here, because only unknown codes need it: it slows down a cold start

    if code in ("Completed", "Failed", "Stopped"):
        raise ValueError(f"{code!r} is a status; a failure code is one of {', '.join(KNOWN_FAILURE_CODES)}")
    words = {known.casefold(): known for known in KNOWN_FAILURE_CODES}
    letters = "".join(filter(str.isalpha, code)).casefold()
    if close := difflib.get_close_matches(letters, words, 1, MIN_RESEMBLANCE):
        raise ValueError(f"A2I spells {code!r} as {words[close[0]]!r}")
    return code


FailureCode = Annotated[str, Field(pattern=r"^[A-Za-z]+$"), BeforeValidator(_check_spelling)]
Email = Annotated[str, Field(pattern=r"^[^@\s,#]+@[^@\s,#]+\.[^@\s,#]+$", max_length=320)]
_NAME = r"[a-z0-9](-*[a-z0-9]){0,62}"
_ARN = r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:flow-definition/"
FlowName = Annotated[str, Field(pattern=rf"^{_NAME}$")]
FlowDefinition = Annotated[str, Field(pattern=rf"^({_ARN})?{_NAME}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class BackOff(_Settings):
    """The wait before a restart: `first_seconds` x `rate` ^ (attempt - 1), at most `max_seconds`."""

    first_seconds: int = Field(default=60, ge=0, le=86_400)
    """The wait before the first restart."""
    rate: float = Field(default=2.0, ge=1, le=10)
    """The factor by which each wait is longer than the one before."""
    max_seconds: int = Field(default=3_600, ge=0, le=604_800)
    """The longest wait."""
    jitter: float = Field(default=0.5, ge=0, le=1)
    """The part of the wait, 0 to 1, that is random, so that loops that failed together do not restart together."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max_seconds < self.first_seconds:
            raise ValueError(
                f"max_seconds ({self.max_seconds}) is less than first_seconds ({self.first_seconds})"
            )
        return self

    def seconds(self, attempt: int, loop_name: str) -> int:
        """Returns the seconds to wait after the loop with this name failed as attempt number `attempt`, from 1.

        The same loop always gets the same wait: a redriven execution must not decide differently. So the jitter
        is a hash of the name, not a random number.
        """
        # Unbounded, the power would overflow a float. At 200, a rate above 1.06 has reached the maximum of max_seconds.
        grown = min(float(self.max_seconds), self.first_seconds * self.rate ** min(attempt - 1, 200))
        fraction = int.from_bytes(hashlib.sha256(f"{loop_name} {attempt}".encode()).digest()[:8]) / 2**64
        return round(grown * (1 - self.jitter * fraction))


class RestartRules(_Settings):
    """The rules for failed loops of a stage or of one flow definition."""

    restart_on: tuple[FailureCode, ...] = ("InternalError", "Expired")
    """The failure codes that lead to a restart. Every other code is escalated, including codes that A2I adds later."""
    max_attempts: int = Field(default=3, ge=1, le=20)
    """The maximum number of loops in a lineage, including the first."""
    back_off: BackOff = BackOff()
    expired_to: FlowDefinition | None = None
    """Name or ARN of another flow definition of the stage (another team) for the restart of expired loops."""
    escalate_to: tuple[Email, ...] = ()
    """Email addresses that receive escalations, in addition to those of the stage. They receive all alarms, too."""


class RestartSettings(RestartRules):
    """The rules of a stage, and the rules of single flow definitions by name.

    A flow definition's rules are complete: a missing value is the default, not the value of the stage.
    `workflow/stack/stages.py` merges the stage's values into them.
    """

    flow_definitions: dict[FlowName, RestartRules] = {}

    def rules_for(self, flow_definition: str | None) -> RestartRules:
        """Returns the rules for a flow definition (name or ARN; None if unknown)."""
        name = (flow_definition or "").rpartition("/")[2]
        return self.flow_definitions.get(name, self)

    @property
    def longest_wait(self) -> timedelta:
        """The longest wait before a restart, of all flow definitions."""
        every = (self, *self.flow_definitions.values())
        return timedelta(seconds=max(rules.back_off.max_seconds for rules in every))

    def with_max_attempts(self, max_attempts: int) -> RestartSettings:
        """Returns the same rules with another number of attempts for all flow definitions."""
        flows = {
            name: rules.model_copy(update={"max_attempts": max_attempts})
            for name, rules in self.flow_definitions.items()
        }
        return self.model_copy(update={"max_attempts": max_attempts, "flow_definitions": flows})

    def decide(
        self,
        *,
        failure_code: str | None,
        attempt: int,
        flow_definition: str | None,
        input_known: bool,
        loop_name: str,
    ) -> Decision:
        """Decides what to do about a loop that failed.

        Args:
            failure_code: The code in the status change; None or empty if it has none.
            attempt: The attempt that failed; 1 for the first loop of a lineage.
            flow_definition: ARN of the loop's flow definition; None if unknown.
            input_known: Whether the ledger has the location of the loop's input. It does not if Afterloop did not
                start the loop.
            loop_name: Name of the loop that failed, for the jitter.
        """
        rules = self.rules_for(flow_definition)
        if refusal := _why_not_restart(rules, failure_code, attempt, flow_definition, input_known):
            return Decision("escalate", 0, None, refusal)
        target = _arn_of(flow_definition or "", rules.expired_to if failure_code == "Expired" else None)
        wait = rules.back_off.seconds(attempt, loop_name)
        elsewhere = (
            "" if target == flow_definition else f" with the flow definition {target.rpartition('/')[2]}"
        )
        return Decision(
            "restart",
            wait,
            target,
            f"The loop {_in_words(str(failure_code))}: "
            f"attempt {attempt + 1} of {rules.max_attempts} starts in {wait} s{elsewhere}.",
        )


def _in_words(code: str) -> str:
    words = {
        "InternalError": "failed with an internal error of A2I",
        "Expired": "expired before the workers answered",
        "ValidationError": "failed because A2I rejected its input",
    }
    return words.get(code, f"failed with {code}")


def _why_not_restart(
    rules: RestartRules, code: str | None, attempt: int, flow_definition: str | None, input_known: bool
) -> str | None:
    if not code:
        return "The loop failed, and the status change has no failure code."
    if code not in rules.restart_on:
        if code == "ValidationError":
            return "A2I rejected the input of the loop (ValidationError): the same input would fail again."
        if code == LOOP_DELETED:
            return (
                "The loop was deleted in A2I before its status change was received (LoopDeleted), so nobody knows "
                "whether people have answered it."
            )
        if code in KNOWN_FAILURE_CODES:
            return f"The loop {_in_words(code)} ({code}), which the settings do not restart."
        return f"The loop failed with {code}, a code that the settings do not restart."
    if attempt >= rules.max_attempts:
        return f"The loop {_in_words(code)} ({code}), and all {rules.max_attempts} attempts are used up."
    if not input_known:
        return (
            f"The loop {_in_words(code)} ({code}), but its input is unknown: "
            "Afterloop did not start the loop, and A2I does not return inputs."
        )
    if not flow_definition:
        return f"The loop failed with {code}, but its flow definition is unknown."
    return None


def _arn_of(flow_definition: str, other: str | None) -> str:
    """Returns the ARN of `other` (a name or an ARN) in the account and Region of the given flow definition."""
    if other is None:
        return flow_definition
    return other if other.startswith("arn:") else f"{flow_definition.rpartition('/')[0]}/{other}"
