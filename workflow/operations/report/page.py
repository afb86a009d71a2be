"""The page: one HTML file that needs nothing else, readable by someone who was told nothing.

It has no script, loads nothing (its Content-Security-Policy forbids it), and shows text from outside as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from workflow.operations.report import charts, words
from workflow.operations.report.charts import Chart, Table
from workflow.operations.report.findings import (
    Headline,
    catches_nothing,
    field_label,
    findings,
    headline,
)
from workflow.operations.report.loop_facts import LoopFacts
from workflow.operations.report.statistics import (
    OTHER_FIELDS,
    SMALL_SAMPLE,
    Figures,
    MalformedReview,
    Share,
)

__all__ = ["Origin", "render_page"]

FIELDS_DRAWN = 16
FIELDS_LISTED = 200
MALFORMED_LISTED = 20
MANY_COLUMNS = 7
LONG_NAME = 40
TABLE_THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)

_CSS = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Origin:
    """Where the figures come from.

    Attributes:
        location: address of the reviews.
        flow_definition: the one that was asked for; None for all.
        made_at: when the report was made.
        ledger: name of the ledger that the loops were counted in; None if it was not looked at.
    """

    location: str
    flow_definition: str | None
    made_at: datetime
    ledger: str | None = None


def render_page(figures: Figures, facts: LoopFacts | None, origin: Origin) -> str:
    """The whole HTML document.

    Args:
        figures: of the reviews.
        facts: of the human loops; None if the ledger was not looked at.
        origin: where both come from.
    """
    main = headline(figures)
    body = [_top(figures, origin, main), "<main>", _malformed(figures.malformed)]
    if figures.reviews == 0:
        body.append(_nothing(figures, facts, origin))
    else:
        body += [_key_figures(figures, facts), _findings(figures, facts), *_sections(figures, facts)]
    if facts is not None and facts.loops:
        body.append(_loops(figures, facts))
    if figures.reviews:
        body.append(_definitions(figures))
    body += ["</main>", _foot(figures, origin)]
    # A style closes at `</style`, whatever is around it; there is nothing from outside in this one.
    css = _CSS.read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{_prose(f'{main} ({words.period(figures.period)})')}</title>\n"
        f"<style>\n{css}</style>\n</head>\n<body>\n" + "\n".join(part for part in body if part) + "\n"
        "</body>\n</html>\n"
    )


# ------------------------------------------------------------------------------------------------ first screen


def _top(figures: Figures, origin: Origin, main: Headline) -> str:
    about = origin.flow_definition or _all_flows(figures)
    number = f'<p class="figure">{_prose(main.number)}</p>' if main.number else ""
    meaning = f'<p class="meaning">{_prose(main.meaning)}</p>' if main.meaning else ""
    return (
        f'<header class="top">\n<h1>Human reviews of {_name(about)}</h1>\n'
        f'<p class="about">{words.period(figures.period)}</p>\n'
        f'<div class="lead">\n{number}<p class="sentence">{_prose(main.sentence)}</p>\n{meaning}</div>\n</header>'
    )


def _all_flows(figures: Figures) -> str:
    flows = figures.flow_definitions
    return flows[0].flow_definition if len(flows) == 1 else "all flow definitions"


def _malformed(malformed: Sequence[MalformedReview]) -> str:
    if not malformed:
        return ""
    listed = "".join(
        f"<li>{_name(one.location)}<br>{_name(one.problem)}</li>" for one in malformed[:MALFORMED_LISTED]
    )
    more = len(malformed) - MALFORMED_LISTED
    return (
        '<div class="notice">\n<p><strong>'
        f"{words.count(len(malformed), 'stored object')} could not be read as a review</strong> and "
        f"{'is' if len(malformed) == 1 else 'are'} in none of the figures below.</p>\n<ul>{listed}"
        + (f"<li>and {words.count(more)} more</li>" if more > 0 else "")
        + "</ul>\n</div>"
    )


def _nothing(figures: Figures, facts: LoopFacts | None, origin: Origin) -> str:
    where = f" of <strong>{_name(origin.flow_definition)}</strong>" if origin.flow_definition else ""
    loops = (
        f"<p>The ledger knows of {words.count(facts.loops, 'human loop')} from these days; they are below.</p>"
        if facts is not None and facts.loops
        else ""
    )
    return (
        f'<section class="close">\n<h2>What to do</h2>\n{loops}'
        f"<p>No review{where} is stored for human loops that were created from {words.period(figures.period)}. "
        "Any of these may be why:</p>\n<ul>\n"
        "<li>The days are others. Days are in UTC, by when a loop was created, not when it was answered: try "
        "<code>--from</code> and <code>--to</code>.</li>\n"
        "<li>The flow definition has another name, or belongs to another stage: try <code>--flow-definition</code> "
        "and <code>--stage</code>.</li>\n"
        "<li>People have not answered yet, or the loops ended otherwise: look at them with "
        "<code>python deploy.py loops list</code>.</li>\n"
        "</ul>\n</section>"
    )


def _key_figures(figures: Figures, facts: LoopFacts | None) -> str:
    agreement, times = figures.agreement, figures.times
    known: list[tuple[str, str]] = [
        (words.count(figures.reviews), "review" if figures.reviews == 1 else "reviews")
    ]
    if figures.overruled_reviews.n:
        known.append((words.percent(figures.overruled_reviews.value), "of reviews had something to correct"))
    if times.answers:
        known.append((words.duration(times.median), "or less, for half of the answers"))
    if agreement.unanimous.n:
        known.append((words.percent(agreement.unanimous.value), "of fields answered the same by all"))
    if facts is not None and facts.loops:
        failed = facts.by_status.get("Failed", 0)
        known.append((words.count(failed), "human loop failed" if failed == 1 else "human loops failed"))
        known.append((words.count(facts.escalated), "escalated to a person"))
    items = "".join(
        f"<div><dt>{_prose(label)}</dt><dd>{_prose(number)}</dd></div>" for number, label in known
    )
    return f'<dl class="facts">{items}</dl>'


def _findings(figures: Figures, facts: LoopFacts | None) -> str:
    found = findings(figures, facts)
    if not found:
        return ""
    items = "".join(
        f'<li><p class="point">{_prose(finding.point)}</p><p>{_prose(finding.because)}</p></li>\n'
        for finding in found
    )
    return (
        f'<section class="close">\n<h2>What this means</h2>\n<ol class="findings">\n{items}</ol>\n</section>'
    )


# ---------------------------------------------------------------------------------------------------- in detail


def _sections(figures: Figures, facts: LoopFacts | None) -> Iterable[str]:
    if figures.overruled.n:
        yield _overruled(figures)
        yield _fields(figures)
    if len(figures.flow_definitions) > 1:
        yield _flows(figures)
    if figures.overruled.n:
        yield _calibration(figures)
        yield _thresholds(figures)
    yield _conditions(figures)
    yield _agreement(figures)
    yield _times(figures)
    if facts is None:
        yield _without_ledger(figures)


def _overruled(figures: Figures) -> str:
    added = figures.outcomes.get("added", 0)
    return _section(
        "What people did with the predictions",
        "Kept: they left it as it was. Changed: they gave another value. Removed: they took it away. Unresolved: "
        "several people, no majority; these count neither way."
        + (
            f" Beyond that, people added {words.count(added, 'field')} that the model had missed."
            if added
            else ""
        ),
        _figure(
            charts.outcome_chart(figures),
            legend=[
                (outcome, figures.outcomes.get(outcome, 0), colour)
                for outcome, colour in charts.OUTCOME_COLOURS.items()
            ],
        ),
        _figure(
            charts.trend_chart(figures),
            "Above: the share of predictions that people changed or removed, with its 95% interval (shaded) and "
            f"the average of the whole period (dashed). Below: how many reviews. By {figures.granularity} of the "
            "human loop's creation.",
        ),
    )


def _fields(figures: Figures) -> str:
    judged = [field for field in figures.fields if field.overruled.n and field.field.name != OTHER_FIELDS]
    drawn = sorted(judged[:FIELDS_DRAWN], key=lambda field: -field.overruled.value)
    worst = drawn[0]
    title = "Predictions that people overruled, by field"
    rest = len(judged) - len(drawn)
    chart = charts.dot_chart(
        "fields",
        title,
        f"From {words.percent(worst.overruled.value)} for {words.legible(field_label(worst.field, figures))} to "
        f"{words.percent(drawn[-1].overruled.value)} for "
        f"{words.legible(field_label(drawn[-1].field, figures))}.",
        [(field_label(field.field, figures), field.overruled) for field in drawn],
        colour="warm",
        whole=figures.overruled.value,
        table=_field_table(figures),
    )
    return _section(
        "Which fields are overruled most",
        "Each dot is the share of a field's predictions that people changed or removed; the line around it is "
        f"the 95% interval. The dashed line is all fields together ({words.percent(figures.overruled.value)})."
        + (
            f" Hollow dots rest on fewer than {SMALL_SAMPLE} predictions: do not read much into them."
            if any(field.overruled.small for field in drawn)
            else ""
        )
        + (f" The {len(drawn)} fields with most predictions are drawn; {words.count(rest)} more are in the table."
           if rest > 0 else ""),
        _figure(chart),
        _note(
            f"There are too many names to count each on its own: {words.count(figures.uncounted_names, 'field')} "
            "with rarer names are counted together."
        )
        if figures.uncounted_names
        else "",
    )  # fmt: skip


def _field_table(figures: Figures) -> Table:
    rows = [
        (
            *_cells(figures, field.field.name, field.field.flow_definition),
            words.percent(field.overruled.value) + _few(field.overruled),
            words.interval(field.overruled),
            words.count(field.overruled.n),
            words.count(field.changed),
            words.count(field.removed),
            words.count(field.added),
            words.count(field.unresolved),
        )
        for field in figures.fields[:FIELDS_LISTED]
    ]
    header = (
        *_cells(figures, "Field", "Flow definition"),
        *("Overruled", "95% interval", "Predictions", "Changed", "Removed", "Added by people", "No majority"),
    )
    rest = len(figures.fields) - FIELDS_LISTED
    if rest > 0:
        more = f"and {words.count(rest, 'more field')} with fewer predictions"
        rows.append((more, *[""] * (len(header) - 1)))
    return Table(header, rows, text_columns=len(_cells(figures, "", "")))


def _flows(figures: Figures) -> str:
    rows = [
        (
            flow.flow_definition,
            words.percent(flow.overruled.value) + _few(flow.overruled),
            words.count(flow.overruled.n),
            words.percent(flow.overruled_reviews.value) + _few(flow.overruled_reviews),
            words.count(flow.reviews),
        )
        for flow in figures.flow_definitions
    ]
    header = ("Flow definition", "Overruled", "of predictions", "With a correction", "of reviews")
    return _section("By flow definition", "", _table(Table(header, rows)))


def _calibration(figures: Figures) -> str:
    title = "Can the model's confidence be trusted?"
    unknown = figures.without_confidence
    if unknown == figures.overruled.n:
        return _section(title, "The model's confidence is not in any of these reviews, so nobody can tell.")
    return _section(
        title,
        "When a model says it is 80% sure, people should agree with it 80% of the time: then its dot lies on the "
        "dashed line. Below the line it is surer than it is right."
        + (" Hollow dots rest on few predictions." if any(b.kept.n and b.kept.small for b in figures.bands) else ""),
        _figure(charts.calibration_chart(figures)),
        _note(f"{words.count(unknown, 'prediction')} came without a confidence and are not in it.")
        if unknown
        else "",
    )  # fmt: skip


def _thresholds(figures: Figures) -> str:
    if not figures.thresholds[-1].reviews.n:
        return ""
    rows = [
        (
            words.percent(figure.threshold, 0),
            f"{words.count(figure.reviews.hits)} ({words.percent(figure.reviews.value, 0)})",
            f"{words.count(figure.let_through)} ({words.percent(figure.errors_let_through.value, 0)})",
            words.count(figure.caught),
            words.count(figure.checked),
            words.percent(figure.error_rate_of_passed.value),
        )
        for figure in figures.thresholds
        if any(math.isclose(figure.threshold, threshold) for threshold in TABLE_THRESHOLDS)
    ]
    table = Table(
        (
            "Threshold",
            "Reviews needed",
            "Errors let through",
            "Errors caught",
            "Predictions checked",
            "Wrong among those not checked",
        ),
        rows,
        text_columns=0,
    )
    return _section(
        "What if the confidence threshold were another?",
        "Suppose only predictions below a threshold had gone to people. A higher threshold means more work and "
        "fewer errors that nobody sees.",
        _figure(charts.threshold_chart(figures, table), table_open=True),
        _note(
            "A caution: only predictions that did reach people can be counted here. What today's conditions let "
            "pass was never checked, so above today's threshold there are more predictions, and more errors, than "
            "this table knows. It is reliable for lowering a threshold, and a lower bound for raising one; reviews of "
            "a random sample (A2I's Sampling condition) close the gap. Fields that the model missed "
            "altogether have no confidence, and no threshold catches them."
        ),
    )


def _conditions(figures: Figures) -> str:
    title = "What each activation condition catches"
    if not figures.conditions:
        return _section(
            title,
            "No activation condition is recorded in these reviews: the loops were started for other reasons.",
        )
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
            words.percent(condition.overruled_reviews.value) + _few(condition.overruled_reviews),
            words.count(condition.overruled_reviews.hits),
            words.count(condition.reviews),
            words.percent(condition.alone.value) + _few(condition.alone),
        )
        for condition in ordered[:FIELDS_LISTED]
    ]
    idle = sum(catches_nothing(condition) for condition in ordered)
    if idle:
        said = (
            f"{words.count(idle)} of {words.count(len(ordered))} {'has' if idle == 1 else 'have'} found next to "
            f"nothing in {SMALL_SAMPLE} reviews or more: people's time spent without an error found."
        )
    else:
        said = "Each of them finds something, or has sent too few to tell."
    header = (
        *_cells(figures, "Condition", "Flow definition"),
        *("Share with a correction", "With a correction", "Reviews", "Share where it was the only one"),
    )
    return _section(
        title,
        f"A condition sends a prediction to people. Of the reviews it sent, how many had something to correct? {said}",
        _table(Table(header, rows, text_columns=len(_cells(figures, "", "")))),
    )


def _agreement(figures: Figures) -> str:
    title = "Do people agree with each other?"
    agreement = figures.agreement
    if not agreement.reviews:
        return _section(
            title,
            "Each of these reviews has one answer, so this cannot be told. Two or three workers per human loop "
            "(TaskCount) would show it.",
        )
    shared = sorted(
        (field for field in figures.fields if field.agreed.n and field.field.name != OTHER_FIELDS),
        key=lambda field: -field.agreed.n,
    )
    drawn = sorted(shared[:FIELDS_DRAWN], key=lambda field: field.agreed.value)
    chart = charts.dot_chart(
        "agreement",
        "Fields in which all workers gave the same answer",
        f"{words.percent(agreement.unanimous.value)} over all fields.",
        [(field_label(field.field, figures), field.agreed) for field in drawn],
        colour="accent",
        whole=agreement.unanimous.value,
        table=Table(
            (
                *_cells(figures, "Field", "Flow definition"),
                *("All the same", "95% interval", "With several answers"),
            ),
            [
                (
                    *_cells(figures, field.field.name, field.field.flow_definition),
                    words.percent(field.agreed.value) + _few(field.agreed),
                    words.interval(field.agreed),
                    words.count(field.agreed.n),
                )
                for field in shared[:FIELDS_LISTED]
            ],
            text_columns=len(_cells(figures, "", "")),
        ),
    )
    return _section(
        title,
        f"{words.count(agreement.reviews, 'review')} had two or three answers. In "
        f"{words.percent(agreement.unanimous.value)} of their fields all answers were the same; in "
        f"{words.percent(agreement.unresolved.value)} there was no majority. Least "
        "agreement first: where people differ, the instructions may be unclear, and no model can do better than "
        "they do.",
        _figure(chart),
    )


def _times(figures: Figures) -> str:
    times = figures.times
    if not times.answers:
        return _section("How long it takes", "None of these answers tells how long it took.")
    return _section(
        "How long it takes",
        f"Half of the answers take no longer than {words.duration(times.median)}, nine of ten no longer than "
        f"{words.duration(times.p90)}. All together people spent {words.duration(times.total)} on them.",
        _figure(
            charts.time_chart(figures), f"{words.count(times.answers, 'answer')}, by how long each took."
        ),
    )


def _loops(figures: Figures, facts: LoopFacts) -> str:
    codes = ", ".join(f"{words.count(number)} {code}" for code, number in facts.failure_codes.items())
    failed = facts.by_status.get("Failed", 0)
    said = f"{words.count(facts.loops, 'human loop')} in all."
    if failed:
        said += (
            f" {words.count(failed)} failed ({codes}). {words.count(facts.restarted)} "
            f"{'was' if facts.restarted == 1 else 'were'} started anew under another name; of "
            f"{words.count(facts.restarts, 'restart')}, {words.count(facts.recovered)} ended in a review. "
            f"{words.count(facts.escalated)} had to be decided by a person."
        )
    elif facts.escalated:
        said += f" {words.count(facts.escalated)} had to be decided by a person."
    return _section(
        "What became of the human loops",
        said,
        _figure(
            charts.status_chart(figures, facts),
            legend=[
                (status, number, charts.STATUS_COLOURS.get(status, "muted"))
                for status, number in facts.by_status.items()
            ],
        ),
    )


def _without_ledger(figures: Figures) -> str:
    stopped = figures.reviews - figures.completed
    return _section(
        "What became of the human loops",
        f"Of these reviews, {words.count(figures.completed)} came from loops that were completed, "
        f"{words.count(stopped)} from loops that were stopped. Failed loops, restarts and escalations are in "
        "the stage's ledger, which this report was made without.",
    )


def _definitions(figures: Figures) -> str:
    defined = (
        ("Review", "What people said to one human loop: one to three answers, compared with the model's prediction "
         "field by field."),
        ("Overrule rate", "Of the predictions on which people came to a result, those that they changed or "
         "removed. Fields that people added, ties between people, and fields without a prediction are not in it."),
        ("Review with something to correct", "A review in which people changed, added or removed at least one "
         "field, of all reviews with something to compare."),
        ("Confidence", "How sure the model said it was of one field, from 0 to 100%."),
        ("Calibration", "How far confidence and the share of predictions that people kept lie apart: in ten bands "
         "of confidence, the mean distance, weighted by how many predictions are in each."),
        ("Agreement", "Only reviews with two or three answers: the share of their fields in which all answers were "
         f"the same. (The mean agreement with the majority is {words.percent(figures.agreement.mean)}.)"),
        ("Time", "What A2I counts from when a worker takes a task to when they submit it, one value per answer."),
        ("95% interval", "Where the true share most likely lies, given how many cases there are (Wilson's "
         f"interval). Shares of fewer than {SMALL_SAMPLE} cases are marked (few)."),
        ("Whose predictions", "All figures are on predictions that were sent to people, which are mostly the "
         "doubtful ones. They are not the accuracy of the model over everything it saw."),
    )  # fmt: skip
    items = "".join(f"<dt>{_prose(word)}</dt><dd>{_prose(meaning)}</dd>" for word, meaning in defined)
    return f'<section>\n<h2>How to read these figures</h2>\n<dl class="words">{items}</dl>\n</section>'


def _foot(figures: Figures, origin: Origin) -> str:
    ledger = f" and ledger {_name(origin.ledger)}" if origin.ledger else ""
    return (
        f"<footer>\n<p>Made by Afterloop on {words.day(origin.made_at.date(), year=True)} at "
        f"{origin.made_at:%H:%M} UTC from {words.count(figures.reviews, 'stored review')} at "
        f"{_name(origin.location)}{ledger}. Days are in UTC, by the creation of the human loop.</p>\n</footer>"
    )


# -------------------------------------------------------------------------------------------------------- parts


def _section(title: str, said: str, *parts: str) -> str:
    said = f"<p>{_prose(said)}</p>\n" if said else ""
    return (
        f"<section>\n<h2>{_prose(title)}</h2>\n{said}"
        + "\n".join(part for part in parts if part)
        + "\n</section>"
    )


def _figure(
    chart: Chart,
    caption: str = "",
    *,
    legend: Sequence[tuple[str, int, str]] = (),
    table_open: bool = False,
) -> str:
    """A chart with what belongs to it; a legend is names, numbers and colours."""
    total = sum(number for _, number, _ in legend)
    keys = "".join(
        f'<span class="key"><i style="background: var(--{colour})"></i>{_name(name)} '
        f"{words.count(number)} ({words.percent(number / total)})</span> "
        for name, number, colour in legend
    )
    table = _table(chart.table)
    return (
        f'<figure id="{chart.id}">{chart.wide}{chart.narrow}'
        + (f'<p class="legend">{keys}</p>' if keys else "")
        + (f"<figcaption>{_prose(caption)}</figcaption>" if caption else "")
        + "</figure>\n"
        + (table if table_open else f"<details><summary>The numbers</summary>{table}</details>")
    )


def _note(text: str) -> str:
    return f'<p class="small">{_prose(text)}</p>'


def _table(table: Table) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        names, numbers = row[: table.text_columns], row[table.text_columns :]
        return "".join(
            [f'<{tag} class="t">{_breakable(cell)}</{tag}>' for cell in names]
            + [f"<{tag}>{_unbroken(cell)}</{tag}>" for cell in numbers]
        )

    rows = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in table.rows)
    names = [name for row in table.rows for name in row[: table.text_columns]]
    shape = {"many": len(table.header) > MANY_COLUMNS, "long": any(len(name) > LONG_NAME for name in names)}
    classes = " ".join(name for name, holds in shape.items() if holds)
    attributes = f' class="{classes}"' if classes else ""
    return (
        f'<div class="scroll" tabindex="0"><table{attributes}>\n'
        f"<thead><tr>{cells('th', table.header)}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _cells(figures: Figures, name: str, flow_definition: str) -> tuple[str, ...]:
    """The first cells of a row: the flow definition only where there are several."""
    return (name, flow_definition) if len(figures.flow_definitions) > 1 else (name,)


def _few(share: Share) -> str:
    return " (few)" if share.small and share.n else ""


def _breakable(text: str) -> str:
    """A name in a table. Many are long words, `ImportantFormKeyConfidenceCheck(…)`: these may break where a part
    of them ends."""
    return "<wbr>".join(_name(part) for part in re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[(/_=,.])(?=\w)", text))


def _unbroken(text: str) -> str:
    """A figure in a table: an interval may break after its "to" only."""
    return _name(re.sub(r" to (?=\d)", "\N{NO-BREAK SPACE}to ", text))


def _prose(text: str) -> str:
    """A sentence of ours as HTML, names from outside in it included."""
    return _name(text).replace("&#x27;", "\N{RIGHT SINGLE QUOTATION MARK}")


def _name(text: str) -> str:
    """Text that may come from outside, as HTML that shows it and does nothing else."""
    return escape(words.legible(text))
