"""The address, account, Region and credentials of the sandbox. None of them exists on AWS."""

from __future__ import annotations

__all__ = ["HOST", "ACCOUNT_ID", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"]

HOST = "127.0.0.1"
"""The sandbox listens on the loopback interface only."""

ACCOUNT_ID = "111122223333"
"""An account number that the AWS documentation uses in examples."""

REGION = "us-east-1"

ACCESS_KEY_ID = "sandbox"
"""The root user of the account. The sandbox's IAM allows it everything, as an administrator on AWS."""

SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 (gives access only to a process on this machine)
