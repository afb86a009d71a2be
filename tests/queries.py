"""The saved queries with a flow definition and, optionally, other days filled in."""

from __future__ import annotations

from workflow.operations.reviews_source import Period
from workflow.stack.queries import FLOW_DEFINITION, LAST_DAYS, QUERIES


def query(name: str, flow_definition: str, period: Period | None = None) -> str:
    sql = QUERIES[name].replace(f"'{FLOW_DEFINITION}'", f"'{flow_definition}'")
    sql = "\n".join(line for line in sql.splitlines() if FLOW_DEFINITION not in line) + "\n"
    if period is None:
        return sql
    return sql.replace(LAST_DAYS, f"\"date\" >= '{period.first}' AND \"date\" < '{period.until}'")
