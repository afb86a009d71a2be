"""The only door to the `stepfunctions` SDK: its classes, with the fields that ASL has gained since.

Import every step from here. All classes are the SDK's own, subclassed: `isinstance` holds, the SDK's
documentation applies, and plain SDK classes fit into the same chain. On top of it, as keyword arguments in
snake_case:

| class | fields added |
|---|---|
| all states | `query_language` |
| Task | `result_selector`, `arguments`, `assign`, `output`, `credentials` |
| Pass, Wait, Choice | `assign`, `output` |
| Succeed | `output` |
| Fail | `error_path`, `cause_path` |
| Parallel | `result_selector`, `arguments`, `assign`, `output` |
| Map | the same but `arguments`; `item_processor` (a step or chain, inline or distributed by `processor_config`), `item_reader`, `item_selector`, `item_batcher`, `items`, `result_writer`, `label`, `max_concurrency_path`, `tolerated_failure_*` |
| Retry | `max_delay_seconds`, `jitter_strategy` |
| Catch | `assign`, `output`, `comment` |
| ChoiceRule | `ChoiceRule.Condition("{% … %}")`; `add_choice(rule, next, assign=…, output=…, comment=…)` |

`AwsSdkTask` calls any AWS API. `definition` renders a whole machine. Where the SDK is silent (a misspelt attribute, a
`next` that overwrites another, a second default, two states of one name) a `WorkflowError` speaks, naming
the state and the line that made it.

TrainingStep and its like (`sdk.SAGEMAKER_STEPS`) are imported from here too, and need the extra `sagemaker`.

Source: Amazon States Language, https://states-language.net, and the Step Functions developer guide.
"""  # noqa: E501 (a table)

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

from workflow.asl.sdk import (
    SAGEMAKER_STEPS,
    SDK,
    BaseRule,
    Block,
    ExecutionInput,
    FrozenGraph,
    Graph,
    IntegrationPattern,
    Placeholder,
    State,
    StepInput,
    sagemaker_step,
)
from workflow.errors import WorkflowError

__all__ = [
    "definition",
    "places",
    "reachable",
    "inside",
    # States
    "Pass",
    "Task",
    "Choice",
    "Wait",
    "Succeed",
    "Fail",
    "Parallel",
    "Map",
    "State",
    # What holds them together
    "Chain",
    "Retry",
    "Catch",
    "ChoiceRule",
    "Graph",
    "FrozenGraph",
    "ExecutionInput",
    "StepInput",
    "Placeholder",
    "IntegrationPattern",
    # Integrations
    "AwsSdkTask",
    "LambdaStep",
    "SnsPublishStep",
    "SqsSendMessageStep",
    "EventBridgePutEventsStep",
    "DynamoDBGetItemStep",
    "DynamoDBPutItemStep",
    "DynamoDBUpdateItemStep",
    "DynamoDBDeleteItemStep",
    "StepFunctionsStartExecutionStep",
    "GlueStartJobRunStep",
    "GlueDataBrewStartJobRunStep",
    "BatchSubmitJobStep",
    "EcsRunTaskStep",
    "EmrCreateClusterStep",
    "EmrTerminateClusterStep",
    "EmrAddStepStep",
    "EmrCancelStepStep",
    "EmrSetClusterTerminationProtectionStep",
    "EmrModifyInstanceFleetByNameStep",
    "EmrModifyInstanceGroupByNameStep",
    "EksCallStep",
    "EksRunJobStep",
    "EksCreateClusterStep",
    "EksDeleteClusterStep",
    "EksCreateFargateProfileStep",
    "EksDeleteFargateProfileStep",
    "EksCreateNodegroupStep",
    "EksDeleteNodegroupStep",
]


