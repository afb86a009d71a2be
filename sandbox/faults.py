"""Faults on demand: `sandbox.faults` makes calls of AWS operations fail, as they do on a bad day.

    from sandbox.faults import DropAnswer, KillWorker, Throttle

    with sandbox.faults.inject(Throttle(), service="dynamodb", operation="UpdateItem", times=3) as injected:
        sandbox.loops.answer("invoice-7", {"decision": {"label": "Approve"}})
        ...  # wait until the execution has ended
    assert injected.count == 3

The fault meets each call that fits, whoever makes it: boto3 clients of this process or another, functions, state
machines, and rules of EventBridge. It ends with the `with` block. Several may be on at once; the first that fits a
call applies.

    Throttle     the service is too busy, and says so with its own error code
    ServerError  the service fails with a status of 500 or more
    Error        the service refuses with any error
    Delay        the service is slow
    DropAnswer   the service does the work, and the answer gets lost
    KillWorker   the function's process dies, before or after the work of the call
    Interrupt    this process is interrupted (KeyboardInterrupt), before or after the work of the call
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal, get_args

import botocore.session
from botocore import xform_name

from sandbox.control import Control
from sandbox.errors import SandboxError

__all__ = [
    "Caller",
    "Delay",
    "DropAnswer",
    "Error",
    "Fault",
    "Faults",
    "Hit",
    "Injected",
    "Interrupt",
    "KillWorker",
    "ServerError",
    "Throttle",
]

Caller = Literal["clients", "functions", "state machines", "rules"]
"""Who makes a call: AWS SDKs outside of functions, Lambda functions, tasks of state machines, rules of EventBridge."""

When = Literal["before", "after"]
"""Before the work of the call, which is then not done, or after it."""


@dataclass(frozen=True)
class Throttle:
    """The service refuses the call because there are too many, with the error code and status that it has for that.

    Examples: ProvisionedThroughputExceededException (DynamoDB), SlowDown and 503 (S3), TooManyRequestsException and
    429 (Lambda), ThrottlingException (Step Functions, Amazon A2I). The SDK retries such a call by itself, so one call
    of your code may use up several of `times`.
    """


@dataclass(frozen=True)
class ServerError:
    """The service fails. The SDK retries such a call by itself.

    Attributes:
        status: The HTTP status, 500 to 599.
    """

    status: int = 500

    def __post_init__(self) -> None:
        if not _is_status(self.status, 500):
            raise SandboxError(f"invalid status: {self.status}; use 500 to 599")


@dataclass(frozen=True)
class Error:
    """The service refuses the call with this error.

    Attributes:
        code: The error code, such as `AccessDeniedException`.
        message: The message. It may be empty.
        status: The HTTP status. None means the one that the service's model has for the code, or 400.
    """

    code: str
    message: str = ""
    status: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or not self.code:
            raise SandboxError(
                f"invalid code: {self.code!r}; use an error code such as AccessDeniedException"
            )
        if not isinstance(self.message, str):
            raise SandboxError(f"invalid message: {self.message!r}; use a text")
        if self.status is not None and not _is_status(self.status, 400):
            raise SandboxError(f"invalid status: {self.status}; use 400 to 599")


@dataclass(frozen=True)
class Delay:
    """The service waits before it does the work. The call then succeeds, unless the caller has given up.

    Attributes:
        seconds: How long.
    """

    seconds: float

    def __post_init__(self) -> None:
        _check_number("seconds of a Delay", self.seconds)


@dataclass(frozen=True)
class DropAnswer:
    """The service does the work, and then the connection breaks: the caller cannot know that it was done.

    SDKs see a closed connection and repeat the call. A task of a state machine fails with the error
    `<service>.SdkClientException`.
    """


@dataclass(frozen=True)
class KillWorker:
    """The process of the function that makes the call is killed. Calls of others are not affected.

    Lambda reports `Runtime.ExitError`, and starts a new process for the next invocation.

    Attributes:
        when: `before` the work of the call, which is then not done, or `after` it.
    """

    when: When = "before"

    def __post_init__(self) -> None:
        _check_when(self.when)


@dataclass(frozen=True)
class Interrupt:
    """The call raises KeyboardInterrupt in this process, as Ctrl-C at this moment does.

    Only clients of `sandbox.client` and `sandbox.session` are affected: calls by `publish`, or operations on loops.

    Attributes:
        when: `before` the work of the call, which is then not done, or `after` it.
    """

    when: When = "before"

    def __post_init__(self) -> None:
        _check_when(self.when)


Fault = Throttle | ServerError | Error | Delay | DropAnswer | KillWorker | Interrupt
"""What happens to a call."""

SESSION_HEADER = "x-sandbox-session"
"""In requests of clients of `sandbox.session`, which can be interrupted."""

INTERRUPTED_HEADER = "x-sandbox-interrupted"
"""In the response to a call that is interrupted."""

FAULTS: dict[str, type[Fault]] = {kind.__name__: kind for kind in get_args(Fault)}


@dataclass(frozen=True)
class Hit:
    """A call that met the fault.

    Attributes:
        service: boto3's name of the service, such as `dynamodb`.
        operation: The operation, such as `UpdateItem`.
        caller: Who made the call.
        function: The name of the function that made the call, if a function did.
    """

    service: str
    operation: str
    caller: Caller
    function: str | None = None


@dataclass
class Injected:
    """A fault that was injected. It can be read during the `with` block and after it.

    Attributes:
        fault: What happens to the calls.
    """

    fault: Fault
    _read: Callable[[], dict[str, Any]] | None = field(default=None, repr=False)
    _counts: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def count(self) -> int:
        """How many calls met the fault."""
        return len(self.hits)

    @property
    def hits(self) -> list[Hit]:
        """The calls that met the fault, in the order in which they did."""
        return [Hit(**hit) for hit in self._current()["hits"]]

    @property
    def calls(self) -> int:
        """How many calls fit, with those that `skip`, `times`, `share` or `seconds` let pass."""
        return int(self._current()["calls"])

    def _current(self) -> dict[str, Any]:
        return self._read() if self._read else self._counts


class Faults:
    """Injects faults into the engine. Threads may share it."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @contextmanager
    def inject(
        self,
        fault: Fault,
        *,
        service: str | None = None,
        operation: str | None = None,
        caller: Caller | None = None,
        function: str | None = None,
        times: int | None = None,
        skip: int = 0,
        share: float = 1.0,
        seed: int = 0,
        seconds: float | None = None,
    ) -> Iterator[Injected]:
        """Makes calls that fit meet a fault until the `with` block ends.

        Args:
            fault: What happens to the calls.
            service: boto3's name of the service, such as `dynamodb` or `sagemaker-a2i-runtime`. None means all.
            operation: The operation, such as `UpdateItem`. None means all operations of the service.
            caller: Who makes the calls. None means anybody.
            function: A part of the name of the function that makes the calls, such as `CollectReview`.
            times: How many calls meet the fault; those after it succeed. None means no limit.
            skip: How many calls succeed first. With `times=1`, the fault meets exactly the call number `skip + 1`.
            share: The share of the calls that meet the fault, chosen at random: more than 0, up to 1.
            seed: Another seed chooses others. Calls are numbered in the order in which they arrive, so the
                choice is the same in each run if the order is.
            seconds: The fault ends after this time. None means with the `with` block.

        Yields:
            What met the fault.

        Raises:
            SandboxError: There is no such service or operation, or another value is invalid.
        """
        checked = rule(
            fault,
            service=service,
            operation=operation,
            caller=caller,
            function=function,
            times=times,
            skip=skip,
            share=share,
            seed=seed,
            seconds=seconds,
        )
        path = f"/_sandbox/faults/{self._control.call('POST', '/_sandbox/faults', checked)['id']}"
        injected = Injected(fault, lambda: dict(self._control.call("GET", path)))
        try:
            yield injected
        finally:
            injected._counts, injected._read = self._control.call("DELETE", path), None


