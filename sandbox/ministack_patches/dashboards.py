"""Dashboards of CloudWatch."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Body", "correct"]


def correct() -> None:
    """Corrects dashboards."""
    _refuse_invalid_bodies()


def _refuse_invalid_bodies() -> None:
    """Refuses a dashboard whose body is invalid.

    AWS: the body is JSON with a documented structure; PutDashboard refuses another, and so does the creation of an
    `AWS::CloudWatch::Dashboard`. The name has letters, digits, `-` and `_`.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html,
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html)
    MiniStack: accepts any text. Here, bodies can have the widgets `text`, `metric` and `alarm`.
    """
    from ministack.services import cloudwatch

    put, put_of_stack = cloudwatch._put_dashboard, cloudwatch.cloudformation_put_dashboard

    def put_valid(
        params: dict[str, Any], request: dict[str, Any], is_cbor: bool, is_json: bool = False
    ) -> Any:
        try:
            return put(params, request, is_cbor, is_json)
        except ValueError as error:
            return cloudwatch._error(
                "InvalidParameterInput", str(error), 400, use_json=is_json, use_cbor=is_cbor
            )

    def put_valid_of_stack(name: str, body: str) -> str:
        try:
            _Name.model_validate({"name": name})
            Body.model_validate(json.loads(body))
        except (ValidationError, ValueError) as error:
            raise ValueError(f"The dashboard body is invalid: {error}") from None
        return str(put_of_stack(name, body))

    cloudwatch._put_dashboard, cloudwatch.cloudformation_put_dashboard = put_valid, put_valid_of_stack


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Name(_Strict):
    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,255}$")]


class _Text(_Strict):
    markdown: str
    background: Literal["transparent", "solid"] = "solid"


class _Alarms(_Strict):
    alarms: Annotated[list[Annotated[str, Field(pattern="^arn:")]], Field(min_length=1, max_length=100)]
    sortBy: Literal["default", "stateUpdatedTimestamp", "timestamp"] = "default"  # noqa: N815 (AWS's name)
    states: list[Literal["ALARM", "INSUFFICIENT_DATA", "OK"]] = []
    title: str = ""


class _Axis(_Strict):
    label: str = ""
    min: float | None = None
    max: float | None = None
    showUnits: bool = True  # noqa: N815


class _Axes(_Strict):
    left: _Axis = _Axis()
    right: _Axis = _Axis()


class _Legend(_Strict):
    position: Literal["right", "bottom", "hidden"]


_Period = Annotated[int, Field(ge=1)]


class _Rendering(_Strict):
    """The object at the end of a metric."""

    color: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] = "#000000"
    expression: str | None = None
    id: Annotated[str, Field(pattern="^[a-z][A-Za-z0-9_]*$")] | None = None
    label: str = ""
    period: _Period = 300
    region: str = ""
    stat: str = ""
    visible: bool = True
    yAxis: Literal["left", "right"] = "left"  # noqa: N815


_View = Literal["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]


class _Metrics(_Strict):
    metrics: Annotated[list[list[str | _Rendering]], Field(min_length=1, max_length=500)]
    region: Annotated[str, Field(min_length=1)]
    legend: _Legend | None = None
    liveData: bool = False  # noqa: N815
    period: _Period = 300
    setPeriodToTimeRange: bool = False  # noqa: N815
    singleValueFullPrecision: bool = False  # noqa: N815
    sparkline: bool = False
    stacked: bool = False
    stat: str = "Average"
    timezone: str = ""
    title: str = ""
    view: _View = "timeSeries"
    yAxis: _Axes = _Axes()  # noqa: N815

    @model_validator(mode="after")
    def _rows(self) -> _Metrics:
        above = 0
        for row in self.metrics:
            *names, last = row
            expression = isinstance(last, _Rendering) and last.expression is not None
            texts = row if isinstance(last, str) else names
            if any(isinstance(text, _Rendering) for text in texts):
                raise ValueError(f"an object is not the last of its metric: {row}")
            if expression:
                if texts:
                    raise ValueError(f"a metric has an expression, too: {row}")
                continue
            # A namespace, a name, and pairs of dimensions. `...` stands for the texts of the metric above it.
            length = above if texts[:1] == ["..."] else len(texts)
            if length < 2 or length % 2 or ("." in texts and not above):
                raise ValueError(f"not a namespace, a name, and names and values of dimensions: {row}")
            above = length
        return self


class _Widget(_Strict):
    x: Annotated[int, Field(ge=0, le=23)]
    y: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1, le=24)] = 6
    height: Annotated[int, Field(ge=1, le=1000)] = 6

    @model_validator(mode="after")
    def _fits(self) -> _Widget:
        if self.x + self.width > 24:
            raise ValueError("the widget is wider than the 24 columns of the grid")
        return self


class _TextWidget(_Widget):
    type: Literal["text"]
    properties: _Text


class _AlarmWidget(_Widget):
    type: Literal["alarm"]
    properties: _Alarms


class _MetricWidget(_Widget):
    type: Literal["metric"]
    properties: _Metrics


class Body(_Strict):
    """The body of a dashboard."""

    start: Annotated[str, Field(pattern=r"^(-P(T?\d+[MHDW])|\d{4}-.*)$")] = "-PT3H"
    end: str = ""
    periodOverride: Literal["auto", "inherit"] = "auto"  # noqa: N815
    widgets: Annotated[
        list[Annotated[_TextWidget | _AlarmWidget | _MetricWidget, Field(discriminator="type")]],
        Field(max_length=500),
    ]
