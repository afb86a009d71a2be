"""What to do about a resource that CloudFormation could not create, change or delete."""

from __future__ import annotations

import pytest

from workflow.publish.handler_errors import advice


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("NotFound", "publish again with --repair"),
        ("AlreadyExists", "delete the other resource of that name"),
        ("ServiceLimitExceeded", "request a higher quota"),
        ("AccessDenied", "needs this permission"),
        ("Throttling", "publish again"),
    ],
)
def test_reason_with_a_known_code_has_advice(code: str, expected: str) -> None:
    found = advice(f'Resource handler returned message: "No." (RequestToken: 1-2, HandlerErrorCode: {code})')
    assert found is not None
    assert expected in found


@pytest.mark.parametrize(
    "reason", ["Resource update cancelled", "Failed to continue deployment, drift detected."]
)
def test_update_that_somebody_ended_has_no_cause_to_fix(reason: str) -> None:
    assert "somebody ended it" in str(advice(reason))


@pytest.mark.parametrize("reason", ["", "No. (HandlerErrorCode: InvalidRequest)"])
def test_other_reasons_have_none(reason: str) -> None:
    assert advice(reason) is None


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        (
            "AWS Chatbot can't create the configuration because Slack workspace T0123ABCD is not authorized with AWS "
            "account 111122223333",
            "a person has to authorize it once",
        ),
        (
            "Slack channel with ID C0123ABCD in Slack team T0123ABCD has already been configured for AWS account "
            "111122223333.",
            "choose another channel in the setting chat",
        ),
    ],
)
def test_refusal_of_a_channel_has_advice(why: str, expected: str) -> None:
    """The texts are those that users report: see sandbox/ministack_patches/chat.py."""
    reason = f'Resource handler returned message: "Invalid request provided: {why}" (HandlerErrorCode: InvalidRequest)'
    assert expected in str(advice(reason))
