"""The HTML of the report's parts: sections, figures, tables, and text that is safe to show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from workflow.operations.report import words
from workflow.operations.report.drawing import Chart, Mark, Table

__all__ = ["figure", "name", "note", "prose", "section", "table"]

MANY_COLUMNS = 7
LONG_NAME = 40


def section(title: str, text: str, *parts: str) -> str:
    """Returns a section. Empty parts are left out."""
    text = f"<p>{prose(text)}</p>\n" if text else ""
    return f"<section>\n<h2>{prose(title)}</h2>\n{text}" + "\n".join(filter(None, parts)) + "\n</section>"


def figure(
    chart: Chart,
    caption: str = "",
    *,
    legend: Sequence[tuple[str, int, Mark]] = (),
    table_open: bool = False,
) -> str:
    """Returns a chart with its caption, legend and table.

    Args:
        chart: The chart.
        caption: The text below the chart.
        legend: Names, numbers and marks.
        table_open: Show the table without a click.
    """
    total = sum(number for _, number, _ in legend)
    keys = "".join(
        f'<span class="key"><i class="{mark.pattern or "plain"}" style="--mark: var(--{mark.colour})"></i>{name(key)} '
        f"{words.count(number)} ({words.percent(number / total)})</span> "
        for key, number, mark in legend
    )
    numbers = table(chart.table)
    return (
        f'<figure id="{chart.id}">{chart.wide}{chart.narrow}'
        + (f'<p class="legend">{keys}</p>' if keys else "")
        + (f"<figcaption>{prose(caption)}</figcaption>" if caption else "")
        + "</figure>\n"
        + (numbers if table_open else f"<details><summary>Show the numbers</summary>{numbers}</details>")
    )


def note(text: str) -> str:
    """Returns a footnote."""
    return f'<p class="small">{prose(text)}</p>'


def table(rows: Table) -> str:
    """Returns a table in a box that scrolls if it is too wide."""

    def cells(tag: str, row: Sequence[str]) -> str:
        names, numbers = row[: rows.text_columns], row[rows.text_columns :]
        return "".join(
            [f'<{tag} class="t">{_breakable(cell)}</{tag}>' for cell in names]
            + [f"<{tag}>{_unbroken(cell)}</{tag}>" for cell in numbers]
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows.rows)
    is_long = any(len(cell) > LONG_NAME for row in rows.rows for cell in row[: rows.text_columns])
    shape = {"many": len(rows.header) > MANY_COLUMNS, "long": is_long}
    classes = " ".join(key for key, holds in shape.items() if holds)
    attributes = f' class="{classes}"' if classes else ""
    return (
        f'<div class="scroll" tabindex="0"><table{attributes}>\n'
        f"<thead><tr>{cells('th', rows.header)}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def prose(text: str) -> str:
    """Returns a sentence as HTML, with typographic apostrophes. Names in it are escaped too."""
    return name(text).replace("&#x27;", "\N{RIGHT SINGLE QUOTATION MARK}")


def name(text: str) -> str:
    """Returns text from a document as HTML that shows the text and does nothing else."""
    return escape(words.legible(text))


def _breakable(text: str) -> str:
    # Condition names are long words, such as `ImportantFormKeyConfidenceCheck(…)`. They break between their parts.
    return "<wbr>".join(name(part) for part in re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[(/_=,.])(?=\w)", text))


def _unbroken(text: str) -> str:
    # An interval breaks only after its "to".
    return name(re.sub(r" to (?=\d)", "\N{NO-BREAK SPACE}to ", text))
