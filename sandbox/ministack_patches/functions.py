"""Lambda functions: what they may import, and how their errors are reported."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import logging
import os
import secrets
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sandbox import environments
from sandbox.ministack_patches.text import replace

__all__ = ["correct"]

_log = logging.getLogger(__name__)


def correct(directory: Path) -> None:
    """Corrects Lambda. The folder `directory` gets the code of functions, and the packages that they may import."""
    _isolate_functions(directory / "python")
    _give_functions_a_clean_environment()
    _give_functions_random_keys()
    _share_code(directory / "functions")
    _report_function_errors()
    _name_invocation_errors()
    _return_whole_responses()
    _count_invocations()


_FAILURE = "afterloop-function-failure"
"""Key of a worker's response that is not a result but an error of the function."""

_HANDLER_CALL = """\
            result = handler_fn(event, context)
            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")
"""

_HANDLER_CALL_CORRECTED = """\
            result = _al_logged(_al_answer, handler_fn, event, context)
            _real_stdout.write('{"status": "ok", "result": ' + result + "}\\n")
"""

_IMPORT_FAILURE = """\
        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")
"""

_IMPORT_FAILURE_CORRECTED = """\
        failure = json.dumps(_al_import_failure(e, init))
        _real_stdout.write(json.dumps({"status": "error", "error": failure}) + "\\n")
"""

# Runs in the worker, before MiniStack's own script. The prefix _al_ avoids collisions with names in it. `logs.py` has
# what logs there.
_WORKER_FUNCTIONS = """
def _al_failure(kind, message, frames=()):
    return {"FAILURE": {"errorType": kind, "errorMessage": message, "stackTrace": list(frames)}}


def _al_answer(handler, event, context):
    import json, traceback
    try:
        result = handler(event, context)
    except Exception as error:
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
        result = _al_failure(type(error).__name__, str(error), frames)
        _al_log_error(result["FAILURE"], frames)
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
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
    failure = _al_failure(kind, message, frames)
    _al_log_error(failure["FAILURE"], frames)
    return failure


""".replace("FAILURE", _FAILURE)


def _report_function_errors() -> None:
    """Reports errors of Python functions as Lambda does, and keeps their execution environment.

    AWS: an exception reaches the caller, and the state machine, as `{"errorType": <class name>, "errorMessage",
    "stackTrace", "requestId"}`. A module that cannot be imported is `Runtime.ImportModuleError`, a missing handler
    `Runtime.HandlerNotFound`, a result that is not JSON `Runtime.MarshalError`, a process that exited
    `Runtime.ExitError`. (https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html)
    MiniStack: each error is `Runtime.HandlerError`, so Retry and Catch cannot distinguish them. It also ends the
    execution environment after an exception, so that each error costs a cold start.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    script = replace(script, _HANDLER_CALL, _HANDLER_CALL_CORRECTED, "call the handler")
    script = replace(script, _IMPORT_FAILURE, _IMPORT_FAILURE_CORRECTED, "import the handler's module")
    lambda_runtime._PYTHON_WORKER_SCRIPT = _WORKER_FUNCTIONS + script

    execute = lambda_svc._execute_function_warm

    def execute_and_report(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        failure = _failure_in(result)
        if failure is None:
            return _with_request(result, request_id)
        return {"body": {**failure, "requestId": request_id}, "error": True, "log": result.get("log", "")}

    lambda_svc._execute_function_warm = execute_and_report


def _share_code(folder: Path) -> None:
    """Gives all execution environments with the same bundle one folder of code, and all bundles with a file one file.

    AWS: an execution environment starts from a cached image of the bundle.
    MiniStack: extracts the bundle for each environment, and Python compiles it again. Here, only the first does. Nearly
    all files of a bundle are dependencies, which the other bundles have, too.
    """
    from ministack.core import lambda_runtime

    folder.mkdir(exist_ok=True)
    lock = threading.Lock()
    extracted: dict[tuple[str, str], str] = {}

    class Bundle(zipfile.ZipFile):
        def extractall(self, path: Any = None, *args: Any, **options: Any) -> None:
            """Replaces the folder by a link to the folder with the bundle's content."""
            target, given = Path(path), self.filename
            if given is None or any(target.iterdir()):
                super().extractall(path, *args, **options)
                return
            content = Path(given).read_bytes()
            shared = folder / hashlib.sha256(content).hexdigest()
            with lock:
                if not shared.exists():
                    files = {entry: (entry.filename, digest) for entry, digest in self._digests(content)}
                    self._link_or_extract(files, shared.with_suffix(".part"))
                    shared.with_suffix(".part").rename(shared)
                    for entry, file in files.items():
                        extracted.setdefault(file, f"{shared}/{entry.filename}")
            target.rmdir()
            target.symlink_to(shared)

        def _digests(self, content: bytes) -> Iterator[tuple[zipfile.ZipInfo, str]]:
            """Digests of the compressed files. For a checksum in a zip, anybody can make another file."""
            entries = sorted(self.infolist(), key=lambda entry: entry.header_offset)
            ends = [*(entry.header_offset for entry in entries[1:]), self.start_dir]
            for entry, end in zip(entries, ends, strict=True):
                yield entry, hashlib.sha256(content[entry.header_offset : end]).hexdigest()

        def _link_or_extract(self, files: Mapping[zipfile.ZipInfo, tuple[str, str]], part: Path) -> None:
            folders = {entry.filename.rpartition("/")[0] for entry in files}
            if any(name.startswith("/") or ".." in name.split("/") for name in folders):
                super().extractall(part)  # which puts files inside, whatever they are called
                return
            for name in folders:
                (part / name).mkdir(parents=True, exist_ok=True)
            for entry, file in files.items():
                if entry.is_dir() or (known := extracted.get(file)) is None:
                    self.extract(entry, part)
                else:
                    os.link(known, f"{part}/{entry.filename}")

    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": Bundle})


