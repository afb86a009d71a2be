"""The colours of a picture: inside a document of its own, and as a style sheet for pages that pictures are part of.

A document of its own has one, light palette, and its own background, so that it is readable wherever it is shown. It
names each colour itself, because many programs that show SVG know no CSS variables. On a page, pictures follow the
colour scheme of the reader.

Each status has a sign and, where it matters, a line of its own, so that nothing depends on colours.
"""

from __future__ import annotations

import re

__all__ = ["MACHINE_STYLE", "EXECUTION_STYLE", "stylesheet"]

_RULES = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:13px;"
    "fill:@ink;text-anchor:middle}"
    ".note{font-size:11px;fill:@soft}.label{font-size:11px;fill:@label}"
    ".page{fill:@page;stroke:@page-line}"
    ".state rect,.state path{fill:@box;stroke:@label;stroke-width:1.4}"
    ".state.task>.shape{fill:@task;stroke:@task-line}"
    ".state.choice>.shape{fill:@choice;stroke:@choice-line}"
    ".state.wait>.shape{fill:@wait;stroke:@wait-line;stroke-dasharray:6 3}"
    ".state.pass>.shape{fill:@box;stroke:@line}"
    ".state.succeed>.shape{fill:@succeed;stroke:@succeed-line}"
    ".state.fail>.shape{fill:@fail;stroke:@fail-line}"
    ".state.parallel>.shape,.state.map>.shape{fill:@holder;stroke:@line}"
    ".state .end{fill:none;stroke-width:1}"
    ".state.start>.shape{fill:@ink;stroke:none}"
    ".arrow path{fill:none;stroke:@soft;stroke-width:1.3}"
    ".arrow.catch path{stroke:@fail-line;stroke-width:1.1;stroke-dasharray:4 3;opacity:.75}"
    ".tip{fill:context-stroke}.more{fill:@fail-line}"
    ".plate{fill:@page;opacity:.85}"
)
_EXECUTION_RULES = (
    ".state.passed>.shape{fill:@passed;stroke:@passed-line;stroke-width:3}"
    ".state.retried>.shape{fill:@retried;stroke:@retried-line;stroke-width:3}"
    ".state.caught-error>.shape{fill:@caught;stroke:@caught-line;stroke-width:3}"
    ".state.failed>.shape{fill:@failed;stroke:@failed-line;stroke-width:3}"
    ".state.aborted>.shape{fill:@aborted;stroke:@aborted-line;stroke-width:3}"
    ".state.running>.shape{fill:@running;stroke:@running-line;stroke-width:3}"
    ".state.not-reached>.shape{fill:@box;stroke:@faint}"
    ".state.parallel>.shape,.state.map>.shape{fill-opacity:.4}"
    ".state.not-reached text{fill:@faint-ink}.state.not-reached .end{stroke:@faint}"
    ".state.unknown>.shape{fill:@box;stroke:@faint-ink;stroke-dasharray:2 3}"
    ".passed>.badge{fill:@passed-line}.retried>.badge{fill:@retried-line}"
    ".caught-error>.badge{fill:@caught-line}.failed>.badge{fill:@failed-line}"
    ".aborted>.badge{fill:@aborted-line}.running>.badge{fill:@running-line}"
    ".not-reached>.badge{fill:@box;stroke:@faint;stroke-width:1.4}.unknown>.badge{fill:@faint-ink}"
    ".state>.sign,.sign{fill:none;stroke:@sign;stroke-width:2;stroke-linecap:round}"
    ".state>.pill{fill:@page;stroke:@line;stroke-width:1}.state>.count{font-size:10px;font-weight:600}"
    ".legend text{text-anchor:start}"
)
_PAGE_RULES = (
    ".page{fill:none;stroke:none}"
    ".state>.ring{fill:none;stroke:none}"
    ".state.selected>.ring{stroke:@focus;stroke-width:3}"
    "a{cursor:pointer;text-decoration:none}a:hover .ring{stroke:@line;stroke-width:2}"
    "a:focus-visible{outline:none}a:focus-visible .ring{stroke:@focus;stroke-width:3;stroke-dasharray:5 3}"
)
"""Rules for pictures on pages, where a state can be a link, and be selected. They come last."""

