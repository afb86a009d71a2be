"""A step for your own workflows: it starts a human loop, waits for people, and continues with their answers.

    ask = HumanReview(
        "Ask people",
        stage="prod",
        flow_definition_arn="arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/triage",
        key="$.id",
        input_content={"text.$": "$.text", "prediction.$": "$.guess"},
        task_lifetime_seconds=8 * 3600,
        timeout_seconds=25 * 3600,
        result_path="$.people",
    )

The step calls the stage's function StartLoop with a task token. The published Afterloop workflow returns the token with
the result. The step

- returns the agreed review if the loop is completed: `answers` by field name, `unresolved` fields, `agreement`, and the
  `reviewLocation` of the full review (`lambdas.loops.agreed_answer.of_review`);
- returns the prediction at once if no review is needed, because the activation conditions of Textract or Rekognition
  are not met: `needed` is False (`of_prediction`);
- keeps waiting if the loop fails and is restarted;
- fails with `HumanReview.Failed` if the loop fails and is not restarted, or a person closes it;
- fails with `HumanReview.Stopped` if the loop is stopped;
- fails with the function's error if the loop cannot be started: `StartRefused`, `InvalidRequest`, `NameTaken`, …;
- fails with `States.Timeout` if there is no result in time.

You can catch all of these errors by name. A retry, or a new execution with the same key, does not ask people again: it
finds the loop by its key, and waits for it or gets the answer. Without a key, only retries of the same entry into the
step find the loop.

The role of your state machine needs only `lambda:InvokeFunction` on StartLoop, as
`workflow.stack.permissions.statements_for(definition(…))` confirms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.loops.restart_policy import RestartRules
from workflow.asl.expressions import STEP
from workflow.asl.transient_errors import FUNCTION_DIED, OF_FUNCTIONS, THROTTLED
from workflow.errors import WorkflowError
from workflow.steps import THIS_STEP, LambdaStep, Retry, places

__all__ = ["HumanReview", "max_review_seconds"]

MAX_TIMEOUT_SECONDS = 99_999_999
"""The maximum TimeoutSeconds of a Task in Step Functions: a little over three years."""

_FLOW_DEFINITION = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<place>[a-z0-9-]+:[0-9]{12}):flow-definition/[a-z0-9-]+"
)
_FIXED = {
    "arguments": "the step creates them from its other arguments",
    "parameters": "the step creates them from its other arguments",
    "wait_for_callback": "the step always waits",
    "heartbeat_seconds": "heartbeats are not supported",
    "heartbeat_seconds_path": "heartbeats are not supported",
    "timeout_seconds_path": "use timeout_seconds, which can be checked",
}
"""Arguments of a LambdaStep that this step does not take, and why."""


class HumanReview(LambdaStep):
    """Starts a human loop and waits for its end.

    Values that differ between executions can be a path (`"$.id"`, `"$$.Execution.Name"`), an intrinsic function
    (`"States.Format(…)"`), a placeholder of the SDK, or, with `query_language="JSONata"`, an expression (`"{% … %}"`).
    Inside an object, keys with a path end in `.$`.

    Args:
        state_id: The state's name.
        flow_definition_arn: The human review workflow in A2I.
        timeout_seconds: When to give up. Must be longer than all attempts and the waits between them can take.
        task_lifetime_seconds: How long people have for one attempt: the flow definition's
            TaskAvailabilityLifetimeInSeconds (`aws sagemaker describe-flow-definition`).
        restart: The stage's rules for failed loops (`stages.toml`), which determine the number of attempts and the
            waits between them. Afterloop's defaults if you set none.
        stage: The name of the Afterloop stage whose function starts the loop. It must be in the account and Region of
            the flow definition.
        start_loop: The ARN of that function, instead of the stage; in Afterloop's own workflow `"start_loop"`.
        input_content: The object that people see, for a custom task.
        textract: The request of AnalyzeDocument without HumanLoopConfig. The document must be an S3Object.
        rekognition: The request of DetectModerationLabels without HumanLoopConfig. The image must be an S3Object.
        key: Your own identifier, such as an order number. The same key always means the same loop; the same key with
            different input is refused (`NameTaken`). Inside an inline Map it is required and must differ for each
            item. Without a key, the loop belongs to the execution and this entry into the step: if the execution
            enters the step again, people are asked again.
        human_loop_name: The loop's name, instead of a key, if you want to choose it.
        content_classifiers: A2I's content classifiers: "FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent".
        kwargs: Fields of every Task: `result_path`, `result_selector`, `output_path`, `catch`, `comment`… `retry`
            replaces the step's own retries of transient errors.

    Raises:
        WorkflowError: The arguments are invalid. The message has the line that made the step.
    """

    def __init__(
        self,
        state_id: str,
        *,
        flow_definition_arn: Any,
        timeout_seconds: int,
        task_lifetime_seconds: int,
        restart: RestartRules = RestartRules(),  # noqa: B008 (frozen)
        stage: str | None = None,
        start_loop: str | None = None,
        input_content: Any = None,
        textract: Any = None,
        rekognition: Any = None,
        key: Any = None,
        human_loop_name: Any = None,
        content_classifiers: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        rejected = [name for name in _FIXED if kwargs.pop(name, None) is not None]
        tasks = {"custom": input_content, "textract": textract, "rekognition": rekognition}
        jsonata = kwargs.get("query_language") == "JSONata"
        payload = {
            **_given("flowDefinitionArn", flow_definition_arn, jsonata),
            **_name(key, human_loop_name, jsonata),
            "task": _task(tasks, jsonata),
            **({"contentClassifiers": list(content_classifiers)} if content_classifiers else {}),
            **_given("taskToken", _TOKEN[jsonata], jsonata),
            # A function that is published with the workflow takes it for its log. That of another stage can be older.
            **({"step": _STEP[jsonata]} if start_loop == _OWN_FUNCTION else {}),
        }
        self._has_default_key = key is None and human_loop_name is None
        function = start_loop or _start_loop(flow_definition_arn, stage)
        kwargs.setdefault("retry", _retries())
        super().__init__(
            state_id,
            wait_for_callback=True,
            timeout_seconds=timeout_seconds,
            **{"arguments" if jsonata else "parameters": {"FunctionName": function, "Payload": payload}},
            **kwargs,
        )
        # Checked last: the message needs the line of the created step.
        problem = (
            next((f"remove {name}: {_FIXED[name]}" for name in rejected), None)
            or _location_problem(flow_definition_arn, stage, start_loop, jsonata)
            or _task_problem(tasks, jsonata)
            or _name_problem(key, human_loop_name, jsonata)
            or _time_problem(timeout_seconds, task_lifetime_seconds, restart)
        )
        if problem:
            raise WorkflowError(f"state {state_id!r} ({places(self)[state_id]}): {problem}")

    def problem_in_map(self) -> str | None:
        """A step without a key cannot be in an inline Map: the context object does not distinguish its items."""
        if not self._has_default_key:
            return None
        return (
            "inside a Map, set key to a path that differs for each item, such as "
            f"{_example_of_key(self.fields.get('query_language') == 'JSONata')!r}; otherwise all items would get the "
            "same loop"
        )


def max_review_seconds(task_lifetime_seconds: int, restart: RestartRules) -> int:
    """The longest time until the last attempt ends: every attempt expires, and every wait is the longest."""
    waits = restart.back_off.model_copy(update={"jitter": 0.0})
    attempts = restart.max_attempts if restart.restart_on else 1
    return attempts * task_lifetime_seconds + sum(waits.seconds(n, "") for n in range(1, attempts))


_OWN_FUNCTION = "start_loop"
_STEP = {False: THIS_STEP, True: "{% " + STEP + " %}"}
_TOKEN = {False: "$$.Task.Token", True: "{% $states.context.Task.Token %}"}
# Names come first, because they are readable in the loop's name. The ARN is needed because executions of two state
# machines can have the same name. A Retry does not change EnteredTime.
_ENTRY = ("Execution.Name", "State.Name", "State.EnteredTime", "Execution.Id")
_DEFAULT_KEY = {
    False: f"States.Format('{{}} {{}} {{}} {{}}', {', '.join(f'$$.{field}' for field in _ENTRY)})",
    True: "{% " + " & ' ' & ".join(f"$states.context.{field}" for field in _ENTRY) + " %}",
}


def _retries() -> list[Retry]:
    """Retries of transient errors only. Starting a loop is idempotent; results from people or A2I are not retried."""
    return [
        Retry(
            error_equals=[*THROTTLED, *OF_FUNCTIONS, *FUNCTION_DIED],
            interval_seconds=2,
            backoff_rate=2.0,
            max_attempts=8,
            max_delay_seconds=120,
            jitter_strategy="FULL",
        )
    ]


def _varies(value: Any, jsonata: bool) -> bool:
    """Whether a value is computed when the state runs."""
    if not isinstance(value, str):
        return not isinstance(value, Mapping | Sequence | int | float | None)
    return value.startswith("{%") if jsonata else value.startswith(("$", "States."))


def _given(name: str, value: Any, jsonata: bool) -> dict[str, Any]:
    """A field of the payload. The key of a path gets the suffix `.$`."""
    path = not jsonata and isinstance(value, str) and _varies(value, jsonata)
    return {f"{name}.$" if path else name: value}


def _name(key: Any, human_loop_name: Any, jsonata: bool) -> dict[str, Any]:
    if human_loop_name is not None:
        return _given("humanLoopName", human_loop_name, jsonata)
    return _given("key", _DEFAULT_KEY[jsonata] if key is None else key, jsonata)


def _task(tasks: Mapping[str, Any], jsonata: bool) -> dict[str, Any]:
    kind = next((kind for kind, value in tasks.items() if value is not None), "custom")
    return {"type": kind, **_given("inputContent" if kind == "custom" else "request", tasks[kind], jsonata)}


def _start_loop(flow_definition_arn: Any, stage: str | None) -> str:
    """The ARN of the stage's function, in the place of the flow definition; empty if that is unknown."""
    match = _FLOW_DEFINITION.fullmatch(flow_definition_arn) if isinstance(flow_definition_arn, str) else None
    if match is None or stage is None:
        return ""
    return f"arn:{match['partition']}:lambda:{match['place']}:function:afterloop-{stage}-StartLoop"


