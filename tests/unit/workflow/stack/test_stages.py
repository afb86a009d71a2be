from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.restart_policy import RestartSettings
from lambdas.reviews.settings import ReviewSettings
from workflow.errors import SettingsError
from workflow.stack.stages import Stage, load_stage, load_stages

LEAST = 'region = "us-east-1"\noutput_buckets = ["reviewed"]\n'
ELSEWHERE = "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/forms"
DEV = f"[stages.dev]\n{LEAST}"
FIELDS = "stages.dev.flow_definition_settings.forms.fields"
FIELD = f"[{FIELDS}.total]\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "stages.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_stage_with_only_the_required_keys_is_loaded(write) -> None:
    stages = load_stages(write(f"{DEV}\n[stages.prod]\n{LEAST}protected = true"))

    assert list(stages) == ["dev", "prod"]
    assert stages["dev"] == Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))
    assert stages["prod"].protected
    assert stages["prod"].stack_name == "afterloop-prod"


def test_flow_definition_overrides_restart_rules_of_the_stage(write) -> None:
    stage = load_stage(
        write(
            f"""
            [stages.dev]
            {LEAST}
            [stages.dev.restart]
            max_attempts = 5
            escalate_to = ["team@example.com"]
            back_off = {{ first_seconds = 30, jitter = 0.25 }}
            [stages.dev.flow_definition_settings.forms.restart]
            expired_to = "other-team"
            back_off = {{ first_seconds = 5 }}
            """
        ),
        "dev",
    )

    settings = RestartSettings.model_validate_json(stage.parameters()["RestartSettings"])

    forms = settings.rules_for("arn:aws:sagemaker:us-east-1:123456789012:flow-definition/forms")
    assert (forms.max_attempts, forms.expired_to) == (5, "other-team")
    assert (forms.back_off.first_seconds, forms.back_off.jitter) == (5, 0.25)
    assert settings.rules_for(None).expired_to is None
    assert settings.rules_for(None).back_off.first_seconds == 30
    assert "@" not in stage.parameters()["RestartSettings"]


