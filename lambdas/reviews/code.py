"""Which code makes records: a digest of this package's source.

The bundle of a function and a checkout have the same source, so the same code has the same digest in AWS and on the
machine of an operator. The packages that it needs (`requirements/lambdas.txt`) are not part of the digest.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from lambdas import reviews

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGITS = 12
"""The number of hexadecimal digits of a digest in a record."""


@cache
def code_digest() -> str:
    """Returns 12 hexadecimal digits that change with the source of `lambdas/reviews/`, even with a comment in it."""
    from pathlib import Path

    folder = Path(reviews.__path__[0])
    return digest_of(
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}
    )


def digest_of(sources: Mapping[str, bytes]) -> str:
    """Returns the digest of source files.

    Args:
        sources: Path in `lambdas/reviews/` → content.
    """
    digest = hashlib.sha256()
    for name, content in sorted(sources.items()):
        # A checkout on Windows can have other line ends.
        content = content.replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:DIGITS]
