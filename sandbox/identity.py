"""The address and account of the sandbox, and the keys of one run of it. None of them exists on AWS."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Self

from console.loopback import HOST
from workflow.publish.local_engine import TOKEN_HEADER, token
from workflow.stack import ENGINE_ACCOUNT, ENGINE_KEY_PREFIX

__all__ = ["HOST", "ACCOUNT_ID", "REGION", "TOKEN_HEADER", "Keys"]

ACCOUNT_ID = ENGINE_ACCOUNT

REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    """The access key of the account's root user, random for each run.

    The sandbox's IAM allows it everything, as an administrator on AWS. 12 digits as the access key ID, with the same
    secret, choose another account.

    Attributes:
        access_key_id: 20 upper-case letters and digits, as on AWS.
        secret_access_key: 40 characters, with 240 random bits.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def random(cls) -> Self:
        """Returns keys that nobody can guess."""
        letters = string.ascii_uppercase + "234567"
        return cls(
            ENGINE_KEY_PREFIX + "".join(secrets.choice(letters) for _ in range(15)), secrets.token_urlsafe(30)
        )

    @property
    def token(self) -> str:
        """The value of `TOKEN_HEADER`."""
        return token(self.secret_access_key)
