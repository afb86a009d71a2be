"""What calls that start a job or an execution need, and those that pass a role or make a schedule.

Sources: IAM policies for integrated services (Step Functions developer guide),
https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html; Service Authorization
Reference; Passing a role (IAM user guide); Identity-based policies of EventBridge Scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workflow.stack.permissions.actions import iam_action, unknown
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, arn_of, is_arn, joined

__all__ = [
    "managed_rule",
    "pass_role",
    "run_task",
    "schedule",
    "start_execution",
    "start_job_run",
    "submit_job",
]


def pass_role(call: Call, path: str, service: str) -> Grant:
    """Returns what it takes to pass the role in an argument to a service.

    Args:
        call: The call.
        path: The argument with the role.
        service: The service's principal without its domain: `sagemaker`.
    """
    role = call.arn(path, f"the role in {path}", "iam", "role/{}", region=False)
    # In some partitions the service's principal ends in .amazonaws.com.cn.
    return ["iam:PassRole"], role, {"StringLike": {"iam:PassedToService": [f"{service}.amazonaws.com*"]}}


def managed_rule(name: str) -> Grant:
    """Lets Step Functions learn when a job ends, by a rule that it manages under a fixed name."""
    return (
        ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        arn_of("events", f"rule/{name}"),
        {},
    )


def start_job_run(call: Call) -> Iterator[Grant]:
    """Yields what a run of a Glue job needs."""
    waiting = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns"] if call.waits else []
    yield [*waiting, "glue:StartJobRun"], call.arn("JobName", "the job", "glue", "job/{}"), {}


def start_execution(call: Call) -> Iterator[Grant]:
    """Yields what an execution of another state machine needs."""
    machine = call.arn("StateMachineArn", "the state machine")
    yield ["states:StartExecution"], machine, {}
    if call.waits:
        # To learn how the execution ends, and to stop it with its parent.
        yield ["states:DescribeExecution", "states:StopExecution"], _executions(machine), {}
        yield managed_rule("StepFunctionsGetEventsForStepFunctionsExecutionRule")


def _executions(machine: Resource) -> Resource:
    if isinstance(machine, Unknown):
        return machine
    if match := re.fullmatch(r"(arn:.+):stateMachine:([^:]+)(:[^:]+)?", machine):
        return f"{match[1]}:execution:{match[2]}:*"
    if (match := re.fullmatch(r"\$\{(\w+)\}", machine)) and not machine.endswith("Arn}"):
        return arn_of("states", f"execution:${{{match[1]}.Name}}:*")
    return Unknown(f"the name of {machine!r} is not known", "its executions")


def run_task(call: Call) -> Iterator[Grant]:
    """Yields what a task of ECS needs. The roles that it passes are in the task definition, which is not here."""
    definition = call.text("TaskDefinition", "the task definition")
    if isinstance(definition, str):
        named = definition if is_arn(definition) else arn_of("ecs", f"task-definition/{definition}")
        # Without a revision, the latest one runs.
        definition = named if re.search(r":\d+$", named) else f"{named}:*"
    yield ["ecs:RunTask"], definition, {}
    cluster = call.text("Cluster", "the cluster") if call.has("Cluster") else "default"
    tasks: Resource = cluster
    if isinstance(cluster, str):
        tasks = (
            f"{cluster.replace(':cluster/', ':task/')}/*"
            if is_arn(cluster)
            else arn_of("ecs", f"task/{cluster}/*")
        )
    if call.waits:
        yield ["ecs:DescribeTasks", "ecs:StopTask"], tasks, {}
        yield managed_rule("StepFunctionsGetEventsForECSTaskRule")
    if call.has("Tags") or call.has("PropagateTags"):
        yield ["ecs:TagResource"], tasks, {}
    overridden = [path for path in ("Overrides.TaskRoleArn", "Overrides.ExecutionRoleArn") if call.has(path)]
    for path in overridden:
        yield pass_role(call, path, "ecs-tasks")
    if len(overridden) < 2:
        yield ["iam:PassRole"], Unknown("the task definition names the roles of the task", "these roles"), {}


def submit_job(call: Call) -> Iterator[Grant]:
    """Yields what a job of AWS Batch needs."""
    definition = call.arn("JobDefinition", "the job definition", "batch", "job-definition/{}")
    yield ["batch:SubmitJob"], definition, {}
    if isinstance(definition, str) and not re.search(r":\d+$", definition):
        yield ["batch:SubmitJob"], f"{definition}:*", {}  # The latest revision runs.
    yield ["batch:SubmitJob"], call.arn("JobQueue", "the job queue", "batch", "job-queue/{}"), {}
    if call.has("Tags"):
        yield ["batch:TagResource"], arn_of("batch", "job/*"), {}
    if call.waits:
        yield ["batch:DescribeJobs"], "*", {}
        yield ["batch:TerminateJob"], arn_of("batch", "job/*"), {}
        yield managed_rule("StepFunctionsGetEventsForBatchJobsRule")


def schedule(call: Call) -> Iterator[Grant]:
    """Yields what a call of EventBridge Scheduler needs, on a schedule or a group of schedules."""
    if call.action.endswith("ScheduleGroup"):
        group = call.pattern("Name", "the group", new=call.action.startswith("create"))
        yield [iam_action(call)], _scheduler_arn("schedule-group/", group), {}
    elif call.action.endswith("Schedule"):
        group = call.text("GroupName", "the group of schedules") if call.has("GroupName") else "default"
        name = call.pattern("Name", "the schedule", new=call.action.startswith("create"))
        yield [iam_action(call)], _scheduler_arn("schedule/", joined(group, "/", name)), {}
        if call.action in ("createSchedule", "updateSchedule"):
            yield pass_role(call, "Target.RoleArn", "scheduler")
    else:
        yield from unknown(call)


def _scheduler_arn(kind: str, name: Resource) -> Resource:
    return name if isinstance(name, Unknown) else arn_of("scheduler", f"{kind}{name}")
