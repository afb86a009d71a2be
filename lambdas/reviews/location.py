"""Locations of objects in S3."""

from __future__ import annotations

import re
from typing import NamedTuple

from lambdas.reviews.errors import shortened

_URI = re.compile(
    r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])/(?P<key>[^/\x00-\x1f][^\x00-\x1f]*)"
)


class S3Location(NamedTuple):
    """A bucket's name and an object's key."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Location:
        """Parses ``s3://bucket/key``.

        Raises:
            ValueError: The text has another form.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError(f"expected s3://bucket/key, found {shortened(uri)}")
        return cls(match["bucket"], match["key"])

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
