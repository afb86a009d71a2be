"""The report's charts about models: trend, confidence, thresholds, costs. One panel for each model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from workflow.operations.report import words
from workflow.operations.report.drawing import (
    COLOURS,
    Chart,
    Sheet,
    Table,
    bars,
    ceiling,
    dot,
    draw_chart,
    locator,
    panel_heights,
    percent_axis,
    span_axis,
    span_name,
)
from workflow.operations.report.figures import ConfidenceFigures, CostCurve, Figures, ModelFigures, Span
from workflow.operations.report.findings import model_label

__all__ = ["calibration_chart", "cost_chart", "known_up_to", "threshold_chart", "trend_chart"]


def trend_chart(figures: Figures, models: Sequence[ModelFigures]) -> Chart:
    """Returns the overrule rate of each model over time with its interval, above the number of all reviews."""
    several = len(figures.models) > 1
    spans = [model.parts if several else figures.spans for model in models]
    highest = [1.25 * model.overruled.value for model in models]
    for of_model in spans:
        known = {place for place, span in enumerate(of_model) if span.overruled.n}
        highest += [1.25 * of_model[place].overruled.value for place in known]
        # The wide interval of a day with few reviews may be cut off, except if all days are alone.
        if _alone(known) == sorted(known):
            highest += [of_model[place].overruled.interval[1] for place in known]
    top = ceiling(min(1.0, max(highest)))
    names = [model_label(model.model, figures) for model in models]

    def draw(sheet: Sheet) -> None:
        panels = sheet.panels(names, above=0, below=84, single=(44, 14, 14, 98))
        for axes, model, of_model in zip(panels, models, spans, strict=True):
            _rates(axes, of_model)
            axes.axhline(model.overruled.value, color=COLOURS["soft"], linewidth=1, dashes=(3, 3))
            axes.set_ylim(0, top)
            percent_axis(axes.yaxis, max_ticks=3 if len(models) > 1 else 5)
            axes.set_xlim(-0.6, len(of_model) - 0.4)
            if len(models) > 1:
                span_axis(axes, of_model, figures, ticks=3 if sheet.wide else 2)
            else:
                axes.set_xticks([])
        volume = sheet.axes(left=44, right=14, top=sheet.height - 74, bottom=24)
        maximum = max(span.reviews for span in figures.spans)
        sizes = [span.reviews for span in figures.spans]
        bars(volume, range(len(sizes)), sizes, 0.72, words.count(maximum))
        span_axis(volume, figures.spans, figures, ticks=8 if sheet.wide else 4)
        label = "reviews of all models" if several else "reviews"
        sheet.text(volume, -0.6, maximum * 1.1, label, colour="soft", ha="left", va="bottom")

    return draw_chart(
        "trend",
        "Overruled predictions over time",
        "; ".join(
            f"{name + ': ' if several else ''}{words.percent(model.overruled.value)} over the whole period"
            for name, model in zip(names, models, strict=True)
        )
        + ".",
        draw,
        heights=panel_heights(len(models), above=0, below=84, single=(330, 300)),
        table=Table(
            (
                *(["Model"] if several else []),
                *(
                    "From" if several else figures.granularity.capitalize(),
                    "Reviews",
                    "Predictions",
                    "Overruled",
                ),
                *("Rate", "95% interval"),
            ),
            [
                (
                    *([name] if several else []),
                    span_name(span, figures, whole=True),
                    words.count(span.reviews),
                    words.count(span.overruled.n),
                    words.count(span.overruled.hits),
                    words.rate(span.overruled),
                    words.interval(span.overruled),
                )
                for name, of_model in zip(names, spans, strict=True)
                for span in of_model
            ],
            text_columns=2 if several else 1,
        ),
    )


def _rates(axes: Axes, spans: Sequence[Span]) -> None:
    places = range(len(spans))
    known = {index for index, span in enumerate(spans) if span.overruled.n}
    low, high = (
        [spans[index].overruled.interval[side] if index in known else math.nan for index in places]
        for side in (0, 1)
    )
    axes.fill_between(places, low, high, color=COLOURS["warm"], alpha=0.16, linewidth=0)
    # A single point has no area, so it gets a line.
    if alone := _alone(known):
        lows, highs = ([side[index] for index in alone] for side in (low, high))
        axes.vlines(alone, lows, highs, color=COLOURS["warm"], linewidth=2.5, alpha=0.4)
    rates = [span.overruled.value for span in spans]
    axes.plot(places, rates, color=COLOURS["warm"], linewidth=2, marker="o", markersize=3.5, clip_on=False)


def _alone(known: set[int]) -> list[int]:
    return sorted(place for place in known if not {place - 1, place + 1} & known)


def calibration_chart(figures: Figures, models: Sequence[tuple[ModelFigures, ConfidenceFigures]]) -> Chart:
    """Returns the confidence of each model against how often people agreed."""
    bands = [[band for band in about.bands if band.kept.known] for _, about in models]
    start = min((band.low for of_model in bands for band in of_model), default=0.0)
    lowest = min((band.kept.low for of_model in bands for band in of_model), default=0.0)
    bottom = max(0.0, math.floor(10 * min(lowest, start)) / 10)
    several = len(models) > 1

    def draw(sheet: Sheet) -> None:
        names = [model_label(model.model, figures) for model, _ in models]
        panels = sheet.panels(names, above=0, below=0, single=(62, 16, 14, 112))
        for axes, of_model in zip(panels, bands, strict=True):
            axes.plot([start, 1], [start, 1], color=COLOURS["soft"], linewidth=1, dashes=(3, 3))
            axes.vlines(
                [band.mean_confidence for band in of_model],
                [band.kept.low for band in of_model],
                [band.kept.high for band in of_model],
                color=COLOURS["accent"],
                linewidth=2.5,
                alpha=0.4,
            )
            large = [band for band in of_model if not band.checked.small]
            axes.plot(
                [band.mean_confidence for band in large],
                [band.kept.value for band in large],
                color=COLOURS["accent"],
                linewidth=1.6,
            )
            for band in of_model:
                dot(axes, band.mean_confidence, band.kept.value, "accent", hollow=band.checked.small)
            axes.set_xlim(start, 1.004)
            axes.set_ylim(bottom, 1.02)
            percent_axis(axes.yaxis, max_ticks=3 if several else 5)
            percent_axis(axes.xaxis, max_ticks=3 if several else 5)
            if not several:
                axes.set_xticks([])
                axes.set_ylabel("people agreed")
        axes = panels[0]
        sheet.text(axes, 0.985, bottom + 0.03 * (1 - bottom), "overconfident", colour="soft", ha="right")
        sheet.text(axes, start + 0.02 * (1 - start), 0.97, "underconfident", colour="soft", va="top")
        if several:
            return
        volume = sheet.axes(left=62, right=16, top=sheet.height - 88, bottom=44)
        maximum = max(band.checked.n for band in bands[0])
        middles = [(band.low + band.high) / 2 for band in bands[0]]
        label = f"{maximum / 1000:.0f}k" if maximum >= 10_000 else words.count(maximum)
        bars(volume, middles, [band.checked.n for band in bands[0]], 0.088, label)
        volume.set_xlim(start, 1.004)
        percent_axis(volume.xaxis)
        volume.set_xlabel("the model's confidence")
        sheet.text(volume, start, maximum * 1.1, "predictions", colour="soft", va="bottom")

    name = ("Model",) if several else ()
    return draw_chart(
        "calibration",
        "The model's confidence and how often people agreed",
        "On the dashed line, people agree exactly as often as the confidence says.",
        draw,
        heights=panel_heights(len(models), above=0, below=0, single=(430, 380)),
        table=Table(
            (*name, "Confidence", "Predictions", "Mean confidence", "People agreed", "95% interval"),
            [
                (
                    *([model_label(model.model, figures)] if several else []),
                    f"{100 * band.low:.0f}% to {100 * band.high:.0f}%",
                    words.count(band.checked.n),
                    words.percent(band.mean_confidence),
                    words.percent(band.kept.value) + (" (few)" if band.checked.small else ""),
                    words.interval(band.kept),
                )
                for model, about in models
                for band in about.bands
                if band.checked.n or not several
            ],
            text_columns=2 if several else 1,
        ),
    )


def threshold_chart(
    figures: Figures, models: Sequence[tuple[ModelFigures, ConfidenceFigures]], table: Table
) -> Chart:
    """Returns two curves over the threshold for each model: the reviews needed, and the errors missed."""
    used = [one.threshold for _, about in models for one in about.thresholds if one.reviews_needed]
    start = math.floor(10 * max(0.0, min(used, default=1.0) - 0.01)) / 10
    several = len(models) > 1

    def panel(sheet: Sheet, axes: Axes, model: ModelFigures, about: ConfidenceFigures) -> None:
        known = known_up_to(model, about)
        shown = [one for one in about.thresholds if start - 1e-9 <= one.threshold <= known + 1e-9]
        thresholds = [one.threshold for one in shown]
        missed = [one.errors_missed for one in shown]
        axes.fill_between(
            thresholds,
            [one.low for one in missed],
            [one.high for one in missed],
            color=COLOURS["warm"],
            alpha=0.16,
            linewidth=0,
        )
        axes.plot(
            thresholds,
            [one.reviews.value for one in shown],
            color=COLOURS["accent"],
            linewidth=2.2,
            linestyle=(0, (5, 2)),
            clip_on=False,
        )
        axes.plot(
            thresholds, [one.value for one in missed], color=COLOURS["warm"], linewidth=2.2, clip_on=False
        )
        _shade_unknown(sheet, axes, known, start)
        axes.set_xlim(start, 1.0)
        axes.set_ylim(0, 1.0)
        percent_axis(axes.xaxis, max_ticks=3 if several else 5)
        percent_axis(axes.yaxis, max_ticks=3 if several else 5)
        if not several:
            axes.set_xlabel("confidence threshold")

    def draw(sheet: Sheet) -> None:
        names = [model_label(model.model, figures) for model, _ in models]
        panels = sheet.panels(names, above=26, below=0, single=(44, 14, 36, 44))
        for axes, (model, about) in zip(panels, models, strict=True):
            panel(sheet, axes, model, about)
        sheet.key([("errors missed", "warm", False), ("reviews needed", "accent", True)])

    return draw_chart(
        "threshold",
        "Reviews needed and errors missed, by confidence threshold",
        "A higher threshold needs more reviews and misses fewer errors.",
        draw,
        heights=panel_heights(len(models), above=26, below=0, single=(336, 306)),
        table=table,
    )


def cost_chart(
    figures: Figures, models: Sequence[tuple[ModelFigures, ConfidenceFigures, CostCurve]], table: Table
) -> Chart:
    """Returns the cost of each threshold per document, for each model, with the cheapest one marked."""
    several = len(models) > 1

    def panel(
        sheet: Sheet, axes: Axes, model: ModelFigures, about: ConfidenceFigures, curve: CostCurve
    ) -> None:
        known = known_up_to(model, about)
        # The last point is that of reviewing everything. Its threshold is above 1, and it is drawn at 1.
        shown = [point for point in curve.points if point.threshold <= known or point is curve.points[-1]]
        if known < 1:
            shown = shown[:-1]
        thresholds = [min(point.threshold, 1.0) for point in shown]
        axes.fill_between(
            thresholds,
            [point.cost.low for point in shown],
            [point.cost.high for point in shown],
            color=COLOURS["accent"],
            alpha=0.16,
            linewidth=0,
        )
        axes.plot(thresholds, [point.cost.value for point in shown], color=COLOURS["accent"], linewidth=2.2)
        best = curve.cheapest
        top = 1.15 * max(point.cost.value for point in shown)
        if best in shown:
            axes.axvline(min(best.threshold, 1.0), color=COLOURS["warm"], linewidth=1, dashes=(3, 3))
            dot(axes, min(best.threshold, 1.0), best.cost.value, "warm", hollow=curve.verdict != "threshold")
        axes.set_xlim(0, 1.0)
        axes.set_ylim(0, top)
        _shade_unknown(sheet, axes, known, 0.0)
        percent_axis(axes.xaxis, max_ticks=3 if several else 5)
        axes.yaxis.set_major_locator(locator(3 if several else 5))
        axes.yaxis.set_major_formatter(lambda value, _: words.amount(value))
        if not several:
            axes.set_xlabel("confidence threshold")

    def draw(sheet: Sheet) -> None:
        names = [model_label(model.model, figures) for model, _, _ in models]
        panels = sheet.panels(names, above=0, below=0, single=(64, 14, 14, 44), left=52)
        for axes, (model, about, curve) in zip(panels, models, strict=True):
            panel(sheet, axes, model, about, curve)

    return draw_chart(
        "cost",
        "Cost per document, by confidence threshold",
        "; ".join(
            f"{model_label(model.model, figures) + ': ' if several else ''}lowest at "
            f"{words.threshold(curve.cheapest.threshold)}, {words.amount(curve.cheapest.cost.value)} per document"
            for model, _, curve in models
        )
        + ".",
        draw,
        heights=panel_heights(len(models), above=0, below=0, single=(310, 280)),
        table=table,
    )


def known_up_to(model: ModelFigures, about: ConfidenceFigures) -> float:
    """Returns the threshold above which the reviews show nothing; 1 if they show everything.

    Without a random sample, that is where all of the reviews are needed: no other documents were checked.
    """
    if about.of_all or model.selection.kind != "conditions":
        return 1.0
    return next((one.threshold for one in about.thresholds if one.reviews.value >= 1), 1.0)


def _shade_unknown(sheet: Sheet, axes: Axes, known: float, start: float) -> None:
    if known >= 1:
        return
    axes.axvspan(known, 1.0, color=COLOURS["rule"], alpha=0.6, linewidth=0)
    if (1 - known) / (1 - start) > 0.25:
        sheet.text(
            axes,
            (1 + known) / 2,
            0.5,
            "not known",
            colour="soft",
            ha="center",
            transform=axes.get_xaxis_transform(),
        )
