"""Errors that a person can cause, and can put right.

Each is told in one line on standard error: what was wrong, where, what to do. The exit status is 1 and
there is no traceback; any other exception is a bug of ours and shows its traceback.

    AfterloopError
    ├── SettingsError        stages.toml says something that cannot be
    ├── WorkflowError        a step, a branch or a function is not what Step Functions or we can run
    ├── BundleError          the code of a function cannot be packaged for its target
    ├── AccountError         no credentials, an expired token, a missing permission, no Region
    └── PublishError         CloudFormation or Step Functions refused, or was asked for what cannot be
        └── DeploymentError  the stack failed on its way; holds CloudFormation's own first cause
"""

from __future__ import annotations

__all__ = [
    "AfterloopError",
    "SettingsError",
    "WorkflowError",
    "BundleError",
    "AccountError",
    "PublishError",
    "DeploymentError",
]


class AfterloopError(Exception):
    """A person can cause this, and one line tells them what to do about it."""


class SettingsError(AfterloopError):
    """The stage settings say something that cannot be: file, stage, key, what is wrong, what to do."""


class WorkflowError(AfterloopError):
    """A step, a branch or a function is not what Step Functions, or the stack, can run."""


class BundleError(AfterloopError):
    """The code of a function, or what it depends on, cannot be packaged for its target."""


class AccountError(AfterloopError):
    """The AWS account cannot be reached: no credentials, an expired token, no permission, no Region."""


class PublishError(AfterloopError):
    """A publish, rollback or destroy cannot be done as asked."""


class DeploymentError(PublishError):
    """A stack operation failed.

    Attributes:
        resource: logical id of the resource that failed first, or the stack's name.
        cause: CloudFormation's own reason for it.
        status: the status that the stack ended in, such as UPDATE_ROLLBACK_COMPLETE.
    """

    def __init__(self, message: str, *, resource: str, cause: str, status: str) -> None:
        super().__init__(message)
        self.resource = resource
        self.cause = cause
        self.status = status
