"""docs/reliability.md names a test in each row, an answer in each cell, and everything that can fail.

What can fail is read from the template, the state machine and the functions, so a new alarm, message, state or function
needs a row. A value that names its constant is compared with it.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest

from deploy import COMMANDS
from lambdas.loops.message_kinds import MessageKind
from tests.documentation import expect_parsed
from tests.proofs import Row, missing_tests, named_tests, rows
from workflow import ROOT
from workflow.cli.program import command_line

PAGE = ROOT / "docs" / "reliability.md"
ROWS = rows(PAGE)
PROVEN = [row for row in ROWS if "test" in row.titles]
FAILURES = [row for row in PROVEN if "what fails" in row.titles]
LIMITS = [row for row in ROWS if "value" in row.titles]
TEMPLATE = json.loads((ROOT / "definitions" / "template.json").read_text(encoding="utf-8"))["Resources"]
MACHINE = json.loads((ROOT / "definitions" / "state_machine.asl.json").read_text(encoding="utf-8"))
WITNESSES = "who notices, and when"
CONSTANT = re.compile(r"([^(]*)\(\[`([\w.]+)`\]\(\.\./([\w/.]+)\)\)")
"""A value, and the link that names its constant."""
UNITS = {
    1: r"(?! ?(KiB|KB|MiB|MB|minutes|hours|days))",
    60: r" minutes?\b",
    3600: r" hours?\b",
    86_400: r" days?\b",
    1024: r" KiB\b",
    1024**2: r" MiB\b",
}
"""Units of what is counted in seconds and in bytes."""


def of_type(*types: str) -> list[str]:
    return [name for name, one in TEMPLATE.items() if one["Type"] in types]


ALARMS = of_type("AWS::CloudWatch::Alarm")
FUNCTIONS = of_type("AWS::Lambda::Function")
KINDS = [str(kind) for kind in MessageKind]
ELSEWHERE = {
    "AWS::CloudWatch::Alarm": "notices, and is in that column",
    "AWS::SNS::Subscription": "is one of a topic",
    "AWS::Athena::NamedQuery": "is a text",
    "AWS::Glue::Database": "is with its table",
    "AWS::IAM::ManagedPolicy": "is a part of roles",
    "AWS::IAM::Role": "is what its function, rule or state machine cannot do without",
    "AWS::Lambda::Permission": "is what its rule cannot do without",
    "AWS::Lambda::Version": "is a version of its function",
    "AWS::Logs::LogGroup": "has one row for all",
    "AWS::S3::BucketPolicy": "is a part of its bucket",
    "AWS::SNS::TopicPolicy": "is a part of its topic",
    "AWS::SQS::QueuePolicy": "is a part of its queue",
    "AWS::StepFunctions::StateMachine": "has a row for each state, and for its deletion",
    "AWS::StepFunctions::StateMachineAlias": "is with the state machine",
    "AWS::StepFunctions::StateMachineVersion": "is with the state machine",
}
"""Types of resources without a row for each, and why."""
PARTS = [name for name, one in TEMPLATE.items() if one["Type"] not in ELSEWHERE]
"""The other resources of the stack: each can fail, or be deleted."""
STATES = [name for name, state in MACHINE["States"].items() if state["Type"] != "Succeed"]


def code(text: str) -> list[str]:
    """The words in code of a cell. The name of a link is none."""
    return re.findall(r"(?<!\[)`([^`]+)`", text)


GROUPS = {
    name: set(getattr(command, "commands", ())) for name, command in command_line(COMMANDS).commands.items()
}
"""Command → the commands of its group."""


def in_column(title: str, rows: list[Row] = FAILURES) -> str:
    return "\n".join(row[title] for row in rows)


def test_no_cell_is_empty() -> None:
    assert [row.line for row in ROWS if not all(re.search(r"\w", cell) for cell in row.cells)] == []
    assert len(FAILURES) > 70


def test_each_row_names_tests_that_exist() -> None:
    assert [row.line for row in PROVEN if not named_tests(row)] == []
    assert missing_tests([place for row in PROVEN for place in named_tests(row)]) == []


def test_each_failure_is_noticed_by_an_alarm_a_message_a_function_or_a_command() -> None:
    known = {*ALARMS, *KINDS, *FUNCTIONS, *COMMANDS}
    found = [
        row.line for row in FAILURES if known.isdisjoint(word.split()[0] for word in code(row[WITNESSES]))
    ]
    assert found == []
    nobody = re.compile(r"\b(nobody|no one|todo|unknown)\b", re.IGNORECASE)
    assert [row.line for row in FAILURES if nobody.search(row[WITNESSES])] == []
    assert [row.line for row in LIMITS if nobody.search(row["who notices"])] == []


def test_commands_exist() -> None:
    words = {word for row in ROWS for cell in row.cells for word in code(cell)}
    commands = {word for word in words if word.split()[0] in COMMANDS and "=" not in word}
    assert len(commands) > 20
    alone = {*COMMANDS, *(f"{group} {name}" for group in GROUPS for name in GROUPS[group])}
    for command in sorted(commands - alone):
        expect_parsed(command.split(), command)


@pytest.mark.parametrize(
    ("title", "names"),
    [
        (WITNESSES, [f"`{name}`" for name in (*ALARMS, *KINDS)]),
        ("what fails", [f"`{name}`" for name in PARTS]),
        ("what fails", [f"**{name}**" for name in STATES]),
    ],
    ids=["alarms and messages", "parts of the stack", "states"],
)
def test_everything_that_notices_and_everything_that_can_fail_has_a_row(title: str, names: list[str]) -> None:
    assert [name for name in names if name not in in_column(title)] == []


def test_values_are_those_of_the_constants_that_they_name() -> None:
    named = [one for row in LIMITS for one in CONSTANT.findall(row["value"])]
    assert len(named) > 20
    for text, name, file in named:
        assert says(text, value_of(name, file)), f"{text}: {name} is {value_of(name, file)}"


def test_another_value_than_that_of_the_constant_is_found() -> None:
    assert says("1 day ", 86_400)
    assert says("of Lambda: 3,500 bytes ", 3500)
    assert not says("2 days ", 86_400)
    assert not says("3,500 bytes ", 3501)
    assert not says("15 minutes ", 15)


def says(text: str, value: int) -> bool:
    """Whether a text has a number, in one of the units that it can be counted in."""
    numbers = ((value // size, unit) for size, unit in UNITS.items() if value % size == 0)
    return any(re.search(rf"(?<![\d,.]){number:,}(?![\d,]){unit}", text) for number, unit in numbers)


def value_of(name: str, file: str) -> int:
    """The constant of a module, a key of it, the default of a field of a model, or a property of the template."""
    if file.endswith(".json"):
        resource, *path = name.split(".")
        found: Any = TEMPLATE[resource]["Properties"]
    else:
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        found, path = importlib.import_module(module), name.split(".")
    for part in path:
        if isinstance(found, list):
            found = found[int(part)]
        elif isinstance(found, dict):
            found = found[part]
        elif hasattr(found, "model_fields"):
            found = found.model_fields[part].default
        else:
            found = getattr(found, part)
    return int(found) * (86_400 if name.lower().endswith("days") else 1)
