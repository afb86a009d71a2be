from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow.stack.permissions.cases import CASES, HERE, task
from workflow.errors import WorkflowError
from workflow.stack.grants import Permission
from workflow.stack.permissions import PermissionUnknown, Statement, statements_for


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def granted(state: dict[str, Any], **options: Any) -> dict[str, set[str]]:
    """Resource to actions."""
    found: dict[str, set[str]] = {}
    for statement in statements_for(machine(Step=state), **options):
        for resource in statement.resources:
            found.setdefault(resource, set()).update(statement.actions)
    return found


@pytest.mark.parametrize("case", CASES)
def test_step_gets_exactly_the_permissions_it_needs(case: str) -> None:
    state, expected = CASES[case]
    assert granted(state) == {resource: set(actions) for resource, actions in expected.items()}


# An independent source: IAM's actions and the resources of each, as cfn-lint has them.

# Without an import, which takes a second.
_CFN_LINT = Path(str(importlib.util.find_spec("cfnlint").origin)).parent  # type: ignore[union-attr]
IAM = json.loads((_CFN_LINT / "data/AdditionalSpecs/Policies.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_derived_actions_and_resources_exist_in_iam(case: str) -> None:
    for statement in statements_for(machine(Step=CASES[case][0])):
        for action in statement.actions:
            service, _, name = action.partition(":")
            known = IAM[service]["Actions"].get(name.lower())
            assert known is not None, f"IAM has no {action}"
            kinds = known.get("Resources", [])
            formats = [
                form for kind in kinds for form in IAM[service]["Resources"][kind.lower()]["ARNFormats"]
            ]
            for resource in statement.resources:
                if resource == "*":
                    assert not kinds or action in RESOURCES_ARE_OPTIONAL, (
                        f"{action} can be limited to {kinds}"
                    )
                elif resource.startswith("arn:"):
                    assert any(fits(resource, form) for form in formats), f"{action} on {resource}: {formats}"


# IAM's resources for these are only for special uses: adapters, custom models, topics (not phones), data sets.
RESOURCES_ARE_OPTIONAL = {
    "rekognition:DetectModerationLabels",
    "sns:Publish",
    "cloudwatch:PutMetricData",
    "comprehend:DetectEntities",
}


def fits(arn: str, form: str) -> bool:
    plain = re.sub(r"\$\{AWS::(\w+)\}|\$\{([\w.]+)\}", r"\1\2", arn)
    pattern = re.sub(r"\$\{(Partition|Region|Account)\}", r"[^:]*", form)
    pattern = re.sub(r"\$\{\w+\}", r"[^:]+", pattern)
    return re.fullmatch(pattern, plain) is not None


# Conditions


def test_role_is_passed_to_one_service_only() -> None:
    [passes] = [
        statement
        for statement in statements_for(machine(Step=CASES["training"][0]))
        if statement.actions == ("iam:PassRole",)
    ]
    assert passes.conditions == {"StringLike": {"iam:PassedToService": ["sagemaker.amazonaws.com*"]}}


@pytest.mark.parametrize(
    ("case", "service"),
    [
        ("schedule", "scheduler"),
        ("customization of a model", "bedrock"),
        ("task of ECS", "ecs-tasks"),
        ("job of Comprehend", "comprehend"),
        ("Textract, in the background", "textract"),
    ],
)
def test_role_is_passed_to_the_service_that_uses_it(case: str, service: str) -> None:
    found = [one for one in statements_for(machine(Step=CASES[case][0])) if one.actions == ("iam:PassRole",)]
    assert {json.dumps(one.conditions) for one in found} == {
        json.dumps({"StringLike": {"iam:PassedToService": [f"{service}.amazonaws.com*"]}})
    }


def test_model_behind_a_profile_is_allowed_through_the_profile_only() -> None:
    conditions = {
        resource: statement.conditions
        for statement in statements_for(machine(Step=CASES["profile of several Regions"][0]))
        for resource in statement.resources
    }
    profile = HERE % ("bedrock", "inference-profile/eu.amazon.nova-lite-v1:0")
    assert conditions == {
        profile: {},
        "arn:${AWS::Partition}:bedrock:*::foundation-model/amazon.nova-lite-v1:0": {
            "ArnLike": {"bedrock:InferenceProfileArn": profile}
        },
    }


def test_listing_a_bucket_is_limited_to_the_prefix() -> None:
    [statement] = statements_for(machine(Step=CASES["list"][0]))
    assert statement.conditions == {"StringLike": {"s3:prefix": "reviews/*"}}


def test_http_call_is_limited_to_its_endpoint() -> None:
    found = {statement.actions: statement for statement in statements_for(machine(Step=CASES["HTTP"][0]))}
    assert found["states:InvokeHTTPEndpoint",].conditions == {
        "StringEquals": {"states:HTTPMethod": "POST"},
        "StringLike": {"states:HTTPEndpoint": "https://hooks.example.com/x"},
    }


# What cannot be derived


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            task("sns:publish", {"TopicArn.$": "$.topic"}),
            "TopicArn is known only at run time; declare sns:Publish on the topic",
        ),
        (
            task("sns:publish", {"TopicArn": "{% $states.input.topic %}"}, QueryLanguage="JSONata"),
            "TopicArn is known only at run time",
        ),
        (
            task(
                "sns:publish",
                {"TopicArn": "{% 'arn:aws:sns:' & $states.input.topic %}"},
                QueryLanguage="JSONata",
            ),
            "TopicArn is known only at run time",
        ),
        (
            task("sns:publish", {"TopicArn": "{% $a ? 'arn:a' : $b %}"}, QueryLanguage="JSONata"),
            "TopicArn is known only at run time",
        ),
        (
            task("sns:publish", "{% $states.input %}", QueryLanguage="JSONata"),
            "Arguments are known only at run time; declare sns:Publish",
        ),
        (task("sns:publish", {"Message": "x"}), "sns:publish is called without TopicArn"),
        (
            task("lambda:invoke", {"FunctionName": "f", "Qualifier.$": "$.q"}),
            "Qualifier is known only at run time",
        ),
        (task("sqs:sendMessage", {"QueueUrl": "my-queue"}), "'my-queue' is not the URL of a queue"),
        (task("events:putEvents", {"Entries.$": "$.entries"}), "Entries are known only at run time"),
        (
            task("events:putEvents", {"Entries": [{"EventBusName.$": "$.bus"}]}),
            "EventBusName is known only at run time",
        ),
        (
            task("states:startExecution.sync:2", {"StateMachineArn": "${OtherArn}"}),
            "the name of '${OtherArn}' is not known",
        ),
        (
            task("aws-sdk:textract:analyzeDocument", {"Document.$": "$.document"}),
            "Document.S3Object.Bucket is known only at run time; declare s3:GetObject on the document",
        ),
        (task("aws-sdk:s3:getObject", {"Bucket": "b", "Key.$": "$.key"}), "Key is known only at run time"),
        (
            task("aws-sdk:ec2:startInstances", {"InstanceIds": ["i-1"]}),
            "Afterloop does not know the permissions of ec2:startInstances; declare ec2:StartInstances and what else "
            "it needs (see "
            "https://docs.aws.amazon.com/service-authorization/latest/reference/) on its resources: permissions = ",
        ),
        (
            task("codebuild:startBuild.sync", {"ProjectName": "p"}),
            "Afterloop does not know the permissions of codebuild:startBuild; declare codebuild:StartBuild and what "
            "else it needs (see "
            "https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html) on its "
            "resources: permissions = {'Step': [{'actions': [...], 'resources': [...]}]} in post_review.py",
        ),
        (
            task("ecs:runTask.sync", {"TaskDefinition": "t"}),
            "the task definition names the roles of the task; declare iam:PassRole on these roles: permissions = ",
        ),
        (
            task("s3:getObject", {"Bucket": "b", "Key": "k"}),
            "Afterloop does not know the permissions of s3:getObject",
        ),
        (
            task("aws-sdk:events:putEvents", {"Entries": [{}]}),
            "Afterloop does not know the permissions of events:putEvents",
        ),
        (
            task("aws-sdk:dynamodb:transactWriteItems", {"TransactItems.$": "$.items"}),
            "TransactItems are known only at run time; declare dynamodb:PutItem, dynamodb:UpdateItem",
        ),
        (
            task("aws-sdk:sagemaker:listModels", {}),
            "Afterloop does not know the permissions of sagemaker:listModels",
        ),
        (
            task("aws-sdk:s3:putBucketPolicy", {"Bucket": "b"}),
            "Afterloop does not know the permissions of s3:putBucketPolicy",
        ),
        (
            task("aws-sdk:s3:listObjectsV2", {"Bucket": "b", "Prefix.$": "$.prefix"}),
            "Prefix is known only at run time; declare s3:ListBucket on the prefix",
        ),
        (
            task("aws-sdk:bedrockruntime:startAsyncInvoke", {}),
            "Afterloop does not know the permissions of bedrockruntime:startAsyncInvoke",
        ),
        (
            task("aws-sdk:cloudwatchlogs:startQuery", {"QueryString": "x"}),
            "the permissions of cloudwatchlogs:startQuery; declare logs:StartQuery and what else it needs (see ",
        ),
        (
            task(
                "athena:startQueryExecution.sync",
                {"WorkGroup": "w", "QueryExecutionContext": {"Database": "d"}},
            ),
            "the tables say where their data is; declare s3:GetBucketLocation, s3:GetObject, s3:ListBucket on the "
            "buckets of the data; the workgroup says where results are written; declare s3:AbortMultipartUpload, "
            "s3:GetObject, s3:ListMultipartUploadParts, s3:PutObject on the objects with results and s3:",
        ),
        (
            task("athena:startQueryExecution", {"QueryString.$": "$.sql"}),
            "athena:startQueryExecution is called without QueryExecutionContext.Database; declare glue:GetDatabase, ",
        ),
        (
            task("athena:getQueryResults", {"QueryExecutionId.$": "$.id"}),
            "the step does not name the workgroup of the query; declare athena:GetQueryResults on the workgroup; ",
        ),
        (
            task("bedrock:invokeModel", {"ModelId.$": "$.model", "Body": {}}),
            "ModelId is known only at run time; declare bedrock:InvokeModel on the model",
        ),
        (
            task(
                "bedrock:invokeModel",
                {
                    "ModelId": "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/x",
                    "Body": {},
                },
            ),
            "the ARN of the application inference profile does not name its models; declare bedrock:InvokeModel on the",
        ),
        (
            task("bedrock:invokeModel", {"ModelId": "m.n", "Input": {"S3Uri.$": "$.prompt"}}),
            "Input.S3Uri is known only at run time; declare s3:GetObject on the input of the model",
        ),
        (
            task(
                "apigateway:invoke",
                {"ApiEndpoint": "api.example.com", "Method": "GET", "AuthType": "IAM_ROLE"},
            ),
            "'api.example.com' is not the endpoint of an API; declare execute-api:Invoke on the API",
        ),
        (
            task("aws-sdk:scheduler:createSchedule", {"Name": "n", "Target": {"RoleArn.$": "$.role"}}),
            "Target.RoleArn is known only at run time; declare iam:PassRole on the role in Target.RoleArn",
        ),
        (
            task("aws-sdk:dynamodb:executeStatement", {"Statement.$": "$.sql"}),
            "Statement is known only at run time; declare dynamodb:PartiQL… on the table",
        ),
        (
            task("aws-sdk:dynamodb:batchGetItem", {"RequestItems.$": "$.items"}),
            "RequestItems are known only at run time; declare dynamodb:BatchGetItem on the tables",
        ),
        (
            task("aws-sdk:s3:deleteObjects", {"Bucket": "b", "Delete": {"Objects.$": "$.keys"}}),
            "Delete.Objects are known only at run time; declare s3:DeleteObject on these objects",
        ),
        (
            task("aws-sdk:redshiftdata:executeStatement", {"WorkgroupName": "w", "Sql": "x"}),
            "the ARN of a workgroup has its ID, not its name; declare redshift-data:ExecuteStatement on the",
        ),
        (
            {"Type": "Task", "Resource": "${Something}", "End": True},
            "'${Something}' is not a known integration",
        ),
        (
            {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "MANIFEST"},
                    "Parameters": {"Bucket": "in", "Key": "manifest.json"},
                },
                "ItemProcessor": {"StartAt": "x", "States": {"x": {"Type": "Succeed"}}},
                "End": True,
            },
            "a manifest names further files",
        ),
    ],
)
def test_unknown_permission_is_refused_with_what_to_declare(state: dict[str, Any], message: str) -> None:
    with pytest.raises(PermissionUnknown, match=re.escape(message)) as raised:
        statements_for(machine(Step=state), places={"Step": "post_review.py:12"})
    assert str(raised.value).startswith("state 'Step' (post_review.py:12): ")
    assert "\n" not in str(raised.value)
    assert statements_for(machine(Step=state), {"Step": []}) is not None  # A declaration is enough.


