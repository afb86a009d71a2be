"""The values of options that the shell's completion suggests. Read from files, as quickly as the Tab key needs it."""

from __future__ import annotations

import os
import tomllib
from configparser import ConfigParser, Error
from pathlib import Path

from workflow import ROOT

__all__ = ["profiles", "stages"]


def stages(incomplete: str) -> list[str]:
    """Returns the names of the stages in stages.toml that begin like this."""
    try:
        found = tomllib.loads((ROOT / "stages.toml").read_text(encoding="utf-8")).get("stages")
    except (OSError, ValueError):
        return []
    return [name for name in found or () if name.startswith(incomplete)]


def profiles(incomplete: str) -> list[str]:
    """Returns the names of the profiles in ~/.aws/config that begin like this."""
    file = Path(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config")
    found = ConfigParser(strict=False, interpolation=None)
    try:
        found.read(file, encoding="utf-8")
    except (Error, UnicodeDecodeError):
        return []
    names = [section.removeprefix("profile ").strip() for section in found.sections()]
    return [name for name in names if name.startswith(incomplete)]
