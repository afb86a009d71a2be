"""Asks MiniStack which operations an execution can call, and records them: `python -m sandbox.probing`.

Run it after an upgrade of MiniStack. It calls every operation of every service without arguments, so it runs in a
process of its own, or in a test that removes what this creates.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.integration_names import SDK
from sandbox.supported import SDK_ACTIONS_FILE, as_text
from workflow.asl.services import actions_of

__all__ = ["actions_that_run", "main", "own_actions", "those_that_run"]

_OTHER_NAMES = frozenset({"logs"})
"""Names of services that MiniStack accepts and AWS does not: there, it is `cloudwatchlogs`."""


def actions_that_run() -> dict[str, list[str]]:
    """Returns, for each service of an `aws-sdk` integration, the actions that MiniStack and the sandbox have.

    MiniStack's corrections must have been applied in this process.
    """
    from ministack.services import stepfunctions

    services = sorted(set(stepfunctions._AWS_SDK_SERVICE_MAP) - _OTHER_NAMES)
    return {service: those_that_run(service, actions_of(service)) for service in services} | own_actions()


def those_that_run(service: str, actions: Iterable[str]) -> list[str]:
    """Returns the actions that MiniStack does not answer as one that no service has."""
    unknown = _answer(service, "noSuchAction")
    return [action for action in actions if _answer(service, action) != unknown]


def _answer(service: str, action: str) -> str:
    """Returns what an execution gets for a call, without the name of the action and the id of the request."""
    from ministack.services import stepfunctions

    try:
        answer: Any = stepfunctions._invoke_aws_sdk_integration(
            f"arn:aws:states:::{SDK}{service}:{action}", {}
        )
    except stepfunctions._ExecutionError as error:
        answer = [error.error, error.cause]
    except Exception as error:  # a handler that does not expect a call without arguments
        answer = repr(error)
    return re.sub(f"{action}|[0-9a-f-]{{36}}", "…", json.dumps(answer, default=str), flags=re.IGNORECASE)


def own_actions() -> dict[str, list[str]]:
    """Returns the actions of the services that the sandbox has in place of MiniStack."""
    from sandbox.app import SandboxApp
    from sandbox.fault_rules import FaultRules
    from sandbox.ministack_patches.integrations import SDK_SERVICES

    app = SandboxApp(FaultRules())
    return {
        service: [action for action in actions_of(service) if app.has(action[:1].upper() + action[1:])]
        for service in SDK_SERVICES
    }


def main() -> None:
    """Writes the file with the actions."""
    from sandbox import ministack_patches

    with tempfile.TemporaryDirectory() as directory:
        ministack_patches.apply(Path(directory))
        SDK_ACTIONS_FILE.write_text(as_text(actions_that_run()), encoding="utf-8")


if __name__ == "__main__":
    main()
