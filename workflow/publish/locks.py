"""The lock of a stage: one process at a time changes it.

The lock is an object in the artifact bucket, written on the condition that nobody else wrote it. While a process has
the lock, a thread renews it. No call to AWS leaves a process that lost the lock: a laptop that slept for an hour stops
before it changes anything.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from workflow.errors import PublishError
from workflow.publish.aws_errors import error_code
from workflow.publish.documents import parsed
from workflow.publish.holder import Activity, Holder, LockDocument, Operation, is_over, lock_key
from workflow.publish.local_process import ProcessMark, forget
from workflow.publish.shifts import shift_in_progress
from workflow.publish.stacks import pauses

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.shared_object import Found, Written
    from workflow.stack.stages import Stage

__all__ = ["Lock", "held"]

RENEWED_SECONDS = 15.0
"""How often a lock is renewed."""

SURE_SECONDS = 40.0
"""How long after a renewal a process is sure to have the lock: less than a lease, by what a call may take."""

MAX_ATTEMPTS = 20
"""How often a process tries to take or renew a lock that others write at the same moment. It waits longer each time."""


@contextmanager
def held(
    account: Account, stage: Stage, operation: Operation, subject: str = "", *, needs_bucket: bool = True
) -> Iterator[Lock]:
    """Holds the lock of a stage during the block. A block in it, for the same stage, has the same lock.

    Args:
        account: where the stage is.
        stage: which stage.
        operation: what changes it.
        subject: what is published or restored, in a few words, for those who wait.
        needs_bucket: whether the artifact bucket is created if there is none. Otherwise the block starts without the
            lock (see `Lock.take`).

    Raises:
        PublishError: somebody else has the lock, or took it during the block.
    """
    if account.lock and account.lock.stage == stage.name:
        yield account.lock
        return
    lock, before = Lock(account, stage, operation, subject), account.lock
    try:
        lock.take(needs_bucket=needs_bucket)
        account.lock = lock
        yield lock
    finally:
        account.lock = before
        lock.release()


class Lock:
    """The lock of a stage, as one process has it.

    Attributes:
        stage: The name of the stage.
        is_taken: Whether the process has it. It has not if there was no artifact bucket yet.
        taken_over: From whom it was taken over, in a sentence; None if it was free.
    """

    def __init__(self, account: Account, stage: Stage, operation: Operation, subject: str) -> None:
        self.stage = stage.name
        self.is_taken = False
        self.taken_over: str | None = None
        self._account, self._stack = account, stage.stack_name
        self._object = account.artifacts.shared(lock_key(stage.name))
        self._document = LockDocument(
            operation=operation,
            subject=subject,
            by=account.caller,
            where=f"{_user()}@{socket.gethostname()}",
            process=os.getpid(),
            token=secrets.token_hex(16),
        )
        self._mark = ProcessMark(self._document.token)
        self._started = self._renewed = _now()
        self._activity: Activity = "runs"
        self._written_activity: Activity = "runs"
        self._renewals = 0
        self._versions: list[Written] = []  # what it wrote and did not delete; the last one is the lock
        self._is_known = True  # whether that is what this process wrote last
        self._lost: PublishError | None = None
        self._mutex = threading.RLock()
        self._calls: int | None = None  # the thread that calls S3 for the lock itself
        self._wake = threading.Condition()
        self._due: float | None = None  # when the thread renews the lock; None ends it

    # Taking it

    def take(self, *, needs_bucket: bool = True) -> None:
        """Takes the lock, unless the process has it.

        Args:
            needs_bucket: whether the artifact bucket is created if there is none. Otherwise nothing is taken.

        Raises:
            PublishError: somebody else has it.
        """
        for pause in islice(pauses(), MAX_ATTEMPTS):
            if self.is_taken:
                return
            try:
                self._take()
            except ClientError as error:
                if error_code(error) != "NoSuchBucket":
                    raise
                if not needs_bucket:
                    return
                self._make_bucket()
            if not self.is_taken:
                time.sleep(pause)
        if not self.is_taken:
            raise PublishError(f"{self._object.url} is written all the time: find out by whom")

    def _make_bucket(self) -> None:
        try:
            self._account.artifacts.ensure()
        except ClientError as error:
            # Somebody else makes it at this moment, for this stage or another one.
            if error_code(error) not in ("BucketAlreadyOwnedByYou", "NoSuchBucket", "OperationAborted"):
                raise

    def _take(self) -> None:
        """Takes the lock if it is free. If others write it at the same moment, nothing happens."""
        if self._write(None):
            self._begin()
            return
        found = self._object.read()
        if found is None:
            return  # It was given back meanwhile.
        document = self._read(found)
        if document.token == self._document.token:
            self._versions.append(found)  # The answer to the first attempt got lost.
            self._begin()
            return
        self._is_known = True
        holder = Holder.of(document, found)
        has_ended = is_over(document, found)
        if not (has_ended or self._goes_first(holder)):
            raise PublishError(self._refusal(holder))
        if self._write(found):
            how = "which has ended" if has_ended else "which stops"
            self.taken_over = (
                f"this {self._what} took the lock of another process, {how}; its lock said: {holder}"
            )
            if has_ended:
                forget(document.token)
            self._versions.insert(0, found)
            self._clean()
            self._begin()

    def _goes_first(self, holder: Holder) -> bool:
        """Whether this process may take the lock from one that works: a rollback does not wait for a person or a shift.

        It cannot take back another update of CloudFormation that goes on.
        """
        if self._what != "rollback" or holder.operation != "publish":
            return False
        return holder.activity == "asks" or (holder.activity == "waits" and self._is_shifting())

    def _is_shifting(self) -> bool:
        """Whether CloudFormation moves new executions gradually."""
        stack = self._account.stacks.find(self._stack)
        return bool(stack and shift_in_progress(self._account, stack))

    def _refusal(self, holder: Holder) -> str:
        return (
            f"stage {self.stage} is locked: {holder}; try again when that has ended, or, if it never will, delete "
            f"{self._object.url}"
        )

    def _begin(self) -> None:
        self.is_taken = True
        self._due = _now()[0] + RENEWED_SECONDS
        threading.Thread(target=self._keep, name=f"lock of {self.stage}", daemon=True).start()

    @property
    def where(self) -> str:
        """User and machine, as `user@machine`."""
        return self._document.where

    @property
    def _what(self) -> str:
        return self._document.operation

    # Keeping it

    @contextmanager
    def doing(self, activity: Activity) -> Iterator[None]:
        """Says to others what the process does during the block. A rollback may then take the lock from it."""
        self._activity = activity
        with self._wake:
            if self._due is not None:
                # A moment later: what takes less than that is not worth a call.
                self._due = min(self._due, _now()[0] + 1)
                self._wake.notify()
        try:
            yield
        finally:
            self._activity = "runs"

    def assure(self) -> None:
        """Makes sure that the process has the lock. Called before each call to AWS.

        Raises:
            PublishError: it has not.
        """
        if not self.is_taken or self._calls == threading.get_ident():
            return
        # Who was idle, as far as others know, may have lost the lock to a rollback.
        was_idle = self._activity == "runs" != self._written_activity
        if self._lost is None and (was_idle or self._age() > SURE_SECONDS):
            self._renew()
        if self._lost:
            raise self._lost

    def _age(self) -> float:
        """Seconds since the last renewal. A clock that is set forward makes it longer, which only costs a call."""
        return max(now - then for now, then in zip(_now(), self._renewed, strict=True))

    def _keep(self) -> None:
        """Renews the lock until it is given back or lost."""
        while True:
            with self._wake:
                while self._due is not None and (left := self._due - _now()[0]) > 0:
                    self._wake.wait(left)
                if self._due is None:
                    return
                self._due = _now()[0] + RENEWED_SECONDS
            # A network that fails now may work the next time.
            with suppress(ClientError, BotoCoreError):
                self._renew()
            if self._lost:
                return

    def _renew(self) -> None:
        """Renews the lock, or finds out that it is lost."""
        with self._mutex, self._calling():
            for pause in islice(pauses(), MAX_ATTEMPTS):
                if self._lost or self._due is None:
                    return
                if self._write(self._versions[-1]):
                    self._clean()
                    return
                found = self._object.read()
                document = self._known(found)
                if found and document and document.token == self._document.token:
                    self._versions.append(found)  # The answer to an earlier attempt got lost.
                    time.sleep(pause)
                    continue
                self._lost = self._loss(Holder.of(document, found) if document and found else None)

    def _loss(self, holder: Holder | None) -> PublishError:
        """The error that ends what the process did."""
        state = "the state of the stack is not known"
        with suppress(ClientError, BotoCoreError):
            stack = self._account.stacks.find(self._stack)
            state = f"the stack is in {stack.status}" if stack else "there is no stack"
        why = str(holder) if holder else f"somebody took it and gave it back, or deleted {self._object.url}"
        return PublishError(
            f"this {self._what} of stage {self.stage} lost its lock, so it stopped before it changed anything more: "
            f"{why}; {state}: check `python deploy.py status --stage {self.stage}`"
        )

    @contextmanager
    def _calling(self) -> Iterator[None]:
        self._calls = threading.get_ident()
        try:
            yield
        finally:
            self._calls = None

    # Writing it

    def _write(self, before: Written | None) -> bool:
        """Writes the lock if it is still what it was; returns whether it did."""
        now, activity = _now(), self._activity
        self._renewals += 1
        document = self._document.model_copy(
            update={
                "activity": activity,
                "held_seconds": max(now[0] - self._started[0], 0),
                "renewal": self._renewals,
            }
        )
        self._is_known = False
        written = self._object.write(
            document.model_dump_json().encode(), replaces=before.etag if before else None
        )
        if written is None:
            return False
        self._versions.append(written)
        self._written_activity, self._renewed, self._is_known = activity, now, True
        return True

    def _clean(self) -> None:
        """Deletes what was written before the lock as it is now."""
        with suppress(ClientError, BotoCoreError):  # The next renewal tries again.
            self._delete_versions(keep=1)

    def _delete_versions(self, *, keep: int) -> None:
        # The oldest first: once a version is deleted, the one before it is the lock again.
        while len(self._versions) > keep:
            oldest = self._versions[0]
            if oldest.version is None and any(one.version for one in self._versions):
                # The bucket has begun to keep versions since: an earlier version of Afterloop made it.
                oldest = replace(oldest, version="null")
            self._object.remove(oldest)
            del self._versions[0]

    def _read(self, found: Found) -> LockDocument:
        return parsed(self._account.artifacts, self._object.key, found.content, LockDocument)

    def _known(self, found: Found | None) -> LockDocument | None:
        """The lock that was found; None if there is none, or something else is in its place."""
        with suppress(PublishError):
            return self._read(found) if found else None
        return None

    def release(self) -> None:
        """Gives the lock back, if the process has it."""
        with self._wake:
            self._due = None
            self._wake.notify()
        # If this fails, nobody waits longer than a lease.
        with self._mutex, self._calling(), suppress(ClientError, BotoCoreError):
            if not self._is_known:
                found = self._object.read()
                document = self._known(found)
                if found and document and document.token == self._document.token:
                    self._versions.append(found)
            self._delete_versions(keep=0)
            self._mark.remove()
        self.is_taken = False


def _now() -> tuple[float, float]:
    """Seconds since some moment, with the time that the machine slept; and since 1970, which also pauses of a virtual
    machine cannot stop."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock), time.time()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # A container's user may have no name.
        return "unknown"
