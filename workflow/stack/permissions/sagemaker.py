"""What calls of SageMaker and A2I need.

Sources: IAM policies for SageMaker AI (Step Functions developer guide),
https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html; Service Authorization Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workflow.stack.permissions.actions import iam_action, pascal, unknown
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, arn_of, is_arn
from workflow.stack.permissions.jobs import managed_rule, pass_role

__all__ = ["sagemaker"]

_SAGEMAKER_MADE = {
    "createTrainingJob": ("training-job", "TrainingJobName", "RoleArn", "Training"),
    "createTransformJob": ("transform-job", "TransformJobName", None, "Transform"),
    "createProcessingJob": ("processing-job", "ProcessingJobName", "RoleArn", "Processing"),
    "createLabelingJob": ("labeling-job", "LabelingJobName", "RoleArn", "Labeling"),
    "createHyperParameterTuningJob": (
        "hyper-parameter-tuning-job",
        "HyperParameterTuningJobName",
        "TrainingJobDefinition.RoleArn",
        "Tuning",
    ),
    "createModel": ("model", "ModelName", "ExecutionRoleArn", None),
    "createEndpointConfig": ("endpoint-config", "EndpointConfigName", None, None),
    "createEndpoint": ("endpoint", "EndpointName", None, None),
    "updateEndpoint": ("endpoint", "EndpointName", None, None),
}
"""For each action: what it makes, the arguments for its name and for the role that it passes, and, of a job, the part
of the managed rule's name."""

_SAGEMAKER_NAMES = {name: kind for kind, name, *_ in _SAGEMAKER_MADE.values()} | {
    "FeatureGroupName": "feature-group",
    "FlowDefinitionName": "flow-definition",
    "HumanLoopName": "human-loop",
    "HumanTaskUiName": "human-task-ui",
    "PipelineName": "pipeline",
}


def sagemaker(call: Call) -> Iterator[Grant]:
    """Yields what a call of SageMaker or A2I needs."""
    action = iam_action(call)
    named = [path for path in _SAGEMAKER_NAMES if call.has(path)]
    if call.action in _SAGEMAKER_MADE:
        yield from _sagemaker_made(call)
    elif call.action == "listHumanLoops":
        yield [action], "*", {}
    elif call.has("FlowDefinitionArn"):
        yield [action], call.arn("FlowDefinitionArn", "the flow definition"), {}
    elif len(named) == 1:
        yield [action], _sagemaker_arn(call, _SAGEMAKER_NAMES[named[0]], named[0]), {}
    else:
        yield from unknown(call)


def _sagemaker_made(call: Call) -> Iterator[Grant]:
    kind, name, role, rule = _SAGEMAKER_MADE[call.action]
    made = _sagemaker_arn(call, kind, name, new=call.action.startswith("create"))
    thing = pascal(call.action).removeprefix("Create")
    yield [iam_action(call)], made, {}
    if call.waits and rule:
        yield [f"sagemaker:Describe{thing}", f"sagemaker:Stop{thing}"], made, {}
        yield managed_rule(f"StepFunctionsGetEventsForSageMaker{rule}JobsRule")
    if rule or call.has("Tags"):  # Step Functions tags the jobs that it starts.
        yield ["sagemaker:AddTags", "sagemaker:ListTags"], made, {}
    if kind == "endpoint":  # IAM checks the action on the configuration as well.
        config = _sagemaker_arn(call, "endpoint-config", "EndpointConfigName")
        yield [iam_action(call)], config, {}
    if role:
        yield pass_role(call, role, "sagemaker")


def _sagemaker_arn(call: Call, kind: str, path: str, *, new: bool = False) -> Resource:
    name = call.pattern(path, f"the {kind}", new=new)
    if isinstance(name, Unknown) or is_arn(name):
        return name
    # ARNs of SageMaker have names in lower case.
    lower = "".join(
        part if part.startswith("${") else part.lower() for part in re.split(r"(\$\{.*?\})", name)
    )
    return arn_of("sagemaker", f"{kind}/{lower}")
