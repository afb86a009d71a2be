"""Human review as a step of your own workflow: it starts a human loop, waits for people, and goes on.

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

The step calls the stage's function StartLoop with a task token, and the published Afterloop workflow answers it. The
step

- gives the agreed review when the loop is completed: `answers` by field name, what is `unresolved`, `agreement`, and
  the `reviewLocation` of the whole (`lambdas.loops.agreed_answer.of_review`);
- gives the prediction at once when nobody has to look, as the activation conditions of Textract or Rekognition are not
  met: `needed` is False (`of_prediction`);
- goes on waiting when the loop failed and is started again;
- fails with `HumanReview.Failed` when it failed for good, or a person closed it;
- fails with `HumanReview.Stopped` when it was stopped;
- fails with the function's error when it cannot be started: `StartRefused`, `InvalidRequest`, `NameTaken`, …;
- fails with `States.Timeout` when none of this came in time.

All of these can be caught by name. An execution that is run again, or a retry, asks the same people the same thing: it
finds the loop by its key, and waits for it, or gets the answer that was given. Without a key each entry of the step is
a matter of its own, which its retries find.

The role of your state machine needs `lambda:InvokeFunction` on StartLoop, and nothing else:
`workflow.stack.permissions.statements_for(definition(…))` says so, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.loops.restart_policy import RestartRules
from workflow.asl.transient_errors import FUNCTION_DIED, OF_FUNCTIONS, THROTTLED
from workflow.errors import WorkflowError
from workflow.steps import LambdaStep, Retry, places

__all__ = ["HumanReview", "longest_review_seconds"]

MOST_TIMEOUT_SECONDS = 99_999_999
"""Of a Task (Amazon States Language as Step Functions takes it): a little over three years."""

_FLOW_DEFINITION = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<place>[a-z0-9-]+:[0-9]{12}):flow-definition/[a-z0-9-]+"
)
_FIXED = {
    "arguments": "it is made from what you give",
    "parameters": "it is made from what you give",
    "wait_for_callback": "it always waits",
    "heartbeat_seconds": "nothing beats while people work",
    "heartbeat_seconds_path": "nothing beats while people work",
    "timeout_seconds_path": "give timeout_seconds, which can be checked",
}


class HumanReview(LambdaStep):
    """Starts a human loop and waits for its end.

    What differs from execution to execution is given as a path (`"$.id"`, `"$$.Execution.Name"`), an intrinsic
    function (`"States.Format(…)"`), a placeholder of the SDK, or, with `query_language="JSONata"`, as `"{% … %}"`; in
    an object by keys that end in `.$`.

    Args:
        state_id: The state's name.
        flow_definition_arn: The human review workflow in A2I.
        timeout_seconds: When to give up: longer than people may take for all attempts.
        task_lifetime_seconds: How long people have for one: the flow definition's TaskAvailabilityLifetimeInSeconds
            (`aws sagemaker describe-flow-definition`).
        restart: The stage's rules for failed loops, from which follow how many attempts there are, and how
            long the waits between them (`stages.toml`; Afterloop's defaults if you set none).
        stage: The Afterloop stage whose function starts the loop, by name, in the flow definition's account and Region.
        start_loop: That function's ARN, instead of the stage; in Afterloop's own workflow `"start_loop"`.
        input_content: What people see: an object. For a custom task.
        textract: AnalyzeDocument's request, without HumanLoopConfig; the document is an S3Object.
        rekognition: DetectModerationLabels' request, likewise.
        key: Your own name for the matter (an order, a document): the same key, the same loop; the same key with
            another input is refused (`NameTaken`). Inside a Map it must tell the items apart, and cannot be left out,
            unless the Map is distributed. Without it the loop belongs to the execution and to this entry of the
            step: if the execution comes to the step again, people are asked anew.
        human_loop_name: The loop's name, instead of the key, if you need to choose it.
        content_classifiers: "FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent": what A2I wants to know.
        kwargs: As of every Task: `result_path`, `result_selector`, `output_path`, `catch`, `comment`…; a `retry` takes
            the place of the step's own, which repeats a start that failed in passing.

    Raises:
        WorkflowError: The step could not do its work: says what is wrong, and the line that made it.
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
        fixed = [name for name in _FIXED if kwargs.pop(name, None) is not None]
        asked = {"custom": input_content, "textract": textract, "rekognition": rekognition}
        jsonata = kwargs.get("query_language") == "JSONata"
        payload = {
            **_given("flowDefinitionArn", flow_definition_arn, jsonata),
            **_name(key, human_loop_name, jsonata),
            "task": _task(asked, jsonata),
            **({"contentClassifiers": list(content_classifiers)} if content_classifiers else {}),
            **_given("taskToken", _TOKEN[jsonata], jsonata),
        }
        self._is_of_the_execution = key is None and human_loop_name is None
        function = start_loop or _start_loop(flow_definition_arn, stage)
        kwargs.setdefault("retry", _start_again())
        super().__init__(
            state_id,
            wait_for_callback=True,
            timeout_seconds=timeout_seconds,
            **{"arguments" if jsonata else "parameters": {"FunctionName": function, "Payload": payload}},
            **kwargs,
        )
        problem = (
            next((f"leave {name} out: {_FIXED[name]}" for name in fixed), None)
            or _wrong_place(flow_definition_arn, stage, start_loop, jsonata)
            or _wrong_task(asked, jsonata)
            or _wrong_name(key, human_loop_name, jsonata)
            or _wrong_time(timeout_seconds, task_lifetime_seconds, restart)
        )
        if problem:
            raise WorkflowError(f"state {state_id!r} ({places(self)[state_id]}): {problem}")

    def problem_in_map(self) -> str | None:
        """Items come to the step in one execution, maybe at one time: nothing that a state is told tells them apart."""
        if not self._is_of_the_execution:
            return None
        return (
            "inside a Map give key, a path to what tells the items apart, such as "
            f"{_example_of_key(self.fields.get('query_language') == 'JSONata')!r}: without it all items would ask for "
            "one loop"
        )


def longest_review_seconds(task_lifetime_seconds: int, restart: RestartRules) -> int:
    """How long it may take until a loop has ended for good: every attempt expires, every wait is the longest."""
    waits = restart.back_off.model_copy(update={"jitter": 0.0})
    attempts = restart.max_attempts if restart.restart_on else 1
    return attempts * task_lifetime_seconds + sum(waits.seconds(n, "") for n in range(1, attempts))


_TOKEN = {False: "$$.Task.Token", True: "{% $states.context.Task.Token %}"}
# Names first, to be read in the loop's name; but two state machines may have executions of one name. The time is that
# of the entry, which a Retry does not change.
_OF_THE_ENTRY = ("Execution.Name", "State.Name", "State.EnteredTime", "Execution.Id")
_OF_THE_EXECUTION = {
    False: f"States.Format('{{}} {{}} {{}} {{}}', {', '.join(f'$$.{field}' for field in _OF_THE_ENTRY)})",
    True: "{% " + " & ' ' & ".join(f"$states.context.{field}" for field in _OF_THE_ENTRY) + " %}",
}


def _start_again() -> list[Retry]:
    """A start can be made again: it is the same start. What people or A2I decided is not retried."""
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
    """Whether a value is read when the state runs."""
    if not isinstance(value, str):
        return not isinstance(value, Mapping | Sequence | int | float | None)
    return value.startswith("{%") if jsonata else value.startswith(("$", "States."))


def _given(name: str, value: Any, jsonata: bool) -> dict[str, Any]:
    """A field of the payload; a path goes with a key that ends in `.$`."""
    path = not jsonata and isinstance(value, str) and _varies(value, jsonata)
    return {f"{name}.$" if path else name: value}


def _name(key: Any, human_loop_name: Any, jsonata: bool) -> dict[str, Any]:
    if human_loop_name is not None:
        return _given("humanLoopName", human_loop_name, jsonata)
    return _given("key", _OF_THE_EXECUTION[jsonata] if key is None else key, jsonata)


def _task(asked: Mapping[str, Any], jsonata: bool) -> dict[str, Any]:
    kind = next((kind for kind, value in asked.items() if value is not None), "custom")
    return {"type": kind, **_given("inputContent" if kind == "custom" else "request", asked[kind], jsonata)}


def _start_loop(flow_definition_arn: Any, stage: str | None) -> str:
    """ARN of the stage's function, which is where the flow definition is; empty if that cannot be known."""
    match = _FLOW_DEFINITION.fullmatch(flow_definition_arn) if isinstance(flow_definition_arn, str) else None
    if match is None or stage is None:
        return ""
    return f"arn:{match['partition']}:lambda:{match['place']}:function:afterloop-{stage}-StartLoop"


def _wrong_place(arn: Any, stage: str | None, start_loop: str | None, jsonata: bool) -> str | None:
    varies = _varies(arn, jsonata)
    if not varies and not (isinstance(arn, str) and _FLOW_DEFINITION.fullmatch(arn)):
        return f"flow_definition_arn: {arn!r} is not the ARN of a flow definition"
    if (stage is None) == (start_loop is None):
        return "give either stage, the name of the Afterloop stage, or start_loop, the ARN of its function"
    if stage is not None and not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stage):
        return f"stage: {stage!r} is not a stage's name; use up to 20 lower-case letters, digits and hyphens"
    if stage is not None and varies:
        return "flow_definition_arn is known at run time only: give start_loop, the function's ARN, not stage"
    return None