def test_declared_permissions_are_added_to_derived_ones() -> None:
    state = task("athena:startQueryExecution", {"WorkGroup": "w", "QueryString": "x"})
    bucket = "arn:aws:s3:::results/*"
    found = granted(state, declared={"Step": [Permission(actions=("s3:PutObject",), resources=(bucket,))]})
    assert found == {
        bucket: {"s3:PutObject"},
        HERE % ("athena", "workgroup/w"): {"athena:StartQueryExecution"},
        HERE % ("athena", "datacatalog/AwsDataCatalog"): {"athena:GetDataCatalog"},
    }


def test_step_of_an_unknown_service_gets_declared_permissions() -> None:
    state = task("codebuild:startBuild", {"ProjectName": "p"})
    project = "arn:aws:codebuild:eu-west-1:123456789012:project/p"
    permissions = [Permission(actions=("codebuild:StartBuild",), resources=(project,))]
    assert granted(state, declared={"Step": permissions}) == {project: {"codebuild:StartBuild"}}


def test_results_are_read_in_the_only_workgroup_of_the_machine() -> None:
    query = CASES["query of reviews"][0]
    read = task("athena:getQueryResults", {"QueryExecutionId.$": "$.id"})
    found = {
        (action, resource)
        for statement in statements_for(machine(Query=query, Read=read))
        if "Read" in statement.steps
        for action in statement.actions
        for resource in statement.resources
    }
    assert {
        ("athena:GetQueryResults", HERE % ("athena", "workgroup/${ReviewWorkgroup}")),
        ("s3:GetObject", "arn:${AWS::Partition}:s3:::${ReviewBucket}/query-results/*"),
    } <= found
    other = task("athena:startQueryExecution", {"QueryString": "x", "WorkGroup": "other"})
    with pytest.raises(PermissionUnknown, match=r"'Read'.*does not name the workgroup"):
        statements_for(machine(Query=query, Other=other, Read=read), {"Other": []})


