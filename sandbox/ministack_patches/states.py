"""States of state machines: what they do with their data."""

from __future__ import annotations

from typing import Any

from sandbox.ministack_patches import paths
from sandbox.ministack_patches.variables import assign

__all__ = ["correct"]


def correct() -> None:
    """Corrects what states do with their data."""
    _set_variables_in_catch()
    _apply_rules_of_choices()
    _fail_choices_on_missing_values()


def _set_variables_in_catch() -> None:
    """Sets the variables of `Assign` in a Catch.

    AWS: `Assign` in a Catch works in both query languages.
    (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html)
    MiniStack: looks for the query language in the Catch, where it cannot be, so it sets no variables in a state machine
    whose default is JSONPath.
    """
    from ministack.services import stepfunctions

    apply_catcher = stepfunctions._apply_catcher

    def apply_catcher_and_assign(
        catcher: dict[str, Any], raw_input: Any, ctx: Any, query_language: str, error_output: dict[str, Any]
    ) -> Any:
        own = {**catcher, "QueryLanguage": query_language}
        values = assign(own, raw_input, ctx, error_output, error_output) if ctx is not None else {}
        rest = {key: value for key, value in catcher.items() if key != "Assign"}
        output = apply_catcher(rest, raw_input, ctx, query_language, error_output)
        if values:
            ctx.setdefault("variables", {}).update(values)
        return output

    stepfunctions._apply_catcher = apply_catcher_and_assign


def _apply_rules_of_choices() -> None:
    """Applies `Assign` and `Output` of a Choice: those of the rule that matches, or else of the state.

    AWS: both work in a rule, and for the default in the state; `Output` is for JSONata.
    (https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html)
    MiniStack: looks for the query language in the rule, where it cannot be, so a rule sets no variables in a state
    machine whose default is JSONPath. It ignores the Output of the state, and `Assign` of JSONPath.
    """
    from ministack.services import stepfunctions

    execute_choice = stepfunctions._execute_choice

    def choose(state: dict[str, Any], raw_input: Any, ctx: Any = None) -> Any:
        language = stepfunctions._state_query_language(state, ctx)
        if language == "JSONata":
            given = raw_input
            matches = stepfunctions._evaluate_jsonata_choice_rule
        else:
            given = stepfunctions._apply_input_path(state, raw_input, ctx)
            matches = stepfunctions._evaluate_rule
        chosen = next((rule for rule in state.get("Choices", []) if matches(rule, given, ctx)), state)
        following = chosen.get("Next", state.get("Default"))
        if not following:
            return execute_choice(state, raw_input, ctx)  # which raises the error
        values = assign({**chosen, "QueryLanguage": language}, raw_input, ctx, given)
        if language == "JSONata":
            output = stepfunctions._apply_jsonata_output(chosen, raw_input, ctx, default=raw_input)
        else:
            output = stepfunctions._apply_output_path(state, given, ctx)
        if values:
            ctx.setdefault("variables", {}).update(values)
        return output, following

    stepfunctions._execute_choice = choose


def _fail_choices_on_missing_values() -> None:
    """Fails an execution when a JSONPath Choice compares a value that does not exist.

    AWS: the execution fails with `States.Runtime`, which cannot be caught. Only `IsPresent` may test for a value, and
    it is true for null. (https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html)
    MiniStack: treats the missing value as null and continues, and `IsPresent` is false for null.
    """
    from ministack.services import stepfunctions

    evaluate = stepfunctions._evaluate_rule

    def exists(path: str, data: Any, ctx: Any) -> bool:
        return paths.exists(path[1:], ctx or {}) if path.startswith("$$.") else paths.exists(path, data)

    def evaluate_existing(rule: dict[str, Any], data: Any, ctx: Any = None) -> bool:
        used = [
            path
            for key, path in rule.items()
            if (key == "Variable" or key.endswith("Path")) and str(path).startswith("$")
        ]
        missing = [path for path in used if not exists(path, data, ctx)]
        if used and "IsPresent" in rule:
            return bool(rule["IsPresent"]) is not bool(missing)
        if missing:
            raise stepfunctions._ExecutionError(
                "States.Runtime",
                f"Invalid path '{missing[0]}': The choice state's condition path references an invalid value.",
            )
        return bool(evaluate(rule, data, ctx))

    stepfunctions._evaluate_rule = evaluate_existing
