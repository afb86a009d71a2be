"""The permissions of the state machine's role, derived from its steps.

derive.py           from steps to statements: start here
call.py             what a step calls, and how an argument becomes an ARN
services.py         what a call of each service needs
distributed_map.py  what a Distributed Map needs
declared.py         what the user's file declares

Every Task says which service it calls and on which resource. From this follow the exact IAM actions and resources, for
the services that a review workflow uses: Lambda, SNS, SQS, EventBridge, DynamoDB, S3, Step Functions, SageMaker, A2I,
Textract, Rekognition, Comprehend, Translate, Bedrock, Glue, HTTP endpoints, and a few more. Where a step does not name
its resource (a topic that is read from the input), or calls another service (ECS, Batch), nothing is guessed:
`PermissionUnknown` names the step and says what to declare.

The use of KMS keys that encrypt a resource is never derived: a definition does not name them.
"""

from workflow.stack.permissions.derive import PermissionUnknown, Statement, statements_for
from workflow.stack.permissions.services import has_no_resource

__all__ = ["PermissionUnknown", "Statement", "has_no_resource", "statements_for"]
