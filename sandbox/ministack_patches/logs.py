"""What functions, and Lambda about them, write to CloudWatch Logs, and how it is searched."""

from __future__ import annotations

import contextvars
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

__all__ = ["add_line", "correct"]


def correct() -> None:
    """Corrects the logs of functions."""
    _log_as_lambda_does()
    _search_for_terms()


_MARK = "\x1e"
"""Begins a line on the standard error of a worker that says something to the engine, as JSON."""

# Runs in the worker, before MiniStack's own script. The prefix _al_ avoids collisions with names in it.
_WORKER_FUNCTIONS = """
def _al_say(**what):
    import json, sys
    sys.stderr.write("MARK" + json.dumps(what) + "\\n")
    sys.stderr.flush()


def _al_log_error(failure, frames):
    lines = ["[ERROR] %s: %s" % (failure["errorType"], failure["errorMessage"])]
    lines += ["Traceback (most recent call last):", *("".join(frames).rstrip("\\n").split("\\n"))] if frames else []
    _al_say(line="\\n".join(lines))


def _al_logged(answer, handler, event, context):
    import resource
    _al_handler.request_id = context.aws_request_id
    _al_say(start=context.aws_request_id)
    try:
        return answer(handler, event, context)
    finally:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        _al_say(end=context.aws_request_id, memory=memory)


def _al_log_handler():
    import logging, time

    class Handler(logging.Handler):
        request_id = ""

        def emit(self, record):
            _al_say(line=self.format(record))

    class Formatter(logging.Formatter):
        converter = time.gmtime

        def format(self, record):
            record.aws_request_id = handler.request_id
            return super().format(record)

    handler = Handler()
    form = "[%(levelname)s]\\t%(asctime)s.%(msecs)03dZ\\t%(aws_request_id)s\\t%(message)s"
    handler.setFormatter(Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)
    return handler


_al_handler = _al_log_handler()


""".replace("MARK", _MARK.encode("unicode_escape").decode())


