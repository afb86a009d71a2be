from __future__ import annotations

import ast
import copy
import json
import os
import pickle
import re
import runpy
import subprocess
import sys
import types
import warnings
from datetime import date, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from workflow import steps

# isort: split
import stepfunctions.steps as plain

from workflow.asl.sdk import SAGEMAKER_STEPS, SagemakerMissing, names_of_steps
from workflow.errors import AfterloopError, WorkflowError
from workflow.steps import (
    AwsSdkTask,
    Catch,
    Chain,
    Choice,
    ChoiceRule,
    ExecutionInput,
    Fail,
    Graph,
    LambdaStep,
    Map,
    Parallel,
    Pass,
    Retry,
    Succeed,
    Task,
    Wait,
    definition,
    places,
)

GOLDEN = Path(__file__).parent / "golden" / "every_step.json"
EVERY_STEP = Path(__file__).parent / "every_step.py"


# Importing the module


def run(code: str, *options: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter without bytecode caches, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", f"pycache_prefix={cache}", *options, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
        check=True,
    )


def test_import_has_no_side_effects(tmp_path: Path) -> None:
    out = run(
        "import logging, sys, warnings\n"
        "root = logging.getLogger()\n"
        "handler = logging.NullHandler(); root.addHandler(handler); root.setLevel(17)\n"
        "before = (root.level, root.handlers[:], warnings.filters[:], sys.excepthook)\n"
        "import workflow.steps\n"
        "assert before == (root.level, root.handlers[:], warnings.filters[:], sys.excepthook)\n"
        "print(*{'boto3', 'sagemaker', 'pkg_resources', 'IPython'} & set(sys.modules))\n"
        "import boto3; boto3.Session\n",
        cache=tmp_path,
    )
    assert out.stdout.strip() == ""
    assert out.stderr == ""


def test_later_import_of_sdk_has_the_same_classes(tmp_path: Path) -> None:
    run(
        "import workflow.steps as steps\n"
        "import stepfunctions, stepfunctions.steps\n"
        "from stepfunctions.steps.states import Task\n"
        "assert stepfunctions.__version__ == '2.3.0'\n"
        "assert stepfunctions.steps.Task is Task and issubclass(steps.Task, Task)\n",
        cache=tmp_path,
    )


def test_existing_script_of_the_sdk_works_with_own_classes(tmp_path: Path) -> None:
    out = run(
        "from workflow import steps\n"
        "import stepfunctions\n"
        "from stepfunctions.steps.utils import get_aws_partition\n"
        "stepfunctions.set_stream_logger(level=20)\n"
        "chain = steps.Chain([steps.states.Pass('A'), steps.compute.LambdaStep('B')])\n"
        "class Client:\n"
        "    def __getattr__(self, name): return self\n"
        "    user_agent = 'boto3'\n"
        "    def create_state_machine(self, **given): print(given['definition']); return {'stateMachineArn': 'arn'}\n"
        "client = Client()\n"
        "flow = stepfunctions.workflow.Workflow('Flow', chain, 'role', client=client, format_json=False)\n"
        "assert flow.create() == 'arn'\n"
        "assert 'step-functions-data-science' in client.user_agent\n"
        "assert get_aws_partition() == 'aws'  # asks boto3, which the import of the SDK does not load\n",
        cache=tmp_path,
    )
    machine, log, *_ = out.stdout.splitlines()
    assert list(json.loads(machine)["States"]) == ["A", "B"]
    assert "[INFO] Workflow created successfully" in log
    assert out.stderr == ""


def test_modules_of_the_sdk_can_be_imported_from_here() -> None:
    names: dict[str, Any] = {}
    exec(
        "from workflow.steps.states import *\n"
        "from workflow.steps.choice_rule import ChoiceRule\n"
        "from workflow.steps.service import EmrCreateClusterStep\n"
        "from workflow.steps.integration_resources import IntegrationPattern\n",
        names,
    )
    assert names["Choice"] is steps.states.Choice is Choice
    assert names["GraphVisitor"] is plain.states.GraphVisitor
    assert {name for name in vars(plain.states) if not name.startswith("_")} <= set(names)
    assert names["ChoiceRule"] is ChoiceRule
    assert issubclass(names["EmrCreateClusterStep"], Task)
    assert names["IntegrationPattern"] is steps.IntegrationPattern
    with pytest.raises(AttributeError, match="no attribute 'NoStep'"):
        steps.states.NoStep  # noqa: B018


