"""The options that commands share, and what follows from them: session, account, stage, period."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from workflow import ROOT
from workflow.cli import suggestions, times
from workflow.cli.terminal import Output
from workflow.errors import SettingsError
from workflow.stack import ENGINE_ACCOUNT

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
    "Sample",
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


class Sample(StrEnum):
    """A branch of the workflow, of which a sample is used."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


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
            AccountError: The stage is for the local engine, but the session leads to AWS.
            ProfileNotFound: The profile does not exist.
            SettingsError: The settings are not valid.
        """
        import boto3

        from workflow.publish.engine_access import expect_answers_of_aws, not_on_engine
        from workflow.publish.refused import name_services

        stage = self._in_settings()
        region = self.region or (stage.region if stage else None)
        session = boto3.Session(profile_name=self.profile, region_name=region)
        session = name_services(expect_answers_of_aws(session))
        if stage and stage.account == ENGINE_ACCOUNT and session.region_name:
            from workflow.publish.account import Account

            if Account(session).is_aws:
                raise not_on_engine(stage.name)
        return session

    def resources(self, session: boto3.Session) -> StageResources:
        """The stage's resources.

        Raises:
            AccountError: They are in another account than the stage's settings say.
            AfterloopError: The stage is not published.
        """
        from workflow.operations.stage_resources import StageResources

        found = StageResources.find(self.stage, session, self.settings)
        stage = self._in_settings()
        if stage and stage.account and stage.account != found.account_id:
            from workflow.publish.account import Account
            from workflow.publish.right_account import wrong_account

            raise wrong_account(stage, found.account_id, is_aws=Account(session).is_aws)
        return found

    def _in_settings(self) -> Stage | None:
        """The stage's settings. A published stage can be used without them: most commands need a Region only."""
        from workflow.stack.stages import UnknownStage, load_stage

        with suppress(SettingsError if self.region else UnknownStage):
            return load_stage(self.settings, self.stage)
        return None

    def reach(self, *, writes: bool = False) -> tuple[Account, Stage]:
        """The account, and the settings of the stage. The stage may not be published yet.

        Args:
            writes: Whether the command writes to the account, as a plan does: it makes change sets.

        Raises:
            AccountError: The account cannot be reached, or is not the account of the stage; or the stage names none,
                and the command writes.
            SettingsError: The settings are not valid, or do not contain the stage.
        """
        from workflow.publish.account import Account
        from workflow.publish.right_account import expect_right_account
        from workflow.stack.stages import load_stage

        stage = load_stage(self.settings, self.stage, **({"region": self.region} if self.region else {}))
        account = Account.at(profile=self.profile, region=stage.region)
        expect_right_account(account, stage, writes=writes)
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
