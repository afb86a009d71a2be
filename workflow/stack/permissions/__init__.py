"""The permissions of the state machine's role, derived from its steps.

derive.py           from steps to statements: start here
call.py             what a step calls, and how an argument becomes an ARN
actions.py          which IAM action an API action needs, and which have no resource
services.py         what a call needs, by service; the services with rules of their own are in the modules below
messaging.py        functions, topics, queues, event buses, endpoints, emails
jobs.py             Glue, executions, ECS, Batch, schedules, roles that are passed
documents.py        Textract, Rekognition, Comprehend, Translate
sagemaker.py        SageMaker and A2I
bedrock.py          models, inference profiles, guardrails
athena.py           queries
databases.py        DynamoDB, and the data APIs of Aurora and Redshift
s3.py               buckets and objects
distributed_map.py  what a Distributed Map needs
declared.py         what the user's file declares

Every Task says which service it calls and on which resource. From this follow the exact IAM actions and resources, for
the services that a review workflow uses. Where a step does not name its resource (a topic that is read from the input),
or calls another service (EC2, EMR), nothing is guessed: `PermissionUnknown` names the step and says what to declare.

The use of KMS keys that encrypt a resource is never derived: a definition does not name them.
"""

from workflow.stack.permissions.actions import has_no_resource
from workflow.stack.permissions.derive import PermissionUnknown, Statement, statements_for

__all__ = ["PermissionUnknown", "Statement", "has_no_resource", "statements_for"]
