"""The status change of a human loop: the event that A2I sends to EventBridge when a loop has ended.

Exact for the documented sample, and tolerant where real events were seen to differ: the envelope and the
ARNs may be missing, unknown fields are kept, and each status is strict only about what its branch needs.

Source: "Use Amazon CloudWatch Events in Amazon Augmented AI", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.location import S3Location
from lambdas.reviews.times import UtcTime

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "aws.sagemaker"
DETAIL_TYPE = "SageMaker A2I HumanLoop Status Change"
"""How EventBridge knows the event: the rule's pattern, the engine and whoever makes such an event take it from here."""

TERMINAL_STATUSES = ("Completed", "Failed", "Stopped")
"""The statuses that a human loop ends in. A2I sends an event for these only."""

_FLOW_DEFINITION_ARN = re.compile(
    r"arn:[a-z0-9-]+:sagemaker:[a-z0-9-]*:[0-9]*:flow-definition/([A-Za-z0-9-]+)"
)


def parse_status_change(raw: object) -> CompletedLoop | FailedLoop | StoppedLoop:
    """Returns the status change that an event tells of.

    Args:
        raw: The whole EventBridge event: a parsed JSON object, or its text.

    Raises:
        InvalidDocument: the event is malformed, or its status does not end a loop; names the field.
    """
    try:
        if isinstance(raw, str | bytes | bytearray):
            head = _Head.model_validate_json(raw)
            return _BY_STATUS[head.detail.human_loop_status].model_validate_json(raw)
        head = _Head.model_validate(raw)
        return _BY_STATUS[head.detail.human_loop_status].model_validate(raw)
    except ValidationError as error:
        raise InvalidDocument.of(error, "event", quote=True) from error
    except RecursionError as error:
        raise InvalidDocument("event", "$", "nested too deeply") from error


def status_change_event(detail: Mapping[str, Any], *, event_id: str, time: str) -> dict[str, Any]:
    """Returns the event that A2I sends for a status change.

    Args:
        detail: The event's detail. Account and Region are those of its `humanLoopArn`.
        event_id: The event's own id, a UUID.
        time: When the event is sent, such as 2026-01-31T08:15:00Z.
    """
    arn = str(detail["humanLoopArn"])
    _, _, _, region, account, _ = arn.split(":", 5)
    return {
        "version": "0",
        "id": event_id,
        "detail-type": DETAIL_TYPE,
        "source": SOURCE,
        "account": account,
        "time": time,
        "region": region,
        "resources": [arn],
        "detail": dict(detail),
    }


class _Tolerant(BaseModel):
    # Each status builds the models that it needs.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True
    )


def _s3_uri(uri: str) -> str:
    S3Location.parse(uri)
    return uri


class HumanLoopOutput(_Tolerant):
    """Where the loop's output lies. Null, missing or empty for loops that have none."""

    output_s3_uri: Annotated[str, AfterValidator(_s3_uri)] | None = None


class _RequiredOutput(_Tolerant):
    output_s3_uri: Annotated[str, AfterValidator(_s3_uri)]


class Detail(_Tolerant):
    """What changed, and of which loop.

    Attributes:
        human_loop_name: Unique per account and Region. The API allows lower-case letters, digits and
            hyphens, at most 63; upper-case letters have been seen in events.
        creation_time: When the loop was created, in UTC.
    """

    human_loop_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+(-+[A-Za-z0-9]+)*$", max_length=63)]
    creation_time: UtcTime
    human_loop_status: str
    human_loop_arn: str | None = None
    flow_definition_arn: str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None


class CompletedDetail(Detail):
    """The detail of a loop that people have answered: its output has a location."""

    human_loop_status: Literal["Completed"]
    human_loop_output: _RequiredOutput


class FailedDetail(Detail):
    """The detail of a loop that failed: a code and a reason, both free text. No output."""

    human_loop_status: Literal["Failed"]
    human_loop_output: Any = None


class StoppedDetail(Detail):
    """The detail of a loop that was stopped. It may have an output, with the answers given until then."""

    human_loop_status: Literal["Stopped"]
    human_loop_output: HumanLoopOutput | None = None


class StatusChange(_Tolerant):
    """The whole event; `CompletedLoop`, `FailedLoop` and `StoppedLoop` tell its detail exactly."""

    version: str | None = None
    id: str | None = None
    detail_type: str | None = Field(default=None, alias="detail-type")
    source: str | None = None
    account: str | None = None
    time: str | None = None
    region: str | None = None
    resources: list[str] | None = None
    detail: Detail

    @property
    def human_loop_name(self) -> str:
        """The name of the human loop."""
        return self.detail.human_loop_name

    @property
    def created_at(self) -> datetime:
        """When the loop was created, in UTC."""
        return self.detail.creation_time

    @property
    def flow_definition_arn(self) -> str | None:
        """The ARN of the flow definition, if the event has it."""
        return self.detail.flow_definition_arn

    @property
    def output(self) -> S3Location | None:
        """Where the loop's output lies, if it has one."""
        return None


class CompletedLoop(StatusChange):
    """People have answered."""

    detail: CompletedDetail

    @property
    def output(self) -> S3Location:
        """Where the answers lie."""
        return S3Location.parse(self.detail.human_loop_output.output_s3_uri)


class FailedLoop(StatusChange):
    """The loop failed, and nobody will answer it."""

    detail: FailedDetail


class StoppedLoop(StatusChange):
    """Somebody stopped the loop."""

    detail: StoppedDetail

    @property
    def output(self) -> S3Location | None:
        """Where the answers given before the stop lie, if there are some."""
        output = self.detail.human_loop_output
        return S3Location.parse(output.output_s3_uri) if output and output.output_s3_uri else None


def flow_definition_name(arn: str) -> str | None:
    """Returns the name in a flow definition's ARN; None if it is not such an ARN."""
    match = _FLOW_DEFINITION_ARN.fullmatch(arn)
    return match[1] if match else None


_BY_STATUS: dict[str, type[CompletedLoop] | type[FailedLoop] | type[StoppedLoop]] = {
    "Completed": CompletedLoop,
    "Failed": FailedLoop,
    "Stopped": StoppedLoop,
}


def _ends_a_loop(status: str) -> str:
    if status not in _BY_STATUS:
        raise ValueError(f"{shortened(status)} does not end a human loop; {', '.join(_BY_STATUS)} do")
    return status


class _HeadDetail(_Tolerant):
    human_loop_status: Annotated[str, AfterValidator(_ends_a_loop)]


class _Head(_Tolerant):
    detail: _HeadDetail