_LIGHT = {
    "ink": "#1f2933",
    "soft": "#52606d",
    "label": "#3e4c59",
    "page": "#f5f7fa",
    "page-line": "#cbd2d9",
    "box": "#fff",
    "line": "#7b8794",
    "task": "#e8f1ff",
    "task-line": "#2563a8",
    "choice": "#fff4d6",
    "choice-line": "#a86a10",
    "wait": "#f1e9fd",
    "wait-line": "#6f42a8",
    "succeed": "#def7e5",
    "succeed-line": "#22804a",
    "fail": "#fde4e4",
    "fail-line": "#b42318",
    "holder": "#e4e9f0",
    "passed": "#bbf7d0",
    "passed-line": "#15803d",
    "retried": "#d9f99d",
    "retried-line": "#4d7c0f",
    "caught": "#fed7aa",
    "caught-line": "#c2410c",
    "failed": "#fecaca",
    "failed-line": "#b91c1c",
    "aborted": "#e5e7eb",
    "aborted-line": "#4b5563",
    "running": "#bfdbfe",
    "running-line": "#1d4ed8",
    "faint": "#b4bec9",
    "faint-ink": "#616e7c",
    "sign": "#fff",
    "focus": "#1d4ed8",
}
_DARK = {
    "ink": "#e6e9ed",
    "soft": "#a9b4c0",
    "label": "#c3ccd6",
    "page": "#1b2027",
    "page-line": "#3a4450",
    "box": "#262d36",
    "line": "#7f8c9a",
    "task": "#1c2f4a",
    "task-line": "#6ea8ec",
    "choice": "#3d3115",
    "choice-line": "#dba745",
    "wait": "#33264a",
    "wait-line": "#b493ea",
    "succeed": "#173a27",
    "succeed-line": "#58c084",
    "fail": "#45201e",
    "fail-line": "#f0837a",
    "holder": "#20262e",
    "passed": "#14432a",
    "passed-line": "#4ade80",
    "retried": "#35430f",
    "retried-line": "#a3e635",
    "caught": "#4d2a0d",
    "caught-line": "#fb923c",
    "failed": "#561a1a",
    "failed-line": "#f87171",
    "aborted": "#3a414b",
    "aborted-line": "#b3bcc8",
    "running": "#1b3566",
    "running-line": "#7cb0ff",
    "faint": "#56616d",
    "faint-ink": "#98a3af",
    "sign": "#12161b",
    "focus": "#9cc4ff",
}


def _with_colours(rules: str) -> str:
    return re.sub("@([a-z-]+)", lambda match: _LIGHT[match[1]], rules)


MACHINE_STYLE = _with_colours(_RULES)
"""The style of a machine, for a `<style>` in the SVG."""

EXECUTION_STYLE = _with_colours(_EXECUTION_RULES)
"""What the style of an execution adds to it."""


def stylesheet() -> str:
    """The style sheet for pages with embedded pictures, whose `<svg>` has the class `machine`; light and dark."""
    rules = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", _RULES + _EXECUTION_RULES + _PAGE_RULES):
        scoped = ",".join(f".machine {selector}" for selector in selectors.split(","))
        rules.append(scoped + "{" + re.sub("@([a-z-]+)", r"var(--graph-\1)", body) + "}")
    dark = f"@media (prefers-color-scheme:dark){{.machine{{{_variables(_DARK)}}}}}"
    return "\n".join([f".machine{{{_variables(_LIGHT)}}}", dark, *rules]) + "\n"


def _variables(palette: dict[str, str]) -> str:
    return ";".join(f"--graph-{name}:{colour}" for name, colour in palette.items())