def make_interruptible(session: botocore.session.Session) -> None:
    """Lets the clients of a session raise KeyboardInterrupt when a call meets `Interrupt`."""

    def mark(**request: Any) -> None:
        request["params"]["headers"][SESSION_HEADER] = "1"

    def interrupt(**response: Any) -> None:
        answer = response["response_dict"]
        if answer is not None and INTERRUPTED_HEADER in answer["headers"]:
            raise KeyboardInterrupt("a test asked for it")

    session.register("before-call", mark)
    session.register("response-received", interrupt)


def rule(
    fault: Fault,
    *,
    service: str | None = None,
    operation: str | None = None,
    caller: Caller | None = None,
    function: str | None = None,
    times: int | None = None,
    skip: int = 0,
    share: float = 1.0,
    seed: int = 0,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Returns what the engine needs to know, as JSON. See `Faults.inject`.

    Raises:
        SandboxError: A value is invalid.
    """
    if type(fault) not in get_args(Fault):
        raise SandboxError(f"invalid fault: {fault!r}; use one of {', '.join(FAULTS)}, such as Throttle()")
    _check_operation(service, operation)
    _check_caller(fault, caller, function)
    if times is not None:
        _check_number("times", times, whole=True, least=1)
    _check_number("skip", skip, whole=True)
    _check_number("seed", seed, whole=True, least=-math.inf)
    _check_number("share", share)
    if not 0 < share <= 1:
        raise SandboxError(f"invalid share: {share}; use more than 0, up to 1")
    if seconds is not None:
        _check_number("seconds", seconds)
    return {
        "fault": {"kind": type(fault).__name__, **asdict(fault)},
        "service": service,
        "operation": operation,
        "caller": caller,
        "function": function,
        "times": times,
        "skip": skip,
        "share": share,
        "seed": seed,
        "seconds": seconds,
    }


def from_json(fault: dict[str, Any]) -> Fault:
    """Returns the fault that `rule` has written."""
    return FAULTS[fault["kind"]](**{name: value for name, value in fault.items() if name != "kind"})


def checked(written: Any) -> dict[str, Any]:
    """Returns what `rule` has written, after its way over the wire.

    Raises:
        SandboxError: A value is invalid, or it is not what `rule` writes.
    """
    try:
        others = {name: value for name, value in written.items() if name != "fault"}
        return rule(from_json(written["fault"]), **others)
    except (AttributeError, KeyError, TypeError) as error:
        raise SandboxError(f"invalid rule of a fault: {error}") from None


def _check_operation(service: str | None, operation: str | None) -> None:
    if service is None:
        if operation is not None:
            raise SandboxError(f"operation {operation} without a service; pass service=, too")
        return
    if service not in _services():
        raise SandboxError(f"unknown service: {service!r}{_suggestion(service, _services())}")
    if operation is not None and operation not in _operations(service):
        raise SandboxError(
            f"{service} has no operation {operation!r}{_suggestion(operation, _operations(service))}"
        )


def _check_caller(fault: Fault, caller: Caller | None, function: str | None) -> None:
    if function is not None and not isinstance(function, str):
        raise SandboxError(f"invalid function: {function!r}; use a part of a function's name")
    if caller is not None and caller not in get_args(Caller):
        raise SandboxError(f"unknown caller: {caller!r}; use one of {', '.join(get_args(Caller))}")
    if function is not None and caller not in (None, "functions"):
        raise SandboxError(f"function= fits only calls of functions; leave out caller={caller!r}")
    for kind, whose in ((KillWorker, "functions"), (Interrupt, "clients")):
        if isinstance(fault, kind) and caller not in (None, whose):
            raise SandboxError(f"{kind.__name__} affects only calls of {whose}; leave out caller={caller!r}")


def _check_number(name: str, value: Any, *, whole: bool = False, least: float = 0) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < math.inf:
        what = "a whole number" if whole else "a number"
        raise SandboxError(
            f"invalid {name}: {value!r}; use {what}" + (f" of {least} or more" if least > -math.inf else "")
        )


def _is_status(status: Any, least: int) -> bool:
    return type(status) is int and least <= status <= 599


def _check_when(when: Any) -> None:
    if when not in get_args(When):
        raise SandboxError(f"invalid when: {when!r}; use 'before' or 'after'")


def _suggestion(given: str, known: tuple[str, ...]) -> str:
    """Returns what the user may have meant: python's spelling of a name, a part of it, or a misspelt one."""
    lower = {name.lower(): name for name in known} | {xform_name(name): name for name in known}
    wanted = str(given).lower()
    parts = sorted((name for name in known if wanted in name.lower()), key=len) if wanted else []
    near = difflib.get_close_matches(wanted, lower, n=1)
    found = lower.get(wanted) or (parts[0] if parts else None) or (lower[near[0]] if near else None)
    return f"; did you mean {found!r}?" if found else ""


@cache
def _services() -> tuple[str, ...]:
    return tuple(botocore.session.Session().get_available_services())


@cache
def _operations(service: str) -> tuple[str, ...]:
    return tuple(botocore.session.Session().get_service_model(service).operation_names)
