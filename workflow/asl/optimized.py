"""The optimized integrations of Step Functions: services, actions, and what a Task can wait for.

Source: Integrating optimized services, and the page of each service, in the Step Functions developer guide,
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OPTIMIZED", "api_of", "integration_for"]

_TABLE = """
apigateway        invoke .waitForTaskToken
athena            startQueryExecution .sync
athena            stopQueryExecution, getQueryExecution, getQueryResults
batch             submitJob .sync
bedrock           invokeModel .waitForTaskToken
bedrock           createModelCustomizationJob .sync .waitForTaskToken
bedrockagentcore  invokeHarness
codebuild         startBuild .sync, startBuildBatch .sync, retryBuildBatch .sync
codebuild         stopBuild, stopBuildBatch, deleteBuildBatch, batchDeleteBuilds, batchGetReports
databrew          startJobRun .sync
dynamodb          getItem, putItem, deleteItem, updateItem
ecs               runTask .sync .waitForTaskToken
eks               call .waitForTaskToken, runJob .sync .waitForTaskToken
eks               createCluster .sync, deleteCluster .sync, createNodegroup .sync, deleteNodegroup .sync
eks               createFargateProfile .sync, deleteFargateProfile .sync
elasticmapreduce  createCluster .sync, terminateCluster .sync, addStep .sync, cancelStep
elasticmapreduce  setClusterTerminationProtection, modifyInstanceFleetByName, modifyInstanceGroupByName
emr-containers    createVirtualCluster, deleteVirtualCluster .sync, startJobRun .sync
emr-serverless    createApplication .sync, startApplication .sync, stopApplication .sync
emr-serverless    deleteApplication .sync, startJobRun .sync, cancelJobRun .sync
events            putEvents .waitForTaskToken
glue              startJobRun .sync
http              invoke
lambda            invoke .waitForTaskToken
mediaconvert      createJob .sync
sagemaker         createTrainingJob .sync, createTransformJob .sync, createProcessingJob .sync
sagemaker         createLabelingJob .sync, createHyperParameterTuningJob .sync
sagemaker         createModel, createEndpointConfig, createEndpoint, updateEndpoint
sns               publish .waitForTaskToken
sqs               sendMessage .waitForTaskToken
states            startExecution .sync .sync:2 .waitForTaskToken
"""


def _parsed(table: str) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in table.strip().splitlines():
        service, actions = line.split(maxsplit=1)
        for one in actions.split(", "):
            action, *forms = one.split()
            found.setdefault(service, {})[action] = ("", *forms)
    return found


OPTIMIZED: Mapping[str, Mapping[str, tuple[str, ...]]] = _parsed(_TABLE)
"""Service to action to the forms that the action has: "" and some of ".sync", ".sync:2", ".waitForTaskToken"."""

_SDK_NAMES = {"elasticmapreduce": "emr", "events": "eventbridge", "states": "sfn"}
"""Where AWS SDK integrations name a service in another way than with its hyphens left out."""

_OTHER_APIS = {
    "bedrock:invokeModel": "bedrockruntime:invokeModel",
    "elasticmapreduce:createCluster": "emr:runJobFlow",
}


def api_of(service: str, action: str) -> tuple[str, str]:
    """The API action that an optimized integration calls, by its name as an AWS SDK integration.

    Returns:
        Service and action: `("sfn", "startExecution")`. Some integrations are no action of an API (`http:invoke`).
    """
    plain = _SDK_NAMES.get(service, service.replace("-", ""))
    name, _, called = _OTHER_APIS.get(f"{service}:{action}", f"{plain}:{action}").partition(":")
    return name, called


def integration_for(service: str, action: str, form: str = "") -> str:
    """The resource of the optimized integration that calls an API action; "" if there is none with this form."""
    for name, actions in OPTIMIZED.items():
        for known, forms in actions.items():
            if form in forms and api_of(name, known) == (service, action):
                return f"arn:aws:states:::{name}:{known}{form}"
    return ""
