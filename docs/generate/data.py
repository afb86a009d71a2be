"""What an execution carries, what is stored of a review, and what the ledger has of a human loop."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from docs.generate import sample
from docs.generate.markdown import code, fenced, table
from docs.generate.reading import attribute_docs
from lambdas.loops.ledger import Loop, LoopStatus
from lambdas.loops.ledger import Outcome as LoopOutcome
from lambdas.reviews.record import (
    AnswerRecord,
    FieldRecord,
    Kind,
    Outcome,
    ReviewRecord,
    Vote,
    WorkerField,
    hive_columns,
)

__all__ = ["ADDED", "LEDGER", "OUTCOMES", "RECORD", "SUMMARY", "ledger", "review_record", "state"]

ADDED = {
    "claim": "Which status change this is (`id`), and what the ledger knew of the loop when it was claimed (`loop`).",
    "review": "The figures of the review, and where it is. Never a word of the document.",
    "decision": "Restart or escalate, when and where, and why; with the lineage so far.",
    "restart": "The next attempt: `humanLoopName`, `humanLoopArn`, `needed`, `already`, `status`.",
    "failure": "Of a step that failed: `step`, `error`, `reason`.",
    "answer": "How many waiting workflows were told (`delivered`), and how many had ended before (`ended`).",
}
"""What steps add to the state, by key."""

SUMMARY = {
    "location": "Where the whole review is: a JSON object in the review bucket.",
    "outputLocation": "Where A2I wrote `output.json`.",
    "taskType": "`custom`, `textract` or `rekognition`.",
    "answers": "How many people answered.",
    "fields": "How many fields the review has.",
    "compared": "How many of them could be compared with a prediction.",
    "changed": "Fields to which people gave another value.",
    "added": "Fields that people added.",
    "removed": "Fields that people took away.",
    "unresolved": "Fields without a majority.",
    "agreement": "From 0 to 1; null for fewer than two answers.",
    "overruled": "Whether people changed, added or removed anything.",
    "secondsSpent": "All people's time together; null if no answer tells.",
    "activationConditions": "Names of the conditions that sent the prediction to people; at most 50.",
}
"""The figures of a review, by key."""

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

RECORD = {
    "schema_version": "1. It goes up when a key changes its meaning.",
    "human_loop_name": "The loop's.",
    "flow_definition": "The flow definition's name; a partition of the table.",
    "flow_definition_arn": "The flow definition's ARN.",
    "status": "Completed, or Stopped with the answers that were given until then.",
    "task_type": "custom, textract or rekognition.",
    "output_location": "A2I's `output.json`, `s3://…`.",
    "answers": "One for each worker, in the order of submission.",
    "fields": "One for each thing that was predicted or said.",
    "accepted_at": "When the worker took the task; null before 2021.",
    "submitted_at": "When the worker was done.",
    "kind": "What the field holds; see below.",
    "outcome": "What became of the prediction; see below.",
    "per_worker": "What each worker did.",
    "value": "JSON text; null: nothing was said of the field.",
    "count": "How many workers gave it.",
    "worker_index": "Place in `answers`, from 0.",
}
"""What the record's model does not say of its fields itself."""

LEDGER = {
    "human_loop_name": "The key: unique in an account and Region.",
    "flow_definition_arn": "The human review workflow that it belongs to.",
    "human_loop_arn": "A2I's ARN of it.",
    "status": f"{', '.join(get_args(LoopStatus))}. NotNeeded: the activation conditions were not met. Refused: A2I"
    " would not start it, and the name is free again.",
    "task_type": "custom, textract or rekognition.",
    "created_at": "When the row was opened; of a loop that was not started through Afterloop, its creation time.",
    "updated_at": "The last write.",
    "attempt": "1 for the first loop of a lineage, 2 for its first restart, and so on.",
    "max_attempts": "How many attempts this lineage may have, if an operator said so.",
    "root_loop_name": "The first loop of the lineage.",
    "previous_loop_name": "The loop that this one is the restart of.",
    "next_loop_name": "The loop that this one was started again as.",
    "input_location": "The input, `s3://…`, as it was stored before the loop was started.",
    "input_digest": "SHA-256 of it: the same name with another input is refused.",
    "outcome": f"What became of it: {', '.join(get_args(LoopOutcome))}.",
    "reason": "Why, in plain words.",
    "review_location": "The review record, `s3://…`.",
    "output_location": "A2I's `output.json`; of a loop that was not needed, the prediction.",
    "execution": "ARN of the last execution that worked on it.",
    "failure_code": "A2I's.",
    "failure_reason": "A2I's.",
    "review": "The figures of the review: answers, fields, changed, added, removed, unresolved, overruled, agreement.",
    "waiting": "Whether a workflow waits for it.",
    "answer": "How one was told: delivered, or ended (it had ended before).",
    "answered_at": "When.",
    "escalated_at": "When a person was last called to decide what becomes of it; it stays when that is done.",
    "note": "Why a person closed it.",
    "closed_by": "Who closed it.",
    "closed_at": "When.",
    "claims": "",
}
"""The attributes of a row, by field of `Loop`."""


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
            table(["Key", "What it is"], ((code(key), SUMMARY.get(key, "")) for key in review)),
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
    for title, model, about in (
        ("The review", ReviewRecord, ""),
        ("An answer: `answers[]`", AnswerRecord, ""),
        ("A field: `fields[]`", FieldRecord, ""),
        (
            "A vote: `fields[].votes[]`",
            Vote,
            "How many workers gave a value (JSON text; null: they said nothing).",
        ),
        (
            "What one worker did with a field: `fields[].per_worker[]`",
            WorkerField,
            "`worker_index` counts in `answers`, from 0.",
        ),
    ):
        rows = table(["Key", "Type in Athena", "What it is"], _columns(model))
        parts.append("\n\n".join(filter(None, [f"## {title}", about, rows])))
    parts.append(
        "## Outcomes of a field\n\n"
        + table(["Outcome", "Meaning"], ((code(word), OUTCOMES.get(word, "")) for word in get_args(Outcome)))
    )
    parts.append(f"Kinds of fields: {', '.join(map(code, get_args(Kind)))}.")
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
    rows = (
        (code(to_camel(name)), _kind(field.annotation), LEDGER.get(name, ""))
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


OUTCOMES = {
    "kept": "People left the prediction as it was.",
    "changed": "They gave it another value.",
    "added": "They said something where the model, asked for this kind of thing, said nothing.",
    "removed": "They took away what it said.",
    "unresolved": "Several workers, no majority.",
    "answered": "There was no prediction to compare with.",
}


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
        yield code(name), code(nested), docs.get(name, RECORD.get(name, "")).replace("None", "null")


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in arguments if one is not type(None)))
    if origin is Literal:
        return "text"
    return {str: "text", int: "number", bool: "flag"}.get(annotation, "map")
