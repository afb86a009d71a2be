"""Who the sandbox is, and how it starts: account, Region and credentials (none exists on AWS), and its settings."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HOST", "ACCOUNT_ID", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "EngineSettings"]

HOST = "127.0.0.1"
"""It listens to this machine alone."""

ACCOUNT_ID = "111122223333"
"""The account number that AWS's own documentation uses in examples."""

REGION = "us-east-1"

ACCESS_KEY_ID = "sandbox"
"""The root user of the account: the engine's IAM lets it do everything, as an administrator on AWS."""

SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 (opens nothing but a process on this machine)


@dataclass(frozen=True)
class EngineSettings:
    """How an engine starts; `Sandbox.start` explains each."""

    region: str = REGION
    wait_scale: float = 1.0
    lifetime_scale: float = 1.0
    workers: int = 16
    log_level: str = "INFO"
