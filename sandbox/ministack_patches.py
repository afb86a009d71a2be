"""Corrections where MiniStack 1.5.33 differs from AWS and the difference matters to Afterloop.

The docstring of each function says what AWS does, with the source, and what MiniStack does. Each correction has a test
in tests/engine/test_sandbox_ministack_patches.py that fails without it. The corrections replace private functions of
MiniStack, so its version is pinned; those that replace text raise an error at start if the text has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

__all__ = ["SdkCall", "apply", "integrate"]

SdkCall = Callable[[str, str, dict[str, Any]], Any]
"""Makes an SDK call of a state machine, given boto3's names of service and operation, and the parameters."""


def apply(directory: Path) -> None:
    """Corrects MiniStack in this process. Call it once, before the engine serves requests.

    Args:
        directory: Folder for files that the corrections need.

    Raises:
        RuntimeError: MiniStack has changed, and a correction does not apply.
    """
    _isolate_functions(directory / "python")
    _report_function_errors()
    _fail_failed_callbacks()
    _check_task_tokens()
    _run_versions()
    _name_resources_by_region()
    _set_variables_in_catch()
    _fail_choices_on_missing_values()
    _keep_message_attributes()
    _read_tables_with_many_objects()
    _refuse_empty_expression_attributes()
    _count_loopback_as_tls()


_FAILURE = "afterloop-function-failure"
"""Key of a worker's response that is not a result but an error of the function."""

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

# Runs in the worker, before MiniStack's own script. The prefix _al_ avoids collisions with names in it.
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
    script = _replace(script, _HANDLER_CALL, _HANDLER_CALL_CORRECTED, "call the handler")
    script = _replace(script, _IMPORT_FAILURE, _IMPORT_FAILURE_CORRECTED, "import the handler's module")
    lambda_runtime._PYTHON_WORKER_SCRIPT = _WORKER_FUNCTIONS + script

    execute = lambda_svc._execute_function_warm

    def execute_and_report(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event, request_id)
        failure = _failure_in(result)
        if failure is None:
            return result
        return {"body": {**failure, "requestId": request_id}, "error": True, "log": result.get("log", "")}

    lambda_svc._execute_function_warm = execute_and_report


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


_waiting = threading.local()
"""Per thread: the token of the task that it starts, and the state machine that it runs."""


def _fail_failed_callbacks() -> None:
    """Fails a task that waits for a token when its function fails.

    AWS: the task fails at once if the function that should pass on the token fails.
    MiniStack: waits for the token until the task's timeout, by default for a day.
    """
    from ministack.services import stepfunctions

    invoke_with_callback = stepfunctions._invoke_with_callback
    call_lambda = stepfunctions._call_lambda

    def invoke(resource: str, input_data: Any, token: str, state: dict[str, Any]) -> Any:
        with _waiting_for(token):
            return invoke_with_callback(resource, input_data, token, state)

    def call(function: Any, event: Any) -> Any:
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            entry = stepfunctions._task_tokens.get(getattr(_waiting, "token", None))
            if entry is not None:
                entry["error"] = {"Error": error.error, "Cause": error.cause}
                entry["event"].set()
            raise

    stepfunctions._invoke_with_callback = invoke
    stepfunctions._call_lambda = call


@contextlib.contextmanager
def _waiting_for(token: str) -> Iterator[None]:
    _waiting.token = token
    try:
        yield
    finally:
        _waiting.token = None


_machines: dict[str, str] = {}
"""Task token → ARN of the state machine whose task has or had it."""


