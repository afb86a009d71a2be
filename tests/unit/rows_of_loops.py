"""Rows of the ledger, and whether they are about the loop that was created at a time.

The functions and the state machine have to agree.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CREATED", "LATER", "ROWS"]

CREATED = "2026-03-04T05:06:07.890Z"
LATER = "2026-03-05T05:06:07.890Z"
_OPENED = {"status": "InProgress", "created_at": "2026-03-04T05:06:07.100Z"}
_DELETED = {
    "status": "Failed",
    "failure_code": "LoopDeleted",
    "claims": {"2026-03-04T05:06:07.100Z Failed": {}},
}
_STARTED = {**_OPENED, "started_at": "2026-03-04T05:06:08.100Z"}

ROWS: list[tuple[dict[str, Any], str, bool]] = [
    ({"status": "Failed", "loop_created_at": CREATED}, CREATED, True),
    ({**_STARTED, "loop_created_at": CREATED}, LATER, False),
    # The start knows when it began and when A2I had accepted it. Clocks differ by a few seconds.
    (_STARTED, CREATED, True),
    (_STARTED, "2026-03-04T05:06:02.100Z", True),
    (_STARTED, "2026-03-04T05:06:02.099Z", False),
    (_STARTED, "2026-03-04T05:06:13.100Z", True),
    (_STARTED, "2026-03-04T05:06:13.101Z", False),
    ({**_OPENED, "status": "Starting"}, LATER, True),
    # Rows from before `startedAt` was kept.
    ({**_OPENED, "updated_at": "2026-03-04T05:06:08.100Z"}, LATER, False),
    ({**_OPENED, "status": "Failed", "claims": {f"{CREATED} Failed": {}}}, CREATED, True),
    ({**_OPENED, "status": "Failed", "claims": {f"{CREATED} Failed": {}}}, LATER, False),
    # The claim about a loop that was deleted has the time at which its start began.
    ({**_STARTED, **_DELETED}, "2026-03-04T05:06:09.100Z", True),
    ({**_STARTED, **_DELETED}, LATER, False),
    ({**_OPENED, **_DELETED}, LATER, False),
    ({**_STARTED, **_DELETED, "loop_created_at": CREATED}, "2026-03-04T05:06:09.100Z", False),
    # In A2I there is no loop of such a row.
    ({**_OPENED, "status": "NotNeeded"}, CREATED, False),
    ({**_OPENED, "status": "Refused"}, CREATED, False),
    # An unreadable time is no evidence of another loop.
    (_STARTED, "this morning", True),
    ({"status": "InProgress"}, CREATED, True),
    ({"status": "InProgress", "created_at": "this morning"}, CREATED, True),
    ({**_STARTED, "loop_created_at": CREATED}, "this morning", True),
    ({"status": "Failed", "loop_created_at": CREATED}, "this morning", False),
    ({"status": "Failed", "loop_created_at": "this morning"}, "this morning", True),
    ({"status": "Failed", "loop_created_at": "this morning"}, CREATED, False),
    ({"status": "InProgress", "claims": {"this morning Failed": {}}}, "this morning", True),
]
"""Fields of a row, a creation time, and whether they belong together."""
