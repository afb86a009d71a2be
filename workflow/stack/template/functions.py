"""A function with its role, its logs and its versions."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, Join, NoValue, Ref, Select, Split, Sub, Template, awslambda

from lambdas.loops.message_kinds import MessageKind
from workflow.stack import ALIAS, ARCHITECTURE, PYTHON, VERSION_MARK
from workflow.stack.functions import Function
from workflow.stack.template.names import version_of
from workflow.stack.template.policies import allow, declared, policy, trust
from workflow.stack.template.roles import role
from workflow.stack.template.tags import log_group, tags

__all__ = ["add_function", "add_version"]

_FLOW_DEFINITIONS = {"FLOW_DEFINITION_ARNS": Join(",", Ref("FlowDefinitionArns"))}

_ESCALATION = {
    "ALARM_TOPIC": Ref(MessageKind.EXECUTION_ENDED.topic_if_unknown),
    "ESCALATION_TOPIC": Ref(MessageKind.EXECUTION_ENDED.topic),
}

_TOKENS = {"TOKEN_TABLE": Ref("TokenTable")}

_EXTRA_VARIABLES = {
    "AnswerWorkflow": _TOKENS,
    "Reconcile": {
        **_FLOW_DEFINITIONS,
        **_TOKENS,
        "STATE_MACHINE": Sub("${StateMachine}:" + ALIAS),
        **_ESCALATION,
    },
    "ReleaseClaim": {**_ESCALATION, **_TOKENS},
    "RestartLoop": {**_FLOW_DEFINITIONS, **_TOKENS},
    "StartLoop": {**_FLOW_DEFINITIONS, **_TOKENS},
}
"""Variables that only these functions get: the limit for all variables of a function is 4 KB."""

_DEAD_LETTER_QUEUES = {"ReleaseClaim": "UndeliveredEvents"}
"""Queues that get the events which a function failed to process, even after its retries.

Lambda retries an error twice, and throttling for six hours (Lambda developer guide, "Asynchronous invocation").
"""


def _dead_letters(function: str) -> dict[str, Any]:
    if not (queue := _DEAD_LETTER_QUEUES.get(function)):
        return {}
    return {"DeadLetterConfig": awslambda.DeadLetterConfig(TargetArn=GetAtt(queue, "Arn"))}


def add_function(template: Template, function: Function, *, has_versions: bool) -> None:
    """Adds a function with its role and log group.

    The role refers to the log group. So Lambda does not create it first, without a retention.
    """
    name = function.name
    logs = template.add_resource(log_group(f"{name}Logs", Sub(f"/aws/lambda/afterloop-${{Stage}}-{name}")))
    execution_role = template.add_resource(
        role(
            f"{name}Role",
            f"Function {name}",
            trust("lambda.amazonaws.com"),
            {
                "function": policy(
                    # The ARN of a log group ends with `:*`, which is for its streams.
                    allow(["logs:CreateLogStream", "logs:PutLogEvents"], GetAtt(logs, "Arn")),
                    allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
                    *(declared(permission) for permission in function.permissions),
                )
            },
            of_function=True,
        )
    )
    template.add_resource(
        awslambda.Function(
            name,
            FunctionName=Sub(f"afterloop-${{Stage}}-{name}"),
            Description=function.description,
            Runtime=f"python{PYTHON}",
            Architectures=[ARCHITECTURE],
            Handler=function.handler,
            Code=_code(function),
            Role=GetAtt(execution_role, "Arn"),
            MemorySize=function.memory,
            Timeout=function.timeout,
            VpcConfig=If(
                "Vpc",
                awslambda.VPCConfig(SecurityGroupIds=Ref("SecurityGroups"), SubnetIds=Ref("Subnets")),
                NoValue,
            ),
            TracingConfig=awslambda.TracingConfig(Mode="Active"),
            **_dead_letters(name),
            Environment=awslambda.Environment(
                Variables={
                    "STAGE": Ref("Stage"),
                    "LEDGER_TABLE": Ref("LedgerTable"),
                    "REVIEW_BUCKET": Ref("ReviewBucket"),
                    "REVIEW_SETTINGS": Ref("ReviewSettings"),
                    "RESTART_SETTINGS": Ref("RestartSettings"),
                    "POWERTOOLS_SERVICE_NAME": "afterloop",
                    "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
                    **_EXTRA_VARIABLES.get(name, {}),
                    # Lambda publishes a version only if code or settings differ from the previous version.
                    **({"REVISION": Ref(function.revision_parameter)} if has_versions else {}),
                }
            ),
            Tags=tags(),
        )
    )


def _code(function: Function) -> awslambda.Code:
    """The version of the bundle that the publish verified: whoever can write to the bucket cannot change it."""
    key, version = (Select(index, Split(VERSION_MARK, Ref(function.key_parameter))) for index in (0, 1))
    return awslambda.Code(S3Bucket=Ref("ArtifactBucket"), S3Key=key, S3ObjectVersion=version)


def add_version(template: Template, function: Function) -> None:
    """Adds the version that executions run, so that an execution ends with the code and settings it began with.

    A changed description makes CloudFormation publish another version. The earlier ones stay, for running executions
    and for a rollback (workflow/publish/pruning.py limits their number). They are deleted with the function.
    """
    template.add_resource(
        awslambda.Version(
            version_of(function),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            FunctionName=Ref(function.name),
            Description=Join(
                # Besides the revision, everything in the function's settings that a publish can replace.
                " ",
                [Ref(function.revision_parameter), Ref("LedgerTable"), Ref("ReviewBucket")],
            ),
        )
    )
