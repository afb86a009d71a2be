"""The status change of a human loop: the event that A2I sends to EventBridge when a loop ends.

Real events differ from the documented sample: the envelope and the ARNs can be missing. So each model requires only
what the branch of its status needs, and keeps unknown fields.

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
"""`source` and `detail-type` of the event: for the rule's pattern, and for all code that creates such events."""

TERMINAL_STATUSES = ("Completed", "Failed", "Stopped")
"""The final statuses of a human loop. A2I sends events only for these."""

_FLOW_DEFINITION_ARN = re.compile(
    r"arn:[a-z0-9-]+:sagemaker:[a-z0-9-]*:[0-9]*:flow-definition/([A-Za-z0-9-]+)"
)


def parse_status_change(raw: object) -> CompletedLoop | FailedLoop | StoppedLoop:
    """Parses an event.

    Args:
        raw: The complete EventBridge event: a parsed JSON object, or its text.

    Raises:
        InvalidDocument: The event is malformed, or its status is not final. The message names the field.
    """
    try:
        # Two steps instead of a union of models, whose errors would be about all three statuses.
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
        detail: The event's detail. Account and Region are taken from its `humanLoopArn`.
        event_id: The event's id, a UUID.
        time: The time of the event, such as 2026-01-31T08:15:00Z.
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
    # defer_build: a process builds only the models of the statuses that it handles.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True
    )


def _s3_uri(uri: str) -> str:
    S3Location.parse(uri)
    return uri


class HumanLoopOutput(_Tolerant):
    """The location of the output. Null, missing or empty for loops without output."""

    output_s3_uri: Annotated[str, AfterValidator(_s3_uri)] | None = None


class _RequiredOutput(_Tolerant):
    output_s3_uri: Annotated[str, AfterValidator(_s3_uri)]


class Detail(_Tolerant):
    """The detail of a status change.

    Attributes:
        human_loop_name: Unique per account and Region. The API allows at most 63 lowercase letters, digits and
            hyphens, but uppercase letters have been seen in events.
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
    """The detail of a completed loop. The output location is required."""

    human_loop_status: Literal["Completed"]
    human_loop_output: _RequiredOutput


class FailedDetail(Detail):
    """The detail of a failed loop: a code and a reason, both free text. No output."""

    human_loop_status: Literal["Failed"]
    human_loop_output: Any = None


class StoppedDetail(Detail):
    """The detail of a stopped loop. It can have an output, with the answers given before the stop."""

    human_loop_status: Literal["Stopped"]
    human_loop_output: HumanLoopOutput | None = None


class StatusChange(_Tolerant):
    """The complete event. `CompletedLoop`, `FailedLoop` and `StoppedLoop` define the detail of each status."""

    # No function reads the envelope, but steps do (`$.id`): the checks of paths take what an event has from here.
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
        """The location of the output, if there is one."""
        return None


class CompletedLoop(StatusChange):
    """The event of a loop that workers have completed."""

    detail: CompletedDetail

    @property
    def status(self) -> Literal["Completed"]:
        """The status of the loop."""
        return self.detail.human_loop_status

    @property
    def output(self) -> S3Location:
        """The location of the output."""
        return S3Location.parse(self.detail.human_loop_output.output_s3_uri)


class FailedLoop(StatusChange):
    """The event of a loop that failed."""

    detail: FailedDetail


class StoppedLoop(StatusChange):
    """The event of a loop that was stopped."""

    detail: StoppedDetail

    @property
    def status(self) -> Literal["Stopped"]:
        """The status of the loop."""
        return self.detail.human_loop_status

    @property
    def output(self) -> S3Location | None:
        """The location of the answers given before the stop, if there are any."""
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


def _check_final(status: str) -> str:
    if status not in _BY_STATUS:
        raise ValueError(
            f"{shortened(status)} is not a final status of a human loop; use {', '.join(_BY_STATUS)}"
        )
    return status


class _HeadDetail(_Tolerant):
    human_loop_status: Annotated[str, AfterValidator(_check_final)]


class _Head(_Tolerant):
    detail: _HeadDetail
