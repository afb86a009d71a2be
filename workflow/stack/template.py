"""The CloudFormation template: everything that a stage has, from the definition and the functions it names.

The template is the same for every stage and for the sandbox, byte for byte: what a stage sets comes in
as parameters (`workflow.stack.stages.Stage.parameters`). Permissions are not written here but
derived: the state machine's from its steps (`workflow/stack/permissions.py`), a function's from what
it declares beside its code (`FUNCTION` in its module).

In a declared resource `${Name}` and `${Name.Attribute}` may stand for resources and parameters of this
template, and four names for what depends on the stage: `${OutputBuckets}`, `${DocumentBuckets}` (an ARN for each
bucket), `${FlowDefinitions}` and `${HumanLoops}` (the account's).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import (
    Equals,
    GetAtt,
    If,
    Join,
    Not,
    NoValue,
    Output,
    Parameter,
    Ref,
    Select,
    Split,
    Sub,
    Tags,
    Template,
    athena,
    awslambda,
    cloudwatch,
    dynamodb,
    events,
    glue,
    iam,
    logs,
    s3,
    sns,
    sqs,
    stepfunctions,
)

from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from workflow.errors import WorkflowError
from workflow.stack import ALIAS, EMAILS_PER_TOPIC
from workflow.stack.functions import Function
from workflow.stack.grants import Permission
from workflow.stack.permissions import Statement

__all__ = ["NAMES_IN_STEPS", "build_template", "without_special_names"]

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"

_FLOW_DEFINITIONS = {"FLOW_DEFINITION_ARNS": Join(",", Ref("FlowDefinitionArns"))}
_OF_SOME_FUNCTIONS = {
    "Reconcile": {**_FLOW_DEFINITIONS, "STATE_MACHINE": Sub("${StateMachine}:" + ALIAS)},
    "RestartLoop": _FLOW_DEFINITIONS,
    "StartLoop": _FLOW_DEFINITIONS,
}
"""Variables that these functions alone get: all of a function's together may have 4 KB."""

NAMES_IN_STEPS = {
    "EscalationTopic": "EscalationTopic",
    "LedgerTable": "LedgerTable",
    "NotificationTopic": "NotificationTopic",
    "ReviewBucket": "ReviewBucket",
    "Region": "AWS::Region",
    "Stage": "Stage",
}
"""What `${…}` in a step may stand for, beside the functions: name → what it refers to."""

_ACCOUNT = {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}}


def build_template(
    definition: Mapping[str, Any],
    functions: Sequence[Function],
    statements: Sequence[Statement],
    *,
    reviews_table: Mapping[str, Any],
    queries: Mapping[str, str],
) -> Template:
    """The template.

    Args:
        definition: The state machine in Amazon States Language, functions named by `${<Name>Arn}`.
        functions: The functions of the stack.
        statements: What the state machine's role may do, as derived from its steps.
        reviews_table: The Glue table of stored reviews (`TableInput`, without its location).
        queries: Ready queries for Athena: name → SQL.
    """
    steps = [function for function in functions if _placeholder(function) in json.dumps(definition)]
    if len(functions) + len(steps) > MOST_FUNCTION_PARAMETERS:
        raise WorkflowError(
            f"the steps run {len(steps)} functions, and a stack has place for about {MOST_FUNCTION_PARAMETERS // 2}: "
            "let steps share functions, or move some into a state machine of their own that a step starts"
        )
    template = Template()
    template.set_description("Afterloop: one Step Functions execution for every human loop that ends")
    template.set_version()
    _parameters(template, functions, steps)
    _data(template)
    _topics(template)
    for function in functions:
        _function(template, function, has_versions=function in steps)
    for function in steps:
        _version(template, function)
    _state_machine(template, definition, functions, statements)
    _rule(template)
    _schedule(template)
    _alarms(template)
    _analysis(template, reviews_table, queries)
    _outputs(template)
    _expect_policies_that_fit(template)
    return template


