"""Every alarm, metric, setting, error, command, option, state, message and query is documented."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import console
import sandbox
import workflow
from deploy import COMMANDS
from docs.generate import data, messages, metrics, settings
from docs.generate.__main__ import rendered
from docs.generate.commands import all_commands
from docs.generate.reading import attribute_docs, words_of
from lambdas.aws.metrics import Metric
from lambdas.loops.loop import Loop
from lambdas.loops.message_kinds import MessageKind
from lambdas.reviews import record
from lambdas.reviews.record import AnswerRecord, FieldRecord, MadeBy, ReviewRecord, Segment, Vote, WorkerField
from lambdas.reviews.summary import ReviewSummary
from tests.documentation import PAGES
from tests.own_code import modules_of_lambdas
from workflow import ROOT
from workflow.cli.program import command_line
from workflow.errors import AfterloopError
from workflow.stack.assembly import Assembly, assemble
from workflow.stack.queries import QUERIES
from workflow.stack.stages import Stage


@pytest.fixture(scope="module")
def assembly() -> Assembly:
    return assemble()


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return rendered()


COMMANDS_BY_NAME = dict(all_commands(command_line(COMMANDS)))
every_command = pytest.mark.parametrize("name", COMMANDS_BY_NAME)


def subclasses(of: type) -> set[type]:
    return set(of.__subclasses__()).union(*map(subclasses, of.__subclasses__()))


@every_command
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS_BY_NAME[name]
    assert command.help
    assert [one.name for one in command.params if one.name != "help" and not one.help] == []


@every_command
def test_every_command_is_used_on_a_written_page(name: str) -> None:
    command = re.compile(rf"\b(deploy\.py|make) {name}\b")
    assert any(command.search((ROOT / page).read_text()) for page in PAGES), (
        "use it on a page of docs/how-to/"
    )


def test_every_alarm_has_a_description(assembly: Assembly, reference: dict[str, str]) -> None:
    resources = assembly.template.to_dict()["Resources"]
    alarms = {name: one for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms
    for name, alarm in alarms.items():
        described = alarm["Properties"].get("AlarmDescription", "")
        text = described if isinstance(described, str) else described["Fn::Sub"]
        assert len(text.split()) > 5, f"{name}: say what went wrong, and where to look"
        assert f"| `{name}` |" in reference["metrics.md"]


def test_every_metric_is_counted_and_has_a_description(reference: dict[str, str]) -> None:
    assert {name for name, _ in metrics.metric_names()} >= set(Metric)
    docs = attribute_docs(Metric)
    assert [metric.name for metric in Metric if not docs.get(metric.name)] == []
    assert [metric for metric in Metric if f"| `{metric}` |" not in reference["metrics.md"]] == []


@pytest.mark.parametrize("model", settings.MODELS.values())
def test_every_setting_has_a_description(model: type[BaseModel]) -> None:
    assert model.__doc__
    page = settings.settings()
    for name in model.model_fields:
        row = rf"^\| `{name}` \|.+\| [^|]*\w[^|]* \|$"
        assert (name, model) == ("name", Stage) or re.search(row, page, re.MULTILINE), (
            f"{name}: add a docstring below it"
        )


def test_every_model_of_the_settings_is_on_the_page() -> None:
    module = importlib.import_module("workflow.stack.stages")
    base = module.Stage.__mro__[1]
    assert subclasses(base) <= set(settings.MODELS.values())


def test_every_error_is_on_the_page_with_a_description(reference: dict[str, str], tmp_path: Path) -> None:
    for package in (workflow, console, sandbox):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    own = [importlib.import_module(name).__name__ for name in modules_of_lambdas(tmp_path)]
    errors = {AfterloopError, *subclasses(AfterloopError)}
    errors |= {one for one in subclasses(Exception) if one.__module__ in own}
    found = {
        one for one in errors if not one.__module__.startswith("tests") and not one.__name__.startswith("_")
    }
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", reference["errors.md"], re.MULTILINE))
    assert [error.__name__ for error in found if not rows.get(error.__name__, "").strip()] == []
    assert {error.__name__ for error in found} <= set(rows)


@pytest.mark.parametrize(
    "model",
    [ReviewRecord, AnswerRecord, FieldRecord, Vote, WorkerField, MadeBy, Segment, ReviewSummary, Loop],
)
def test_every_key_of_record_summary_and_ledger_has_a_description(model: type[BaseModel]) -> None:
    docs = attribute_docs(model)
    assert [name for name in model.model_fields if not docs.get(name)] == []


def test_every_outcome_of_a_field_has_a_description() -> None:
    assert list(words_of(record, "Outcome")) == list(get_args(record.Outcome))


def test_every_kind_of_field_names_its_element(reference: dict[str, str]) -> None:
    for kind in get_args(record.Kind):
        rows = re.findall(rf"^\| `{kind}` \| (.*\w+ .*) \|$", reference["review-record.md"], re.MULTILINE)
        assert len(rows) == 1, f"{kind}: write a docstring for the module of its element"


def test_every_state_and_every_key_of_it_has_a_description(assembly: Assembly) -> None:
    page = data.state(assembly.definition)
    assert re.findall(r"^\| (`\$\.\w+`|\*\*[^|]+\*\*) \|.*\|\s+\|$", page, re.MULTILINE) == []
    for key in data.ADDED:
        assert f"| `$.{key}` |" in page, f"no step adds {key}"


def test_every_message_is_on_the_page(assembly: Assembly) -> None:
    publishing = [
        name
        for name, state in assembly.definition["States"].items()
        if state.get("Resource", "").endswith(":sns:publish")
    ]
    page = messages.messages(assembly.definition)
    assert publishing
    assert [name for name in publishing if f"Sent by **{name}**" not in page] == []
    assert [kind for kind in MessageKind if f"\n## `{kind}`\n" not in page] == []


def test_every_function_has_a_description(assembly: Assembly, reference: dict[str, str]) -> None:
    for function in assembly.functions:
        assert len(function.description.split()) > 3, f"{function.name}: the first line of its module says it"
        section = reference["functions.md"].partition(f"\n## {function.name}\n")[2].partition("\n## ")[0]
        assert re.search("^(Input|Returns): ", section, re.MULTILINE), f"{function.name}: Args and Returns"


def test_every_query_is_on_its_page() -> None:
    page = (ROOT / "docs/how-to/query-reviews.md").read_text()
    assert [name for name in QUERIES if f"/{name}.sql)" not in page] == []
