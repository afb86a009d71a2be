"""Texts from outside, made safe for messages, states and items: bounded, and without characters that AWS refuses.

An event, a cause or a row can hold any text of any length. AWS refuses what is too large: a message of SNS and a state
of Step Functions have at most 262,144 bytes, an item of DynamoDB 400 KB. Some of these errors cannot be caught. So
each text is shortened where it enters, and the sum of all limits stays below the limit of AWS.

`workflow.asl.expressions.bounded` is the same as a JSONata expression.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["MAX_A2I_REASON", "MAX_ATTRIBUTE", "MAX_CALLER", "MAX_CODE", "MAX_NAME", "MAX_REASON", "bounded"]

MAX_NAME = 100
"""Characters of a name, such as that of a loop. A2I's names have at most 63."""
MAX_CODE = 100
"""Characters of a failure code, and of a status."""
MAX_A2I_REASON = 1024
"""Characters of A2I's failure reason: the limit of A2I itself (DescribeHumanLoop API page)."""
MAX_CALLER = 256
"""Characters of who did something: more than the ARN of a session of a role has in practice."""
MAX_REASON = 2000
"""Characters of a reason in words: a failure reason, the cause of an error."""

MAX_ATTRIBUTE = 10_000
"""Characters of any text in a row of the ledger: more than anything needs, and few enough for all of them together."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters and halves of surrogate pairs: SQS refuses them, and UTF-8 cannot encode the latter."""


def bounded(value: Any, limit: int = MAX_REASON) -> str:
    """Returns a value as a text that every service takes.

    Args:
        value: A text; any other value of JSON is written as JSON.
        limit: The maximum number of characters. A text that was shortened ends in `…`.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Not more than needed: cleaning a text of megabytes takes time.
    text = _UNPRINTABLE.sub("\ufffd", text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"