def _parameters(template: Template, functions: Sequence[Function], steps: Sequence[Function]) -> None:
    def parameter(name: str, description: str, kind: str = "String", **more: Any) -> None:
        template.add_parameter(Parameter(name, Type=kind, Description=description, **more))

    parameter("Stage", "The stage that this stack is.", AllowedPattern="[a-z][a-z0-9-]{0,19}")
    parameter("ArtifactBucket", "Holds the functions' bundles.")
    for function in functions:
        parameter(function.key_parameter, f"The bundle of {function.name} in the artifact bucket.")
    for function in steps:
        parameter(function.revision_parameter, f"Changes with code and settings of {function.name}.")
    parameter("OutputBuckets", "Buckets that flow definitions write output.json to.", "CommaDelimitedList")
    parameter(
        "DocumentBuckets",
        "Buckets of what Textract and Rekognition read; `-` for none.",
        "CommaDelimitedList",
        Default="-",
    )
    parameter(
        "FlowDefinitionArns",
        "Only events of these flow definitions; `*` for all.",
        "CommaDelimitedList",
        Default="*",
    )
    for topic in ("Notification", "Escalation"):
        parameter(
            f"{topic}Emails",
            f"{EMAILS_PER_TOPIC} addresses, `-` for none.",
            "CommaDelimitedList",
            Default=",".join(["-"] * EMAILS_PER_TOPIC),
        )
        parameter(
            f"{topic}EmailFlowDefinitions",
            "For each address the one flow definition that it is told about, by name; `*` for all.",
            "CommaDelimitedList",
            Default=",".join(["*"] * EMAILS_PER_TOPIC),
        )
    parameter("LogRetentionDays", "Days that logs are kept.", "Number", Default="30")
    parameter("ReviewSettings", "JSON: what collect_review is told by the stage.")
    parameter("RestartSettings", "JSON: the stage's restart rules.")
    template.add_condition("DocumentBucketsGiven", Not(Equals(Select(0, Ref("DocumentBuckets")), "-")))
    template.add_condition("AllFlowDefinitions", Equals(Select(0, Ref("FlowDefinitionArns")), "*"))


def _data(template: Template) -> None:
    template.add_resource(
        dynamodb.Table(
            "LedgerTable",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[dynamodb.KeySchema(AttributeName="humanLoopName", KeyType="HASH")],
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName=name, AttributeType="S")
                for name in ("createdAt", "flowDefinitionArn", "humanLoopName", "outcome", "status")
            ],
            GlobalSecondaryIndexes=[
                dynamodb.GlobalSecondaryIndex(
                    IndexName=index,
                    KeySchema=[
                        dynamodb.KeySchema(AttributeName=key, KeyType="HASH"),
                        dynamodb.KeySchema(AttributeName="createdAt", KeyType="RANGE"),
                    ],
                    Projection=dynamodb.Projection(ProjectionType="ALL"),
                )
                for index, key in (
                    ("by-flow-definition", "flowDefinitionArn"),
                    ("by-outcome", "outcome"),
                    ("by-status", "status"),
                )
            ],
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(
                PointInTimeRecoveryEnabled=True
            ),
            SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
            Tags=_tags(),
        )
    )
    bucket = template.add_resource(
        s3.Bucket(
            "ReviewBucket",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                    )
                ]
            ),
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True,
                BlockPublicPolicy=True,
                IgnorePublicAcls=True,
                RestrictPublicBuckets=True,
            ),
            OwnershipControls=s3.OwnershipControls(
                Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
            ),
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    # A review that is stored again is stored as the same bytes: old versions are of no use for long.
                    s3.LifecycleRule(
                        Id="old-versions",
                        Status="Enabled",
                        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=30),
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
                            DaysAfterInitiation=7
                        ),
                    ),
                    s3.LifecycleRule(
                        Id="query-results", Status="Enabled", Prefix="query-results/", ExpirationInDays=30
                    ),
                ]
            ),
            Tags=_tags(),
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            "ReviewBucketPolicy",
            # A bucket that outlives its stack is read over TLS alone then, too.
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Bucket=Ref(bucket),
            PolicyDocument=_policy(_tls_only("s3:*", [GetAtt(bucket, "Arn"), Sub("${ReviewBucket.Arn}/*")])),
        )
    )


