"""What CloudFormation refuses, names and replaces. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from typing import Any

import pytest

from sandbox import resource_types
from sandbox.ministack_patches import cloudformation, definitions, events


class Stacks:
    """CloudFormation in this process. Each operation returns the status of the stack when it has ended."""

    def create(self, resources: dict[str, Any], name: str = "stack") -> str:
        return self._operate("_create_stack", name, resources)

    def update(self, resources: dict[str, Any], name: str = "stack") -> str:
        return self._operate("_update_stack", name, resources)

    def delete(self, name: str = "stack") -> str:
        return self._operate("_delete_stack", name)

    def id_of(self, resource: str, name: str = "stack") -> str:
        from ministack.services.cloudformation import _stacks

        return _stacks[name]["_resources"][resource]["PhysicalResourceId"]

    def reason(self, name: str = "stack") -> str:
        """Returns why the first resource failed."""
        from ministack.services.cloudformation import _stack_events, _stacks

        found = _stack_events[_stacks[name]["StackId"]]
        failed = [one for one in found if one["ResourceStatus"].endswith("_FAILED")]
        return failed[0]["ResourceStatusReason"] if failed else ""

    def _operate(self, action: str, name: str, resources: dict[str, Any] | None = None) -> str:
        from ministack.services.cloudformation import _stacks, handlers

        request: dict[str, Any] = {"StackName": name, "Capabilities.member.1": "CAPABILITY_NAMED_IAM"}
        if resources is not None:
            request["TemplateBody"] = json.dumps({"Resources": resources})

        async def operate() -> str:
            status, _, body = getattr(handlers, action)(request)
            assert status == 200, body
            while task := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(task)
            return str(_stacks[name]["StackStatus"])

        return asyncio.run(operate())


@pytest.fixture
def stacks(ministack: None) -> Stacks:
    cloudformation.correct()
    definitions.correct()
    events.correct()
    return Stacks()


def resource(kind: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties or {}, **more}


def table(*, key: str = "k", indexes: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    def schema(name: str) -> list[dict[str, str]]:
        return [{"AttributeName": name, "KeyType": "HASH"}]

    properties: dict[str, Any] = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": schema(key),
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in (key, *indexes)],
    }
    if indexes:
        properties["GlobalSecondaryIndexes"] = [
            {"IndexName": name, "KeySchema": schema(name), "Projection": {"ProjectionType": "ALL"}}
            for name in indexes
        ]
    return resource("AWS::DynamoDB::Table", properties, **more)


RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": "a.amazonaws.com"}, "Action": "sts:AssumeRole"},
}
MACHINE = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION = {"Code": {"ZipFile": "x = 1"}, "Role": ROLE, "Handler": "index.x", "Runtime": "python3.13"}


def put(name: str) -> None:
    from ministack.services import dynamodb

    status, _, body = dynamodb._put_item({"TableName": name, "Item": {"k": {"S": "a"}}})
    assert status == 200, body


def items(name: str) -> int:
    from ministack.services import dynamodb

    return int(json.loads(dynamodb._scan({"TableName": name})[2])["Count"])


def test_stack_that_is_created_again_leaves_retained_table_alone(stacks):
    stacks.create({"Table": table(**RETAINED)})
    first = stacks.id_of("Table")
    put(first)
    stacks.delete()
    stacks.create({"Table": table(**RETAINED)})
    assert (stacks.id_of("Table") != first, items(first), items(stacks.id_of("Table"))) == (True, 1, 0)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_change_set_compares_only_resources_whose_condition_is_true(stacks, is_wanted):
    from ministack.services.cloudformation import changesets

    template = {
        "Conditions": {"Wanted": {"Fn::Equals": ["yes", "yes" if is_wanted else "no"]}},
        "Resources": {"A": resource("AWS::SNS::Topic"), "B": resource("AWS::SNS::Topic", Condition="Wanted")},
    }
    compared = changesets._resolve_props_for_diff(template, {}, "stack", "arn:stack")["Resources"]
    assert list(compared) == (["A", "B"] if is_wanted else ["A"])


def test_update_keeps_generated_names(stacks):
    resources = {"Table": table(), "Queue": resource("AWS::SQS::Queue")}
    stacks.create(resources)
    before = stacks.id_of("Table"), stacks.id_of("Queue")
    resources["Queue"] = resource("AWS::SQS::Queue", {"VisibilityTimeout": 10})
    assert stacks.update(resources | {"Table": table(indexes=("one",))}) == "UPDATE_COMPLETE"
    assert (stacks.id_of("Table"), stacks.id_of("Queue")) == before


@pytest.mark.parametrize("more", [RETAINED, {}])
def test_table_is_replaced_if_its_key_changes(stacks, more):
    from ministack.services import dynamodb

    stacks.create({"Table": table(**more)})
    first = stacks.id_of("Table")
    put(first)
    assert stacks.update({"Table": table(key="other", **more)}) == "UPDATE_COMPLETE"
    assert stacks.id_of("Table") != first
    assert (first in dynamodb._tables) is bool(more)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ((), ("one",), "UPDATE_COMPLETE"),
        ((), ("one", "two"), "UPDATE_ROLLBACK_COMPLETE"),
        (("one",), ("two",), "UPDATE_ROLLBACK_COMPLETE"),
        (("one", "two"), (), "UPDATE_ROLLBACK_COMPLETE"),
    ],
)
def test_update_changes_one_index_of_a_table(stacks, before, after, status):
    stacks.create({"Table": table(indexes=before)})
    assert stacks.update({"Table": table(indexes=after)}) == status
    if status != "UPDATE_COMPLETE":
        assert "more than one GSI creation or deletion" in stacks.reason()


ALARM = {
    "AlarmName": "taken",
    "Namespace": "n",
    "MetricName": "m",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}
NAMED = {
    "AWS::CloudWatch::Alarm": ALARM,
    "AWS::DynamoDB::Table": {"TableName": "taken", **table()["Properties"]},
    "AWS::Events::Rule": {"Name": "taken", "ScheduleExpression": "rate(1 hour)"},
    "AWS::IAM::Role": {"RoleName": "taken", "AssumeRolePolicyDocument": TRUST},
    "AWS::Lambda::Function": {"FunctionName": "taken", **FUNCTION},
    "AWS::Logs::LogGroup": {"LogGroupName": "taken"},
    "AWS::SNS::Topic": {"TopicName": "taken"},
    "AWS::SQS::Queue": {"QueueName": "taken"},
    "AWS::StepFunctions::StateMachine": {
        "StateMachineName": "taken",
        "RoleArn": ROLE,
        "DefinitionString": json.dumps(MACHINE),
    },
    "AWS::Athena::WorkGroup": {"Name": "taken"},
}


@pytest.mark.parametrize("kind", NAMED)
def test_name_of_another_stack_is_refused(stacks, kind):
    assert stacks.create({"One": resource(kind, NAMED[kind])}, "first") == "CREATE_COMPLETE"
    assert stacks.create({"One": resource(kind, NAMED[kind])}) == "ROLLBACK_COMPLETE"
    assert f"Resource of type '{kind}' with identifier 'taken' already exists" in stacks.reason()
    # The rollback leaves the resource of the first stack alone.
    assert stacks.update({"One": resource(kind, NAMED[kind]), "T": table()}, "first") == "UPDATE_COMPLETE"
    assert stacks.create({"One": resource(kind, NAMED[kind])}, "third") == "ROLLBACK_COMPLETE"


def test_new_name_of_resource_is_refused_if_taken(stacks):
    from ministack.services import sqs

    sqs._act_create_queue({"QueueName": "taken"}, "")
    stacks.create({"Queue": resource("AWS::SQS::Queue", {"QueueName": "own"})})
    renamed = {"Queue": resource("AWS::SQS::Queue", {"QueueName": "taken"})}
    assert stacks.update(renamed) == "UPDATE_ROLLBACK_COMPLETE"
    assert "already exists" in stacks.reason()


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("AWS::Lambda::Function", {**FUNCTION, "MemorySize": 5}, "memory size must be between 128 and 10240"),
        ("AWS::Lambda::Function", {**FUNCTION, "Timeout": "long"}, "'long' is not a valid integer"),
        ("AWS::Lambda::Function", {**FUNCTION, "Nope": 1}, "does not have a Nope property"),
        ("AWS::Lambda::Function", {"Role": ROLE}, "Code required"),
        ("AWS::Lambda::Function", {**FUNCTION, "TracingConfig": "on"}, "TracingConfig must be a Mapping"),
        ("AWS::Lambda::Function", {**FUNCTION, "Timeout": "0"}, "'timeout' failed to satisfy constraint"),
        ("AWS::Lambda::Function", {**FUNCTION, "TracingConfig": {"Mode": "On"}}, "[Active, PassThrough]"),
        ("AWS::Lambda::Function", {**FUNCTION, "FunctionName": "a b"}, "satisfy regular expression pattern"),
        ("AWS::DynamoDB::Table", {"KeySchema": "k"}, "KeySchema"),
        (
            "AWS::DynamoDB::Table",
            {**table()["Properties"], "TableClass": "FREE"},
            "Table class must be one of",
        ),
        ("AWS::CloudWatch::Alarm", {**ALARM, "ComparisonOperator": ">"}, "comparisonOperator"),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 31}, "must be one of following: 1, 3, 5"),
        ("AWS::Events::Rule", {"EventPattern": {"source": "text"}}, "Event pattern is not valid"),
        ("AWS::Events::Rule", {"ScheduleExpression": "hourly"}, "ScheduleExpression is not valid"),
        (
            "AWS::Events::Rule",
            {
                "ScheduleExpression": "rate(1 hour)",
                "Targets": [{"Id": "a", "Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}],
            },
            "RoleArn is required",
        ),
        (
            "AWS::StepFunctions::StateMachine",
            {"RoleArn": ROLE, "DefinitionString": "{}"},
            "StartAt is required",
        ),
        ("AWS::StepFunctions::StateMachine", {"RoleArn": ROLE, "DefinitionString": "{"}, "INVALID_JSON"),
    ],
)
def test_property_outside_of_schema_is_refused(stacks, kind, properties, reason):
    assert stacks.create({"One": resource(kind, properties)}) == "ROLLBACK_COMPLETE"
    assert reason in stacks.reason()


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_definition_longer_than_1_mib_is_refused(stacks, more, refused):
    from ministack.services.cloudformation import provisioners

    comment = "x" * (1_048_576 - len(json.dumps({"Comment": "", **MACHINE})) + more)
    properties = {"RoleArn": ROLE, "DefinitionString": json.dumps({"Comment": comment, **MACHINE})}
    problem = "less than or equal to 1048576"
    with pytest.raises(ValueError, match=problem) if refused else nullcontext():
        provisioners._sfn_definition(properties)


def test_update_to_property_outside_of_schema_is_rolled_back(stacks):
    from ministack.services import lambda_svc

    stacks.create({"One": resource("AWS::Lambda::Function", FUNCTION)})
    name = stacks.id_of("One")
    invalid = {"One": resource("AWS::Lambda::Function", {**FUNCTION, "MemorySize": 5})}
    assert stacks.update(invalid) == "UPDATE_ROLLBACK_COMPLETE"
    assert lambda_svc._functions[name]["config"]["MemorySize"] == 128


def policies(*sizes: int) -> list[dict[str, Any]]:
    """Inline policies with a number of characters each."""

    def document(size: int) -> str:
        empty = len(json.dumps(statement("")).replace(" ", ""))
        return json.dumps(statement("x" * (size - empty)))

    def statement(sid: str) -> dict[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": [{"Sid": sid, "Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
        }

    return [
        {"PolicyName": f"p{number}", "PolicyDocument": json.loads(document(size))}
        for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sizes", "status"), [((5000, 5240), "CREATE_COMPLETE"), ((5000, 5241), "ROLLBACK_COMPLETE")]
)
def test_inline_policies_of_role_have_limit(stacks, sizes, status):
    from ministack.services import iam

    properties = {"AssumeRolePolicyDocument": TRUST, "Policies": policies(*sizes)}
    assert stacks.create({"Role": resource("AWS::IAM::Role", properties)}) == status
    if status != "CREATE_COMPLETE":
        assert "Maximum policy size of 10240 bytes exceeded for role" in stacks.reason()
        return
    request = {"RoleName": stacks.id_of("Role"), "PolicyName": "more", "PolicyDocument": json.dumps(TRUST)}
    status, _, body = iam._IAM_HANDLERS["PutRolePolicy"](request)
    assert (status, b"LimitExceeded" in body) == (409, True)


def test_bucket_with_objects_is_not_deleted(stacks):
    from ministack.services import s3

    stacks.create({"Bucket": resource("AWS::S3::Bucket")})
    bucket = stacks.id_of("Bucket")
    asyncio.run(s3.handle_request("PUT", f"/{bucket}/key", {}, b"x", {}, internal=True))
    assert stacks.delete() == "DELETE_FAILED"
    asyncio.run(s3.handle_request("DELETE", f"/{bucket}/key", {}, b"", {}, internal=True))
    stacks.delete()
    assert bucket not in s3._buckets


def test_template_url_reads_the_version_that_it_names(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import helpers

    kept = {None: b"latest", "a+b": b"first"}
    monkeypatch.setattr(s3, "_get_object_data", lambda bucket, key, version_id=None: kept.get(version_id))

    def read(query: str) -> Any:
        return helpers._resolve_template({"TemplateURL": [f"http://127.0.0.1:4566/bucket/t.json{query}"]})

    assert read("") == ("latest", None)
    assert read("?versionId=a%2Bb") == ("first", None)
    template, (status, _, body) = read("?versionId=other")
    assert (template, status) == (None, 400)
    assert b"The specified version does not exist" in (body if isinstance(body, bytes) else body.encode())


def test_archive_keeps_its_events_unless_its_name_changes(stacks):
    from ministack.services import eventbridge

    def archive(**more: Any) -> dict[str, Any]:
        bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
        pattern = {"source": ["test"]}
        given = {
            "SourceArn": bus,
            "ArchiveName": "kept",
            "EventPattern": pattern,
            "RetentionDays": "30",
            **more,
        }
        return {"Archive": resource("AWS::Events::Archive", given)}

    resource_types.add()
    stacks.create(archive())
    eventbridge._put_events({"Entries": [{"Source": source, "Detail": "{}"} for source in ("test", "other")]})
    assert stacks.update(archive(RetentionDays="7", EventPattern={"source": ["other"]})) == "UPDATE_COMPLETE"
    kept = eventbridge._archives["kept"]
    assert (len(kept["Events"]), kept["RetentionDays"], kept["EventPattern"]) == (
        1,
        7,
        '{"source": ["other"]}',
    )
    assert stacks.update(archive(ArchiveName="renamed")) == "UPDATE_COMPLETE"
    assert {name: len(one.get("Events", ())) for name, one in eventbridge._archives.items()} == {"renamed": 0}
    stacks.delete()
    assert not list(eventbridge._archives.keys())
