"""`python deploy.py render`: definitions/ as the Python says."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.errors import PublishError

__all__ = ["render"]


def render(
    check: Annotated[bool, typer.Option(help="Write nothing; exit with 1 if something differs.")] = False,
) -> None:
    """Render the definition, the template and the graph into definitions/."""
    from workflow.stack.assembly import assemble
    from workflow.stack.rendered import differing, render_files, write_files

    files = render_files(assemble())
    changed = differing(files) if check else write_files(files)
    if check and changed:
        raise PublishError(
            f"definitions/ is not what the Python says ({', '.join(changed)}): python deploy.py render"
        )
    typer.echo(f"definitions/: {', '.join(changed) if changed else 'nothing to change'}")
