"""Where a stage's things are: the outputs of its stack, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from workflow.errors import AfterloopError, SettingsError
from workflow.publish.aws_errors import explained
from workflow.stack.stages import UnknownStage, load_stage

if TYPE_CHECKING:
    import boto3

__all__ = ["NotPublishedError", "StageResources"]


class NotPublishedError(AfterloopError):
    """There is no such stage in this account and Region, or it lacks what is asked for."""


@dataclass(frozen=True)
class StageResources:
    """The resources of a published stage.

    Attributes:
        stage: its name.
        partition: of ARNs: aws, aws-cn, aws-us-gov.
        region: where it is.
        account_id: whose it is.
        outputs: the stack's outputs, by name.
    """

    stage: str
    partition: str
    region: str
    account_id: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, stage: str, session: boto3.Session, settings: Path | None = None) -> StageResources:
        """The resources of the stage that is published with the session's account and Region.

        Args:
            stage: its name.
            session: of the account.
            settings: the file with the stages' settings, to tell a stage that could be published from a typing
                error.

        Raises:
            AccountError: if the account cannot be reached, or the credentials may not look.
            NotPublishedError: if there is no such stack.
        """
        name = f"afterloop-{stage}"
        try:
            stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            answer = error.response["Error"]
            if answer["Code"] == "ValidationError" and "does not exist" in answer["Message"]:
                raise NotPublishedError(
                    f"stage {stage} is not published in {session.region_name} (there is no stack {name})"
                    + _advice(stage, settings)
                ) from error
            raise explained(error) or error from None
        except BotoCoreError as error:
            raise explained(error) or error from None
        _, partition, _, region, account_id, _ = stack["StackId"].split(":", 5)
        return cls(
            stage=stage,
            partition=partition,
            region=region,
            account_id=account_id,
            outputs={
                output["OutputKey"]: output["OutputValue"]
                for output in stack.get("Outputs", [])
                if "OutputKey" in output and "OutputValue" in output
            },
        )

    @property
    def review_bucket(self) -> str:
        """Name of the bucket that keeps the reviews."""
        return self.output("ReviewBucket")

    @property
    def ledger_table(self) -> str:
        """Name of the DynamoDB table with one item per human loop."""
        return self.output("LedgerTable")

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine."""
        return self.output("StateMachine")

    @property
    def database(self) -> str:
        """Name of the Glue database that has the table of reviews."""
        return self.output("ReviewDatabase")

    @property
    def workgroup(self) -> str:
        """Name of the Athena workgroup that has the named queries."""
        return self.output("Workgroup")

    def flow_definition_arn(self, name: str) -> str:
        """ARN of a flow definition of this account and Region; an ARN stays as it is."""
        if name.startswith("arn:"):
            return name
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account_id}:flow-definition/{name}"

    def output(self, name: str) -> str:
        """The stack's output of that name.

        Raises:
            NotPublishedError: if it has none: it was published by an older version.
        """
        if name not in self.outputs:
            raise NotPublishedError(
                f"stage {self.stage} has no output {name}: publish it again with "
                f"`python deploy.py publish --stage {self.stage}`"
            )
        return self.outputs[name]


def _advice(stage: str, settings: Path | None) -> str:
    if settings is not None:
        try:
            load_stage(settings, stage)
        except UnknownStage as error:
            return f"; {error}"
        except SettingsError:
            pass  # It is there; publishing it tells what is wrong with it.
    return f": run `python deploy.py publish --stage {stage}`, or name another with --stage or --region"
