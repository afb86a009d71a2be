"""The report's page: one self-contained HTML file for readers who know nothing about Afterloop.

The page has no script and loads nothing, which its Content-Security-Policy enforces. All text from documents is
escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lambdas.reviews.record import PredictionSource
from workflow.operations.report import charts, words
from workflow.operations.report.drawing import Chart, Table
from workflow.operations.report.figures import (
    OTHER_FIELDS,
    SMALL_SAMPLE,
    FieldFigures,
    Figures,
)
from workflow.operations.report.findings import (
    Headline,
    catches_nothing,
    field_label,
    findings,
    headline,
)
from workflow.operations.report.html import figure, name, note, prose, section, table
from workflow.operations.report.loop_facts import LoopFacts
from workflow.operations.report.model_sections import model_sections

__all__ = ["Origin", "render_page"]

MAX_FIELDS_DRAWN = 16
MAX_ROWS = 200
MAX_MALFORMED_LISTED = 20

_CSS = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Origin:
    """The source of the figures.

    Attributes:
        location: The location of the reviews.
        flow_definition: The requested flow definition; None for all.
        made_at: When the report was made.
        ledger: The name of the ledger with the loops; None if the report does not cover loops.
    """

    location: str
    flow_definition: str | None
    made_at: datetime
    ledger: str | None = None


def render_page(figures: Figures, facts: LoopFacts | None, origin: Origin) -> str:
    """Returns the HTML document.

    Args:
        figures: The figures of the reviews.
        facts: The figures of the human loops; None if the report does not cover loops.
        origin: The source of both.
    """
    main = headline(figures)
    body = [_top(figures, origin, main), "<main>", _left_out(figures)]
    if figures.reviews == 0:
        body.append(_no_reviews(figures, facts, origin))
    else:
        body += [_key_figures(figures, facts), _findings(figures, facts), *_sections(figures, facts)]
    if facts is not None and facts.loops:
        body.append(_loops(figures, facts))
    if figures.reviews:
        body.append(_definitions(figures))
    body += ["</main>", _foot(figures, origin)]
    # Nothing from a document goes into the style: escaping cannot protect there, as `</style` always closes it.
    css = _CSS.read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{prose(f'{main} ({words.period(figures.period)})')}</title>\n"
        f"<style>\n{css}</style>\n</head>\n<body>\n" + "\n".join(part for part in body if part) + "\n"
        "</body>\n</html>\n"
    )


# The first screen


def _top(figures: Figures, origin: Origin, main: Headline) -> str:
    about = origin.flow_definition or _flows_in_title(figures)
    number = f'<p class="figure">{prose(main.number)}</p>' if main.number else ""
    meaning = f'<p class="meaning">{prose(main.meaning)}</p>' if main.meaning else ""
    return (
        f'<header class="top">\n<h1>Human reviews of {name(about)}</h1>\n'
        f'<p class="about">{words.period(figures.period)}</p>\n{_invented(figures)}'
        f'<div class="lead">\n{number}<p class="sentence">{prose(main.sentence)}</p>\n{meaning}</div>\n</header>'
    )


def _flows_in_title(figures: Figures) -> str:
    flows = figures.flow_definitions
    return flows[0].flow_definition if len(flows) == 1 else "all flow definitions"


def _invented(figures: Figures) -> str:
    if not figures.invented:
        return ""
    if figures.invented < figures.reviews:
        point = (
            f"{words.count(figures.invented)} of these {words.count(figures.reviews)} reviews "
            f"{'is' if figures.invented == 1 else 'are'} invented sample data."
        )
        because = (
            "The figures mix them with real reviews, so they are not about a real model. To leave the sample data out, "
            "select days or a flow definition without it."
        )
    else:
        point = (
            "This review is invented sample data."
            if figures.reviews == 1
            else f"All of these {words.count(figures.reviews)} reviews are invented sample data."
        )
        because = "They show what a report looks like. No figure in it is about a real model or real people."
    return f'<div class="notice">\n<p><strong>{point}</strong> {because}</p>\n</div>\n'


def _left_out(figures: Figures) -> str:
    """Returns what is not in the figures: objects and values that could not be read, and reviews without a field."""
    malformed, unreadable, empty = figures.malformed, figures.unreadable, figures.without_fields
    if not malformed and not unreadable and not empty:
        return ""
    parts = []
    if malformed:
        listed = "".join(
            f"<li>{name(one.location)}<br>{name(one.problem)}</li>"
            for one in malformed[:MAX_MALFORMED_LISTED]
        )
        more = len(malformed) - MAX_MALFORMED_LISTED
        be = "is" if len(malformed) == 1 else "are"
        parts.append(
            f"<p><strong>{words.count(len(malformed), 'stored object')}</strong> could not be read as a review and "
            f"{be} not included in this report.</p>\n<ul>{listed}"
            + (f"<li>and {words.count(more)} more</li>" if more > 0 else "")
            + "</ul>"
        )
    if unreadable:
        be = "is" if unreadable == 1 else "are"
        parts.append(
            f"<p><strong>{words.count(unreadable, 'value')}</strong> in these reviews could not be read and {be} not "
            "included: a field with an impossible confidence, for example. The rest of each review is included.</p>"
            + "\n<ul>"
            + "".join(f"<li>{name(location)}</li>" for location in figures.partly_read)
            + "</ul>"
        )
    if empty:
        have = "has" if empty == 1 else "have"
        parts.append(
            f"<p><strong>{words.count(empty, 'review')}</strong> {have} no field: nobody answered, or people submitted "
            "an empty page. If there are many, check that each element of the worker page has a name.</p>"
        )
    return '<div class="notice">\n' + "\n".join(parts) + "\n</div>"


def _no_reviews(figures: Figures, facts: LoopFacts | None, origin: Origin) -> str:
    where = f" of <strong>{name(origin.flow_definition)}</strong>" if origin.flow_definition else ""
    loops = (
        f"<p>The ledger has {words.count(facts.loops, 'human loop')} from this period; see below.</p>"
        if facts is not None and facts.loops
        else ""
    )
    return (
        f'<section class="close">\n<h2>What to do</h2>\n{loops}'
        f"<p>No reviews{where} are stored for human loops created in the period {words.period(figures.period)}. "
        "Possible reasons:</p>\n<ul>\n"
        "<li>The reviews are from another period. Days are in UTC and are the days on which the loops were created, "
        "not answered. Try <code>--since</code> and <code>--until</code>.</li>\n"
        "<li>The flow definition has another name, or belongs to another stage. Try <code>--flow-definition</code> "
        "and <code>--stage</code>.</li>\n"
        "<li>Workers have not answered yet, or the loops failed. To see the loops, run "
        "<code>python deploy.py loops list</code>.</li>\n"
        "</ul>\n</section>"
    )


def _key_figures(figures: Figures, facts: LoopFacts | None) -> str:
    agreement, times = figures.agreement, figures.times
    compared, shared = figures.overruled_reviews, agreement.unanimous
    known: list[tuple[str, str]] = [
        (words.count(figures.reviews), "review" if figures.reviews == 1 else "reviews")
    ]
    if compared.n:
        reviews = words.count(compared.n, "compared review")
        known.append(
            (
                words.percent(compared.value),
                f"of {reviews} {'has' if compared.n == 1 else 'have'} a correction",
            )
        )
    if times.answers:
        known.append((words.duration(times.median), f"median time of {words.count(times.answers, 'answer')}"))
    if shared.n:
        fields = words.count(shared.n, "field")
        known.append(
            (words.percent(shared.value), f"of {fields} with several answers have identical answers")
        )
    if facts is not None and facts.loops:
        failed = facts.by_status.get("Failed", 0)
        known.append((words.count(failed), "human loop failed" if failed == 1 else "human loops failed"))
        known.append((words.count(facts.escalated), "escalated to a person"))
    items = "".join(f"<div><dt>{prose(label)}</dt><dd>{prose(number)}</dd></div>" for number, label in known)
    four = " four" if len(known) == 4 else ""
    return f'<dl class="facts{four}">{items}</dl>'


def _findings(figures: Figures, facts: LoopFacts | None) -> str:
    found = findings(figures, facts)
    if not found:
        return ""
    items = "".join(
        f'<li><p class="point">{prose(finding.point)}</p><p>{prose(finding.because)}</p></li>\n'
        for finding in found
    )
    return f'<section class="close">\n<h2>Key findings</h2>\n<ol class="findings">\n{items}</ol>\n</section>'


# The sections


def _sections(figures: Figures, facts: LoopFacts | None) -> Iterable[str]:
    if figures.overruled.n:
        yield _overruled(figures)
        yield _fields(figures)
    if len(figures.flow_definitions) > 1:
        yield _flows(figures)
    yield from model_sections(figures)
    yield _conditions(figures)
    yield _agreement(figures)
    yield _times(figures)
    if facts is None:
        yield _without_ledger(figures)


def _overruled(figures: Figures) -> str:
    added = figures.outcomes.get("added", 0)
    return section(
        "What people did with the predictions",
        "Kept: people left the prediction unchanged. Changed: they entered another value. Removed: they deleted it. "
        "Unresolved: several people answered without a majority; these predictions are not in the overrule rate."
        + (
            f" In addition, people added {words.count(added, 'field')} that the model had missed."
            if added
            else ""
        ),
        figure(
            charts.outcome_chart(figures),
            legend=[
                (outcome, figures.outcomes.get(outcome, 0), mark)
                for outcome, mark in charts.OUTCOME_MARKS.items()
            ],
        ),
        note(text) if (text := _sources(figures)) else "",
    )


def _sources(figures: Figures) -> str:
    """Returns where the judged predictions came from."""
    sources = figures.prediction_sources
    if set(sources) == {None}:
        return ""
    named: list[tuple[PredictionSource | None, str]] = [
        ("service", "from Textract or Rekognition"),
        ("settings", "at the place in the stage's settings"),
        ("search", "found by looking in the usual places of the input"),
        (None, "from before reviews said where a prediction was found"),
    ]
    found = [(sources[source], text) for source, text in named if sources.get(source)]
    if len(found) == 1:
        text = f"Where these predictions come from: all {words.count(found[0][0])} {found[0][1]}."
    else:
        parts = ", ".join(f"{words.count(number)} {where}" for number, where in found)
        text = f"Where the {words.count(sum(sources.values()))} predictions with a result come from: {parts}."
    if sources.get("search"):
        text += (
            " What was found by looking can be something else than a prediction. To be sure, name its place in the "
            "settings, under predictions, or switch the search off there with false."
        )
    return text


def _fields(figures: Figures) -> str:
    judged = [field for field in figures.fields if field.overruled.n and field.field.name != OTHER_FIELDS]
    drawn = sorted(judged[:MAX_FIELDS_DRAWN], key=lambda field: -field.overruled.value)

    def extreme(field: FieldFigures) -> str:
        return (
            f"{words.percent(field.overruled.value)} for {words.legible(field_label(field.field, figures))}"
        )

    # All of them can be counted under OTHER_FIELDS.
    if not drawn:
        return ""
    chart = charts.dot_chart(
        "fields",
        "Overruled predictions by field",
        f"From {extreme(drawn[0])} to {extreme(drawn[-1])}.",
        [(field_label(field.field, figures), field.overruled) for field in drawn],
        colour="warm",
        whole=figures.overruled.value,
        table=_field_table(figures),
    )
    text = (
        "Each dot is the share of a field's predictions that people changed or removed. The line around it is the 95% "
        f"interval. The dashed line is the average of all fields ({words.percent(figures.overruled.value)})."
    )
    if any(field.overruled.small for field in drawn):
        text += (
            f" Hollow dots are not reliable: they say as much as fewer than {SMALL_SAMPLE} independent cases."
        )
    if rest := len(judged) - len(drawn):
        text += (
            f" The chart shows the {len(drawn)} fields with the most predictions; the table has "
            f"{words.count(rest)} more."
        )
    return section(
        "Fields that are overruled most",
        text,
        figure(chart),
        note(
            "There are too many field names to count each one. The names with the most fields are counted; "
            f"{words.count(figures.not_counted_by_name, 'field')} with other names are counted together. Up to "
            f"{words.count(figures.field_counts_low_by, 'field')} of each name in the table can be among them."
        )
        if figures.not_counted_by_name
        else "",
    )


def _field_table(figures: Figures) -> Table:
    rows = [
        (
            *_cells(figures, field.field.name, field.field.flow_definition),
            words.rate(field.overruled),
            words.interval(field.overruled),
            words.count(field.overruled.n),
            words.count(field.changed),
            words.count(field.removed),
            words.count(field.added),
            words.count(field.unresolved),
        )
        for field in figures.fields[:MAX_ROWS]
    ]
    header = (
        *_cells(figures, "Field", "Flow definition"),
        *("Overruled", "95% interval", "Predictions", "Changed", "Removed", "Added", "No majority"),
    )
    rest = len(figures.fields) - MAX_ROWS
    if rest > 0:
        more = f"and {words.count(rest, 'more field')} with fewer predictions"
        rows.append((more, *[""] * (len(header) - 1)))
    return Table(header, rows, text_columns=len(_cells(figures, "", "")))


def _flows(figures: Figures) -> str:
    rows = [
        (
            flow.flow_definition,
            words.rate(flow.overruled),
            words.count(flow.overruled.n),
            words.rate(flow.overruled_reviews),
            words.count(flow.overruled_reviews.n),
            words.count(flow.reviews),
            words.count(flow.prediction_sources.get("search", 0)),
        )
        for flow in figures.flow_definitions
    ]
    header = (
        *(
            "Flow definition",
            "Overruled",
            "Predictions",
            "Reviews with a correction",
            "Reviews compared",
            "Reviews",
        ),
        "Predictions found by looking",
    )
    return section(
        "By flow definition",
        "Overruled: the share of predictions that people changed or removed. Reviews with a correction: the share of "
        "the reviews compared, which are those with a prediction or an added field.",
        table(Table(header, rows)),
    )


def _conditions(figures: Figures) -> str:
    title = "What each activation condition catches"
    if not figures.conditions:
        return section(
            title,
            "These reviews have no activation conditions: the human loops were started for other reasons.",
        )
    # The least useful conditions first; those that cannot be compared last.
    ordered = sorted(
        figures.conditions,
        key=lambda condition: (
            condition.overruled_reviews.value if condition.overruled_reviews.n else 2.0,
            -condition.reviews,
        ),
    )
    rows = [
        (
            *_cells(figures, condition.condition, condition.flow_definition),
            words.rate(condition.overruled_reviews),
            words.count(condition.overruled_reviews.hits),
            words.count(condition.overruled_reviews.n),
            words.rate(condition.alone),
        )
        for condition in ordered[:MAX_ROWS]
    ]
    idle = sum(catches_nothing(condition, figures) for condition in ordered)
    if idle:
        text = (
            f"{words.count(idle)} of {words.count(len(ordered))} conditions found almost no errors in "
            f"{SMALL_SAMPLE} or more reviews."
        )
    else:
        text = "Every condition finds errors, or has too few reviews to judge."
    header = (
        *_cells(figures, "Condition", "Flow definition"),
        *("Share with a correction", "With a correction", "Reviews compared", "Share as the only condition"),
    )
    return section(
        title,
        "An activation condition sends a prediction to people. The table shows how many of these reviews have a "
        f"correction. {text}",
        table(Table(header, rows, text_columns=len(_cells(figures, "", "")))),
    )


def _agreement(figures: Figures) -> str:
    title = "Do people agree with each other?"
    agreement = figures.agreement
    if not agreement.reviews:
        return section(
            title,
            "No field of these reviews has several answers. To measure agreement, assign two or three workers to each "
            "human loop (TaskCount).",
        )
    shared = sorted(
        (field for field in figures.fields if field.agreed.n and field.field.name != OTHER_FIELDS),
        key=lambda field: -field.agreed.n,
    )
    drawn = sorted(shared[:MAX_FIELDS_DRAWN], key=lambda field: field.agreed.value)
    rows = [
        (
            *_cells(figures, field.field.name, field.field.flow_definition),
            words.rate(field.agreed),
            words.interval(field.agreed),
            words.count(field.agreed.n),
        )
        for field in shared[:MAX_ROWS]
    ]
    header = (
        *_cells(figures, "Field", "Flow definition"),
        *("Identical answers", "95% interval", "With several answers"),
    )

    def chart() -> Chart:
        return charts.dot_chart(
            "agreement",
            "Fields with identical answers from all workers",
            f"{words.percent(agreement.unanimous.value)} over all fields.",
            [(field_label(field.field, figures), field.agreed) for field in drawn],
            colour="accent",
            whole=agreement.unanimous.value,
            table=Table(header, rows, text_columns=len(_cells(figures, "", ""))),
        )

    return section(
        title,
        f"{words.count(agreement.reviews)} of {words.count(figures.reviews, 'review')} had two or three answers; the "
        f"others are not included. Of their {words.count(agreement.unanimous.n, 'field')}, "
        f"{words.percent(agreement.unanimous.value)} have identical answers, and "
        f"{words.percent(agreement.unresolved.value)} have no majority. The chart starts with the least "
        "agreement. Where people disagree, the instructions may be unclear, and a model cannot do better.",
        # All of them can be counted under OTHER_FIELDS.
        figure(chart()) if drawn else "",
    )


def _times(figures: Figures) -> str:
    title, times = "How long answers take", figures.times
    if not times.answers:
        return section(title, "These reviews do not include how long the answers took.")
    return section(
        title,
        f"Half of the answers take {words.duration(times.median)} or less, and 90% take "
        f"{words.duration(times.p90)} or less. In total, people spent {words.duration(times.total)}.",
        figure(
            charts.time_chart(figures),
            f"{words.count(times.answers, 'answer')} by time taken. Answers without a time are not included.",
        ),
    )


def _loops(figures: Figures, facts: LoopFacts) -> str:
    codes = ", ".join(f"{words.count(number)} {code}" for code, number in facts.failure_codes.items())
    failed = facts.by_status.get("Failed", 0)
    text = f"{words.count(facts.loops, 'human loop')} in total."
    if failed:
        text += (
            f" {words.count(failed)} failed ({codes}). {words.count(facts.restarted)} "
            f"{'was' if facts.restarted == 1 else 'were'} restarted under a new name. Of "
            f"{words.count(facts.restarts, 'restart')}, {words.count(facts.recovered)} ended with a review."
        )
    if failed or facts.escalated:
        were = "was" if facts.escalated == 1 else "were"
        text += f" {words.count(facts.escalated)} {were} escalated to a person."
    return section(
        "How the human loops ended",
        text,
        figure(
            charts.status_chart(figures, facts),
            legend=[
                (status, number, charts.status_mark(status)) for status, number in facts.by_status.items()
            ],
        ),
    )


def _without_ledger(figures: Figures) -> str:
    stopped = figures.reviews - figures.completed
    return section(
        "How the human loops ended",
        f"{words.count(figures.completed, 'review')} came from completed loops and {words.count(stopped)} from stopped "
        "loops. This report was generated without the stage's ledger, so it does not cover failed loops, restarts and "
        "escalations.",
    )


def _definitions(figures: Figures) -> str:
    mean = figures.agreement.mean
    definitions = (
        ("Review", "The answers to one human loop, one to three, compared with the model's prediction field by "
         "field."),
        ("Overrule rate", "The share of predictions that people changed or removed. It includes predictions for which "
         "people reached a result. It does not include fields that people added, ties, and fields without a "
         "prediction."),
        ("Review with a correction", "A review in which people changed, added or removed at least one field. Shares "
         "are of the compared reviews: those with such a prediction or an added field."),
        ("Wrong", "Changed or removed by people. Whether people were right is not known."),
        ("Model", "What made the predictions of a flow definition. There is one for each flow definition, or one for "
         "each version that the reviews name."),
        ("Confidence", "How sure the model is of one field, from 0 to 100%."),
        ("Threshold", "The confidence below which a prediction goes to people."),
        ("Agreement", "The share of fields in which all answers were identical, in reviews with two or three answers."
         + ("" if math.isnan(mean) else f" (The mean agreement with the majority is {words.percent(mean)}.)")),
        ("Time", "The time from when a worker accepts a task to when they submit it, as A2I measures it. One value "
         "per answer. It does not include answers without a time."),
        ("95% interval", "The range that most likely contains the true value. The cases are reviews, not predictions: "
         "the fields of one document are right or wrong together, so twenty fields of one document say less than "
         "twenty documents."),
        ("(few)", f"The share says as much as fewer than {SMALL_SAMPLE} independent cases would, so it is not "
         "reliable."),
        ("Scope", "Unless it says “all predictions”, a figure is about predictions that went to people, which are "
         "mostly the uncertain ones."),
    )  # fmt: skip
    items = "".join(
        f"<div><dt>{prose(word)}</dt><dd>{prose(meaning)}</dd></div>" for word, meaning in definitions
    )
    return f'<section class="last">\n<h2>Definitions</h2>\n<dl class="words">{items}</dl>\n</section>'


def _foot(figures: Figures, origin: Origin) -> str:
    ledger = f" and the ledger {name(origin.ledger)}" if origin.ledger else ""
    return (
        f"<footer>\n<p>Generated by Afterloop on {words.day(origin.made_at.date(), year=True)} at "
        f"{origin.made_at:%H:%M} UTC from {words.count(figures.reviews, 'stored review')} in "
        f"{name(origin.location)}{ledger}. Days are in UTC and are the days on which the human loops were created."
        "</p>\n</footer>"
    )


def _cells(figures: Figures, first: str, flow_definition: str) -> tuple[str, ...]:
    """Returns the first cells of a row. The flow definition is included only if there are several."""
    return (first, flow_definition) if len(figures.flow_definitions) > 1 else (first,)
