"""Whose resources are meant: an account in a Region."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tenant"]


@dataclass(frozen=True)
class Tenant:
    """An account in a Region: AWS keeps the resources of each separate."""

    account_id: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """Returns the ARN of a SageMaker resource."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"