def test_settings_of_records_reach_the_functions(write) -> None:
    stage = load_stage(
        write(
            f"""
            [stages.dev]
            {LEAST}
            [stages.dev.flow_definition_settings.forms.record]
            model_version = "model.version"
            segments = {{ region = "customer.region" }}
            """
        ),
        "dev",
    )

    sent = ReviewSettings.parse(stage.parameters()["ReviewSettings"])

    assert sent.record_settings("forms").model_version == "model.version"
    assert sent.record_settings("forms").segments == {"region": "customer.region"}
    assert sent.record_settings("others").segments == {}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("document = 'a'", "record.document: unknown key; did you mean 'document_id'?"),
        ("document_id = 'a['", "record.document_id: not a JMESPath expression: "),
        ("document_id = ['a']", "record.document_id: should be a valid string"),
        ("segments = { region = 'a b' }", "record.segments.region: not a JMESPath expression: "),
        ("segments = { '' = 'a' }", "record.segments"),
    ],
)
def test_wrong_settings_of_records_are_refused(write, record: str, message: str) -> None:
    text = f"{DEV}[stages.dev.flow_definition_settings.forms.record]\n{record}"

    with pytest.raises(SettingsError) as refused:
        load_stages(write(text))

    assert f"flow_definition_settings.forms.{message}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "stages.toml: no stage found; add a table [stages.dev], or run `python deploy.py init`"),
        ("[stages.dev", "stages.toml: not valid TOML: "),
        (f"a = {'[' * 5000}", "stages.toml: not valid TOML: nested too deeply"),
        (f"a = {'9' * 5000}", "stages.toml: not valid TOML: Exceeds the limit"),
        (f"{DEV}account = '{'9' * 5000}'", f"stage dev: account: '{'9' * 199}… is invalid. The AWS account"),
        (
            "stage = 1",
            "stages.toml:1: unknown key 'stage' at the top level; each stage is a table [stages.NAME]",
        ),
        ("[stages]\ndev = 1", "stages.toml:2: stage dev: must be a table, [stages.dev]"),
        ("[stages.dev]\nregion = 'us-east-1'", "stage dev: output_buckets: is missing. The buckets that"),
        (
            "[stages.dev]\noutput_buckets = ['bbb']",
            "stage dev: region: is missing. The Region of the flow definitions",
        ),
        (
            "[stages.dev]\nregion = 'us-esat-1'\noutput_buckets = ['bbb']",
            "region: should be 'us-east-1', ",
        ),
        (f"[stages.Dev]\n{LEAST}", "stage Dev: name: 'Dev' is invalid. Use up to 20 lowercase letters"),
        (
            f"[stages.prod-executions]\n{LEAST}",
            "stage prod-executions: name: 'prod-executions' is invalid: its resources would have the names of those "
            "of a stage 'prod'; choose another name",
        ),
        (f"[stages.a-reviewbucket-b]\n{LEAST}", "those of a stage 'a'; choose another name"),
        (f"[stages.a-reviewbucket]\n{LEAST}", "those of a stage 'a'; choose another name"),
        (f"{DEV}name = 'prod'", "name: the table [stages.dev] names the stage; remove the key"),
        (f"{DEV}regoin = 1", "regoin: unknown key; did you mean 'region'?"),
        (f"{DEV}xyzzy = 1", "xyzzy: unknown key; the keys are region, account, output_buckets, "),
        (
            f"{DEV}restart = {{ max_atempts = 2 }}",
            "restart.max_atempts: unknown key; did you mean 'max_attempts'?",
        ),
        (
            f"{DEV}restart = {{ max_attempts = 0 }}",
            "restart.max_attempts: should be greater than or equal to 1, not 0.",
        ),
        (
            f"{DEV}restart = {{ restart_on = ['expired'] }}",
            "restart.restart_on.0: A2I spells 'expired' as 'Expired'",
        ),
        (
            f"{DEV}restart = {{ back_off = {{ rate = 0.5 }} }}",
            "restart.back_off.rate: should be greater than or equal to 1",
        ),
        (
            f"{DEV}log_retention_days = 31",
            "log_retention_days: should be 1, 3, 5, ",
        ),
        (
            f"{DEV}worker_identity = 'keeep'",
            "worker_identity: should be 'keep', 'hash' or 'drop', not 'keeep'; did you mean 'keep'? What",
        ),
        (
            f"{DEV}notification_emails = ['a, b']",
            "notification_emails.0: 'a, b' is invalid. Email addresses that get",
        ),
        (f"{DEV}predictions = {{ forms = 'a[' }}", "stage dev: predictions.forms: not a JMESPath expression"),
        (
            f"{DEV}predictions = {{ forms = true }}",
            "predictions.forms: should be False, not True. For custom",
        ),
        (
            f"{DEV}predictions = {{ forms = 'false' }}",
            "predictions.forms: 'false' in quotes is a JMESPath to a key of this name; write false without",
        ),
        (
            f"{DEV}predictions = {{ forms = 3 }}",
            'predictions.forms: should be a valid string, not 3: write "3" in quotes. For custom',
        ),
        (
            f"{DEV}predictions = {{ forms = [] }}",
            "predictions.forms: should have at least 1 item, not []. For",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'b' }}",
            "predictions.forms.value: is missing. JMESPath in the item to the predicted value.",
        ),
        (
            f"{DEV}predictions.forms = [{{ each = 'a[', name = 'b', value = 'c' }}]",
            "predictions.forms.0.each: not a JMESPath expression: ",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'row-{{a b}}', value = 'c' }}",
            "predictions.forms.name: not a JMESPath expression: ",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'row-{{Index}}', value = 'c' }}",
            "predictions.forms.name: unknown placeholder {Index}; use {index} (from 1) or {index0}",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'row-{{forloop.index}}', value = 'c' }}",
            "predictions.forms.name: unknown placeholder {forloop.index}; use {index} (from 1) or {index0}",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'row-{{}}', value = 'c' }}",
            "predictions.forms.name: an empty placeholder {}; use {index}, {index0} or a JMESPath in the item",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', name = 'row-{{index', value = 'c' }}",
            "predictions.forms.name: a brace without its pair in 'row-{index'",
        ),
        (
            f"{DEV}predictions.forms = {{ each = 'a', nmae = 'b', value = 'c' }}",
            "predictions.forms.nmae: unknown key; did you mean 'name'?",
        ),
        (
            f"{DEV}{FIELD}same = 'equal'",
            "flow_definition_settings.forms.fields.total.same: should be 'exact', 'text', 'number', 'date' or",
        ),
        (
            f"{DEV}{FIELD}same = 'distance'",
            "fields.total: same = 'distance' needs max_distance, the number of characters that may differ",
        ),
        (f"{DEV}{FIELD}tolerance = 0.1", "fields.total: tolerance is only for same = 'number', not 'exact'"),
        (f"{DEV}{FIELD}same = 'number'\ntolerance = -1", "fields.total.tolerance: should be greater than or"),
        (f"{DEV}{FIELD}day_first = true", "fields.total: day_first is only for same = 'date', not 'exact'"),
        (f"{DEV}{FIELD}buttons = ['a', 'a']", "fields.total: buttons needs at least two different names"),
        (
            f"{DEV}{FIELD}buttons = ['a', 'b']\n[{FIELDS}.size]\nbuttons = ['b', 'c']",
            "flow_definition_settings.forms.fields: size: the button 'b' also belongs to 'total'",
        ),
        (
            f"{DEV}[{FIELDS}.'size-*']\nbuttons = ['b', 'c']",
            "fields: size-*: buttons needs the name of one choice, without *",
        ),
        (
            f"{DEV}flow_definitions = ['{ELSEWHERE}']",
            "is not in the stage's Region, us-east-1; use a stage for each",
        ),
        (
            f"{DEV}waiting_workflows = ['arn:aws:states:eu-west-1:123456789012:stateMachine:orders']",
            "is not in the stage's Region, us-east-1; use a stage for each",
        ),
        (f"{DEV}waiting_workflows = ['*']", "waiting_workflows.0: '*' is invalid."),
        (f"{DEV}waiting_workflows = ['a b']", "waiting_workflows.0: 'a b' is invalid."),
        (
            f"{DEV}restart.expired_to = '{ELSEWHERE}'",
            "restart.expired_to: "
            + ELSEWHERE
            + " is not in the stage's Region, us-east-1; use a stage for each",
        ),
        (
            f"{DEV}flow_definitions = ['forms']\nrestart.expired_to = 'night'",
            "restart.expired_to: 'night' is not in flow_definitions, so the stage would get no events",
        ),
        (
            f"{DEV}flow_definitions = ['forms']\n[stages.dev.flow_definition_settings.forms.restart]\n"
            "expired_to = 'night'",
            "flow_definition_settings.forms.restart.expired_to: 'night' is not in flow_definitions",
        ),
        (
            f"{DEV}predictions = {{ 'Forms 1' = 'a' }}",
            "predictions.Forms 1: 'Forms 1' is invalid. For custom tasks: ",
        ),
        (
            f"{DEV}[stages.dev.flow_definition_settings.forms.restart]\nmax_attempts = 99",
            "flow_definition_settings.forms.restart.max_attempts: ",
        ),
        (
            "[stages.dev]\nregion = 'us-east-1'\noutput_buckets = ['s3://bbb']",
            "output_buckets.0: 's3://bbb' is invalid. The buckets",
        ),
        (
            "[stages.dev]\nregion = 'us-east-1'\naccount = 4\noutput_buckets = ['s3://bbb']",
            'stages.toml:3: stage dev: account: should be a valid string, not 4: write "4" in quotes. The AWS account '
            "of the stage, 12 digits, as a string; output_buckets.0: 's3://bbb' is invalid. The buckets that the flow "
            "definitions write `output.json` to, by name, without `s3://`.",
        ),
        (
            "[stages.dev]\nregion = 'us-east-1'\noutput_buckets = []",
            "output_buckets: should have at least 1 item, not []. The",
        ),
        (f"{DEV}max_output_bytes = 'x'", "max_output_bytes: should be a valid integer, not 'x'. The size"),
        (
            f"{DEV}protected = 'maybe'",
            "protected: should be a valid boolean, not 'maybe': write true or false.",
        ),
        (f"{DEV}shift = 3", "shift: should be a table, not 3. See docs/reference/settings.md."),
        (
            f"{DEV}[stages.dev.flow_definition_settings.forms.restart]\nrestart_on = ['expired']",
            "flow_definition_settings.forms.restart.restart_on.0: A2I spells 'expired' as 'Expired'",
        ),
        (
            f"{DEV}[stages.dev.flow_definition_settings.forms.restart]\nmax_atempts = 3",
            "flow_definition_settings.forms.restart.max_atempts: unknown key; did you mean 'max_attempts'?",
        ),
        (
            f"{DEV}[stages.dev.flow_definition_settings.forms.restart]\nrestart_on = 'Expired'",
            "flow_definition_settings.forms.restart.restart_on: should be a valid array, not 'Expired': write [",
        ),
    ],
)
def test_invalid_settings_are_refused_with_stage_and_key(write, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_stages(write(text))

    assert message in str(error.value)
    assert re.match(r"stages\.toml(:\d+)?: ", str(error.value))
    assert "\n" not in str(error.value)


def test_missing_file_is_refused_with_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"the file does not exist; create it with `python deploy.py init`"
    ):
        load_stages(tmp_path / "stages.toml")


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: "):
        load_stages(tmp_path)


