"""Functions that tasks call, and the metrics of functions."""

from __future__ import annotations

import json
import zipfile

import pytest

from sandbox.ministack_patches import functions

TASK = {
    "Task": {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "function", "Payload": {}},
        "End": True,
    }
}


@pytest.fixture
def function(machines):
    """A function of the account, and a way to say what its run gives."""
    from ministack.services import lambda_svc

    arn = "arn:aws:lambda:us-east-1:000000000000:function:function"
    config = {"FunctionName": "function", "FunctionArn": arn, "Version": "$LATEST", "Runtime": "python3.12"}
    record = {"config": config, "versions": {}, "aliases": {}, "concurrency": None}
    lambda_svc._functions["function"] = record

    def gives(result):
        def run(*given):
            if isinstance(result, Exception):
                raise result
            return result

        lambda_svc._execute_function_warm = run
        return record

    return gives


def totals():
    from ministack.services import cloudwatch

    return {
        key[1]: sum(point["Value"] for point in points)
        for key, points in cloudwatch._metrics.items()
        if key[0] == "AWS/Lambda" and key[2] == "FunctionName=function" and key[1] != "Duration"
    }


def test_throttled_function_fails_task_with_error_of_lambda(machines, function):
    function({"body": None})["concurrency"] = 0
    execution = machines.run(TASK)
    assert (execution["status"], execution["error"]) == ("FAILED", "Lambda.TooManyRequestsException")
    assert execution["cause"].startswith("Rate Exceeded")
    assert totals() == {"Throttles": 1}


def test_failure_of_engine_is_service_exception(machines, function):
    function(OSError("no memory"))
    execution = machines.run(TASK)
    assert (execution["error"], execution["cause"]) == ("Lambda.ServiceException", "no memory")


@pytest.mark.parametrize(
    ("kind", "error"), [("Sandbox.Timedout", "Sandbox.Timedout"), ("BrokenPipeError", "Runtime.ExitError")]
)
def test_function_that_ends_too_early_fails_task(machines, function, kind, error):
    from sandbox.ministack_patches import functions

    found = functions._failure_in({"error": True, "body": {"errorType": kind, "errorMessage": "x"}})
    function({"error": True, "body": found or {"errorType": kind}})
    assert machines.run(TASK)["error"] == error


def test_task_gets_the_whole_response_of_lambda(machines, function, monkeypatch):
    from ministack.services import lambda_svc

    function({"body": {"a": 1}})
    # The correction of the function's run is in the place of the one that the fixture has replaced.
    functions._return_whole_responses()
    monkeypatch.setattr(lambda_svc, "new_uuid", lambda: "4299ee26-8d1d-4ea9-bd43-000000000001")
    output = json.loads(machines.run(TASK)["output"])
    assert (output["Payload"], output["StatusCode"], output["ExecutedVersion"]) == ({"a": 1}, 200, "$LATEST")
    request = output["SdkResponseMetadata"]["RequestId"]
    assert request == "4299ee26-8d1d-4ea9-bd43-000000000001"
    assert output["SdkHttpMetadata"]["AllHttpHeaders"]["x-amzn-RequestId"] == [request]


def test_error_of_a_call_that_timed_out_names_the_request():
    body = {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}
    found = functions._with_request({"error": True, "body": body}, "id")
    assert found["body"]["errorMessage"] == "RequestId: id Error: Task timed out after 3.00 seconds"


@pytest.mark.parametrize("name", ["nowhere", "function:nowhere"])
def test_missing_function_fails_task(machines, function, name):
    states = {"Task": {**TASK["Task"], "Parameters": {"FunctionName": name, "Payload": {}}}}
    assert machines.run(states)["error"] == "Lambda.ResourceNotFoundException"


def test_error_of_asynchronous_run_is_counted(machines, function):
    from ministack.services import lambda_svc

    record = function({"error": True, "body": {"errorType": "Lost"}})
    lambda_svc._execute_function_with_config_scope(record, {})
    function({"body": 1})
    machines.run(TASK)
    assert totals() == {"Invocations": 2, "Errors": 1, "Throttles": 0}


@pytest.fixture
def environment(machines, tmp_path):
    """Extracts a bundle with the given files as MiniStack does for an execution environment, and returns its folder."""
    from ministack.core import lambda_runtime

    def extracted(number, **files):
        bundle, target = tmp_path / f"{number}.zip", tmp_path / f"environment-{number}"
        with zipfile.ZipFile(bundle, "w") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        target.mkdir()
        with lambda_runtime.zipfile.ZipFile(bundle) as archive:
            archive.extractall(target)
        return target

    return extracted


def test_bundles_share_files_that_are_equal(environment):
    first = environment(1, **{"library/a.py": "a = 1", "function.py": "one"})
    second = environment(2, **{"library/a.py": "a = 1", "function.py": "two"})
    assert [(folder / "function.py").read_text() for folder in (first, second)] == ["one", "two"]
    assert (first / "library/a.py").samefile(second / "library/a.py")
    assert environment(3, **{"library/a.py": "a = 2"}).joinpath("library/a.py").read_text() == "a = 2"


def test_bundle_with_names_outside_its_folder_stays_inside(environment, tmp_path):
    folder = environment(1, **{"../outside.py": "x", "/absolute.py": "y"})
    assert sorted(path.name for path in folder.iterdir()) == ["absolute.py", "outside.py"]
    assert list(tmp_path.rglob("outside.py")) == [folder.resolve() / "outside.py"]


CONFIG = {
    "FunctionName": "function",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:function",
    "Role": "arn:aws:iam::000000000000:role/role",
}


def test_keys_of_a_function_cannot_be_computed_from_its_name(ministack, tmp_path):
    from ministack.core import lambda_runtime

    from_the_name = lambda_runtime.execution_credentials(CONFIG)
    functions._give_functions_random_keys()
    keys = lambda_runtime.execution_credentials(CONFIG)
    assert keys == lambda_runtime.execution_credentials(CONFIG), "a warm function keeps its keys"
    assert [name for name, value in keys.items() if value == from_the_name[name]] == []