def _topics(template: Template) -> None:
    for topic in ("Notification", "Escalation"):
        template.add_resource(
            sns.Topic(
                f"{topic}Topic", DisplayName=Sub(f"Afterloop ${{Stage}} {topic.lower()}s"), Tags=_tags()
            )
        )
        publishers = (
            [
                {
                    "Sid": "Alarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": Ref(f"{topic}Topic"),
                    "Condition": _ACCOUNT,
                }
            ]
            if topic == "Escalation"
            else []
        )
        template.add_resource(
            sns.TopicPolicy(
                f"{topic}TopicPolicy",
                Topics=[Ref(f"{topic}Topic")],
                PolicyDocument=_policy(_tls_only("sns:Publish", Ref(f"{topic}Topic")), *publishers),
            )
        )
        for slot in range(EMAILS_PER_TOPIC):
            address = Select(slot, Ref(f"{topic}Emails"))
            flow_definition = Select(slot, Ref(f"{topic}EmailFlowDefinitions"))
            given, filtered = f"{topic}Email{slot + 1}Given", f"{topic}Email{slot + 1}Filtered"
            template.add_condition(given, Not(Equals(address, "-")))
            template.add_condition(filtered, Not(Equals(flow_definition, "*")))
            template.add_resource(
                sns.SubscriptionResource(
                    f"{topic}Email{slot + 1}",
                    Condition=given,
                    TopicArn=Ref(f"{topic}Topic"),
                    Protocol="email",
                    Endpoint=address,
                    FilterPolicy=If(filtered, {"flowDefinition": [flow_definition]}, NoValue),
                )
            )


def _function(template: Template, function: Function, *, has_versions: bool) -> None:
    name = function.name
    log_group = template.add_resource(
        _log_group(f"{name}Logs", Sub(f"/aws/lambda/afterloop-${{Stage}}-{name}"))
    )
    role = template.add_resource(
        iam.Role(
            f"{name}Role",
            Description=f"What {name} may do",
            AssumeRolePolicyDocument=_policy(_trust("lambda.amazonaws.com")),
            Policies=[
                iam.Policy(
                    PolicyName="function",
                    PolicyDocument=_policy(
                        _allow(
                            ["logs:CreateLogStream", "logs:PutLogEvents"],
                            Sub(
                                "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}"
                                f":log-group:/aws/lambda/afterloop-${{Stage}}-{name}:*"
                            ),
                        ),
                        _allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
                        *(_declared(permission) for permission in function.permissions),
                    ),
                )
            ],
            Tags=_tags(),
        )
    )
    template.add_resource(
        awslambda.Function(
            name,
            DependsOn=[log_group.title],
            FunctionName=Sub(f"afterloop-${{Stage}}-{name}"),
            Description=function.description,
            Runtime=RUNTIME,
            Architectures=[ARCHITECTURE],
            Handler=function.handler,
            Code=awslambda.Code(S3Bucket=Ref("ArtifactBucket"), S3Key=Ref(function.key_parameter)),
            Role=GetAtt(role, "Arn"),
            MemorySize=function.memory,
            Timeout=function.timeout,
            TracingConfig=awslambda.TracingConfig(Mode="Active"),
            Environment=awslambda.Environment(
                Variables={
                    "STAGE": Ref("Stage"),
                    "LEDGER_TABLE": Ref("LedgerTable"),
                    "REVIEW_BUCKET": Ref("ReviewBucket"),
                    "REVIEW_SETTINGS": Ref("ReviewSettings"),
                    "RESTART_SETTINGS": Ref("RestartSettings"),
                    "POWERTOOLS_SERVICE_NAME": "afterloop",
                    "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
                    **_OF_SOME_FUNCTIONS.get(name, {}),
                    # A version is made only of a function that is not as in the version before.
                    **({"REVISION": Ref(function.revision_parameter)} if has_versions else {}),
                }
            ),
            Tags=_tags(),
        )
    )