def _log_as_lambda_does() -> None:
    """Logs each line at the time at which a function writes it, and the lines of Lambda itself.

    AWS: an execution environment has one log stream, which begins with INIT_START. Each call has a START line, what the
    function writes meanwhile, END, and REPORT with duration and memory. A call that times out, or whose process ends,
    has a line that says so. An uncaught exception is one event, and so is a record of Python's `logging`, with level,
    time and the id of the request. (https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html,
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html)
    MiniStack: logs everything at the end of a call, each call in a stream of its own, an exception with one event for
    each line, records of `logging` without level and id, and no line about a timeout or the end of the process.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    # `functions.py` has the calls of these functions in MiniStack's script.
    lambda_runtime._PYTHON_WORKER_SCRIPT = _WORKER_FUNCTIONS + lambda_runtime._PYTHON_WORKER_SCRIPT
    logged: set[str] = set()

    class Worker(lambda_runtime.Worker):  # type: ignore[misc]
        """An execution environment, with its log stream."""

        al_log: _LogStream | None = None
        al_request: str = ""

        @property
        def log_stream(self) -> str:
            """The name of the log stream."""
            return self.al_log.name if self.al_log else ""

        @property
        def _logs(self) -> bool:
            return str(self.config.get("Runtime", "python3.12")).startswith("python")

        def _spawn(self) -> None:
            if not self._logs:
                super()._spawn()
                return
            # Also the thread that reads the lines needs the account and the Region of the call.
            self.al_log = _LogStream(self.config, contextvars.copy_context())
            super()._spawn()
            self.al_log.initialized()

        def _read_stderr(self) -> None:
            if not self._logs or self.al_log is None:
                super()._read_stderr()
                return
            log = self.al_log
            try:
                for line in self._proc.stderr:
                    text = log.read(line.rstrip("\n"))
                    if text is not None:
                        self._stderr_queue.put(text)
            except (OSError, ValueError):
                pass  # The pipe of a worker that was killed is closed.
            finally:
                log.finished.set()

        def _drain_stderr_bounded(self, *given: Any, **more: Any) -> str:
            if self._logs and self.al_log is not None:
                self.al_log.wait_for_end(self.al_request)
                return str(self._drain_stderr())
            return str(super()._drain_stderr_bounded(*given, **more))

        def invoke(self, event: Any, request_id: str, **more: Any) -> Any:
            if not self._logs:
                return super().invoke(event, request_id, **more)
            self.al_request = request_id
            logged.add(request_id)
            try:
                response = super().invoke(event, request_id, **more)
            except Exception as error:  # The function cannot be imported.
                if self.al_log is not None:
                    self.al_log.end(request_id, str(error))
                raise
            if self.al_log is not None:
                self.al_log.end(request_id, response.get("error"))
            return response

    lambda_runtime.Worker = Worker
    emit = lambda_svc._emit_lambda_logs

    def emit_others(function: Any, request_id: str, *given: Any, **more: Any) -> None:
        if request_id in logged:
            logged.discard(request_id)
        else:
            emit(function, request_id, *given, **more)

    lambda_svc._emit_lambda_logs = emit_others


class _LogStream:
    """The log stream of an execution environment.

    Args:
        config: The function's configuration.
        context: The variables of the call that needs the environment: its account and Region.
    """

    def __init__(self, config: dict[str, Any], context: contextvars.Context) -> None:
        version = config.get("Version", "$LATEST")
        self.name = f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid.uuid4().hex}"
        self.finished = threading.Event()
        """Set when the process has closed its standard error."""
        self._config, self._context, self._version = config, context, version
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._ended = threading.Condition(self._lock)
        self._created = time.time()
        self._init: float | None = None
        self._memory = 0
        self._last = ""
        self._write(f"INIT_START Runtime Version: {config.get('Runtime', 'python')}.v1")

    def initialized(self) -> None:
        """Notes how long it took to start the environment."""
        self._init = time.time() - self._created

    def read(self, line: str) -> str | None:
        """Logs a line from the process, and returns it; None if it is only for the engine."""
        if not line.startswith(_MARK):
            self._write(line)
            return line
        said = json.loads(line[len(_MARK) :])
        if "line" in said:
            self._write(said["line"])
            return str(said["line"])
        if "start" in said:
            self._start(said["start"])
        else:
            self._memory = said["memory"]
            self._report(said["end"])
        return None

    def wait_for_end(self, request_id: str) -> None:
        """Waits until the lines of a call have been read: the response can be faster."""
        with self._ended:
            self._ended.wait_for(lambda: self._last == request_id or self.finished.is_set(), 0.25)

    def end(self, request_id: str, error: str | None) -> None:
        """Ends a call, if the process has not ended it itself: it was killed, or never started."""
        if error:
            self.finished.wait(2)
        with self._lock:
            over = self._last == request_id
        if over:
            return
        self._start(request_id)
        if error and error.startswith("Task timed out"):
            self._write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {error}\n")
            self._report(request_id, "timeout")
        elif error and not error.startswith("Worker init failed"):
            self._write(
                f"RequestId: {request_id} Error: Runtime exited without providing a reason\nRuntime.ExitError"
            )
            self._report(request_id, "error\tError Type: Runtime.ExitError")
        else:
            self._report(request_id, "error" if error else "")

    def _start(self, request_id: str) -> None:
        with self._lock:
            known = request_id in self._begun
            self._begun.setdefault(request_id, time.time())
        if not known:
            self._write(f"START RequestId: {request_id} Version: {self._version}")

    def _report(self, request_id: str, status: str = "") -> None:
        milliseconds = (time.time() - self._begun.pop(request_id, time.time())) * 1000
        report = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
            f"Memory Size: {self._config.get('MemorySize', 128)} MB",
            f"Max Memory Used: {self._memory} MB",
            *([f"Init Duration: {self._init * 1000:.2f} ms"] if self._init is not None else []),
            *([f"Status: {status}"] if status else []),
            "",
        ]
        self._init = None  # Only the first call says it.
        self._write(f"END RequestId: {request_id}")
        self._write("\t".join(report))
        with self._ended:
            self._last = request_id
            self._ended.notify_all()

    def _write(self, message: str) -> None:
        with self._lock:
            self._context.run(self._append, f"{message}\n")

    def _append(self, message: str) -> None:
        from ministack.services import cloudwatch_logs

        now = int(time.time() * 1000)
        group = (self._config.get("LoggingConfig") or {}).get("LogGroup")
        group = group or f"/aws/lambda/{self._config.get('FunctionName')}"
        # Lambda creates a log group that somebody has deleted.
        groups = cloudwatch_logs._log_groups
        if group not in groups:
            groups[group] = {
                "arn": cloudwatch_logs._make_group_arn(group),
                "creationTime": now,
                "retentionInDays": None,
                "tags": {},
                "subscriptionFilters": {},
                "streams": {},
            }
        add_line(groups[group], self.name, message, now)
        cloudwatch_logs._fanout_to_subscription_filters(
            group, self.name, [{"timestamp": now, "message": message}]
        )


def add_line(group: dict[str, Any], stream: str, message: str, now: int) -> None:
    """Adds a line to a stream of a log group, which is created if it does not exist.

    Args:
        group: MiniStack's record of the group.
        stream: The stream's name.
        message: The line.
        now: The time, in milliseconds since 1970.
    """
    from ministack.services import cloudwatch_logs

    found = group["streams"].setdefault(
        stream,
        {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        },
    )
    event = {"timestamp": now, "message": message, "ingestionTime": now, "eventId": uuid.uuid4().hex}
    cloudwatch_logs._append_log_events(found, [event])


_PAGE = 10_000
_TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?:\s+|$)')


def _search_for_terms() -> None:
    """Searches log groups for terms as documented, and returns pages.

    AWS: a pattern has terms, which are words or phrases in quotation marks, with upper and lower case. All of them have
    to be in a line, those after `-` must not be, and of those after `?` one is enough. A page has up to 10,000 events,
    and a token if there are more. (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html,
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html)
    MiniStack: splits phrases at their spaces, takes `?` as part of the word, ignores case, and ends after a page. A
    pattern for JSON matches everything; here it is refused.
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import cloudwatch_logs

    def search(request: dict[str, Any]) -> Any:
        group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(request))
        if group is None:
            return error_response_json(
                "ResourceNotFoundException", "The specified log group does not exist.", 400
            )
        try:
            matches = _matcher(request.get("filterPattern") or "")
            first = int(request.get("nextToken") or 0)
        except ValueError as error:
            return error_response_json("InvalidParameterException", str(error), 400)
        begin, end = request.get("startTime", 0), request.get("endTime", float("inf"))
        limit = min(request.get("limit") or _PAGE, _PAGE)
        streams = request.get("logStreamNames") or list(group["streams"])
        with cloudwatch_logs._log_events_lock:
            events = [
                {**event, "logStreamName": name}
                for name in streams
                for event in group["streams"].get(name, {"events": []})["events"]
                if begin <= event["timestamp"] <= end and matches(event["message"])
            ]
        events.sort(key=lambda event: event["timestamp"])
        more = {"nextToken": str(first + limit)} if len(events) > first + limit else {}
        return json_response({"events": events[first : first + limit], "searchedLogStreams": [], **more})

    cloudwatch_logs._filter_log_events = search


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Returns what a line has to match.

    Raises:
        ValueError: The pattern is invalid, or of a kind that the engine does not know.
    """
    pattern = pattern.strip()
    if pattern[:1] in ("{", "[", "%"):
        raise ValueError("Invalid filter pattern: the local engine knows terms only")
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    place = 0
    while place < len(pattern):
        found = _TERM.match(pattern, place)
        if found is None:
            raise ValueError("Invalid filter pattern")
        phrase = found["phrase"]
        text = found["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
        terms[found["sign"]].append(text)
        place = found.end()
    needed, enough, excluded = terms[""], terms["?"], terms["-"]

    def matches(line: str) -> bool:
        return (
            all(term in line for term in needed)
            and (bool(needed) or not enough or any(term in line for term in enough))
            and not any(term in line for term in excluded)
        )

    return matches
