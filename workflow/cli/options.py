"""The options that commands share, and what follows from them: session, account, stage, period."""

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
from workflow.cli import suggestions, times
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
    "PeriodOptions",
    "Profile",
    "Region",
    "ReviewOptions",
    "Settings",
    "StageOptions",
    "Yes",
    "takes_options",
]

SETTINGS = ROOT / "stages.toml"

Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME", autocompletion=suggestions.profiles, help="A profile in ~/.aws/config."),
]
Region = Annotated[
    str | None, typer.Option(metavar="REGION", help="AWS Region. The default is the Region of the stage.")
]
Settings = Annotated[
    Path, typer.Option(help="The file with the settings of the stages.", show_default="stages.toml")
]
FlowDefinition = Annotated[str | None, typer.Option(metavar="NAME", help="Name or ARN of a flow definition.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command whose parameters include dataclasses of options, such as `on: StageOptions`.

    Typer makes one option of each parameter, and cannot group them. The signature that Typer reads has the fields of
    the dataclass instead. The command gets the dataclass.
    """
    types = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in types.items() if is_dataclass(kind)}

    @wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    # Typer reads the options from the signature, which functools.wraps has taken from the command.
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
    """The stage, the credentials, and the format of the output."""

    stage: Annotated[
        str,
        typer.Option(
            "--stage",
            "-s",
            metavar="NAME",
            envvar="AFTERLOOP_STAGE",
            autocompletion=suggestions.stages,
            help="Name of the stage.",
        ),
    ] = "dev"
    profile: Profile = None
    region: Region = None
    settings: Settings = SETTINGS
    output: Annotated[Output, typer.Option("--output", "-o", help="Format of the output.")] = Output.TEXT

    def session(self) -> boto3.Session:
        """A session in the Region of --region, or else of the stage.

        Raises:
            ProfileNotFound: The profile does not exist.
            SettingsError: The settings are not valid.
        """
        import boto3

        from workflow.stack.stages import load_stages

        region = self.region
        # A published stage can be used without its settings: loops, reports and manifests need a Region only.
        if region is None and self.settings.is_file():
            known = {found.name: found.region for found in load_stages(self.settings).values()}
            region = known.get(self.stage)
        return boto3.Session(profile_name=self.profile, region_name=region)

    def resources(self, session: boto3.Session) -> StageResources:
        """The stage's resources.

        Raises:
            AfterloopError: The stage is not published.
        """
        from workflow.operations.stage_resources import StageResources

        return StageResources.find(self.stage, session, self.settings)

    def reach(self) -> tuple[Account, Stage]:
        """The account, and the settings of the stage. The stage may not be published yet.

        Raises:
            AccountError: The account cannot be reached, or is not the account of the stage.
            SettingsError: The settings are not valid, or do not contain the stage.
        """
        from workflow.publish.account import Account
        from workflow.stack.stages import load_stage

        stage = load_stage(self.settings, self.stage, **({"region": self.region} if self.region else {}))
        account = Account.at(profile=self.profile, region=stage.region)
        # The settings can pin a stage to its account, so that wrong credentials publish nothing in another one.
        if stage.account and account.id != stage.account:
            raise AccountError(
                f"the credentials are for account {account.id}, but stage {stage.name} belongs to account "
                f"{stage.account}: choose other credentials with --profile"
            )
        return account, stage


@dataclass(frozen=True)
class PeriodOptions:
    """The days of the reviews that a command reads. Reviews are stored by the day on which their loops were created."""

    since: Annotated[
        datetime | None, times.since("Reviews of loops that were created on this day or later")
    ] = None
    until: Annotated[datetime | None, times.until("Reviews of loops that were created before this day")] = (
        None
    )
    first: Annotated[datetime | None, times.former("--from", "--since")] = None
    end: Annotated[datetime | None, times.former("--to", "--until")] = None

    def period(self) -> Period:
        """The days from --since, or 30 days, to --until, or today. A time within a day means the whole day.

        Raises:
            AfterloopError: The period has no days.
            BadParameter: An option was given with its former name, too.
        """
        from workflow.operations.reviews_source import Period

        return Period.of(
            times.one_of("--since", self.since, "--from", self.first),
            times.one_of("--until", self.until, "--to", self.end),
        )


@dataclass(frozen=True)
class ReviewOptions(PeriodOptions):
    """The reviews that a command reads: their days and their location."""

    source: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="A folder or s3://bucket/prefix to read instead of the stage's bucket."
        ),
    ] = None
