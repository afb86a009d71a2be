"""What all unit tests share."""

from __future__ import annotations

import functools
from typing import Any

from botocore.loaders import JSONFileLoader

# Each session reads the models of its services again, which is half a second for a test that makes one. Nothing
# changes them, so the whole process reads each file once.
_read = JSONFileLoader().load_file


@functools.cache
def _model(path: str) -> Any:
    return _read(path)


JSONFileLoader.load_file = lambda self, path: _model(path)
