"""Templates as CloudFormation gives them back: with `?` for every character beyond ASCII.

GetTemplate loses them, although the resources get them whole
(https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814). Without this, an
umlaut in a function's description would be a change for ever.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["restored"]


def restored(returned: Any, sent: Any) -> Any:
    """A template as it was given back, with the characters of `sent` where only they are lost.

    Args:
        returned: the template, or a part of it, as GetTemplate gives it.
        sent: the template, or the same part of it, that is to be published now.
    """
    match returned, sent:
        case dict(), dict():
            return {key: restored(value, sent.get(key)) for key, value in returned.items()}
        case list(), list() if len(returned) == len(sent):
            return [restored(one, other) for one, other in zip(returned, sent, strict=True)]
        case str(), str() if returned == re.sub(r"[^\x00-\x7f]", "?", sent):
            return sent
    return returned