def _version(template: Template, function: Function) -> None:
    """What executions run: a version keeps code and settings, so that an execution ends on those it began with.

    A changed description makes CloudFormation publish another version; the earlier ones stay, for executions
    that run and for a rollback (workflow/publish/live.py bounds their number). They go with the function.
    """
    template.add_resource(
        awslambda.Version(
            _version_of(function),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            FunctionName=Ref(function.name),
            Description=Join(
                # All that a function's settings name and a publish may replace.
                " ",
                [Ref(function.revision_parameter), Ref("LedgerTable"), Ref("ReviewBucket")],
            ),
        )
    )


def _version_of(function: Function) -> str:
    return f"{function.name}Version"


def _placeholder(function: Function) -> str:
    """What stands for the function in the definition."""
    return f"${{{function.name}Arn}}"


def _state_machine(
    template: Template,
    definition: Mapping[str, Any],
    functions: Sequence[Function],
    statements: Sequence[Statement],
) -> None:
    machine_arn = Sub(
        "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:afterloop-${Stage}"
    )
    log_group = template.add_resource(
        _log_group("StateMachineLogs", Sub("/aws/vendedlogs/states/afterloop-${Stage}"))
    )
    role = template.add_resource(
        iam.Role(
            "StateMachineRole",
            Description="What the workflow may do: derived from its steps",
            AssumeRolePolicyDocument=_policy(
                _trust(
                    "states.amazonaws.com",
                    {**_ACCOUNT, "ArnLike": {"aws:SourceArn": machine_arn}},
                )
            ),
            Policies=[
                iam.Policy(
                    PolicyName="steps",
                    PolicyDocument=_policy(*(_derived(statement, functions) for statement in statements)),
                ),
                iam.Policy(
                    PolicyName="logs-and-traces",
                    PolicyDocument=_policy(
                        # Log delivery and tracing take no resource (Step Functions developer guide).
                        _allow(
                            [
                                "logs:CreateLogDelivery",
                                "logs:DeleteLogDelivery",
                                "logs:DescribeLogGroups",
                                "logs:DescribeResourcePolicies",
                                "logs:GetLogDelivery",
                                "logs:ListLogDeliveries",
                                "logs:PutResourcePolicy",
                                "logs:UpdateLogDelivery",
                                "xray:GetSamplingRules",
                                "xray:GetSamplingTargets",
                                "xray:PutTelemetryRecords",
                                "xray:PutTraceSegments",
                            ],
                            "*",
                        )
                    ),
                ),
            ],
            Tags=_tags(),
        )
    )
    template.add_resource(
        stepfunctions.StateMachine(
            "StateMachine",
            StateMachineName=Sub("afterloop-${Stage}"),
            StateMachineType="STANDARD",
            RoleArn=GetAtt(role, "Arn"),
            # ASCII: GetTemplate, which a plan compares with, answers any other character as a question mark.
            DefinitionString=json.dumps(definition, indent=2),
            DefinitionSubstitutions={
                name: value
                for name, value in {
                    **{f"{function.name}Arn": Ref(_version_of(function)) for function in functions},
                    **{name: Ref(target) for name, target in NAMES_IN_STEPS.items()},
                }.items()
                if f"${{{name}}}" in json.dumps(definition)
            },
            LoggingConfiguration=stepfunctions.LoggingConfiguration(
                Level="ALL",
                # Names, times and errors; what the states carried stays out of the logs.
                IncludeExecutionData=False,
                Destinations=[
                    stepfunctions.LogDestination(
                        CloudWatchLogsLogGroup=stepfunctions.CloudWatchLogsLogGroup(
                            LogGroupArn=GetAtt(log_group, "Arn")
                        )
                    )
                ],
            ),
            TracingConfiguration=stepfunctions.TracingConfiguration(Enabled=True),
            Tags=_tags(stepfunctions.Tags),
        )
    )


