"""Replaces text in the source of MiniStack."""

from __future__ import annotations

__all__ = ["replace"]


def replace(text: str, old: str, new: str, what: str) -> str:
    """Returns the text with `new` in the place of `old`, which must occur once.

    Args:
        text: Text of MiniStack.
        old: What is replaced.
        new: What takes its place.
        what: What the code does, for the error.

    Raises:
        RuntimeError: MiniStack has changed, and the correction does not apply.
    """
    if text.count(old) != 1:
        raise RuntimeError(f"MiniStack has changed its code to {what}: adapt sandbox/ministack_patches/")
    return text.replace(old, new)
