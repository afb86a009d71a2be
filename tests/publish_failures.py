"""The table of docs/how-to/stages.md that says what can happen to a publish, beside what the tests on the engine see.

In the table, what a command prints is *emphasized*, and `…` stands for any text. A test that makes the thing of a row
happen passes what was printed to `saw`. tests/unit/docs/test_publish_failures.py looks for a row without such a test.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from workflow import ROOT
from workflow.cli.show import show_destruction, show_plan, show_status
from workflow.publish.destroying import Destruction
from workflow.publish.plan import Plan
from workflow.publish.status import Status

__all__ = ["printed", "saw", "table"]

PAGE = ROOT / "docs" / "how-to" / "stages.md"
HEADING = "What can happen to a publish"


@cache
def table() -> dict[str, tuple[str, ...]]:
    """What happens, as the first cell of a row says it → what the other cells say that is printed.

    Raises:
        AssertionError: two rows say the same.
    """
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"\n## {HEADING}\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(section.partition("\n## ")[0])
    found: dict[str, tuple[str, ...]] = {}
    cells: list[Token] = []
    for before, token in pairwise(tokens):
        if token.type == "inline" and before.type == "td_open":
            cells.append(token)
        elif token.type == "tr_close" and cells:
            title, *others = cells
            assert title.content not in found, f"two rows say {title.content!r}"
            found[title.content] = tuple(text for cell in others for text in _emphasized(cell))
            cells = []
    return found


def _emphasized(cell: Token) -> Iterator[str]:
    text: str | None = None
    for token in cell.children or ():
        if token.type == "em_open":
            text = ""
        elif token.type == "em_close":
            assert text
            yield text
            text = None
        elif text is not None:
            text += f"`{token.content}`" if token.type == "code_inline" else token.content


def saw(happened: str, *seen: object) -> None:
    """Checks that what was printed has all that the table says.

    Args:
        happened: The first cell of the row.
        seen: What was printed, in one or more parts; or what is printed of a plan, a status or a destruction.
    """
    text = _in_one_line("\n".join(map(printed, seen)))
    for words in table()[happened]:
        pattern = ".*?".join(map(re.escape, _in_one_line(words).split("…")))
        assert re.search(pattern, text), (
            f"{happened!r}: the page says {words!r}, and this was printed:\n{text}"
        )


def printed(found: object) -> str:
    """What a command prints of a plan, a status or a destruction; the text of anything else."""
    console = Console(file=io.StringIO(), width=1000)
    match found:
        case Plan():
            show_plan(console, found, where="an account")
            console.print(*found.warnings, sep="\n", soft_wrap=True)
        case Status():
            show_status(console, found)
        case Destruction():
            show_destruction(console, found, where="an account")
        case _:
            return str(found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
