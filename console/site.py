"""The site: what the pages of one console need."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from console.executions.recent import RecentExecutions
from workflow.operations.loops import Loops
from workflow.operations.stage_resources import StageResources

if TYPE_CHECKING:
    import boto3

    from console.reviewers import Reviewers
    from workflow.operations.review_view import ReviewReader

__all__ = ["Connection", "Site"]

_MAX_MESSAGES = 100


@dataclass(frozen=True)
class Connection:
    """A published stage, and the session with which it is read. Used by several threads at once.

    Attributes:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    resources: StageResources
    session: boto3.Session

    @cached_property
    def loops(self) -> Loops:
        """The stage's human loops."""
        return Loops(self.resources, self.session)

    @cached_property
    def reviews(self) -> ReviewReader:
        """The stage's reviews."""
        from workflow.operations.review_view import ReviewReader

        return ReviewReader(self.resources, self.session)

    @cached_property
    def states(self) -> Any:
        """The client of Step Functions."""
        return self.session.client("stepfunctions")

    @cached_property
    def executions(self) -> RecentExecutions:
        """Reads executions, also those of other state machines."""
        return RecentExecutions(self.states)

    @cached_property
    def s3(self) -> Any:
        """The client of S3. Its calls say who must own a bucket, as `StageResources.s3` explains."""
        return self.resources.s3(self.session)


class Site:
    """What the pages of one console need.

    Args:
        stage: The name of the stage.
        connect: Finds the stage with a new session. It is called for the first page, and again after credentials ran
            out or the stage was gone, so that a new login is enough to go on.
        may_write: Whether pages have buttons that change something. Only on the local engine.
        reviewers: The tasks that wait for workers, of the local engine. None hides these pages.
    """

    def __init__(
        self,
        stage: str,
        connect: Callable[[], Connection],
        *,
        may_write: bool = False,
        reviewers: Reviewers | None = None,
    ) -> None:
        self.stage = stage
        self.may_write = may_write
        self.reviewers = reviewers
        self._connect = connect
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._messages: OrderedDict[str, str] = OrderedDict()

    @property
    def connection(self) -> Connection:
        """The stage, found on first use.

        Raises:
            AfterloopError: The stage is not published, or the account cannot be reached.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    @property
    def loops(self) -> Loops:
        """The stage's human loops."""
        return self.connection.loops

    def reconnect(self) -> None:
        """Finds the stage again for the next page."""
        with self._lock:
            self._connection = None

    def keep_message(self, text: str) -> str:
        """Keeps a message for the page that a browser is sent to. Returns its name, for that page's address."""
        name = secrets.token_urlsafe(6)
        with self._lock:
            self._messages[name] = text
            while len(self._messages) > _MAX_MESSAGES:
                self._messages.popitem(last=False)
        return name

    def message(self, name: str) -> str:
        """Returns a message once; afterwards, and for an unknown name, an empty text."""
        with self._lock:
            return self._messages.pop(name, "")
