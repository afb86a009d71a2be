"""Stages written into a settings file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from workflow.publish.initialising import add_stage, replaceable
from workflow.stack.stages import Shift, Stage, load_stages

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
def test_replacing_a_stage_leaves_the_others_as_they_are(written: list[Stage], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stages.toml"
        for stage in written:
            add_stage(path, stage)
        old = data.draw(st.sampled_from(written))
        new = Stage(name=old.name, region="us-west-2", output_buckets=("other",))
        assert replaceable(path, old.name) == old
        add_stage(path, new, replace=True)
        assert list(load_stages(path).values()) == [new if stage is old else stage for stage in written]
