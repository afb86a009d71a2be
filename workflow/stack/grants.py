"""Permissions that several functions need, by name: `"grants": ["start_loop"]` in a function's `FUNCTION`.

A function's declaration is read without importing it, so it can name a list and not build one. What stands here is
resolved when the stack is assembled.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GRANTS", "Permission"]


@dataclass(frozen=True)
class Permission:
    """What a function may do beside writing its own logs.

    Actions are IAM's (`s3:GetObject`); resources are ARNs, in which what CloudFormation's Fn::Sub knows may
    stand: `${LedgerTable.Arn}`, `arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:reviews`.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]


_WAITING_WORKFLOWS = Permission(
    # Any workflow of the account may wait; IAM checks the state machine that the token belongs to.
    ("states:SendTaskFailure", "states:SendTaskSuccess"),
    ("arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:*",),
)

GRANTS: dict[str, tuple[Permission, ...]] = {
    # lambdas/loops/starting.py: starts a loop, starts it again, or goes on with a start that was left unfinished.
    "start_loop": (
        Permission(
            ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
            ("${LedgerTable.Arn}",),
        ),
        Permission(("s3:GetObject",), ("${ReviewBucket.Arn}/inputs/*", "${ReviewBucket.Arn}/predictions/*")),
        Permission(("s3:PutObject",), ("${ReviewBucket.Arn}/predictions/*",)),
        Permission(("sagemaker:StartHumanLoop",), ("${FlowDefinitions}",)),
        Permission(("sagemaker:DescribeHumanLoop",), ("${HumanLoops}",)),
        Permission(("textract:AnalyzeDocument", "rekognition:DetectModerationLabels"), ("*",)),
        # A request may name a version of the document; Textract and Rekognition read with the caller's permissions.
        Permission(("s3:GetObject", "s3:GetObjectVersion"), ("${DocumentBuckets}/*",)),
        # Where there is nothing to wait for, a waiting workflow is told at once.
        Permission(("s3:GetObject",), ("${ReviewBucket.Arn}/reviews/*",)),
        _WAITING_WORKFLOWS,
    ),
    # lambdas/loops/waiting.py: answers the workflows that wait for a loop.
    "answer_waiting": (
        Permission(
            ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"), ("${LedgerTable.Arn}",)
        ),
        Permission(("s3:GetObject",), ("${ReviewBucket.Arn}/reviews/*", "${ReviewBucket.Arn}/predictions/*")),
        _WAITING_WORKFLOWS,
    ),
}
"""Name → what it permits."""
