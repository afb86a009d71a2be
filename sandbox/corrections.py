"""Where MiniStack 1.5.33 differs from AWS in what Afterloop rests on, and what makes it the same.

Each correction is small, says what AWS does, and fails at start when the engine no longer has what it
corrects, so that a new version of MiniStack cannot pass unnoticed.

*Errors of Lambda functions.* An exception that leaves a Python handler reaches the caller, and the state
machine, as `{"errorType": <class name>, "errorMessage", "stackTrace", "requestId"}`; MiniStack calls every
one `Runtime.HandlerError`, so that no Retry or Catch could tell them apart. A module that cannot be imported
is `Runtime.ImportModuleError`, a handler that is not there `Runtime.HandlerNotFound`, a result that is not
JSON `Runtime.MarshalError`, a process that ended `Runtime.ExitError`. And the execution environment outlives
an exception; MiniStack ends it, so that each error costs a cold start.
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html)

*Variables set by a Catch.* `Assign` in a Catch sets workflow variables in either query language
(https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html); MiniStack looks for the language in the Catch, where
it cannot be, and so sets none in a machine whose default is JSONPath.

*Message attributes.* The `sns:publish` integration takes MessageAttributes as the API does; MiniStack drops them.

*Transport.* The template's policies refuse what does not come over TLS. The sandbox speaks plain HTTP, on the loopback
only, where nobody listens: every request counts as one over TLS.
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
    _set_variables_in_catch()
    _keep_message_attributes()
    _count_loopback_as_tls()


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


def _set_variables_in_catch() -> None:
    from ministack.services import stepfunctions

    apply_catcher = stepfunctions._apply_catcher

    def apply_catcher_and_assign(
        catcher: dict[str, Any], raw_input: Any, ctx: Any, query_language: str, error_output: dict[str, Any]
    ) -> Any:
        output = apply_catcher(catcher, raw_input, ctx, query_language, error_output)
        assign = catcher.get("Assign")
        if assign and ctx is not None:
            if query_language == "JSONata":
                values = stepfunctions._apply_jsonata_template(
                    assign, raw_input, ctx, error_output=error_output
                )
            else:
                values = stepfunctions._resolve_params_obj(assign, error_output, ctx)
            ctx.setdefault("variables", {}).update(values)
        return output

    stepfunctions._apply_catcher = apply_catcher_and_assign


def _keep_message_attributes() -> None:
    from ministack.services import stepfunctions

    publish = stepfunctions._invoke_sns_publish

    def publish_with_attributes(resource: str, arguments: dict[str, Any]) -> Any:
        # The service reads its own wire format, in which a map is numbered entries.
        flat = {name: value for name, value in arguments.items() if name != "MessageAttributes"}
        for number, (name, value) in enumerate(arguments.get("MessageAttributes", {}).items(), 1):
            flat[f"MessageAttributes.entry.{number}.Name"] = name
            for part, content in value.items():
                flat[f"MessageAttributes.entry.{number}.Value.{part}"] = content
        return publish(resource, flat)

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sns:publish"] = publish_with_attributes


def _count_loopback_as_tls() -> None:
    from ministack import app
    from ministack.core import iam_evaluator

    pin = iam_evaluator.pin_request_origin

    def pin_as_tls(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, True)

    iam_evaluator.pin_request_origin = pin_as_tls
    app.pin_request_origin = pin_as_tls


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
