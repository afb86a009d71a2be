"""What `python deploy.py local` prints about its sample loops."""

from __future__ import annotations

import re

from sandbox.local import STORIES


def sample_loops_not_shown(printed: str) -> list[str]:
    """Returns the lines that are missing, as regular expressions. Lines must not wrap outside a terminal."""
    expected = [
        *(rf" {re.escape(story.name)} +succeeded .*" for story in STORIES),
        r"Published: arn:\S+:afterloop-local",
        r" +s3://\S+/message-3301-\w+\.json",
        rf"✓ all {len(STORIES)} human loops ended as expected",
    ]
    return [line for line in expected if not re.search(f"^{line}$", printed, re.MULTILINE)]
