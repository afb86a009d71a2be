"""Loads the `stepfunctions` SDK 2.3.0, its last release, as `steps` needs it: quick, quiet, no `sagemaker`.

Imported plainly, the SDK pulls in `pkg_resources`, boto3, its widgets and all of `sagemaker` (964 MB, or 6 s
with the old `sagemaker<3`), and sets the root logger to ERROR. All of this happens in two `__init__` modules,
which hold no state class. So the packages `stepfunctions` and `stepfunctions.steps` are set up here without
running these; their other modules, where the classes are, load as they were published. Code that imports
`stepfunctions.steps` later gets the same classes. The steps that need the SageMaker SDK load at first use.

An SDK that somebody imported before is taken as it is.
"""

from __future__ import annotations

import importlib
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from typing import Any

from workflow.errors import WorkflowError

__all__ = [
    "SAGEMAKER_STEPS",
    "SagemakerMissing",
    "sagemaker_step",
    # What steps.py builds on
    "SDK",
    "BaseRule",
    "Block",
    "ExecutionInput",
    "FrozenGraph",
    "Graph",
    "IntegrationPattern",
    "Placeholder",
    "State",
    "StepInput",
]

SAGEMAKER_STEPS = (
    "TrainingStep",
    "TransformStep",
    "ModelStep",
    "EndpointConfigStep",
    "EndpointStep",
    "TuningStep",
    "ProcessingStep",
)
"""The SDK's steps that are made from objects of the SageMaker SDK: estimators, models, tuners…"""


class SagemakerMissing(WorkflowError, ImportError):
    """A step that needs `sagemaker<3` was asked for, and that is not installed."""


def sagemaker_step(name: str) -> Any:
    """Return the SDK's own class of this name, which needs the SageMaker SDK.

    Raises:
        SagemakerMissing: `sagemaker<3` is not installed, or cannot be imported.
    """
    try:
        with _quietly():
            module = importlib.import_module("stepfunctions.steps.sagemaker")
    except ImportError as error:
        raise SagemakerMissing(
            f"{name} needs the SageMaker SDK ({error}): pip install 'sagemaker<3' 'setuptools<81'"
        ) from error
    return getattr(module, name)


def _load() -> None:
    """Set up `stepfunctions` and `stepfunctions.steps`, with the modules of all states.

    Raises:
        WorkflowError: the `stepfunctions` package is not installed.
    """
    before = set(sys.modules)
    try:
        package = _package_without_its_init("stepfunctions")
        package.__useragent__ = "aws-step-functions-data-science-sdk-python"  # type: ignore[attr-defined]
        package.__getattr__ = _version  # type: ignore[method-assign]
        steps = _package_without_its_init("stepfunctions.steps")
        steps.__getattr__ = _lazy_step  # type: ignore[method-assign]
        package.steps = steps  # type: ignore[attr-defined]
        with _quietly(), _boto3_unneeded():
            states = importlib.import_module("stepfunctions.steps.states")
            blocks = (states.State, states.Chain, states.Graph, states.Retry, states.Catch)
            for name in ("states", "compute", "service"):
                for attribute, value in vars(importlib.import_module(f"stepfunctions.steps.{name}")).items():
                    if isinstance(value, type) and issubclass(value, blocks) and value is not states.State:
                        setattr(steps, attribute, value)
            rules = importlib.import_module("stepfunctions.steps.choice_rule")
            steps.ChoiceRule = rules.ChoiceRule  # type: ignore[attr-defined]
    except BaseException:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "stepfunctions":
                del sys.modules[name]
        raise


def _package_without_its_init(name: str) -> types.ModuleType:
    spec: ModuleSpec | None = find_spec(name)
    if spec is None:
        raise WorkflowError(f"{name} is not installed: pip install --no-deps -r requirements/base.txt")
    sys.modules[name] = package = module_from_spec(spec)
    return package


def _version(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata  # not needed, as a rule, and a third of this module's import

        return metadata.version("stepfunctions")
    raise AttributeError(f"module 'stepfunctions' has no attribute {name!r}")


def _lazy_step(name: str) -> Any:
    if name in SAGEMAKER_STEPS:
        return sagemaker_step(name)
    raise AttributeError(f"module 'stepfunctions.steps' has no attribute {name!r}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Undo what others' imports do to a process: root logger, exception hook, warnings of theirs."""
    root = logging.getLogger()
    level, handlers, excepthook = root.level, root.handlers[:], sys.excepthook
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        sys.excepthook = excepthook


@contextmanager
def _boto3_unneeded() -> Iterator[None]:
    """Spare the import of boto3 (0.1 to 0.5 s), which the SDK's step modules use for the partition alone."""
    if "boto3" in sys.modules:
        yield
        return
    sys.modules["boto3"] = types.ModuleType("boto3")
    try:
        yield
    finally:
        del sys.modules["boto3"]


if "stepfunctions.steps" not in sys.modules:
    _load()

from stepfunctions import steps as SDK  # noqa: E402, N812 (reads as what it is)
from stepfunctions.inputs import ExecutionInput, Placeholder, StepInput  # noqa: E402
from stepfunctions.steps import integration_resources  # noqa: E402
from stepfunctions.steps.choice_rule import BaseRule  # noqa: E402
from stepfunctions.steps.integration_resources import IntegrationPattern  # noqa: E402
from stepfunctions.steps.states import Block, FrozenGraph, Graph, State  # noqa: E402

# The SDK puts the partition of the Region in which it happens to run into every resource (and reads all of
# boto3's endpoints for that). A definition says arn:aws wherever it is rendered; the template makes it the
# stack's.
integration_resources.get_aws_partition = lambda: "aws"
