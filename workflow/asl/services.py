"""The services of AWS and their actions, by the names that AWS SDK integrations use.

Step Functions names a service and its actions as the AWS SDK for Java 2 does: `cloudwatchlogs:putLogEvents`. botocore
has the same services under names of its own (`logs`), and the models of their actions. A model is loaded once, when a
step calls the service; only the names of folders are read to find out which services exist.

Source: AWS SDK service integrations (Step Functions developer guide); botocore, whose `serviceId` of a service is the
name in the SDK for Java, without spaces and without "Service" at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "actions_of",
    "botocore_name",
    "botocore_version",
    "folders",
    "model_files",
    "model_of",
    "services",
]

_OTHER_NAMES = {
    "applicationdiscovery": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costandusagereport": "cur",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "directory": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntimev2": "lexv2-runtime",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "pinpointsmsvoice": "sms-voice",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
}
"""Services whose name in AWS SDK integrations is not botocore's name without hyphens."""


def botocore_name(service: str) -> str | None:
    """botocore's name of a service: `logs` for `cloudwatchlogs`; None if there is no such service."""
    return services().get(service)


@cache
def services() -> Mapping[str, str]:
    """The services by their names in AWS SDK integrations, and botocore's names of them."""
    others = set(_OTHER_NAMES.values())
    known = folders()
    plain = {name.replace("-", ""): name for name in known if name not in others}
    return plain | {name: folder for name, folder in _OTHER_NAMES.items() if folder in known}


@cache
def folders() -> frozenset[str]:
    """botocore's names of all services, and those of models that the user added to `~/.aws/models`."""
    # `Loader.list_available_services` also opens each folder, which takes a fifth of a second.
    paths = [path for path in map(Path, _loader().search_paths) if path.is_dir()]
    return frozenset(entry.name for path in paths for entry in path.iterdir() if entry.is_dir())


def model_files() -> Iterator[tuple[str, Path]]:
    """Yields botocore's name of each service, and the file with the newest model of its API."""
    for path in map(Path, _loader().search_paths):
        newest = {file.parents[1].name: file for file in sorted(path.glob("*/*/service-2.json.gz"))}
        yield from newest.items()


@cache
def model_of(folder: str) -> Mapping[str, Any]:
    """botocore's model of a service by botocore's name; empty if it has none."""
    from botocore.exceptions import UnknownServiceError

    try:
        model: Mapping[str, Any] = _loader().load_service_model(folder, "service-2")
    except UnknownServiceError:
        return {}
    return model


@cache
def actions_of(service: str) -> frozenset[str]:
    """The actions of a service in camelCase, by its name in AWS SDK integrations; empty if it is unknown."""
    operations = model_of(botocore_name(service) or "").get("operations", {})
    return frozenset(action[:1].lower() + action[1:] for action in operations)


def is_stream(service: str, action: str) -> bool:
    """Whether an action takes or returns a stream of events, as `bedrockruntime:converseStream` does."""
    model = model_of(botocore_name(service) or "")
    operation = model.get("operations", {}).get(action[:1].upper() + action[1:], {})
    sides = [model["shapes"][operation[side]["shape"]] for side in ("input", "output") if side in operation]
    members = [member for side in sides for member in side.get("members", {}).values()]
    return any(model["shapes"][member["shape"]].get("eventstream") for member in members)


def iam_prefix(folder: str, metadata: Mapping[str, str] | None = None) -> str:
    """What the IAM actions of a service begin with: the name with which requests to it are signed.

    Args:
        folder: botocore's name of the service.
        metadata: `endpointPrefix` and `signingName` of its model; by default the model is read.
    """
    known = model_of(folder).get("metadata", {}) if metadata is None else metadata
    signed = known.get("signingName") or known.get("endpointPrefix") or folder
    return _OTHER_PREFIXES.get(signed, signed)


_OTHER_PREFIXES = {"monitoring": "cloudwatch", "mturk-requester": "mechanicalturk", "tagging": "tag"}
"""Prefixes in IAM that are not the name with which requests are signed."""


def botocore_version() -> str:
    """The version of the installed botocore, for messages about what it does not know."""
    import botocore

    return botocore.__version__


@cache
def _loader() -> Any:
    from botocore.loaders import Loader  # Imported here because most commands check no API call.

    return Loader()
