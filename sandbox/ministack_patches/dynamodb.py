"""DynamoDB."""

from __future__ import annotations

from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects DynamoDB."""
    _refuse_empty_expression_attributes()


def _refuse_empty_expression_attributes() -> None:
    """Refuses reads with empty maps of expression attributes, as DynamoDB does.

    AWS: "ExpressionAttributeValues must not be empty" (ValidationException), also in Query and Scan; leave the
    parameter out. Source: https://github.com/awslabs/dynamodb-data-mapper-js/pull/24. MiniStack checks writes only.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    validate = dynamodb._validate_expression_attrs

    def validate_non_empty(data: dict[str, Any], *more: Any, **options: Any) -> Any:
        for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if data.get(name) == {}:
                return error_response_json("ValidationException", f"{name} must not be empty", 400)
        return validate(data, *more, **options)

    dynamodb._validate_expression_attrs = validate_non_empty
