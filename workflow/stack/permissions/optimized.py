"""What an integration needs that Step Functions has optimized, in all its forms, by service.

Source: IAM policies for integrated services, Step Functions developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from workflow.stack.permissions.call import Call, Grant, Unknown, arn_of, is_arn, with_ending
from workflow.stack.permissions.iam import not_known, pascal

__all__ = ["OPTIMIZED", "SAGEMAKER", "dynamodb", "events", "queue", "sagemaker", "sagemaker_arn", "sns"]


def _lambda(call: Call) -> Iterator[Grant]:
    function = call.arn("FunctionName", "the function", "lambda", "function:{}")
    if call.has("Qualifier"):
        qualifier = call.text("Qualifier", "the version or alias")
        function = qualifier if isinstance(qualifier, Unknown) else with_ending(function, f":{qualifier}")
    if isinstance(function, str) and (partial := re.search(r"function:(\d{12}:function:.+)", function)):
        function = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:{partial.group(1)}"
    if isinstance(function, str) and re.fullmatch(r"\$\{\w+\}", function):
        # One of ours: an execution runs a version of it, and after a hot swap what is newest.
        yield ["lambda:InvokeFunction"], f"{function}:*", {}
    yield ["lambda:InvokeFunction"], function, {}


def sns(call: Call) -> Iterator[Grant]:
    """SNS: a topic, a phone number or an endpoint."""
    if call.has("PhoneNumber"):
        yield ["sns:Publish"], "*", {}  # IAM has no resource for phone numbers.
    else:
        path = "TargetArn" if call.has("TargetArn") else "TopicArn"
        yield ["sns:Publish"], call.arn(path, "the topic"), {}


def _sqs(call: Call) -> Iterator[Grant]:
    yield ["sqs:SendMessage"], queue(call), {}


def queue(call: Call) -> str | Unknown:
    """The ARN of the queue whose URL a call has."""
    url = call.text("QueueUrl", "the queue")
    if isinstance(url, Unknown):
        return url
    if match := re.fullmatch(r"\$\{(\w+)\}", url):  # Ref of a queue is its URL, and this its ARN.
        return f"${{{match.group(1)}.Arn}}"
    match = re.fullmatch(r"https://(?:sqs\.)?([^./]+)\.(?:queue\.)?[^/]+/([^/]+)/([^/]+)", url)
    if match is None:
        return Unknown(f"{url!r} is not the URL of a queue", "the queue")
    return f"arn:${{AWS::Partition}}:sqs:{match.group(1)}:{match.group(2)}:{match.group(3)}"


def events(call: Call) -> Iterator[Grant]:
    """EventBridge: the bus of each event."""
    entries = call.arguments.get("Entries")
    if not isinstance(entries, list):
        yield ["events:PutEvents"], Unknown("Entries are known only at run time", "the event bus"), {}
        return
    for entry in entries:
        one = Call(call.service, call.action, False, {"Entry": entry})
        bus: str | Unknown = arn_of("events", "event-bus/default")
        if not isinstance(entry, Mapping) or one.has("Entry.EventBusName"):
            bus = one.arn("Entry.EventBusName", "the event bus", "events", "event-bus/{}")
        yield ["events:PutEvents"], bus, {}


def dynamodb(call: Call) -> Iterator[Grant]:
    """DynamoDB: one item of a table."""
    yield [f"dynamodb:{pascal(call.action)}"], call.arn("TableName", "the table", "dynamodb", "table/{}"), {}


def _glue(call: Call) -> Iterator[Grant]:
    waiting = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns"] if call.waits else []
    yield [*waiting, "glue:StartJobRun"], call.arn("JobName", "the job", "glue", "job/{}"), {}


def _databrew(call: Call) -> Iterator[Grant]:
    waiting = ["databrew:ListJobRuns", "databrew:StopJobRun"] if call.waits else []
    yield [*waiting, "databrew:StartJobRun"], call.arn("Name", "the job", "databrew", "job/{}"), {}


def _states_start(call: Call) -> Iterator[Grant]:
    machine = call.arn("StateMachineArn", "the state machine")
    yield ["states:StartExecution"], machine, {}
    if call.waits:
        yield ["states:DescribeExecution", "states:StopExecution"], _executions(machine), {}
        yield _managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _executions(machine: str | Unknown) -> str | Unknown:
    if isinstance(machine, Unknown):
        return machine
    if match := re.fullmatch(r"(arn:.+):stateMachine:([^:]+)(:[^:]+)?", machine):
        return f"{match.group(1)}:execution:{match.group(2)}:*"
    if (match := re.fullmatch(r"\$\{(\w+)\}", machine)) and not machine.endswith("Arn}"):
        return arn_of("states", f"execution:${{{match.group(1)}.Name}}:*")
    return Unknown(f"the name of {machine!r} is not known", "its executions")


def _batch(call: Call) -> Iterator[Grant]:
    job = call.arn("JobDefinition", "the job definition", "batch", "job-definition/{}")
    yield ["batch:SubmitJob"], job, {}
    if isinstance(job, str) and not re.search(r":\d+$", job):
        yield ["batch:SubmitJob"], f"{job}:*", {}  # Without a revision the latest is meant.
    yield ["batch:SubmitJob"], call.arn("JobQueue", "the job queue", "batch", "job-queue/{}"), {}
    if call.waits:
        yield ["batch:DescribeJobs"], "*", {}
        yield ["batch:TerminateJob"], arn_of("batch", "job/*"), {}
        yield _managed_rule("StepFunctionsGetEventsForBatchJobsRule")


def _ecs(call: Call) -> Iterator[Grant]:
    task = call.arn("TaskDefinition", "the task definition", "ecs", "task-definition/{}")
    if isinstance(task, str) and not re.search(r":(\d+|\*)$", task) and not task.startswith("${"):
        task = f"{task}:*"  # Without a revision the latest is meant.
    yield ["ecs:RunTask"], task, {}
    if call.waits:
        yield ["ecs:DescribeTasks", "ecs:StopTask"], arn_of("ecs", "task/*"), {}
        yield _managed_rule("StepFunctionsGetEventsForECSTaskRule")
    if call.has("Tags") or call.has("PropagateTags"):
        yield ["ecs:TagResource"], arn_of("ecs", "task/*"), {}
    overridden = [path for path in ("Overrides.TaskRoleArn", "Overrides.ExecutionRoleArn") if call.has(path)]
    for path in overridden:
        yield _pass_role(call, path, "ecs-tasks")
    if len(overridden) < 2:
        roles = Unknown(
            "the task definition holds the roles it passes", "these roles, or nothing if it has none"
        )
        yield ["iam:PassRole"], roles, {}


def _elasticmapreduce(call: Call) -> Iterator[Grant]:
    rules = {
        "createCluster": "StepFunctionsGetEventForEMRRunJobFlowRule",
        "addStep": "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
        "terminateCluster": "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    }
    actions = {
        "addStep": ["AddJobFlowSteps"] + (["CancelSteps", "DescribeStep"] if call.waits else []),
        "cancelStep": ["CancelSteps"],
        "terminateCluster": ["TerminateJobFlows"] + (["DescribeCluster"] if call.waits else []),
        "setClusterTerminationProtection": ["SetTerminationProtection"],
        "modifyInstanceFleetByName": ["ListInstanceFleets", "ModifyInstanceFleet"],
        "modifyInstanceGroupByName": ["ListInstanceGroups", "ModifyInstanceGroups"],
    }
    if call.action == "createCluster":
        yield ["elasticmapreduce:RunJobFlow"], "*", {}  # IAM has no resource for a cluster to be.
        if call.waits:
            clusters = arn_of("elasticmapreduce", "cluster/*")
            yield ["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"], clusters, {}
        yield _pass_role(call, "ServiceRole", "elasticmapreduce")
        # An instance profile is named; its role has the same name, as EMR's own have.
        yield _pass_role(call, "JobFlowRole", "ec2")
        if call.has("AutoScalingRole"):
            yield _pass_role(call, "AutoScalingRole", "application-autoscaling")
    elif call.action in actions:
        cluster = call.arn("ClusterId", "the cluster", "elasticmapreduce", "cluster/{}")
        yield [f"elasticmapreduce:{action}" for action in actions[call.action]], cluster, {}
    else:
        yield from not_known(call)
    if call.waits and call.action in rules:
        yield _managed_rule(rules[call.action])


def _eks(call: Call) -> Iterator[Grant]:
    if call.action in ("call", "runJob"):
        return  # The cluster's own access control decides about its Kubernetes API.
    cluster = call.arn(
        "Name" if "Cluster" in call.action else "ClusterName", "the cluster", "eks", "cluster/{}"
    )
    made = {
        "createFargateProfile": "FargateProfile",
        "createNodegroup": "Nodegroup",
        "createCluster": "Cluster",
    }
    gone = {
        "deleteFargateProfile": "FargateProfile",
        "deleteNodegroup": "Nodegroup",
        "deleteCluster": "Cluster",
    }
    kind = made.get(call.action) or gone.get(call.action)
    if kind is None:
        yield from not_known(call)
        return
    if kind == "Cluster":
        inside = cluster
    else:
        parent = call.text("ClusterName", "the cluster")
        path = "FargateProfileName" if kind == "FargateProfile" else "NodegroupName"
        name = call.pattern(path, "its name", new=call.action in made)
        unknown = next((part for part in (parent, name) if isinstance(part, Unknown)), None)
        inside = unknown or arn_of("eks", f"{kind.lower()}/{parent}/{name}/*")
    if call.action in made:
        yield [f"eks:Create{kind}"], "*" if kind == "Cluster" else cluster, {}
        roles = {"Cluster": "RoleArn", "Nodegroup": "NodeRole", "FargateProfile": "PodExecutionRoleArn"}
        yield _pass_role(call, roles[kind], "eks", "eks-fargate-pods")
        if kind == "Nodegroup":
            yield ["ec2:DescribeSubnets"], "*", {}
            yield ["iam:GetRole", "iam:ListAttachedRolePolicies"], _role(call, "NodeRole"), {}
        if call.waits:
            yield [f"eks:Delete{kind}", f"eks:Describe{kind}"], inside, {}
    else:
        yield [f"eks:Delete{kind}", *([f"eks:Describe{kind}"] if call.waits else [])], inside, {}


SAGEMAKER = {
    "createTrainingJob": ("training-job", "TrainingJobName", "RoleArn"),
    "createTransformJob": ("transform-job", "TransformJobName", None),
    "createProcessingJob": ("processing-job", "ProcessingJobName", "RoleArn"),
    "createLabelingJob": ("labeling-job", "LabelingJobName", "RoleArn"),
    "createHyperParameterTuningJob": (
        "hyper-parameter-tuning-job",
        "HyperParameterTuningJobName",
        "TrainingJobDefinition.RoleArn",
    ),
    "createModel": ("model", "ModelName", "ExecutionRoleArn"),
    "createEndpointConfig": ("endpoint-config", "EndpointConfigName", None),
    "createEndpoint": ("endpoint", "EndpointName", None),
    "updateEndpoint": ("endpoint", "EndpointName", None),
}
"""By action: what it makes, the argument that names it, and the one that holds the role it passes."""


_SAGEMAKER_RULES = {
    "createTrainingJob": "Training",
    "createTransformJob": "Transform",
    "createProcessingJob": "Processing",
    "createLabelingJob": "Labeling",
    "createHyperParameterTuningJob": "Tuning",
}


def sagemaker(call: Call) -> Iterator[Grant]:
    """SageMaker: a job, a model, an endpoint or its configuration, made or changed."""
    if call.action not in SAGEMAKER:
        yield from not_known(call)
        return
    kind, name, role = SAGEMAKER[call.action]
    made = sagemaker_arn(call, kind, name, new=call.action.startswith("create"))
    thing = pascal(call.action).removeprefix("Create")
    if call.waits:
        yield [f"sagemaker:Describe{thing}", f"sagemaker:Stop{thing}"], made, {}
        yield _managed_rule(f"StepFunctionsGetEventsForSageMaker{_SAGEMAKER_RULES[call.action]}JobsRule")
    yield [f"sagemaker:{pascal(call.action)}"], made, {}
    if call.action in _SAGEMAKER_RULES or call.has("Tags"):  # Step Functions tags the jobs that it starts.
        yield ["sagemaker:AddTags", "sagemaker:ListTags"], made, {}
    if kind == "endpoint":
        config = sagemaker_arn(call, "endpoint-config", "EndpointConfigName")
        yield [f"sagemaker:{pascal(call.action)}"], config, {}
    if role:
        yield _pass_role(call, role, "sagemaker")


def sagemaker_arn(call: Call, kind: str, path: str, *, new: bool = False) -> str | Unknown:
    """The ARN of what an argument names."""
    name = call.pattern(path, f"the {kind}", new=new)
    if isinstance(name, Unknown) or is_arn(name):
        return name
    # SageMaker writes names in ARNs in small letters.
    lower = "".join(
        part if part.startswith("${") else part.lower() for part in re.split(r"(\$\{.*?\})", name)
    )
    return arn_of("sagemaker", f"{kind}/{lower}")


def _http(call: Call) -> Iterator[Grant]:
    endpoint = call.pattern("ApiEndpoint", "the endpoint")
    method = call.text("Method", "the endpoint")
    unknown = next((part for part in (endpoint, method) if isinstance(part, Unknown)), None)
    conditions = {
        "StringEquals": {"states:HTTPMethod": method},
        "StringLike": {"states:HTTPEndpoint": endpoint},
    }
    yield ["states:InvokeHTTPEndpoint"], unknown or "*", {} if unknown else conditions
    path = (
        "InvocationConfig.ConnectionArn" if call.has("InvocationConfig") else "Authentication.ConnectionArn"
    )
    yield ["events:RetrieveConnectionCredentials"], call.arn(path, "the connection"), {}
    secrets = arn_of("secretsmanager", "secret:events!connection/*")
    yield ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], secrets, {}


OPTIMIZED: Mapping[str, Callable[[Call], Iterator[Grant]]] = {
    "lambda": _lambda,
    "sns": sns,
    "sqs": _sqs,
    "events": events,
    "dynamodb": dynamodb,
    "glue": _glue,
    "databrew": _databrew,
    "states": _states_start,
    "batch": _batch,
    "ecs": _ecs,
    "elasticmapreduce": _elasticmapreduce,
    "eks": _eks,
    "sagemaker": sagemaker,
    "http": _http,
}


def _managed_rule(name: str) -> Grant:
    """What Step Functions needs to hear of the end of a job: a rule of its own, of one fixed name."""
    return (
        ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        arn_of("events", f"rule/{name}"),
        {},
    )


def _pass_role(call: Call, path: str, *services: str) -> Grant:
    # Service principals of some partitions end in .amazonaws.com.cn.
    passed_to = {"StringLike": {"iam:PassedToService": [f"{service}.amazonaws.com*" for service in services]}}
    return ["iam:PassRole"], _role(call, path), passed_to


def _role(call: Call, path: str) -> str | Unknown:
    return call.arn(path, f"the role in {path}", "iam", "role/{}", region=False)
