"""What `python deploy.py loops start` is given: options, files, standard input. It becomes one request."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import FlowDefinition
from workflow.errors import AfterloopError

if TYPE_CHECKING:
    from lambdas.loops.starting import StartRequest
    from workflow.operations.stage_resources import StageResources

__all__ = ["StartOptions", "start_request"]


@dataclass(frozen=True)
class StartOptions:
    """What a human loop is started with."""

    flow_definition: FlowDefinition = None
    name: Annotated[str | None, typer.Option(help="Name of the human loop.")] = None
    key: Annotated[str | None, typer.Option(help="Instead of a name: your own key for it.")] = None
    input_content: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="A custom task: what people are shown, as JSON; - for stdin."
        ),
    ] = None
    document: Annotated[
        str | None, typer.Option(metavar="S3-URI", help="A Textract task: the form to analyze.")
    ] = None
    image: Annotated[
        str | None, typer.Option(metavar="S3-URI", help="A Rekognition task: the image to moderate.")
    ] = None
    request: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead of all these: the whole request as JSON; - for stdin."),
    ] = None

    @property
    def tasks(self) -> list[str]:
        """Those that say what people get to see."""
        return [one for one in (self.input_content, self.document, self.image) if one]


def start_request(given: StartOptions, resources: StageResources) -> StartRequest:
    """What the stage's function that starts loops is asked for.

    Raises:
        BadParameter: options are missing, or do not go together.
        AfterloopError: a file cannot be read, or does not hold one JSON object.
        StartError: the request in it is not valid.
    """
    from lambdas.loops.starting import StartRequest

    if given.request is not None:
        if any((given.flow_definition, given.name, given.key, given.tasks)):
            raise typer.BadParameter(
                "is the whole request: leave the other options out", param_hint="--request"
            )
        return StartRequest.read(_json_object(given.request, "--request"))
    if not given.flow_definition:
        raise typer.BadParameter("is needed, unless --request is given", param_hint="--flow-definition")
    if (given.name is None) == (given.key is None):
        given_too = "" if given.name is None else ", not both"
        raise typer.BadParameter(f"give one of --name and --key{given_too}", param_hint="the loop's name")
    if len(given.tasks) != 1:
        raise typer.BadParameter(
            f"give one of --input, --document and --image, not {len(given.tasks)}", param_hint="the task"
        )
    task = _task(given)
    return StartRequest.read(
        {
            "humanLoopName": given.name,
            "key": given.key,
            "flowDefinitionArn": resources.flow_definition_arn(given.flow_definition),
            "task": task,
        }
    )


def _task(given: StartOptions) -> dict[str, Any]:
    from workflow.operations.client import s3_object

    if given.input_content:
        return {"type": "custom", "inputContent": _json_object(given.input_content, "--input")}
    if given.document:
        request = {"Document": s3_object(given.document), "FeatureTypes": ["FORMS"]}
        return {"type": "textract", "request": request}
    assert given.image is not None
    return {"type": "rekognition", "request": {"Image": s3_object(given.image)}}


def _json_object(name: str, option: str) -> dict[str, Any]:
    where = "standard input" if name == "-" else name
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise AfterloopError(f"{option}: cannot read {name}: {error.strerror}") from None
    except ValueError as error:
        raise AfterloopError(f"{option}: {where} is no JSON: {error}") from None
    if not isinstance(document, dict):
        kind = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
        found = kind.get(type(document), "a number")
        raise AfterloopError(f"{option}: {where} must be one JSON object, {{…}}, and is {found}")
    return document
