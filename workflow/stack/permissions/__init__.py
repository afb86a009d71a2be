"""What the state machine's role may do, derived from its steps.

Every Task says which service it calls and on what: from this follow the exact IAM actions and resources, for
the integrations that Step Functions has optimized, in all their forms (request and response, `.sync`,
`.waitForTaskToken`), for AWS SDK integrations, HTTP tasks and Distributed Maps. Where a step does not say
enough (a topic that is read from the input, the roles of an ECS task), nothing is guessed:
`PermissionUnknown` names the step and what to declare.

Resources are strings as CloudFormation's Fn::Sub takes them: placeholders of the definition
(`${LedgerTable}`) stay in them, and a bare name becomes an ARN of the stack's own partition, Region and
account. Not derived, because a definition does not say it: the use of KMS keys that belong to the resources.

Sources: IAM policies for integrated services (Step Functions developer guide); Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow.errors import WorkflowError

__all__ = ["PermissionUnknown", "Statement", "statements_for"]


class PermissionUnknown(WorkflowError):
    """A step does not say on what it acts: its permission has to be declared."""


@dataclass(frozen=True)
class Statement:
    """One allowing statement of the role's policy.

    Attributes:
        actions: IAM actions, sorted.
        resources: ARNs, or "*" for actions that know no resource; may hold `${…}` for Fn::Sub.
        conditions: IAM's Condition block: operator to key to values.
        steps: names of the states that need it, sorted.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    steps: tuple[str, ...] = ()


def statements_for(
    definition: Mapping[str, Any],
    declared: Mapping[str, Sequence[Statement]] = {},
    *,
    places: Mapping[str, str] = {},
    machine_name: str = "afterloop-${Stage}",
) -> list[Statement]:
    """Derive the statements of the state machine's role.

    Args:
        definition: the machine, as `workflow.steps.definition` renders it.
        declared: state name to what that step may do beyond what can be derived. A name that is here (even
            with nothing) says that the rest is known.
        places: state name to "file:line", for errors.
        machine_name: the machine's own name, for Distributed Maps, which start executions of it.

    Returns:
        Statements without overlap, in one fixed order.

    Raises:
        PermissionUnknown: a step neither says nor declares on what it acts.
        WorkflowError: a permission is declared for a state that does not exist.
    """
    needed: dict[_Needed, set[str]] = defaultdict(set)
    names = set()
    for name, state in _states(definition):
        names.add(name)
        for actions, resource, conditions in _grants(state, machine_name):
            if isinstance(resource, _Unknown):
                if name not in declared:
                    raise _undeclared(name, places.get(name), actions, resource)
                continue
            for action in actions:
                needed[action, resource, _frozen(conditions)].add(name)
        for statement in declared.get(name, ()):
            for action in statement.actions:
                for resource in statement.resources:
                    needed[action, resource, _frozen(statement.conditions)].add(name)
    if stray := sorted(declared.keys() - names):
        raise WorkflowError(f"permissions are declared for the state {stray[0]!r}, which does not exist")
    return _grouped(needed)


_Conditions = Mapping[str, Mapping[str, Any]]
_Needed = tuple[str, str, tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]]
"""An action, a resource, and conditions made hashable."""


def _frozen(conditions: _Conditions) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    return tuple(
        (
            operator,
            tuple(
                (key, tuple(value) if isinstance(value, list) else value)
                for key, value in sorted(keys.items())
            ),
        )
        for operator, keys in sorted(conditions.items())
    )


def _grouped(needed: Mapping[_Needed, set[str]]) -> list[Statement]:
    """Join the actions on one resource, then the resources with the same actions."""
    actions_on: dict[Any, set[str]] = defaultdict(set)
    steps_on: dict[Any, set[str]] = defaultdict(set)
    for (action, resource, conditions), steps in needed.items():
        actions_on[resource, conditions].add(action)
        steps_on[resource, conditions] |= steps
    alike: dict[Any, list[tuple[str, set[str]]]] = defaultdict(list)
    for (resource, conditions), actions in actions_on.items():
        alike[tuple(sorted(actions)), conditions].append((resource, steps_on[resource, conditions]))
    return sorted(
        (
            Statement(
                actions=actions,
                resources=tuple(sorted(resource for resource, _ in found)),
                conditions={
                    operator: {key: list(value) if isinstance(value, tuple) else value for key, value in keys}
                    for operator, keys in conditions
                },
                steps=tuple(sorted(set().union(*(steps for _, steps in found)))),
            )
            for (actions, conditions), found in alike.items()
        ),
        key=lambda statement: (statement.actions, statement.resources, str(statement.conditions)),
    )