def _rule(template: Template) -> None:
    rule_arn = Sub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/afterloop-${Stage}")
    queue = template.add_resource(
        sqs.Queue(
            "UndeliveredEvents",
            MessageRetentionPeriod=14 * 24 * 3600,
            SqsManagedSseEnabled=True,
            Tags=_tags(),
        )
    )
    template.add_resource(
        sqs.QueuePolicy(
            "UndeliveredEventsPolicy",
            Queues=[Ref(queue)],
            PolicyDocument=_policy(
                _tls_only("sqs:*", GetAtt(queue, "Arn")),
                {
                    "Sid": "Rule",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": GetAtt(queue, "Arn"),
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
                },
            ),
        )
    )
    role = template.add_resource(
        iam.Role(
            "RuleRole",
            Description="Lets the rule start executions",
            AssumeRolePolicyDocument=_policy(
                _trust("events.amazonaws.com", {**_ACCOUNT, "ArnEquals": {"aws:SourceArn": rule_arn}})
            ),
            Policies=[
                iam.Policy(
                    PolicyName="start-executions",
                    PolicyDocument=_policy(
                        _allow(["states:StartExecution"], [Ref("StateMachine"), Sub("${StateMachine}:*")])
                    ),
                )
            ],
            Tags=_tags(),
        )
    )
    template.add_resource(
        events.Rule(
            "Rule",
            Name=Sub("afterloop-${Stage}"),
            Description="Status changes of human loops",
            State="ENABLED",
            EventPattern={
                "source": [SOURCE],
                "detail-type": [DETAIL_TYPE],
                "detail": If(
                    "AllFlowDefinitions",
                    NoValue,
                    {"flowDefinitionArn": Ref("FlowDefinitionArns")},
                ),
            },
            Targets=[
                events.Target(
                    Id="workflow",
                    Arn=Sub("${StateMachine}:" + ALIAS),
                    RoleArn=GetAtt(role, "Arn"),
                    RetryPolicy=events.RetryPolicy(MaximumRetryAttempts=185, MaximumEventAgeInSeconds=86_400),
                    DeadLetterConfig=events.DeadLetterConfig(Arn=GetAtt(queue, "Arn")),
                )
            ],
        )
    )


