"""What all tests share."""

from __future__ import annotations

import signal

# Whoever starts the tests in the background may ignore Ctrl-C, and every process that they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
