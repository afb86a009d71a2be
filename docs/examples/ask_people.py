"""A workflow that asks people: a model classifies a message, people review unsure cases, the agreed label is sent."""

from workflow.human_review import HumanReview
from workflow.steps import Chain, Choice, ChoiceRule, LambdaStep, Pass, SqsSendMessageStep, definition


# fmt: off
def triage(flow_definition_arn: str, queue_url: str, stage: str) -> dict[str, object]:
    """The workflow in Amazon States Language, for `create_state_machine(definition=json.dumps(triage(…)), …)`."""
    classify = LambdaStep("Classify", parameters={"FunctionName": "classify-message", "Payload.$": "$"},
                          result_selector={"label.$": "$.Payload.label", "confidence.$": "$.Payload.confidence"},
                          result_path="$.prediction")
    ask = HumanReview("Ask people", stage=stage, flow_definition_arn=flow_definition_arn, key="$.id",
                      input_content={"taskObject.$": "$.text", "prediction.$": "$.prediction"},
                      task_lifetime_seconds=3600, timeout_seconds=4 * 3600, result_path="$.people")
    agree = Pass("Use their answer", input_path="$.people.answers.sentiment", result_path="$.prediction.label")
    send = SqsSendMessageStep("Send on", parameters={"QueueUrl": queue_url, "MessageBody.$": "$.prediction"})
    sure = Choice("Sure?")
    sure.add_choice(ChoiceRule.NumericGreaterThan("$.prediction.confidence", 0.9), send)
    sure.default_choice(Chain([ask, agree, send]))
    return definition(Chain([classify, sure]))
