from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.cloudwatch_logs import BEGIN, CloudWatchLogs
from workflow.operations.logs.search import MAX_LINES, Group, GroupUnreadable, NoSuchGroup, Period

HOUR = Period(BEGIN - timedelta(minutes=1), BEGIN + timedelta(hours=1))


def request(number: int) -> str:
    return f"4299ee26-8d1d-4ea9-bd43-{number:012}"


def call(number: int, *lines: str, end: str = "") -> list[str]:
    """The lines of a call as Lambda writes them."""
    start, stop = f"START RequestId: {request(number)} Version: 3", f"END RequestId: {request(number)}"
    return [start, *lines, stop, f"REPORT RequestId: {request(number)}\tDuration: 1.00 ms\t{end}"]


def group(logs: Any, function: str = "f") -> Group:
    return Group(logs, f"/aws/lambda/{function}")


def test_lines_between_start_and_report_belong_to_the_call(logs: CloudWatchLogs) -> None:
    logs.write("f", "one", *call(1, "first"), "[ERROR] ValueError: after the report", *call(2, "second"))
    logs.write("f", "two", *call(3, "third"))
    calls = group(logs).calls(["one", "two"], HOUR)
    assert [event.raw for event in calls[request(1)]] == call(1, "first")
    assert [event.raw for event in calls[request(2)]] == [
        "[ERROR] ValueError: after the report",
        *call(2, "second"),
    ]
    assert [event.raw for event in calls[request(3)]] == call(3, "third")


def test_lines_before_the_first_call_belong_to_it(logs: CloudWatchLogs) -> None:
    early = "[ERROR] Runtime.ImportModuleError: Unable to import module 'f'"
    logs.write("f", "one", early, at=-10)
    logs.write("f", "one", *call(1))
    calls = group(logs).calls(["one"], Period(BEGIN, HOUR.end))
    assert [event.raw for event in calls[request(1)]] == [early, *call(1)]


def test_timeout_after_the_report_belongs_to_its_call(logs: CloudWatchLogs) -> None:
    late = f"2026-03-01T10:00:03.004Z {request(1)} Task timed out after 3.00 seconds"
    logs.write("f", "one", *call(1), late, *call(2))
    assert [event.raw for event in group(logs).calls(["one"], HOUR)[request(1)]] == [*call(1), late]


def test_call_that_runs_has_the_lines_so_far(logs: CloudWatchLogs) -> None:
    logs.write("f", "one", call(1)[0], "begun")
    assert [event.raw for event in group(logs).calls(["one"], HOUR)[request(1)]] == [call(1)[0], "begun"]


def test_many_texts_are_searched_for_in_few_patterns(logs: CloudWatchLogs) -> None:
    for number in range(60):
        logs.write("f", f"stream {number}", *call(number), at=number)
    found = group(logs).find(map(request, range(50)), HOUR)
    assert {event.read.request_id for event in found} == set(map(request, range(50)))
    assert len(logs.patterns) == 2


def test_text_with_quotation_marks_is_found_as_it_is(logs: CloudWatchLogs) -> None:
    logs.write("f", "one", 'said "yes"', "said yes")
    assert [event.raw for event in group(logs).find(['"yes"'], HOUR)] == ['said "yes"']


def test_pages_are_read_to_the_end(logs: CloudWatchLogs) -> None:
    logs.page = 2
    logs.write("f", "one", *call(1, "a", "b", "c"))
    assert len(group(logs).calls(["one"], HOUR)[request(1)]) == 6


def test_search_ends_after_many_lines_and_says_so(logs: CloudWatchLogs) -> None:
    logs.write("f", "one", *call(1, *["line"] * (MAX_LINES + 10)))
    searched = group(logs)
    assert len(searched.calls(["one"], HOUR)[request(1)]) == MAX_LINES
    assert searched.is_cut


def test_more_streams_than_one_call_can_name_are_read(logs: CloudWatchLogs) -> None:
    for number in range(150):
        logs.write("f", f"stream {number}", *call(number))
    assert len(group(logs).calls([f"stream {number}" for number in range(150)], HOUR)) == 150
    assert logs.calls == {"FilterLogEvents": 2}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ResourceNotFoundException", "has not run yet"),
        ("AccessDeniedException", "logs:FilterLogEvents"),
        ("ThrottlingException", "try again later"),
    ],
)
def test_unreadable_group_is_an_error_that_says_why(logs: CloudWatchLogs, code: str, words: str) -> None:
    logs.errors = [code]
    with pytest.raises(GroupUnreadable, match=f"/aws/lambda/f .*{words}"):
        group(logs).find(["x"], HOUR)


def test_missing_group_has_an_error_of_its_own(logs: CloudWatchLogs) -> None:
    with pytest.raises(NoSuchGroup):
        group(logs).find(["x"], HOUR)


def test_other_errors_of_aws_are_not_hidden(logs: CloudWatchLogs) -> None:
    logs.errors = ["ExpiredTokenException"]
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        group(logs).find(["x"], HOUR)
