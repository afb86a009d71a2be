"""Measures pages of the console on the local engine: `python -m benchmarks.bench_console`.

    first page       with 10,000 loops, and the same with 100 and 100,000
    flow definition  the loops of one of two flow definitions, with 100 and 100,000 loops
    execution        one with 300 states, in Parallel and Map states

Each page comes over HTTP, as a browser gets it, and reads the engine each time. The pages run in turns. Each round
loads another execution of the same state machine, because the console keeps the histories of those that it has shown.
The baseline of the first page is boto3 with the same Query calls, and that of the execution is boto3 with its
definition and history.

The exit status is 1 if the first page takes 300 ms or more, the execution 500 ms or more, or a page with 100,000 loops
half as long again as with 100. The seconds depend on the machine: two quiet cores are enough.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, get_args
from urllib.parse import urlsplit

from benchmarks.pairs import Ratio, in_turns, timed
from console.server import serving
from console.site import Connection, Site
from lambdas.loops.loop import LoopStatus
from lambdas.reviews.times import timestamp
from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.operations.stage_resources import StageResources

FIRST_PAGE_SECONDS = 0.3
EXECUTION_SECONDS = 0.5
MAX_RATIO = 1.5
MANY, FEW = 100_000, 100
STATES = 300
BATCH = 25
"""The limit of BatchWriteItem."""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each page is loaded, 2 or more")
    options = parser.parse_args()
    with Sandbox.start(log_level="WARNING") as sandbox, ExitStack() as consoles:
        # One more is loaded before the rounds.
        machine, executions = _executions(sandbox, options.rounds + 1)
        pages: dict[int, Callable[[str], Callable[[], object]]] = {}
        for count in (FEW, 10_000, MANY):
            began = time.perf_counter()
            connection = Connection(_stage(sandbox, count, machine), sandbox.session)
            site = Site("bench", functools.partial(lambda found: found, connection))
            pages[count] = _loader(consoles.enter_context(serving(site)))
            print(f"{count:7,} loops written in {time.perf_counter() - began:.0f} s", flush=True)
        flow = "/loops?flow=flow-0"
        subjects = {
            "first page, 100 loops": pages[FEW]("/"),
            "first page, 10,000 loops": pages[10_000]("/"),
            "first page, 100,000 loops": pages[MANY]("/"),
            "flow definition, 100 loops": pages[FEW](flow),
            "flow definition, 100,000 loops": pages[MANY](flow),
            "execution, 300 states": _each_in_turn(
                [pages[FEW](f"/executions/{execution.rpartition(':')[2]}") for execution in executions]
            ),
            "bare Query calls": lambda: _bare_queries(sandbox),
            "bare history": lambda: _bare_history(sandbox, executions[0]),
        }
        times = in_turns({name: timed(load) for name, load in subjects.items()}, options.rounds)
    return _report(times)


def _report(times: Mapping[str, list[float]]) -> int:
    for name, seconds in times.items():
        print(f"{name:32} {median(seconds) * 1000:6.0f} ms (median of {len(seconds)})")
    few_to_many = []
    print()
    for page, baseline in (
        ("first page, 10,000 loops", "bare Query calls"),
        ("execution, 300 states", "bare history"),
        ("first page, 100,000 loops", "first page, 100 loops"),
        ("flow definition, 100,000 loops", "flow definition, 100 loops"),
    ):
        ratio = Ratio.of(times[page], times[baseline])
        print(f"{page} / {baseline}: {ratio}")
        few_to_many += [ratio] if baseline.endswith(" 100 loops") else []
    return int(
        median(times["first page, 10,000 loops"]) >= FIRST_PAGE_SECONDS
        or median(times["execution, 300 states"]) >= EXECUTION_SECONDS
        or any(ratio.median > MAX_RATIO for ratio in few_to_many)
    )


def _loader(link: str) -> Callable[[str], Callable[[], object]]:
    """Returns what makes a function that loads a page, given its path."""
    address = urlsplit(link)
    headers = {"Authorization": f"Bearer {address.query.removeprefix('token=')}"}

    def page(path: str) -> Callable[[], object]:
        def load() -> None:
            request = urllib.request.Request(f"http://{address.netloc}{path}", headers=headers)
            with urllib.request.urlopen(request) as response:
                text = response.read()
            assert text.count(b"loop-0") >= 50 or text.count(b"<g") >= STATES, (
                f"{path} is not what it should be"
            )

        return load

    return page


def _each_in_turn(loads: Sequence[Callable[[], object]]) -> Callable[[], object]:
    following = itertools.cycle(loads)
    return lambda: next(following)()


# Loops


def _stage(sandbox: Sandbox, count: int, machine: str) -> StageResources:
    """Creates a ledger's table with that many loops. Ten need a person, and ten are in progress."""
    dynamodb = sandbox.client("dynamodb")
    template = json.loads((ROOT / "definitions" / "template.json").read_text())
    properties = template["Resources"]["LedgerTable"]["Properties"]
    fields = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    name = f"ledger-{count}"
    dynamodb.create_table(TableName=name, **{field: properties[field] for field in fields})
    outputs = {
        "StateMachine": machine,
        "LedgerTable": name,
        "TokenTable": "tokens",
        "ReviewBucket": "reviews",
    }
    stage = StageResources("bench", "aws", sandbox.region, sandbox.account_id, outputs)
    rows = _rows(count, stage.flow_definition_arn("flow"))
    while batch := [{"PutRequest": {"Item": row}} for row in itertools.islice(rows, BATCH)]:
        dynamodb.batch_write_item(RequestItems={name: batch})
    return stage


