"""The review settings of a stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic.alias_generators import to_camel

from lambdas.reviews.errors import InvalidSettings, json_path


def _jmespath(expression: str) -> str:
    import jmespath  # here, because only stages with such a path need it: it slows down a cold start
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath expression: {' '.join(str(error).split())}") from error
    return expression


class ReviewSettings(BaseModel):
    """The settings as the functions receive them: a JSON object with camelCase keys.

    Attributes:
        output_buckets: Names of the buckets from which outputs can be read. All others are refused.
        predictions: For flow definitions (by name) of custom tasks, a JMESPath from ``inputContent`` to the
            prediction. Without a path, the keys in `lambdas.reviews.prediction.PLACES` are searched.
        worker_identity: What a record contains about workers: "keep" the worker's id, "hash" it (a
            pseudonym, the same for the same worker in the whole stage), or "drop" it.
        max_output_bytes: The maximum size of an output, in bytes.
    """

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    output_buckets: tuple[str, ...] = ()
    predictions: dict[str, Annotated[str, AfterValidator(_jmespath)]] = Field(default_factory=dict)
    worker_identity: Literal["keep", "hash", "drop"] = "keep"
    max_output_bytes: PositiveInt = 32 * 1024 * 1024

    @classmethod
    def parse(cls, text: str) -> ReviewSettings:
        """Parses settings from JSON.

        Raises:
            InvalidSettings: The settings are invalid. The message says which key, and why.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = json_path(first["loc"]).lstrip(".") or "the document"
            raise InvalidSettings(f"review settings, {where}: {first['msg']}") from error