def _location_problem(arn: Any, stage: str | None, start_loop: str | None, jsonata: bool) -> str | None:
    varies = _varies(arn, jsonata)
    if not varies and not (isinstance(arn, str) and _FLOW_DEFINITION.fullmatch(arn)):
        return f"flow_definition_arn: {arn!r} is not the ARN of a flow definition"
    if (stage is None) == (start_loop is None):
        return "set either stage, the name of the Afterloop stage, or start_loop, the ARN of its function"
    if stage is not None and not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stage):
        return f"stage: invalid name {stage!r}; use up to 20 lowercase letters, digits and hyphens"
    if stage is not None and varies:
        return "flow_definition_arn is only known at run time; set start_loop, the function's ARN, instead of stage"
    return None


def _task_problem(tasks: Mapping[str, Any], jsonata: bool) -> str | None:
    given = [kind for kind, value in tasks.items() if value is not None]
    if len(given) != 1:
        return "set exactly one of input_content, textract and rekognition: the content to review"
    value = tasks[given[0]]
    field = "input_content" if given[0] == "custom" else given[0]
    if not isinstance(value, Mapping) and not _varies(value, jsonata):
        return f"{field}: {value!r} is neither an object nor a path to one"
    if isinstance(value, Mapping) and given[0] != "custom" and "HumanLoopConfig" in value:
        return f"{field}: remove HumanLoopConfig; StartLoop adds it"
    return None


