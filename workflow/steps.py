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

import re
from collections.abc import Iterable, Mapping
from typing import Any

from workflow.asl.blocks import AslField, Fields, Step
from workflow.asl.origin import caller, name_of, places, readable
from workflow.asl.plain import plain_state
from workflow.asl.reach import expect_step, first, inside, reachable
from workflow.asl.rendering import definition, machine_of
from workflow.asl.sdk import (
    SAGEMAKER_STEPS,
    SDK,
    BaseRule,
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


class Retry(Fields, SDK.Retry):
    """The SDK's Retry, with `max_delay_seconds` and `jitter_strategy` ("FULL" or "NONE")."""

    lacking = (AslField.MaxDelaySeconds, AslField.JitterStrategy)

    def __init__(self, **kwargs: Any) -> None:
        self._expect_fields(kwargs, f"Retry at {readable(caller())}")
        super().__init__(**kwargs)


class Catch(Fields, SDK.Catch):
    """The SDK's Catch, with `assign`, `output` (JSONata) and `comment`."""

    lacking = (AslField.Assign, AslField.Output, AslField.Comment)

    def __init__(self, next_step: Any, **kwargs: Any) -> None:
        who = f"Catch at {readable(caller())}"
        self._expect_fields(kwargs, who)
        expect_step(next_step, who)
        super().__init__(next_step, **kwargs)


class Pass(Step, SDK.Pass):
    """The SDK's Pass, with `assign`, `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Assign, AslField.Output)


class Wait(Step, SDK.Wait):
    """The SDK's Wait, with `assign`, `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Assign, AslField.Output)


class Succeed(Step, SDK.Succeed):
    """The SDK's Succeed, with `output`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.Output)


class Fail(Step, SDK.Fail):
    """The SDK's Fail, with `error_path`, `cause_path`, `query_language`."""

    lacking = (AslField.QueryLanguage, AslField.ErrorPath, AslField.CausePath)


class Task(Step, SDK.Task):
    """The SDK's Task, with `result_selector`, `arguments`, `assign`, `output`, `credentials`…"""

    lacking = (
        AslField.QueryLanguage,
        AslField.Arguments,
        AslField.ResultSelector,
        AslField.Assign,
        AslField.Output,
        AslField.Credentials,
    )


class Choice(Step, SDK.Choice):
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
            raise WorkflowError(f"{name_of(self)}: a rule comes from ChoiceRule, not {rule!r}")
        expect_step(next_step, name_of(self))
        extra = {"Comment": comment, "Assign": assign, "Output": output}
        extra = {name: value for name, value in extra.items() if value is not None}
        super().add_choice(_RuleWith(rule, extra) if extra else rule, next_step)

    def default_choice(self, next_step: Any) -> None:
        """Go to this step or chain when no rule holds."""
        expect_step(next_step, name_of(self))
        if self.default is not None and first(self.default) is not first(next_step):
            raise WorkflowError(
                f"{name_of(self)} has the default {self.default.state_id!r}; {next_step.state_id!r} cannot be it"
                " as well (what follows a Choice in a chain becomes its default)"
            )
        super().default_choice(next_step)


class Parallel(Step, SDK.Parallel):
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
        expect_step(branch, name_of(self))
        super().add_branch(branch)

    def to_dict(self) -> dict[str, Any]:
        """Render this state and its branches."""
        if not self.branches:
            raise WorkflowError(f"{name_of(self)}: a Parallel needs a branch (add_branch)")
        raw = State.to_dict(self)
        raw["Branches"] = [machine_of(branch) for branch in self.branches]
        return plain_state(raw, self)


class Map(Step, SDK.Map):
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
            expect_step(item_processor, name_of(self))

    def to_dict(self) -> dict[str, Any]:
        """Render this state and the machine that runs for every item."""
        raw = State.to_dict(self)
        # Each item of a distributed Map has an execution of its own.
        if (self.processor_config or {}).get("Mode") != "DISTRIBUTED":
            for state in inside(self):
                if isinstance(state, Step) and (problem := state.problem_in_map()):
                    raise WorkflowError(f"{name_of(state)}: {problem}")
        if self.item_processor is not None:
            config = {"ProcessorConfig": dict(self.processor_config)} if self.processor_config else {}
            raw["ItemProcessor"] = config | machine_of(self.item_processor)
        elif self.iterator is not None:
            raw["Iterator"] = machine_of(self.iterator)
        else:
            raise WorkflowError(f"{name_of(self)}: a Map needs item_processor, what to do with every item")
        return plain_state(raw, self)


class Chain(SDK.Chain):
    """The SDK's Chain: steps, and chains of steps, one after the other."""

    def __init__(self, steps: Iterable[Any] = ()) -> None:
        steps = list(steps)
        who = f"Chain at {readable(caller())}"
        for step in steps:
            expect_step(step, who)
        states = [state for step in steps for state in (step if isinstance(step, SDK.Chain) else [step])]
        for state in states:
            if states.count(state) > 1:
                raise WorkflowError(f"{who}: {name_of(state)} is in it twice; each state can stand only once")
        super().__init__(steps)

    def append(self, step: Any) -> None:
        """Add a step at the end."""
        who = f"Chain at {readable(caller())}"
        expect_step(step, who)
        if step in self.steps:
            raise WorkflowError(f"{who}: {name_of(step)} is in it already; each state can stand only once")
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
            who = f"{cls.__name__} at {readable(caller())}"
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


# Written out, not made from a table of names: type checkers and editors take only classes for types and for bases.


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
