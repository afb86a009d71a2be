"""Whether Step Functions may assume the role of a state machine."""

from __future__ import annotations

from typing import Any

from sandbox.ministack_patches import roles

__all__ = ["NOT_ASSUMED", "can_be_assumed", "correct"]

NOT_ASSUMED = (
    "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the"
    " provided role."
)
"""What Step Functions says about a role that it may not assume."""


def correct() -> None:
    """Corrects the creation and update of state machines."""
    _refuse_roles_of_others()


def can_be_assumed(role_arn: str, machine_arn: str) -> bool:
    """Says whether the trust policy of a role names Step Functions, everywhere or in the current Region.

    Args:
        role_arn: ARN of the role. One that does not exist cannot be assumed.
        machine_arn: ARN of the state machine: `aws:SourceArn` in conditions.
    """
    from ministack.core.responses import get_region

    services = ("states.amazonaws.com", f"states.{get_region()}.amazonaws.com")
    return any(roles.can_assume(role_arn, service, machine_arn) for service in services)


def _refuse_roles_of_others() -> None:
    """Refuses a role that Step Functions may not assume.

    AWS: CreateStateMachine and UpdateStateMachine fail with AccessDeniedException, and a stack with such a state
    machine is rolled back. (https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html; the
    message as in https://github.com/lumigo-io/lumigo-CLI/issues/83)
    MiniStack: accepts every role.
    """
    from ministack.core.responses import error_response_json, get_account_id, get_region
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners

    create, update = stepfunctions._create_state_machine, stepfunctions._update_state_machine
    definition_of = provisioners._sfn_definition

    def refused() -> Any:
        return error_response_json("AccessDeniedException", NOT_ASSUMED, 400)

    def arn_of(name: Any) -> str:
        return f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{name}"

    def create_with_role(data: dict[str, Any]) -> Any:
        if not can_be_assumed(str(data.get("roleArn")), arn_of(data.get("name"))):
            return refused()
        return create(data)

    def update_with_role(data: dict[str, Any]) -> Any:
        arn = str(data.get("stateMachineArn"))
        known = arn in stepfunctions._state_machines
        if known and data.get("roleArn") and not can_be_assumed(str(data["roleArn"]), arn):
            return refused()
        return update(data)

    def definition_with_role(properties: dict[str, Any]) -> Any:
        # CloudFormation asks for the definition when it creates and when it updates a state machine.
        name = properties.get("StateMachineName", "*")
        if not can_be_assumed(str(properties.get("RoleArn")), arn_of(name)):
            raise ValueError(f"Resource handler returned message: {NOT_ASSUMED} (AccessDenied)")
        return definition_of(properties)

    stepfunctions._create_state_machine, stepfunctions._update_state_machine = (
        create_with_role,
        update_with_role,
    )
    provisioners._sfn_definition = definition_with_role