def _undeclared(name: str, place: str | None, actions: Sequence[str], unknown: _Unknown) -> PermissionUnknown:
    where = f"state {name!r}" + (f" ({place})" if place else "")
    return PermissionUnknown(
        f"{where}: {unknown.reason}; declare what it may do, {', '.join(actions)} on {unknown.resource}: "
        f"permissions = {{{name!r}: [{{'actions': [...], 'resources': [...]}}]}} in post_review.py"
    )


def _states(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        for nested in (*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")):
            if nested:
                yield from _states(nested)


# What a step says


@dataclass(frozen=True)
class _Unknown:
    """What a step does not say: why not, and what kind of resource is meant."""

    reason: str
    resource: str


_Grant = tuple[Sequence[str], "str | _Unknown", _Conditions]


@dataclass(frozen=True)
class _Call:
    """One call of a step: `<service>:<action>`, whether its end is waited for, and its arguments.

    Arguments are named by paths of keys, such as `Document.S3Object.Bucket`.
    """

    service: str
    action: str
    waits: bool
    arguments: Mapping[str, Any]

    def has(self, path: str) -> bool:
        found = self._find(path)
        return found is not None and found.whole

    def text(self, path: str, what: str) -> str | _Unknown:
        """The string that the argument always is."""
        pattern = self.pattern(path, what)
        if isinstance(pattern, str) and "*" in pattern:
            return _Unknown(f"{path} is known only at run time", what)
        return pattern

    def pattern(self, path: str, what: str, *, new: bool = False) -> str | _Unknown:
        """The same with `*` for what comes at run time; that may be all of it if the step makes something new."""
        found = self._find(path)
        if found is None:
            return _Unknown(f"{self.service}:{self.action} is called without {path}", what)
        return _pattern(found) or ("*" if new else _Unknown(f"{path} is known only at run time", what))

    def arn(
        self, path: str, what: str, service: str = "", ending: str = "", *, region: bool = True
    ) -> str | _Unknown:
        """The ARN that the argument is or, given a service and how its ARNs end, that its name stands for."""
        value = self.text(path, what)
        if isinstance(value, _Unknown) or not service or _is_arn(value):
            return value
        return _arn(service, ending.format(value), region=region)

    def _find(self, path: str) -> _Value | None:
        value: Any = self.arguments
        keys = path.split(".")
        for depth, key in enumerate(keys, 1):
            if isinstance(value, str) and value.startswith("{%"):
                return _Value(value, whole=False)
            if not isinstance(value, Mapping):
                return None
            if f"{key}.$" in value:
                return _Value(value[f"{key}.$"], path=True, whole=depth == len(keys))
            if key not in value:
                return None
            value = value[key]
        return _Value(value)


@dataclass(frozen=True)
class _Value:
    """An argument as it is written: a plain value or a JSONata expression; or a JSONPath, or intrinsic function.

    It is not `whole` if something that holds the argument is written so, and the argument may be in it.
    """

    value: Any
    path: bool = False
    whole: bool = True


def _pattern(found: _Value) -> str:
    """A string with `*` for the parts that come at run time; empty if nothing of it is known."""
    if not isinstance(found.value, str) or not found.whole:
        return ""
    if found.path:
        formatted = re.fullmatch(r"States\.Format\(\s*'([^'\\]*)'.*\)", found.value, re.DOTALL)
        pattern = formatted.group(1).replace("{}", "*") if formatted else ""
    elif expression := re.fullmatch(r"\{%(.*)%\}", found.value, re.DOTALL):
        pattern = _concatenation(expression.group(1).strip())
    else:
        return found.value
    return re.sub(r"\*+", "*", pattern) if pattern.strip("*") else ""


_OPERAND = r"""(?:'[^'\\]*'|"[^"\\]*"|\$[\w.$`\[\]]*(?:\([^()]*\))?)"""


def _concatenation(expression: str) -> str:
    """Of a JSONata concatenation of literals, paths and plain calls: the literals, with `*` for the rest."""
    if not re.fullmatch(rf"{_OPERAND}(?:\s*&\s*{_OPERAND})*", expression):
        return ""
    operands = re.findall(_OPERAND, expression)
    return "".join("*" if operand.startswith("$") else operand[1:-1] for operand in operands)


def _is_arn(value: str) -> bool:
    return re.match(r"arn:|\$\{\w*Arn\}", value) is not None


def _arn(service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
    place = ("${AWS::Region}" if region else "") + ":" + ("${AWS::AccountId}" if account else "")
    return f"arn:${{AWS::Partition}}:{service}:{place}:{resource}"


def _with(value: str | _Unknown, suffix: str) -> str | _Unknown:
    return value if isinstance(value, _Unknown) else value + suffix


# What a state needs

_AWS = r"arn:(?:[\w-]+|\$\{[\w:]+\})"


def _grants(state: Mapping[str, Any], machine_name: str) -> Iterator[_Grant]:
    if state["Type"] == "Map":
        yield from _distributed_map(state, machine_name)
    if state["Type"] != "Task":
        return
    role = state.get("Credentials", {})
    if role:  # The call is made with another role, which has the permission.
        call = _Call("sts", "assumeRole", False, role)
        yield ["sts:AssumeRole"], call.arn("RoleArn", "the role in Credentials"), {}
        return
    resource = state.get("Resource", "")
    if re.match(rf"{_AWS}:lambda:", resource):
        yield ["lambda:InvokeFunction"], resource, {}
        return
    if re.match(rf"{_AWS}:states:[^:]*:[^:]*:activity:", resource):
        return  # Workers poll an activity; the machine needs no permission.
    match = re.fullmatch(
        rf"{_AWS}:states:::(aws-sdk:)?([\w-]+):(\w+)(\.sync|\.sync:2|\.waitForTaskToken)?", resource
    )
    if match is None:
        yield (
            ["its actions"],
            _Unknown(f"{resource!r} is no integration that is known here", "its resources"),
            {},
        )
        return
    sdk, service, action, form = match.groups()
    arguments = _arguments(state)
    call = _Call(service, action, (form or "").startswith(".sync"), arguments)
    if not isinstance(arguments, Mapping):
        yield [_guessed_action(call)], _Unknown("Arguments are known only at run time", "its resources"), {}
        return
    handler = _sdk_call if sdk else _OPTIMIZED.get(service, _not_known)
    yield from handler(call)


def _not_known(call: _Call) -> Iterator[_Grant]:
    reason = f"the resources of {call.service}:{call.action} are not derived"
    yield [_guessed_action(call)], _Unknown(reason, "its resources"), {}


def _guessed_action(call: _Call) -> str:
    return f"{_IAM_PREFIXES.get(call.service, call.service)}:{_iam_action(call)}"


def _managed_rule(name: str) -> _Grant:
    """What Step Functions needs to hear of the end of a job: a rule of its own, of one fixed name."""
    return ["events:DescribeRule", "events:PutRule", "events:PutTargets"], _arn("events", f"rule/{name}"), {}


def _pass_role(call: _Call, path: str, *services: str) -> _Grant:
    # Service principals of some partitions end in .amazonaws.com.cn.
    passed_to = {"StringLike": {"iam:PassedToService": [f"{service}.amazonaws.com*" for service in services]}}
    return ["iam:PassRole"], _role(call, path), passed_to


def _role(call: _Call, path: str) -> str | _Unknown:
    return call.arn(path, f"the role in {path}", "iam", "role/{}", region=False)


# Integrations that Step Functions has optimized


def _lambda(call: _Call) -> Iterator[_Grant]:
    function = call.arn("FunctionName", "the function", "lambda", "function:{}")
    if call.has("Qualifier"):
        qualifier = call.text("Qualifier", "the version or alias")
        function = qualifier if isinstance(qualifier, _Unknown) else _with(function, f":{qualifier}")
    if isinstance(function, str) and (partial := re.search(r"function:(\d{12}:function:.+)", function)):
        function = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:{partial.group(1)}"
    if isinstance(function, str) and re.fullmatch(r"\$\{\w+\}", function):
        # One of ours: an execution runs a version of it, and after a hot swap what is newest.
        yield ["lambda:InvokeFunction"], f"{function}:*", {}
    yield ["lambda:InvokeFunction"], function, {}


def _sns(call: _Call) -> Iterator[_Grant]:
    if call.has("PhoneNumber"):
        yield ["sns:Publish"], "*", {}  # IAM has no resource for phone numbers.
    else:
        path = "TargetArn" if call.has("TargetArn") else "TopicArn"
        yield ["sns:Publish"], call.arn(path, "the topic"), {}


def _sqs(call: _Call) -> Iterator[_Grant]:
    yield ["sqs:SendMessage"], _queue(call), {}


def _queue(call: _Call) -> str | _Unknown:
    url = call.text("QueueUrl", "the queue")
    if isinstance(url, _Unknown):
        return url
    if match := re.fullmatch(r"\$\{(\w+)\}", url):  # Ref of a queue is its URL, and this its ARN.
        return f"${{{match.group(1)}.Arn}}"
    match = re.fullmatch(r"https://(?:sqs\.)?([^./]+)\.(?:queue\.)?[^/]+/([^/]+)/([^/]+)", url)
    if match is None:
        return _Unknown(f"{url!r} is not the URL of a queue", "the queue")
    return f"arn:${{AWS::Partition}}:sqs:{match.group(1)}:{match.group(2)}:{match.group(3)}"


def _events(call: _Call) -> Iterator[_Grant]:
    entries = call.arguments.get("Entries")
    if not isinstance(entries, list):
        yield ["events:PutEvents"], _Unknown("Entries are known only at run time", "the event bus"), {}
        return
    for entry in entries:
        one = _Call(call.service, call.action, False, {"Entry": entry})
        bus: str | _Unknown = _arn("events", "event-bus/default")
        if not isinstance(entry, Mapping) or one.has("Entry.EventBusName"):
            bus = one.arn("Entry.EventBusName", "the event bus", "events", "event-bus/{}")
        yield ["events:PutEvents"], bus, {}


def _dynamodb(call: _Call) -> Iterator[_Grant]:
    yield [f"dynamodb:{_pascal(call.action)}"], call.arn("TableName", "the table", "dynamodb", "table/{}"), {}


def _glue(call: _Call) -> Iterator[_Grant]:
    waiting = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns"] if call.waits else []
    yield [*waiting, "glue:StartJobRun"], call.arn("JobName", "the job", "glue", "job/{}"), {}


def _databrew(call: _Call) -> Iterator[_Grant]:
    waiting = ["databrew:ListJobRuns", "databrew:StopJobRun"] if call.waits else []
    yield [*waiting, "databrew:StartJobRun"], call.arn("Name", "the job", "databrew", "job/{}"), {}


def _states_start(call: _Call) -> Iterator[_Grant]:
    machine = call.arn("StateMachineArn", "the state machine")
    yield ["states:StartExecution"], machine, {}
    if call.waits:
        yield ["states:DescribeExecution", "states:StopExecution"], _executions(machine), {}
        yield _managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _executions(machine: str | _Unknown) -> str | _Unknown:
    if isinstance(machine, _Unknown):
        return machine
    if match := re.fullmatch(r"(arn:.+):stateMachine:([^:]+)(:[^:]+)?", machine):
        return f"{match.group(1)}:execution:{match.group(2)}:*"
    if (match := re.fullmatch(r"\$\{(\w+)\}", machine)) and not machine.endswith("Arn}"):
        return _arn("states", f"execution:${{{match.group(1)}.Name}}:*")
    return _Unknown(f"the name of {machine!r} is not known", "its executions")


def _batch(call: _Call) -> Iterator[_Grant]:
    job = call.arn("JobDefinition", "the job definition", "batch", "job-definition/{}")
    yield ["batch:SubmitJob"], job, {}
    if isinstance(job, str) and not re.search(r":\d+$", job):
        yield ["batch:SubmitJob"], f"{job}:*", {}  # Without a revision the latest is meant.
    yield ["batch:SubmitJob"], call.arn("JobQueue", "the job queue", "batch", "job-queue/{}"), {}
    if call.waits:
        yield ["batch:DescribeJobs"], "*", {}
        yield ["batch:TerminateJob"], _arn("batch", "job/*"), {}
        yield _managed_rule("StepFunctionsGetEventsForBatchJobsRule")


def _ecs(call: _Call) -> Iterator[_Grant]:
    task = call.arn("TaskDefinition", "the task definition", "ecs", "task-definition/{}")
    if isinstance(task, str) and not re.search(r":(\d+|\*)$", task) and not task.startswith("${"):
        task = f"{task}:*"  # Without a revision the latest is meant.
    yield ["ecs:RunTask"], task, {}
    if call.waits:
        yield ["ecs:DescribeTasks", "ecs:StopTask"], _arn("ecs", "task/*"), {}
        yield _managed_rule("StepFunctionsGetEventsForECSTaskRule")
    if call.has("Tags") or call.has("PropagateTags"):
        yield ["ecs:TagResource"], _arn("ecs", "task/*"), {}
    overridden = [path for path in ("Overrides.TaskRoleArn", "Overrides.ExecutionRoleArn") if call.has(path)]
    for path in overridden:
        yield _pass_role(call, path, "ecs-tasks")
    if len(overridden) < 2:
        roles = _Unknown(
            "the task definition holds the roles it passes", "these roles, or nothing if it has none"
        )
        yield ["iam:PassRole"], roles, {}


def _elasticmapreduce(call: _Call) -> Iterator[_Grant]:
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
            clusters = _arn("elasticmapreduce", "cluster/*")
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
        yield from _not_known(call)
    if call.waits and call.action in rules:
        yield _managed_rule(rules[call.action])


def _eks(call: _Call) -> Iterator[_Grant]:
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
        yield from _not_known(call)
        return
    if kind == "Cluster":
        inside = cluster
    else:
        parent = call.text("ClusterName", "the cluster")
        path = "FargateProfileName" if kind == "FargateProfile" else "NodegroupName"
        name = call.pattern(path, "its name", new=call.action in made)
        unknown = next((part for part in (parent, name) if isinstance(part, _Unknown)), None)
        inside = unknown or _arn("eks", f"{kind.lower()}/{parent}/{name}/*")
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


_SAGEMAKER = {
    # action: what it makes, the argument that names it, the argument that holds the role it passes
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
_SAGEMAKER_RULES = {
    "createTrainingJob": "Training",
    "createTransformJob": "Transform",
    "createProcessingJob": "Processing",
    "createLabelingJob": "Labeling",
    "createHyperParameterTuningJob": "Tuning",
}
_SAGEMAKER_NAMES = {name: kind for kind, name, _ in _SAGEMAKER.values()} | {
    "PipelineName": "pipeline",
    "FlowDefinitionName": "flow-definition",
    "HumanTaskUiName": "human-task-ui",
}


def _sagemaker(call: _Call) -> Iterator[_Grant]:
    if call.action not in _SAGEMAKER:
        yield from _not_known(call)
        return
    kind, name, role = _SAGEMAKER[call.action]
    made = _sagemaker_arn(call, kind, name, new=call.action.startswith("create"))
    thing = _pascal(call.action).removeprefix("Create")
    if call.waits:
        yield [f"sagemaker:Describe{thing}", f"sagemaker:Stop{thing}"], made, {}
        yield _managed_rule(f"StepFunctionsGetEventsForSageMaker{_SAGEMAKER_RULES[call.action]}JobsRule")
    yield [f"sagemaker:{_pascal(call.action)}"], made, {}
    if call.action in _SAGEMAKER_RULES or call.has("Tags"):  # Step Functions tags the jobs that it starts.
        yield ["sagemaker:AddTags", "sagemaker:ListTags"], made, {}
    if kind == "endpoint":
        config = _sagemaker_arn(call, "endpoint-config", "EndpointConfigName")
        yield [f"sagemaker:{_pascal(call.action)}"], config, {}
    if role:
        yield _pass_role(call, role, "sagemaker")


def _sagemaker_arn(call: _Call, kind: str, path: str, *, new: bool = False) -> str | _Unknown:
    name = call.pattern(path, f"the {kind}", new=new)
    if isinstance(name, _Unknown) or _is_arn(name):
        return name
    # SageMaker writes names in ARNs in small letters.
    lower = "".join(
        part if part.startswith("${") else part.lower() for part in re.split(r"(\$\{.*?\})", name)
    )
    return _arn("sagemaker", f"{kind}/{lower}")


def _http(call: _Call) -> Iterator[_Grant]:
    endpoint = call.pattern("ApiEndpoint", "the endpoint")
    method = call.text("Method", "the endpoint")
    unknown = next((part for part in (endpoint, method) if isinstance(part, _Unknown)), None)
    conditions = {
        "StringEquals": {"states:HTTPMethod": method},
        "StringLike": {"states:HTTPEndpoint": endpoint},
    }
    yield ["states:InvokeHTTPEndpoint"], unknown or "*", {} if unknown else conditions
    path = (
        "InvocationConfig.ConnectionArn" if call.has("InvocationConfig") else "Authentication.ConnectionArn"
    )
    yield ["events:RetrieveConnectionCredentials"], call.arn(path, "the connection"), {}
    secrets = _arn("secretsmanager", "secret:events!connection/*")
    yield ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"], secrets, {}


_OPTIMIZED: Mapping[str, Callable[[_Call], Iterator[_Grant]]] = {
    "lambda": _lambda,
    "sns": _sns,
    "sqs": _sqs,
    "events": _events,
    "dynamodb": _dynamodb,
    "glue": _glue,
    "databrew": _databrew,
    "states": _states_start,
    "batch": _batch,
    "ecs": _ecs,
    "elasticmapreduce": _elasticmapreduce,
    "eks": _eks,
    "sagemaker": _sagemaker,
    "http": _http,
}


# Distributed Map


def _distributed_map(state: Mapping[str, Any], machine_name: str) -> Iterator[_Grant]:
    processor = state.get("ItemProcessor", {})
    if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        yield ["states:StartExecution"], _arn("states", f"stateMachine:{machine_name}"), {}
        executions = _arn("states", f"execution:{machine_name}/*")
        yield ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"], executions, {}
    if reader := state.get("ItemReader"):
        call = _Call("s3", str(reader.get("Resource")).rpartition(":")[2], False, _arguments(reader))
        if reader.get("ReaderConfig", {}).get("InputType") == "MANIFEST":
            files = _Unknown("a manifest names further files", "these files")
            yield ["s3:GetObject"], files, {}
        yield from _s3(call)
    if writer := state.get("ResultWriter"):
        call = _Call("s3", "putObject", False, _arguments(writer))
        bucket, prefix = call.text("Bucket", "the bucket of results"), call.pattern("Prefix", "the results")
        unknown = next((part for part in (bucket, prefix) if isinstance(part, _Unknown)), None)
        results = f"{_arn('s3', str(bucket), region=False, account=False)}/{str(prefix).rstrip('/*')}/*"
        actions = ["AbortMultipartUpload", "GetObject", "ListMultipartUploadParts", "PutObject"]
        yield [f"s3:{action}" for action in actions], unknown or results, {}


def _arguments(part: Mapping[str, Any]) -> Any:
    return part.get("Arguments", part.get("Parameters", {}))


# AWS SDK integrations

_IAM_PREFIXES = {
    # Where Step Functions' name for a service is not IAM's.
    "apigatewaymanagementapi": "execute-api",
    "applicationautoscaling": "application-autoscaling",
    "bedrockagentruntime": "bedrock",
    "bedrockruntime": "bedrock",
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "dynamodbstreams": "dynamodb",
    "efs": "elasticfilesystem",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "eventbridge": "events",
    "http": "states",
    "iotdataplane": "iot",
    "lexruntimev2": "lex",
    "mturk": "mechanicalturk",
    "opensearch": "es",
    "pinpoint": "mobiletargeting",
    "rdsdata": "rds-data",
    "redshiftdata": "redshift-data",
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "sagemakera2iruntime": "sagemaker",
    "sagemakerfeaturestoreruntime": "sagemaker",
    "sagemakerruntime": "sagemaker",
    "sesv2": "ses",
    "sfn": "states",
    "timestreamquery": "timestream",
    "timestreamwrite": "timestream",
}

_WITHOUT_RESOURCE = {
    # Actions that IAM knows no resource for.
    "cloudwatch": "putMetricData",
    "comprehend": "(batchDetect|containsPii|detect(Dominant|Key|Pii|Sentiment|Syntax|Targeted|Toxic)).*",
    "rekognition": "compareFaces|recognizeCelebrities|detect(?!Custom).*"
    "|(start|get)(Celebrity|Content|Face(Detection|Search)|Label|Person|Segment|Text).*",
    "sagemakera2iruntime": "listHumanLoops",
    "sfn": "sendTask.*",
    "sts": "getCallerIdentity",
    "textract": "(analyze|detect|start).*|get(?!Adapter).*",
    "translate": "translateText",
}

_NAMED_BY = {
    # Service: which argument names the resource, and how its ARN ends ("" where the argument is the ARN). The
    # first argument that is there counts.
    "athena": {"WorkGroup": "workgroup/{}"},
    "cloudwatchlogs": {"LogGroupName": "log-group:{}:*"},
    "codebuild": {"ProjectName": "project/{}"},
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "glue": {"JobName": "job/{}"},
    "iotdataplane": {"Topic": "topic/{}"},
    "kinesis": {"StreamARN": "", "StreamName": "stream/{}"},
    "lambda": {"FunctionName": "function:{}"},
    "sagemakera2iruntime": {
        "FlowDefinitionArn": "",
        "HumanLoopName": "human-loop/{}",
    },
    "sagemakerruntime": {"EndpointName": "endpoint/{}"},
    "secretsmanager": {"SecretId": "secret:{}-??????"},
    "sfn": {"StateMachineArn": "", "ExecutionArn": "", "ActivityArn": "", "MapRunArn": ""},
    "sns": {"TopicArn": "", "TargetArn": ""},
    "ssm": {"Name": "parameter/{}"},
}

_OTHER_ACTIONS = {
    # Where one API action needs an IAM action of another name.
    "lambda:invoke": "InvokeFunction",
    "lambda:invokeAsync": "InvokeFunction",
    "s3:headBucket": "ListBucket",
    "s3:headObject": "GetObject",
    "s3:listBuckets": "ListAllMyBuckets",
    "s3:listObjects": "ListBucket",
    "s3:listObjectsV2": "ListBucket",
    "s3:listObjectVersions": "ListBucketVersions",
    "sns:publishBatch": "Publish",
    "sqs:changeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sqs:deleteMessageBatch": "DeleteMessage",
    "sqs:sendMessageBatch": "SendMessage",
}


def _sdk_call(call: _Call) -> Iterator[_Grant]:
    service, action = call.service, call.action
    actions = [f"{_IAM_PREFIXES.get(service, service)}:{_iam_action(call)}"]
    if service in _SDK_SERVICES:
        yield from _SDK_SERVICES[service](call)
    elif service == "sns" and action == "publish":
        yield from _sns(call)
    elif service == "eventbridge" and action == "putEvents":
        yield from _events(call)
    elif service == "sqs" and call.has("QueueUrl"):
        yield actions, _queue(call), {}
    elif service in _WITHOUT_RESOURCE and re.fullmatch(_WITHOUT_RESOURCE[service], action):
        yield actions, "*", {}
        yield from _documents(call)
    elif path := next((path for path in _NAMED_BY.get(service, {}) if call.has(path)), None):
        yield actions, _named(call, path, _NAMED_BY[service][path]), {}
        if service == "athena":
            data = _Unknown("a query reads tables and writes results", "tables and buckets")
            yield ["glue:Get…", "s3:…"], data, {}
    else:
        yield from _not_known(call)


def _sdk_sagemaker(call: _Call) -> Iterator[_Grant]:
    named = [path for path in _SAGEMAKER_NAMES if call.has(path)]
    if call.action in _SAGEMAKER:
        yield from _sagemaker(call)
    elif len(named) == 1:
        arn = _sagemaker_arn(call, _SAGEMAKER_NAMES[named[0]], named[0])
        yield [f"sagemaker:{_pascal(call.action)}"], arn, {}
    else:
        yield from _not_known(call)


def _named(call: _Call, path: str, ending: str) -> str | _Unknown:
    prefix = _IAM_PREFIXES.get(call.service, call.service)
    if call.service == "sagemakera2iruntime" and path == "HumanLoopName":
        return _sagemaker_arn(call, "human-loop", path)
    value = call.arn(path, "what it acts on", prefix if ending else "", ending)
    return value.replace(":parameter//", ":parameter/") if isinstance(value, str) else value


def _sdk_dynamodb(call: _Call) -> Iterator[_Grant]:
    if call.action == "transactWriteItems":
        parts = {
            "Put": "PutItem",
            "Update": "UpdateItem",
            "Delete": "DeleteItem",
            "ConditionCheck": "ConditionCheckItem",
        }
        items = call.arguments.get("TransactItems")
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            tables = _Unknown("TransactItems are known only at run time", "the tables")
            yield [f"dynamodb:{action}" for action in parts.values()], tables, {}
            return
        for item in items:
            one = _Call(call.service, call.action, False, item)
            for part, action in parts.items():
                if one.has(part):
                    table = one.arn(f"{part}.TableName", "the table", "dynamodb", "table/{}")
                    yield [f"dynamodb:{action}"], table, {}
    elif call.has("IndexName"):
        table = call.arn("TableName", "the table", "dynamodb", "table/{}")
        index = call.text("IndexName", "the index")
        yield (
            [f"dynamodb:{_pascal(call.action)}"],
            index if isinstance(index, _Unknown) else _with(table, f"/index/{index}"),
            {},
        )
    elif call.has("TableName"):
        yield from _dynamodb(call)
    else:
        yield from _not_known(call)


def _s3(call: _Call) -> Iterator[_Grant]:
    action = _iam_action(call)
    if call.action == "listBuckets":
        yield [f"s3:{action}"], "*", {}
        return
    bucket = call.text("Bucket", "the bucket")
    arn = bucket if isinstance(bucket, _Unknown) else _arn("s3", bucket, region=False, account=False)
    if isinstance(bucket, str) and _is_arn(bucket):
        arn = bucket
    if action in ("ListBucket", "ListBucketVersions") and call.has("Prefix"):
        prefix = call.pattern("Prefix", "the prefix")
        if isinstance(prefix, str):
            yield [f"s3:{action}"], arn, {"StringLike": {"s3:prefix": f"{prefix.rstrip('*')}*"}}
        else:
            yield [f"s3:{action}"], prefix, {}
    elif action in ("ListBucket", "ListBucketVersions", "GetBucketLocation"):
        yield [f"s3:{action}"], arn, {}
    elif call.has("Key") and call.action in _S3_OBJECT_ACTIONS:
        key = call.pattern("Key", "the object")
        yield [f"s3:{action}"], key if isinstance(key, _Unknown) else _with(arn, f"/{key}"), {}
        if call.action == "copyObject":
            source = call.pattern("CopySource", "the object that is copied")
            if isinstance(source, str):
                source = _arn("s3", source.removeprefix("/"), region=False, account=False)
            yield ["s3:GetObject"], source, {}
    else:
        yield from _not_known(call)


_S3_OBJECT_ACTIONS = (
    "copyObject",
    "deleteObject",
    "deleteObjectTagging",
    "getObject",
    "getObjectTagging",
    "headObject",
    "putObject",
    "putObjectTagging",
)


def _bedrock(call: _Call) -> Iterator[_Grant]:
    model = call.text("ModelId", "the model")
    if isinstance(model, str) and not _is_arn(model):
        if re.match(r"(us|us-gov|eu|apac|global)\.", model):
            model = _Unknown(
                f"the inference profile {model!r} stands for models in several Regions", "profile and models"
            )
        else:
            model = _arn("bedrock", f"foundation-model/{model}", account=False)
    actions = {"converse": "InvokeModel", "invokeModel": "InvokeModel"}
    if call.action not in actions:
        yield from _not_known(call)
        return
    yield [f"bedrock:{actions[call.action]}"], model, {}


_SDK_SERVICES: Mapping[str, Callable[[_Call], Iterator[_Grant]]] = {
    "dynamodb": _sdk_dynamodb,
    "s3": _s3,
    "bedrockruntime": _bedrock,
    "sagemaker": _sdk_sagemaker,
}


def _documents(call: _Call) -> Iterator[_Grant]:
    """What Textract and Rekognition read with the caller's permission, and the human loops they start."""
    for path in ("Document", "DocumentLocation", "Image", "SourceImage", "TargetImage", "Video"):
        if call.has(path) and not call.has(f"{path}.Bytes"):
            bucket = call.text(f"{path}.S3Object.Bucket", "the document")
            key = call.pattern(f"{path}.S3Object.Name", "the document")
            unknown = next((part for part in (bucket, key) if isinstance(part, _Unknown)), None)
            document = f"{_arn('s3', str(bucket), region=False, account=False)}/{key}"
            yield ["s3:GetObject"], unknown or document, {}
    if call.has("HumanLoopConfig"):
        flow = call.arn("HumanLoopConfig.FlowDefinitionArn", "the flow definition")
        yield ["sagemaker:StartHumanLoop"], flow, {}


def _iam_action(call: _Call) -> str:
    if call.action == "copyObject":
        return "PutObject"
    return _OTHER_ACTIONS.get(f"{call.service}:{call.action}", _pascal(call.action))


def _pascal(action: str) -> str:
    return action[:1].upper() + action[1:]
