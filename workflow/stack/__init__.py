"""What the stack is made of: the template, permissions derived from steps, function bundles, stages."""

from workflow.stack.later import import_later

# Troposphere imports it, with a parser of YAML, for a method that nobody calls: a fiftieth of the time of a plan.
import_later("cfn_flip")

ALIAS = "live"
"""The alias of the state machine that the rule starts. A publish moves it, a rollback moves it back."""

LIVE_VERSION = "LiveVersion"
"""The logical ID of the version of the state machine, and the output with its ARN: what is published."""

LIVE_ALIAS = "LiveAlias"
"""The logical ID of the alias."""

LIVE_ALARM = "LiveAlarm"
"""The logical ID of the alarm that ends a shift."""

EMAILS_PER_TOPIC = 5
"""Email addresses from the settings that a topic can have. The number is fixed, because all stages have the same
template. For more addresses, subscribe a mailing list."""

ENDPOINTS_PER_TOPIC = 3
"""HTTPS endpoints and queues from the settings that a topic can have."""

TOPICS = ("Notification", "Escalation", "Alarm")
"""The topics for messages to people."""

NO_FLOW_DEFINITION = "Alarm"
"""The topic for alarms, and for messages about no flow definition that is known. A filter would keep them from its
subscribers: alarms have no message attributes. So none of its addresses has a filter."""

FLOW_SEPARATOR = "|"
"""Between the flow definitions that an email address gets messages about."""

ENDPOINT_SEPARATOR = "|"
"""Between the protocol and the endpoint in a parameter: the template cannot find out the protocol of an endpoint."""

VERSION_MARK = "@"
"""Between the key of an object in the artifact bucket and its version."""

PYTHON = "3.13"
"""The Python that functions run on. The project itself runs on an older one as well."""

ARCHITECTURE = "arm64"
"""The processors that functions run on: cheaper than x86_64 for the same time."""

USE_ANOTHER_MACHINE = (
    "move some steps to a state machine of their own, and start it with StepFunctionsStartExecutionStep"
)
"""What to do about a machine that is too large."""

ENGINE_ACCOUNT = "111122223333"
"""The account of the local engine: a number that the AWS documentation uses in examples, so that it is nobody's."""

ENGINE_KEY_PREFIX = "LOCAL"
"""What the access key IDs of the local engine begin with. Those of AWS begin with four letters for their kind, such as
AKIA."""
