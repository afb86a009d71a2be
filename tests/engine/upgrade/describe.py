"""Prints what the code on the path publishes, as JSON. `make_fixture.py` runs it with the code of an earlier commit.

It imports only what every commit since 657dd37 has.
"""

import json
import sys
from pathlib import Path
from typing import Any

from workflow.human_review import HumanReview
from workflow.stack.assembly import assemble
from workflow.stack.permissions import statements_for
from workflow.stack.stages import Stage
from workflow.steps import Chain, Pass, definition

SETTINGS: dict[str, Any] = {
    "name": "upgraded",
    "account": "111122223333",
    "region": "us-east-1",
    "output_buckets": ["human-review-outputs"],
    "document_buckets": ["human-review-documents"],
    "restart": {"back_off": {"first_seconds": 1, "max_seconds": 1, "jitter": 0}},
}
FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/support-messages"


def parent() -> dict[str, Any]:
    """A workflow with a `HumanReview` step: its definition and its role's policy."""
    ask = HumanReview(
        "Ask people",
        stage=SETTINGS["name"],
        flow_definition_arn=FLOW,
        key="$.id",
        input_content={"taskObject.$": "$.text", "prediction.$": "$.prediction"},
        task_lifetime_seconds=600,
        timeout_seconds=3600,
        result_path="$.people",
    )
    machine = definition(Chain([ask, Pass("Go on")]))
    allowed = [
        {"Effect": "Allow", "Action": list(statement.actions), "Resource": list(statement.resources)}
        for statement in statements_for(machine)
    ]
    return {"definition": machine, "policy": {"Version": "2012-10-17", "Statement": allowed}}


if __name__ == "__main__":
    described = {
        "settings": SETTINGS,
        "template": assemble(post_review=Path(sys.argv[1])).template.to_dict(),
        "parameters": Stage(**SETTINGS).parameters(SETTINGS["account"]),
        "parent": parent(),
    }
    json.dump(described, sys.stdout, sort_keys=True)