def definition(
    start: Any,
    *,
    comment: str | None = None,
    query_language: str | None = None,
    timeout_seconds: int | None = None,
) -> dict[str, Any]:
    """Render the machine that begins at a step or chain.

    Args:
        start: the first step, or a chain of steps; everything that it leads to is rendered.
        comment: what the machine is for, shown in the console.
        query_language: "JSONPath" (ASL's default) or "JSONata", for the states that do not say it.
        timeout_seconds: seconds after which an execution fails with States.Timeout.

    Returns:
        The ASL definition: plain JSON values, keys in a fixed order whatever the order of keyword arguments,
        states in the order of the SDK's own `Graph`. Resources say `arn:aws` wherever it is rendered.

    Raises:
        WorkflowError: two states have one name (ASL wants names unique across branches, too), a state is
            shared by two nested machines, a value is not JSON, or a placeholder stands where none can.
    """
    _expect_step(start, "definition")
    _expect_unique_names(start)
    machine: dict[str, Any] = {}
    if comment is not None:
        machine["Comment"] = comment
    if query_language is not None:
        machine["QueryLanguage"] = query_language
    if timeout_seconds is not None:
        machine["TimeoutSeconds"] = timeout_seconds
    token = _machine_language.set(query_language or "JSONPath")
    try:
        return machine | _machine(start)
    finally:
        _machine_language.reset(token)


def places(start: Any) -> dict[str, str]:
    """Say where the states of a machine were made.

    Returns:
        State name to "file:line", the file relative to the current folder if it lies in it. Plain SDK states,
        which do not know their place, are left out.
    """
    found = {}
    for state in _everything(start):
        place = vars(state).get("place")
        if place is not None:
            found[state.state_id] = _readable(place)
    return found


class AslField(Enum):
    """Fields of the Amazon States Language that the SDK's own `Field` lacks."""

    QueryLanguage = "query_language"
    Arguments = "arguments"
    Assign = "assign"
    Output = "output"
    ResultSelector = "result_selector"
    Credentials = "credentials"
    ErrorPath = "error_path"
    CausePath = "cause_path"
    MaxDelaySeconds = "max_delay_seconds"
    JitterStrategy = "jitter_strategy"
    Comment = "comment"
    ItemProcessor = "item_processor"
    ItemReader = "item_reader"
    ItemSelector = "item_selector"
    ItemBatcher = "item_batcher"
    Items = "items"
    ResultWriter = "result_writer"
    Label = "label"
    MaxConcurrencyPath = "max_concurrency_path"
    ToleratedFailureCount = "tolerated_failure_count"
    ToleratedFailureCountPath = "tolerated_failure_count_path"
    ToleratedFailurePercentage = "tolerated_failure_percentage"
    ToleratedFailurePercentagePath = "tolerated_failure_percentage_path"


class _Fields(Block):
    """What every block of ours has beyond the SDK's: the fields it lacks, and errors that name it."""

    lacking: tuple[AslField, ...] = ()
    place: tuple[str, int] | None = None

    def allowed_fields(self) -> list[Any]:
        return [*super().allowed_fields(), *self.lacking]

    def __getattr__(self, name: str) -> Any:
        # The SDK answers None to any name whatsoever, and recurses when copied (no `fields` yet).
        if name != "fields" and not name.startswith("__"):
            if name in self.fields:
                return self.fields[name]
            if self.is_field_allowed(name):
                return None
        raise AttributeError(f"{type(self).__name__} has no attribute or field {name!r}")

    def _expect_fields(self, names: Iterable[str], who: str) -> None:
        allowed = sorted(field.value for field in self.allowed_fields())
        for name in names:
            if name not in allowed:
                close = get_close_matches(name, allowed, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(allowed)}"
                raise WorkflowError(f"{who}: {type(self).__name__} has no field {name!r}; {hint}")


class Retry(_Fields, SDK.Retry):
    """The SDK's Retry, with `max_delay_seconds` and `jitter_strategy` ("FULL" or "NONE")."""

    lacking = (AslField.MaxDelaySeconds, AslField.JitterStrategy)

    def __init__(self, **kwargs: Any) -> None:
        self._expect_fields(kwargs, f"Retry at {_readable(_caller())}")
        super().__init__(**kwargs)


