"""What calls of Amazon Athena need: on the workgroup, the tables that a query reads, and the place of its results.

Sources: IAM policies for Amazon Athena (Step Functions developer guide),
https://docs.aws.amazon.com/step-functions/latest/dg/athena-iam.html, limited to what a query reads; Configure access to
databases and tables in the AWS Glue Data Catalog (Athena user guide),
https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.stack.permissions.actions import iam_action, unknown
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, arn_of, joined
from workflow.stack.permissions.s3 import object_at

__all__ = ["athena"]

_OWN_WORKGROUP = "${ReviewWorkgroup}"
_OWN_DATABASE = "${ReviewDatabase}"
_OWN_BUCKET = "arn:${AWS::Partition}:s3:::${ReviewBucket}"


def athena(call: Call) -> Iterator[Grant]:
    """Yields what a call of Athena needs. The stage's own workgroup, table and bucket are known, other data is not."""
    if call.action == "startQueryExecution":
        yield from _query(call)
    elif call.action in ("getQueryExecution", "getQueryResults", "stopQueryExecution"):
        yield [iam_action(call)], _workgroup(call), {}
        if call.action == "getQueryResults":
            yield ["s3:GetObject"], _results(call, "/*"), {}
    elif call.has("WorkGroup"):
        yield [iam_action(call)], _workgroup(call), {}
    else:
        yield from unknown(call)


def _workgroup(call: Call) -> Resource:
    if call.has("WorkGroup"):
        return call.arn("WorkGroup", "the workgroup", "athena", "workgroup/{}")
    if call.action == "startQueryExecution":
        return arn_of("athena", "workgroup/primary")
    return Unknown("the step does not name the workgroup of the query", "the workgroup")


def _query(call: Call) -> Iterator[Grant]:
    waiting = ["athena:GetQueryExecution", "athena:StopQueryExecution"] if call.waits else []
    yield ["athena:StartQueryExecution", *waiting], _workgroup(call), {}
    catalog = "QueryExecutionContext.Catalog"
    name = call.text(catalog, "the data catalog") if call.has(catalog) else "AwsDataCatalog"
    yield ["athena:GetDataCatalog"], joined(arn_of("athena", "datacatalog/"), name), {}
    yield from _tables(call)
    yield from _written(call)


def _tables(call: Call) -> Iterator[Grant]:
    database = call.text("QueryExecutionContext.Database", "the database and its tables")
    if isinstance(database, Unknown):
        yield ["glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"], database, {}
    else:
        places = [arn_of("glue", "catalog"), arn_of("glue", f"database/{database}")]
        for place in places:
            yield ["glue:GetDatabase"], place, {}
        for place in [*places, arn_of("glue", f"table/{database}/*")]:
            reads = ["BatchGetPartition", "GetPartition", "GetPartitions", "GetTable", "GetTables"]
            yield [f"glue:{action}" for action in reads], place, {}
    if database == _OWN_DATABASE:
        yield ["s3:GetObject"], f"{_OWN_BUCKET}/reviews/*", {}
        yield ["s3:ListBucket"], _OWN_BUCKET, {"StringLike": {"s3:prefix": "reviews/*"}}
        yield ["s3:GetBucketLocation"], _OWN_BUCKET, {}
    else:
        data = Unknown("the tables say where their data is", "the buckets of the data")
        yield ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"], data, {}


def _written(call: Call) -> Iterator[Grant]:
    """What Athena needs to write the results of a query, and to read them again."""
    results = _results(call)
    if isinstance(results, Unknown):
        yield (
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
            results,
            {},
        )
        bucket = Unknown(results.reason, "the bucket of results")
        yield ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], bucket, {}
        return
    bucket_name, _, prefix = results.partition("/")
    actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    yield actions, f"{results}/*", {}
    yield ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], bucket_name, {}
    yield ["s3:ListBucket"], bucket_name, {"StringLike": {"s3:prefix": f"{prefix}/*"}} if prefix else {}


def _results(call: Call, ending: str = "") -> Resource:
    """The ARN of the folder with the results, without a slash at its end."""
    # The stage's workgroup has a place for results that a query cannot change.
    if call.has("WorkGroup") and call.text("WorkGroup", "") == _OWN_WORKGROUP:
        return f"{_OWN_BUCKET}/query-results{ending}"
    if not call.has("ResultConfiguration.OutputLocation"):
        return Unknown("the workgroup says where results are written", "the objects with results")
    place = object_at(call, "ResultConfiguration.OutputLocation", "the objects with results")
    return place if isinstance(place, Unknown) else f"{place.rstrip('/*')}{ending}"
