"""`loops graph`: draws an execution of a human loop, with what happened in each state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, progress, tell
from workflow.errors import AfterloopError

if TYPE_CHECKING:
    from workflow.operations.executions import ExecutionView, Visit

__all__ = ["graph"]

MAX_PATH = 40
"""How many visits are printed as a path. More are summed up."""


class ImageFormat(StrEnum):
    """The format of the picture."""

    SVG = "svg"
    PNG = "png"


@takes_options
def graph(
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of the human loop, or its key: draws its last execution."),
    ] = None,
    execution: Annotated[
        str | None,
        typer.Option(
            metavar="ARN",
            help="An execution to draw instead: its ARN, or its name if it is one of the workflow.",
        ),
    ] = None,
    format_: Annotated[
        ImageFormat | None,
        typer.Option("--format", help="The format of the picture. The default is that of --file, or svg."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="The file to write. The default has the name of the loop."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the picture in the browser.")] = False,
    on: StageOptions,
) -> None:
    """Draw the last execution of a human loop: the graph, with what happened in each state."""
    from workflow.asl.graph import png, svg
    from workflow.operations.executions import read_execution
    from workflow.operations.loops import Loops

    if (name is None) is (execution is None):
        raise typer.BadParameter("specify either NAME or --execution", param_hint="NAME")
    session = on.session()
    loops = Loops(on.resources(session), session)
    with progress("Reading the execution"):
        loop = None
        if name is not None:
            row, execution = loops.processed(name)
            loop = row.human_loop_name
        found = read_execution(
            session.client("stepfunctions"), loops.execution_arn(str(execution)), data=False
        )
    if not found.definition:
        raise AfterloopError(f"execution {found.arn} cannot be drawn: {' '.join(found.gaps)}")
    chosen = format_ or (ImageFormat.PNG if file and file.suffix.lower() == ".png" else ImageFormat.SVG)
    file = file or Path(f"{_file_name(loop or found.name)}.{chosen}")
    drawing = svg(found.definition, found.figures)
    content = png(drawing) if chosen is ImageFormat.PNG else drawing.encode()
    try:
        file.write_bytes(content)
    except OSError as error:
        raise AfterloopError(f"cannot write {file}: {error.strerror}; specify another with --file") from error
    if on.output is Output.JSON:
        from workflow.cli.shapes import LoopGraph

        print_json(LoopGraph.of(found, loop, file))
    else:
        tell(*_summary(found), str(file))
    if open_:
        import webbrowser

        webbrowser.open(file.resolve().as_uri())


def _file_name(name: str) -> str:
    """A name that is safe as the name of a file: events may carry any name."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:100] or "execution"


def _summary(execution: ExecutionView) -> list[str]:
    if len(execution.visits) <= MAX_PATH:
        lines = [" → ".join(map(str, execution.visits)) or "No state has been entered."]
    else:
        counts = Counter(str(visit.status) for visit in execution.visits)
        numbers = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
        lines = [f"{len(execution.visits):,} visits to states: {numbers}", *_worst(execution.visits)]
    if execution.is_final and execution.status != "SUCCEEDED":
        ended = ": ".join(filter(None, [execution.error, execution.cause]))
        lines.append(f"Execution {execution.status.lower().replace('_', ' ')}{f': {ended}' if ended else ''}")
    return lines


def _worst(visits: Sequence[Visit]) -> list[str]:
    from workflow.asl.graph import StateStatus

    bad = [visit for visit in visits if visit.status in (StateStatus.FAILED, StateStatus.RUNNING)]
    return [*map(str, bad[:10]), *([f"… and {len(bad) - 10:,} more"] if len(bad) > 10 else [])]
