"""What all tests share."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# One profile for all property tests. A busy machine is slow, so no example has a deadline, and slow generation is
# no failure. The examples are the same on every run: a test that fails fails for everybody, and keeps failing.
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

# Whoever starts the tests in the background may ignore Ctrl-C, and every process that they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
