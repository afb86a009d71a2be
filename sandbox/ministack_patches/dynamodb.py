"""DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects DynamoDB."""
    _refuse_empty_expression_attributes()
    _check_expressions_of_reads()
    _refuse_overlapping_paths()


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


def _check_expressions_of_reads() -> None:
    """Refuses invalid expressions of Query and Scan also if no item is read.

    AWS: a reserved word without an alias, or a syntax error, is a ValidationException.
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html)
    MiniStack: finds it when it evaluates the expression for an item, so that a read of an empty table succeeds.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    def checked(read: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def check_and_read(data: dict[str, Any]) -> Any:
            for name in ("KeyConditionExpression", "FilterExpression"):
                if expression := data.get(name):
                    problem = _problem(str(expression), name)
                    if problem:
                        return error_response_json("ValidationException", problem, 400)
            return read(data)

        return check_and_read

    def _problem(expression: str, name: str) -> str | None:
        try:
            reserved = dynamodb._check_reserved_keyword_usage(dynamodb._tokenize(expression))
        except ValueError as error:
            return f"Invalid {name}: {error}"
        if reserved:
            return str(reserved).replace("Invalid UpdateExpression", f"Invalid {name}")
        problem: str | None = dynamodb._condition_syntax_error(expression, name)
        return problem

    dynamodb._query, dynamodb._scan = checked(dynamodb._query), checked(dynamodb._scan)


def _refuse_overlapping_paths() -> None:
    """Refuses an update that names a path twice, or a path and a part of it.

    AWS: "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these
    paths" (ValidationException).
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html)
    MiniStack: the last one counts.
    """
    from ministack.services import dynamodb

    apply = dynamodb._apply_update_expression

    def apply_disjoint(item: Any, expression: str, values: Any, names: Any, *more: Any) -> Any:
        paths = _paths(expression, names)
        for number, later in enumerate(paths):
            for earlier in paths[:number]:
                shared = min(len(earlier), len(later))
                if earlier[:shared] == later[:shared]:
                    raise ValueError(
                        "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite "
                        f"one of these paths; path one: {_shown(earlier)}, path two: {_shown(later)}"
                    )
        return apply(item, expression, values, names, *more)

    def _paths(expression: str, names: Any) -> list[list[Any]]:
        """Returns the paths that an update expression changes."""
        found: list[list[Any]] = []
        actions: list[list[Any]] = []
        for token in dynamodb._tokenize(expression):
            if token[0] == "IDENT" and token[1].upper() in ("SET", "REMOVE", "ADD", "DELETE"):
                actions.append([])
            elif token[0] != "EOF" and actions:
                actions[-1].append(token)
        for action in actions:
            for change in dynamodb._split_by_comma(action):
                # A path ends at the equals sign of SET, and at the value of ADD and DELETE.
                kinds = [token[0] for token in change]
                end = min(
                    (kinds.index(kind) for kind in ("EQ", "VALUE_REF") if kind in kinds), default=len(kinds)
                )
                if end:
                    found.append(list(dynamodb._parse_path_from_tokens(change[:end], names)))
        return found

    dynamodb._apply_update_expression = apply_disjoint


def _shown(path: list[Any]) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else str(part) for part in path) + "]"
