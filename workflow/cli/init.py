"""`python deploy.py init`: asks what a stage needs, and writes its settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.options import SETTINGS, Profile, Region, Settings
from workflow.cli.terminal import attended, confirm, nothing_changed, prompt
from workflow.errors import AccountError, PublishError

__all__ = ["init"]


def init(
    stage: Annotated[str, typer.Option("--stage", "-s", help="Name of the stage to write.")] = "dev",
    bucket: Annotated[list[str] | None, typer.Option(help="An output bucket; may be repeated.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="Is told of escalations; may be repeated.")] = None,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
) -> None:
    """Ask what a stage needs, and write its settings."""
    from workflow.publish.initialising import add_stage, replaceable
    from workflow.stack.stages import checked_stage

    # What can be known before the first question is told before it.
    given = {"output_buckets": bucket or ["any"], "escalation_emails": email or []}
    checked_stage(settings.name, stage, {"region": region or "us-east-1", **given})
    there = replaceable(settings, stage, ask=attended())
    if there:
        buckets = ", ".join(there.output_buckets)
        typer.echo(f"{settings.name} has a stage {stage} already: {there.region}, output in {buckets}.")
        if not confirm("Replace it, with all that it says?"):
            nothing_changed()
    answers: dict[str, Any] = {
        "region": region or _ask("Region of your flow definitions", _default_region(profile))
    }
    checked_stage(settings.name, stage, {**answers, "output_buckets": ["any"]})
    if bucket:
        answers["output_buckets"] = bucket
    else:
        answers |= _ask_what_is_reviewed(profile, answers["region"])
    if email is None:
        email = _ask_for_several("E-mail addresses to tell of escalations (empty for none)")
    answers["escalation_emails"] = email
    made = checked_stage(settings.name, stage, answers)
    add_stage(settings, made, replace=there is not None)
    typer.echo(
        f"{settings.name} has the stage {stage} now. What it would make: python deploy.py plan --stage {stage}"
    )


def _ask_what_is_reviewed(profile: str | None, region: str) -> dict[str, list[str]]:
    """Flow definitions, if the account's are known, and the buckets that they write to."""
    from workflow.publish.initialising import buckets_of

    answers = {}
    found = _flow_definitions(profile, region)
    if found:
        names = _ask_for_several("Only events of these of them (empty for all)")
        known = {flow["name"]: flow for flow in found}
        if unknown := [name for name in names if name not in known]:
            raise PublishError(f"there is no flow definition {unknown[0]!r} there, but {', '.join(known)}")
        answers["flow_definitions"] = names
        found = [known[name] for name in names] or found
    answers["output_buckets"] = _ask_for_several("Buckets that they write to", buckets_of(found))
    return answers


def _flow_definitions(profile: str | None, region: str) -> list[dict[str, str]]:
    """What the account has; nothing where it cannot be reached: the person is asked then."""
    from botocore.exceptions import BotoCoreError

    from workflow.publish.account import Account

    try:
        found = Account.at(profile=profile, region=region).flow_definitions()
    except (AccountError, BotoCoreError) as error:
        typer.echo(f"(The account's flow definitions are not known here: {error})", err=True)
        return []
    for flow in found:
        typer.echo(f"  found {flow['name']}, which writes to {flow['output']}")
    return found


def _default_region(profile: str | None) -> str:
    import boto3
    from botocore.exceptions import ProfileNotFound

    from workflow.publish.aws_errors import explained

    try:
        return boto3.Session(profile_name=profile).region_name or "us-east-1"
    except ProfileNotFound as error:
        raise explained(error) or error from None


def _ask(question: str, default: str) -> str:
    return prompt(question, default, instead="give --region, --bucket and --email")


def _ask_for_several(question: str, default: list[str] | None = None) -> list[str]:
    text = _ask(f"{question}, separated by spaces", " ".join(default or []))
    return text.replace(",", " ").split()
