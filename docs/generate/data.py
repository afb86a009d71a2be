"""What an execution carries, what is stored of a review, and what the ledger has of a human loop."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from docs.generate import sample
from docs.generate.markdown import code, fenced, table
from docs.generate.reading import attribute_docs, first_paragraph, plain_type, words_of
from lambdas.loops.ledger import Loop, LoopStatus
from lambdas.loops.ledger import Outcome as LoopOutcome
from lambdas.reviews import record
from lambdas.reviews.comparison.elements import element_of_kind
from lambdas.reviews.record import (
    AnswerRecord,
    FieldRecord,
    Kind,
    ReviewRecord,
    Vote,
    WorkerField,
    hive_columns,
)
from lambdas.reviews.summary import ReviewSummary

__all__ = ["ADDED", "ledger", "review_record", "state"]

ADDED = {
    "claim": "Which status change this is (`id`), and what the ledger knew of the loop when it was claimed (`loop`).",
    "review": "The figures of the review, and where it is. Never a word of the document.",
    "decision": "Restart or escalate, when and where, and why; with the lineage so far.",
    "restart": "The next attempt: `humanLoopName`, `humanLoopArn`, `needed`, `already`, `status`.",
    "failure": "Of a step that failed: `step`, `error`, `reason`.",
    "answer": "How many waiting workflows were told (`delivered`), and how many had ended before (`ended`).",
}
"""What steps add to the state, by key."""

STATES = {
    "Route by status": "One branch for each status.",
    "Escalate": "Calls a person: a step failed, and its retries did not mend it.",
    "Failed": "The red end: it alarms, and can be run again.",
    "Handled": "The end, when all is done.",
    "Escalate failed loop": "Calls a person: the loop is not started again by itself.",
    "Notify stopped": "Tells whoever wants to know.",
    "Escalate unclaimed event": "Calls a person: the event does not say which status change it is, or the ledger"
    " refused the claim.",
    "Not taken": "The red end of an event that could not be claimed.",
}
"""States that have no comment of their own."""


def state(definition: Mapping[str, Any]) -> str:
    """The page about what an execution carries.

    Args:
        definition: The machine in Amazon States Language.
    """
    event, review = sample.event(), sample.summary()
    return "\n\n".join(
        [
            "# The state",
            "The input of an execution is the status change, untouched. Each step adds its result beside it. So a"
            " post-review step sees the event at `$.detail`, and what was added at `$.claim`, `$.review` and so on.",
            "## The event\n\n" + fenced(event),
            "`failureCode` and `failureReason` are null unless the loop failed. `humanLoopOutput` can be null, missing"
            " or empty unless it is Completed. Real events may lack `account`, `resources`, `humanLoopArn` and"
            " `flowDefinitionArn`.",
            "## What is added\n\n" + table(["Key", "By", "What it is"], _additions(definition)),
            "`$.claim.loop` has the [ledger](ledger.md)'s attributes of the loop that are texts, numbers or flags.",
            "## `$.review`\n\nAfter **Collect review**, and after **Keep answers** for a stopped loop:",
            fenced(review),
            table(["Key", "What it is"], _summary()),
            "## The states\n\n" + table(["State", "Type", "Why it is there"], _states(definition)),
        ]
    )


def review_record() -> str:
    """The page about what is stored of a review."""
    made = sample.record()
    parts = [
        "# The review record",
        "One JSON object a review, on one line, in the review bucket. Storing it twice stores the same bytes under the"
        " same key. For Athena it is one row of the table `reviews`; see"
        " [how to query reviews](../how-to/query-reviews.md).",
        f"The key: {code(made.key)}",
        fenced(made.model_dump(mode="json")),
    ]
    for title, model in (
        ("The review", ReviewRecord),
        ("An answer: `answers[]`", AnswerRecord),
        ("A field: `fields[]`", FieldRecord),
        ("A vote: `fields[].votes[]`", Vote),
        ("What one worker did with a field: `fields[].per_worker[]`", WorkerField),
    ):
        parts.append(f"## {title}\n\n{table(['Key', 'Type in Athena', 'What it is'], _columns(model))}")
    parts.append(
        "## Outcomes of a field\n\n"
        + table(
            ["Outcome", "Meaning"],
            ((code(word), meaning) for word, meaning in words_of(record, "Outcome").items()),
        )
    )
    parts.append(
        "## Kinds of fields\n\nThe fields of a custom task, by the crowd element that makes them:\n\n"
        + table(["Kind", "Made by"], ((code(kind), _element(kind)) for kind in get_args(Kind)))
    )
    parts.append(
        "A form's value that is one check box and nothing else is a `selection`: true or false. In any other value of a"
        " form each box stands as Textract writes its status, where it is among the words:"
        " `SELECTED Yes NOT_SELECTED No`."
    )
    return "\n\n".join(parts)


def ledger(template: Mapping[str, Any]) -> str:
    """The page about the ledger's items.

    Args:
        template: The CloudFormation template.
    """
    keys = template["Resources"]["LedgerTable"]["Properties"]["GlobalSecondaryIndexes"]
    indexes = (
        (code(index["IndexName"]), ", ".join(code(key["AttributeName"]) for key in index["KeySchema"]))
        for index in keys
    )
    docs = attribute_docs(Loop)
    rows = (
        (code(to_camel(name)), _kind(field.annotation), _values(name) + docs.get(name, ""))
        for name, field in Loop.model_fields.items()
        if name != "claims"
    )
    return "\n\n".join(
        [
            "# The ledger",
            "A DynamoDB table with one item a human loop. The state machine writes claims and outcomes, the functions"
            " write starts and restarts; `python deploy.py loops` reads it. All attributes but the key are optional."
            " Times are ISO 8601 in UTC.",
            table(["Attribute", "Type", "What it is"], rows),
            "## Claims",
            "One map attribute for each status change that was claimed, `claim <creationTime> <status>`:",
            table(
                ["Key", "What it is"],
                (
                    ("`state`", "`working`: an execution is at it. `done`: the outcome is recorded. `released`: given"
                     " back after a failure; it can be taken again."),
                    ("`execution`", "ARN of the execution that holds it, or held it."),
                    ("`at`", "When it was taken."),
                ),
            ),
            "A claim is taken by a conditional write: unless there is none, it was released, or it is the execution's"
            " own, the execution ends in **Already handled**.",
            "## Indexes\n\n" + table(["Index", "Keys"], indexes),
            "## Tokens",
            "Task tokens of workflows that wait lie in items of their own, `tokens <humanLoopName>`: whoever holds a"
            " token can answer in the people's name, so no list and no message carries one.",
        ]
    )  # fmt: skip


def _summary() -> Iterator[tuple[str, str]]:
    docs = attribute_docs(ReviewSummary)
    for name, field in ReviewSummary.model_fields.items():
        yield code(str(field.alias)), docs.get(name, "")


def _values(attribute: str) -> str:
    """The words that an attribute of a row has; nothing for one that may hold any text."""
    if attribute == "review":
        return f"{', '.join(map(code, ReviewSummary.ledger_figures()))}. "
    words = {"status": LoopStatus, "outcome": LoopOutcome}.get(attribute)
    return f"{', '.join(get_args(words))}. " if words else ""


def _additions(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    by: dict[str, list[str]] = {"claim": ["Claim status change"]}
    for name, one in definition["States"].items():
        for key in re.findall(r"\$merge\(\[\$states\.input, \{'(\w+)'", str(one.get("Output", ""))):
            if name not in (names := by.setdefault(key, [])):
                names.append(name)
    for key, names in by.items():
        yield code(f"$.{key}"), ", ".join(f"**{name}**" for name in names), ADDED.get(key, "")


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, one in definition["States"].items():
        comment = one.get("Comment") or STATES.get(name, "")
        yield f"**{name}**", one["Type"], comment.replace("${Stage}", "STAGE")


def _columns(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    docs = attribute_docs(model)
    for name, kind in hive_columns(model).items():
        nested = re.sub(r"<.*>", "<struct>" if "struct" in kind else r"\g<0>", kind)
        yield code(name), code(nested), docs.get(name, "").replace("None", "null")


def _element(kind: Kind) -> str:
    module = sys.modules[element_of_kind(kind).__module__]
    return first_paragraph(inspect.getdoc(module) or "")


def _kind(annotation: Any) -> str:
    plain = plain_type(annotation)
    if get_origin(plain) is Literal:
        return "text"
    return {str: "text", int: "number", bool: "flag"}.get(plain, "map")