def test_every_name_of_the_sdk_can_be_imported() -> None:
    spec = find_spec("stepfunctions.steps")
    assert spec is not None
    assert spec.origin is not None
    init = ast.parse(Path(spec.origin).read_text())
    names = {
        alias.name for node in ast.walk(init) if isinstance(node, ast.ImportFrom) for alias in node.names
    } - {"absolute_import"}
    assert set(SAGEMAKER_STEPS) <= names
    for name in names - set(SAGEMAKER_STEPS):
        own, of_sdk = getattr(steps, name), getattr(plain, name)
        assert own is of_sdk or issubclass(own, of_sdk)
    # `import *` has them, too; those of SageMaker if its SDK is there.
    assert (names & set(steps.__all__)) | set(SAGEMAKER_STEPS) == names
    assert (set(SAGEMAKER_STEPS) <= set(steps.__all__)) == (find_spec("sagemaker") is not None)


def test_integrations_are_subclasses_of_both_task_classes() -> None:
    for name in steps.__all__:
        if name.endswith("Step"):
            assert issubclass(getattr(steps, name), (Task,)), name
            assert issubclass(getattr(steps, name), (plain.Task,)), name
    assert isinstance(LambdaStep("Collect"), plain.LambdaStep)


@pytest.mark.skipif(find_spec("sagemaker") is not None, reason="the SageMaker SDK is installed")
@pytest.mark.parametrize("name", SAGEMAKER_STEPS)
def test_missing_sagemaker_sdk_is_reported(name: str) -> None:
    for module in (steps, plain):
        with pytest.raises(
            SagemakerMissing, match=rf"^{name} needs the SageMaker SDK .*sagemaker<3"
        ) as raised:
            getattr(module, name)
        assert isinstance(raised.value, AfterloopError)
        assert isinstance(raised.value, ImportError)


def test_double_of_the_sagemaker_sdk_does_not_stop_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker", types.ModuleType("sagemaker"))
    assert set(SAGEMAKER_STEPS) <= set(names_of_steps())


