"""Stages written into a settings file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import SettingsError
from workflow.publish.initialising import add_stage, buckets_of, replaceable, written
from workflow.stack.stages import Shift, Stage, load_stage, load_stages

STAGE = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))

stages = st.lists(
    st.builds(
        Stage,
        name=st.from_regex(r"[a-z][a-z-]{0,5}", fullmatch=True),
        region=st.sampled_from(["us-east-1", "eu-west-1"]),
        output_buckets=st.just(("reviewed",)),
        shift=st.none() | st.builds(Shift, first_percent=st.integers(1, 99)),
        predictions=st.dictionaries(st.sampled_from(["stages", "forms"]), st.sampled_from(["a", '"[b]"'])),
        log_retention_days=st.sampled_from([7, 30]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda stage: stage.name,
)


@given(stages, st.data())
def test_replacing_a_stage_keeps_the_others(written: list[Stage], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stages.toml"
        for stage in written:
            add_stage(path, stage)
        old = data.draw(st.sampled_from(written))
        new = Stage(name=old.name, region="us-west-2", output_buckets=("other",))
        assert replaceable(path, old.name) == old
        add_stage(path, new, replace=True)
        assert list(load_stages(path).values()) == [new if stage is old else stage for stage in written]


def test_written_stage_reads_back_the_same(tmp_path: Path) -> None:
    stage = Stage(
        name="prod",
        region="eu-west-1",
        output_buckets=("a-bucket", "b-bucket"),
        escalation_emails=("a@example.com",),
        protected=True,
        predictions={"forms": 'a."b c"'},
        restart={"max_attempts": 5, "back_off": {"first_seconds": 1, "jitter": 0.25}},
    )
    path = tmp_path / "stages.toml"

    add_stage(path, STAGE)
    add_stage(path, stage)

    assert load_stages(path) == {"dev": STAGE, "prod": stage}
    assert path.read_text().startswith("# The stages of this workflow")


def test_existing_stage_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    add_stage(path, STAGE)
    with pytest.raises(SettingsError, match="stage dev already exists"):
        add_stage(path, STAGE)


def test_comments_in_the_settings_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(f"# my own comment\n{written(STAGE)}")
    add_stage(path, STAGE.model_copy(update={"name": "test"}))
    assert path.read_text().startswith("# my own comment\n[stages.dev]\n")
    assert load_stage(path, "test").region == "us-east-1"


def test_buckets_are_read_from_flow_definitions() -> None:
    flows = [{"output": "s3://a/x"}, {"output": "s3://b"}, {"output": "s3://a/y/z"}, {"output": "nonsense"}]
    assert buckets_of(flows) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        'stages.dev = {region = "us-east-1", output_buckets = ["reviewed"]}\n',
        '[stages]\ndev = {region = "us-east-1", output_buckets = ["reviewed"]}\n',
    ],
)
def test_stage_in_another_notation_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="stage dev already exists"):
        replaceable(path, "dev")
    with pytest.raises(SettingsError, match="stage dev already exists"):
        add_stage(path, STAGE, replace=True)
    assert path.read_text() == text


def test_protected_stage_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    add_stage(path, STAGE.model_copy(update={"protected": True}))
    with pytest.raises(SettingsError, match="stage dev already exists"):
        replaceable(path, "dev")
    assert replaceable(path, "test") is None
