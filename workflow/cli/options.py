"""What the commands of the command line have in common: their options, and the session that these choose."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import boto3

__all__ = ["SETTINGS", "As", "Output", "Profile", "Region", "Settings", "StageName", "session_for"]

SETTINGS = Path(__file__).resolve().parents[2] / "stages.toml"


class Output(StrEnum):
    """For whom the outcome is printed."""

    TEXT = "text"
    JSON = "json"


StageName = Annotated[
    str, typer.Option("--stage", "-s", envvar="AFTERLOOP_STAGE", help="A stage of the settings.")
]
Profile = Annotated[str | None, typer.Option(help="A profile of ~/.aws/config.")]
Region = Annotated[str | None, typer.Option(help="Instead of the stage's own Region.")]
Settings = Annotated[Path, typer.Option(help="The file with the stages' settings.")]
As = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")]


def session_for(stage: str, profile: str | None, region: str | None, settings: Path) -> boto3.Session:
    """A session in the stage's Region, or the one that was given.

    Raises:
        AccountError: there is no such profile.
        SettingsError: the settings do not hold.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    from workflow.publish.aws_errors import explained
    from workflow.stack.stages import load_stages

    if region is None and settings.is_file():
        known = {found.name: found.region for found in load_stages(settings).values()}
        region = known.get(stage)
    try:
        return boto3.Session(profile_name=profile, region_name=region)
    except BotoCoreError as error:
        raise explained(error) or error from None
