"""Templates that CloudFormation returns with `?` in place of every non-ASCII character.

Only GetTemplate does that; the resources get the original text
(https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814). Without this module, a function
with an umlaut in its description would show as changed in every plan.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["restored"]


def restored(returned: Any, sent: Any) -> Any:
    """A returned template with the characters of `sent`, wherever the two differ only in lost characters.

    Args:
        returned: the template, or a part of it, from GetTemplate.
        sent: the template, or the same part of it, that is about to be published.
    """
    if returned == sent:  # Nearly always, and one comparison of the whole is fast.
        return returned
    match returned, sent:
        case dict(), dict():
            return {key: restored(value, sent.get(key)) for key, value in returned.items()}
        case list(), list() if len(returned) == len(sent):
            return [restored(one, other) for one, other in zip(returned, sent, strict=True)]
        case str(), str() if returned == re.sub(r"[^\x00-\x7f]", "?", sent):
            return sent
    return returned