def test_declaration_for_an_unknown_state_is_refused() -> None:
    with pytest.raises(WorkflowError, match="declared for the state 'Stepp', which does not exist"):
        statements_for(machine(Step={"Type": "Succeed"}), {"Stepp": []})


# The whole state machine


def test_statements_are_grouped_and_name_their_steps() -> None:
    definition = machine(
        A=task("dynamodb:putItem", {"TableName": "loops"}),
        B=task("dynamodb:getItem", {"TableName": "loops"}),
        C=task("sns:publish", {"TopicArn": "${T}"}),
        D={
            "Type": "Parallel",
            "Branches": [machine(E=task("sns:publish", {"TopicArn": "${U}"}))],
            "End": True,
        },
    )
    assert statements_for(definition) == [
        Statement(
            ("dynamodb:GetItem", "dynamodb:PutItem"),
            (HERE % ("dynamodb", "table/loops"),),
            steps=("A", "B"),
        ),
        Statement(("sns:Publish",), ("${T}", "${U}"), steps=("C", "E")),
    ]


def test_the_order_of_states_does_not_matter() -> None:
    states = {name: state for name, (state, _) in CASES.items()}
    backwards = dict(reversed(states.items()))
    assert statements_for(machine(**states)) == statements_for(machine(**backwards))


