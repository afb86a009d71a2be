"""`python deploy.py manifest`: reviewed items as a Ground Truth augmented manifest, for retraining."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.object_store import ObjectStore
from lambdas.reviews.location import S3Location
from workflow.cli.options import ReviewOptions, StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, progress
from workflow.errors import AfterloopError
from workflow.operations.manifest.export import READERS, Export, export_manifest
from workflow.operations.reviews_source import open_reviews

__all__ = ["manifest"]


@takes_options
def manifest(
    *,
    flow_definition: Annotated[str, typer.Option(metavar="NAME", help="Name or ARN of the flow definition.")],
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="The file to write, or s3://bucket/key.")
    ] = "reviews.manifest",
    label: Annotated[
        list[str] | None,
        typer.Option(help="A label, in the order of ids; may be repeated. Others follow, sorted."),
    ] = None,
    source_path: Annotated[
        str | None,
        typer.Option(
            metavar="JMESPATH", help="For custom tasks: from inputContent to what people looked at."
        ),
    ] = None,
    of: ReviewOptions,
    on: StageOptions,
) -> None:
    """Export reviewed items as a Ground Truth augmented manifest, to train a model on what people said."""
    period = of.period()
    name = flow_definition.rpartition("/")[2]
    session = on.session()
    source = of.source or f"s3://{on.resources(session).review_bucket}/reviews"
    reviews = open_reviews(source, session).reviews(name, period)
    patience = Config(max_pool_connections=READERS, retries={"mode": "standard", "max_attempts": 5})
    outputs = ObjectStore(session.client("s3", config=patience))
    with tempfile.TemporaryDirectory() as folder, progress("Reading reviews", clock=True) as read:
        part = Path(folder) / "manifest"
        with part.open("w", encoding="utf-8", newline="\n") as lines:
            export = export_manifest(
                reviews,
                outputs,
                lines,
                classes=label or (),
                source_path=source_path,
                progress=lambda number: read(f"{number:,}"),
            )
        if export.lines:
            _put(part, file, session)
    if on.output is Output.JSON:
        print_json(_as_json(export, file))
    else:
        _tell(export, file, name)


def _put(part: Path, file: str, session: boto3.Session) -> None:
    try:
        if file.startswith("s3://"):
            place = S3Location.parse(file)
            session.client("s3").upload_file(str(part), place.bucket, place.key)
        else:
            Path(file).write_bytes(part.read_bytes())
    except (Boto3Error, ClientError, BotoCoreError, OSError, ValueError) as error:
        raise AfterloopError(f"cannot write {file}: {error}; name another with --file") from error


def _as_json(export: Export, file: str) -> dict[str, Any]:
    return {
        "file": file if export.lines else None,
        "lines": export.lines,
        "classes": list(export.classes),
        "leftOut": [{"review": review, "reason": reason} for review, reason in export.left_out],
    }


def _tell(export: Export, file: str, flow_definition: str) -> None:
    for review, reason in export.left_out[:3]:
        typer.echo(f"left out: {review}: {reason}", err=True)
    if len(export.left_out) > 3:
        typer.echo(f"left out: {len(export.left_out) - 3:,} more; --output json lists them", err=True)
    if not export.lines:
        raise AfterloopError(
            f"no review of {flow_definition} from these days can be trained on: nothing was written; try other "
            "days with --from and --to"
        )
    reviews = "review" if export.lines == 1 else "reviews"
    typer.echo(f"{export.lines:,} {reviews} of {flow_definition} in {file}")
    if export.classes:
        typer.echo(
            "Classes, by id: " + ", ".join(f"{index} {name}" for index, name in enumerate(export.classes))
        )
