"""Ready queries on stored reviews, for Athena: one SQL file each, saved in the stage's workgroup.

Each text runs unchanged on Athena (engine version 3, which is Trino) and on DuckDB, on which the embedded
engine's Athena runs. What keeps it so:

- Fields are unnested without naming columns: `UNNEST(fields) AS field`, then `field.name`. Trino makes a column
  of every member of the struct and keeps its name; DuckDB makes one column, the struct, and takes its member.
- An array of texts is unnested with its column named: `UNNEST(activation_conditions) AS activated (name)`.
- Percentiles are counted out with row_number: the two engines' functions for them differ.
- Percentages are doubles (`100e0`): Trino would divide decimals in decimals.

A text has a placeholder for the flow definition and asks for the last 30 days; whoever asks fills in both.
The table is partitioned by both, so nothing else is read; without a flow definition, Athena refuses to answer.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FLOW_DEFINITION", "LAST_DAYS", "QUERIES"]

FLOW_DEFINITION = "YOUR-FLOW-DEFINITION"
"""Stands in the texts where the name of a flow definition belongs."""

LAST_DAYS = """"date" >= CAST(CAST(current_date - INTERVAL '30' DAY AS date) AS varchar)"""
"""Stands in the texts where days are chosen."""

QUERIES: dict[str, str] = {
    file.stem: file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*.sql"))
}
"""Name → SQL, with `FLOW_DEFINITION` and `LAST_DAYS` in it."""
