"""Writing a stage into the settings file, from a user's answers."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow.errors import SettingsError
from workflow.stack.stages import Stage, load_stages

__all__ = ["HEADER", "add_stage", "buckets_of", "replaceable", "written"]

HEADER = """\
# The stages of this workflow. Each table is a stage, which has its own CloudFormation stack.
# `python deploy.py init` adds a stage; `python deploy.py plan` validates this file.
"""


def buckets_of(flow_definitions: Iterable[Mapping[str, str]]) -> list[str]:
    """The buckets that flow definitions write to, from their `output` locations (s3://bucket/prefix)."""
    found = (re.match(r"s3://([^/]+)", flow["output"]) for flow in flow_definitions)
    return list(dict.fromkeys(match[1] for match in found if match))


def written(stage: Stage) -> str:
    """A stage as a table of the settings file, without settings that have their default."""
    values = stage.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    return f"[stages.{stage.name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def replaceable(path: Path, name: str, *, ask: bool = True) -> Stage | None:
    """The existing stage with a name, which `add_stage` can replace; None if there is no such stage.

    Args:
        path: the settings file, which may be missing.
        name: the name of the stage.
        ask: whether the user can be asked to confirm the replacement.

    Raises:
        SettingsError: the stage exists and cannot be replaced, or the settings file is invalid.
    """
    stage = load_stages(path).get(name) if path.exists() else None
    if stage and (not ask or stage.protected or _around(path.read_text(encoding="utf-8-sig"), name) is None):
        raise _exists(path, name)
    return stage


def add_stage(path: Path, stage: Stage, *, replace: bool = False) -> None:
    """Writes a stage into a settings file, which is created if needed.

    Args:
        path: the settings file.
        stage: the stage. It replaces the stage with the same name, or is added at the end.
        replace: whether to replace an existing stage with the same name.

    Raises:
        SettingsError: the stage exists and `replace` is False, or it cannot be replaced; or the settings file is
            invalid.
    """
    before, after = HEADER, ""
    if path.exists():
        before = path.read_text(encoding="utf-8-sig").rstrip("\n") + "\n"
        if stage.name in load_stages(path):
            around = _around(before, stage.name) if replace else None
            if around is None:
                raise _exists(path, stage.name)
            before, after = around
    gap = "\n" if before and not before.endswith("\n\n") else ""
    path.write_text(f"{before}{gap}{written(stage)}{after}", encoding="utf-8")


def _exists(path: Path, name: str) -> SettingsError:
    return SettingsError(
        f"{path.name}: stage {name} already exists; edit it in the file, or choose another name with --stage"
    )


def _around(text: str, name: str) -> tuple[str, str] | None:
    """The text before and after the tables of a stage; None if the tables cannot be separated from the rest.

    Comments after the tables stay: they belong to the next stage.
    """
    header = re.compile(rf"\s*\[\s*stages\s*\.\s*{re.escape(name)}\s*[.\]]")
    lines = text.splitlines(keepends=True)
    tables = [number for number, line in enumerate(lines) if re.match(r"\s*\[", line)]
    own = [number for number in tables if header.match(lines[number])]
    if not own:
        return None
    end = next((number for number in tables if number > own[-1]), len(lines))
    while end > own[-1] + 1 and re.match(r"\s*(#|$)", lines[end - 1]):
        end -= 1
    before, after = "".join(lines[: own[0]]), "".join(lines[end:])
    # TOML has many ways to write the same: check that exactly this stage is gone, and nothing else.
    document = tomllib.loads(text)
    del document["stages"][name]
    try:
        rest = tomllib.loads(before + after)
    except tomllib.TOMLDecodeError:
        return None
    return (before, after) if rest.get("stages", {}) == document["stages"] else None


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML writes basic strings, numbers and booleans as JSON does.
    return json.dumps(value)
