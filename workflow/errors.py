"""Errors that a user can cause and fix.

The command line prints each as one line on standard error: what is wrong, where, and what to do. It exits with status 1
and no traceback. Any other exception is a bug and shows its traceback.

    AfterloopError
    ├── SettingsError        invalid settings in stages.toml
    ├── WorkflowError        an invalid step, branch or function; also a ValueError
    │   └── StepTypeError    a field that a step does not have; also a TypeError
    ├── BundleError          the code of a function cannot be packaged for its target
    ├── AccountError         no credentials, an expired token, a missing permission, no Region
    ├── RefusedError         AWS refused a request
    └── PublishError         a publish, rollback or destroy is impossible, or AWS refused it
        └── DeploymentError  a stack operation failed; has CloudFormation's first cause
"""

from __future__ import annotations

__all__ = [
    "AfterloopError",
    "SettingsError",
    "WorkflowError",
    "StepTypeError",
    "BundleError",
    "AccountError",
    "RefusedError",
    "PublishError",
    "DeploymentError",
]


class AfterloopError(Exception):
    """An error that a user can cause and fix. The message is one line that says what to do."""


class SettingsError(AfterloopError):
    """Invalid stage settings. The message has the file, the stage, the key, what is wrong and what to do."""


class WorkflowError(AfterloopError, ValueError):
    """A step, branch or function that Step Functions or the stack cannot run.

    It is a ValueError, as the `stepfunctions` SDK raises, so that `except ValueError` in existing code still works.
    """


class StepTypeError(WorkflowError, TypeError):
    """A field that a step does not have, or no list where a Chain needs one. The SDK raises a TypeError for both."""


class BundleError(AfterloopError):
    """The code of a function or its dependencies cannot be packaged for its target."""


class AccountError(AfterloopError):
    """The AWS account cannot be reached: no credentials, an expired token, no permission, no Region."""


class RefusedError(AfterloopError):
    """AWS refused a request. The message has the service, the operation, the reason, and what to do."""


class PublishError(AfterloopError):
    """A publish, rollback or destroy is impossible, or AWS refused it."""


class DeploymentError(PublishError):
    """A stack operation failed.

    Attributes:
        resource: The logical id of the resource that failed first, or the stack's name.
        cause: CloudFormation's reason for that failure.
        status: The final status of the stack, such as UPDATE_ROLLBACK_COMPLETE.
    """

    def __init__(self, message: str, *, resource: str, cause: str, status: str) -> None:
        super().__init__(message)
        self.resource = resource
        self.cause = cause
        self.status = status