class Catch(_Fields, SDK.Catch):
    """The SDK's Catch, with `assign`, `output` (JSONata) and `comment`."""

    lacking = (AslField.Assign, AslField.Output, AslField.Comment)

    def __init__(self, next_step: Any, **kwargs: Any) -> None:
        who = f"Catch at {_readable(_caller())}"
        self._expect_fields(kwargs, who)
        _expect_step(next_step, who)
        super().__init__(next_step, **kwargs)


class _Step(_Fields, State):
    next_step: Any

    def __init__(self, state_id: str, *args: Any, **kwargs: Any) -> None:
        self.place = _caller()
        if not isinstance(state_id, str) or not state_id:
            who = f"{type(self).__name__} at {_readable(self.place)}"
            raise WorkflowError(f"{who}: a state's name must be a string, not {state_id!r}")
        self.state_id = state_id
        self._expect_fields(kwargs.keys() - {"output_schema"}, _who(self))
        try:
            super().__init__(state_id, *args, **kwargs)
        except ValueError as error:
            raise WorkflowError(f"{_who(self)}: {error}") from error

    def next(self, next_step: Any) -> Any:
        """Lead on to a step or chain, and return it. A Choice takes it as its default."""
        _expect_step(next_step, _who(self))
        if self.state_type in ("Succeed", "Fail"):
            raise WorkflowError(
                f"{_who(self)}: a {self.state_type} ends the machine, {next_step.state_id!r} cannot follow it"
            )
        if self.next_step is not None and _first(self.next_step) is not _first(next_step):
            raise WorkflowError(
                f"{_who(self)} leads to {self.next_step.state_id!r};"
                f" it cannot also lead to {next_step.state_id!r}"
            )
        if self.state_type == "Choice":
            self.default_choice(next_step)
        else:
            self.next_step = next_step
        return next_step

    def add_retry(self, retry: Any) -> None:
        """Add a Retry, or a list of these, after those that are there."""
        super().add_retry(self._expect_blocks(retry, SDK.Retry))

    def add_catch(self, catch: Any) -> None:
        """Add a Catch, or a list of these, after those that are there."""
        super().add_catch(self._expect_blocks(catch, SDK.Catch))

    def problem_in_map(self) -> str | None:
        """What is wrong with this state where it runs for each item of an inline Map; None if nothing is."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Render this state alone, as it stands in a definition's States."""
        return _plain_state(super().to_dict(), self)

    def _expect_blocks(self, blocks: Any, kind: Any) -> list[Any]:
        listed = list(blocks) if isinstance(blocks, list | tuple) else [blocks]
        for block in listed:
            if not isinstance(block, kind):
                raise WorkflowError(
                    f"{_who(self)}: expected a {kind.__name__} or a list of these, not {block!r}"
                )
        return listed


class Pass(_Step, SDK.Pass):
    """The SDK's Pass, with `assign`, `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Assign, AslField.Output)


class Wait(_Step, SDK.Wait):
    """The SDK's Wait, with `assign`, `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Assign, AslField.Output)


class Succeed(_Step, SDK.Succeed):
    """The SDK's Succeed, with `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Output)


class Fail(_Step, SDK.Fail):
    """The SDK's Fail, with `error_path`, `cause_path`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.ErrorPath, AslField.CausePath)


class Task(_Step, SDK.Task):
    """The SDK's Task, with `result_selector`, `arguments`, `assign`, `output`, `credentials`…"""

    lacking = (
        AslField.QueryLanguage,
        AslField.Arguments,
        AslField.ResultSelector,
        AslField.Assign,
        AslField.Output,
        AslField.Credentials,
    )


