"""`python deploy.py render`: writes definitions/."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.terminal import Output, print_json, show_warnings, tell
from workflow.errors import PublishError

__all__ = ["render"]


def render(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing. Exit with 1 if a file is out of date.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="Format of the output.")] = Output.TEXT,
) -> None:
    """Render the definition, the template and the graph to definitions/."""
    from workflow.stack.assembly import assemble
    from workflow.stack.rendered import differing, render_files, write_files

    assembly = assemble()
    files = render_files(assembly)
    changed = differing(files) if check else write_files(files)
    show_warnings(assembly.warnings)
    if check and changed:
        raise PublishError(
            f"definitions/ is out of date ({', '.join(changed)}): run `python deploy.py render`"
        )
    if output is Output.JSON:
        from workflow.cli.shapes import RenderResult

        print_json(RenderResult(changed=list(changed), warnings=list(assembly.warnings)))
        return
    tell(f"definitions/: {', '.join(changed) if changed else 'nothing to change'}")