def test_every_step_class_is_derived_or_says_what_to_declare() -> None:
    golden = json.loads((Path(__file__).parents[2] / "golden" / "every_step.json").read_text())
    declared: dict[str, list[Permission]] = {}
    while True:
        try:
            assert statements_for(golden, declared)
            break
        except PermissionUnknown as error:
            name = re.match(r"state '([^']+)'", str(error))
            assert name is not None
            assert name.group(1) not in declared
            declared[name.group(1)] = []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["{% $x %}", "$.a", "${A}"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "TopicArn", "TopicArn.$", "FunctionName", "Qualifier", "QueueUrl", "Entries", "EventBusName",
                "TableName", "TransactItems", "Put", "IndexName", "JobName", "StateMachineArn", "Document", "S3Object",
                "Bucket", "Name", "Key", "Prefix", "HumanLoopConfig", "TrainingJobName", "RoleArn", "ModelId", "Tags",
                "Names", "RequestItems", "Statement", "Statements", "Delete", "Objects", "Input", "S3Uri", "WorkGroup",
                "ResultConfiguration", "QueryExecutionContext", "Database", "ApiEndpoint", "Overrides", "SecretArn",
            ]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.sampled_from(sorted({state["Resource"] for state, _ in CASES.values() if "Resource" in state})),
    json_values,
    st.sampled_from(["Parameters", "Arguments"]),
)
def test_any_arguments_give_statements_or_a_clear_error(resource: str, arguments: Any, key: str) -> None:
    state = {"Type": "Task", "Resource": resource, key: arguments, "End": True}
    try:
        statements = statements_for(machine(Step=state))
    except PermissionUnknown:
        return
    for statement in statements:
        assert all(isinstance(text, str) and text for text in (*statement.actions, *statement.resources))