class Choice(_Step, SDK.Choice):
    """The SDK's Choice, with `assign`, `output`, `query_language`, and these in rules, too."""

    lacking = (AslField.QueryLanguage, AslField.Assign, AslField.Output)

    def add_choice(
        self, rule: Any, next_step: Any, *, assign: Any = None, output: Any = None, comment: str | None = None
    ) -> None:
        """Add a rule and what it leads to.

        Args:
            rule: made by `ChoiceRule`.
            next_step: step or chain to go to when the rule holds. The first rule that holds wins.
            assign: variables to set on this way.
            output: what the next step gets instead of the input (JSONata).
            comment: what the rule means, in words; the graph shows it.
        """
        if not isinstance(rule, BaseRule):
            raise WorkflowError(f"{_who(self)}: a rule comes from ChoiceRule, not {rule!r}")
        _expect_step(next_step, _who(self))
        extra = {"Comment": comment, "Assign": assign, "Output": output}
        extra = {name: value for name, value in extra.items() if value is not None}
        super().add_choice(_RuleWith(rule, extra) if extra else rule, next_step)

    def default_choice(self, next_step: Any) -> None:
        """Go to this step or chain when no rule holds."""
        _expect_step(next_step, _who(self))
        if self.default is not None and _first(self.default) is not _first(next_step):
            raise WorkflowError(
                f"{_who(self)} has the default {self.default.state_id!r}; {next_step.state_id!r} cannot be it"
                " as well (what follows a Choice in a chain becomes its default)"
            )
        super().default_choice(next_step)


class Parallel(_Step, SDK.Parallel):
    """The SDK's Parallel, with `result_selector`, `arguments`, `assign`, `output`, `query_language`."""

    lacking = (
        AslField.QueryLanguage,
        AslField.Arguments,
        AslField.ResultSelector,
        AslField.Assign,
        AslField.Output,
    )

    def add_branch(self, branch: Any) -> None:
        """Add a step or chain that runs beside the other branches."""
        _expect_step(branch, _who(self))
        super().add_branch(branch)

    def to_dict(self) -> dict[str, Any]:
        """Render this state and its branches."""
        if not self.branches:
            raise WorkflowError(f"{_who(self)}: a Parallel needs a branch (add_branch)")
        raw = State.to_dict(self)
        raw["Branches"] = [_machine(branch) for branch in self.branches]
        return _plain_state(raw, self)


