"""The Glue table of stored reviews, as data: what Athena needs to answer at once, with no crawler.

Partitions are not registered but projected from what a query asks for
(https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html): a flow definition is whatever name
the query gives (`injected`, so a query must give one), a date is any day since A2I exists.
"""

from __future__ import annotations

from typing import Any

from lambdas.reviews.record import hive_columns

__all__ = ["TABLE_NAME", "columns", "partition_keys", "projection", "table_input"]

TABLE_NAME = "reviews"

FIRST_DAY = "2019-12-03"
"""The day A2I was announced: no human loop is older."""


def columns() -> dict[str, str]:
    """The table's columns and their Hive types, in the order of the record, partition keys left out."""
    partitions = partition_keys()
    return {name: kind for name, kind in hive_columns().items() if name not in partitions}


def partition_keys() -> dict[str, str]:
    """The partition keys, as the folders of the review bucket are nested, and their types."""
    return {"flow_definition": "string", "date": "string"}


def projection() -> dict[str, str]:
    """The table's parameters that project the partitions.

    Without a `storage.location.template`, Athena looks for a partition where Hive would have it, below the
    table's location: `flow_definition=NAME/date=YYYY-MM-DD/`, as the records' keys have it.
    """
    return {
        "projection.enabled": "true",
        "projection.flow_definition.type": "injected",
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        # A loop is created in UTC, a query may come from where it is already tomorrow.
        "projection.date.range": f"{FIRST_DAY},NOW+1DAYS",
        "projection.date.interval": "1",
        "projection.date.interval.unit": "DAYS",
    }


def table_input() -> dict[str, Any]:
    """Glue's TableInput, all but the location of the objects, which only the stack knows.

    The classes are those of Athena's `STORED AS TEXTFILE` with the OpenX JSON SerDe. That reads a JSON value
    into a string column as its text, and leaves a missing key NULL.
    """
    return {
        "Name": TABLE_NAME,
        "Description": "Human reviews: one row a review, its fields and answers nested",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json", **projection()},
        "PartitionKeys": _listed(partition_keys()),
        "StorageDescriptor": {
            "Columns": _listed(columns()),
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                # Keys that differ only in case (a worker's answer has them) must not fail the row.
                "Parameters": {"case.insensitive": "false", "serialization.format": "1"},
            },
        },
    }


def _listed(types: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in types.items()]
