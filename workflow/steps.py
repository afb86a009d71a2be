"""The classes of the `stepfunctions` SDK, with the fields that ASL has gained since its last release.

Import every step from here; no other module imports the SDK. The classes are subclasses of the SDK's own: `isinstance`
works, the SDK's documentation applies, and plain SDK classes fit into the same chain. They accept additional fields as
keyword arguments in snake_case:

| class | added fields |
|---|---|
| all states | `query_language` |
| Task | `result_selector`, `arguments`, `assign`, `output`, `credentials` |
| Pass, Wait, Choice | `assign`, `output` |
| Succeed | `output` |
| Fail | `error_path`, `cause_path` |
| Parallel | `result_selector`, `arguments`, `assign`, `output` |
| Map | the same except `arguments`; `item_processor` (a step or chain, inline or distributed by `processor_config`), `item_reader`, `item_selector`, `item_batcher`, `items`, `result_writer`, `label`, `max_concurrency_path`, `tolerated_failure_*` |
| Retry | `max_delay_seconds`, `jitter_strategy` |
| Catch | `assign`, `output`, `comment` |
| ChoiceRule | `ChoiceRule.Condition("{% … %}")`; `add_choice(rule, next, assign=…, output=…, comment=…)` |

`AwsSdkTask` calls any AWS API. `definition` renders a whole machine. Where the SDK ignores a mistake (a misspelled
attribute, a `next` that overwrites another, a second default, two states with one name), a `WorkflowError` names the
state and the line that made it. docs/reference/steps.md lists all of them. Existing code needs only `workflow.steps`
for `stepfunctions.steps` in its imports.

The SDK's steps for other services (`BatchSubmitJobStep`, `EcsRunTaskStep`, …) can be imported from here too.
TrainingStep and the other steps of `sdk.SAGEMAKER_STEPS` also need the extra `sagemaker`.

Source: Amazon States Language, https://states-language.net, and the Step Functions developer guide.
"""  # noqa: E501 (a table)

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Self

from workflow.asl.blocks import Fields, Step
from workflow.asl.origin import caller, name_of, places, readable
from workflow.asl.reach import expect_step, inside, reachable
from workflow.asl.rendering import definition, machine_of
from workflow.asl.sdk import (
    SDK,
    BaseRule,
    DuplicateStates,
    ExecutionInput,
    FrozenGraph,
    Graph,
    IntegrationPattern,
    Placeholder,
    State,
    StepInput,
    names_of_steps,
)
from workflow.asl.submodules import add_submodules
from workflow.errors import StepTypeError, WorkflowError

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
    # What connects them
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
    "THIS_STEP",
]

THIS_STEP = {
    "execution.$": "$$.Execution.Id",
    "state.$": "$$.State.Name",
    "retryCount.$": "$$.State.RetryCount",
}
"""The value of the key `step` in a function's payload, for the decorator `lambdas.aws.step.logs_step`."""


class Retry(Fields, SDK.Retry):
    """The SDK's Retry, with `max_delay_seconds` and `jitter_strategy` ("FULL" or "NONE")."""

    added_fields = ("max_delay_seconds", "jitter_strategy")

    def __init__(self, **kwargs: Any) -> None:
        self._expect_fields(kwargs, f"Retry at {readable(caller())}")
        super().__init__(**kwargs)


class Catch(Fields, SDK.Catch):
    """The SDK's Catch, with `assign`, `output` (JSONata) and `comment`."""

    added_fields = ("assign", "output", "comment")

    def __init__(self, next_step: Any, **kwargs: Any) -> None:
        who = f"Catch at {readable(caller())}"
        self._expect_fields(kwargs, who)
        expect_step(next_step, who)
        super().__init__(next_step, **kwargs)


class Pass(Step, SDK.Pass):
    """The SDK's Pass, with `assign`, `output`, `query_language`."""

    added_fields = ("query_language", "assign", "output")


class Wait(Step, SDK.Wait):
    """The SDK's Wait, with `assign`, `output`, `query_language`."""

    added_fields = ("query_language", "assign", "output")


class Succeed(Step, SDK.Succeed):
    """The SDK's Succeed, with `output`, `query_language`."""

    added_fields = ("query_language", "output")


class Fail(Step, SDK.Fail):
    """The SDK's Fail, with `error_path`, `cause_path`, `query_language`."""

    added_fields = ("query_language", "error_path", "cause_path")


class Task(Step, SDK.Task):
    """The SDK's Task, with `result_selector`, `arguments`, `assign`, `output`, `credentials`…"""

    added_fields = ("query_language", "arguments", "result_selector", "assign", "output", "credentials")