def test_unknown_stage_is_refused_with_the_known_ones(write) -> None:
    path = write(f"{DEV}[stages.prod]\n{LEAST}")
    with pytest.raises(
        SettingsError, match=r"stage 'prd' does not exist; the stages are dev, prod; did you mean 'prod'\?"
    ):
        load_stage(path, "prd")


def test_invalid_settings_of_another_stage_are_ignored(write) -> None:
    assert load_stage(write(f"{DEV}[stages.prod]\n"), "dev").name == "dev"


def test_too_long_settings_are_refused_when_loaded(write) -> None:
    flows = "".join(f"flow-{n:04} = 'a.very.long.path.to.the.prediction'\n" for n in range(100))
    with pytest.raises(
        SettingsError, match=r"^stages\.toml:1: stage dev: .*predictions.* the limit is 3500; shorten them"
    ):
        load_stages(write(f"{DEV}[stages.dev.predictions]\n{flows}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*Stage.model_fields, "nonsense"])


@given(st.dictionaries(keys, json_values, max_size=6))
def test_any_settings_are_loaded_or_refused_in_one_line(table: dict) -> None:
    document = {"stages": {"dev": {"region": "us-east-1", "output_buckets": ["reviewed"], **table}}}
    try:
        with mock.patch("workflow.stack.settings_file.tomllib.loads", return_value=document):
            stage = load_stages(Path(__file__))["dev"]
        parameters = stage.parameters("123456789012")
    except SettingsError as error:
        problem = str(error)
        for leaked in ("Value error", "Input", "Tuple", "instance of", "unable to", "object", ".;"):
            assert leaked not in problem.replace(repr(table), "")
    else:
        assert all(len(value) <= 4096 for value in parameters.values())
        assert ReviewSettings.parse(parameters["ReviewSettings"])
        return
    assert "stage dev: " in problem
    assert "\n" not in problem