def _rows(count: int, flow: str) -> Iterator[dict[str, Any]]:
    newest = datetime.now(UTC)
    kinds = [("Completed", "stored")] * 8 + [("Failed", "restarted"), ("Stopped", "notified")]
    for number in range(count):
        status, outcome = kinds[number % 10]
        if number % (count // 10) == 3:
            status, outcome = "Failed", "escalated"
        elif number % (count // 10) == 7:
            status, outcome = "InProgress", ""
        texts = {
            "humanLoopName": f"loop-{number:07}",
            "flowDefinitionArn": f"{flow}-{number // 10 % 2}",
            "createdAt": timestamp(newest - timedelta(minutes=number)),
            "status": status,
            "outcome": outcome,
            "inputLocation": f"s3://reviews/inputs/loop-{number:07}.json",
            "inputDigest": "0" * 64,
            "reason": "The status change was processed.",
        }
        review = {"answers": 3, "fields": 12, "changed": number % 4, "added": 0, "removed": 0}
        yield {
            "attempt": {"N": "1"},
            "review": {"M": {key: {"N": str(figure)} for key, figure in review.items()}},
            **{key: {"S": text} for key, text in texts.items() if text},
        }


def _bare_queries(sandbox: Sandbox) -> None:
    """The calls of the first page: each outcome that needs a person, each status, and what is being processed."""
    dynamodb = sandbox.client("dynamodb")
    values = [("outcome", one) for one in ("escalated", "failed", "processing")]
    values += [("status", one) for one in get_args(LoopStatus)]
    for attribute, value in values:
        dynamodb.query(
            TableName="ledger-10000",
            IndexName=f"by-{attribute}",
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":value": {"S": value}},
            Limit=52,
        )


# An execution


def _executions(sandbox: Sandbox, count: int) -> tuple[str, list[str]]:
    """Runs executions of 300 states. Returns the ARNs of their state machine and their own."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = sandbox.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust))
    states = sandbox.client("stepfunctions")
    machine = states.create_state_machine(
        name="afterloop-bench", definition=json.dumps(_definition()), roleArn=role["Role"]["Arn"]
    )["stateMachineArn"]
    given = json.dumps({"items": [1, 2]})
    arns = [
        states.start_execution(stateMachineArn=machine, input=given)["executionArn"] for _ in range(count)
    ]
    for arn in arns:
        while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
            time.sleep(0.2)
        assert status == "SUCCEEDED", status
    return machine, arns


def _definition() -> dict[str, Any]:
    """Twenty times: a step, a Parallel of two branches, and a Map over two items."""
    states: dict[str, Any] = {}
    rounds = STATES // 15
    for number in range(rounds):
        steps = [f"{letter}{number}" for letter in "abcdefghijkl"]
        states[f"Begin {number}"] = {"Type": "Pass", "Next": f"Both {number}"}
        states[f"Both {number}"] = {
            "Type": "Parallel",
            "Branches": [_chain(steps[:4]), _chain(steps[4:8])],
            "ResultPath": None,
            "Next": f"Each {number}",
        }
        states[f"Each {number}"] = {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **_chain(steps[8:])},
            "ResultPath": None,
            **({"End": True} if number == rounds - 1 else {"Next": f"Begin {number + 1}"}),
        }
    return {"StartAt": "Begin 0", "States": states}


def _chain(names: list[str]) -> dict[str, Any]:
    following: list[dict[str, Any]] = [{"Next": name} for name in names[1:]]
    ends = [*following, {"End": True}]
    steps = {name: {"Type": "Pass", **end} for name, end in zip(names, ends, strict=True)}
    return {"StartAt": names[0], "States": steps}


def _bare_history(sandbox: Sandbox, execution: str) -> None:
    states = sandbox.client("stepfunctions")
    states.describe_execution(executionArn=execution)
    states.describe_state_machine_for_execution(executionArn=execution)
    for _ in states.get_paginator("get_execution_history").paginate(executionArn=execution, maxResults=1000):
        pass


if __name__ == "__main__":
    sys.exit(main())
