"""Post-review steps of the upgraded stage: the review of a loop named `held-…` waits for a task token."""

from workflow.steps import Choice, ChoiceRule, Pass, SqsSendMessageStep

QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/held-reviews"

hold = SqsSendMessageStep(
    "Hold review",
    wait_for_callback=True,
    timeout_seconds=3600,
    parameters={"QueueUrl": QUEUE, "MessageBody.$": "$$.Task.Token"},
    result_path="$.held",
)
held = Choice("Held?")
held.add_choice(ChoiceRule.StringMatches(variable="$.detail.humanLoopName", value="held-*"), hold)

completed = [held, Pass("Not held")]
failed: list[Pass] = []
stopped: list[Pass] = []