class Choice(Step, SDK.Choice):
    """The SDK's Choice, with `assign`, `output`, `query_language`; rules have `assign`, `output` and `comment` too."""

    added_fields = ("query_language", "assign", "output")

    def add_choice(
        self, rule: Any, next_step: Any, *, assign: Any = None, output: Any = None, comment: str | None = None
    ) -> None:
        """Adds a rule.

        Args:
            rule: A rule from `ChoiceRule`.
            next_step: The step or chain to go to if this is the first rule that matches.
            assign: Variables to set if the rule matches.
            output: The input of the next step, instead of the Choice's own input (JSONata).
            comment: The meaning of the rule, shown in the graph.
        """
        if not isinstance(rule, BaseRule):
            shown = f"the state {rule.state_id!r}" if isinstance(rule, State) else repr(rule)
            raise WorkflowError(
                f"{name_of(self)}: add_choice takes a rule from ChoiceRule, and then the next step, not {shown}"
            )
        expect_step(next_step, name_of(self))
        extra = {"Comment": comment, "Assign": assign, "Output": output}
        extra = {name: value for name, value in extra.items() if value is not None}
        super().add_choice(_RuleWith(rule, extra) if extra else rule, next_step)

    def default_choice(self, next_step: Any) -> None:
        """Sets the step or chain to go to if no rule matches."""
        expect_step(next_step, name_of(self))
        if self._would_lose(self.default, next_step):
            raise WorkflowError(
                f"{name_of(self)} already has the default {self.default.state_id!r}; remove one of the two:"
                f" {next_step.state_id!r} cannot be its default too (the step after a Choice in a chain is its default)"
            )
        super().default_choice(next_step)
        self.is_rendered = False


class Parallel(Step, SDK.Parallel):
    """The SDK's Parallel, with `result_selector`, `arguments`, `assign`, `output`, `query_language`."""

    added_fields = ("query_language", "arguments", "result_selector", "assign", "output")

    def add_branch(self, branch: Any) -> None:
        """Adds a step or chain that runs in parallel with the other branches."""
        expect_step(branch, name_of(self))
        super().add_branch(branch)

    def to_dict(self) -> dict[str, Any]:
        """This state and its branches in Amazon States Language."""
        raw = State.to_dict(self)
        raw["Branches"] = [machine_of(branch) for branch in self.branches]
        return self._rendered(raw)


