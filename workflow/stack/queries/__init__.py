"""Saved queries on stored reviews, for Athena: one SQL file each, in the stage's workgroup.

Each query runs unchanged on Athena (engine version 3, which is Trino) and on DuckDB, which runs the queries in the
local engine. This is why they are written as they are:

- Fields are unnested without column names: `UNNEST(fields) AS field`, then `field.name`. Trino makes a column
  of every member of the struct and keeps its name; DuckDB makes one column, the struct, and reads its member.
- An array of strings is unnested with a column name: `UNNEST(activation_conditions) AS activated (name)`.
- Percentiles are computed with row_number, because the two engines have different functions for them.
- Percentages are doubles (`100e0`), because Trino divides decimals as decimals, with few digits.

A query has a placeholder for the flow definition and covers the last 30 days. The table is partitioned by both, so
nothing else is read. Without a flow definition, Athena refuses the query.

The queries count as the report does, over the same days by default. A *judged prediction* is one that people changed
or removed, or kept. A field that a minority added is also "kept", but without a prediction.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FLOW_DEFINITION", "LAST_DAYS", "QUERIES"]

FLOW_DEFINITION = "YOUR-FLOW-DEFINITION"
"""The placeholder for the name of a flow definition in the queries."""

LAST_DAYS = """"date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)"""
"""The condition in the queries that selects the days: today (UTC) and the 29 days before, as in the report."""

QUERIES: dict[str, str] = {
    file.stem: file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*.sql"))
}
"""Name → SQL, with `FLOW_DEFINITION` and `LAST_DAYS` in it."""