def _check_task_tokens() -> None:
    """Checks permissions on, and the existence of, task tokens.

    AWS: IAM checks the call with a token on the state machine whose task has the token. An unknown token is
    `InvalidToken`. (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html)
    MiniStack: derives no resource from a token, so policies with a resource never allow the call. An unknown token is
    `TaskDoesNotExist`, which is right only for the token of a task that has ended.
    """
    from ministack.core import iam_actions
    from ministack.core.responses import error_response_json
    from ministack.services import stepfunctions

    execute_task = stepfunctions._execute_task
    invoke_with_callback = stepfunctions._invoke_with_callback
    resource_arn = iam_actions.extract_resource_arn

    def execute(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
        _waiting.machine = context["StateMachine"]["Id"]
        return execute_task(state, given, execution, context)

    def invoke(resource: str, input_data: Any, token: str, state: dict[str, Any]) -> Any:
        _machines[token] = _waiting.machine
        return invoke_with_callback(resource, input_data, token, state)

    def resource_of(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        region: str,
        account_id: str,
    ) -> Any:
        if service == "states" and (token := iam_actions._safe_json_field(body, "taskToken")):
            unknown = f"arn:aws:states:{region}:{account_id}:stateMachine:unknown"
            return _machines.get(token, unknown)
        return resource_arn(service, method, path, headers, body, query, region, account_id)

    def only_known(send: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def checked(data: dict[str, Any]) -> Any:
            token = data.get("taskToken", "")
            # The tokens of activities are only in MiniStack's own table.
            if token in _machines or token in stepfunctions._task_tokens:
                return send(data)
            return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)

        return checked

    stepfunctions._execute_task = execute
    stepfunctions._invoke_with_callback = invoke
    iam_actions.extract_resource_arn = resource_of
    for operation in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        setattr(stepfunctions, operation, only_known(getattr(stepfunctions, operation)))


_requested: ContextVar[tuple[str | None, str | None]] = ContextVar("afterloop_version", default=(None, None))
"""The ARNs of the version and the alias with which the current request starts an execution."""


def _run_versions() -> None:
    """Runs the version of a state machine with which an execution is started.

    AWS: an execution that is started with a version or an alias runs the definition of that version. An alias with two
    versions chooses by weight. ListExecutions can list the executions of a version or an alias.
    (https://docs.aws.amazon.com/step-functions/latest/dg/execution-alias-version-associate.html)
    MiniStack: runs the newest definition.
    """
    from ministack.services import stepfunctions

    start, run = stepfunctions._start_execution, stepfunctions._run_execution
    start_sync = stepfunctions._start_sync_execution
    describe, list_all = stepfunctions._describe_execution, stepfunctions._list_executions
    describe_machine = stepfunctions._describe_state_machine_for_execution
    kind = type(stepfunctions._state_machines)
    newest = kind.get
    running = threading.local()

    class Machines(kind):  # type: ignore[misc, valid-type]
        """The state machines. A thread that begins an execution gets the version that it should run."""

        __slots__ = ()

        def get(self, arn: Any, default: Any = None) -> Any:
            machine, version = newest(self, arn, default), getattr(running, "version", None)
            if machine is None or version is None:
                return machine
            # Only the first lookup reads the definition. Later ones in the thread may be for a nested state machine.
            running.version = None
            return {**machine, "definition": version["definition"], "roleArn": version["roleArn"]}

    @contextlib.contextmanager
    def associated(arn: str) -> Iterator[None]:
        """Remembers version and alias for the execution that is started in the block."""
        alias = stepfunctions._state_machine_aliases.get(arn)
        if routes := (alias or {}).get("routingConfiguration"):
            weights = [one.get("weight", 0) for one in routes]
            version, by = random.choices(routes, weights)[0]["stateMachineVersionArn"], arn  # noqa: S311
        else:
            version, by = arn if arn in stepfunctions._state_machine_versions else None, None
        token = _requested.set((version, by))
        try:
            yield
        finally:
            _requested.reset(token)

    def start_version(data: dict[str, Any]) -> Any:
        with associated(str(data.get("stateMachineArn", ""))):
            return start(data)

    def start_version_and_wait(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn", ""))
        with associated(arn):
            return start_sync(
                {**data, "stateMachineArn": stepfunctions._resolve_state_machine_arn(arn) or arn}
            )

    def run_version(execution_arn: str) -> None:
        if execution := stepfunctions._executions.get(execution_arn):
            version, alias = _requested.get()
            version = execution.setdefault("stateMachineVersionArn", version)
            execution.setdefault("stateMachineAliasArn", alias)
            running.version = stepfunctions._state_machine_versions.get(version)
        run(execution_arn)

    def described(data: dict[str, Any]) -> Any:
        return _completed(describe(data), _associated(data))

    def described_machine(data: dict[str, Any]) -> Any:
        version = stepfunctions._state_machine_versions.get(_associated(data).get("stateMachineVersionArn"))
        more = {key: version[key] for key in ("definition", "roleArn")} if version else {}
        return _completed(describe_machine(data), more)

    def listed(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn", ""))
        if (
            arn not in stepfunctions._state_machine_versions
            and arn not in stepfunctions._state_machine_aliases
        ):
            return list_all(data)
        base = stepfunctions._resolve_state_machine_arn(arn)
        status, headers, body = list_all({**data, "stateMachineArn": base, "maxResults": 1_000_000})
        answer = json.loads(body)
        answer["executions"] = [one for one in answer["executions"] if arn in _associated(one).values()]
        return status, headers, json.dumps(answer).encode()

    stepfunctions._state_machines.__class__ = Machines
    stepfunctions._start_execution, stepfunctions._run_execution = start_version, run_version
    stepfunctions._start_sync_execution = start_version_and_wait
    stepfunctions._describe_execution, stepfunctions._list_executions = described, listed
    stepfunctions._describe_state_machine_for_execution = described_machine


def _associated(data: dict[str, Any]) -> dict[str, str]:
    """Returns the version and the alias of an execution, if it has them."""
    from ministack.services import stepfunctions

    execution = stepfunctions._executions.get(data.get("executionArn")) or {}
    keys = ("stateMachineVersionArn", "stateMachineAliasArn")
    return {key: execution[key] for key in keys if execution.get(key)}


def _completed(answer: Any, more: dict[str, Any]) -> Any:
    status, headers, body = answer
    if status >= 400 or not more:
        return answer
    return status, headers, json.dumps({**json.loads(body), **more}).encode()


def _name_resources_by_region() -> None:
    """Gives resources without a name different names in each Region.

    AWS: the names that CloudFormation generates are unique.
    MiniStack: generates the same name in each Region, so that stacks with the same name share roles and buckets, which
    are not regional.
    """
    from ministack.core.responses import get_region
    from ministack.services.cloudformation import provisioners

    name = provisioners._physical_name

    def name_in_region(stack: str, logical_id: str, **more: Any) -> str:
        """Returns MiniStack's name. Its last 13 characters are a hash, here also of the Region."""
        given = str(name(stack, logical_id, **more))
        digest = hashlib.sha256(f"{given}:{get_region()}".encode()).hexdigest()[:13]
        return given[:-13] + (digest if more.get("lowercase") else digest.upper())

    provisioners._physical_name = name_in_region


_SDK_SERVICES = {
    "sagemakera2iruntime": ("sagemaker-a2i-runtime", "SageMakerA2IRuntime"),
    "sagemaker": ("sagemaker", "SageMaker"),
    "textract": ("textract", "Textract"),
    "rekognition": ("rekognition", "Rekognition"),
}
"""Name in an aws-sdk integration → boto3's name, and the prefix of errors."""


def integrate(call: SdkCall) -> None:
    """Connects the `aws-sdk` integrations of state machines to the sandbox's own services.

    Errors have the prefix of the service, such as `SageMakerA2IRuntime.ConflictException`.
    (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html)

    Args:
        call: Makes a call in the account and Region of the execution, in the thread of the execution. Raises
            `sandbox.protocol.ServiceError`.
    """
    from ministack.services import stepfunctions

    from sandbox.protocol import ServiceError

    invoke = stepfunctions._invoke_aws_sdk_integration

    def invoke_or_call(resource: str, parameters: Any) -> Any:
        service, _, action = resource.partition("aws-sdk:")[2].partition(":")
        if service not in _SDK_SERVICES:
            return invoke(resource, parameters)
        name, prefix = _SDK_SERVICES[service]
        operation = action.split(".")[0]
        try:
            return call(name, operation[:1].upper() + operation[1:], parameters or {})
        except ServiceError as error:
            raise stepfunctions._ExecutionError(f"{prefix}.{error.code}", error.message) from error

    stepfunctions._invoke_aws_sdk_integration = invoke_or_call


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


def _fail_choices_on_missing_values() -> None:
    """Fails an execution when a JSONPath Choice compares a value that does not exist.

    AWS: the execution fails with `States.Runtime`, which cannot be caught. Only `IsPresent` may test for a value, and
    it is true for null. (https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html)
    MiniStack: treats the missing value as null and continues, and `IsPresent` is false for null.
    """
    from ministack.services import stepfunctions

    evaluate = stepfunctions._evaluate_rule
    tokens_of = stepfunctions._parse_jsonpath_tokens

    def exists(path: str, data: Any) -> bool:
        for kind, key in tokens_of(path) or ():
            container = isinstance(data, dict if kind == "field" else list)
            if not container or (key not in data if kind == "field" else key >= len(data)):
                return False
            data = data[key]
        return True

    def evaluate_existing(rule: dict[str, Any], data: Any, ctx: Any = None) -> bool:
        paths = [
            path
            for key, path in rule.items()
            if (key == "Variable" or key.endswith("Path")) and str(path).startswith(("$.", "$["))
        ]
        missing = [path for path in paths if not exists(path, data)]
        if paths and "IsPresent" in rule:
            return bool(rule["IsPresent"]) is not bool(missing)
        if missing:
            raise stepfunctions._ExecutionError(
                "States.Runtime",
                f"Invalid path '{missing[0]}': The choice state's condition path references an invalid value.",
            )
        return bool(evaluate(rule, data, ctx))

    stepfunctions._evaluate_rule = evaluate_existing


def _keep_message_attributes() -> None:
    """Passes the MessageAttributes of the `sns:publish` integration on, as AWS does. MiniStack drops them."""
    from ministack.services import stepfunctions

    publish = stepfunctions._invoke_sns_publish

    def publish_with_attributes(resource: str, arguments: dict[str, Any]) -> Any:
        # MiniStack's SNS reads the query protocol, in which a map is a series of numbered entries.
        flat = {name: value for name, value in arguments.items() if name != "MessageAttributes"}
        for number, (name, value) in enumerate(arguments.get("MessageAttributes", {}).items(), 1):
            flat[f"MessageAttributes.entry.{number}.Name"] = name
            for part, content in value.items():
                flat[f"MessageAttributes.entry.{number}.Value.{part}"] = content
        return publish(resource, flat)

    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sns:publish"] = publish_with_attributes


def _read_tables_with_many_objects() -> None:
    """Makes Athena queries over many JSON objects fast.

    MiniStack lets DuckDB infer the columns of a JSON table from all files at once, with a buffer of 16 MiB for each: a
    few hundred reviews take minutes and all memory. Here, the columns are those in Glue, as in Athena, and the buffer
    is as large as the largest file.
    """
    from ministack.services import athena

    table_relation = athena._table_relation

    def typed_table_relation(table: dict[str, Any], files: list[str]) -> str:
        relation = str(table_relation(table, files))
        columns = (table.get("StorageDescriptor") or {}).get("Columns")
        if not relation.startswith("read_json_auto(") or not files or not columns:
            return relation
        largest = max(Path(file).stat().st_size for file in files)
        types = ", ".join(f"'{column['Name']}': '{_duckdb_type(column['Type'])}'" for column in columns)
        relation = _replace(
            relation,
            "union_by_name = true",
            f"format = 'newline_delimited', columns = {{{types}}}, maximum_object_size = {max(largest + 1, 65_536)}",
            "read a table of JSON objects",
        )
        return relation.replace("read_json_auto(", "read_json(", 1)

    athena._table_relation = typed_table_relation


def _duckdb_type(hive: str) -> str:
    """Returns a Hive type as DuckDB writes it: `array<struct<a:string>>` → `struct("a" string)[]`."""
    duckdb = re.sub(r"(\w+):", r'"\1" ', hive)
    # From the inside out, so that the closing bracket is always that of the innermost type.
    while inner := re.search(r"(array|struct)<([^<>]*)>", duckdb):
        replacement = f"{inner[2]}[]" if inner[1] == "array" else f"struct({inner[2]})"
        duckdb = duckdb[: inner.start()] + replacement + duckdb[inner.end() :]
    return duckdb


def _refuse_empty_expression_attributes() -> None:
    """Refuses reads with empty maps of expression attributes, as DynamoDB does.

    AWS: "ExpressionAttributeValues must not be empty" (ValidationException), also in Query and Scan; leave the
    parameter out. Source: https://github.com/awslabs/dynamodb-data-mapper-js/pull/24. MiniStack checks writes only.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    validate = dynamodb._validate_expression_attrs

    def validate_non_empty(data: dict[str, Any], *more: Any, **options: Any) -> Any:
        for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if data.get(name) == {}:
                return error_response_json("ValidationException", f"{name} must not be empty", 400)
        return validate(data, *more, **options)

    dynamodb._validate_expression_attrs = validate_non_empty


def _count_loopback_as_tls() -> None:
    """Treats each request as one over TLS.

    The policies in the template refuse requests without TLS. The sandbox uses plain HTTP, on the loopback interface
    only, where nobody can listen in.
    """
    from ministack import app
    from ministack.core import iam_evaluator

    # The default is for work without a request, such as a human loop that expires or a rule that fires.
    origin = ContextVar("afterloop_request_origin", default=("127.0.0.1", True))

    def pin_as_tls(source_ip: str, secure_transport: bool) -> None:
        origin.set((source_ip, True))

    iam_evaluator._request_origin = origin
    iam_evaluator.pin_request_origin = pin_as_tls
    app.pin_request_origin = pin_as_tls


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
    if message.startswith(("Worker process", "Worker returned no response")):
        return {"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited without providing a reason"}
    return None


def _replace(text: str, old: str, new: str, what: str) -> str:
    if text.count(old) != 1:
        raise RuntimeError(f"MiniStack has changed its code to {what}: adapt sandbox/ministack_patches.py")
    return text.replace(old, new)
