"""What the stack is made of: the template, permissions that follow from steps, function bundles, stages."""

ALIAS = "live"
"""The alias of the state machine that the rule starts: a publish moves it, a rollback moves it back."""

EMAILS_PER_TOPIC = 5
"""Addresses that a topic can have from the settings: the template is the same for all stages, to the byte. For more,
subscribe a mailing list."""
