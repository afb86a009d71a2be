"""What a caller sends to start a human loop, what the caller receives, and what can go wrong.

StartError
├── InvalidRequest   the request is invalid; the message says what is wrong, and where
├── InputTooLarge    the input of a custom task is larger than 3 MiB
├── NameTaken        another loop has the name
├── StartRefused     A2I, Textract or Rekognition refuses the start, and would refuse it again
└── InputUnknown     the input of a failed loop was not kept, so that it cannot be restarted
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from lambdas.loops import names as loop_names
from lambdas.loops.bounded import bounded
from lambdas.reviews.errors import json_path

__all__ = [
    "CustomTask",
    "InputTooLarge",
    "InputUnknown",
    "InvalidRequest",
    "Message",
    "NameTaken",
    "RekognitionTask",
    "StartError",
    "StartRefused",
    "StartRequest",
    "StartedLoop",
    "StoredInput",
    "TextractTask",
    "canonical_json",
]


MAX_PROBLEMS = 5
"""The problems of a request that an error names. A request of megabytes can have a million."""
MAX_PROBLEM = 300
"""Characters of each."""


class StartError(ValueError):
    """The loop was not started, and the caller can fix the cause."""


class InvalidRequest(StartError):
    """The request is invalid. The message says what is wrong, and where."""


class InputTooLarge(StartError):
    """The input of a custom task is larger than A2I accepts."""


class NameTaken(StartError):
    """Another loop has the name: with other input, with another flow definition, or not started by Afterloop."""


class StartRefused(StartError):
    """The service refuses to start the loop. The message quotes the reason that the service gives."""


class InputUnknown(StartError):
    """The failed loop cannot be restarted, because its input was not kept."""


class Message(BaseModel):
    """The base of what functions receive and return: JSON in camelCase, without unknown keys."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, defer_build=True
    )


class CustomTask(Message):
    """A loop of a custom task: StartHumanLoop with this input (JSON, at most 3 MiB as text)."""

    type: Literal["custom"] = "custom"
    input_content: dict[str, JsonValue]


class TextractTask(Message):
    """The request of AnalyzeDocument without its HumanLoopConfig. The document is an S3 object."""

    type: Literal["textract"]
    request: dict[str, JsonValue]


class RekognitionTask(Message):
    """The request of DetectModerationLabels without its HumanLoopConfig. The image is an S3 object."""

    type: Literal["rekognition"]
    request: dict[str, JsonValue]


class StoredInput(Message):
    """The part of a request that a restart needs. It is stored in S3; the rest is in the ledger's row."""

    task: Annotated[CustomTask | TextractTask | RekognitionTask, Field(discriminator="type")]
    content_classifiers: list[Literal["FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent"]] = []


class StartRequest(StoredInput):
    """A request to start a loop. Either `human_loop_name` or `key` names it (`lambdas/loops/names.py`).

    `task_token` belongs to a workflow that waits until the loop, or its last restart, ends
    (`lambdas/loops/waiting.py`).
    """

    human_loop_name: str | None = None
    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    flow_definition_arn: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:flow-definition/.+$")
    ]
    # repr=False keeps the token, a secret, out of logs.
    task_token: Annotated[str | None, Field(repr=False, min_length=1, max_length=2048)] = None

    @classmethod
    def read(cls, document: Any) -> StartRequest:
        """Returns the request in a JSON document.

        Raises:
            InvalidRequest: The document is not a valid request.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            words = [bounded(_problem_text(problem), MAX_PROBLEM) for problem in problems[:MAX_PROBLEMS]]
            if len(problems) > len(words):
                words.append(f"and {len(problems) - len(words)} more")
            raise InvalidRequest("; ".join(words)) from None

    @model_validator(mode="after")
    def _named(self) -> StartRequest:
        if (self.human_loop_name is None) == (self.key is None):
            raise ValueError("specify either humanLoopName or key")
        return self

    @model_validator(mode="after")
    def _is_json(self) -> StartRequest:
        try:
            canonical_json(self.task.model_dump())
        except ValueError as error:
            # Python's JSON accepts NaN and half of a surrogate pair. AWS does not.
            raise ValueError(f"the task is not JSON that AWS accepts: {error}") from None
        return self

    @property
    def name(self) -> str:
        """The loop's name. Raises InvalidLoopName."""
        if self.human_loop_name is not None:
            return loop_names.check(self.human_loop_name)
        assert self.key is not None
        return loop_names.from_key(self.key)

    @property
    def stored_input(self) -> StoredInput:
        """The part of the request that a restart needs."""
        return StoredInput(task=self.task, content_classifiers=self.content_classifiers)


class StartedLoop(Message):
    """The result of a start.

    If `needed` is False, Textract or Rekognition decided that no review is needed, and there is no loop. The
    response of the service is then at `prediction_location`, and in `prediction` if it is small enough.
    If `already` is True, an earlier call started the loop, and `status` is the loop's current status. A loop that
    has already ended does not end again, so do not wait for it.
    """

    human_loop_name: str
    human_loop_arn: str | None = None
    needed: bool = True
    already: bool = False
    status: str = "InProgress"
    prediction: dict[str, Any] | None = None
    prediction_location: str | None = None


def canonical_json(value: Any) -> bytes:
    """Returns JSON in UTF-8 that is identical for equal values, so that its digest can be compared.

    Raises:
        ValueError: The value contains NaN, an infinite number or half of a surrogate pair.
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def _problem_text(problem: Any) -> str:
    """Returns a validation problem as `where: what`, on one line."""
    # pydantic adds the discriminator's value to the path. The caller's document has no such level.
    where = json_path([part for part in problem["loc"] if part not in ("custom", "textract", "rekognition")])
    what = " ".join(problem["msg"].removeprefix("Value error, ").split())
    return f"{where.removeprefix('.')}: {what}" if where else what
