"""Expressions over metrics, as far as alarms on a single period and dashboards need them.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["result", "series"]

_OPERATORS: dict[type[ast.AST], Callable[[float, float], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def result(
    queries: Sequence[Mapping[str, Any]],
    value_of: Callable[[Mapping[str, Any]], float | None],
    has_data: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> float | None:
    """Returns the value of the query that returns data, or None without one.

    Args:
        queries: The `Metrics` of an alarm.
        value_of: Returns the value of a `MetricStat` in the period, or None if it has no data.
        has_data: Whether a `MetricStat` has data in any of the alarm's periods, so that FILL fills the others.

    Raises:
        ValueError: An expression has something else than numbers, IDs, operators, `FILL`, `IF`, `SUM`, `TIME_SERIES`.
    """
    by_id = {query["Id"]: query for query in queries}

    def named(name: str) -> float | None:
        query = by_id[name]
        if expression := query.get("Expression"):
            return _value(_parsed(expression), named, fills)
        return value_of(query["MetricStat"])

    def fills(name: str) -> bool:
        return "MetricStat" in by_id[name] and has_data(by_id[name]["MetricStat"])

    (returned,) = (query["Id"] for query in queries if query.get("ReturnData", True) not in (False, "false"))
    return named(returned)


def series(
    queries: Sequence[Mapping[str, Any]],
    points_of: Callable[[Mapping[str, Any]], Mapping[float, float]],
    periods_of: Callable[[Mapping[str, Any]], Iterable[float]],
) -> dict[str, dict[float, float]]:
    """Returns the data of each query: its ID → the time of each period that has data → the value.

    Args:
        queries: The `MetricDataQueries` of GetMetricData.
        points_of: Returns the data of a `MetricStat`: the time of each period that has data → the value.
        periods_of: Returns the times of all periods of a `MetricStat`.

    Raises:
        ValueError: See `result`. An expression names an ID that no query has, or is no expression.
    """
    by_id = {query["Id"]: query for query in queries}
    statistics = {name: query["MetricStat"] for name, query in by_id.items() if "MetricStat" in query}
    points = {name: points_of(statistic) for name, statistic in statistics.items()}
    moments = sorted({moment for statistic in statistics.values() for moment in periods_of(statistic)})

    def value(name: str, moment: float) -> float | None:
        if name in points:
            return points[name].get(moment)
        if name not in by_id:
            raise ValueError(f"no query has the ID {name}")
        return _value(_parsed(by_id[name]["Expression"]), lambda other: value(other, moment), points.get)

    return {
        name: {moment: found for moment in moments if (found := value(name, moment)) is not None}
        for name in by_id
    }


def _parsed(expression: str) -> ast.AST:
    text = expression.replace("^", "**").replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"\b(AND|OR)\b", lambda found: found[0].lower(), text)
    return ast.parse(text.strip(), mode="eval").body


def _value(
    node: ast.AST, named: Callable[[str], float | None], data_of: Callable[[str], Any] = lambda name: None
) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return named(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _with_data(operator.neg, _value(operand, named, data_of))
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return _with_data(
                _OPERATORS[type(op)], _value(left, named, data_of), _value(right, named, data_of)
            )
        case ast.BoolOp(op=op, values=parts):
            among = all if isinstance(op, ast.And) else any
            return _with_data(
                lambda *values: among(values), *(_value(part, named, data_of) for part in parts)
            )
        case ast.Call(func=ast.Name(id="FILL"), args=[metric, instead]):
            # AWS does not say what it fills if the metric has never had data. Here, nothing: alarms must not need it.
            found = _value(metric, named, data_of)
            has_data = isinstance(metric, ast.Name) and data_of(metric.id)
            return _value(instead, named) if found is None and has_data else found
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=series)]):
            values = [value for one in series if (value := _value(one, named, data_of)) is not None]
            return sum(values) if values else None
        case ast.Call(func=ast.Name(id="TIME_SERIES"), args=[number]):
            return _value(number, named, data_of)
        case ast.Call(func=ast.Name(id="IF"), args=[condition, yes, no]):
            met = _value(condition, named, data_of)
            return None if met is None else _value(yes if met else no, named, data_of)
    raise ValueError(f"the engine does not run this part of an expression: {ast.unparse(node)}")


def _with_data(function: Callable[..., Any], *values: float | None) -> float | None:
    try:
        return None if None in values else float(function(*values))
    except ZeroDivisionError:
        return None  # CloudWatch drops the data point
