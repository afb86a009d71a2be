"""Non-ASCII characters that CloudFormation does not return."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workflow.publish.readback import restored

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_lost_characters_are_restored(template: Any) -> None:
    returned = json.loads(re.sub(r"[^\x00-\x7f]", "?", json.dumps(template, ensure_ascii=False)))
    assert restored(returned, template) == template


def test_real_changes_are_kept() -> None:
    returned = {"a": "M?nchen", "b": ["x?"], "c": "gone", "d": ["1", "2"]}
    sent = {"a": "München!", "b": ["xä"], "d": ["1"]}
    assert restored(returned, sent) == {"a": "M?nchen", "b": ["xä"], "c": "gone", "d": ["1", "2"]}
