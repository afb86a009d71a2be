"""Placeholders in a definition, such as `${CollectReviewArn}`: filled in, and read from a definition that is filled in.

CloudFormation fills them in on a publish. A hot swap must do the same, and nothing but the published definition says
what their values are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflow.errors import PublishError

__all__ = ["fill", "names", "read_values"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def names(text: str) -> set[str]:
    """The names of the placeholders in a text."""
    return set(_PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with values in place of its placeholders."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def read_values(text: str, filled: str) -> dict[str, str]:
    """The values of the placeholders in a text, read from the same text after they were filled in.

    Raises:
        PublishError: the second text is not the first one filled in.
    """
    pieces = _PLACEHOLDER.split(text)
    pattern, known = re.escape(pieces[0]), set[str]()
    for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        # A value never ends the JSON string that it is in. A repeated placeholder has the same value each time.
        pattern += f"(?P={name})" if name in known else f'(?P<{name}>[^"]*?)'
        pattern += re.escape(piece)
        known.add(name)
    match = re.fullmatch(pattern, filled)
    if match is None:
        raise PublishError(
            "the definition is not the published one: someone has changed it since; "
            "publish once without --watch or --swap"
        )
    return match.groupdict()
