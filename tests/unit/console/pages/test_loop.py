"""The page of one human loop."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from starlette.testclient import TestClient

from lambdas.loops.loop import Loop, OperatorAction
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.start_request import NameTaken, StartedLoop
from lambdas.reviews.errors import TransientServiceError
from tests.unit.workflow.operations.executions.histories import START
from workflow.operations.closing import ClosedLoop
from workflow.operations.loops import LoopError
from workflow.operations.redriving import Redrive
from workflow.operations.story import (
    A2iLoop,
    Execution,
    Processing,
    ReachedStep,
    SentMessage,
    Story,
    loop_story,
)

MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:afterloop-dev"
PREFIX = MACHINE.replace(":stateMachine:", ":execution:") + ":"
FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/triage"
CLAIM = "2026-03-04T05:06:07.890Z Completed"
EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202egpj\"'"


def row(**values: Any) -> Loop:
    return Loop(**{"human_loop_name": "loop-1", "flow_definition_arn": FLOW, "status": "Completed", **values})


def processing(name: str, status: str, **values: Any) -> Processing:
    step = values.pop("step", None)
    execution = Execution(PREFIX + name, status, started=START, **values)
    sent = {"step": "Escalate", "to": "arn:t:escalations", "subject": "failed", "text": "Do\nit."}
    message = SentMessage("2026-03-04T12:00:05.000Z", **sent)
    return Processing(
        execution, CLAIM, "2026-03-04T12:00:00.000Z", "done", step, [message] if status == "FAILED" else []
    )


class Stage:
    """What the page reads and does.

    Attributes:
        calls: What was done.
        refusal: The error of the next thing that is done.
        newer: The loop that has the name in A2I now.
    """

    def __init__(self, story: Story | Exception) -> None:
        self.story = story
        self.calls: list[Any] = []
        self.refusal: Exception | None = None
        self.newer: Loop | None = None

    def newer_of_name(self, loop: Loop) -> Loop | None:
        return self.newer

    def show(self, name: str) -> Story:
        if isinstance(self.story, Exception):
            raise self.story
        return self.story

    def _done(self, *call: Any) -> None:
        self.calls.append(call)
        if self.refusal:
            raise self.refusal

    def restart(self, name: str) -> StartedLoop:
        self._done("restart", name)
        return StartedLoop(human_loop_name="loop-1-attempt-2", status="InProgress")

    def stop(self, name: str) -> str:
        self._done("stop", name)
        return name

    def close(self, name: str, note: str) -> ClosedLoop:
        self._done("close", name, note)
        return ClosedLoop(row(closed_by="ada"), 1)

    def redrive(self, name: str) -> Redrive:
        self._done("redrive", name)
        return Redrive(name, CLAIM, PREFIX + "b", PREFIX + "a")

    def reconcile(self) -> Any:
        self._done("reconcile")
        return SimpleNamespace(looked_at=3, problems=["x: y"])


@pytest.fixture
def open_console(console: Callable[..., TestClient]) -> Callable[..., TestClient]:
    def make(stage: Stage, **options: Any) -> TestClient:
        reviews = SimpleNamespace(review=lambda *_, **__: None, documents=lambda loop: [])
        resources = SimpleNamespace(state_machine_arn=MACHINE)
        client = console(SimpleNamespace(loops=stage, reviews=reviews, resources=resources), **options)
        client.follow_redirects = False
        return client

    return make


Open = Callable[..., TestClient]


def text_of(page: Any) -> str:
    """Returns the text of a page, as a person reads it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.text)).split())


def redriven(**values: Any) -> Story:
    failed = processing(
        "a", "FAILED", error="OutputMissing", cause='{"errorMessage": "no object"}',
        step=ReachedStep("Collect review", error="OutputMissing"),
    )  # fmt: skip
    running = processing("b", "RUNNING", step=ReachedStep("Tell the shop", is_users=True, attempt=2))
    return loop_story(row(outcome="stored", **values), stage="dev", executions=[failed, running])


