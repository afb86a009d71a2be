from __future__ import annotations

import pytest

from workflow.errors import SettingsError
from workflow.stack.stages import Stage, checked_stage
from workflow.stack.subscriptions import endpoint_parameters, keeping_subscriptions


def test_escalations_go_to_addresses_of_stage_and_flow_definition() -> None:
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        escalation_emails=("all@example.com",),
        restart={"escalate_to": ["more@example.com"]},
        flow_definition_settings={
            "forms": {"restart": {"escalate_to": ["forms@example.com", "all@example.com"]}}
        },
    )
    parameters = stage.parameters()
    assert parameters["EscalationEmails"] == "all@example.com,more@example.com,forms@example.com,-,-"
    assert parameters["EscalationEmailFlowDefinitions"] == "*,*,forms,*,*"


def test_everybody_who_is_called_gets_alarms() -> None:
    """An alarm is about no flow definition, so an address with a filter would never get one."""
    flows = {"forms": {"restart": {"escalate_to": ["forms@example.com"]}}}
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        notification_emails=("other@example.com",),
        flow_definition_settings=flows,
    )
    parameters = stage.parameters()
    assert parameters["AlarmEmails"] == "forms@example.com,-,-,-,-"
    assert "AlarmEmailFlowDefinitions" not in parameters
    # Somebody unsubscribed from escalations, so that address gets another slot there. Its alarms go on.
    kept = keeping_subscriptions(parameters, parameters, gone=("EscalationEmail1",))
    assert kept["EscalationEmails"] == "-,forms@example.com,-,-,-"
    assert kept["AlarmEmails"] == parameters["AlarmEmails"]


def test_address_for_two_flow_definitions_has_one_subscription() -> None:
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        flow_definition_settings={
            "forms": {"restart": {"escalate_to": ["both@example.com", "forms@example.com"]}},
            "photos": {"restart": {"escalate_to": ["both@example.com"]}},
        },
    )
    parameters = stage.parameters()
    assert parameters["EscalationEmails"] == "both@example.com,forms@example.com,-,-,-"
    assert parameters["EscalationEmailFlowDefinitions"] == "forms|photos,forms,*,*,*"


def test_address_in_two_spellings_has_one_subscription() -> None:
    stage = Stage(
        name="dev",
        region="us-east-1",
        output_buckets=("reviewed",),
        notification_emails=("a@example.com", "A@Example.com"),
        escalation_emails=("All@example.com",),
        flow_definition_settings={
            "forms": {"restart": {"escalate_to": ["all@example.com", "Forms@example.com"]}},
            "photos": {"restart": {"escalate_to": ["forms@example.com"]}},
        },
    )
    parameters = stage.parameters()
    assert parameters["NotificationEmails"] == "a@example.com,-,-,-,-"
    assert parameters["EscalationEmails"] == "All@example.com,Forms@example.com,-,-,-"
    assert parameters["EscalationEmailFlowDefinitions"] == "*,forms|photos,*,*,*"


def test_address_in_too_many_flow_definitions_is_refused() -> None:
    flows = {f"f{n}": {"restart": {"escalate_to": ["a@example.com"]}} for n in range(151)}
    stage = Stage(
        name="dev", region="us-east-1", output_buckets=("reviewed",), flow_definition_settings=flows
    )
    with pytest.raises(SettingsError, match=r"a@example\.com is in 151 flow definitions, and the limit"):
        stage.parameters()


def emails(*addresses: str, flows: str = "*,*,*,*,*") -> dict[str, str]:
    """The parameters with the addresses of a topic; `-` for none."""
    return {"EscalationEmails": ",".join(addresses), "EscalationEmailFlowDefinitions": flows, "Other": "1"}


@pytest.mark.parametrize(
    ("deployed", "wanted", "kept"),
    [
        ("a b - - -", "b - - - -", "- b - - -"),
        ("a b c - -", "c b a - -", "a b c - -"),
        ("a b - - -", "c a - - -", "a - c - -"),
        ("a b c d e", "f e d c b", "f b c d e"),
        ("a b c d e", "f g h i j", "f g h i j"),
        ("- - - - -", "a b - - -", "a b - - -"),
        ("a a - - -", "a b - - -", "a - b - -"),
        ("a@X.org b - - -", "b A@x.org - - -", "a@X.org b - - -"),
    ],
)
def test_address_keeps_its_subscription(deployed, wanted, kept) -> None:
    found = keeping_subscriptions(emails(*wanted.split()), emails(*deployed.split()))
    assert found == emails(*kept.split())


