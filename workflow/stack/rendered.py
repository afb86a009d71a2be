"""The files in `definitions/`, rendered from Python and committed: a pull request shows what production gets.

state_machine.asl.json   the definition in Amazon States Language, placeholders unfilled
template.json            the CloudFormation template, the same for every stage
state_machine.svg        the graph, drawn by Graphviz
state_machine.mmd        the graph as Mermaid text, which code hosts draw in Markdown
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from workflow import ROOT
from workflow.asl.graph import mermaid, svg
from workflow.stack.assembly import Assembly

__all__ = ["DEFINITIONS", "differing", "render_files", "write_files"]

DEFINITIONS = ROOT / "definitions"


def render_files(assembly: Assembly) -> dict[str, str]:
    """Returns the files of `definitions/`: name → content. The same code gives the same bytes."""
    return {
        "state_machine.asl.json": _json(assembly.definition),
        "state_machine.mmd": mermaid(assembly.definition),
        "state_machine.svg": svg(assembly.definition),
        "template.json": _json(assembly.content),
    }


def write_files(files: Mapping[str, str], folder: Path = DEFINITIONS) -> list[str]:
    """Writes the files that differ, and returns their names."""
    folder.mkdir(exist_ok=True)
    written = differing(files, folder)
    for name in written:
        (folder / name).write_text(files[name], encoding="utf-8")
    return written


def differing(files: Mapping[str, str], folder: Path = DEFINITIONS) -> list[str]:
    """Returns the names of the files that are missing in the folder or have another content."""
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != content
    ]


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
