"""Map Runs: what the history of an execution says about a Distributed Map."""

from __future__ import annotations

from typing import Any

__all__ = ["correct", "run"]


def correct() -> None:
    """Records the start of each Map Run.

    AWS: MapStateStarted, MapRunStarted with the ARN, MapRunSucceeded or MapRunFailed.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html; their order is not
    documented)
    MiniStack: records nothing.
    """
    from ministack.core.responses import AccountRegionScopedDict
    from ministack.services import stepfunctions

    class MapRuns(AccountRegionScopedDict):  # type: ignore[misc]
        """The Map Runs by ARN. The thread of the execution adds them."""

        def __setitem__(self, arn: str, run: dict[str, Any]) -> None:
            super().__setitem__(arn, run)
            execution = stepfunctions._executions.get(run["executionArn"])
            if execution is not None:
                details = {"mapRunStartedEventDetails": {"mapRunArn": arn}}
                stepfunctions._add_event(execution, "MapRunStarted", details)

    stepfunctions._map_runs = MapRuns()


def run(
    state: dict[str, Any], items: list[Any], machine: dict[str, Any], execution: dict[str, Any], context: Any
) -> Any:
    """Runs the children of a Distributed Map, and records them. Returns their outputs.

    Args:
        state: What limits the run: MaxConcurrency, and the failures that are tolerated.
        items: The inputs of the children.
        machine: The definition of each child.
        execution: MiniStack's record of the execution.
        context: The context object.

    Raises:
        stepfunctions._ExecutionError: More items failed than are tolerated.
    """
    from ministack.services import stepfunctions

    started = {"mapStateStartedEventDetails": {"length": 0}}
    stepfunctions._add_event(execution, "MapStateStarted", started)
    try:
        result, _ = stepfunctions._run_distributed_map(state, items, items, machine, execution, context)
    except stepfunctions._ExecutionError as error:
        failed = {"mapRunFailedEventDetails": {"error": error.error, "cause": error.cause}}
        stepfunctions._add_event(execution, "MapRunFailed", failed)
        raise
    stepfunctions._add_event(execution, "MapRunSucceeded")
    stepfunctions._add_event(execution, "MapStateSucceeded")
    return result
