"""`python deploy.py manifest`: reviewed items as a Ground Truth augmented manifest, for retraining."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

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
        typer.Option(help="A label; repeat the option in the order of the IDs. Other labels follow, sorted."),
    ] = None,
    source_path: Annotated[
        str | None,
        typer.Option(
            metavar="JMESPATH",
            help="For custom tasks: the expression that selects from inputContent what workers see.",
        ),
    ] = None,
    of: ReviewOptions,
    on: StageOptions,
) -> None:
    """Export reviewed items as a Ground Truth augmented manifest, to retrain the model."""
    period = of.period()
    name = flow_definition.rpartition("/")[2]
    session = on.session()
    source = of.source or f"s3://{on.resources(session).review_bucket}/reviews"
    reviews = open_reviews(source, session).reviews(name, period)
    # Outputs are read in parallel: one connection for each reader, and retries that back off when S3 slows them down.
    config = Config(max_pool_connections=READERS, retries={"mode": "standard", "max_attempts": 5})
    outputs = ObjectStore(session.client("s3", config=config))
    with tempfile.TemporaryDirectory() as folder, progress("Reading reviews", clock=True) as read:
        # Written in whole or not at all: an export that fails must not replace the manifest of the last one.
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
        _print_json(export, file)
    else:
        _print(export, file, name)


def _put(part: Path, file: str, session: boto3.Session) -> None:
    try:
        if file.startswith("s3://"):
            place = S3Location.parse(file)
            session.client("s3").upload_file(str(part), place.bucket, place.key)
        else:
            Path(file).write_bytes(part.read_bytes())
    except (Boto3Error, ClientError, BotoCoreError, OSError, ValueError) as error:
        raise AfterloopError(f"cannot write {file}: {error}; choose another file with --file") from error


def _print_json(export: Export, file: str) -> None:
    from workflow.cli.shapes import LeftOutReview, ManifestResult

    print_json(
        ManifestResult(
            file=file if export.lines else None,
            lines=export.lines,
            classes=list(export.classes),
            left_out=[LeftOutReview(review=review, reason=reason) for review, reason in export.left_out],
        )
    )


def _print(export: Export, file: str, flow_definition: str) -> None:
    for review, reason in export.left_out[:3]:
        typer.echo(f"left out: {review}: {reason}", err=True)
    if len(export.left_out) > 3:
        typer.echo(f"left out: {len(export.left_out) - 3:,} more; --output json lists them", err=True)
    if not export.lines:
        raise AfterloopError(
            f"no review of {flow_definition} from these days can be exported, so no manifest was written: choose "
            "other days with --from and --to"
        )
    reviews = "review" if export.lines == 1 else "reviews"
    typer.echo(f"{export.lines:,} {reviews} of {flow_definition} in {file}")
    if export.classes:
        typer.echo(
            "Classes, by ID: " + ", ".join(f"{index} {name}" for index, name in enumerate(export.classes))
        )
