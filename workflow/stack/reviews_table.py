"""The Glue table of stored reviews, which Athena can query at once, without a crawler.

Partitions are not registered. Athena computes them from the query
(https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html): the flow definition is any name that the
query gives (`injected`, so a query must give one), the date is any day since A2I exists.
"""

from __future__ import annotations

from typing import Any

from lambdas.reviews.record import hive_columns

__all__ = ["TABLE_NAME", "columns", "partition_keys", "projection", "table_input"]

TABLE_NAME = "reviews"

FIRST_DAY = "2019-12-03"
"""The day A2I was announced. No human loop is older."""


def columns() -> dict[str, str]:
    """Returns the table's columns and their Hive types, in the order of the record, without partition keys."""
    partitions = partition_keys()
    return {name: kind for name, kind in hive_columns().items() if name not in partitions}


def partition_keys() -> dict[str, str]:
    """Returns the partition keys, in the order of the folders in the review bucket, and their types."""
    return {"flow_definition": "string", "date": "string"}


def projection() -> dict[str, str]:
    """Returns the table's parameters for partition projection.

    Without a `storage.location.template`, Athena looks for a partition in Hive's folder below the
    table's location: `flow_definition=NAME/date=YYYY-MM-DD/`. The keys of the records are like that.
    """
    return {
        "projection.enabled": "true",
        "projection.flow_definition.type": "injected",
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        # Dates are in UTC, but a query can come from a place where it is already tomorrow.
        "projection.date.range": f"{FIRST_DAY},NOW+1DAYS",
        "projection.date.interval": "1",
        "projection.date.interval.unit": "DAYS",
    }


def table_input() -> dict[str, Any]:
    """Returns Glue's TableInput without the location of the objects, which only the stack knows.

    The classes are those of Athena's `STORED AS TEXTFILE` with the OpenX JSON SerDe. It reads a JSON value
    into a string column as text, and a missing key as NULL.
    """
    return {
        "Name": TABLE_NAME,
        "Description": "Human reviews: one row for each review, with nested fields and answers",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json", **projection()},
        "PartitionKeys": _listed(partition_keys()),
        "StorageDescriptor": {
            "Columns": _listed(columns()),
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                # A worker's answer can have keys that differ only in case. Without this, the row would fail.
                "Parameters": {"case.insensitive": "false", "serialization.format": "1"},
            },
        },
    }


def _listed(types: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in types.items()]
