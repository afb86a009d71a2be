"""`python deploy.py manifest`: reviewed items as a Ground Truth augmented manifest, for retraining."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.options import ReviewOptions, StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, progress, tell
from workflow.errors import AfterloopError

if TYPE_CHECKING:
    import boto3

    from workflow.operations.manifest.export import Export

__all__ = ["manifest"]

MAX_NAMES = 3
MAX_REASONS = 5


@takes_options
def manifest(
    *,
    flow_definition: Annotated[str, typer.Option(metavar="NAME", help="Name or ARN of the flow definition.")],
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="The file to write, or s3://bucket/key.")
    ] = "reviews.manifest",
    attribute: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Export only this attribute, or the attribute of this crowd element, and only reviews that have it.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ATTRIBUTE=]LABEL",
            help="A label; repeat the option in the order of the IDs. Other labels follow, sorted. With several "
            "attributes, name the attribute too.",
        ),
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
    from botocore.config import Config

    from lambdas.aws.object_store import ObjectStore
    from workflow.operations.flow_definitions import FlowDefinitions, check_reviews_of
    from workflow.operations.manifest.export import READERS, export_manifest
    from workflow.operations.reviews_source import open_reviews

    period = of.period()
    name = flow_definition.rpartition("/")[2]
    session = on.session()
    # Outputs are read in parallel: one connection for each reader, and retries that back off when S3 slows them down.
    config = Config(max_pool_connections=READERS, retries={"mode": "standard", "max_attempts": 5})
    if of.source:
        source, s3 = open_reviews(of.source, session), session.client("s3", config=config)
        check_reviews_of(name, source)
    else:
        stage = on.resources(session)
        FlowDefinitions(stage, session).known(flow_definition)
        place = f"s3://{stage.review_bucket}/reviews"
        source, s3 = open_reviews(place, session, owner=stage.account_id), stage.s3(session, config)
    reviews, outputs = source.reviews(name, period), ObjectStore(s3)
    with tempfile.TemporaryDirectory() as folder, progress("Reading reviews", clock=True) as read:
        # Written in whole or not at all: an export that fails must not replace the manifest of the last one.
        part = Path(folder) / "manifest"
        with part.open("w", encoding="utf-8", newline="\n") as lines:
            export = export_manifest(
                reviews,
                outputs,
                lines,
                labels=label or (),
                attribute=attribute,
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
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    from lambdas.reviews.location import S3Location

    try:
        if file.startswith("s3://"):
            place = S3Location.parse(file)
            session.client("s3").upload_file(str(part), place.bucket, place.key)
        else:
            Path(file).write_bytes(part.read_bytes())
    except (Boto3Error, ClientError, BotoCoreError, OSError, ValueError) as error:
        raise AfterloopError(f"cannot write {file}: {error}; choose another file with --file") from error


def _print_json(export: Export, file: str) -> None:
    from workflow.cli.shapes import LeftOutReview, LinesByReason, ManifestAttribute, ManifestResult

    print_json(
        ManifestResult(
            file=file if export.lines else None,
            lines=export.lines,
            sources=dict(export.sources),
            attributes=[
                ManifestAttribute(
                    name=attribute.name,
                    element=attribute.element,
                    types=dict(attribute.types),
                    classes=None if attribute.classes is None else list(attribute.classes),
                    lines=attribute.lines,
                    missing=[
                        LinesByReason(reason=reason, lines=lines)
                        for reason, lines in attribute.missing.items()
                    ],
                    without_majority=attribute.without_majority,
                )
                for attribute in export.attributes
            ],
            left_out=[LeftOutReview(review=review, reason=reason) for review, reason in export.left_out],
        )
    )


def _print(export: Export, file: str, flow_definition: str) -> None:
    for line in _left_out(export):
        tell(f"left out: {line}", err=True)
    if not export.lines:
        raise AfterloopError(
            f"no review of {flow_definition} from these days can be exported, so no manifest was written: choose "
            "other days with --since and --until"
        )
    tell(f"{_count(export.lines, 'review')} of {flow_definition} in {file}")
    for attribute in export.attributes:
        if attribute.lines:
            classes = ", ".join(f"{index} {label}" for index, label in enumerate(attribute.classes or ()))
            tell(f"{attribute.name}: {', '.join(attribute.types)}{classes and f'; classes: {classes}'}")
    for line in _obstacles(export):
        tell(f"note: {line}", err=True)


def _left_out(export: Export) -> list[str]:
    """Returns a line for each reason, the most frequent first."""
    by_reason: dict[str, list[str]] = {}
    for review, reason in export.left_out:
        by_reason.setdefault(reason, []).append(review)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = []
    for reason, reviews in ordered[:MAX_REASONS]:
        names = ", ".join([*reviews[:MAX_NAMES], *(["…"] if len(reviews) > MAX_NAMES else [])])
        lines.append(f"{_count(len(reviews), 'review')} ({names}): {reason}")
    if rest := sum(len(reviews) for _, reviews in ordered[MAX_REASONS:]):
        lines.append(f"{_count(rest, 'review')} for other reasons; --output json lists them")
    return lines


def _obstacles(export: Export) -> list[str]:
    """Returns what a training job cannot read, and what was left out of lines."""
    lines = []
    if len(export.sources) > 1:
        sources = " and ".join(
            f"{_count(number, 'line')} with {key}" for key, number in export.sources.items()
        )
        lines.append(f"{sources}; a training job needs the same in all lines")
    for attribute in export.attributes:
        if len(attribute.types) > 1:
            types = ", ".join(
                f"{_count(number, 'line')} of {name}" for name, number in attribute.types.items()
            )
            lines.append(f"{attribute.name}: {types}; a training job needs one type")
        if missing := attribute.missing.total():
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in attribute.missing.items())
            lines.append(
                f"{attribute.name}: missing in {missing:,} of {_count(export.lines, 'line')} ({reasons})"
            )
        if number := attribute.without_majority:
            lines.append(
                f"{attribute.name}: {_count(number, 'value')} without a majority left out of its lines"
            )
    if any(attribute.lines and attribute.missing for attribute in export.attributes):
        lines.append(
            "a training job needs its attribute in all lines: --attribute NAME leaves out the other lines"
        )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