class TestPage:
    def test_page_tells_what_happened_oldest_first(self, open_console: Open) -> None:
        page = open_console(Stage(redriven(created_at="2026-03-04T05:06:07.890Z"))).get("/loops/loop-1")
        text = text_of(page)
        assert page.status_code == 200
        assert 'The review is stored; your step "Tell the shop" is running, attempt 2.' in text
        parts = [
            "Created in A2I, not through Afterloop.",
            "Execution a",
            "It processed the status change to Completed. Step Collect review failed with OutputMissing.",
            "no object",
            "Execution b running for",
            "Your step Tell the shop is running, attempt 2.",
            "Message to escalations, sent by step Escalate failedDo it.",
        ]
        places = [text.index(part) for part in parts]
        assert places == sorted(places)

    def test_executions_and_steps_link_to_their_page(self, open_console: Open) -> None:
        page = open_console(Stage(redriven())).get("/loops/loop-1")
        assert 'href="/executions/a"' in page.text
        assert 'href="/executions/b?state=Tell+the+shop#step"' in page.text

    def test_execution_of_another_machine_is_linked_by_its_arn(self, open_console: Open) -> None:
        arn = "arn:aws:states:eu-west-1:111122223333:execution:other:x y"
        story = loop_story(
            row(), stage="dev", executions=[Processing(Execution(arn, "GONE"), gap="It is gone.")]
        )
        page = open_console(Stage(story)).get("/loops/loop-1")
        assert f'href="/executions/{arn.replace(":", "%3A").replace(" ", "%20")}"' in page.text
        assert "It is gone." in page.text

    def test_execution_that_was_redriven_in_the_console_says_so(self, open_console: Open) -> None:
        story = loop_story(row(), stage="dev", executions=[processing("a", "FAILED", error="E", redrives=2)])
        text = text_of(open_console(Stage(story)).get("/loops/loop-1"))
        assert "to Completed, and was redriven 2 times in the Step Functions console." in text

    def test_json_has_the_same(self, open_console: Open) -> None:
        client = open_console(Stage(redriven(created_at="2026-03-04T05:06:07.890Z")))
        document = client.get("/loops/loop-1?format=json").json()
        assert [event["kind"] for event in document["events"]] == [
            "started",
            "execution",
            "execution",
            "message",
        ]
        assert document["events"][1]["execution"]["cause"]["message"] == "no object"
        assert document["isFinal"] is False
        assert document["command"] == "python deploy.py loops show loop-1 --stage dev"

    @pytest.mark.parametrize(
        ("loop", "is_live"),
        [
            (row(outcome="stored"), False),
            (row(status="NotNeeded"), False),
            (row(status="InProgress"), True),
            (row(status="Failed", outcome="escalated"), True),
            (row(outcome="processing"), True),
        ],
    )
    def test_page_is_live_until_nothing_more_happens(
        self, open_console: Open, loop: Loop, is_live: bool
    ) -> None:
        page = open_console(Stage(loop_story(loop, stage="dev"))).get("/loops/loop-1")
        assert ("data-live" in page.text) is is_live

    def test_page_of_stored_review_is_live_while_your_step_runs(self, open_console: Open) -> None:
        assert "data-live" in open_console(Stage(redriven())).get("/loops/loop-1").text

    def test_lineage_links_to_the_other_attempts(self, open_console: Open) -> None:
        before = [row(human_loop_name="loop-0", status="Failed", outcome="restarted", failure_code="Expired")]
        after = [row(human_loop_name="loop-2", status="InProgress", created_at="2026-03-05T00:00:00.000Z")]
        story = loop_story(
            row(status="Failed", outcome="restarted", next_loop_name="loop-2", attempt=2),
            stage="dev",
            before=before,
            after=after,
        )
        page = open_console(Stage(story)).get("/loops/loop-1")
        assert 'href="/loops/loop-0"' in page.text
        assert "Restarted as loop-2" in text_of(page)
        assert "loop-1 (this one)" in text_of(page)
        assert 'Show the last attempt. <a href="/loops/loop-2">Open it</a>' in " ".join(page.text.split())

    def test_closed_and_answered_loops_say_so(self, open_console: Open) -> None:
        loop = row(
            outcome="closed", closed_by="ada", closed_at="2026-03-04T09:00:00.000Z", note="withdrawn",
            answer="delivered", answered_at="2026-03-04T08:00:00.000Z",
            operator_actions=[
                OperatorAction(action="stop", by="arn:grace", at="2026-03-04T07:00:00.000Z"),
                OperatorAction(action="close", by="arn:ada", at="2026-03-04T09:00:00.000Z"),
            ],
        )  # fmt: skip
        client = open_console(Stage(loop_story(loop, stage="dev")))
        text = text_of(client.get("/loops/loop-1"))
        parts = [
            "arn:grace ran loops stop.",
            "The waiting workflow was notified.",
            "Closed by ada: withdrawn",
        ]
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
        assert "ran loops close" not in text, "that it was closed is said once"
        events = client.get("/loops/loop-1?format=json").json()["events"]
        assert [one["kind"] for one in events] == ["started", "operator", "answered", "closed"]

    def test_loop_that_only_a2i_has_says_so(self, open_console: Open) -> None:
        story = loop_story(
            Loop(human_loop_name="loop-1"), stage="dev", view=A2iLoop("InProgress", START, FLOW)
        )
        page = open_console(Stage(story)).get("/loops/loop-1")
        assert "Only A2I has this loop." in text_of(page)
        assert "python deploy.py loops stop loop-1 --stage dev" in page.text
        assert page.text.count("triage") >= 1

    def test_name_that_was_used_again_links_to_the_first_loop(self, open_console: Open) -> None:
        loop = row(human_loop_name="loop-1@2026-03-04T05:06:07Z", loop_created_at="2026-03-04T05:06:07.890Z")
        page = open_console(Stage(loop_story(loop, stage="dev"))).get("/loops/loop-1%402026-03-04T05:06:07Z")
        assert "was used again: this is the loop that was created at 2026-03-04 05:06:07 UTC" in text_of(page)
        assert '<a href="/loops/loop-1">The first loop with this name</a>' in page.text

    def test_loop_whose_name_has_another_one_now_links_to_it(self, open_console: Open) -> None:
        stage = Stage(loop_story(row(), stage="dev"))
        stage.newer = row(human_loop_name="loop-1@2026-03-05T05:06:07Z")
        page = open_console(stage).get("/loops/loop-1")
        assert '<a href="/loops/loop-1%402026-03-05T05%3A06%3A07Z">The newer loop</a>' in page.text

    def test_row_of_the_lineage_that_cannot_be_read_is_named(self, open_console: Open) -> None:
        story = loop_story(row(), stage="dev", unreadable=[UnreadableRow("loop-0", "attempt: not a number")])
        assert "human loop 'loop-0': its item in the ledger" in text_of(
            open_console(Stage(story)).get("/loops/loop-1")
        )

    def test_hostile_values_are_shown_and_do_nothing(self, open_console: Open) -> None:
        names = (
            "human_loop_name", "flow_definition_arn", "failure_code", "failure_reason", "reason", "note", "closed_by",
            "closed_at", "answer", "answered_at", "created_at", "input_location", "output_location",
            "review_location", "next_loop_name",
        )  # fmt: skip
        step = ReachedStep(EVIL, error=EVIL, inside=ReachedStep(EVIL))
        message = SentMessage(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL)
        executions = [
            Processing(
                Execution(EVIL, "GONE", error=EVIL, cause=EVIL), EVIL, EVIL, "replaced", step, [message], EVIL
            ),
            Processing(
                Execution(PREFIX + EVIL, "FAILED", error=EVIL, cause=EVIL), EVIL, "", "done", step, [message]
            ),
        ]
        did = [OperatorAction(action=EVIL, by=EVIL, at=EVIL)]
        loop = row(**dict.fromkeys(names, EVIL), status=EVIL, outcome="closed", operator_actions=did)
        story = loop_story(loop, stage="dev", executions=executions, before=[loop], after=[loop])
        client = open_console(Stage(story), may_write=True)
        page = client.get("/loops/x")
        assert page.status_code == 200
        assert "<img src=x" not in page.text
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
        assert client.get("/loops/x?format=json").json()["key"]


