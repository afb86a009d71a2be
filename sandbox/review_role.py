"""The role of the flow definitions of `sandbox.flow_definitions`: Amazon A2I reads what workers see with it, and writes
their answers. In an account that uses Amazon A2I, the console makes such a role with the first flow definition.
"""

from __future__ import annotations

import json

from ministack.services import iam

from sandbox.errors import SandboxError

__all__ = ["NAME", "PATH", "add"]

NAME = "AmazonSageMaker-HumanReview"
PATH = "/service-role/"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def add() -> None:
    """Creates the role in the account of the engine.

    Raises:
        SandboxError: IAM refused it.
    """
    request = {"RoleName": [NAME], "Path": [PATH], "AssumeRolePolicyDocument": [json.dumps(_TRUST)]}
    status, _, body = iam._create_role(request)
    if status != 200:
        raise SandboxError(f"cannot create the role {NAME}: {body!r:.300}")