class Map(_Step, SDK.Map):
    """The SDK's Map, and Distributed Map.

    Args:
        state_id: the state's name.
        item_processor: step or chain that runs for every item. (The SDK's `iterator` renders the old field.)
        processor_config: how: None for inline, or ASL's ProcessorConfig, such as
            {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}.
        kwargs: fields, `retry` and `catch`, as of all states.
    """

    lacking = (
        AslField.QueryLanguage,
        AslField.ItemProcessor,
        AslField.ItemReader,
        AslField.Items,
        AslField.ItemSelector,
        AslField.ItemBatcher,
        AslField.MaxConcurrencyPath,
        AslField.ToleratedFailureCount,
        AslField.ToleratedFailureCountPath,
        AslField.ToleratedFailurePercentage,
        AslField.ToleratedFailurePercentagePath,
        AslField.ResultSelector,
        AslField.ResultWriter,
        AslField.Label,
        AslField.Assign,
        AslField.Output,
    )

    def __init__(
        self,
        state_id: str,
        *,
        item_processor: Any = None,
        processor_config: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.item_processor = item_processor
        self.processor_config = processor_config
        super().__init__(state_id, **kwargs)
        if item_processor is not None:
            _expect_step(item_processor, _who(self))

    def to_dict(self) -> dict[str, Any]:
        """Render this state and the machine that runs for every item."""
        raw = State.to_dict(self)
        # Each item of a distributed Map has an execution of its own.
        if (self.processor_config or {}).get("Mode") != "DISTRIBUTED":
            for state in inside(self):
                if isinstance(state, _Step) and (problem := state.problem_in_map()):
                    raise WorkflowError(f"{_who(state)}: {problem}")
        if self.item_processor is not None:
            config = {"ProcessorConfig": dict(self.processor_config)} if self.processor_config else {}
            raw["ItemProcessor"] = config | _machine(self.item_processor)
        elif self.iterator is not None:
            raw["Iterator"] = _machine(self.iterator)
        else:
            raise WorkflowError(f"{_who(self)}: a Map needs item_processor, what to do with every item")
        return _plain_state(raw, self)


class Chain(SDK.Chain):
    """The SDK's Chain: steps, and chains of steps, one after the other."""

    def __init__(self, steps: Iterable[Any] = ()) -> None:
        steps = list(steps)
        who = f"Chain at {_readable(_caller())}"
        for step in steps:
            _expect_step(step, who)
        states = [state for step in steps for state in (step if isinstance(step, SDK.Chain) else [step])]
        for state in states:
            if states.count(state) > 1:
                raise WorkflowError(f"{who}: {_who(state)} is in it twice; each state can stand only once")
        super().__init__(steps)

    def append(self, step: Any) -> None:
        """Add a step at the end."""
        who = f"Chain at {_readable(_caller())}"
        _expect_step(step, who)
        if step in self.steps:
            raise WorkflowError(f"{who}: {_who(step)} is in it already; each state can stand only once")
        super().append(step)


class ChoiceRule(SDK.ChoiceRule):
    """The SDK's factory of rules, with JSONata conditions."""

    @classmethod
    def Condition(cls, expression: str) -> Any:  # noqa: N802 (named as its kin, after ASL)
        """Make a rule that holds when a JSONata expression, "{% … %}", is true."""
        if not isinstance(expression, str) or not re.fullmatch(r"\{%.*%\}", expression, re.DOTALL):
            raise WorkflowError(f"a condition is a JSONata expression in {{% … %}}, not {expression!r}")
        return _Condition(expression)


class _Condition(BaseRule):
    def __init__(self, expression: str) -> None:
        self.expression = expression

    def to_dict(self) -> dict[str, Any]:
        return {"Condition": self.expression}


class _RuleWith(BaseRule):
    def __init__(self, rule: Any, extra: dict[str, Any]) -> None:
        self.rule = rule
        self.extra = extra

    def to_dict(self) -> dict[str, Any]:
        return {**self.rule.to_dict(), **self.extra}


class _Integration(Task):
    """A task whose resource follows from its class."""

    def __new__(cls, *_: Any, **kwargs: Any) -> Any:
        if "resource" in kwargs:  # The SDK would overwrite it and say nothing.
            who = f"{cls.__name__} at {_readable(_caller())}"
            raise WorkflowError(f"{who}: its resource is given by its class; use Task for another")
        return super().__new__(cls)


class AwsSdkTask(_Integration):
    """Calls any action of any AWS service: an AWS SDK integration.

    Args:
        state_id: the state's name.
        service: the service as Step Functions writes it, such as "sagemakera2iruntime", "textract", "s3".
        action: the API action in camelCase, such as "startHumanLoop".
        wait_for_callback: wait until somebody returns the task token (`$$.Task.Token`).
        kwargs: `parameters` (or `arguments` with JSONata), `retry`, `catch` and the fields of every task.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    """

    def __init__(
        self, state_id: str, *, service: str, action: str, wait_for_callback: bool = False, **kwargs: Any
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]+", service):
            raise WorkflowError(
                f"state {state_id!r}: a service is written in small letters, such as 'sagemakera2iruntime',"
                f" not {service!r}"
            )
        if not re.fullmatch(r"[a-z][A-Za-z0-9]*", action):
            raise WorkflowError(
                f"state {state_id!r}: an action is written in camelCase, such as 'startHumanLoop',"
                f" not {action!r}"
            )
        callback = ".waitForTaskToken" if wait_for_callback else ""
        super().__init__(state_id, **kwargs)
        self.fields["resource"] = f"arn:aws:states:::aws-sdk:{service}:{action}{callback}"


class LambdaStep(SDK.LambdaStep, _Integration):
    """Invokes a Lambda function; `wait_for_callback` waits for its task token."""


class SnsPublishStep(SDK.SnsPublishStep, _Integration):
    """Publishes to an SNS topic."""


class SqsSendMessageStep(SDK.SqsSendMessageStep, _Integration):
    """Sends a message to an SQS queue."""


class EventBridgePutEventsStep(SDK.EventBridgePutEventsStep, _Integration):
    """Puts events on an EventBridge bus."""


class DynamoDBGetItemStep(SDK.DynamoDBGetItemStep, _Integration):
    """Reads one item."""


class DynamoDBPutItemStep(SDK.DynamoDBPutItemStep, _Integration):
    """Writes one item."""


class DynamoDBUpdateItemStep(SDK.DynamoDBUpdateItemStep, _Integration):
    """Changes one item."""


class DynamoDBDeleteItemStep(SDK.DynamoDBDeleteItemStep, _Integration):
    """Deletes one item."""


class StepFunctionsStartExecutionStep(SDK.StepFunctionsStartExecutionStep, _Integration):
    """Starts another state machine, and waits for its end unless `integration_pattern` says otherwise."""


class GlueStartJobRunStep(SDK.GlueStartJobRunStep, _Integration):
    """Runs a Glue job."""


class GlueDataBrewStartJobRunStep(SDK.GlueDataBrewStartJobRunStep, _Integration):
    """Runs a DataBrew job."""


class BatchSubmitJobStep(SDK.BatchSubmitJobStep, _Integration):
    """Runs a Batch job."""


class EcsRunTaskStep(SDK.EcsRunTaskStep, _Integration):
    """Runs an ECS or Fargate task."""


class EmrCreateClusterStep(SDK.EmrCreateClusterStep, _Integration):
    """Creates an EMR cluster."""


class EmrTerminateClusterStep(SDK.EmrTerminateClusterStep, _Integration):
    """Ends an EMR cluster."""


class EmrAddStepStep(SDK.EmrAddStepStep, _Integration):
    """Adds a step to an EMR cluster."""


class EmrCancelStepStep(SDK.EmrCancelStepStep, _Integration):
    """Cancels a step of an EMR cluster."""


class EmrSetClusterTerminationProtectionStep(SDK.EmrSetClusterTerminationProtectionStep, _Integration):
    """Protects an EMR cluster from being ended, or lifts the protection."""


class EmrModifyInstanceFleetByNameStep(SDK.EmrModifyInstanceFleetByNameStep, _Integration):
    """Changes an instance fleet of an EMR cluster."""


class EmrModifyInstanceGroupByNameStep(SDK.EmrModifyInstanceGroupByNameStep, _Integration):
    """Changes an instance group of an EMR cluster."""


class EksCallStep(SDK.EksCallStep, _Integration):
    """Calls the Kubernetes API of an EKS cluster."""


class EksRunJobStep(SDK.EksRunJobStep, _Integration):
    """Runs a Kubernetes job on an EKS cluster."""


class EksCreateClusterStep(SDK.EksCreateClusterStep, _Integration):
    """Creates an EKS cluster."""


class EksDeleteClusterStep(SDK.EksDeleteClusterStep, _Integration):
    """Deletes an EKS cluster."""


class EksCreateFargateProfileStep(SDK.EksCreateFargateProfileStep, _Integration):
    """Creates a Fargate profile."""


class EksDeleteFargateProfileStep(SDK.EksDeleteFargateProfileStep, _Integration):
    """Deletes a Fargate profile."""


class EksCreateNodegroupStep(SDK.EksCreateNodegroupStep, _Integration):
    """Creates a node group."""


class EksDeleteNodegroupStep(SDK.EksDeleteNodegroupStep, _Integration):
    """Deletes a node group."""


def __getattr__(name: str) -> Any:
    if name not in SAGEMAKER_STEPS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    plain = sagemaker_step(name)
    globals()[name] = step = type(
        name, (plain, _Integration), {"__module__": __name__, "__doc__": plain.__doc__}
    )
    return step


# How a machine is rendered. The SDK's `Graph` renders nested branches several times over, recurses along the
# chain, and keeps one of two states that share a name.

_machine_language: ContextVar[str] = ContextVar(
    "query language of the machine being rendered", default="JSONPath"
)

_READING_ORDER = {
    name: position
    for position, name in enumerate(
        """
        Type Comment QueryLanguage Resource Credentials InputPath Parameters Arguments ItemReader ItemsPath
        Items ItemSelector ItemBatcher MaxConcurrency MaxConcurrencyPath ToleratedFailureCount
        ToleratedFailureCountPath ToleratedFailurePercentage ToleratedFailurePercentagePath Label Seconds
        SecondsPath Timestamp TimestampPath Error ErrorPath Cause CausePath Result ResultSelector ResultPath
        OutputPath Assign Output TimeoutSeconds TimeoutSecondsPath HeartbeatSeconds HeartbeatSecondsPath
        Choices Default Branches ItemProcessor Iterator ResultWriter Next End Retry Catch
        """.split()  # noqa: SIM905 (a list of fifty lines is no easier to read)
    )
}
_NESTED_MACHINES = ("Branches", "ItemProcessor", "Iterator")
_PATH_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "BatchInput")
_EXPRESSIONS = ("Arguments", "Output", "Items")