def test_flow_definitions_follow_their_address() -> None:
    wanted = emails("c", "b", "-", "-", "-", flows="photos,forms|photos,*,*,*")
    kept = keeping_subscriptions(wanted, emails("a", "b", "-", "-", "-", flows="*,forms,*,*,*"))
    assert kept == emails("-", "b", "c", "-", "-", flows="*,forms|photos,photos,*,*")


def test_address_of_stack_without_flow_definitions_keeps_its_subscription() -> None:
    kept = keeping_subscriptions(emails("b", "-", "-", "-", "-"), {"EscalationEmails": "a, b,-,-,-"})
    assert kept == emails("-", "b", "-", "-", "-")


@pytest.mark.parametrize(
    ("deployed", "wanted", "kept"),
    [
        ("a b - - -", "a b - - -", "a - b - -"),
        ("a b - - -", "a c b - -", "a - c b -"),
        ("a b c d e", "a b c d f", "a f c d b"),
        ("a b c d e", "a b c d e", "a b c d e"),
    ],
)
def test_address_whose_subscription_is_gone_gets_another_slot(deployed, wanted, kept) -> None:
    found = keeping_subscriptions(
        emails(*wanted.split()), emails(*deployed.split()), gone=("EscalationEmail2",)
    )
    assert found == emails(*kept.split())


def test_new_stack_has_addresses_in_order_of_settings() -> None:
    assert keeping_subscriptions(emails("a", "b", "-", "-", "-"), {}) == emails("a", "b", "-", "-", "-")


def test_too_many_addresses_for_a_topic_are_refused() -> None:
    people = tuple(f"p{n}@example.com" for n in range(6))
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), notification_emails=people)
    with pytest.raises(
        SettingsError,
        match=r"notification_emails: 6 addresses in all, and the limit of a topic is 5: p0@.*, p5@example\.com; remove",
    ):
        stage.parameters()


URL = "https://hooks.example.com/sns?key=1"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:escalations"


def test_spelling_matters_only_in_email_addresses() -> None:
    deployed = {**emails("A:B@example.com", "", "-", "-", "-"), **endpoint_parameters("Escalation", [URL])}
    wanted = {
        **emails("a:b@example.com", "c", "-", "-", "-"),
        **endpoint_parameters("Escalation", [URL.replace("sns", "SNS")]),
    }
    kept = keeping_subscriptions(wanted, deployed)
    assert kept["EscalationEmails"] == "A:B@example.com,c,-,-,-"
    assert URL not in kept["EscalationEndpoints"]


def test_endpoint_keeps_its_slot() -> None:
    """As an address does: otherwise, it would be unsubscribed."""
    deployed = endpoint_parameters("Escalation", [URL, QUEUE])
    assert deployed == {"EscalationEndpoints": f"https|{URL},sqs|{QUEUE},-|-"}
    kept = keeping_subscriptions(
        endpoint_parameters("Escalation", ["https://Hooks.example.com/sns", QUEUE]), deployed
    )
    assert kept == {"EscalationEndpoints": f"-|-,sqs|{QUEUE},https|https://Hooks.example.com/sns"}
    assert keeping_subscriptions(endpoint_parameters("Escalation", []), deployed) == {
        "EscalationEndpoints": "-|-,-|-,-|-"
    }


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("http://hooks.example.com", "is not encrypted; use https://"),
        (f"{QUEUE}.fifo", "is a FIFO queue; use a standard queue"),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "is neither an HTTPS URL nor the ARN of an SQS queue",
        ),
        ("https://user:password@example.com/", "is neither an HTTPS URL"),
        ("https://example.com/a,b", "is neither an HTTPS URL"),
        ("https://example.com/a|b", "is neither an HTTPS URL"),
    ],
)
def test_endpoint_that_sns_or_the_template_cannot_take_is_refused(endpoint: str, problem: str) -> None:
    table = {"region": "us-east-1", "output_buckets": ["reviewed"], "escalation_endpoints": [endpoint]}
    with pytest.raises(SettingsError, match="escalation_endpoints") as refused:
        checked_stage("stages.toml", "dev", table)
    assert problem in str(refused.value)
