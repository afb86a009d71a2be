"""The partition of a Region: the first part of each ARN, and the domain of its endpoints.

Source: partitions.json of botocore, which AWS maintains.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from botocore.loaders import create_loader

__all__ = ["Partition", "partition_of"]


class Partition(NamedTuple):
    """A group of Regions that has accounts of its own.

    Attributes:
        name: As in an ARN: `aws`, `aws-cn`, `aws-us-gov`.
        domain: The domain of its endpoints: `amazonaws.com`, `amazonaws.com.cn`.
    """

    name: str
    domain: str


@cache
def partition_of(region: str) -> Partition:
    """Returns the partition of a Region. One that botocore does not know is in `aws`, as botocore assumes, too."""
    known = {
        one["id"]: (one["regionRegex"], Partition(one["id"], one["outputs"]["dnsSuffix"]))
        for one in create_loader().load_data("partitions")["partitions"]
    }
    found = (partition for pattern, partition in known.values() if re.match(pattern, region))
    return next(found, known["aws"][1])
