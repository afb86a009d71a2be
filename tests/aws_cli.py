"""Runs commands of the AWS CLI that the project prints, with boto3: what an option is follows from botocore's models.

It knows what these commands use: options with texts and JSON, `Content=…`, `file://`, `--query`, `> file` and `&&`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jmespath
from botocore import xform_name

__all__ = ["run"]


def run(commands: str, client: Callable[[str], Any], folder: Path) -> None:
    """Runs commands that are joined by `&&`.

    Args:
        commands: As a shell would get them.
        client: Returns the client of a service.
        folder: Where files are.
    """
    words: list[str] = []
    for word in [*shlex.split(commands), "&&"]:
        if word != "&&":
            words.append(word)
        else:
            _run(words, client, folder)
            words = []


def _run(words: list[str], client: Callable[[str], Any], folder: Path) -> None:
    assert words[0] == "aws", words
    into = None
    if ">" in words:
        into, words = words[-1], words[: words.index(">")]
    service = client({"s3api": "s3"}.get(words[1], words[1]))
    operation = words[2].replace("-", "_")
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options.pop("--region", service.meta.region_name) == service.meta.region_name
    query, _ = options.pop("--query", "@"), options.pop("--output", "json")
    members = service.meta.service_model.operation_model(
        service.meta.method_to_api_mapping[operation]
    ).input_shape.members
    names = {f"--{xform_name(name, '-')}": name for name in members}
    given: dict[str, Any] = {}
    if file := options.pop("--cli-input-json", None):
        given = json.loads((folder / file.removeprefix("file://")).read_text())
    for option, text in options.items():
        shape = members[names[option]]
        given[names[option]] = text if shape.type_name == "string" else _value(text)
    answer = getattr(service, operation)(**given)
    if into:
        found = jmespath.search(query, answer)
        (folder / into).write_text(json.dumps(found))


def _value(text: str) -> Any:
    """A structure or list: JSON, or key=value."""
    if text.startswith(("{", "[")):
        return json.loads(text)
    key, _, value = text.partition("=")
    return {key: value}
