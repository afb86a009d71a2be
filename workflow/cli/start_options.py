"""The options of `python deploy.py loops start`, and the request that they make."""

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
    from lambdas.loops.start_request import StartRequest
    from workflow.operations.stage_resources import StageResources

__all__ = ["StartOptions", "start_request"]


@dataclass(frozen=True)
class StartOptions:
    """The human loop to start."""

    flow_definition: FlowDefinition = None
    name: Annotated[str | None, typer.Option(help="Name of the human loop.")] = None
    key: Annotated[
        str | None, typer.Option(help="Your own key for it, instead of a name. The name is derived from it.")
    ] = None
    input_content: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="A custom task: what workers see, as JSON. - reads standard input.",
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
        typer.Option(
            metavar="FILE",
            help="The whole request as JSON, instead of the options above. - reads standard input.",
        ),
    ] = None

    @property
    def tasks(self) -> list[str]:
        """The options that were given of those that choose a task."""
        return [one for one in (self.input_content, self.document, self.image) if one]


def start_request(given: StartOptions, resources: StageResources) -> StartRequest:
    """The request for the stage's function that starts human loops.

    Raises:
        BadParameter: Options are missing or exclude each other.
        AfterloopError: A file cannot be read, or does not contain one JSON object.
        StartError: The request is not valid.
    """
    from lambdas.loops.start_request import StartRequest

    if given.request is not None:
        if any((given.flow_definition, given.name, given.key, given.tasks)):
            raise typer.BadParameter(
                "cannot be combined with the options that it replaces", param_hint="--request"
            )
        return StartRequest.read(_json_object(given.request, "--request"))
    if not given.flow_definition:
        raise typer.BadParameter("is required, unless you pass --request", param_hint="--flow-definition")
    if (given.name is None) == (given.key is None):
        both = "" if given.name is None else ", not both"
        raise typer.BadParameter(f"specify either --name or --key{both}", param_hint="the loop's name")
    if len(given.tasks) != 1:
        raise typer.BadParameter(
            f"specify one of --input, --document and --image, not {len(given.tasks)}", param_hint="the task"
        )
    return StartRequest.read(
        {
            "humanLoopName": given.name,
            "key": given.key,
            "flowDefinitionArn": resources.flow_definition_arn(given.flow_definition),
            "task": _task(given),
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
        raise AfterloopError(f"{option}: {where} is not valid JSON: {error}") from None
    except RecursionError:
        raise AfterloopError(f"{option}: {where} is nested too deeply") from None
    if not isinstance(document, dict):
        raise AfterloopError(f"{option}: {where} must contain one JSON object, {{…}}")
    return document
