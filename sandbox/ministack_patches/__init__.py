"""Corrections where MiniStack 1.5.33 differs from AWS and the difference matters to Afterloop.

    functions.py         Lambda: what functions may import, and how their errors are reported
    function_versions.py the numbers of a function's versions
    logs.py              what functions log, and how logs are searched
    logged_metrics.py    metrics in log lines
    states.py            what states of a state machine do with their data
    expressions.py       how JSONata expressions are parsed, and how long they may take
    evaluation.py        what the history says about expressions that fail
    paths.py             paths that lead nowhere
    payloads.py          how large data may be, and errors that cannot be caught
    starting.py          which executions Step Functions starts
    deletion.py          deleting state machines that have executions
    task_tokens.py       tasks that wait for a token
    execution_logs.py    what state machines log, and metrics that are counted in log lines
    status_changes.py    the events and metrics of a status change of an execution
    trust.py             whether Step Functions may assume the role of a state machine
    decisions.py         what each role was allowed, by which permission
    permissions.py       what the role of a state machine allows its tasks to do
    integrations.py      integrations of state machines with other services
    canned.py            canned results in place of calls
    arguments.py         which arguments of a call are accepted, where no service checks them
    call_permissions.py  what a call needs, where no service checks it
    nested.py            tasks that start executions
    training.py          tasks that start training jobs
    versions.py          versions and aliases of state machines
    chat.py              what channels of Slack and Teams show
    cloudformation.py    what CloudFormation refuses, names and replaces
    imports.py           what an import keeps, and the tags by which it is found
    drift.py             resources that were changed or deleted outside of CloudFormation
    deployments.py       versions and aliases in CloudFormation, and how it shifts an alias
    definitions.py       which definitions Step Functions refuses
    walks.py             where an execution is, and what its history records
    executions.py        how executions run and end
    branches.py          Parallel and Map states
    concurrency.py       branches and iterations that run at the same time
    map_runs.py          what the history says about a Distributed Map
    tasks.py             tasks of state machines
    submissions.py       what a service answers to a task that goes on waiting
    retries.py           Retry and Catch
    variables.py         variables of state machines
    timeouts.py          timeouts and heartbeats
    redrive.py           continuing an execution that failed
    busy_stacks.py       change sets of a stack that another operation changes
    repeated_requests.py requests to CloudFormation that an SDK repeats
    dynamodb.py          what DynamoDB refuses
    indexes.py           how long a Query of an index takes
    archives.py          how EventBridge archives and replays events
    events.py            how EventBridge delivers events: retries, permissions, dead-letter queues
    asynchronous.py      which events of functions Lambda retries
    metric_math.py       expressions over metrics
    metric_data.py       data of metrics and expressions
    dashboards.py        which dashboards CloudWatch refuses
    alarms.py            which data an alarm of CloudWatch evaluates, and when
    buckets.py           whose bucket a request is for, and missing objects
    athena.py            tables with many objects
    messages.py          what SNS and SQS refuse
    deliveries.py        how SNS delivers messages, and its metrics
    endpoints.py         how HTTPS endpoints confirm, and get messages
    background.py        work that a service does after it has responded
    queue_metrics.py     the metrics of queues
    roles.py             what roles and policies allow services to do
    networks.py          functions in a network, and boundaries of roles
    protection.py        stack policies, and tables that cannot be deleted
    service_roles.py     the role that CloudFormation assumes
    early_validation.py  which properties a change set refuses
    schemas.py           which properties resource types have
    trials.py            the API that tests a single state
    trial_requests.py    what that API is asked to do, and refuses
    mocked_results.py    whether a mock for that API is a result of its service
    inspection.py        what that API shows of the data of a state
    transport.py         what policies learn about the connection of a request
    text.py              replaces text in the source of MiniStack

The docstring of each function says what AWS does, with the source, and what MiniStack does. Each correction has a test
that fails without it, in tests/unit/sandbox/ministack_patches/ or in tests/engine/test_sandbox_*.py. The corrections
replace private functions of MiniStack, so its version is pinned; those that replace text raise an error at start if the
text has changed.
"""

from __future__ import annotations

from pathlib import Path

from sandbox.ministack_patches import (
    alarms,
    archives,
    asynchronous,
    athena,
    branches,
    buckets,
    busy_stacks,
    canned,
    chat,
    cloudformation,
    dashboards,
    decisions,
    definitions,
    deletion,
    deliveries,
    deployments,
    drift,
    dynamodb,
    early_validation,
    endpoints,
    evaluation,
    events,
    execution_logs,
    executions,
    expressions,
    function_versions,
    functions,
    imports,
    indexes,
    integrations,
    logged_metrics,
    logs,
    map_runs,
    messages,
    metric_data,
    nested,
    networks,
    paths,
    payloads,
    permissions,
    protection,
    queue_metrics,
    redrive,
    repeated_requests,
    service_roles,
    starting,
    states,
    status_changes,
    submissions,
    task_tokens,
    tasks,
    timeouts,
    transport,
    trials,
    trust,
    variables,
    versions,
    walks,
)
from sandbox.ministack_patches.decisions import recorded as permissions_used
from sandbox.ministack_patches.integrations import SdkCall

__all__ = ["SdkCall", "apply", "integrate", "permissions_used"]


def apply(directory: Path) -> None:
    """Corrects MiniStack in this process. Call it once, before the engine serves requests.

    Args:
        directory: Folder for files that the corrections need.

    Raises:
        RuntimeError: MiniStack has changed, and a correction does not apply.
    """
    functions.correct(directory)
    function_versions.correct()
    logs.correct()
    logged_metrics.correct()
    walks.correct()
    executions.correct()
    variables.correct()
    tasks.correct()
    branches.correct()
    map_runs.correct()
    evaluation.correct()
    task_tokens.correct()
    paths.correct()
    payloads.correct()
    timeouts.correct()
    versions.correct()
    starting.correct()
    status_changes.correct()
    execution_logs.correct()
    redrive.correct()
    deployments.correct()
    cloudformation.correct()
    imports.correct()
    networks.correct()
    protection.correct()
    drift.correct()
    definitions.correct()
    trust.correct()
    deletion.correct()
    early_validation.correct()
    service_roles.correct()
    busy_stacks.correct()
    repeated_requests.correct()
    states.correct()
    integrations.correct()
    nested.correct()
    decisions.correct()
    permissions.correct()
    submissions.correct()
    canned.correct()
    alarms.correct()
    dashboards.correct()
    metric_data.correct()
    asynchronous.correct()
    athena.correct()
    buckets.correct()
    dynamodb.correct()
    indexes.correct()
    events.correct()
    archives.correct()
    expressions.correct()
    messages.correct()
    endpoints.correct()
    deliveries.correct()
    chat.correct()
    queue_metrics.correct()
    transport.correct()
    trials.correct()


def integrate(call: SdkCall) -> None:
    """Connects the `aws-sdk` integrations of state machines to the sandbox's own services.

    Args:
        call: Makes a call in the account and Region of the execution, in the thread of the execution. Raises
            `sandbox.protocol.ServiceError`.
    """
    integrations.connect(call)