def _schedule(template: Template) -> None:
    """Looks once an hour for status changes that were missed: EventBridge promises its best, not delivery."""
    rule = template.add_resource(
        events.Rule(
            "ReconcileRule",
            Description="Catches up on missed status changes",
            ScheduleExpression="rate(1 hour)",
            State="ENABLED",
            Targets=[events.Target(Id="reconcile", Arn=GetAtt("Reconcile", "Arn"))],
        )
    )
    template.add_resource(
        awslambda.Permission(
            "ReconcilePermission",
            Action="lambda:InvokeFunction",
            FunctionName=Ref("Reconcile"),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )


def _alarms(template: Template) -> None:
    def alarm(
        title: str, description: str, namespace: str, metric: str, dimension: str, value: Any, **more: Any
    ) -> None:
        template.add_resource(
            cloudwatch.Alarm(
                title,
                AlarmName=Sub(f"afterloop-${{Stage}}-{title}"),
                AlarmDescription=_filled(description),
                Namespace=namespace,
                MetricName=metric,
                Dimensions=[cloudwatch.MetricDimension(Name=dimension, Value=value)],
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
                TreatMissingData="notBreaching",
                AlarmActions=[Ref("EscalationTopic")],
                **more,
            )
        )

    for outcome in ("Failed", "Aborted", "TimedOut"):
        alarm(
            f"Executions{outcome}",
            f"An execution of the workflow ended as {outcome}:"
            " python deploy.py loops list --outcome failed --stage ${Stage}",
            "AWS/States",
            f"Executions{outcome}",
            "StateMachineArn",
            Ref("StateMachine"),
            Statistic="Sum",
        )
    alarm(
        "ReconcileErrors",
        "Missed status changes could not be looked for: see the logs of the function Reconcile",
        "AWS/Lambda",
        "Errors",
        "FunctionName",
        Ref("Reconcile"),
        Statistic="Sum",
    )
    alarm(
        "EventsUndelivered",
        "Status changes reached the rule and not the workflow: they lie in the queue UndeliveredEvents",
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "QueueName",
        GetAtt("UndeliveredEvents", "QueueName"),
        Statistic="Maximum",
    )


def _analysis(template: Template, reviews_table: Mapping[str, Any], queries: Mapping[str, str]) -> None:
    """What Athena needs to answer at once: a database, a table with partition projection, a workgroup, queries."""
    database = template.add_resource(
        glue.Database(
            "ReviewDatabase",
            CatalogId=Ref("AWS::AccountId"),
            DatabaseInput=glue.DatabaseInput(
                # Athena takes a name with a hyphen in quotes only.
                Name=Sub("afterloop_${Name}", Name=Join("_", Split("-", Ref("Stage")))),
                Description=Sub("Afterloop's stored reviews of stage ${Stage}"),
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
            RecursiveDeleteOption=True,
            WorkGroupConfiguration=athena.WorkGroupConfiguration(
                EnforceWorkGroupConfiguration=True,
                ResultConfiguration=athena.ResultConfiguration(
                    OutputLocation=Sub("s3://${ReviewBucket}/query-results/"),
                    EncryptionConfiguration=athena.EncryptionConfiguration(EncryptionOption="SSE_S3"),
                ),
            ),
            Tags=_tags(),
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


def _outputs(template: Template) -> None:
    for name, description, value in (
        ("EscalationTopic", "Where people are called for", Ref("EscalationTopic")),
        ("LedgerTable", "One item per human loop", Ref("LedgerTable")),
        ("NotificationTopic", "Where people are told of stopped loops", Ref("NotificationTopic")),
        ("ReviewBucket", "Holds reviews and inputs", Ref("ReviewBucket")),
        ("ReviewDatabase", "Athena's database of reviews", Ref("ReviewDatabase")),
        ("ReviewTable", "Athena's table of reviews", Ref("ReviewTable")),
        ("Rule", "Takes status changes to the workflow", Ref("Rule")),
        ("Reconcile", "Function that catches up on missed status changes", GetAtt("Reconcile", "Arn")),
        (
            "StartLoop",
            "Function that starts human loops so that they can be restarted",
            GetAtt("StartLoop", "Arn"),
        ),
        ("StateMachine", "The workflow", Ref("StateMachine")),
        ("StateMachineLogs", "The workflow's log group", Ref("StateMachineLogs")),
        ("UndeliveredEvents", "Events that did not reach the workflow", Ref("UndeliveredEvents")),
        ("Workgroup", "Athena's workgroup", Ref("ReviewWorkgroup")),
    ):
        template.add_output(Output(name, Description=description, Value=value))


MOST_FUNCTION_PARAMETERS = 180
"""Of the 200 parameters that a template may have, what the stage's settings leave."""

MOST_POLICY = 10_240
"""Characters of all inline policies of a role, white space left out (IAM and STS quotas)."""

_ABOUT_AS_LONG = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
}


def _expect_policies_that_fit(template: Template) -> None:
    """A role of too many steps is told here: CloudFormation finds it half way, and rolls back."""
    for name, role in template.to_dict()["Resources"].items():
        if role["Type"] == "AWS::IAM::Role":
            policies = [policy["PolicyDocument"] for policy in role["Properties"].get("Policies", [])]
            size = sum(len(json.dumps(_about(policy), separators=(",", ":"))) for policy in policies)
            if size > MOST_POLICY:
                raise WorkflowError(
                    f"the permissions of {name} have about {size:,} characters, and IAM takes {MOST_POLICY:,}: let "
                    "steps share what they act on, or move some into a state machine of their own that a step starts"
                )


def _about(value: Any) -> Any:
    """A part of the template with what it becomes, or something of about that length."""
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(
                r"\$\{([^}]+)\}",
                lambda found: _ABOUT_AS_LONG.get(found[1], "x" * (80 if found[1].endswith(".Arn") else 40)),
                text,
            )
        case {"Ref": _} | {"Fn::GetAtt": _}:
            return "x" * 80
        case dict():
            return {key: _about(one) for key, one in value.items()}
        case list():
            return [_about(one) for one in value]
    return value


def _log_group(title: str, name: Any) -> logs.LogGroup:
    return logs.LogGroup(title, LogGroupName=name, RetentionInDays=Ref("LogRetentionDays"), Tags=_tags())


def _tags(kind: Any = Tags) -> Any:
    if kind is Tags:
        return Tags({"afterloop:stage": Ref("Stage")})
    return [{"Key": "afterloop:stage", "Value": Ref("Stage")}]


def _policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: Sequence[str], resources: Any, conditions: Any = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement


def _trust(service: str, conditions: Any = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": conditions} if conditions else statement


def _tls_only(action: str, resources: Any) -> dict[str, Any]:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _declared(permission: Permission) -> Any:
    """What a function declares that it may do, as a statement.

    A resource for each of the stage's buckets has to be the statement's only one: CloudFormation splits a list but
    does not join it with another.
    """
    buckets = [resource for resource in permission.resources if _BUCKETS.match(resource)]
    if not buckets:
        return _allow(permission.actions, [_resource(resource) for resource in permission.resources])
    if len(permission.resources) > 1:
        raise WorkflowError(
            f"a permission on {buckets[0]!r} must have no other resource: declare {', '.join(permission.actions)} twice"
        )
    match = _BUCKETS.match(buckets[0])
    assert match is not None
    parameter, rest = match.groups()
    arns = Join(f"{rest},arn:aws:s3:::", Ref(parameter))
    statement = _allow(permission.actions, Split(",", Sub(f"arn:aws:s3:::${{Names}}{rest}", Names=arns)))
    return If("DocumentBucketsGiven", statement, NoValue) if parameter == "DocumentBuckets" else statement


_BUCKETS = re.compile(r"\$\{(OutputBuckets|DocumentBuckets)\}(.*)$")
_SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"
_RESOURCES = {
    "${FlowDefinitions}": f"{_SAGEMAKER}:flow-definition/*",
    "${HumanLoops}": f"{_SAGEMAKER}:human-loop/*",
}


def without_special_names(resource: str, *, is_step: bool = False) -> str:
    """What is left of a declared resource for Fn::Sub, when the names that only this module knows are filled in.

    The names of the stage's buckets are for functions alone.
    """
    match = None if is_step else _BUCKETS.match(resource)
    return match[2] if match else _RESOURCES.get(resource, resource)


def _resource(resource: str) -> Any:
    return _filled(_RESOURCES.get(resource, resource))


def _filled(text: str) -> Any:
    return Sub(text) if "${" in text else text


def _derived(statement: Statement, functions: Sequence[Function]) -> dict[str, Any]:
    """What a step needs, as a statement: the definition's placeholders become the template's references."""
    resources = []
    for resource in statement.resources:
        for function in functions:
            resource = resource.replace(_placeholder(function), f"${{{function.name}.Arn}}")
        for name, target in NAMES_IN_STEPS.items():
            resource = resource.replace(f"${{{name}}}", f"${{{target}}}")
        resources.append(_resource(resource))
    return _allow(statement.actions, resources, statement.conditions)


def _located(table: Mapping[str, Any]) -> dict[str, Any]:
    """The reviews table with what only the stack knows: where its objects are."""
    location = Sub("s3://${ReviewBucket}/reviews/")
    return {**table, "StorageDescriptor": {**table["StorageDescriptor"], "Location": location}}
