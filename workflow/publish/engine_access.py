"""How a shell reaches a local engine: what `source .engine.env` sets, and what is wrong without it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ProxyConnectionError
from botocore.utils import is_valid_endpoint_url

from workflow.errors import AccountError
from workflow.stack import ENGINE_KEY_PREFIX

if TYPE_CHECKING:
    import boto3

__all__ = [
    "expect_answers_of_aws",
    "explained_connection",
    "has_engine_keys",
    "invalid_url",
    "is_endpoint",
    "is_on_this_machine",
    "no_keys",
    "not_on_engine",
    "of_another_run",
]

_CONNECT = "start the engine with `make local` if it does not run, then `source .engine.env`"

URL = "AWS_ENDPOINT_URL"


def not_on_engine(stage: str) -> AccountError:
    """Returns the error for a stage of the local engine, if the environment leads to AWS."""
    return AccountError(f"stage {stage} is for the local engine, and {URL} is not set; {_CONNECT}")


def has_engine_keys() -> AccountError | None:
    """Returns the error for the keys of an engine that AWS refused; None if they are others."""
    if not os.environ.get("AWS_ACCESS_KEY_ID", "").startswith(ENGINE_KEY_PREFIX):
        return None
    return AccountError(f"these are the keys of a local engine, and {URL} is not set; {_CONNECT}")


def no_keys() -> AccountError:
    """Returns the error for an engine without its keys."""
    return AccountError(f"{URL} leads to a local engine, and the keys of its run are not set; {_CONNECT}")


def of_another_run(code: str) -> AccountError:
    """Returns the error for keys that the engine refused.

    Args:
        code: Its error code.
    """
    return AccountError(f"the local engine has other keys in each run ({code}); {_CONNECT}")


def explained_connection(error: Exception) -> AccountError:
    """Returns the error for a connection that failed."""
    url = os.environ.get(URL, "")
    if url and not is_endpoint(url):
        return invalid_url(URL, url)
    if not is_on_this_machine():
        return AccountError(f"cannot reach {f'{url} ({URL})' if url else 'AWS'}: {error}")
    if isinstance(error, ProxyConnectionError):
        return AccountError(
            f"cannot reach the local engine through a proxy: {error}; `source .engine.env`, which adds it to NO_PROXY"
        )
    return AccountError(f"cannot reach the local engine at {url} ({URL}): {error}; {_CONNECT}")


def invalid_url(setting: str, url: str) -> AccountError:
    """Returns the error for a setting that is no URL."""
    return AccountError(f"{setting}: {url!r} is not a URL such as http://127.0.0.1:4566")


def is_on_this_machine() -> bool:
    """Whether the environment leads to a local engine."""
    url = os.environ.get(URL, "")
    return is_endpoint(url) and urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def is_endpoint(url: str) -> bool:
    """Whether botocore accepts a URL, and can use it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.port != 0 and is_valid_endpoint_url(url)
    except ValueError:
        return False


def expect_answers_of_aws(session: boto3.Session) -> boto3.Session:
    """Makes the clients of a session refuse answers of another program on the engine's port.

    botocore would fail to parse them, in as many ways as there are programs. Each answer of AWS, and of the engine, has
    the id of the request in a header.

    Args:
        session: The session, without clients.
    """
    if url := os.environ.get(URL):

        def check(response_dict: dict[str, Any], **_: Any) -> None:
            if not any(name.lower().startswith("x-amz") for name in response_dict["headers"]):
                raise AccountError(
                    f"{url} ({URL}) does not answer as AWS does, so it is no local engine; {_CONNECT}"
                )

        session.events.register("before-parse", check)
    return session