_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What the Python runtimes of Lambda include: boto3 and its dependencies."""

# The first lines of a worker.
_ISOLATION = """
def _al_isolate(packages):
    import sys, sysconfig
    library = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    own = [p for p in sys.path[1:] if p.startswith(library) and "-packages" not in p or p.endswith(".zip")]
    sys.path[1:] = own + [packages]
    finders = ("BuiltinImporter", "FrozenImporter", "PathFinder")
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") in finders]


_al_isolate(PACKAGES)
"""


def _isolate_functions(packages: Path) -> None:
    """Hides the packages of this environment from functions.

    AWS: a function can import its bundle, the standard library, and boto3 with its dependencies.
    MiniStack: a function can import everything that is installed with the engine, so a bundle without its
    dependencies would pass the tests.
    """
    from ministack.core import lambda_runtime

    packages.mkdir(exist_ok=True)
    for name in _RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{name} is not installed, but the runtime of Lambda has it")
        origin = Path(spec.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (packages / origin.name).symlink_to(origin)
    isolation = _ISOLATION.replace("PACKAGES", repr(str(packages)))
    lambda_runtime._PYTHON_WORKER_SCRIPT = isolation + lambda_runtime._PYTHON_WORKER_SCRIPT


def _give_functions_a_clean_environment() -> None:
    """Gives a function the variables that Lambda sets, and its own.

    AWS: nothing else. (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)
    MiniStack: the whole environment of the engine, in which are its keys and its settings.
    """
    from ministack.core import lambda_runtime

    spawn = lambda_runtime.Worker._spawn
    now = threading.local()

    def spawn_and_remember(worker: Any) -> Any:
        now.own = worker.config.get("Environment", {}).get("Variables", {})
        now.stream = getattr(worker, "log_stream", "")
        try:
            return spawn(worker)
        finally:
            del now.own

    def popen(command: list[str], env: dict[str, str], **more: Any) -> Any:
        # Other runtimes than Python's have another class of worker.
        clean = env
        if hasattr(now, "own"):
            clean = environments.of_function(env, now.own) | {"AWS_LAMBDA_LOG_STREAM_NAME": now.stream}
        return subprocess.Popen(command, env=clean, **more)  # noqa: S603 (MiniStack's own command)

    lambda_runtime.Worker._spawn = spawn_and_remember
    lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": popen})


def _give_functions_random_keys() -> None:
    """Gives the role of a function keys that nobody can guess.

    AWS: temporary credentials.
    MiniStack: hashes of the ARNs of the function and its role, which are the same in each installation.
    """
    from ministack.core import lambda_runtime

    of_this_run = secrets.token_bytes(32)

    def keyed(data: bytes) -> Any:
        return hmac.new(of_this_run, data, hashlib.sha256)

    if "hashlib" not in lambda_runtime.execution_credentials.__code__.co_names:
        raise RuntimeError("MiniStack has changed how it makes the keys of functions: adapt functions.py")
    # The module uses it for these keys only.
    lambda_runtime.hashlib = SimpleNamespace(sha256=keyed)


def _name_invocation_errors() -> None:
    """Fails a task with the error that Lambda refused the call with.

    AWS: the error of the API, with the prefix `Lambda.`: TooManyRequestsException if the function is throttled,
    ServiceException if Lambda fails. (https://docs.aws.amazon.com/step-functions/latest/dg/
    concepts-error-handling.html, https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html)
    MiniStack: `Lambda.Unknown` for a throttled function. When it fails to run a function, the execution fails with
    `States.Runtime`.
    """
    from ministack.services import stepfunctions

    call = stepfunctions._call_lambda

    def call_or_refuse(function: Any, event: Any) -> Any:
        try:
            return call(function, event)
        except stepfunctions._ExecutionError as error:
            if error.error != "Lambda.Unknown":
                raise
            refusal = json.loads(error.cause)
            raise stepfunctions._ExecutionError(f"Lambda.{refusal['__type']}", refusal["message"]) from error
        except Exception as error:
            _log.exception("the engine failed to run a function")
            raise stepfunctions._ExecutionError("Lambda.ServiceException", str(error)) from error

    stepfunctions._call_lambda = call_or_refuse


_last = threading.local()
"""The request and the version of the function that a thread ran last."""


def _return_whole_responses() -> None:
    """Gives a task that calls a function the whole response of Lambda.

    AWS: with the version that ran, and the headers, in which is the id of the request: the log of the function has it,
    too. (https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html)
    MiniStack: the status code and the payload.
    """
    from ministack.services import lambda_svc, stepfunctions

    execute, invoke = lambda_svc._execute_function_warm, stepfunctions._invoke_resource

    def execute_and_remember(func: dict[str, Any], event: Any, request_id: str) -> Any:
        result = execute(func, event, request_id)
        # After the run: the function may run others meanwhile.
        _last.request_id, _last.version = request_id, func.get("config", func).get("Version", "$LATEST")
        return result

    def invoke_whole(resource: str, arguments: Any) -> Any:
        _last.request_id = None
        result = invoke(resource, arguments)
        if "states:::lambda:invoke" not in resource or _last.request_id is None:
            return result
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": _last.version,
            "x-amzn-RequestId": _last.request_id,
        }
        return {
            "ExecutedVersion": _last.version,
            "Payload": result["Payload"],
            "SdkHttpMetadata": {
                "AllHttpHeaders": {name: [value] for name, value in headers.items()},
                "HttpHeaders": headers,
                "HttpStatusCode": 200,
            },
            "SdkResponseMetadata": {"RequestId": _last.request_id},
            "StatusCode": 200,
        }

    lambda_svc._execute_function_warm = execute_and_remember
    stepfunctions._invoke_resource = invoke_whole


def _count_invocations() -> None:
    """Counts each run of a function, and its errors, in the metrics of AWS/Lambda.

    AWS: Invocations, Errors and Duration have each run, whoever started it, and Throttles each call that was refused.
    (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html)
    MiniStack: counts calls of the API `Invoke` only, asynchronous ones as successes, so that the errors of a function
    that a rule or a state machine calls set off no alarm.
    """
    from ministack.services import cloudwatch, lambda_svc

    dispatch, emit = lambda_svc._execute_function_dispatch, lambda_svc._emit_lambda_metrics

    def dispatch_and_count(
        function: dict[str, Any], config: dict[str, Any], event: Any, request_id: str, started: float
    ) -> Any:
        result = dispatch(function, config, event, request_id, started)
        milliseconds = (time.time() - started) * 1000
        emit(config.get("FunctionName", ""), milliseconds, bool(result.get("error")), False)
        return result

    def emit_throttle(function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        # MiniStack calls this for calls of the API, whose runs are counted above, and when it refuses a call.
        if throttle and not duration_ms:
            cloudwatch.record_metric("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": function_name})

    lambda_svc._execute_function_dispatch = dispatch_and_count
    lambda_svc._emit_lambda_metrics = emit_throttle


def _with_request(result: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Returns a result; the error of a call that timed out names the request, as on AWS."""
    body = result.get("body")
    if not result.get("error") or not isinstance(body, dict) or body.get("errorType") != "Sandbox.Timedout":
        return result
    message = f"RequestId: {request_id} Error: {body['errorMessage']}"
    return {**result, "body": {**body, "errorMessage": message}}


def _failure_in(result: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the error of a function as AWS reports it, or None."""
    body = result.get("body")
    if not isinstance(body, dict):
        return None
    if _FAILURE in body and not result.get("error"):
        return dict(body[_FAILURE])
    message = str(body.get("errorMessage", "")) if result.get("error") else ""
    if message.startswith("Worker init failed: {"):
        failure = json.loads(message.removeprefix("Worker init failed: "))[_FAILURE]
        return dict(failure)
    if result.get("error") and not result.get("throttle") and body.get("errorType") != "Sandbox.Timedout":
        # The worker ended, or could not be reached: MiniStack reports the exception of its own code.
        return {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited without providing a reason"}
    return None