def _name_problem(key: Any, human_loop_name: Any, jsonata: bool) -> str | None:
    if key is not None and human_loop_name is not None:
        return "set either key or human_loop_name, not both"
    for field, value in (("key", key), ("human_loop_name", human_loop_name)):
        if value is not None and not _varies(value, jsonata):
            return (
                f"{field}: {value!r} is the same in every execution, so all would share one loop; use a path such as "
                f"{_example_of_key(jsonata)!r}, or remove {field} to get a loop for each execution"
            )
    return None


def _example_of_key(jsonata: bool) -> str:
    return "{% $states.input.id %}" if jsonata else "$.id"


def _time_problem(timeout: Any, lifetime: Any, restart: RestartRules) -> str | None:
    for field, value in (("timeout_seconds", timeout), ("task_lifetime_seconds", lifetime)):
        if type(value) is not int or not 1 <= value <= MAX_TIMEOUT_SECONDS:
            return f"{field}: {value!r} is not a whole number of seconds from 1 to {MAX_TIMEOUT_SECONDS:,}"
    maximum = max_review_seconds(lifetime, restart)
    if timeout > maximum:
        return None
    attempts = restart.max_attempts if restart.restart_on else 1
    times = f"{attempts} attempts of {lifetime:,} s" if attempts > 1 else f"{lifetime:,} s"
    waits = f" and {maximum - attempts * lifetime:,} s of back-off" if maximum > attempts * lifetime else ""
    return f"timeout_seconds={timeout:,} is too short: the review can take {times}{waits}; set more than {maximum:,}"
