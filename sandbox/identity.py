"""Who the sandbox is: its account, Region and credentials. None of them exists on AWS."""

from __future__ import annotations

__all__ = ["HOST", "ACCOUNT_ID", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"]

HOST = "127.0.0.1"
"""It listens to this machine alone."""

ACCOUNT_ID = "111122223333"
"""The account number that AWS's own documentation uses in examples."""

REGION = "us-east-1"

ACCESS_KEY_ID = "sandbox"
"""The root user of the account: the engine's IAM lets it do everything, as an administrator on AWS."""

SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 (opens nothing but a process on this machine)
