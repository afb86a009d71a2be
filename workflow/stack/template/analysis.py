"""Athena over stored reviews: a database, a table, a workgroup, and saved queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from troposphere import Join, Ref, Split, Sub, Template, athena, glue

from workflow.stack.template.tags import tags

__all__ = ["add_analysis"]


def add_analysis(template: Template, reviews_table: Mapping[str, Any], queries: Mapping[str, str]) -> None:
    """Adds what Athena needs to answer at once: a database, a table with projected partitions, and a workgroup."""
    database = template.add_resource(
        glue.Database(
            "ReviewDatabase",
            CatalogId=Ref("AWS::AccountId"),
            DatabaseInput=glue.DatabaseInput(
                # In a query, a name with a hyphen would need quotes.
                Name=Sub("afterloop_${Name}", Name=Join("_", Split("-", Ref("Stage")))),
                Description=Sub("Reviews stored by Afterloop, stage ${Stage}"),
            ),
        )
    )
    template.add_resource(
        glue.Table(
            "ReviewTable",
            CatalogId=Ref("AWS::AccountId"),
            DatabaseName=Ref(database),
            TableInput=glue.TableInput.from_dict(None, _located(reviews_table)),
        )
    )
    workgroup = template.add_resource(
        athena.WorkGroup(
            "ReviewWorkgroup",
            Name=Sub("afterloop-${Stage}"),
            Description="Queries over stored reviews",
            RecursiveDeleteOption=True,  # Queries in it would otherwise prevent the deletion of the stack.
            WorkGroupConfiguration=athena.WorkGroupConfiguration(
                EnforceWorkGroupConfiguration=True,
                ResultConfiguration=athena.ResultConfiguration(
                    OutputLocation=Sub("s3://${ReviewBucket}/query-results/"),
                    EncryptionConfiguration=athena.EncryptionConfiguration(EncryptionOption="SSE_S3"),
                ),
            ),
            Tags=tags(),
        )
    )
    for name, sql in queries.items():
        template.add_resource(
            athena.NamedQuery(
                "Query" + "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name)),
                Name=name,
                Database=Ref(database),
                WorkGroup=Ref(workgroup),
                QueryString=sql,
            )
        )


def _located(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with the location of its objects, which only the stack knows."""
    location = Sub("s3://${ReviewBucket}/reviews/")
    return {**table, "StorageDescriptor": {**table["StorageDescriptor"], "Location": location}}
