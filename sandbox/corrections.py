"""Where MiniStack 1.5.33 differs from AWS in what Afterloop rests on, and what makes it the same.

Each correction is small, says what AWS does, and fails at start when the engine no longer has what it
corrects, so that a new version of MiniStack cannot pass unnoticed.

*Errors of Lambda functions.* An exception that leaves a Python handler reaches the caller, and the state
machine, as `{"errorType": <class name>, "errorMessage", "stackTrace", "requestId"}`; MiniStack calls every
one `Runtime.HandlerError`, so that no Retry or Catch could tell them apart. A module that cannot be imported is
`Runtime.ImportModuleError`, a handler that is not there `Runtime.HandlerNotFound`, a result that is not JSON
`Runtime.MarshalError`, a process that ended `Runtime.ExitError`. And the execution environment outlives an
exception; MiniStack ends it, so that each error costs a cold start.
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html)
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["apply"]


def apply() -> None:
    """Corrects the engine in this process. To be called once, before it serves.

    Raises:
        RuntimeError: the engine has changed where a correction applies.
    """
    _report_function_errors()


_FAILURE = "afterloop-function-failure"
"""Key of a worker's answer that is no result, but what the function failed with."""

_HANDLER_CALL = """\
            result = handler_fn(event, context)
            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")
"""

_HANDLER_CALL_CORRECTED = """\
            result = _al_answer(handler_fn, event, context)
            _real_stdout.write('{"status": "ok", "result": ' + result + "}\\n")
"""

_IMPORT_FAILURE = """\
        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")
"""

_IMPORT_FAILURE_CORRECTED = """\
        failure = json.dumps(_al_import_failure(e, init))
        _real_stdout.write(json.dumps({"status": "error", "error": failure}) + "\\n")
"""

# Runs in the worker, before MiniStack's own script: the names begin with _al_ to stay out of its way.
_WORKER_FUNCTIONS = """
def _al_failure(kind, message, frames=()):
    return {"FAILURE": {"errorType": kind, "errorMessage": message, "stackTrace": list(frames)}}


def _al_answer(handler, event, context):
    import json, sys, traceback
    try:
        result = handler(event, context)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        frames = traceback.extract_tb(error.__traceback__)[1:]
        result = _al_failure(type(error).__name__, str(error), traceback.format_list(frames))
    try:
        return json.dumps(result)
    except Exception as error:
        return json.dumps(_al_failure("Runtime.MarshalError", "Unable to marshal response: %s" % error))


def _al_import_failure(error, init):
    import traceback
    module, handler = init["module"], init["handler"]
    if isinstance(error, ImportError):
        kind, message = "Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module, error)
    elif isinstance(error, AttributeError) and getattr(error, "name", None) == handler:
        kind, message = "Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (handler, module)
    else:
        kind, message = type(error).__name__, str(error)
    return _al_failure(kind, message, traceback.format_list(traceback.extract_tb(error.__traceback__)))


""".replace("FAILURE", _FAILURE)


def _report_function_errors() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    script = _replace(script, _HANDLER_CALL, _HANDLER_CALL_CORRECTED, "calls the handler")
    script = _replace(script, _IMPORT_FAILURE, _IMPORT_FAILURE_CORRECTED, "imports the handler's module")
    lambda_runtime._PYTHON_WORKER_SCRIPT = _WORKER_FUNCTIONS + script

    execute = lambda_svc._execute_function_warm

    def execute_and_report(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        failure = _failure_in(result)
        if failure is None:
            return result
        return {"body": {**failure, "requestId": request_id}, "error": True, "log": result.get("log", "")}

    lambda_svc._execute_function_warm = execute_and_report


def _failure_in(result: dict[str, Any]) -> dict[str, Any] | None:
    """What the function failed with, as AWS reports it, or None."""
    body = result.get("body")
    if not isinstance(body, dict):
        return None
    if _FAILURE in body and not result.get("error"):
        return dict(body[_FAILURE])
    message = str(body.get("errorMessage", "")) if result.get("error") else ""
    if message.startswith("Worker init failed: {"):
        failure = json.loads(message.removeprefix("Worker init failed: "))[_FAILURE]
        return dict(failure)
    if message.startswith(("Worker process", "Worker returned no response")):
        return {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited without providing a reason"}
    return None


def _replace(text: str, old: str, new: str, what: str) -> str:
    if text.count(old) != 1:
        raise RuntimeError(f"MiniStack has changed how it {what}: sandbox/corrections.py must follow")
    return text.replace(old, new)