class Map(Step, SDK.Map):
    """The SDK's Map, and Distributed Map.

    Args:
        state_id: The state's name.
        item_processor: The step or chain that runs for every item. (The SDK's `iterator` renders the older field.)
        processor_config: ASL's ProcessorConfig, such as {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}; None for
            an inline Map.
        kwargs: Fields, `retry` and `catch`, as for all states.
    """

    added_fields = (
        "query_language",
        "item_processor",
        "item_reader",
        "items",
        "item_selector",
        "item_batcher",
        "max_concurrency_path",
        "tolerated_failure_count",
        "tolerated_failure_count_path",
        "tolerated_failure_percentage",
        "tolerated_failure_percentage_path",
        "result_selector",
        "result_writer",
        "label",
        "assign",
        "output",
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
        """This state and its item processor in Amazon States Language."""
        raw = State.to_dict(self)
        # In a distributed Map, each item has its own execution, which distinguishes the items.
        if (self.processor_config or {}).get("Mode") != "DISTRIBUTED":
            for state in inside(self):
                if isinstance(state, Step) and (problem := state.problem_in_map()):
                    raise WorkflowError(f"{name_of(state)}: {problem}")
        if self.item_processor is not None and self.iterator is not None:
            raise WorkflowError(f"{name_of(self)}: a Map has an item_processor or an iterator, not both")
        if self.item_processor is not None:
            config = {"ProcessorConfig": dict(self.processor_config)} if self.processor_config else {}
            raw["ItemProcessor"] = config | machine_of(self.item_processor)
        elif self.iterator is not None:
            raw["Iterator"] = machine_of(self.iterator)
        else:
            raise WorkflowError(
                f"{name_of(self)}: a Map needs item_processor, the step or chain for every item"
            )
        return self._rendered(raw)


class Chain(SDK.Chain):
    """The SDK's Chain: steps and chains, one after the other."""

    def __init__(self, steps: Iterable[Any] = ()) -> None:
        who = f"Chain at {readable(caller())}"
        if isinstance(steps, State | str) or not isinstance(steps, Iterable):
            raise StepTypeError(f"{who}: expected a list of steps, not {steps!r}")
        steps = list(steps)
        for step in steps:
            expect_step(step, who)
        states = [state for step in steps for state in (step if isinstance(step, SDK.Chain) else [step])]
        for state in states:
            if states.count(state) > 1:
                raise DuplicateStates(f"{who}: {name_of(state)} appears twice; use each state only once")
        super().__init__(steps)

    def append(self, step: Any) -> None:
        """Adds a step at the end."""
        who = f"Chain at {readable(caller())}"
        expect_step(step, who)
        if step in self.steps:
            raise DuplicateStates(f"{who}: {name_of(step)} is already in the chain; use each state only once")
        super().append(step)


class ChoiceRule(SDK.ChoiceRule):
    """The SDK's factory of rules, with JSONata conditions."""

    @classmethod
    def Condition(cls, expression: str) -> Any:  # noqa: N802 (the SDK names rules as ASL does)
        """A rule that matches if a JSONata expression, "{% … %}", is true."""
        if not isinstance(expression, str) or not re.fullmatch(r"\{%.*%\}", expression, re.DOTALL):
            raise WorkflowError(
                f"{readable(caller())}: a condition must be a JSONata expression in {{% … %}}, not {expression!r}"
            )
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
    """A task whose class determines its resource."""

    def __new__(cls, *_: Any, **kwargs: Any) -> Self:
        if "resource" in kwargs:  # The SDK would overwrite it silently.
            who = f"{cls.__name__} at {readable(caller())}"
            raise WorkflowError(
                f"{who}: the class sets the resource; remove it, or use Task for another resource"
            )
        step: Self = super().__new__(cls)
        return step


class AwsSdkTask(_Integration):
    """Calls any action of any AWS service: an AWS SDK integration.

    Args:
        state_id: The state's name.
        service: The service as Step Functions writes it, such as "sagemakera2iruntime", "textract", "s3".
        action: The API action in camelCase, such as "startHumanLoop".
        wait_for_callback: Whether to wait until the task token (`$$.Task.Token`) is returned.
        kwargs: `parameters` (or `arguments` with JSONata), `retry`, `catch` and the fields of every Task.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    """

    def __init__(
        self, state_id: str, *, service: str, action: str, wait_for_callback: bool = False, **kwargs: Any
    ) -> None:
        if not re.fullmatch(r"[a-z0-9]+", service):
            raise WorkflowError(
                f"state {state_id!r} ({readable(caller())}): invalid service {service!r}; use lowercase letters and"
                f" digits, such as {re.sub('[^a-z0-9]', '', service.lower()) or 'sagemakera2iruntime'!r}"
            )
        if not re.fullmatch(r"[a-z][A-Za-z0-9]*", action):
            raise WorkflowError(
                f"state {state_id!r} ({readable(caller())}): invalid action {action!r}; use camelCase, such as"
                f" {_camel_case(action) or 'startHumanLoop'!r}"
            )
        callback = ".waitForTaskToken" if wait_for_callback else ""
        super().__init__(state_id, **kwargs)
        self.fields["resource"] = f"arn:aws:states:::aws-sdk:{service}:{action}{callback}"


def _camel_case(name: str) -> str:
    """A name as Step Functions writes actions: getObject for get_object and GetObject."""
    words = re.findall("[A-Za-z0-9]+", name)
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined[:1].lower() + joined[1:]


# The steps that review workflows use are written out: type checkers and editors do not see classes made by `type()`.


class LambdaStep(SDK.LambdaStep, _Integration):
    """Invokes a Lambda function; `wait_for_callback` waits for its task token."""


class SnsPublishStep(SDK.SnsPublishStep, _Integration):
    """Publishes to an SNS topic."""


class SqsSendMessageStep(SDK.SqsSendMessageStep, _Integration):
    """Sends a message to an SQS queue."""


class EventBridgePutEventsStep(SDK.EventBridgePutEventsStep, _Integration):
    """Puts events on an EventBridge bus."""


class DynamoDBGetItemStep(SDK.DynamoDBGetItemStep, _Integration):
    """Reads an item."""


class DynamoDBPutItemStep(SDK.DynamoDBPutItemStep, _Integration):
    """Writes an item."""


class DynamoDBUpdateItemStep(SDK.DynamoDBUpdateItemStep, _Integration):
    """Updates an item."""


class DynamoDBDeleteItemStep(SDK.DynamoDBDeleteItemStep, _Integration):
    """Deletes an item."""


class StepFunctionsStartExecutionStep(SDK.StepFunctionsStartExecutionStep, _Integration):
    """Starts another state machine. `integration_pattern` says whether to wait for its end, as it does by default."""


class GlueStartJobRunStep(SDK.GlueStartJobRunStep, _Integration):
    """Runs a Glue job."""


add_submodules(sys.modules[__name__])
# `import *` brings what the SDK's brings. `__getattr__` makes the other steps.
__all__ += sorted({*names_of_steps()} - {*__all__})


def __getattr__(name: str) -> Any:
    """The SDK's other steps: Batch, ECS, EMR, EKS, DataBrew, and with `sagemaker` also TrainingStep and others."""
    plain = getattr(SDK, name, None)
    if not isinstance(plain, type) or not issubclass(plain, SDK.Task):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = step = type(
        name, (plain, _Integration), {"__module__": __name__, "__doc__": plain.__doc__}
    )
    return step