def _wrong_task(asked: Mapping[str, Any], jsonata: bool) -> str | None:
    given = [kind for kind, value in asked.items() if value is not None]
    if len(given) != 1:
        return "give one of input_content, textract and rekognition: what people are to review"
    value = asked[given[0]]
    field = "input_content" if given[0] == "custom" else given[0]
    if not isinstance(value, Mapping) and not _varies(value, jsonata):
        return f"{field}: {value!r} is neither an object nor a path to one"
    if isinstance(value, Mapping) and given[0] != "custom" and "HumanLoopConfig" in value:
        return f"{field}: leave HumanLoopConfig out: the start writes it"
    return None


def _wrong_name(key: Any, human_loop_name: Any, jsonata: bool) -> str | None:
    if key is not None and human_loop_name is not None:
        return "give either key or human_loop_name"
    for field, value in (("key", key), ("human_loop_name", human_loop_name)):
        if value is not None and not _varies(value, jsonata):
            return (
                f"{field}: {value!r} is the same in every execution, and so would be the loop; give a path, such as "
                f"{_example_of_key(jsonata)!r}, or leave it out: then the loop belongs to the execution"
            )
    return None


def _example_of_key(jsonata: bool) -> str:
    return "{% $states.input.id %}" if jsonata else "$.id"


def _wrong_time(timeout: Any, lifetime: Any, restart: RestartRules) -> str | None:
    for field, value in (("timeout_seconds", timeout), ("task_lifetime_seconds", lifetime)):
        if type(value) is not int or not 1 <= value <= MOST_TIMEOUT_SECONDS:
            return f"{field}: {value!r} is not a number of seconds, 1 to {MOST_TIMEOUT_SECONDS:,}"
    longest = longest_review_seconds(lifetime, restart)
    if timeout > longest:
        return None
    attempts = restart.max_attempts if restart.restart_on else 1
    times = f"{attempts} attempts of {lifetime:,} s" if attempts > 1 else f"{lifetime:,} s"
    waits = f" and {longest - attempts * lifetime:,} s of back-off" if longest > attempts * lifetime else ""
    return (
        f"timeout_seconds={timeout:,} is over before the people's time is: they may take {times}{waits}; give more "
        f"than {longest:,}"
    )
