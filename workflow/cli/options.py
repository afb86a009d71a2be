"""The options that commands share, and what they choose: a session, an account and a stage, a period."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from workflow import ROOT
from workflow.cli.terminal import Output
from workflow.errors import AccountError

if TYPE_CHECKING:
    import boto3

    from workflow.operations.reviews_source import Period
    from workflow.operations.stage_resources import StageResources
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = [
    "SETTINGS",
    "FlowDefinition",
    "Profile",
    "Region",
    "ReviewOptions",
    "Settings",
    "StageOptions",
    "Yes",
    "takes_options",
]

SETTINGS = ROOT / "stages.toml"

Profile = Annotated[str | None, typer.Option(help="A profile of ~/.aws/config.")]
Region = Annotated[str | None, typer.Option(help="Instead of the stage's own Region.")]
Settings = Annotated[Path, typer.Option(help="The file with the stages' settings.")]
FlowDefinition = Annotated[str | None, typer.Option(metavar="NAME", help="Name or ARN of a flow definition.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Lets a command take options as a dataclass.

    Typer makes an option of each parameter. A parameter whose type is a dataclass, such as `on: StageOptions`,
    stands for one option a field: the signature that Typer reads has the fields in its place. When the command
    runs, it gets the dataclass, filled.
    """
    types = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in types.items() if is_dataclass(kind)}

    @wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    run.__signature__ = Signature(list(_parameters(command, groups)))  # type: ignore[attr-defined]
    return run


def _parameters(command: Callable[..., None], groups: Mapping[str, Any]) -> Iterator[Parameter]:
    for name, parameter in signature(command, eval_str=True).parameters.items():
        if name not in groups:
            yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
            continue
        types = get_type_hints(groups[name], include_extras=True)
        for field in fields(groups[name]):
            kind = types[field.name]
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=kind)


@dataclass(frozen=True)
class StageOptions:
    """Which stage a command is about, who asks, and for whom the outcome is printed."""

    stage: Annotated[
        str, typer.Option("--stage", "-s", envvar="AFTERLOOP_STAGE", help="A stage of the settings.")
    ] = "dev"
    profile: Profile = None
    region: Region = None
    settings: Settings = SETTINGS
    output: Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")] = (
        Output.TEXT
    )

    def session(self) -> boto3.Session:
        """A session in the stage's Region, or the one that was given.

        Raises:
            AccountError: there is no such profile.
            SettingsError: the settings do not hold.
        """
        import boto3
        from botocore.exceptions import BotoCoreError

        from workflow.publish.aws_errors import explained
        from workflow.stack.stages import load_stages

        region = self.region
        if region is None and self.settings.is_file():
            known = {found.name: found.region for found in load_stages(self.settings).values()}
            region = known.get(self.stage)
        try:
            return boto3.Session(profile_name=self.profile, region_name=region)
        except BotoCoreError as error:
            raise explained(error) or error from None

    def resources(self, session: boto3.Session) -> StageResources:
        """What the stage has in the account.

        Raises:
            AfterloopError: it is not published there.
        """
        from workflow.operations.stage_resources import StageResources

        return StageResources.find(self.stage, session, self.settings)

    def reach(self) -> tuple[Account, Stage]:
        """The account, and the stage's settings. The stage need not be published.

        Raises:
            AccountError: the account cannot be reached, or is not the stage's.
            SettingsError: the settings do not hold, or do not have the stage.
        """
        from workflow.publish.account import Account
        from workflow.stack.stages import load_stage

        stage = load_stage(self.settings, self.stage, **({"region": self.region} if self.region else {}))
        account = Account.at(profile=self.profile, region=stage.region)
        if stage.account and account.id != stage.account:
            raise AccountError(
                f"these credentials are of account {account.id}, and stage {stage.name} is of {stage.account}: "
                "give --profile"
            )
        return account, stage


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day, such as 2026-01-31") from None


@dataclass(frozen=True)
class ReviewOptions:
    """Which reviews a command reads: of which days, and from where."""

    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", parser=_day, metavar="DAY", help="First day of the human loops' creation, UTC."
        ),
    ] = None
    until: Annotated[
        datetime | None,
        typer.Option(
            "--to", parser=_day, metavar="DAY", help="The day after the last one; tomorrow if not given."
        ),
    ] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="A folder of reviews or s3://bucket/prefix, instead of the stage's bucket."
        ),
    ] = None

    def period(self) -> Period:
        """The days that were asked for: up to `until` or today, from `first` or 30 days before."""
        from workflow.operations.reviews_source import Period

        default = Period.last_days(30, until=self.until.date() if self.until else None)
        return Period(self.first.date(), default.until) if self.first else default
