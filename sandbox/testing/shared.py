"""The engine that all tests of a process share."""

from __future__ import annotations

import atexit
from functools import cache

from sandbox.engine import Sandbox

__all__ = ["engine"]


@cache
def engine() -> Sandbox:
    """Returns the local engine of this process, and starts it at the first call. It ends with the process.

    Use it for resources that your steps need: `engine().client("sqs").create_queue(QueueName="reviewed")`.
    """
    running = Sandbox.start(wait_scale=0, log_level="WARNING")
    atexit.register(running.close)
    return running
