"""Athena."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sandbox.ministack_patches.text import replace

__all__ = ["correct"]


def correct() -> None:
    """Corrects Athena."""
    _read_tables_with_many_objects()


def _read_tables_with_many_objects() -> None:
    """Makes Athena queries over many JSON objects fast.

    MiniStack lets DuckDB infer the columns of a JSON table from all files at once, with a buffer of 16 MiB for each: a
    few hundred reviews take minutes and all memory. Here, the columns are those in Glue, as in Athena, and the buffer
    is as large as the largest file.
    """
    from ministack.services import athena

    table_relation = athena._table_relation

    def typed_table_relation(table: dict[str, Any], files: list[str]) -> str:
        relation = str(table_relation(table, files))
        columns = (table.get("StorageDescriptor") or {}).get("Columns")
        if not relation.startswith("read_json_auto(") or not files or not columns:
            return relation
        largest = max(Path(file).stat().st_size for file in files)
        types = ", ".join(f"'{column['Name']}': '{_duckdb_type(column['Type'])}'" for column in columns)
        relation = replace(
            relation,
            "union_by_name = true",
            f"format = 'newline_delimited', columns = {{{types}}}, maximum_object_size = {max(largest + 1, 65_536)}",
            "read a table of JSON objects",
        )
        return relation.replace("read_json_auto(", "read_json(", 1)

    athena._table_relation = typed_table_relation


def _duckdb_type(hive: str) -> str:
    """Returns a Hive type as DuckDB writes it: `array<struct<a:string>>` → `struct("a" string)[]`."""
    duckdb = re.sub(r"(\w+):", r'"\1" ', hive)
    # From the inside out, so that the closing bracket is always that of the innermost type.
    while inner := re.search(r"(array|struct)<([^<>]*)>", duckdb):
        replacement = f"{inner[2]}[]" if inner[1] == "array" else f"struct({inner[2]})"
        duckdb = duckdb[: inner.start()] + replacement + duckdb[inner.end() :]
    return duckdb
