"""What processes find in their environment: the engine, functions, and programs that use the engine.

The developer's shell holds tokens, and settings that lead to AWS. The engine and the functions in it get neither:
lists say what they get. A program that uses the engine gets the developer's environment without any setting of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.identity import HOST, Keys

__all__ = ["of_client", "of_engine", "of_function", "variables"]

_TO_START = frozenset({"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR"})
"""What a Python process needs to start, and where it writes temporary files."""

_OF_ENGINE_ALONE = ("LANG", "LC_", "TZ", "PYTHON", "COVERAGE_")
"""Prefixes of what the engine gets in addition: language, time zone, and settings of Python."""

_OF_LAMBDA = frozenset(
    {
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "NODE_PATH",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
"""What Lambda sets. (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)"""

_OF_ENGINE = frozenset(
    {
        # The endpoint of the engine, in the place of AWS, and no settings but these.
        "AWS_ENDPOINT_URL",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
        # On AWS, the endpoint of some calls has a prefix. The engine has one address.
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        # What MiniStack's worker reads.
        "_LAMBDA_FUNCTION_ARN",
        "_LAMBDA_TIMEOUT",
        "_LAMBDA_LAYERS_DIRS",
    }
)
"""What a function on this engine needs in addition."""


def of_engine(environment: Mapping[str, str], keys: Keys) -> dict[str, str]:
    """Returns the environment of the engine's process: what Python needs, and the keys of the run.

    Args:
        environment: The environment of the parent.
        keys: The keys of the run. A process's environment is readable only by its user, the command line by all.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in _TO_START or name.startswith(_OF_ENGINE_ALONE)
    }
    return kept | {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }


def of_function(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a function's process: what Lambda sets, and the function's own variables.

    Args:
        environment: The environment that MiniStack made for it, from its own and the function's.
        own: The function's own variables.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in own or name in _OF_LAMBDA or name in _OF_ENGINE or name in _TO_START
    }
    return {"LANG": "en_US.UTF-8", "TZ": ":UTC", **kept}


def variables(endpoint_url: str, region: str, keys: Keys, config_file: Path) -> dict[str, str]:
    """Returns the variables with which an AWS SDK uses a sandbox.

    Args:
        endpoint_url: The endpoint of the sandbox.
        region: The Region.
        keys: The keys of the run.
        config_file: A file with an empty profile, so that `~/.aws` has no effect.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": str(config_file),
        "AWS_SHARED_CREDENTIALS_FILE": str(config_file),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def of_client(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a program that uses a sandbox, and nothing else, with any AWS SDK.

    `AWS_ENDPOINT_URL_S3`, `AWS_PROFILE`, `AWS_SESSION_TOKEN` and all other settings of AWS are left out: an SDK would
    combine them with those of the sandbox.

    Args:
        environment: The environment of this process.
        variables: The variables of the sandbox.
    """
    kept = {name: value for name, value in environment.items() if not name.upper().startswith("AWS_")}
    # An HTTP proxy cannot reach the loopback interface of this machine.
    before = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    no_proxy = ",".join(filter(None, [before, HOST, "localhost"]))
    return kept | dict(variables) | {"NO_PROXY": no_proxy, "no_proxy": no_proxy}
