"""Settings for all unit tests."""

from __future__ import annotations

import functools
from typing import Any

from botocore.loaders import JSONFileLoader

# Each boto3 session reads the models of its services again, which takes half a second. The models do not change, so
# the process reads each file once.
_read = JSONFileLoader().load_file


@functools.cache
def _model(path: str) -> Any:
    return _read(path)


JSONFileLoader.load_file = lambda self, path: _model(path)
