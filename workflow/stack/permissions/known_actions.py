"""Whether a declared IAM action exists. IAM accepts a policy with a misspelled action, which then allows nothing.

Most IAM actions are actions of an API, which botocore knows, under the name with which requests to it are signed. The
others, such as `iam:PassRole`, are only in the Service Authorization Reference; those of services that a review
workflow uses are in a table here. So a name that is neither is a mistake only if it is a letter or two away from a
known one. For others, a plan warns.

Source: botocore; Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from functools import cache

from workflow.asl.checks import Severity
from workflow.asl.checks.problem import similar
from workflow.asl.services import botocore_version, folders, iam_prefix, model_files, model_of, services
from workflow.stack.permissions.actions import OTHER_ACTIONS, iam_service, pascal

__all__ = ["problems_of_actions"]

_REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/"


def problems_of_actions(actions: Collection[str]) -> Iterator[tuple[str, Severity]]:
    """Yields what is wrong with declared IAM actions, and how severe it is.

    Args:
        actions: IAM actions, such as `s3:GetObject` or `s3:Get*`.
    """
    for action in actions:
        service, _, name = action.partition(":")
        if not _is_known(service, name.lower()):
            yield _problem(service, name)


def _is_known(service: str, name: str) -> bool:
    # Usually, the service of this name has the action. Finding the others takes a fifth of a second.
    own = model_of(service).get("operations", {}) if iam_prefix(service) == service else {}
    return _matches(name, _of_iam(service, own)) or _matches(name, _actions(service))


def _matches(pattern: str, names: Collection[str]) -> bool:
    """Whether a pattern of IAM in lower case, with `*` and `?`, matches a name."""
    lower = {name.lower() for name in names}
    return pattern in lower or (
        bool(re.search(r"[*?]", pattern)) and any(fnmatchcase(one, pattern) for one in lower)
    )


def _of_iam(service: str, operations: Collection[str]) -> set[str]:
    """The IAM actions of a service with these actions of its API."""
    named_otherwise = {name for name in operations if f"{service}:{name}" in _NAMED_OTHERWISE}
    return {*operations} - named_otherwise | {*_WITHOUT_API.get(service, "").split()}


_NAMED_OTHERWISE = {
    f"{iam_service(service)}:{pascal(action)}": named
    for (service, _, action), named in ((key.partition(":"), named) for key, named in OTHER_ACTIONS.items())
    if named.lower() != action.lower()
}
"""Actions of an API for which IAM has another name."""


def _problem(service: str, name: str) -> tuple[str, Severity]:
    actions = _actions(service)
    if other := _NAMED_OTHERWISE.get(f"{service}:{name}"):
        return f"IAM has no action '{service}:{name}'; did you mean '{service}:{other}'?", "error"
    if not actions:
        if close := _similar_service(service):
            return f"IAM has no service {service!r}; did you mean {close!r}?", "error"
        return (
            f"'{service}:{name}' may not exist: botocore {botocore_version()} has no such service; see {_REFERENCE}",
            "warning",
        )
    stem = re.split(r"[*?]", name)[0]
    rest = name[len(stem) :]
    # Each letter of a short name would count too much.
    known = {one[: len(stem)] for one in actions} if rest else actions
    if len(stem) > 3 and (close := _nearest(stem, known)):
        return f"IAM has no action '{service}:{name}'; did you mean '{service}:{close}{rest}'?", "error"
    hint = "" if rest else similar(name, actions, 0.75)
    meant = f"did you mean '{service}:{hint}'? See {_REFERENCE}" if hint else f"see {_REFERENCE}"
    return (
        f"'{service}:{name}' may not exist: botocore {botocore_version()} has no such action; {meant}",
        "warning",
    )


def _nearest(name: str, known: Collection[str]) -> str:
    """The known name that is at most two edits away; "" if there is none."""
    from polyleven import levenshtein

    distances = [(levenshtein(name.lower(), one.lower(), 2), one) for one in known]
    distance, nearest = min(distances, default=(3, ""))
    return nearest if distance <= 2 else ""


def _similar_service(service: str) -> str:
    """The prefix in IAM of a service by its name in boto3 or in Step Functions, or a prefix that is like it."""
    if service in _WITHOUT_MODEL:
        return ""
    folder = service if service in folders() else services().get(service)
    prefixes = _prefixes()
    named = (prefix for prefix, inside in prefixes.items() if folder in inside)
    return next(named, "") or similar(service, {*prefixes, *_WITHOUT_API}, 0.8)


@cache
def _actions(service: str) -> set[str]:
    """The IAM actions of a service that are known; empty if the service is not."""
    of_apis = {
        name for folder in _prefixes().get(service, ()) for name in model_of(folder).get("operations", {})
    }
    return _of_iam(service, of_apis)


@cache
def _prefixes() -> dict[str, set[str]]:
    """The prefixes of IAM actions, and botocore's names of the services that have them.

    A model is large, and what is needed stands at its beginning.
    """
    found: dict[str, set[str]] = {}
    for folder, file in model_files():
        with gzip.open(file, "rt") as text:
            head = text.read(4000)
        named: dict[str, str] = dict(re.findall(r'"(endpointPrefix|signingName)"\s*:\s*"([^"]+)"', head))
        found.setdefault(iam_prefix(folder, named), set()).add(folder)
    return found


_WITHOUT_MODEL = frozenset(
    """
    application-signals-mcp aws-portal identitystore-auth iotjobsdata networkmanager-chat opensearch
    partnercentral-account-management resource-explorer transform ts vpc-lattice-svcs
    """.split()  # noqa: SIM905 (shorter than a list)
)
"""Services in IAM that botocore does not know, and whose name is like that of another service."""

_WITHOUT_API = {
    "aoss": "APIAccessAll DashboardsAccessAll",
    "appflow": "DescribeFlows",
    "appsync": "EventConnect EventPublish EventSubscribe GraphQL SourceGraphQL",
    "athena": "GetQueryExecutions GetQueryResultsStream",
    "bedrock": "CallWithBearerToken GetModelEvaluationJob ListModelEvaluationJobs RenderPrompt",
    "billing": "PutResourcePolicy",
    "cloudwatch": "CallWithBearerToken Link",
    "detective": "ListOrganizationAdminAccount",
    "dms": "StartMetadataModelExportAsScripts",
    "dynamodb": "ConditionCheckItem PartiQLDelete PartiQLInsert PartiQLSelect PartiQLUpdate",
    "es": "ESCrossClusterGet ESHttpDelete ESHttpGet ESHttpHead ESHttpPatch ESHttpPost ESHttpPut",
    "events": "InvokeApiDestination RetrieveConnectionCredentials",
    "execute-api": "InvalidateCache Invoke ManageConnections",
    "finspace": "CreateUser GetUser ListUsers UpdateUser",
    "glue": "GetStage GetStages GetStorage PassConnection PublishDataQuality UseGlueStudio UseMLTransforms",
    "iam": "GetAccountName PassRole UpdateAccountName",
    "kafka-cluster": "Connect DescribeCluster DescribeGroup DescribeTopic ReadData WriteData AlterGroup CreateTopic",
    "kinesisvideo": "PutMedia",
    "kms": "ReEncryptFrom ReEncryptTo",
    "lakeformation": "GetDataAccess",
    "lambda": "DisableReplication EnableReplication InvokeAsync InvokeFunction InvokeFunctionUrl",
    "logs": "CreateLogDelivery DeleteLogDelivery GetLogDelivery Link ListLogDeliveries StopLiveTail Unmask"
    " UpdateLogDelivery",
    "mpa": "PutResourcePolicy",
    "rds": "DescribeRecommendations ModifyRecommendation",
    "rds-db": "connect",
    "rekognition": "StartFaceLivenessSession",
    "route53-recovery-control-config": "PutResourcePolicy",
    "s3": "BypassGovernanceRetention DeleteObjectVersion DeleteObjectVersionTagging GetAccelerateConfiguration"
    " GetAccountPublicAccessBlock GetAnalyticsConfiguration GetBucketObjectLockConfiguration GetBucketPublicAccessBlock"
    " GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration"
    " GetMetricsConfiguration GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes"
    " GetObjectVersionForReplication GetObjectVersionTagging GetReplicationConfiguration ListAllMyBuckets ListBucket"
    " ListBucketMultipartUploads ListBucketVersions ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner"
    " PutAccelerateConfiguration PutAccountPublicAccessBlock PutAnalyticsConfiguration"
    " PutBucketObjectLockConfiguration PutBucketPublicAccessBlock PutEncryptionConfiguration"
    " PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration"
    " PutObjectVersionAcl PutObjectVersionTagging PutReplicationConfiguration ReplicateDelete ReplicateObject"
    " ReplicateTags",
    "s3express": "CreateSession",
    "s3tables": "PutTableEncryption PutTableStorageClass",
    "sagemaker": "GetResourcePolicy PutLineageGroupPolicy PutResourcePolicy DeleteResourcePolicy",
    "scheduler": "ListSchedulesByTarget",
    "ssm": "ExecuteAPI RegisterManagedInstance UpdateInstanceInformation",
    "states": "InvokeHTTPEndpoint RevealSecrets",
    "sts": "GetServiceBearerToken SetContext SetSourceIdentity TagSession",
    "support": "DescribeCommunication",
    "transfer": "ExportHostKey",
    "xray": "PutSpans PutSpansForIndexing",
}
"""IAM actions that are no actions of an API: of services that a review workflow uses, and those whose name is like that
of another action of the service."""
