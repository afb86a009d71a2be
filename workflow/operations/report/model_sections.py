"""The sections of the report about models: what nobody checked, trend, confidence, thresholds, costs.

Nothing in them is about several models together. A model of which much can be said and one of which nothing can be
said would give a figure that holds for neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from workflow.operations.report import model_charts, words
from workflow.operations.report.drawing import Table
from workflow.operations.report.figures import (
    OTHER_VERSIONS,
    SMALL_SAMPLE,
    ConfidenceFigures,
    CostCurve,
    Figures,
    ModelFigures,
    ThresholdFigures,
)
from workflow.operations.report.findings import MAX_MISSED, listed, model_label, sufficient_threshold
from workflow.operations.report.html import figure, note, section, table

__all__ = ["MAX_MODELS_DRAWN", "model_sections"]

MAX_MODELS_DRAWN = 6
"""A chart has a panel for each of so many models, those with most reviews. Tables have all."""

TABLE_THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)

_Known = tuple[ModelFigures, ConfidenceFigures]


def model_sections(figures: Figures) -> Iterable[str]:
    """Yields the sections about models, of reviews with at least one judged prediction."""
    models = [
        model for model in figures.models if model.model.version != OTHER_VERSIONS and model.overruled.n
    ]
    if not models:
        return
    yield _trend(figures, models)
    yield _unchecked(figures, models)
    known = [(model, model.confidence) for model in models if model.confidence is not None]
    # Of a few predictions, a chart would show chance.
    enough = [(model, about) for model, about in known if not model.overruled.small]
    if not enough:
        yield section(
            "Is the model's confidence reliable?",
            f"There are too few reviews to say: they say as much as fewer than {SMALL_SAMPLE} independent predictions "
            "of each model. The same is true of thresholds."
            if known
            else "These reviews do not include the confidence of a model.",
        )
        return
    few = [model_label(model.model, figures) for model, _ in known if model.overruled.small]
    without = [model_label(model.model, figures) for model in models if model.confidence is None]
    yield _confidence(figures, enough, few, without)
    yield _thresholds(figures, enough)
    if any(about.costs is not None for _, about in enough):
        yield _costs(figures, enough)


def _trend(figures: Figures, models: Sequence[ModelFigures]) -> str:
    # Of a few predictions, a panel would show chance.
    drawn = ([model for model in models if not model.overruled.small] or models)[:MAX_MODELS_DRAWN]
    several = len(figures.models) > 1
    rows = [
        (
            *_label(model, figures),
            words.percent(model.trend.early),
            words.percent(model.trend.late),
            words.points(model.trend.difference.value),
            f"{words.points(model.trend.difference.low)} to {words.points(model.trend.difference.high)}",
            words.percent(model.trend.covered, 0),
        )
        if model.trend
        else (*_label(model, figures), "too few reviews", "", "", "", "")
        for model in models
    ]
    header = (
        *_label_header(figures),
        "First third",
        "Last third",
        "Change (points)",
        "95% interval",
        "Compared",
    )
    compared = any(model.trend for model in models)
    return section(
        "How the overrule rate changed",
        (
            "The table compares the first third of the period with the last. Each field is compared with itself, so a "
            "change in which fields occur is not a change of the rate. “Compared” is the share of the predictions in "
            "fields that occur in both thirds. If the interval includes 0, the change can be chance."
            if compared
            else f"To compare the first third of the period with the last, each needs {SMALL_SAMPLE} reviews with a "
            "prediction. These are fewer, or hardly any prediction was overruled."
        )
        + (
            " Each model is compared with itself, so a change in how many reviews each one gets is no change either."
            if several and compared
            else ""
        ),
        table(Table(header, rows, text_columns=len(_label_header(figures)))) if compared else "",
        figure(
            model_charts.trend_chart(figures, drawn),
            "The share of predictions that people changed or removed, with its 95% interval (shaded) and the average "
            "over the period (dashed). Below: the number of reviews. Days are those on which the human loops were "
            "created." + _rest(drawn, models),
        ),
    )


def _unchecked(figures: Figures, models: Sequence[ModelFigures]) -> str:
    kinds = {model.selection.kind for model in models}
    rows = []
    for model in models:
        chosen = model.selection
        of_all = {
            "sampled": words.estimate(model.overruled_of_all),
            "conditions": "unknown",
            "unknown": "unknown",
        }[chosen.kind]
        rows.append(
            (
                *_label(model, figures),
                words.rate(model.overruled),
                words.count(chosen.by_condition),
                words.count(chosen.by_sampling),
                words.count(chosen.unknown),
                of_all,
            )
        )
    header = (
        *_label_header(figures),
        *("Wrong among checked", "Reviews by a condition", "By a random sample", "Reason unknown"),
        "Wrong among all",
    )
    text = (
        "People check what meets a condition, which are mostly the uncertain predictions. So the overrule rate is not "
        "the error rate of the model."
    )
    if "sampled" in kinds:
        text += (
            " A random sample of the other documents was checked too. Each of these reviews stands for many documents, "
            "so the share of wrong ones among all predictions can be estimated (with its 95% interval)."
            if kinds == {"sampled"}
            else " Where a random sample of the other documents was checked too, the share of wrong ones among all "
            "predictions can be estimated (with its 95% interval)."
        )
    if any(model.selection.shows_parts for model in models if model.selection.kind == "sampled"):
        text += (
            " Reviews of a condition show people only the predictions that met it. So these estimates rest on the "
            "reviews of the random sample, which show whole documents."
        )
    if "conditions" in kinds:
        text += (
            " Without a random sample, nothing is known about the predictions that nobody checked. To learn it, add a "
            "Sampling condition to the flow definition, for example of 5%."
        )
    if "unknown" in kinds:
        text += (
            " “Reason unknown”: the reviews do not say why they took place, or not clearly. Custom tasks never do. If "
            "everything goes to people, “wrong among checked” is the share among all predictions."
        )
    return section(
        "How many of all predictions are wrong?",
        text,
        table(Table(header, rows, text_columns=len(_label_header(figures)))),
    )


def _confidence(figures: Figures, known: Sequence[_Known], few: Sequence[str], without: Sequence[str]) -> str:
    several = len(figures.models) > 1
    drawn = known[:MAX_MODELS_DRAWN]
    hollow = any(band.checked.n and band.checked.small for _, about in drawn for band in about.bands)
    rows = []
    for model, about in known:
        right = about.mean_confidence - about.overconfidence.value
        rows.append(
            (
                *_label(model, figures),
                words.count(about.predictions),
                words.percent(about.mean_confidence),
                words.percent(right),
                words.points(about.overconfidence.value),
                f"{words.points(about.overconfidence.low)} to {words.points(about.overconfidence.high)}",
                words.percent(about.auroc.value, 0),
                f"{about.brier.value:.3f} ({right * (1 - right):.3f})",
            )
        )
    header = (
        *_label_header(figures),
        *("Predictions", "Mean confidence", "People agreed", "Difference (points)", "95% interval"),
        *("Right one ranked higher", "Squared error"),
    )
    unknown = sum(model.without_confidence for model, _ in known)
    return section(
        "Is the model's confidence reliable?",
        "If a model is 80% confident, people should agree with it 80% of the time: its dot is then on the dashed line. "
        "Below the line, the model is overconfident. Above it, the model is underconfident."
        + (
            f" Hollow dots are not reliable: they say as much as fewer than {SMALL_SAMPLE} independent cases."
            if hollow
            else ""
        ),
        figure(
            model_charts.calibration_chart(figures, drawn),
            _base(known) + _rest(drawn, known),
        ),
        table(Table(header, rows, text_columns=len(_label_header(figures)))),
        note(
            "Difference: the mean confidence minus the share that people kept. Above 0, the model is overconfident. "
            "Right one ranked higher: of a prediction that people kept and one that they overruled, how often the kept "
            "one has the higher confidence (AUROC). 100% is perfect. At 50%, the confidence does not tell right from "
            "wrong, and no threshold helps. Squared error: the mean squared distance between the confidence and what "
            "people decided (Brier score). 0 is perfect. In brackets: the same for a model that always says its "
            "average, so a smaller number is better than that."
        ),
        note(f"Not included: {words.count(unknown, 'prediction')} of these models without a confidence.")
        if unknown
        else "",
        note(f"Not included, because their reviews have no confidence: {listed(without)}.")
        if without
        else "",
        note(f"Not included, because there are too few reviews: {listed(few)}.") if few else "",
        note("Each row and each panel is about one model. They are not added up, because models differ.")
        if several
        else "",
    )


def _thresholds(figures: Figures, known: Sequence[_Known]) -> str:
    several = len(figures.models) > 1
    drawn = known[:MAX_MODELS_DRAWN]
    header = (
        *_label_header(figures),
        *("Threshold", "Reviews needed", "Errors missed", "95% interval", "Errors caught", "Wrong above it"),
    )
    rows = [
        (*_label(model, figures), *_threshold_row(one))
        for model, about in drawn
        for known_up_to in [model_charts.known_up_to(model, about)]
        for one in about.thresholds
        if one.threshold <= known_up_to
        and any(math.isclose(one.threshold, shown) for shown in (*TABLE_THRESHOLDS, known_up_to))
    ]
    chart = model_charts.threshold_chart(
        figures, drawn, Table(header, rows, text_columns=len(_label_header(figures)))
    )
    of_all, of_checked = _split(known)
    notes = []
    if of_all and of_checked:
        notes.append(
            "Where a random sample was checked, the numbers are estimates for all documents, also those that nobody "
            "checked."
        )
    elif of_all:
        notes.append(
            "The numbers are estimates for all documents, also those that nobody checked. The random sample stands for "
            "them."
        )
    if of_checked:
        notes.append(
            f"{'Otherwise, the' if of_all else 'The'} numbers are about the predictions that people checked. They show "
            "what a lower threshold saves and misses. About a higher threshold than the one in use they say nothing, "
            "because nobody checked there. A random sample (A2I's Sampling condition) closes the gap."
        )
    return section(
        "What if the confidence threshold were different?",
        "This assumes that a document goes to people if one of its predictions is below the threshold, and that they "
        "correct the errors below it. Errors above it are missed, also in a document that people see. A higher "
        "threshold means more reviews and fewer missed errors.",
        figure(chart, _rest(drawn, known).strip(), table_open=not several),
        _answers(figures, known) if several else "",
        *(note(text) for text in notes),
        note("Fields that the model missed have no confidence, so no threshold catches them."),
    )


def _threshold_row(one: ThresholdFigures) -> tuple[str, ...]:
    return (
        words.percent(one.threshold, 0),
        f"{words.count(round(one.reviews_needed))} ({words.percent(one.reviews.value, 0)})",
        f"{words.count(round(one.let_through))} ({words.percent(one.errors_missed.value, 0)})",
        words.interval(one.errors_missed),
        words.count(round(one.caught)),
        words.percent(one.error_rate_of_passed.value),
    )


def _answers(figures: Figures, known: Sequence[_Known]) -> str:
    """Returns the table with the lowest threshold of each model that misses few errors."""
    rows = []
    for model, about in known:
        best = sufficient_threshold(about)
        if best is not None and best.threshold > model_charts.known_up_to(model, about):
            best = None
        rows.append(
            (
                *_label(model, figures),
                "all" if about.of_all else "checked",
                words.percent(best.threshold, 0) if best else "none",
                words.percent(best.reviews.value, 0) if best else "",
                words.percent(best.errors_missed.value) if best else "",
                words.interval(best.errors_missed) if best else "",
            )
        )
    header = (
        *_label_header(figures),
        *("About", f"Threshold that misses at most {words.percent(MAX_MISSED, 0)}", "Reviews needed"),
        *("Errors missed", "95% interval"),
    )
    return table(Table(header, rows, text_columns=len(_label_header(figures)) + 1))


def _costs(figures: Figures, known: Sequence[_Known]) -> str:
    priced = [(model, about, about.costs) for model, about in known if about.costs is not None]
    costs = priced[0][2].costs
    rows = [(*_label(model, figures), *_cost_row(model, about, curve)) for model, about, curve in priced]
    header = (
        *_label_header(figures),
        *(
            "Result",
            "Cheapest threshold",
            "Can be",
            "Cost per document",
            "Reviewing nothing",
            "Reviewing everything",
        ),
        "Saving",
    )
    of_all, of_checked = _split(known)
    chart = model_charts.cost_chart(
        figures, priced[:MAX_MODELS_DRAWN], Table(header, rows, text_columns=len(_label_header(figures)) + 1)
    )
    return section(
        "Which threshold costs least?",
        f"A review costs {words.amount(costs.review)}, and an error that nobody corrects costs "
        f"{words.amount(costs.error)}. For each threshold, the chart adds up the reviews below it and the errors above "
        "it, per document. At 0%, nothing is reviewed; at 100%, everything. The dot is the lowest point. It is hollow "
        "if the reviews do not show that it costs less than reviewing nothing or everything.",
        figure(
            chart,
            "The cost per document, with its 95% interval (shaded). Cheapest: what the reviews show to cost "
            "least. “Can be”: the thresholds whose cost can be the lowest, given the number of reviews. Saving: "
            "against the cheaper of reviewing nothing and reviewing everything."
            + _rest(known[:MAX_MODELS_DRAWN], known),
            table_open=True,
        ),
        note(
            f"{'Where no random sample was checked, the' if of_all else 'The'} costs are per document that people "
            "checked, and “reviewing everything” means everything that is reviewed today. What a higher threshold "
            "would cost is not known."
        )
        if of_checked
        else "",
    )


def _cost_row(model: ModelFigures, about: ConfidenceFigures, curve: CostCurve) -> tuple[str, ...]:
    known = model_charts.known_up_to(model, about)
    nothing, everything = curve.points[0], curve.points[-1]
    if known < curve.cheapest.threshold:
        # What lies between is not known, so the cheapest known point is that of today.
        result = ("today's threshold", "", "", words.amount(everything.cost.value))
    else:
        result = (
            _VERDICTS[curve.verdict],
            words.threshold(curve.cheapest.threshold),
            f"{words.threshold(curve.range[0])} to {words.threshold(min(known, curve.range[1]))}",
            words.amount(curve.cheapest.cost.value),
        )
    return (
        *result,
        words.amount(nothing.cost.value),
        words.amount(everything.cost.value),
        words.amount(curve.saving.value) if curve.verdict == "threshold" and result[1] else "",
    )


_VERDICTS = {
    "threshold": "a threshold",
    "nothing": "reviewing nothing",
    "everything": "reviewing everything",
    "undecided": "not shown",
}


# What several sections say


def _split(known: Sequence[_Known]) -> tuple[list[_Known], list[_Known]]:
    """Returns the models whose figures are about all predictions, and those about checked ones."""
    return (
        [pair for pair in known if pair[1].of_all],
        [pair for pair in known if not pair[1].of_all],
    )


def _base(known: Sequence[_Known]) -> str:
    of_all, of_checked = _split(known)
    if not of_checked:
        return "Estimated for all predictions, from a random sample of those that met no condition."
    if not of_all:
        return "Predictions that people checked. The others are not included."
    return (
        "Where a random sample was checked, estimated for all predictions. Otherwise only for those that people "
        "checked."
    )


def _rest(drawn: Sequence[object], models: Sequence[object]) -> str:
    rest = len(models) - len(drawn)
    if not rest:
        return ""
    return (
        f" The chart shows the {words.count(len(drawn), 'model')} with the most reviews, not the other "
        f"{words.count(rest)}. To see another one, use --flow-definition."
    )


def _label(model: ModelFigures, figures: Figures) -> tuple[str, ...]:
    """Returns the first cells of a row. The model is included only if there are several."""
    return (model_label(model.model, figures),) if len(figures.models) > 1 else ()


def _label_header(figures: Figures) -> tuple[str, ...]:
    return ("Model",) if len(figures.models) > 1 else ()
