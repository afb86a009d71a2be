"""What the state machine's role may do, derived from its steps.

derive.py             from steps to statements: start here
call.py               what a step calls, and how an argument becomes an ARN
optimized.py          integrations that Step Functions has optimized, by service
sdk_integrations.py   AWS SDK integrations, by service
distributed_map.py    Distributed Maps
iam.py                IAM's names of services and actions
declared.py           what the user's file declares for steps that do not say enough

Every Task says which service it calls and on what: from this follow the exact IAM actions and resources, for
the integrations that Step Functions has optimized, in all their forms (request and response, `.sync`,
`.waitForTaskToken`), for AWS SDK integrations, HTTP tasks and Distributed Maps. Where a step does not say
enough (a topic that is read from the input, the roles of an ECS task), nothing is guessed:
`PermissionUnknown` names the step and what to declare.

Not derived, because a definition does not say it: the use of KMS keys that belong to the resources.

Sources: IAM policies for integrated services (Step Functions developer guide); Service Authorization Reference.
"""

from workflow.stack.permissions.derive import PermissionUnknown, Statement, statements_for

__all__ = ["PermissionUnknown", "Statement", "statements_for"]
