"""`python deploy.py init`: asks for the settings of a stage and writes them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workflow.cli.options import SETTINGS, Profile, Region, Settings
from workflow.cli.terminal import Output, confirm, exit_unchanged, is_interactive, print_json, prompt, tell
from workflow.errors import AccountError, PublishError

__all__ = ["init"]


def init(
    stage: Annotated[str, typer.Option("--stage", "-s", help="Name of the stage to write.")] = "dev",
    bucket: Annotated[list[str] | None, typer.Option(help="An output bucket; can be repeated.")] = None,
    account: Annotated[
        str | None, typer.Option(help="The AWS account of the stage, 12 digits. Others are refused.")
    ] = None,
    email: Annotated[
        list[str] | None, typer.Option(help="An email address for escalations; can be repeated.")
    ] = None,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: Annotated[
        Output,
        typer.Option("--output", "-o", help="Format of the output. For json, pass the settings as options."),
    ] = Output.TEXT,
) -> None:
    """Ask for the settings of a stage, and write them to the settings file."""
    is_json = output is Output.JSON
    if is_json:
        if not region or not bucket:
            raise PublishError(
                "--output json does not ask: pass --region and --bucket, and --email if you want messages"
            )
        email = email or []
    from workflow.publish.initialising import add_stage, replaceable
    from workflow.stack.stages import checked_stage

    # Checks all options before the first question, with stand-ins for what the questions are about.
    named = {"account": account} if account else {}
    given = {"output_buckets": bucket or ["any"], "escalation_emails": email or [], **named}
    checked_stage(settings.name, stage, {"region": region or "us-east-1", **given})
    existing = replaceable(settings, stage, ask=is_interactive() and not is_json)
    if existing:
        buckets = ", ".join(existing.output_buckets)
        tell(f"{settings.name} already has a stage {stage}: {existing.region}, output in {buckets}.")
        if not confirm("Replace all of its settings?"):
            exit_unchanged()
    answers: dict[str, Any] = {
        "region": region or _ask("Region of your flow definitions", _default_region(profile))
    }
    checked_stage(settings.name, stage, {**answers, "output_buckets": ["any"]})
    if not account and not is_json and is_interactive():
        account = _ask(
            "AWS account of the stage (empty for none)", _account_of(profile, answers["region"])
        ).strip()
    if account:
        answers["account"] = account
        checked_stage(settings.name, stage, {**answers, "output_buckets": ["any"]})
    if bucket:
        answers["output_buckets"] = bucket
    else:
        answers |= _ask_for_sources(profile, answers["region"])
    if email is None:
        email = _ask_for_several("Email addresses for escalations (empty for none)")
    answers["escalation_emails"] = email
    made = checked_stage(settings.name, stage, answers)
    add_stage(settings, made, replace=existing is not None)
    if is_json:
        from workflow.cli.shapes import InitResult

        print_json(InitResult(stage=stage, settings=str(settings)))
        return
    tell(f"Stage {stage} was written to {settings.name}.")
    if not account:
        tell(f"It names no account. To publish it to AWS, add one to [stages.{stage}].")
    tell(f"To see what a publish creates: python deploy.py plan --stage {stage}")


def _ask_for_sources(profile: str | None, region: str) -> dict[str, list[str]]:
    """Asks for flow definitions, if the account can be reached, and for the buckets that they write to."""
    from workflow.publish.initialising import buckets_of

    answers = {}
    found = _flow_definitions(profile, region)
    if found:
        names = _ask_for_several("Flow definitions to process (empty for all)")
        known = {flow["name"]: flow for flow in found}
        if unknown := [name for name in names if name not in known]:
            raise PublishError(
                f"flow definition {unknown[0]!r} does not exist; the account has {', '.join(known)}"
            )
        answers["flow_definitions"] = names
        found = [known[name] for name in names] or found
    answers["output_buckets"] = _ask_for_several("Buckets that they write to", buckets_of(found))
    return answers


def _flow_definitions(profile: str | None, region: str) -> list[dict[str, str]]:
    """The flow definitions of the account. Empty if it cannot be reached: a stage can be written without."""
    from botocore.exceptions import BotoCoreError

    from workflow.publish.account import Account

    try:
        found = Account.at(profile=profile, region=region).flow_definitions()
    except (AccountError, BotoCoreError) as error:
        tell(f"(Could not list the account's flow definitions: {error})", err=True)
        return []
    for flow in found:
        tell(f"  Found {flow['name']}, which writes to {flow['output']}")
    return found


def _account_of(profile: str | None, region: str) -> str:
    """The account of the credentials; empty if there are none, or if they are of a local engine."""
    from botocore.exceptions import BotoCoreError, ClientError

    from workflow.publish.account import Account

    try:
        account = Account.at(profile=profile, region=region)
        return account.id if account.is_aws else ""
    except (AccountError, BotoCoreError, ClientError):
        return ""


def _default_region(profile: str | None) -> str:
    import boto3

    return boto3.Session(profile_name=profile).region_name or "us-east-1"


def _ask(question: str, default: str) -> str:
    return prompt(question, default, hint="pass --region, --bucket and --email")


def _ask_for_several(question: str, default: list[str] | None = None) -> list[str]:
    text = _ask(f"{question}, separated by spaces", " ".join(default or []))
    return text.replace(",", " ").split()
