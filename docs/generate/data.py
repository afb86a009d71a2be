"""The pages about data: the state of an execution, the review record, and the ledger."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from docs.generate.markdown import code, fenced, table
from docs.generate.reading import attribute_docs, first_paragraph, words_of
from docs.generate.schema import type_of, without_null
from lambdas.loops.ledger import MAX_OPERATOR_ACTIONS
from lambdas.loops.loop import ClaimedIn, Loop, LoopStatus, OperatorAction
from lambdas.loops.loop import Outcome as LoopOutcome
from lambdas.reviews import record
from lambdas.reviews.comparison.elements import element_of_kind
from lambdas.reviews.record import (
    AnswerRecord,
    FieldRecord,
    Kind,
    MadeBy,
    ReviewRecord,
    Segment,
    Vote,
    WorkerField,
    hive_columns,
)
from lambdas.reviews.summary import ReviewSummary
from workflow.operations import sample
from workflow.operations.redriving import MAX_EXECUTIONS

__all__ = ["ADDED", "ledger", "review_record", "state"]

ADDED = {
    "claim": "The id of the status change (`id`), and the ledger's item of the loop when it was claimed (`loop`).",
    "review": "The figures and the location of the review. It contains no text of the document.",
    "decision": "Whether to restart or escalate, why, and the lineage; the wait and the flow definition of a restart.",
    "restart": "The next attempt: `humanLoopName`, `humanLoopArn`, `needed`, `already`, `status`.",
    "failure": "The failed step: `step`, `error`, `reason`.",
    "answer": "How many waiting workflows got the answer (`delivered`), and how many had already ended (`ended`).",
}
"""Key of the state → what a step adds there."""


def state(definition: Mapping[str, Any]) -> str:
    """Returns the page about the state of an execution.

    Args:
        definition: The state machine in Amazon States Language.
    """
    event, review = sample.event(), sample.summary()
    return "\n\n".join(
        [
            "# The state",
            "The input of an execution is the event of the status change, unmodified. Each step adds its result under"
            " its own key. A post-review step finds the event at `$.detail`, and the additions at `$.claim`, `$.review`"
            " and so on.",
            "## The event\n\n" + fenced(event),
            "`failureCode` and `failureReason` are null unless the loop failed. `humanLoopOutput` can be null, missing"
            " or empty unless the status is Completed. Some real events have no `account`, `resources`, `humanLoopArn`"
            " or `flowDefinitionArn`.",
            "## What steps add\n\n" + table(["Key", "Added by", "Description"], _additions(definition)),
            "`$.claim.loop` has the strings, numbers and booleans of the loop's item in the [ledger](ledger.md).",
            "## `$.review`\n\nAfter **Collect review**, and after **Keep answers** for a stopped loop:",
            fenced(review),
            table(["Key", "Description"], _summary()),
            "## The states\n\n" + table(["State", "Type", "Description"], _states(definition)),
        ]
    )


def review_record() -> str:
    """Returns the page about the stored review."""
    made = sample.record()
    parts = [
        "# The review record",
        "Each review is one JSON object on one line, in an object of the review bucket. With the same code and"
        " settings, storing a review twice writes the same bytes to the same key. In Athena, it is a row of the table"
        " `reviews`; see"
        " [Query reviews](../how-to/query-reviews.md).",
        f"The key is {code(made.key)}.",
        fenced(made.model_dump(mode="json")),
    ]
    for title, model in (
        ("The review", ReviewRecord),
        ("Answers: `answers[]`", AnswerRecord),
        ("Fields: `fields[]`", FieldRecord),
        ("Votes: `fields[].votes[]`", Vote),
        ("Each worker's value of a field: `fields[].per_worker[]`", WorkerField),
        ("What made the record: `made_by`", MadeBy),
        ("Segments: `segments[]`", Segment),
    ):
        parts.append(f"## {title}\n\n{table(['Key', 'Type in Athena', 'Description'], _columns(model))}")
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
        "In a form, a value that is a single check box is a `selection`: true or false. In any other value, each check"
        " box appears between the words with its status in Textract: `SELECTED Yes NOT_SELECTED No`."
    )
    parts.append(
        "The value of a `segmentation` has `labels` (the label of each color), `digest` (the first 16 hexadecimal"
        " digits of the SHA-256 of the image in Base64) and, if the answer says so, `modified`. The image itself is in"
        " `content` of the answer. A `choice` of which a worker checked several, although the settings say that it is"
        " one, is a list. For all elements, see [Crowd elements](elements.md)."
    )
    changes = (inspect.getdoc(record) or "").partition("How the record may change:\n\n")[2]
    parts.append(
        "## How the record may change\n\n"
        + changes.rpartition("\n\n")[0]
        + "\n\nSo a program of yours can read the records of later versions, if it ignores unknown keys and looks at"
        " `schema_version`."
    )
    return "\n\n".join(parts)


def ledger(template: Mapping[str, Any]) -> str:
    """Returns the page about the ledger.

    Args:
        template: The CloudFormation template.
    """
    keys = template["Resources"]["LedgerTable"]["Properties"]["GlobalSecondaryIndexes"]
    indexes = (
        (code(index["IndexName"]), ", ".join(code(key["AttributeName"]) for key in index["KeySchema"]))
        for index in keys
    )
    docs, schemas = attribute_docs(Loop), Loop.model_json_schema()["properties"]
    rows = (
        (code(key), type_of(without_null(schema), str), _values(key) + docs.get(name, ""))
        for name, (key, schema) in zip(Loop.model_fields, schemas.items(), strict=True)
        if name not in ("claims", "executions", "operator_actions")
    )
    return "\n\n".join(
        [
            "# The ledger",
            "The ledger is a DynamoDB table with one item for each human loop. The state machine writes claims and"
            " outcomes, the functions write starts and restarts, and `python deploy.py loops` reads them. All"
            " attributes except the key are optional. Times are ISO 8601 in UTC.",
            table(["Attribute", "Type", "Description"], rows),
            "## Claims",
            "Each claimed status change has a map attribute with the name `claim <creationTime> <status>`:",
            table(
                ["Key", "Description"],
                (
                    ("`state`", "`working`: an execution is processing the status change. `done`: the outcome is"
                     " recorded. `released`: the execution failed, and another one can claim it."),
                    ("`execution`", "ARN of the execution that claimed it last."),
                    ("`at`", "When it was claimed."),
                ),
            ),
            "An execution claims a status change with a conditional write. It succeeds if there is no claim, if the"
            " claim was released, or if the execution has it. Otherwise, the execution ends in **Already handled**.",
            "A loop has two claims if it was escalated because A2I no longer had it (`LoopDeleted`), and its own event"
            " was late. The later execution waits until the other one is done. Only the last execution that claimed,"
            " `execution`, can write the outcome.",
            "## Executions",
            "Each execution that claimed a status change of the loop has a map attribute with the name"
            " `execution <ARN>`, also after another execution has claimed it again. `loops redrive` removes the oldest"
            f" ones if there are more than {MAX_EXECUTIONS}.",
            table(
                ["Key", "Description"],
                ((code(key), text) for key, text in attribute_docs(ClaimedIn).items()),
            ),
            "## Operators",
            "Each command that an operator ran on the loop (`loops restart`, `stop`, `close`, `redrive`, or a button of"
            " the console) has a map attribute whose name begins with `operator `. It is written before the command"
            " does anything, so it says who ran it, and not that it succeeded. The newest"
            f" {MAX_OPERATOR_ACTIONS} are kept.",
            table(
                ["Key", "Description"],
                ((code(key), text) for key, text in attribute_docs(OperatorAction).items()),
            ),
            "## Names that are used again",
            "A2I lets a name be used again once its loop is deleted. So a loop is identified by its name and its"
            " creation time. The item with the name as its key is about the first loop of that name that the ledger"
            " heard of, such as the one that Afterloop started. Each other loop of the name has an item of its own,"
            " with the key `<name>@<creation time>`, such as `order-17@2026-03-04T05:06:07Z`. The commands of"
            " `python deploy.py loops` take this key in place of the name, and messages contain it in their commands."
            " The workflow variable `ledgerKey` has the key of the loop's item.",
            "## Indexes\n\n" + table(["Index", "Keys"], indexes),
            "## Tokens",
            "The task tokens of waiting workflows are in another table (the stack's output `TokenTable`), by"
            " `humanLoopName`: anyone who has a token can answer in the name of the people. Only the functions that"
            " answer can read it. Versions without that table kept tokens in the ledger, in items with the key"
            " `tokens <humanLoopName>`. They are moved when they are looked for.",
        ]
    )  # fmt: skip


def _summary() -> Iterator[tuple[str, str]]:
    docs = attribute_docs(ReviewSummary)
    for name, field in ReviewSummary.model_fields.items():
        yield code(str(field.alias)), docs.get(name, "")


def _values(attribute: str) -> str:
    """The values of an attribute that has only certain values; otherwise nothing."""
    if attribute == "review":
        return f"{', '.join(map(code, ReviewSummary.ledger_figures()))}. "
    words = {"status": LoopStatus, "outcome": LoopOutcome}.get(attribute)
    return f"{', '.join(get_args(words))}. " if words else ""


def _additions(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    by: dict[str, list[str]] = {"claim": ["Claim status change", "Claim again"]}
    for name, one in definition["States"].items():
        for key in re.findall(r"\$merge\(\[\$states\.input, \{'(\w+)'", str(one.get("Output", ""))):
            if name not in (names := by.setdefault(key, [])):
                names.append(name)
    for key, names in by.items():
        yield code(f"$.{key}"), ", ".join(f"**{name}**" for name in names), ADDED.get(key, "")


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, one in definition["States"].items():
        yield f"**{name}**", one["Type"], one.get("Comment", "").replace("${Stage}", "STAGE")


def _columns(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    docs = attribute_docs(model)
    for name, kind in hive_columns(model).items():
        nested = re.sub(r"struct<.*>(?=>$)|struct<.*>$", "struct", kind)
        yield code(name), code(nested), docs.get(name, "").replace("None", "null")


def _element(kind: Kind) -> str:
    module = sys.modules[element_of_kind(kind).__module__]
    return first_paragraph(inspect.getdoc(module) or "")
