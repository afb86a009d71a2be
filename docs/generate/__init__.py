"""Writes `docs/reference/`, whose pages are generated from the code.

    commands.md        every command with its options, from the command line
    json.md            what commands print with --output json, from the models that print it
    steps.md           the step classes and where they are stricter than the SDK, from the classes and from examples
    settings.md        the keys of stages.toml, from the models that validate them
    state.md           the state of an execution, from the definition and from a sample review
    review-record.md   the stored review, from its model
    elements.md        what is compared for each crowd element, from the docstrings of the modules that do it
    ledger.md          the item of a human loop, from its model
    functions.md       the functions, and the permissions of functions and state machine, from their declarations
    errors.md          the errors, from the exception classes
    metrics.md         metrics and alarms, from the functions and the template
    engine.md          what the local engine runs, from its lists
    messages.md        the messages to people and programs, from the expressions of the steps

The pages are committed, and a test compares them with the code, as for `definitions/`. Nothing here calls AWS.
"""

from __future__ import annotations

from typing import Any

from docs.generate import (
    commands,
    data,
    elements,
    engine,
    failures,
    functions,
    messages,
    metrics,
    settings,
    shapes,
    steps,
)
from docs.generate.markdown import page
from workflow import ROOT
from workflow.stack.assembly import Assembly

__all__ = ["REFERENCE", "render_pages"]

REFERENCE = ROOT / "docs" / "reference"


def render_pages(assembly: Assembly, command: Any) -> dict[str, str]:
    """Returns the pages, name → Markdown. The same code gives the same bytes on every machine.

    Args:
        assembly: Everything that is published.
        command: The group of all commands, as Typer creates it.
    """
    pages = {
        "commands.md": commands.commands(command),
        "json.md": shapes.shapes(),
        "settings.md": settings.settings(),
        "steps.md": steps.steps(),
        "state.md": data.state(assembly.definition),
        "review-record.md": data.review_record(),
        "elements.md": elements.elements(),
        "ledger.md": data.ledger(assembly.template.to_dict()),
        "functions.md": functions.functions(assembly),
        "errors.md": failures.errors(assembly.definition),
        "metrics.md": metrics.metrics(assembly.template.to_dict()),
        "messages.md": messages.messages(assembly.definition),
        "engine.md": engine.engine(),
    }
    return {name: page(content) for name, content in pages.items()}
