from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lambdas.loops.restart_policy import BackOff, RestartRules, RestartSettings

FORMS = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/forms"
OTHER_TEAM = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/other-team"


def decide(settings: RestartSettings, code: str | None, attempt: int = 1, **known: object):
    given = {"flow_definition": FORMS, "input_known": True, "loop_name": "loop-1"} | known
    return settings.decide(failure_code=code, attempt=attempt, **given)


def test_internal_error_is_restarted_with_growing_wait() -> None:
    settings = RestartSettings(max_attempts=5, back_off=BackOff(first_seconds=60, rate=2, jitter=0))

    waits = [decide(settings, "InternalError", attempt).wait_seconds for attempt in (1, 2, 3, 4)]

    assert waits == [60, 120, 240, 480]


def test_wait_has_a_maximum() -> None:
    back_off = BackOff(first_seconds=60, rate=10, max_seconds=500, jitter=0)
    assert [back_off.seconds(attempt, "a") for attempt in (1, 2, 20)] == [60, 500, 500]


@pytest.mark.parametrize("code", ["ValidationError", "SomethingNew", None, ""])
def test_codes_not_in_settings_are_escalated(code: str | None) -> None:
    decision = decide(RestartSettings(), code)
    assert decision.action == "escalate"
    assert (decision.wait_seconds, decision.next_flow_definition) == (0, None)


def test_loop_is_escalated_after_last_attempt() -> None:
    settings = RestartSettings(max_attempts=3)

    assert [decide(settings, "Expired", attempt).action for attempt in (1, 2, 3, 4)] == [
        "restart",
        "restart",
        "escalate",
        "escalate",
    ]
    assert "all 3 attempts are used up" in decide(settings, "Expired", 3).reason


def test_operator_can_allow_more_attempts() -> None:
    settings = RestartSettings(max_attempts=1, flow_definitions={"forms": RestartRules(max_attempts=1)})

    assert decide(settings, "Expired").action == "escalate"
    assert decide(settings.with_max_attempts(2), "Expired").action == "restart"


def test_loop_with_unknown_input_is_escalated() -> None:
    decision = decide(RestartSettings(), "InternalError", input_known=False)
    assert decision.action == "escalate"
    assert "its input is unknown" in decision.reason


def test_only_expired_loops_go_to_another_team() -> None:
    settings = RestartSettings(expired_to="other-team")

    assert decide(settings, "Expired").next_flow_definition == OTHER_TEAM
    assert decide(settings, "InternalError").next_flow_definition == FORMS
    assert decide(RestartSettings(expired_to=OTHER_TEAM), "Expired").next_flow_definition == OTHER_TEAM


def test_flow_definition_has_its_own_rules() -> None:
    settings = RestartSettings(flow_definitions={"forms": RestartRules(restart_on=())})

    assert decide(settings, "Expired").action == "escalate"
    assert decide(settings, "Expired", flow_definition=OTHER_TEAM).action == "restart"


def test_loop_without_flow_definition_is_escalated() -> None:
    assert decide(RestartSettings(), "InternalError", flow_definition=None).action == "escalate"


def test_misspelled_failure_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="A2I spells 'internalError' as 'InternalError'"):
        RestartRules(restart_on=("internalError",))


def test_maximum_wait_must_not_be_less_than_first() -> None:
    with pytest.raises(ValidationError, match=r"max_seconds \(5\) is less than first_seconds \(60\)"):
        BackOff(max_seconds=5)


back_offs = st.builds(
    BackOff,
    first_seconds=st.integers(0, 3600),
    rate=st.floats(1, 10),
    max_seconds=st.integers(3600, 604_800),
    jitter=st.floats(0, 1),
)


@given(back_offs, st.integers(1, 10_000), st.text(max_size=63))
def test_wait_is_deterministic_and_within_bounds(back_off: BackOff, attempt: int, name: str) -> None:
    wait = back_off.seconds(attempt, name)

    assert wait == back_off.seconds(attempt, name)
    assert 0 <= wait <= back_off.max_seconds
    grown = min(back_off.max_seconds, back_off.first_seconds * back_off.rate ** min(attempt - 1, 200))
    assert wait >= int(grown * (1 - back_off.jitter))


@given(st.sets(st.text(min_size=1, max_size=20), min_size=50, max_size=60))
def test_jitter_spreads_restarts(names: set[str]) -> None:
    back_off = BackOff(first_seconds=3600, jitter=1)
    assert len({back_off.seconds(1, name) for name in names}) > len(names) // 2


@given(
    st.one_of(st.none(), st.sampled_from(["InternalError", "Expired", "ValidationError", "New"]), st.text()),
    st.integers(1, 50),
    st.booleans(),
    st.one_of(st.none(), st.just(FORMS)),
)
def test_every_failure_gets_valid_decision(
    code: str | None, attempt: int, known: bool, flow: str | None
) -> None:
    settings = RestartSettings()
    decision = settings.decide(
        failure_code=code, attempt=attempt, flow_definition=flow, input_known=known, loop_name="l"
    )

    restarts = code in settings.restart_on and attempt < settings.max_attempts and known and flow is not None
    assert (decision.action == "restart") == restarts
    assert (decision.next_flow_definition is not None) == restarts
    assert decision.reason.endswith(".")
    assert restarts or decision.wait_seconds == 0


def test_settings_round_trip_as_json() -> None:
    settings = RestartSettings(expired_to="b", flow_definitions={"forms": RestartRules(max_attempts=9)})
    assert RestartSettings.model_validate_json(settings.model_dump_json(exclude_defaults=True)) == settings
