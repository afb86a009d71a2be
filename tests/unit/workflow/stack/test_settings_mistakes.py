"""Mistakes in stages.toml: each is one line with the file, the line, the key and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow.errors import SettingsError
from workflow.stack.settings_file import line_of
from workflow.stack.settings_warnings import warnings_of
from workflow.stack.stages import Stage, load_stage, load_stages

STAGE = "[stages.dev]\nregion = 'us-east-1'\noutput_buckets = ['reviewed']\n"
"""The lines of a case begin with line 4."""

FIELD = "[stages.dev.flow_definition_settings.forms.fields.total]\n"
FLOW = "[stages.dev.flow_definition_settings.forms.restart]\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("restart.max_attempts = '3'", "4: stage dev: restart.max_attempts: should be a valid integer, not '3': write"),
        ("restart.max_attempts = 3.0", "not 3.0: write 3. "),
        ("restart.max_attempts = 3.5", "should be a valid integer, not 3.5. "),
        ("restart.max_attempts = true", "4: stage dev: restart.max_attempts: should be a valid integer, not True. "),
        ("restart.max_attempts = -1", "should be greater than or equal to 1, not -1. "),
        ("restart.max_attempts = 'three'", "should be a valid integer, not 'three'. "),
        ("restart.max_attempts = 2026-01-31", "should be a valid integer, not '2026-01-31'. "),
        (f"{FLOW}max_attempts = '3'", "5: stage dev: flow_definition_settings.forms.restart.max_attempts: should be a"),
        ("restart.back_off.rate = '2.0'", "not '2.0': write 2.0 without quotes. "),
        ("restart.back_off.rate = nan", "should be less than or equal to 10, not nan. "),
        ("restart.back_off.jitter = inf", "should be less than or equal to 1, not inf. "),
        ("restart.back_off.first_seconds = '60s'", "not '60s': write the number alone, without a unit. "),
        ("shift = {linear = true, first_percent = 1, minutes = 30}", "takes 3000 minutes, and the limit is 2100; use"),
        ("shift.alarms = ['a,b']", "'a,b'"),
        ("shift.first_percent = '10 %'", "not '10 %': write the number alone, without a unit. "),
        ("max_output_bytes = '32MB'", "not '32MB': write the number alone, without a unit. The size"),
        ("log_retention_days = '30'", "not '30': write 30 without quotes. "),
        ("protected = 'true'", "should be a valid boolean, not 'true': write true without quotes. "),
        ("protected = 'no'", "not 'no': write false without quotes. "),
        ("protected = 1", "not 1: write true or false. "),
        ("protected = 'sure'", "not 'sure': write true or false. "),
        (f"{FIELD}choice = 'true'", "5: stage dev: flow_definition_settings.forms.fields.total.choice: should be a va"),
        (f"{FIELD}same = 'number'\ntolerance = '0.01'", "6: stage dev: flow_definition_settings.forms.fields.total.to"),
        (f"{FIELD}same = 'numbers'", "not 'numbers'; did you mean 'number'? "),
        ("restart.restart_on = 'Expired'", 'should be a valid array, not \'Expired\': write ["Expired"]. '),
        ("flow_definitions = 'forms'", 'flow_definitions: should be a valid array, not \'forms\': write ["forms"]. Na'),
        ("bucket_accounts = [123456789012]", 'bucket_accounts.0: should be a valid string, not 123456789012: write "1'),
        ("account = 123456789012", 'not 123456789012: write "123456789012" in quotes. '),
        ("worker_identity = 'Hash'", "not 'Hash'; did you mean 'hash'? What a review record contains"),
        ("restart.restart_on = ['Expird']", "4: stage dev: restart.restart_on.0: A2I spells 'Expird' as 'Expired'"),
        ("restart.restart_on = ['Internal Error']", "A2I spells 'Internal Error' as 'InternalError'"),
        ("restart.restart_on = ['validation_error']", "A2I spells 'validation_error' as 'ValidationError'"),
        ("restart.restart_on = ['Failed']", "'Failed' is a status; a failure code is one of InternalError, Expired, V"),
        ("restart.restart_on = [1]", "restart.restart_on.0: should be a valid string, not 1: write \"1\" in quotes. "),
        (f"{FLOW}restart_on = ['Expierd']", "5: stage dev: flow_definition_settings.forms.restart.restart_on.0: A2I s"),
        ("predictions.forms = '$.label'", "Unknown token $: $.label ^; a JMESPath has no $ before the first key"),
        ("restrat.max_attempts = 3", "stages.toml:4: stage dev: restrat: unknown key; did you mean 'restart'?"),
        ("flow_definitions = ['a']\nrestart.expired_to = 'b'", "stages.toml:5: stage dev: restart.expired_to: 'b' is"),
        ("protected = True", "stages.toml:4: not valid TOML: Invalid value (column 13); a text is in \"straight quote"),
        ("region: 'us-east-1'", "stages.toml:4: not valid TOML: Expected '=' after a key in a key/value pair (column"),
        ("[stage.prod]", "stages.toml:4: unknown key 'stage' at the top level; each stage is a table [stages.NAME]"),
        ("flow_definitions = ['forms'", "stages.toml: not valid TOML: Unclosed array (at end of document)"),
    ],
)  # fmt: skip
def test_mistake_is_one_line_with_its_place_and_what_to_write(
    tmp_path: Path, lines: str, message: str
) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(STAGE + lines, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_stages(path)
    assert message in str(refused.value)
    assert str(refused.value).startswith("stages.toml:")
    assert "\n" not in str(refused.value)


def test_region_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(STAGE.replace("us-east-1", "US-East1"))
    with pytest.raises(
        SettingsError, match=r"^stages\.toml:2: .*not 'US-East1'; did you mean 'us-east-1'\? The Region"
    ):
        load_stages(path)


def test_option_in_place_of_a_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(STAGE)
    with pytest.raises(
        SettingsError, match=r"^--region: should be 'us-east-1', .*not 'eu-north-1'\. The Region"
    ):
        load_stage(path, "dev", region="eu-north-1")


@pytest.mark.parametrize("content", [f"\ufeff{STAGE}".encode(), STAGE.replace("\n", "\r\n").encode()])
def test_files_of_windows_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stages.toml"
    path.write_bytes(content)
    assert load_stages(path)["dev"].output_buckets == ("reviewed",)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_bytes(STAGE.encode("utf-16"))
    with pytest.raises(SettingsError, match=r"; save it as UTF-8$"):
        load_stages(path)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("stages dev", 1),
        ("stages dev region", 2),
        ("stages dev missing", 1),
        ("stages dev output_buckets 1", 3),
        ("stages dev restart", 7),
        ("stages dev restart back_off rate", 8),
        ("stages dev flow_definition_settings a.b restart", 10),
        ("stages prod region", None),
        ("stages prod shift minutes", 11),
    ],
)
def test_line_of_a_setting_is_that_of_its_key_or_table(key: str, line: int | None) -> None:
    text = """[stages.dev]
region = "us-east-1"
output_buckets = [
    "a",  # region = 3
    "b",
]
restart.max_attempts = 3
restart . back_off = { rate = 2 }
# [stages.prod]
[stages.dev.flow_definition_settings."a.b"]
[stages.prod.shift]
"""
    assert line_of(text, key.split()) == line


def test_unknown_failure_code_is_a_warning() -> None:
    """A2I types it as a free string, and can add codes."""
    stage = Stage.model_validate(
        {
            "name": "dev",
            "region": "us-east-1",
            "output_buckets": ("reviewed",),
            "restart": {"restart_on": ("Expired", "TimedOut", "LoopDeleted")},
            "flow_definition_settings": {
                "forms": {"restart": {"restart_on": ["InternalServerError"]}},
                "images": {"restart": {"max_attempts": 2}},
            },
        }
    )
    only = "only InternalError, Expired, ValidationError; check that it is spelled as A2I does"
    assert list(warnings_of(stage)) == [
        f"stage dev: restart.restart_on: A2I documents no failure code 'TimedOut', {only}",
        "stage dev: flow_definition_settings.forms.restart.restart_on: A2I documents no failure code "
        f"'InternalServerError', {only}",
    ]