def _machine(start: Any) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for state in reachable(start):
        _expect_placeholders_of_the_step_before(state)
        rendered = state.to_dict()
        states[state.state_id] = rendered if isinstance(state, _Step) else _plain_state(rendered, state)
    return {"StartAt": _first(start).state_id, "States": states}


def _plain_state(raw: dict[str, Any], state: Any) -> dict[str, Any]:
    """Give a state's fields their order, and make placeholders ASL."""
    language = raw.get("QueryLanguage", _machine_language.get())

    def error(path: str, message: str) -> WorkflowError:
        return WorkflowError(f"{_who(state)}, {path}: {message}")

    return {
        name: value
        for name in sorted(raw, key=lambda name: (_READING_ORDER.get(name, len(_READING_ORDER)), name))
        for name, value in _plain_item(name, raw[name], None, language, name, error)
    }


def _plain_item(
    name: Any,
    value: Any,
    template: str | None,
    language: str,
    path: str,
    error: Callable[[str, str], WorkflowError],
) -> Iterator[tuple[str, Any]]:
    if not isinstance(name, str):
        raise error(path, f"a key must be a string, not {name!r}")
    inside = template
    if template is None and name in _NESTED_MACHINES:
        yield name, value  # rendered before
        return
    if template is None:
        inside = (
            "JSONPath"
            if name in _PATH_TEMPLATES
            else "JSONata"
            if name in _EXPRESSIONS
            else language
            if name == "Assign"
            else None
        )
    if isinstance(value, Placeholder):
        if inside == "JSONata":
            yield name, _jsonata(value)
        elif template == "JSONPath":
            yield f"{name}.$", value.to_jsonpath()
        elif template is None and (name.endswith("Path") or name == "Variable"):
            yield name, value.to_jsonpath()
        else:
            raise error(
                path, "a placeholder cannot be all of it; put it into one of its fields, or use a path"
            )
    else:
        yield name, _plain_value(value, inside, language, path, error)


