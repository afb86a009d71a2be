"""Settings for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# One profile for all property tests. Examples have no deadline, and slow generation is not an error, because the
# machine can be busy. Every run has the same examples, so that a failure is reproducible.
settings.register_profile(
    "afterloop",
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("afterloop")

# A shell that starts the tests in the background can make them ignore SIGINT. Their child processes would inherit
# this, but some tests send SIGINT to them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
