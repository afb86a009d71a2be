"""What a stage sets about its reviews."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic.alias_generators import to_camel

from lambdas.reviews.errors import InvalidSettings, json_path


def _jmespath(expression: str) -> str:
    import jmespath  # only stages that name a prediction pay for it
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"not a JMESPath expression: {' '.join(str(error).split())}") from error
    return expression


class ReviewSettings(BaseModel):
    """The settings, as the functions get them: one JSON object with camelCase keys.

    Attributes:
        output_buckets: Names of the buckets that outputs may be read from. Any other is refused.
        predictions: For each flow definition (by name) of a custom task, a JMESPath that leads from
            ``inputContent`` to the prediction. Without one, `lambdas.reviews.prediction.PLACES` are
            looked at.
        worker_identity: What a record says of who answered: "keep" the worker's id, "hash" it
            (a pseudonym, the same for the same worker throughout the stage), or "drop" it.
        max_output_bytes: The size of the largest output that is read, in bytes.
    """

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    output_buckets: tuple[str, ...] = ()
    predictions: dict[str, Annotated[str, AfterValidator(_jmespath)]] = Field(default_factory=dict)
    worker_identity: Literal["keep", "hash", "drop"] = "keep"
    max_output_bytes: PositiveInt = 32 * 1024 * 1024

    @classmethod
    def parse(cls, text: str) -> ReviewSettings:
        """Returns the settings that a JSON text holds.

        Raises:
            InvalidSettings: it does not hold; says which key, and why.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = json_path(first["loc"]).lstrip(".") or "the whole"
            raise InvalidSettings(f"review settings, {where}: {first['msg']}") from error
