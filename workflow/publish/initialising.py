"""Writing the settings of a stage from a person's answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow.errors import SettingsError
from workflow.stack.stages import Stage, load_stages

__all__ = ["HEADER", "add_stage", "buckets_of", "written"]

HEADER = """\
# The stages of this workflow: one table each, one stack each.
# `python deploy.py init` adds a stage; `python deploy.py plan` checks what is written here.
"""


def buckets_of(flow_definitions: Iterable[Mapping[str, str]]) -> list[str]:
    """The buckets that flow definitions write to, from their `output` locations (s3://bucket/prefix)."""
    found = (re.match(r"s3://([^/]+)", flow["output"]) for flow in flow_definitions)
    return list(dict.fromkeys(match[1] for match in found if match))


def written(stage: Stage) -> str:
    """A stage as a table of the settings file, with what is not the default."""
    values = stage.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    return f"[stages.{stage.name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def add_stage(path: Path, stage: Stage) -> None:
    """Adds a stage to the end of a settings file, which is made when it is not there.

    Raises:
        SettingsError: the file has a stage of that name, or is not what a settings file is.
    """
    before = ""
    if path.exists():
        if stage.name in load_stages(path):
            raise SettingsError(
                f"{path.name}: there is a stage {stage.name} already; edit it there, or name another"
            )
        before = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    path.write_text(f"{before or HEADER}\n{written(stage)}", encoding="utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML's basic strings, numbers and booleans are written as JSON's.
    return json.dumps(value)
