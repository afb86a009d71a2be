"""Doubles of AWS that several unit tests share: the ledger's table, and sessions with stubbed clients.

DynamoDB and S3 are moto's (use them within `mock_aws`). Other services are botocore's Stubber: a test adds the
responses it expects, in order.
"""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.stub import Stubber

from workflow import ROOT

__all__ = ["REGION", "StubbedSession", "create_ledger_table"]

REGION = "us-east-1"


def create_ledger_table(dynamodb: Any, name: str = "ledger") -> str:
    """Creates the ledger's table as the stack does, with production's keys and indexes, and returns its name."""
    template = json.loads((ROOT / "definitions" / "template.json").read_text())
    properties = template["Resources"]["LedgerTable"]["Properties"]
    fields = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    dynamodb.create_table(TableName=name, **{field: properties[field] for field in fields})
    return name


class StubbedSession:
    """A boto3 session. Clients of the given services are stubbed; all others are boto3's own.

    Args:
        services: Names of the services to stub. Their stubbers are in `stubs`.
    """

    region_name = REGION

    def __init__(self, *services: str) -> None:
        self._boto3 = boto3.Session("testing", "testing", region_name=REGION)
        # Making a client takes a tenth of a second, so there is one for each service.
        self._clients: dict[str, Any] = {}
        self._services = services
        self.stubs: dict[str, Stubber] = {}
        self.reset()

    def reset(self) -> None:
        """Removes the responses that were added but not used."""
        for stub in self.stubs.values():
            stub.deactivate()
        self.stubs = {service: Stubber(self.client(service)) for service in self._services}
        for stub in self.stubs.values():
            stub.activate()

    def use(self, service: str, client: Any) -> None:
        """Sets the client of a service."""
        self._clients[service] = client

    def client(self, service: str, **_: Any) -> Any:
        if service not in self._clients:
            self._clients[service] = self._boto3.client(service)
        return self._clients[service]

    def __getattr__(self, name: str) -> Any:
        """Delegates to the boto3 session."""
        return getattr(self._boto3, name)

    def assert_all_called(self) -> None:
        """Checks that every response that a test added was used."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
