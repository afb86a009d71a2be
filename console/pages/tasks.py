"""The pages of a worker, on the local engine only: the tasks that wait, and one task to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import SerializeAsAny
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import NoMatchFound, Route

from console.errors import Problem
from console.objects import sent
from console.posted import Posted, with_form
from console.rendering import page, see
from console.reviewers import Reviewers, Task
from console.site import Site
from console.views import View
from console.worker_tasks.description import as_json, elements_of, fill
from console.worker_tasks.elements import ElementView, Shown, text_at
from console.worker_tasks.picture import picture_of
from lambdas.reviews.times import moment_of, timestamp
from workflow.errors import AfterloopError
from workflow.operations.review_view.objects import DocumentError, open_object, read_head

__all__ = ["routes", "writing"]

_MAX_TASKS = 200
_MAX_SECONDS = 864_000.0
_MAX_INPUT = 100_000
"""The characters of an input that the page shows. An input has up to 3 MiB."""
_FAILURE_CODES = ("InternalError", "ValidationError", "Expired")


class TaskRowView(View):
    """A task that waits.

    Attributes:
        name: The name of the loop.
        flow_definition: The name of its flow definition.
        title: The title of the task.
        created: When the loop started.
        expires: When it fails, if it has too few answers until then.
        answers: How many workers have answered.
        task_count: How many have to.
    """

    name: str
    flow_definition: str
    title: str
    created: datetime
    expires: datetime
    answers: int
    task_count: int


class SampleView(View):
    """A sample that can be started."""

    flow_definition: str
    title: str
    workers: int


class TasksView(View):
    """What waits, and what can be started.

    Attributes:
        tasks: The tasks that wait, oldest first.
        has_more: Whether more wait.
        samples: The samples.
    """

    tasks: tuple[TaskRowView, ...]
    has_more: bool
    samples: tuple[SampleView, ...]


class WorkerView(View):
    """A worker.

    Attributes:
        id: The workerId.
        has_answered: Whether the worker has answered this task.
        is_chosen: Whether the answer is from this worker.
    """

    id: str
    has_answered: bool
    is_chosen: bool


class PictureView(View):
    """The image or document.

    Attributes:
        location: Where it is.
        width: Its width in pixels; None if it is no image.
        height: Its height.
        problem: Why it cannot be shown.
    """

    location: str
    width: int | None = None
    height: int | None = None
    problem: str | None = None


class TaskView(View):
    """A task.

    Attributes:
        task: The task.
        status: The status of the loop.
        can_answer: Whether it waits for answers.
        instructions: What the worker should do.
        text: The text that it is about; None without one, and if an element shows it.
        picture: The image or document that it is about.
        elements: What is to be filled in.
        workers: Who can answer.
        worker_problem: What is wrong with the choice of the worker.
        problems: How many elements have to be corrected.
        refused: Why the engine refused the answer.
        accepted: When the task was opened.
        is_json: Whether the answer is written as JSON although there are fields for it.
        has_fields: Whether there are fields for it.
        failure_codes: With what it can fail.
        input_content: The input of the loop, as JSON; the beginning, if it is long.
        is_input_cut: Whether it is only the beginning.
    """

    task: TaskRowView
    status: str
    can_answer: bool
    instructions: str
    text: str | None
    picture: PictureView | None
    elements: tuple[SerializeAsAny[ElementView], ...]
    workers: tuple[WorkerView, ...]
    worker_problem: str | None
    problems: int
    refused: str | None
    accepted: str
    is_json: bool
    has_fields: bool
    failure_codes: tuple[str, ...]
    input_content: str
    is_input_cut: bool


def routes(site: Site) -> list[Route]:
    """The pages. A console without reviewers has none."""
    if site.reviewers is None:
        return []
    return [
        Route("/tasks", _tasks, name="tasks"),
        Route("/tasks/{name}", _task, name="task"),
        Route("/tasks/{name}/picture", _picture, name="task_picture"),
    ]


def writing(site: Site) -> list[Route]:
    """The forms."""
    if site.reviewers is None:
        return []
    return [
        Route("/tasks", with_form(_start), methods=["POST"]),
        Route("/tasks/{name}", with_form(_answer), methods=["POST"]),
        *(
            Route(f"/tasks/{{name}}/{action}", with_form(handler), name=f"task_{action}", methods=["POST"])
            for action, handler in (("fail", _fail), ("expire", _expire), ("stop", _stop))
        ),
    ]


def _tasks(request: Request) -> Response:
    reviewers = _reviewers(request)
    waiting = reviewers.waiting(_MAX_TASKS + 1)
    view = TasksView(
        tasks=tuple(map(_row, waiting[:_MAX_TASKS])),
        has_more=len(waiting) > _MAX_TASKS,
        samples=tuple(SampleView.model_validate(sample) for sample in reviewers.samples()),
    )
    return page(request, "tasks.html", view)


def _start(request: Request, posted: Posted) -> Response:
    name = _reviewers(request).start(posted.text("sample"))
    return see(request, "task", f"Started {name}.", name=name)


def _task(request: Request) -> Response:
    return page(request, "task.html", _view(request, _found(request), None))


def _answer(request: Request, posted: Posted) -> Response:
    reviewers, task = _reviewers(request), _found(request)
    view, answer = _filled(request, task, posted)
    if view.problems or view.worker_problem:
        return page(request, "task.html", view, status=422)
    worker = next(worker.id for worker in view.workers if worker.is_chosen)
    try:
        after = reviewers.answer(task.name, worker, answer, _seconds_since(posted.text("accepted")))
    except AfterloopError as error:
        return page(request, "task.html", view.model_copy(update={"refused": str(error)}), status=409)
    needed = after.task_count - len(after.answered_by)
    if after.status == "InProgress" and needed > 0:
        more = "one more worker has" if needed == 1 else f"{needed} more workers have"
        return see(request, "task", f"The answer is submitted; {more} to answer.", name=task.name)
    return _see_loop(request, task, f"The answer is submitted; {task.name} is {after.status}.")


def _fail(request: Request, posted: Posted) -> Response:
    code, reason = posted.text("code").strip(), posted.text("reason").strip()
    if not code:
        raise Problem("Enter a failure code, such as InternalError.", status=422, title="No failure code")
    task = _found(request)
    _reviewers(request).fail(task.name, code, reason or None)
    return _see_loop(request, task, f"{task.name} failed with {code}.")


def _expire(request: Request, posted: Posted) -> Response:
    task = _found(request)
    _reviewers(request).expire(task.name)
    return _see_loop(request, task, f"{task.name} expired.")


def _stop(request: Request, posted: Posted) -> Response:
    task = _found(request)
    _reviewers(request).stop(task.name)
    return _see_loop(request, task, f"{task.name} is being stopped.")


def _picture(request: Request) -> Response:
    task = _found(request)
    named = picture_of(task.source, task.description, task.content)
    if named is None:
        raise Problem(f"The input of {task.name} names no image or document in S3.")
    site: Site = request.app.state.site
    return sent(request, open_object(site.connection.s3, named))


def _see_loop(request: Request, task: Task, message: str) -> Response:
    try:
        return see(request, "loop", message, key=task.name)
    except NoMatchFound:
        return see(request, "tasks", message)


def _view(request: Request, task: Task, posted: Posted | None) -> TaskView:
    return _filled(request, task, posted)[0]


def _filled(request: Request, task: Task, posted: Posted | None) -> tuple[TaskView, dict[str, object]]:
    """Returns the page, and the answerContent that follows from it."""
    described = task.description
    picture = _picture_of(request, task)
    size = (picture.width, picture.height) if picture and picture.width and picture.height else None
    text = text_at(task.content, described.text) if described else None
    elements = elements_of(task.source, described)
    shown = Shown(task.content, size, text)
    is_json = request.query_params.get("as") == "json"
    filled, answer = (as_json if is_json else fill)(elements, shown, posted)
    views = tuple(one.view for one in filled)
    workers, worker_problem = _workers(_reviewers(request).workers, task, posted)
    accepted = posted.text("accepted") if posted else timestamp(datetime.now(UTC))
    beginning, is_cut = _beginning(task.content)
    view = TaskView(
        task=_row(task),
        status=task.status,
        can_answer=task.status == "InProgress",
        instructions=described.instructions if described else "",
        text=None if any(view.kind == "spans" for view in views) else text,
        picture=picture,
        elements=views,
        workers=workers,
        worker_problem=worker_problem,
        problems=sum(not one.is_valid for one in filled) if posted else 0,
        refused=None,
        accepted=accepted,
        is_json=is_json,
        has_fields=all(view.kind != "anything" for view in views) or is_json,
        failure_codes=_FAILURE_CODES,
        input_content=beginning,
        is_input_cut=is_cut,
    )
    return view, answer


def _beginning(content: Mapping[str, Any]) -> tuple[str, bool]:
    """Returns the beginning of an input as JSON, and whether there is more. Writing all of it would take seconds."""
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(content):
        parts.append(part)
        length += len(part)
        if length > _MAX_INPUT:
            return "".join(parts)[:_MAX_INPUT], True
    return "".join(parts), False


def _workers(
    ids: Sequence[str], task: Task, posted: Posted | None
) -> tuple[tuple[WorkerView, ...], str | None]:
    """Returns the workers, and what is wrong with the choice. The first who has not answered is chosen at first."""
    free = [one for one in ids if one not in task.answered_by]
    wanted = posted.text("worker") if posted else ""
    chosen = wanted if wanted in ids else next(iter(free), None)
    workers = tuple(
        WorkerView(id=one, has_answered=one in task.answered_by, is_chosen=one == chosen) for one in ids
    )
    if posted is None:
        return workers, None
    if wanted not in ids:
        return workers, "Choose the worker who answers."
    return workers, "This worker has answered already: choose another one." if wanted not in free else None


def _picture_of(request: Request, task: Task) -> PictureView | None:
    named = picture_of(task.source, task.description, task.content)
    if named is None:
        return None
    site: Site = request.app.state.site
    try:
        head = read_head(site.connection.s3, named)
    except DocumentError as error:
        return PictureView(location=named.location, problem=str(error))
    if head.size is None:
        return PictureView(location=named.location)
    return PictureView(location=named.location, width=int(head.size.width), height=int(head.size.height))


def _row(task: Task) -> TaskRowView:
    return TaskRowView(
        name=task.name,
        flow_definition=task.flow_definition,
        title=task.title,
        created=task.created,
        expires=task.expires,
        answers=len(task.answered_by),
        task_count=task.task_count,
    )


def _seconds_since(accepted: str) -> float:
    """Returns the seconds since the page was opened, 0 if it does not say when."""
    moment = moment_of(accepted)
    if moment is None or moment.tzinfo is None:
        return 0.0
    return min(max((datetime.now(UTC) - moment).total_seconds(), 0.0), _MAX_SECONDS)


def _found(request: Request) -> Task:
    try:
        return _reviewers(request).task(request.path_params["name"])
    except AfterloopError as error:
        raise Problem(
            f"{error}. The tasks that wait are on the page of tasks.", title="No such task"
        ) from None


def _reviewers(request: Request) -> Reviewers:
    site: Site = request.app.state.site
    assert site.reviewers is not None  # otherwise there are no such routes
    return site.reviewers