class TestProblems:
    @pytest.mark.parametrize(
        ("error", "status", "text"),
        [
            (LoopError("human loop 'x' does not exist in stage dev"), 404, "No such human loop"),
            (UnreadableRow("x", "attempt: not a number"), 500, "correct the item, or delete it"),
            (
                ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetItem"),
                404,
                "The stage is gone",
            ),
        ],
    )
    def test_page_says_what_is_wrong(
        self, open_console: Open, error: Exception, status: int, text: str
    ) -> None:
        page = open_console(Stage(error)).get("/loops/x")
        assert page.status_code == status
        assert text in text_of(page)
        assert "Traceback" not in page.text


ESCALATED = loop_story(row(status="Failed", outcome="escalated", input_location="s3://b/i"), stage="dev")


class TestActions:
    def test_read_only_page_has_commands_and_no_buttons(self, open_console: Open) -> None:
        stage = Stage(ESCALATED)
        client = open_console(stage)
        page = client.get("/loops/loop-1")
        assert "python deploy.py loops restart loop-1 --stage dev" in page.text
        assert "<button" not in page.text
        for action in ("restart", "stop", "close", "redrive", "reconcile"):
            assert client.post(f"/loops/loop-1/{action}").status_code == 405
        assert stage.calls == []

    def test_page_that_may_write_has_a_button_for_each_command(self, open_console: Open) -> None:
        page = open_console(Stage(ESCALATED), may_write=True).get("/loops/loop-1")
        assert re.findall(r'action="([^"]+)"', page.text) == ["/loops/loop-1/restart", "/loops/loop-1/close"]
        assert "python deploy.py loops restart loop-1 --stage dev" in page.text

    @pytest.mark.parametrize(
        ("action", "form", "call", "at", "message"),
        [
            ("restart", {}, ("restart", "a b"), "loop-1-attempt-2", "Restarted a b as loop-1-attempt-2."),
            ("stop", {}, ("stop", "a b"), "a%20b", "a b is stopping."),
            (
                "close",
                {"note": " withdrawn "},
                ("close", "a b", "withdrawn"),
                "loop-1",
                "Closed by ada. Waiting workflows that were notified: 1.",
            ),
            ("redrive", {}, ("redrive", "a b"), "a%20b", "The status change is being processed again."),
            ("reconcile", {}, ("reconcile",), "a%20b", "Human loops checked: 3. Problems: x: y"),
        ],
    )
    def test_button_does_what_the_command_does(
        self, open_console: Open, action: str, form: Any, call: Any, at: str, message: str
    ) -> None:
        stage = Stage(ESCALATED)
        client = open_console(stage, may_write=True)
        answer = client.post(f"/loops/a%20b/{action}", data=form)
        assert stage.calls == [call]
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/loops/{at}?message=")
        assert message in text_of(client.get(answer.headers["location"]))

    @pytest.mark.parametrize("note", ["", " \n ", "x" * 2001])
    def test_note_that_is_missing_or_too_long_is_an_error_beside_it(
        self, open_console: Open, note: str
    ) -> None:
        stage = Stage(ESCALATED)
        answer = open_console(stage, may_write=True).post("/loops/loop-1/close", data={"note": note})
        assert (answer.status_code, stage.calls) == (400, [])
        assert 'aria-describedby="note-problem"' in answer.text
        assert "maximum is 2,000" in answer.text or "Say why" in answer.text
        assert note.strip() in answer.text
        # What is updated by itself would be fetched from the address of the form.
        assert "data-live" not in answer.text

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (LoopError("it was restarted meanwhile"), 409),
            (NameTaken("another loop has the name"), 409),
            (TransientServiceError("A2I throttles"), 409),
            (
                ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "StopHumanLoop"),
                502,
            ),
        ],
    )
    def test_refusal_is_a_page_that_says_why(self, open_console: Open, error: Exception, status: int) -> None:
        stage = Stage(ESCALATED)
        stage.refusal = error
        answer = open_console(stage, may_write=True).post("/loops/loop-1/restart")
        assert answer.status_code == status
        assert str(error).rpartition(" ")[2] in answer.text
        assert "Traceback" not in answer.text
