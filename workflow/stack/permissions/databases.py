"""What calls of databases need: DynamoDB, and the data APIs of Aurora and Redshift.

Sources: Service Authorization Reference; IAM policies with PartiQL for DynamoDB (DynamoDB developer guide),
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html; Authorizing access to the RDS Data API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.stack.permissions.actions import iam_action, unknown
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, joined

__all__ = ["dynamodb", "rds_data", "redshift_data"]


def dynamodb(call: Call) -> Iterator[Grant]:
    """Yields what a call of DynamoDB needs, on tables and indexes."""
    if call.action == "transactWriteItems":
        yield from _transaction(call)
    elif call.action in ("batchGetItem", "batchWriteItem"):
        yield from _batch(call)
    elif call.action in _PARTIQL:
        yield from _partiql(call)
    elif call.has("IndexName"):
        index = joined(_table(call), "/index/", call.text("IndexName", "the index"))
        yield [iam_action(call)], index, {}
    else:
        yield [iam_action(call)], _table(call), {}


def _transaction(call: Call) -> Iterator[Grant]:
    actions = {
        "Put": "PutItem",
        "Update": "UpdateItem",
        "Delete": "DeleteItem",
        "ConditionCheck": "ConditionCheckItem",
    }
    items = call.arguments.get("TransactItems")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        tables = Unknown("TransactItems are known only at run time", "the tables")
        yield [f"dynamodb:{action}" for action in actions.values()], tables, {}
        return
    for item in items:
        one = Call(call.service, call.action, False, item)
        for part, action in actions.items():
            if one.has(part):
                yield [f"dynamodb:{action}"], _table(one, f"{part}.TableName"), {}


def _table(call: Call, path: str = "TableName") -> Resource:
    return call.arn(path, "the table", "dynamodb", "table/{}")


def _batch(call: Call) -> Iterator[Grant]:
    items = call.arguments.get("RequestItems")
    if not isinstance(items, Mapping) or not items:
        yield [iam_action(call)], Unknown("RequestItems are known only at run time", "the tables"), {}
        return
    for name in items:
        one = Call(call.service, call.action, False, {"TableName": name.removesuffix(".$")})
        yield [iam_action(call)], _table(one), {}


_PARTIQL: Mapping[str, str] = {
    "executeStatement": "",
    "batchExecuteStatement": "Statements",
    "executeTransaction": "TransactStatements",
}
"""Actions with PartiQL, and the argument with their statements."""

_STATEMENT = re.compile(
    r"""\s*(?:(select)\b.*?\bfrom|(insert)\s+into|(update)|(delete)\s+from)\s+"?([\w.${}-]+)"?(?:\."?([\w.-]+)"?)?""",
    re.IGNORECASE | re.DOTALL,
)


def _partiql(call: Call) -> Iterator[Grant]:
    listed: Any = call.arguments.get(_PARTIQL[call.action]) if _PARTIQL[call.action] else [call.arguments]
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        tables = Unknown(f"{_PARTIQL[call.action]} are known only at run time", "the tables")
        yield ["dynamodb:PartiQL…"], tables, {}
        return
    for one in listed:
        statement = Call(call.service, call.action, False, one).pattern("Statement", "the table")
        if isinstance(statement, Unknown):
            yield ["dynamodb:PartiQL…"], statement, {}
        elif not (match := _STATEMENT.match(statement)) or "*" in match[5]:
            yield ["dynamodb:PartiQL…"], Unknown("the statement names no table", "the table"), {}
        else:
            verb = next(filter(None, match.groups()[:4])).capitalize()
            table = _table(Call(call.service, call.action, False, {"TableName": match[5]}))
            yield [f"dynamodb:PartiQL{verb}"], joined(table, f"/index/{match[6]}" if match[6] else ""), {}


def rds_data(call: Call) -> Iterator[Grant]:
    """Yields what a call of the RDS Data API needs: on the cluster, and on the secret to log in with."""
    yield [iam_action(call)], call.arn("ResourceArn", "the cluster"), {}
    yield from _secret(call)


def redshift_data(call: Call) -> Iterator[Grant]:
    """Yields what a statement for Redshift needs: on the cluster or workgroup, and on the secret to log in with."""
    if call.has("ClusterIdentifier"):
        cluster = call.arn("ClusterIdentifier", "the cluster", "redshift", "cluster:{}")
        yield [iam_action(call)], cluster, {}
    elif call.has("WorkgroupName"):
        group = call.arn("WorkgroupName", "the workgroup")
        if isinstance(group, str) and not group.startswith("arn:"):
            group = Unknown("the ARN of a workgroup has its ID, not its name", "the workgroup")
        yield [iam_action(call)], group, {}
    else:
        yield from unknown(call)
        return
    if call.has("SecretArn"):
        yield from _secret(call)
    else:
        user = Unknown(
            "a call without SecretArn logs in with temporary credentials", "the database and its user"
        )
        yield ["redshift:GetClusterCredentials or redshift-serverless:GetCredentials"], user, {}


def _secret(call: Call) -> Iterator[Grant]:
    yield ["secretsmanager:GetSecretValue"], call.arn("SecretArn", "the secret"), {}
