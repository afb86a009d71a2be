"""Markdown, as the reference writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["code", "fenced", "page", "prose", "table"]


def page(content: str) -> str:
    """A whole page: the first line says what it is made by."""
    return f"<!-- Written by `python -m docs.generate`. A change here is lost. -->\n\n{content.strip()}\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Cells are Markdown; line breaks and bars in them do no harm."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(map(_cell, cells)) + " |" for cells in lines)


def fenced(content: Any, language: str = "json") -> str:
    """A code block; what is no text becomes JSON."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
    return f"```{language}\n{text.rstrip()}\n```"


def code(text: str) -> str:
    """A few words as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """The text of a docstring: lines joined, reStructuredText's double backquotes made Markdown's."""
    return " ".join(text.replace("``", "`").split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
