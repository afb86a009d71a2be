"""CloudFormation's YAML, with its functions in the long form, as `Fn::Sub` for `!Sub`."""

from __future__ import annotations

from typing import Any

import yaml


class Template(yaml.SafeLoader):
    """Loads CloudFormation's YAML with its functions in the long form."""


def _long(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


Template.add_multi_constructor("!", _long)
