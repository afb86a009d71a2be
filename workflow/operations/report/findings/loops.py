"""What became of the human loops."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.findings.claims import Claim, Finding
from workflow.operations.report.loop_facts import LoopFacts

__all__ = ["loops"]


def loops(facts: LoopFacts | None) -> list[Finding]:
    """Returns what became of the human loops; nothing if the report does not cover them."""
    if facts is None or not facts.loops:
        return []
    failed = facts.by_status.get("Failed", 0)
    if not failed and not facts.escalated:
        return [
            Finding(
                Claim.NO_LOOP_FAILED, "No human loop failed.", f"{words.count(facts.started)} were started."
            )
        ]
    were = "was" if facts.escalated == 1 else "were"
    escalated = f"{words.count(facts.escalated) if facts.escalated else 'none'} {were} escalated to a person"
    if facts.undecided:
        need = "needs" if facts.undecided == 1 else "need"
        if facts.undecided == facts.escalated:
            escalated += f" and still {need} action"
        else:
            escalated += f", of which {words.count(facts.undecided)} still {need} action"
    return [
        Finding(
            Claim.LOOPS_FAILED,
            f"{words.count(failed)} of {words.count(facts.started, 'human loop')} failed; {escalated}.",
            f"{words.count(facts.restarted)} {'was' if facts.restarted == 1 else 'were'} restarted. "
            f"{words.count(facts.recovered)} of the restarts ended with a review.",
        )
    ]
