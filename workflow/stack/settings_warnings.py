"""What may be a mistake in the settings of a stage, although they are valid."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.loops.restart_policy import KNOWN_FAILURE_CODES, LOOP_DELETED
from workflow.stack.stages import Stage

__all__ = ["warnings_of"]


def warnings_of(stage: Stage) -> Iterator[str]:
    """Yields a sentence for each setting that may be a mistake."""
    settings = stage.restart_settings()
    keys = {"restart": settings} | {
        f"flow_definition_settings.{flow}.restart": rules for flow, rules in settings.flow_definitions.items()
    }
    known = (*KNOWN_FAILURE_CODES, LOOP_DELETED)
    for key, rules in keys.items():
        if rules is not settings and rules.restart_on == settings.restart_on:
            continue  # Those of the stage.
        for code in rules.restart_on:
            if code not in known:
                yield (
                    f"stage {stage.name}: {key}.restart_on: A2I documents no failure code {code!r}, only "
                    f"{', '.join(KNOWN_FAILURE_CODES)}; check that it is spelled as A2I does"
                )
