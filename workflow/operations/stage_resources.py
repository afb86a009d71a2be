"""The resources of a published stage, from the outputs of its stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.reviews.errors import shortened
from workflow.errors import AfterloopError, SettingsError
from workflow.publish.aws_errors import explained
from workflow.publish.owner import expecting_owner
from workflow.stack import NO_FLOW_DEFINITION, TOPICS
from workflow.stack.stages import UnknownStage, load_stage

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client

__all__ = ["NotPublishedError", "StageResources"]


MAX_FLOW_DEFINITION_ARN = 1024
"""Characters (SageMaker API reference, `FlowDefinitionArn`)."""


class NotPublishedError(AfterloopError):
    """The stage is not published in this account and Region, or its stack has no such output."""


@dataclass(frozen=True)
class StageResources:
    """The resources of a published stage.

    Attributes:
        stage: The stage's name.
        partition: The partition of its ARNs: aws, aws-cn or aws-us-gov.
        region: The stage's Region.
        account_id: The stage's account.
        outputs: The stack's outputs, by name.
        parameters: The stack's parameters, by name: the settings as they were published.
        state: CloudFormation's status of the stack, such as UPDATE_COMPLETE.
    """

    stage: str
    partition: str
    region: str
    account_id: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    state: str = ""

    @classmethod
    def find(cls, stage: str, session: boto3.Session, settings: Path | None = None) -> StageResources:
        """Finds a stage in the session's account and Region.

        Args:
            stage: The stage's name.
            session: The session, with credentials and Region.
            settings: The file with the stages' settings. With it, the error for an unknown stage suggests a known
                one.

        Raises:
            AccountError: The account cannot be reached, or the credentials lack the permission.
            NotPublishedError: The stack does not exist.
        """
        name = f"afterloop-{stage}"
        try:
            stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            answer = error.response["Error"]
            # CloudFormation has no error code for a stack that does not exist.
            if answer["Code"] == "ValidationError" and "does not exist" in answer["Message"]:
                raise NotPublishedError(
                    f"stage {stage} is not published in {session.region_name} (stack {name} does not exist)"
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
            parameters={
                parameter["ParameterKey"]: parameter["ParameterValue"]
                for parameter in stack.get("Parameters", [])
                if "ParameterKey" in parameter and "ParameterValue" in parameter
            },
            state=stack["StackStatus"],
        )

    @property
    def review_bucket(self) -> str:
        """The name of the bucket with the reviews."""
        return self.output("ReviewBucket")

    @property
    def ledger_table(self) -> str:
        """The name of the DynamoDB table with one item per human loop."""
        return self.output("LedgerTable")

    @property
    def token_table(self) -> str:
        """The name of the DynamoDB table with the task tokens of waiting workflows."""
        return self.output("TokenTable")

    @property
    def state_machine_arn(self) -> str:
        """The ARN of the state machine."""
        return self.output("StateMachine")

    @property
    def escalation_topic(self) -> str:
        """The ARN of the topic for messages when a person has to act."""
        return self.output("EscalationTopic")

    @property
    def alarm_topic(self) -> str:
        """The ARN of the topic for messages about no flow definition. A stage that an older version published has
        none, and uses that for escalations."""
        return self.outputs.get("AlarmTopic") or self.escalation_topic

    @property
    def topics(self) -> list[str]:
        """The ARNs of the topics for messages to people."""
        others = (self.output(f"{topic}Topic") for topic in TOPICS if topic != NO_FLOW_DEFINITION)
        return list(dict.fromkeys((*others, self.alarm_topic)))

    def s3(self, session: boto3.Session, config: Config | None = None) -> S3Client:
        """Returns a client for S3 whose calls say that the stage's account must own the bucket.

        With `bucket_accounts`, that is said of the stage's own bucket and of the artifact bucket: the others can belong
        to any of these accounts, and a call can name one only.
        """
        given = ("OutputBuckets", "DocumentBuckets") if self.parameters.get("BucketAccounts") else ()
        others = [
            arn.rpartition(":")[2] for name in given for arn in self.parameters.get(name, "").split(",")
        ]
        return expecting_owner(session.client("s3", config=config), self.account_id, others=others)

    def flow_definition_arn(self, name: str) -> str:
        """Returns the ARN of a flow definition of this account and Region. An ARN is returned unchanged.

        Raises:
            AfterloopError: It is longer than any ARN of a flow definition, so that AWS would refuse each call with it.
        """
        if len(name.encode("utf-8", "replace")) > MAX_FLOW_DEFINITION_ARN:
            raise AfterloopError(
                f"invalid flow definition {shortened(name, 60)}: a name has up to 63 characters"
            )
        if name.startswith("arn:"):
            return name
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account_id}:flow-definition/{name}"

    def output(self, name: str) -> str:
        """Returns an output of the stack.

        Raises:
            NotPublishedError: The stack has no such output, because an older version published it.
        """
        return self._value(self.outputs, "output", name)

    def parameter(self, name: str) -> str:
        """Returns a parameter of the stack.

        Raises:
            NotPublishedError: The stack has no such parameter, because an older version published it.
        """
        return self._value(self.parameters, "parameter", name)

    def _value(self, values: Mapping[str, str], what: str, name: str) -> str:
        if not self.outputs:
            raise NotPublishedError(
                f"stage {self.stage} is not published: its first publish has not finished, or failed "
                f"({self.state}); `python deploy.py status --stage {self.stage}` says more"
            )
        if name not in values:
            raise NotPublishedError(
                f"stage {self.stage} has no {what} {name}; publish it again with "
                f"`python deploy.py publish --stage {self.stage}`"
            )
        return values[name]


def _advice(stage: str, settings: Path | None) -> str:
    if settings is not None:
        try:
            load_stage(settings, stage)
        except UnknownStage as error:
            return f"; {error}"
        except SettingsError:
            pass  # The stage may be in the file. `publish` reports what is wrong with it.
    return f"; run `python deploy.py publish --stage {stage}`, or specify another with --stage or --region"