def _plain_value(
    value: Any, template: str | None, language: str, path: str, error: Callable[[str, str], WorkflowError]
) -> Any:
    if isinstance(value, Mapping):
        return {
            name: plain
            for key, item in value.items()
            for name, plain in _plain_item(key, item, template, language, f"{path}.{key}", error)
        }
    if isinstance(value, list | tuple):
        return [_plain_value(item, template, language, f"{path}[{n}]", error) for n, item in enumerate(value)]
    if isinstance(value, Placeholder):
        if template == "JSONata":
            return _jsonata(value)
        raise error(path, "a placeholder cannot stand in a list; name a field for it, or use States.Array(…)")
    if (
        value is None
        or isinstance(value, str | bool | int)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    raise error(path, f"{value!r} is not JSON")


def _jsonata(placeholder: Any) -> str:
    root = "$states.context.Execution.Input" if isinstance(placeholder, ExecutionInput) else "$states.input"
    steps = (
        f"[{name}]" if isinstance(name, int) else f".{name}" if name.isidentifier() else f".`{name}`"
        for name in placeholder._get_path()
    )
    return f"{{% {root}{''.join(steps)} %}}"


def _expect_placeholders_of_the_step_before(state: Any) -> None:
    """Refuse, as the SDK does, a placeholder for the output of a step that is not the one before."""
    if state.next_step is None:
        return
    following = _first(state.next_step)
    for field in ("parameters", "arguments"):
        template = following.fields.get(field)
        for placeholder in _step_inputs(template):
            if placeholder is not state.step_output and not state.step_output.contains(placeholder):
                path = placeholder.to_jsonpath()
                raise WorkflowError(
                    f"{_who(following)}: the placeholder {path} in {field} is not for the output of"
                    f" {state.state_id!r}, the step before it; write the path itself"
                )


def _step_inputs(template: Any) -> Iterator[Any]:
    if isinstance(template, StepInput):
        yield template
    elif isinstance(template, Mapping | list):
        for value in template.values() if isinstance(template, Mapping) else template:
            yield from _step_inputs(value)


def reachable(start: Any) -> Iterator[Any]:
    """Yield the states that a step or chain leads to, and itself: of one machine, those nested in it left out.

    They come in the order of the SDK's Graph.
    """
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        step = waiting.pop()
        if isinstance(step, SDK.Chain):
            waiting.extend(reversed(step.steps))
        elif id(step) not in seen:
            _expect_step(step, "definition")
            seen.add(id(step))
            yield step
            waiting.extend(reversed(list(_following(step))))


def _following(state: Any) -> Iterator[Any]:
    if isinstance(state, SDK.Choice):
        if state.default is not None:
            yield state.default
        for _, next_step in state.choices:
            yield next_step
    else:
        if state.next_step is not None:
            yield state.next_step
        for catch in state.catches:
            yield catch.next_step


def _everything(start: Any) -> Iterator[Any]:
    """Yield all states, nested ones after the state that holds them. A state in two machines comes twice."""
    for state in reachable(start):
        yield state
        for nested in _nested(state):
            yield from _everything(nested)


def inside(state: Any) -> Iterator[Any]:
    """Yield the states of the machines that are nested in a Parallel or Map; none of any other state."""
    for nested in _nested(state):
        yield from _everything(nested)


def _nested(state: Any) -> list[Any]:
    if isinstance(state, SDK.Parallel):
        return list(state.branches)
    if isinstance(state, SDK.Map):
        processor = vars(state).get("item_processor") or state.iterator
        return [processor] if processor is not None else []
    return []


def _expect_unique_names(start: Any) -> None:
    known: dict[str, Any] = {}
    for state in _everything(start):
        other = known.setdefault(state.state_id, state)
        if other is not state:
            raise WorkflowError(
                f"two states have the name {state.state_id!r}{_made_at(other, state)}; names are unique in a"
                " whole machine, branches included"
            )
    counted: dict[int, int] = {}
    for state in _everything(start):
        counted[id(state)] = counted.get(id(state), 0) + 1
        if counted[id(state)] > 1:
            raise WorkflowError(
                f"{_who(state)} belongs to two machines: no transition leads into, out of, or between the"
                " branches of a Parallel or Map; make it once for each, with its own name"
            )


def _made_at(*states: Any) -> str:
    made = [_readable(state.place) for state in states if vars(state).get("place")]
    return f" ({', '.join(made)})" if made else ""


def _expect_step(step: Any, who: str) -> None:
    if isinstance(step, SDK.Chain):
        if not step.steps:
            raise WorkflowError(f"{who}: a chain in it is empty")
    elif not isinstance(step, State):
        raise WorkflowError(f"{who}: expected a step or a Chain, not {step!r}")


def _first(step: Any) -> Any:
    return step.steps[0] if isinstance(step, SDK.Chain) else step


def _who(state: Any) -> str:
    place = vars(state).get("place")
    return f"state {state.state_id!r}" + (f" ({_readable(place)})" if place else "")


_SDK_FOLDER = str(Path(SDK.__spec__.origin).parent.parent) + os.sep


def _caller() -> tuple[str, int]:
    """Find the first line outside this module, the SDK and the constructors of subclasses: who made a step."""
    frame = sys._getframe(1)
    own = frame.f_code.co_filename
    while frame.f_back and (
        frame.f_code.co_filename == own
        or frame.f_code.co_filename.startswith(_SDK_FOLDER)
        or (frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), Block))
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _readable(place: tuple[str, int]) -> str:
    file, line = place
    path = Path(file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"
