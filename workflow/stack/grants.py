"""Permissions of functions, and grants: permissions that several functions need, under one name.

A function names a grant in its declaration: `"grants": ["start_loop"]`. The declaration is read without importing the
function, so it can hold a name but cannot build a list.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lambdas.loops.message_kinds import MessageKind

__all__ = ["GRANTS", "Permission"]

Action = Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z0-9*?]+$")]
Resource = Annotated[str, Field(pattern=r"^((arn:|\$\{[A-Za-z0-9:.]+\}).*|\*)$")]


class Permission(BaseModel):
    """Actions that are allowed on resources."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actions: tuple[Action, ...] = Field(min_length=1)
    """IAM actions, such as s3:GetObject."""
    resources: tuple[Resource, ...] = Field(min_length=1)
    """ARNs, which can hold `${…}` for Fn::Sub: `${LedgerTable.Arn}`, `arn:${AWS::Partition}:sns:…`; or `*`."""


_ANSWER_WAITING_WORKFLOWS = (
    # The stage's settings say which state machines may wait, besides its own. The service authorization reference
    # lists no resource for these actions, but IAM checks the state machine that the token belongs to (aws/aws-cdk,
    # pull request 8486: tried on AWS; `StateMachine.grantTaskResponse` relies on it).
    Permission(
        actions=("states:SendTaskFailure", "states:SendTaskSuccess"),
        resources=(
            "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:afterloop-${Stage}",
        ),
    ),
    Permission(
        actions=("states:SendTaskFailure", "states:SendTaskSuccess"), resources=("${WaitingWorkflows}",)
    ),
    # Whoever can read a token can answer in place of the reviewers. A2I is asked before.
    Permission(
        actions=("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
        resources=("${TokenTable.Arn}",),
    ),
)

GRANTS: dict[str, tuple[Permission, ...]] = {
    # lambdas/loops/starting.py: starts a loop, restarts it, or resumes an unfinished start.
    "start_loop": (
        Permission(
            actions=("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
            resources=("${LedgerTable.Arn}",),
        ),
        Permission(
            actions=("s3:GetObject",),
            resources=("${ReviewBucket.Arn}/inputs/*", "${ReviewBucket.Arn}/predictions/*"),
        ),
        # Without this permission, S3 reports a deleted input as "access denied".
        Permission(actions=("s3:ListBucket",), resources=("${ReviewBucket.Arn}",)),
        Permission(actions=("s3:PutObject",), resources=("${ReviewBucket.Arn}/predictions/*",)),
        Permission(actions=("sagemaker:StartHumanLoop",), resources=("${FlowDefinitions}",)),
        Permission(actions=("sagemaker:DescribeHumanLoop",), resources=("${HumanLoops}",)),
        Permission(
            actions=("textract:AnalyzeDocument", "rekognition:DetectModerationLabels"), resources=("*",)
        ),
        # Textract and Rekognition read the document, or a version of it, with the caller's permissions.
        Permission(
            actions=("s3:GetObject", "s3:GetObjectVersion"),
            resources=("${DocumentBuckets}/*",),
        ),
        # If the loop has already ended, the waiting workflow gets its answer at once.
        Permission(actions=("s3:GetObject",), resources=("${ReviewBucket.Arn}/reviews/*",)),
        *_ANSWER_WAITING_WORKFLOWS,
    ),
    # lambdas/loops/waiting.py: answers the workflows that wait for a loop.
    "answer_waiting": (
        Permission(
            actions=("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
            resources=("${LedgerTable.Arn}",),
        ),
        Permission(
            actions=("s3:GetObject",),
            resources=("${ReviewBucket.Arn}/reviews/*", "${ReviewBucket.Arn}/predictions/*"),
        ),
        Permission(actions=("sagemaker:DescribeHumanLoop",), resources=("${HumanLoops}",)),
        *_ANSWER_WAITING_WORKFLOWS,
    ),
    # lambdas/loops/abandoned.py: settles executions that ended without finishing.
    "settle_execution": (
        Permission(
            actions=("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
            resources=("${LedgerTable.Arn}",),
        ),
        Permission(
            actions=("states:DescribeExecution", "states:GetExecutionHistory"),
            resources=(
                "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:afterloop-${Stage}:*",
            ),
        ),
        Permission(
            actions=("sns:Publish",),
            resources=(
                f"${{{MessageKind.EXECUTION_ENDED.topic_if_unknown}}}",
                f"${{{MessageKind.EXECUTION_ENDED.topic}}}",
            ),
        ),
    ),
}
"""Grant → its permissions."""
