"""Text from outside, made safe to show: in a terminal, a message, a command to copy, a page, a document of JSON.

A failure reason, a name or a key can hold characters that do something instead of being seen: escape sequences clear a
terminal or rename its window, bidirectional controls turn a name around, and a newline begins what looks like another
line of ours. Each of them is shown as an escape that Python and shells know, such as `\\x1B` and `\\u202E`, so that
nothing is dropped silently. What has a shape of its own stays as it is: letters of all scripts, and emoji.

A backslash stays one, too. So a text that is made safe twice is the same as once, and Windows paths stay readable.

`workflow.asl.expressions.VISIBLE` is the same as a JSONata expression; a test compares both.

Sources: "Default_Ignorable_Code_Point" and "Bidi_Control" in the Unicode Character Database; Unicode Technical
Report 36, "Unicode Security Considerations"; ECMA-48 for control sequences.
"""

from __future__ import annotations

import re
import shlex

__all__ = ["ASTRAL", "INVISIBLE", "JOINERS", "escape", "quoted", "visible", "visible_json", "visible_lines"]

INVISIBLE = (
    (0x0000, 0x001F),  # Control characters, with ESC, newlines and tabs.
    (0x007F, 0x009F),  # DEL, and the C1 controls: CSI and OSC in one character.
    (0x00AD, 0x00AD),  # Soft hyphen.
    (0x034F, 0x034F),  # Combining grapheme joiner.
    (0x061C, 0x061C),  # Arabic letter mark.
    (0x115F, 0x1160),  # Hangul fillers.
    (0x17B4, 0x17B5),  # Khmer vowels without a shape.
    (0x180E, 0x180E),  # Mongolian vowel separator.
    (0x200B, 0x200B),  # Zero-width space.
    (0x200E, 0x200F),  # Direction marks.
    (0x2028, 0x202E),  # Line and paragraph separators; embeddings and overrides of direction.
    (0x2060, 0x206F),  # Word joiner, invisible operators, isolates.
    (0x3164, 0x3164),  # Hangul filler.
    (0xFDD0, 0xFDEF),  # No characters.
    (0xFEFF, 0xFEFF),  # Byte order mark.
    (0xFFA0, 0xFFA0),  # Hangul filler of half width.
    (0xFFF0, 0xFFFB),  # Ignorable, and annotations between lines.
    (0xFFFE, 0xFFFF),  # No characters.
)
"""Code points without a shape, first and last of each range, up to U+FFFF. Those that select a form of the character
before them stay: they can only change how that one looks."""

ASTRAL = (
    (0x1BCA0, 0x1BCA3),  # Shorthand formats.
    (0x1D173, 0x1D17A),  # Musical formats.
    (0xE0000, 0xE007F),  # Tags: a whole alphabet that cannot be seen.
)
"""The same above U+FFFF."""

JOINERS = (0x200C, 0x200D)
"""They join characters or keep them apart, in Persian and in emoji. After anything else but such a character, nobody
would see them."""


def _characters(*ranges: tuple[int, int]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


_HALVES = (0xD800, 0xDFFF)
_NO_SHAPE = _characters(*INVISIBLE, *ASTRAL, _HALVES).replace("\\", r"\\")
_JOINERS = _characters(JOINERS)
_SHOWN_AS_ESCAPE = re.compile(f"[{_NO_SHAPE}]|(?<![^\x00-\x7f{_NO_SHAPE}{_JOINERS}])[{_JOINERS}]")


def visible(text: str, limit: int | None = None) -> str:
    """Returns a text on one line, in which everything can be seen.

    Half of a surrogate pair becomes U+FFFD: no encoding has it.

    Args:
        text: Any text.
        limit: The maximum number of characters of the result, which ends in `…` if it was shortened.
    """
    if limit is not None:
        # Not more than needed: a text of megabytes takes time.
        text = text[: limit + 1]
    if not (text.isascii() and text.isprintable()):
        text = _SHOWN_AS_ESCAPE.sub(_escaped, text)
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"


def visible_lines(text: str) -> str:
    """Returns a text of several lines of our own, in which everything but the line ends can be seen."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(document: str) -> str:
    """Returns a document of JSON with JSON's own escapes for what cannot be seen. It has the same content.

    Args:
        document: JSON as a library writes it, which leaves most of such characters as they are.
    """

    def escaped(found: re.Match[str]) -> str:
        units = found[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return "\n".join(_SHOWN_AS_ESCAPE.sub(escaped, line) for line in document.split("\n"))


def quoted(text: str) -> str:
    """Returns a text as one word for a shell, for commands that people copy.

    What cannot be seen is written as bash, zsh and ksh read it: $'a\\x1Bb'.
    """
    shown = visible(text)
    if shown == text:
        return shlex.quote(text)
    return "$'" + visible(text.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def escape(code: int) -> str:
    """Returns the escape of a code point, as Python and shells write it: `\\x1B`, `\\u202E`, `\\U000E0041`."""
    return f"\\x{code:02X}" if code < 0x80 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if _HALVES[0] <= code <= _HALVES[1]:
        return "\ufffd"
    return _SHORT.get(found[0]) or escape(code)
