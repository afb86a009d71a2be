"""A stand-in for a published stage: roles, functions and resources that steps use, made from the template.

CloudFormation would create all of a stage in some seconds. A test needs a few parts of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.asl.walk import states
from workflow.operations import sample
from workflow.publish.placeholders import fill, names
from workflow.publish.resolution import resolved_resources
from workflow.stack import TOPICS
from workflow.stack.assembly import Assembly
from workflow.stack.bundles import build_bundles, local
from workflow.stack.stages import Stage
from workflow.stack.template import NAMES_IN_STEPS

__all__ = ["STAGE", "Resources", "StandIn", "role_for_anything"]

STAGE = "test"
"""The name of the stage that there would be."""

_OUTPUTS, _DOCUMENTS = "human-review-outputs", "human-review-documents"
_PLACEHOLDER = re.compile(r"\$\{([\w:]+)(?:\.(\w+))?\}")


class Resources:
    """What an engine has for stand-ins. It is created when it is first needed.

    Args:
        sandbox: The engine.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._roles: set[str] = set()
        self._functions: dict[str, str] = {}
        self._has_stores = False

    def create_stores(self, table: Mapping[str, Any], names: Mapping[str, str]) -> None:
        """Creates the topics, the buckets with the review of the sample, and the ledger's table.

        Args:
            table: The properties of the table in the template.
            names: Logical ID → name of the resource.
        """
        if self._has_stores:
            return
        self._has_stores = True
        for topic in TOPICS:
            self.sandbox.client("sns").create_topic(Name=names[f"{topic}Topic"])
        for bucket in (_OUTPUTS, _DOCUMENTS, names["ReviewBucket"]):
            self.sandbox.client("s3").create_bucket(Bucket=bucket)
        kept = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
        given = {name: table[name] for name in kept if name in table}
        self.sandbox.client("dynamodb").create_table(TableName=names["LedgerTable"], **given)
        # The review of the sample exists, for functions that read it.
        review = sample.record()
        self.sandbox.client("s3").put_object(
            Bucket=names["ReviewBucket"], Key=review.key, Body=review.to_line()
        )

    def role(self, trust: Mapping[str, Any], policies: Iterable[Mapping[str, Any]]) -> str:
        """Returns the ARN of a role with these policies."""
        documents = {policy["PolicyName"]: json.dumps(policy["PolicyDocument"]) for policy in policies}
        content = json.dumps([trust, documents], sort_keys=True)
        name = f"afterloop-{STAGE}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        if name not in self._roles:
            iam = self.sandbox.client("iam")
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
            for policy, document in documents.items():
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
            self._roles.add(name)
        return f"arn:aws:iam::{self.sandbox.account_id}:role/{name}"

    def function(self, properties: Mapping[str, Any], role: str, code: bytes) -> None:
        """Creates a function with the properties of the template, or gives it new code."""
        name = properties["FunctionName"]
        digest = hashlib.sha256(code + json.dumps([properties, role], sort_keys=True).encode()).hexdigest()
        if self._functions.get(name) == digest:
            return
        client = self.sandbox.client("lambda")
        if name in self._functions:
            client.delete_function(FunctionName=name)
        kept = ("Runtime", "Architectures", "Handler", "MemorySize", "Timeout", "Environment")
        given = {key: properties[key] for key in kept if key in properties}
        client.create_function(FunctionName=name, Role=role, Code={"ZipFile": code}, **given)
        self._functions[name] = digest


def role_for_anything(resources: Resources) -> str:
    """Returns the ARN of a role that Step Functions may assume, and that allows everything."""
    return resources.role(
        _policy(
            {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ),
        [
            {
                "PolicyName": "all",
                "PolicyDocument": _policy({"Effect": "Allow", "Action": "*", "Resource": "*"}),
            }
        ],
    )


class StandIn:
    """The stand-in for a stage with an assembly.

    Args:
        resources: What the engine has.
        assembly: The workflow.
    """

    def __init__(self, resources: Resources, assembly: Assembly) -> None:
        self._resources = resources
        self._assembly = assembly
        self._names = {
            name: f"afterloop-{STAGE}-{name}"
            for name in (*(f"{topic}Topic" for topic in TOPICS), "LedgerTable")
        } | {"ReviewBucket": f"afterloop-{STAGE}-reviewbucket"}
        table = self._template["LedgerTable"]["Properties"]
        resources.create_stores(table, self._names)

    @cached_property
    def _template(self) -> dict[str, dict[str, Any]]:
        sandbox = self._resources.sandbox
        stage = Stage(
            name=STAGE,
            account=sandbox.account_id,
            region=sandbox.region,
            output_buckets=(_OUTPUTS,),
            document_buckets=(_DOCUMENTS,),
        )
        return resolved_resources(self._assembly.template.to_dict(), stage.parameters(sandbox.account_id))

    @cached_property
    def values(self) -> dict[str, str]:
        """The values of the placeholders in steps."""
        names = {name: self._value(target, None) or STAGE for name, target in NAMES_IN_STEPS.items()}
        functions = {f"{one.name}Arn": str(self._value(one.name, "Arn")) for one in self._assembly.functions}
        return names | functions

    @property
    def review_bucket(self) -> str:
        """The bucket that has the review of the sample."""
        return self._names["ReviewBucket"]

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The definition of the state machine, with values for its placeholders."""
        filled: dict[str, Any] = json.loads(fill(json.dumps(self._assembly.definition), self.values))
        return filled

    @cached_property
    def role(self) -> str:
        """ARN of the role with the permissions that the template gives to the steps."""
        return self._role("StateMachineRole")

    def deploy_functions(self, steps: Collection[str]) -> None:
        """Creates the functions that steps call.

        Args:
            steps: The names of the steps.

        Raises:
            BundleError: A function cannot be bundled.
        """
        called = set[str]()
        for name, state in states(self._assembly.definition):
            if name in steps:
                called |= names(json.dumps(state))
        functions = [one for one in self._assembly.functions if f"{one.name}Arn" in called]
        for function_name, bundle in build_bundles(functions, local(), root=ROOT).items():
            properties = self._filled(self._template[function_name]["Properties"])
            self._resources.function(properties, self._role(f"{function_name}Role"), bundle.path.read_bytes())

    def _role(self, logical_id: str) -> str:
        properties = self._filled(self._template[logical_id]["Properties"])
        return self._resources.role(properties["AssumeRolePolicyDocument"], properties["Policies"])

    def _filled(self, properties: Any) -> Any:
        text = _PLACEHOLDER.sub(
            lambda match: self._value(match[1], match[2]) or match[0], json.dumps(properties)
        )
        return json.loads(text)

    def _value(self, name: str, attribute: str | None) -> str | None:
        """The value of `Ref` or `Fn::GetAtt`; None if it is not known."""
        sandbox = self._resources.sandbox
        place = f"{sandbox.region}:{sandbox.account_id}"
        if name.startswith("AWS::"):
            pseudo = {"AccountId": sandbox.account_id, "Region": sandbox.region, "Partition": "aws"}
            return pseudo.get(name.removeprefix("AWS::"))
        own = self._names.get(name, f"afterloop-{STAGE}-{name}")
        kind = self._template.get(name, {}).get("Type", "")
        arns = {
            "AWS::SNS::Topic": f"arn:aws:sns:{place}:{own}",
            "AWS::Lambda::Function": f"arn:aws:lambda:{place}:function:{own}",
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{place}:table/{own}",
            "AWS::S3::Bucket": f"arn:aws:s3:::{own}",
        }
        if kind not in arns:
            return None
        return arns[kind] if attribute or kind == "AWS::SNS::Topic" else own


def _policy(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}