@pytest.mark.parametrize("name", ["NoStep", "logging", "Field"])
def test_other_names_are_attribute_errors(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(steps, name)


# Rendering


def test_every_class_renders_as_in_golden_file() -> None:
    """tests/sagemaker_environment.py compares it with the SageMaker SDK installed."""
    assert runpy.run_path(str(EVERY_STEP))["render"]() == GOLDEN.read_text()


def test_golden_file_uses_every_class() -> None:
    used = set(re.findall(r"\w+", GOLDEN.read_text() + EVERY_STEP.read_text()))
    written = runpy.run_path(str(EVERY_STEP))["written_classes"]()
    missing = {name for name in written if isinstance(getattr(steps, name), type) and name not in used}
    assert missing == {"State", "Graph", "FrozenGraph", "StepInput", "Placeholder"}


def sdk_machine() -> Chain:
    """A machine that uses only features of the SDK."""
    failed = Fail("Failed", error="Bad", cause="No reason")
    choice = Choice("Choice")
    parallel = Parallel("Parallel", catch=[Catch(failed, error_equals=["States.ALL"], result_path="$.error")])
    parallel.add_branch(Chain([Pass("A"), Wait("B", seconds=3)]))
    parallel.add_branch(Pass("C", result={"x": 1}))
    mapped = Map("Map", items_path="$.items")
    mapped.attach_iterator(Pass("D"))
    choice.add_choice(ChoiceRule.StringEquals("$.x", "y"), Chain([parallel, mapped]))
    first = LambdaStep(
        "First",
        parameters={"FunctionName": "f", "Payload": ExecutionInput()["x"]},
        retry=[Retry(error_equals=["E"])],
    )
    return Chain([first, choice, Succeed("End")])


def test_definition_equals_graph_of_the_sdk() -> None:
    machine = sdk_machine()
    rendered = definition(machine, comment="One")
    graph = Graph(machine, comment="One").to_dict()
    assert rendered == graph
    assert list(rendered["States"]) == list(graph["States"])


def test_field_order_does_not_depend_on_argument_order() -> None:
    one = Task("Task", resource="arn:x", comment="c", timeout_seconds=3, result_path=None)
    other = Task("Task", result_path=None, timeout_seconds=3, comment="c", resource="arn:x")
    rendered = json.dumps(definition(one))
    assert rendered == json.dumps(definition(other))
    assert '"Type": "Task", "Comment": "c", "Resource": "arn:x", "ResultPath": null' in rendered


def test_parallel_without_branches_renders_as_with_the_sdk() -> None:
    retry = Retry(error_equals=["E"])
    assert Parallel("P", retry=retry).to_dict() == plain.Parallel("P", retry=retry).to_dict()


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", None])
def test_definition_does_not_depend_on_the_region(
    region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if region:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert LambdaStep("x").to_dict()["Resource"] == "arn:aws:states:::lambda:invoke"


def test_plain_sdk_states_fit_into_a_chain() -> None:
    own, of_sdk = Task("Ours", resource="arn:x"), plain.Pass("Theirs", result={"a": 1})
    choice_of_sdk = plain.Choice("Theirs, too")
    choice_of_sdk.add_choice(plain.ChoiceRule.IsPresent("$.x", True), Succeed("Good"))
    rendered = definition(plain.Chain([Chain([own, of_sdk]), choice_of_sdk, plain.Fail("Bad")]))
    assert list(rendered["States"]) == ["Ours", "Theirs", "Theirs, too", "Bad", "Good"]
    assert rendered["States"]["Ours"]["Next"] == "Theirs"
    assert rendered["States"]["Theirs, too"]["Default"] == "Bad"
    assert next(iter(rendered["States"]["Theirs"])) == "Type"


def test_placeholders_become_paths_or_expressions() -> None:
    given = ExecutionInput()
    before = Pass("Before")
    step = Task(
        "Task",
        resource="arn:x",
        arguments={"a": [given["a b"][0], {"deep": before.output()["x"]}]},
        query_language="JSONata",
    )
    arguments = definition(Chain([before, step]))["States"]["Task"]["Arguments"]
    assert arguments == {
        "a": [
            "{% $states.context.Execution.Input.`a b`[0] %}",
            {"deep": "{% $states.input.x %}"},
        ]
    }
    variables = Pass("Variables", assign={"who": given["who"]})
    assert definition(variables)["States"]["Variables"]["Assign"] == {"who.$": "$$.Execution.Input['who']"}
    inherited = Pass("Variables", assign={"who": given["who"]})
    assert definition(inherited, query_language="JSONata")["States"]["Variables"]["Assign"] == {
        "who": "{% $states.context.Execution.Input.who %}"
    }


def test_long_chain_renders_without_recursion() -> None:
    chain = Chain([Pass(str(number)) for number in range(1500)])
    assert len(definition(chain)["States"]) == 1500


def test_deep_nesting_renders_every_state_once() -> None:
    inner: Pass | Parallel = Pass("Innermost")
    for depth in range(60):
        outer = Parallel(f"Parallel {depth}")
        outer.add_branch(inner)
        inner = outer
    assert json.dumps(definition(inner)).count("Innermost") == 2  # StartAt and the state


def test_definition_does_not_share_values_with_steps() -> None:
    parameters = {"a": {"b": [1, 2]}}
    step = Task("Task", resource="arn:x", parameters=parameters)
    definition(step)["States"]["Task"]["Parameters"]["a"]["b"].append(3)
    assert parameters == {"a": {"b": [1, 2]}}


@pytest.mark.skipif(find_spec("sagemaker") is None, reason="TrainingStep needs the extra sagemaker")
def test_training_step_renders_with_sagemaker_sdk() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import boto3
        import sagemaker
        from sagemaker.estimator import Estimator

        session = boto3.Session("key", "secret", region_name="eu-west-1")
        estimator = Estimator(
            image_uri="123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:1",
            role="arn:aws:iam::123456789012:role/Train",
            instance_count=1,
            instance_type="ml.m5.large",
            output_path="s3://models/out",
            sagemaker_session=sagemaker.Session(boto_session=session),
        )
    retrain = steps.TrainingStep(
        "Retrain",
        estimator=estimator,
        job_name=ExecutionInput()["name"],
        data="s3://reviews/train",
        result_selector={"model.$": "$.ModelArtifacts.S3ModelArtifacts"},
        result_path="$.training",
    )
    assert isinstance(retrain, (plain.TrainingStep,))
    assert isinstance(retrain, Task)
    assert places(retrain)["Retrain"].startswith("tests/unit/workflow/test_steps.py:")
    rendered = definition(Chain([retrain, plain.Succeed("Done")]))["States"]["Retrain"]
    assert rendered["Resource"] == "arn:aws:states:::sagemaker:createTrainingJob.sync"
    assert rendered["Parameters"]["TrainingJobName.$"] == "$$.Execution.Input['name']"
    assert rendered["Parameters"]["RoleArn"] == "arn:aws:iam::123456789012:role/Train"
    assert rendered["ResultSelector"] == {"model.$": "$.ModelArtifacts.S3ModelArtifacts"}
    with pytest.raises(
        WorkflowError, match="TrainingStep has no field 'result_pat'; did you mean 'result_path'"
    ):
        steps.TrainingStep("x", estimator=estimator, job_name="x", result_pat="$.x")


# Mistakes that the SDK ignores


def test_states_can_be_copied_and_pickled() -> None:
    chain = sdk_machine()
    assert definition(copy.deepcopy(chain)) == definition(chain)
    assert definition(pickle.loads(pickle.dumps(chain))) == definition(chain)


def test_unset_field_is_none_and_misspelled_field_an_error() -> None:
    task = Task("Task", resource="arn:x")
    assert task.result_path is None
    assert task.resource == "arn:x"
    with pytest.raises(AttributeError, match="Task has no attribute or field 'retires'"):
        task.retires  # noqa: B018
    assert not hasattr(task, "branches")


def test_unknown_field_is_reported_with_state_line_and_suggestion() -> None:
    with pytest.raises(WorkflowError) as raised:
        LambdaStep("Collect", parameter={})
    line = raised.traceback[0].lineno + 1
    assert str(raised.value) == (
        f"state 'Collect' (tests/unit/workflow/test_steps.py:{line}): LambdaStep has no field 'parameter';"
        " did you mean 'parameters'?"
    )
    with pytest.raises(
        WorkflowError, match=r"Retry at tests/unit/workflow/test_steps.py:\d+: Retry has no field 'delay'"
    ):
        Retry(error_equals=["States.ALL"], delay=3)
    with pytest.raises(WorkflowError, match=r"Catch has no field 'assigns'; did you mean 'assign'"):
        Catch(Pass("x"), assigns={})


def test_errors_of_the_sdk_name_the_state() -> None:
    with pytest.raises(
        WorkflowError, match=r"state 'Later' \(tests/.*\): The Wait state MUST contain exactly one"
    ):
        Wait("Later")


def test_two_states_with_the_same_name_are_rejected() -> None:
    parallel = Parallel("Parallel")
    parallel.add_branch(Succeed("Same"))
    for chain in (
        Chain([Pass("Same"), Pass("Between"), Pass("Same")]),
        Chain([parallel, Succeed("Same")]),  # also if equal and nested
        Chain([Map("Left", item_processor=Pass("Same")), Map("Right", item_processor=Pass("Same"))]),
    ):
        with pytest.raises(
            WorkflowError, match=r"two states have the name 'Same' \(tests/.*py:\d+, tests/.*py:\d+\)"
        ):
            definition(chain)


def test_graph_of_the_sdk_rejects_the_same_name_twice_in_a_branch() -> None:
    parallel = Parallel("Parallel")
    parallel.add_branch(Chain([Pass("Same", result=1), Pass("Between"), Pass("Same", result=2)]))
    with pytest.raises(WorkflowError, match="two states have the name 'Same'"):
        Graph(parallel)


def test_retry_of_a_state_without_retries_names_the_state() -> None:
    with pytest.raises(
        WorkflowError, match=r"^state 'A' \(tests/.*\): Pass state does not support retry field\.$"
    ):
        Pass("A").add_retry(Retry(error_equals=["E"]))
    with pytest.raises(
        WorkflowError, match=r"^state 'B' \(tests/.*\): Wait state does not support catch field\.$"
    ):
        Wait("B", seconds=1).add_catch(Catch(Fail("C"), error_equals=["E"]))
    with pytest.raises(
        WorkflowError, match=r"^state 'D' \(tests/[^()]*\): expected a Retry or a list of them"
    ):
        Task("D", retry="E")


def test_state_twice_in_a_chain_is_rejected() -> None:
    state = Pass("Twice")
    with pytest.raises(WorkflowError, match=r"Chain at tests/.*: state 'Twice' \(tests/.*\) appears twice"):
        Chain([state, Chain([Pass("Between"), state])])
    chain = Chain([state])
    with pytest.raises(WorkflowError, match=r"state 'Twice' .* is already in the chain"):
        chain.append(state)


def test_state_in_two_machines_is_rejected() -> None:
    shared = Fail("Failed")
    inside = Task("Inside", resource="arn:x", catch=Catch(shared, error_equals=["States.ALL"]))
    outside = Map("Outside", item_processor=inside, catch=Catch(shared, error_equals=["States.ALL"]))
    with pytest.raises(WorkflowError, match=r"state 'Failed' \(tests/.*\) belongs to two machines"):
        definition(outside)


def test_second_next_step_is_rejected() -> None:
    first, second, third = Pass("First"), Pass("Second"), Pass("Third")
    first.next(second)
    first.next(Chain([second]))  # the same again
    with pytest.raises(
        WorkflowError, match=r"state 'First' .*leads to 'Second'; it cannot also lead to 'Third'"
    ):
        first.next(third)


def test_rendered_steps_can_be_chained_again() -> None:
    # Notebooks make one machine after the other, and use a Wait or a Choice in each.
    wait, choice, each = Wait("Wait", seconds=1), Choice("Choice"), Map("Each", item_processor=Pass("Item"))
    choice.add_choice(ChoiceRule.IsPresent("$.x", True), wait)
    for name in ("First", "Second"):
        chain = Chain([Pass(name), wait, each, choice, Succeed(f"{name} done")])
        states = definition(chain)["States"]
        assert list(states) == [name, "Wait", "Each", "Choice", f"{name} done"]
        assert states["Choice"]["Default"] == f"{name} done"
    wait.next(Pass("Third"))
    with pytest.raises(
        WorkflowError, match=r"'Wait' .* already leads to 'Third'; it cannot also lead to 'Fourth'"
    ):
        wait.next(Pass("Fourth"))
    choice.default_choice(Pass("Third"))
    with pytest.raises(WorkflowError, match=r"'Choice' .* already has the default 'Third'"):
        choice.default_choice(Pass("Fourth"))


def test_step_after_an_end_is_rejected() -> None:
    with pytest.raises(WorkflowError, match="a Fail ends the machine; 'After' cannot follow it"):
        Chain([Fail("Failed"), Pass("After")])


def test_second_default_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    choice = Choice("Choice")
    same = Succeed("Same")
    Chain([choice, same])
    assert choice.next(same) is same  # the same again; the SDK would log a warning
    assert caplog.records == []
    choice = Choice("Choice")
    choice.default_choice(Succeed("This"))
    with pytest.raises(
        WorkflowError,
        match=r"has the default 'This'; remove one of the two: 'That' cannot be its default too",
    ):
        Chain([choice, Succeed("That")])


def _recursive() -> dict[str, object]:
    value: dict[str, object] = {}
    value["itself"] = value
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LambdaStep("x", resource="arn:aws:lambda:…"), "the class sets the resource; remove it"),
        (lambda: Task(None), "a state's name must be a string, not None"),  # type: ignore[arg-type]
        (lambda: Chain(Pass("x")), "Chain at tests/.*: expected a list of steps, not x Pass"),  # type: ignore[arg-type]
        (lambda: Chain("xy"), "expected a list of steps, not 'xy'"),
        (lambda: Chain(["Collect review"]), "expected a step or a Chain, not 'Collect review'"),
        (lambda: Pass("x").next(None), "expected a step or a Chain, not None"),
        (lambda: Pass("x").next(Chain()), "a chain needs at least one step"),
        (lambda: definition(Chain()), "a chain needs at least one step"),
        (lambda: definition("x"), "expected a step or a Chain"),
        (lambda: Task("x", retry={"error_equals": ["States.ALL"]}), "expected a Retry or a list of them"),
        (lambda: Task("x", catch=[Fail("y")]), "expected a Catch or a list of them"),
        (lambda: Catch("Failed", error_equals=["E"]), "expected a step or a Chain"),
        (
            lambda: Choice("x").add_choice("$.x", Pass("y")),
            r"add_choice takes a rule from ChoiceRule, and then the next step, not '\$\.x'",
        ),
        (lambda: Choice("x").add_choice(Pass("y"), Pass("z")), "then the next step, not the state 'y'"),
        (lambda: ChoiceRule.Condition("$states.input.x"), "a condition must be a JSONata expression in"),
        (lambda: definition(Map("x")), "a Map needs item_processor"),
        (
            lambda: definition(Map("x", item_processor=Pass("y"), iterator=Pass("z"))),
            "a Map has an item_processor or an iterator, not both",
        ),
        (
            lambda: setattr(Pass("x"), "result_path", "$.y"),
            r"setting 'result_path' changes nothing; write Pass\(…, result_path=…",
        ),
        (
            lambda: definition(Task("x", parameters=ExecutionInput())),
            "Parameters: a placeholder cannot replace",
        ),
        (
            lambda: definition(Task("x", parameters={"a": [ExecutionInput()["b"]]})),
            r"Parameters\.a\[0\]: a placeholder cannot be in a list",
        ),
        (lambda: definition(Pass("x", result={"a": {1, 2}})), r"Result\.a: \{1, 2\} is not a JSON value"),
        (lambda: definition(Pass("x", result={"a": float("nan")})), r"Result\.a: nan is not a JSON value"),
        (
            lambda: definition(Pass("x", result=date(2026, 1, 31))),
            r"is not a JSON value; write \.isoformat\(\)",
        ),
        (
            lambda: definition(Pass("x", result=timedelta(1))),
            r"; write \.total_seconds\(\) as a whole number",
        ),
        (
            lambda: definition(Pass("x", result=Decimal(1))),
            r"Decimal\('1'\) is not a JSON value; write float",
        ),
        (lambda: definition(Pass("x", result=[Pass("y")])), "; a state cannot be inside a value"),
        (lambda: definition(Pass("x", result=[date])), "; write its name as a text"),
        (
            lambda: definition(Pass("x", result=_recursive())),
            "the value is nested too deeply, or contains itself",
        ),
        (
            lambda: definition(Pass("x", result=10**400)),
            "the number is too large for JSON; write it as a text",
        ),
        (lambda: definition(Pass("x", result="a\ud800")), "has half of a character; remove it"),
        (lambda: Pass("a\nb"), r"the name 'a\\nb' has a character that cannot be printed; remove it"),
        (lambda: definition(Pass("x", result={1: 2})), r"a key must be a string, not 1"),
        (
            lambda: AwsSdkTask("x", service="SageMaker", action="startHumanLoop"),
            "invalid service 'SageMaker'; use lowercase",
        ),
        (
            lambda: AwsSdkTask("x", service="s3", action="StartHumanLoop"),
            "invalid action 'StartHumanLoop'; use camelCase",
        ),
    ],
)
def test_mistakes_are_reported_in_one_line(make, message: str) -> None:
    with pytest.raises(WorkflowError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_placeholder_of_an_earlier_step_is_rejected() -> None:
    first, second = Pass("First"), Pass("Second")
    third = Task("Third", resource="arn:x", parameters={"a": {"b": first.output()["c"]}})
    with pytest.raises(
        WorkflowError,
        match=r"state 'Third' .*placeholder \$\['c'\] in parameters does not refer to the output of the previous",
    ):
        definition(Chain([first, second, third]))


# Places


def test_places_are_lines_of_the_user() -> None:
    def made_by_a_function() -> Chain:
        return Chain([Pass("A"), plain.Pass("Plain")])

    parallel = Parallel("B")
    parallel.add_branch(AwsSdkTask("C", service="s3", action="listBuckets"))
    chain = Chain([made_by_a_function(), parallel])
    found = places(chain)
    lines = Path(__file__).read_text().splitlines()
    assert set(found) == {"A", "B", "C"}
    for name, place in found.items():
        file, _, line = place.rpartition(":")
        assert file == "tests/unit/workflow/test_steps.py"
        assert f'"{name}"' in lines[int(line) - 1]
