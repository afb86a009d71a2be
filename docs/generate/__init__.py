"""`docs/reference/`: pages written by the code itself, so that they say what it does.

    commands.md        every command with its options, from the command line
    json.md            what commands print with --output json, from the models that print it
    settings.md        the keys of stages.toml, from the models that check them
    state.md           what an execution carries, from the definition and from a sample that the domain works on
    review-record.md   what is stored of a review, from its model
    ledger.md          a human loop's item, from its model
    functions.md       the functions, and what they and the state machine may do, from the template's sources
    errors.md          what can go wrong, by name, from the exceptions
    metrics.md         metrics and alarms, from the functions and the template
    messages.md        what is sent to people and programs, as the steps' own expressions make it

They are committed and compared, as `definitions/` is. Nothing here calls AWS or reads a stage.
"""

from __future__ import annotations

from typing import Any

from docs.generate import commands, data, failures, functions, messages, metrics, settings, shapes
from docs.generate.markdown import page
from workflow import ROOT
from workflow.stack.assembly import Assembly

__all__ = ["REFERENCE", "render_pages"]

REFERENCE = ROOT / "docs" / "reference"


def render_pages(assembly: Assembly, command: Any) -> dict[str, str]:
    """The pages: name → Markdown. The same code gives the same bytes, on any machine.

    Args:
        assembly: All that is published.
        command: The whole command line, as Typer makes it.
    """
    pages = {
        "commands.md": commands.commands(command),
        "json.md": shapes.shapes(),
        "settings.md": settings.settings(),
        "state.md": data.state(assembly.definition),
        "review-record.md": data.review_record(),
        "ledger.md": data.ledger(assembly.template.to_dict()),
        "functions.md": functions.functions(assembly),
        "errors.md": failures.errors(assembly.definition),
        "metrics.md": metrics.metrics(assembly.template.to_dict()),
        "messages.md": messages.messages(assembly.definition),
    }
    return {name: page(content) for name, content in pages.items()}
