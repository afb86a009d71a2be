"""What functions log, and how logs are searched."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest

# MiniStack leaves the pipes of processes that have ended to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SOURCE = """
import logging, os, sys, time

print("the module is imported")


def handler(event, context):
    if event == "print":
        print("first")
        sys.stderr.write("second\\n")
        return context.log_stream_name
    if event == "log":
        logging.getLogger().warning("two\\nlines")
    if event == "raise":
        raise ValueError("no")
    if event == "exit":
        print("last words")
        sys.stdout.flush()
        os._exit(1)
    if event == "hang":
        print("before")
        time.sleep(60)
"""

CONFIG = {
    "FunctionName": "function",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:function",
    "Version": "7",
    "Runtime": "python3.12",
    "Handler": "function.handler",
    "MemorySize": 256,
    "Timeout": 30,
    "Role": "arn:aws:iam::000000000000:role/role",
}


@pytest.fixture
def worker(machines):
    """Makes execution environments with a function."""
    from ministack.core import lambda_runtime

    made = []

    def with_source(source=SOURCE, **config):
        bundle = io.BytesIO()
        with zipfile.ZipFile(bundle, "w") as archive:
            archive.writestr("function.py", source)
        one = lambda_runtime.Worker("function", CONFIG | config, bundle.getvalue())
        made.append(one)
        return one

    yield with_source
    lambda_runtime.kill_workers(made)


def request(number):
    return f"4299ee26-8d1d-4ea9-bd43-{number:012}"


def streams():
    from ministack.services import cloudwatch_logs

    group = cloudwatch_logs._log_groups.get("/aws/lambda/function", {"streams": {}})
    return {name: stream["events"] for name, stream in group["streams"].items()}


def lines():
    """All lines, with figures and ids shortened."""
    text = [event["message"] for events in streams().values() for event in events]
    return [shortened(line) for line in text]


def shortened(line):
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line.rstrip("\n"))
    line = re.sub(r"4299ee26-8d1d-4ea9-bd43-0+(\d)", r"<\1>", line)
    line = re.sub(r'File ".*?"', 'File "…"', line)
    return re.sub(r"\d+(\.\d+)? ms|\d+ MB", "N", line)


START, END = "START RequestId: <{}> Version: 7", "END RequestId: <{}>"
REPORT = "REPORT RequestId: <{}>\tDuration: N\tBilled Duration: N\tMemory Size: N\tMax Memory Used: N\t"


def test_lines_are_in_the_stream_of_the_environment(worker):
    one = worker()
    first = one.invoke("print", request(1))
    one.invoke("log", request(2))
    one.invoke("raise", request(3))
    assert list(streams()) == [first["result"]]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[7\][0-9a-f]{32}", first["result"])
    assert first["log"] == "the module is imported\nfirst\nsecond"
    assert (
        lines()
        == [
            "INIT_START Runtime Version: python3.12.v1",
            "the module is imported",
            START.format(1),
            "first",
            "second",
            END.format(1),
            REPORT.format(1) + "Init Duration: N\t",
            START.format(2),
            "[WARNING]\tTIME\t<2>\ttwo\nlines",
            END.format(2),
            REPORT.format(2),
            START.format(3),
            '[ERROR] ValueError: no\nTraceback (most recent call last):\n  File "…", line 15, in handler\n'
            '    raise ValueError("no")',
            END.format(3),
            REPORT.format(3),
        ]
        or re.sub(r'File ".*?"', 'File "…"', "\n".join(lines())) == ""
    )


def test_end_of_the_process_and_timeout_are_logged_as_lambda_does(worker):
    one = worker(Timeout=1)
    one.invoke("exit", request(1))
    one.invoke("hang", request(2))
    first, second = streams().values()
    assert [shortened(event["message"]) for event in first[2:]] == [
        START.format(1),
        "last words",
        "RequestId: <1> Error: Runtime exited without providing a reason\nRuntime.ExitError",
        END.format(1),
        REPORT.format(1) + "Init Duration: N\tStatus: error\tError Type: Runtime.ExitError\t",
    ]
    assert [shortened(event["message"]) for event in second[2:]] == [
        START.format(2),
        "before",
        "TIME <2> Task timed out after 1.00 seconds",
        END.format(2),
        REPORT.format(2) + "Init Duration: N\tStatus: timeout\t",
    ]
    # A line is logged when it is written, not at the end of the call.
    assert second[4]["timestamp"] - second[3]["timestamp"] > 500


def test_failed_import_is_logged_before_the_call(worker):
    with pytest.raises(RuntimeError):
        worker("import nowhere").invoke("print", request(1))
    assert lines()[1].startswith("[ERROR] Runtime.ImportModuleError: Unable to import module 'function'")
    assert lines()[2:4] == [START.format(1), END.format(1)]


def search(**request):
    from ministack.services import cloudwatch_logs

    status, _, body = cloudwatch_logs._filter_log_events({"logGroupName": "group", **request})
    return status, json.loads(body)


@pytest.fixture
def group(machines):
    from ministack.services import cloudwatch_logs

    cloudwatch_logs._create_log_group({"logGroupName": "group"})
    for stream, messages in {"a": ["one two", "two one", "One"], "b": ['say "one"', "three"]}.items():
        cloudwatch_logs._create_log_stream({"logGroupName": "group", "logStreamName": stream})
        events = [{"timestamp": number, "message": text} for number, text in enumerate(messages)]
        cloudwatch_logs._put_log_events(
            {"logGroupName": "group", "logStreamName": stream, "logEvents": events}
        )


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["one two", 'say "one"', "two one", "three", "One"]),
        ("one two", ["one two", "two one"]),
        ('"one two"', ["one two"]),
        ("one -two", ['say "one"']),
        ('?"One" ?three', ["three", "One"]),
        (r'"\"one\""', ['say "one"']),
    ],
)
def test_terms_are_searched_as_documented(pattern, found):
    status, page = search(filterPattern=pattern)
    assert (status, [event["message"] for event in page["events"]]) == (200, found)


@pytest.mark.usefixtures("group")
def test_search_returns_pages():
    _, first = search(limit=2)
    _, second = search(limit=3, nextToken=first["nextToken"])
    assert len(first["events"] + second["events"]) == 5
    assert "nextToken" not in second


@pytest.mark.usefixtures("group")
def test_search_is_limited_to_streams_and_times():
    _, page = search(logStreamNames=["a"], startTime=1, endTime=1)
    assert [event["message"] for event in page["events"]] == ["two one"]


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("pattern", ["{ $.a = 1 }", '"open', "%a%"])
def test_pattern_that_the_engine_does_not_know_is_refused(pattern):
    status, error = search(filterPattern=pattern)
    assert (status, error["__type"]) == (400, "InvalidParameterException")


def test_missing_log_group_is_an_error(machines):
    status, error = search()
    assert (status, error["__type"]) == (400, "ResourceNotFoundException")
