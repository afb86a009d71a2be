"""Loads the `stepfunctions` SDK 2.3.0, its last release, quickly and without `sagemaker`.

A plain import of the SDK loads `pkg_resources`, boto3, widgets and all of `sagemaker` (964 MB, or 6 s with the old
`sagemaker<3`), and sets the root logger to ERROR. All of this happens in two `__init__` modules that contain no state
class. So this module sets up the packages `stepfunctions` and `stepfunctions.steps` without running their `__init__`.
Their other modules, with the classes, load unchanged. Code that imports `stepfunctions.steps` later gets the same
classes. Steps that need the SageMaker SDK load at first use.

If the SDK has been imported before, it is used as it is.
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
    "DuplicateStates",
    "SagemakerMissing",
    "sagemaker_step",
    # For steps.py
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
    "names_of_steps",
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
"""The SDK's steps that take objects of the SageMaker SDK, such as estimators, models and tuners."""


class SagemakerMissing(WorkflowError, ImportError):
    """A step needs `sagemaker<3`, which is not installed."""


def sagemaker_step(name: str) -> Any:
    """The SDK's class of this name, which needs the SageMaker SDK.

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


def names_of_steps() -> list[str]:
    """The names of the SDK's steps, with those that need the SageMaker SDK if it is installed."""
    names = [name for name, one in vars(SDK).items() if isinstance(one, type) and issubclass(one, SDK.Task)]
    # A double of the package has no spec.
    return [*names, *SAGEMAKER_STEPS] if "sagemaker" in sys.modules or find_spec("sagemaker") else names


def _load() -> None:
    """Sets up `stepfunctions` and `stepfunctions.steps` with all state classes.

    Raises:
        WorkflowError: The `stepfunctions` package is not installed.
    """
    package = _package_without_its_init("stepfunctions")
    # What the skipped __init__ would define, and other modules of the SDK read.
    package.__useragent__ = "aws-step-functions-data-science-sdk-python"  # type: ignore[attr-defined]
    package.__getattr__ = _lazy_attribute  # type: ignore[method-assign]
    logging.getLogger("stepfunctions").addHandler(logging.NullHandler())
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


def _package_without_its_init(name: str) -> types.ModuleType:
    spec: ModuleSpec | None = find_spec(name)
    if spec is None:
        raise WorkflowError(f"{name} is not installed: pip install --no-deps -r requirements/base.txt")
    sys.modules[name] = package = module_from_spec(spec)
    return package


def _lazy_attribute(name: str) -> Any:
    """What the skipped `__init__` of `stepfunctions` would define, at first use."""
    if name == "__version__":
        from importlib import metadata  # Rarely needed, and a third of this module's import time.

        return metadata.version("stepfunctions")
    if name == "set_stream_logger":
        return _set_stream_logger
    if name in ("workflow", "template"):
        return importlib.import_module(f"stepfunctions.{name}")
    raise AttributeError(f"module 'stepfunctions' has no attribute {name!r}")


def _set_stream_logger(level: int = logging.INFO) -> None:
    """Prints the SDK's log to standard output, in colors."""
    from stepfunctions.workflow.utils import CustomColorFormatter

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(CustomColorFormatter())
    logger = logging.getLogger("stepfunctions")
    logger.setLevel(level)
    logger.propagate = False
    logger.handlers = [handler]


def _lazy_step(name: str) -> Any:
    if name in SAGEMAKER_STEPS:
        return sagemaker_step(name)
    raise AttributeError(f"module 'stepfunctions.steps' has no attribute {name!r}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Undoes side effects of imports: root logger, exception hook, warnings."""
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
    """Avoids importing boto3 (0.1 to 0.5 s), which the SDK's step modules use only to find the partition."""
    if "boto3" in sys.modules:
        yield
        return
    sys.modules["boto3"] = stand_in = types.ModuleType("boto3")
    stand_in.__getattr__ = lambda name: getattr(importlib.import_module("boto3"), name)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del sys.modules["boto3"]


if "stepfunctions.steps" not in sys.modules:
    _load()

from stepfunctions import steps as SDK  # noqa: E402, N812 (an abbreviation, not a constant)
from stepfunctions.exceptions import DuplicateStatesInChain  # noqa: E402
from stepfunctions.inputs import ExecutionInput, Placeholder, StepInput  # noqa: E402
from stepfunctions.steps import integration_resources  # noqa: E402
from stepfunctions.steps.choice_rule import BaseRule  # noqa: E402
from stepfunctions.steps.integration_resources import IntegrationPattern  # noqa: E402
from stepfunctions.steps.states import Block, FrozenGraph, Graph, State  # noqa: E402

# The SDK writes the partition of the current Region into every resource, and reads all of boto3's endpoints for that.
# Our definitions always use arn:aws, so that they do not depend on where they are rendered. The template replaces it
# with the stack's partition.
integration_resources.get_aws_partition = lambda: "aws"


class DuplicateStates(WorkflowError, DuplicateStatesInChain):
    """A chain has a state twice. It is the SDK's `DuplicateStatesInChain`, too."""
