"""A picture as PNG, for where SVG is not accepted: chats, tickets, slides."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["png"]

_ZOOM = 2.0
_MAX_SIDE = 32_000
_MAX_PIXELS = 100_000_000
"""What common programs can open. A picture of hundreds of states gets fewer pixels for each."""


def png(document: str) -> bytes:
    """Renders an SVG document of `svg`.

    Args:
        document: The SVG.

    Returns:
        A PNG image with two pixels for each point, or fewer if it would become too large to open.
    """
    from resvg_py import svg_to_bytes  # Imported here because few commands need it.

    root = ElementTree.fromstring(document)  # noqa: S314 (a document of ours)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    zoom = min(_ZOOM, _MAX_SIDE / max(width, height), math.sqrt(_MAX_PIXELS / (width * height)))
    return bytes(
        svg_to_bytes(
            svg_string=document,
            zoom=zoom,
            # A machine without fonts draws text, too: matplotlib has a font with it.
            font_files=[str(_font())],
            font_family=_FONT,
            sans_serif_family=_FONT,
        )
    )


_FONT = "DejaVu Sans"


def _font() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
