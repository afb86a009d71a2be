"""Which flow definitions a stage knows, so that a mistyped name is an error and not an empty result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.index_query import IndexQuery
from lambdas.loops.ledger import Ledger
from lambdas.loops.refusals import NO_NEW_CUSTOMERS
from workflow.errors import AfterloopError
from workflow.stack.settings_errors import did_you_mean

if TYPE_CHECKING:
    import boto3

    from workflow.operations.reviews_source import ReviewsSource
    from workflow.operations.stage_resources import StageResources

__all__ = ["FlowDefinitions", "UnknownFlowDefinition", "check_reviews_of"]

MAX_NAMES = 5
"""How many names an error lists."""

_NOT_FOUND = ("ResourceNotFound", "ResourceNotFoundException", "ValidationException")
"""What SageMaker answers for a name that no flow definition has, or that none can have."""


class UnknownFlowDefinition(AfterloopError):
    """No flow definition has this name. The message has the names that are known."""


class FlowDefinitions:
    """The flow definitions of a stage: in its settings, in its ledger, in its reviews, and in SageMaker.

    Each of the four has some that the others lack: SageMaker and the settings have new ones without loops; the ledger
    and the reviews have those that were deleted. They are asked one after the other, until one knows the name.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        self._resources = resources
        self._session = session

    def known(self, name: str) -> str:
        """Returns the ARN of a flow definition whose loops or reviews are wanted. It may have been deleted.

        Args:
            name: Its name or ARN.

        Raises:
            UnknownFlowDefinition: The stage does not know it.
        """
        arn = self._resources.flow_definition_arn(name)
        if arn in self._in_settings() or self._has_loops(arn) or self._has_reviews(arn):
            return arn
        exists = self._exists(arn)
        if not exists:
            unsure = "" if exists is False else "; SageMaker could not be asked"
            raise UnknownFlowDefinition(
                f"unknown flow definition {name!r}: stage {self._resources.stage} has no human loops and no reviews "
                f"of it, and it does not exist in {self._resources.region}{unsure}{self._others(name)}"
            )
        return arn

    def existing(self, name: str) -> str:
        """Returns the ARN of a flow definition that is to get a new loop. It must exist, if that can be found out.

        Args:
            name: Its name or ARN.

        Raises:
            UnknownFlowDefinition: It does not exist in SageMaker.
        """
        arn = self._resources.flow_definition_arn(name)
        if self._exists(arn) is False:
            raise UnknownFlowDefinition(
                f"flow definition {name!r} does not exist in {self._resources.region}{self._others(name)}"
            )
        return arn

    def _in_settings(self) -> list[str]:
        # A star stands for all of the account.
        given = self._resources.parameters.get("FlowDefinitionArns", "*")
        return [arn for arn in given.split(",") if arn != "*"]

    def _has_loops(self, arn: str) -> bool:
        ledger = Ledger(self._session.client("dynamodb"), self._resources.ledger_table)
        # A row counts, even if it cannot be read.
        return bool(ledger.page(IndexQuery.of(flow_definition_arn=arn), lambda row: None, limit=1).read)

    def _has_reviews(self, arn: str) -> bool:
        return bool(self._listed(f"reviews/flow_definition={_name(arn)}/"))

    def _listed(self, prefix: str) -> list[str]:
        try:
            answer = self._resources.s3(self._session).list_objects_v2(
                Bucket=self._resources.review_bucket, Prefix=prefix, Delimiter="/", MaxKeys=1000
            )
        except (ClientError, BotoCoreError):
            return []  # Whoever works with loops may not be permitted to read reviews.
        found = [*answer.get("CommonPrefixes", []), *answer.get("Contents", [])]
        return [str(one.get("Prefix") or one.get("Key")) for one in found]

    def _exists(self, arn: str) -> bool | None:
        """Whether SageMaker has it; None if that cannot be found out."""
        try:
            answer = self._session.client("sagemaker").describe_flow_definition(FlowDefinitionName=_name(arn))
        except ClientError as error:
            return False if error.response["Error"]["Code"] in _NOT_FOUND else None
        except BotoCoreError:
            return None
        # The same name can exist in another account or Region.
        return answer["FlowDefinitionArn"] == arn

    def _others(self, name: str) -> str:
        """The names that are known, for an error."""
        prefix = "reviews/flow_definition="
        names = {_name(arn) for arn in self._in_settings()}
        names |= {one.removeprefix(prefix).rstrip("/") for one in self._listed(prefix)}
        try:
            page = self._session.client("sagemaker").list_flow_definitions(MaxResults=100)
            names |= {one["FlowDefinitionName"] for one in page["FlowDefinitionSummaries"]}
            if not names:
                return f"; none is known, and {NO_NEW_CUSTOMERS}"
        except (ClientError, BotoCoreError):
            pass
        return known_names(_name(name), names)


def check_reviews_of(name: str, reviews: ReviewsSource) -> None:
    """Checks that a place has reviews of a flow definition.

    Args:
        name: The flow definition's name.
        reviews: The place.

    Raises:
        UnknownFlowDefinition: It has none, of any day.
    """
    names = reviews.flow_definitions()
    if name not in names:
        raise UnknownFlowDefinition(
            f"unknown flow definition {name!r}: {reviews.location} has no reviews of it{known_names(name, names)}"
        )


def known_names(name: str, names: Iterable[str]) -> str:
    """Returns the end of an error about an unknown name: the one that may be meant, or those that are known."""
    names = sorted(names)
    if close := did_you_mean(name, names):
        return close
    more = ", …" if len(names) > MAX_NAMES else ""
    return f"; known are {', '.join(names[:MAX_NAMES])}{more}" if names else "; none is known"


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
