"""Generates invented reviews for the report: `python -m sandbox.invented_reviews --out DIR`.

The folder has the layout of the review bucket, with one JSON object for each review. There are four flow definitions
of three task types, one to three workers, and fields that are easy or hard. The model is overconfident and gets worse
over time. The same seed always gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import boto3

from lambdas.reviews.times import timestamp

Json = dict[str, Any]


def main() -> None:
    """Writes the reviews that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="number of reviews")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write to; it is created if it does not exist"
    )
    parser.add_argument("--first", type=date.fromisoformat, default=date(2026, 1, 1), help="first day")
    parser.add_argument("--days", type=int, default=30, help="number of days")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    size = write_reviews(
        options.out, options.count, first=options.first, days=options.days, seed=options.seed
    )
    print(f"{options.count:,} reviews, {size / 1e6:,.0f} MB, in {options.out}")


def write_reviews(folder: Path, count: int, *, first: date, days: int, seed: int) -> int:
    """Writes the reviews of `generate` to a folder and returns their size in bytes."""
    size = 0
    for key, line in generate(count, first=first, days=days, seed=seed):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(line)
    return size


def generate(
    count: int, *, first: date = date(2026, 1, 1), days: int = 30, seed: int = 7
) -> Iterator[tuple[str, bytes]]:
    """Yields the key and the content of reviews, as `lambdas.reviews.record.ReviewRecord` stores them.

    Args:
        count: The number of reviews.
        first: The first day.
        days: The number of days. There are fewer reviews on weekends.
        seed: Seed of the random numbers.
    """
    chance = random.Random(seed)
    calendar = [first + timedelta(days=offset) for offset in range(days)]
    weights = [0.35 if day.weekday() >= 5 else 1.0 for day in calendar]
    flows = chance.choices(_FLOWS, [flow.weight for flow in _FLOWS], k=count)
    for number, (flow, day) in enumerate(zip(flows, chance.choices(calendar, weights, k=count), strict=True)):
        age = (day - first).days / max(1, days - 1)
        created = datetime.combine(day, time(), UTC) + timedelta(
            milliseconds=round(chance.triangular(6, 20, 11) * 3_600_000)
        )
        record = _review(flow, f"{flow.name}-{number:07}", created, age, chance)
        key = (
            f"reviews/flow_definition={flow.name}/date={day}/"
            f"{record['human_loop_name']}-{created:%Y%m%dT%H%M%S}{created.microsecond // 1000:03}Z.json"
        )
        yield key, json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def store_past(session: boto3.Session, outputs: Mapping[str, str], count: int, *, days: int = 30) -> None:
    """Stores invented reviews of the last days in a stage's bucket, and their loops in its ledger.

    Some of the loops were restarted after a failure, and a few were escalated.

    Args:
        session: A session for the engine that the stage is published to.
        outputs: The outputs of the stage's stack.
        count: The number of reviews.
        days: The number of days, up to yesterday.
    """
    first = datetime.now(UTC).date() - timedelta(days=days)
    bucket, s3 = outputs["ReviewBucket"], session.client("s3")
    chance = random.Random(7)
    rows: list[Json] = []
    with ThreadPoolExecutor(4) as pool:
        for key, line in generate(count, first=first, days=days):
            pool.submit(s3.put_object, Bucket=bucket, Key=key, Body=line)
            rows += _loops(json.loads(line), f"s3://{bucket}/{key}", chance)
    table = session.resource("dynamodb").Table(outputs["LedgerTable"])
    with table.batch_writer() as batch:
        for row in rows:
            batch.put_item(Item=row)


def _loops(record: Json, location: str, chance: random.Random) -> list[Json]:
    """Returns the ledger rows of a review's lineage, and sometimes that of another loop that was escalated."""
    name = record["human_loop_name"]
    row = {
        "humanLoopName": name,
        "flowDefinitionArn": record["flow_definition_arn"],
        "status": record["status"],
        "outcome": "stored" if record["status"] == "Completed" else "notified",
        "createdAt": record["created_at"],
        "updatedAt": record["completed_at"] or record["created_at"],
        "attempt": 1,
        "rootLoopName": name,
        "reviewLocation": location,
    }
    failed = {**row, "status": "Failed", "failureCode": "InternalError"}
    del failed["reviewLocation"]
    luck = chance.random()
    if luck < 0.03:
        again = {**row, "humanLoopName": f"{name}-attempt-2", "attempt": 2, "previousLoopName": name}
        return [{**failed, "outcome": "restarted", "nextLoopName": f"{name}-attempt-2"}, again]
    if luck < 0.04:
        name = f"{name}-refused"
        reason = "A2I rejected the input of the loop (ValidationError): the same input would fail again."
        refused = {"failureCode": "ValidationError", "outcome": "escalated", "reason": reason}
        return [row, {**failed, **refused, "humanLoopName": name, "rootLoopName": name}]
    return [row]


# What the reviews are about


@dataclass(frozen=True)
class _Field:
    """A field, and how hard it is.

    Attributes:
        name: The name of the field.
        kind: The kind, as in the record.
        error: How often the model is wrong.
        value: Returns a random value.
        missed: How often the model finds nothing although there is a value.
        absent: How often there is no value.
    """

    name: str
    kind: str
    error: float
    value: Callable[[random.Random], str]
    missed: float = 0.0
    absent: float = 0.0


@dataclass(frozen=True)
class _Below:
    """A condition: the model's confidence in a field is below a threshold."""

    name: str
    field: str
    confidence: float


@dataclass(frozen=True)
class _Sample:
    """A condition that selects a random share of all documents. With `easy`, the model is always right on these."""

    name: str
    share: float
    easy: bool = False


@dataclass(frozen=True)
class _Flow:
    name: str
    task_type: str
    source: str
    version: str | None
    weight: float
    workers: tuple[int, ...]
    seconds: float
    conditions: tuple[_Below | _Sample, ...]
    fields: tuple[_Field, ...]


def _one_of(*values: str) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(values)


def _number(low: int, high: int, form: str) -> Callable[[random.Random], str]:
    return lambda chance: form.format(chance.randint(low, high))


_FLOWS = (
    _Flow(
        "invoice-forms", "textract", "service", None, 5, (1, 1, 1, 2, 3), 74,
        (
            _Below("ImportantFormKeyConfidenceCheck(Total amount, KeyValueBlockConfidenceLessThan=80)",
                   "Total amount", 0.8),
            _Below("ImportantFormKeyConfidenceCheck(Due date, KeyValueBlockConfidenceLessThan=75)",
                   "Due date", 0.75),
            _Sample("Sampling(RandomSamplingPercentage=10)", 0.1),
        ),
        (
            _Field("Invoice number", "text", 0.05, _number(10_000, 99_999, "INV-{}")),
            _Field("Invoice date", "text", 0.07, _number(1, 28, "2026-01-{:02}")),
            _Field("Due date", "text", 0.12, _number(1, 28, "2026-02-{:02}"), missed=0.04),
            _Field("Vendor", "text", 0.09, _one_of("Ardent", "Brightwater", "Cobalt & Sons", "Dunmore")),
            _Field("Total amount", "text", 0.15, _number(100, 99_999, "{}.00")),
            _Field("Tax amount", "text", 0.2, _number(10, 9_999, "{}.00"), missed=0.05),
            _Field("Purchase order", "text", 0.1, _number(1_000, 9_999, "PO {}"), missed=0.08, absent=0.3),
            _Field("Approved", "selection", 0.03, _one_of("true", "false")),
        ),
    ),
    _Flow(
        "image-moderation", "rekognition", "service", "7.0", 3, (1, 2, 3, 3), 11,
        (
            _Below("ModerationLabelConfidenceCheck(Suggestive, ConfidenceLessThan=90)", "Suggestive", 0.9),
            _Below("ModerationLabelConfidenceCheck(Violence, ConfidenceLessThan=90)", "Violence", 0.9),
            _Sample("Sampling(RandomSamplingPercentage=10)", 0.1),
        ),
        (
            _Field("Suggestive", "labels", 0.22, _one_of("true"), missed=0.05, absent=0.4),
            _Field("Suggestive/Revealing Clothes", "labels", 0.28, _one_of("true"), missed=0.04, absent=0.5),
            _Field("Violence", "labels", 0.12, _one_of("true"), missed=0.02, absent=0.7),
            _Field("Violence/Weapons", "labels", 0.16, _one_of("true"), missed=0.02, absent=0.75),
            _Field("Alcohol", "labels", 0.03, _one_of("true"), absent=0.8),
        ),
    ),
    _Flow(
        "ticket-routing", "custom", "settings", None, 1.6, (1, 3), 24,
        (
            _Below("category below 0.8", "category", 0.8),
            _Below("urgency below 0.8", "urgency", 0.8),
            _Sample("known sender", 0.12, easy=True),
        ),
        (
            _Field("category", "label", 0.17, _one_of('"billing"', '"delivery"', '"returns"', '"other"')),
            _Field("urgency", "label", 0.25, _one_of('"low"', '"normal"', '"high"')),
        ),
    ),
    _Flow(
        "contract-entities", "custom", "search", None, 0.4, (2, 3), 190,
        (),
        (
            _Field("parties/Person", "span", 0.14, _number(0, 400, '{{"startOffset":{}}}'), missed=0.1),
            _Field("parties/Company", "span", 0.1, _number(0, 400, '{{"startOffset":{}}}'), missed=0.06),
            _Field("summary", "text", 0.3, _one_of("Lease, 3 years", "Supply agreement", "NDA, mutual")),
        ),
    ),
)  # fmt: skip


# One review


def _review(flow: _Flow, name: str, created: datetime, age: float, chance: random.Random) -> Json:
    workers = chance.choice(flow.workers)
    stopped = chance.random() < 0.01
    if stopped:
        workers = chance.choice((0, 1))
    fields, conditions = _document(flow, workers, age, chance)
    # A2I starts a loop for a document of a built-in task only if it meets a condition. The others are never seen.
    while not conditions and flow.task_type != "custom":
        fields, conditions = _document(flow, workers, age, chance)
    answers = [_answer(flow, index, created, fields, chance) for index in range(workers)]
    agreements = [field["agreement"] for field in fields if field["agreement"] is not None]
    return {
        "schema_version": 1,
        "human_loop_name": name,
        "flow_definition": flow.name,
        "flow_definition_arn": f"arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/{flow.name}",
        "status": "Stopped" if stopped else "Completed",
        "created_at": timestamp(created),
        "completed_at": answers[-1]["submitted_at"] if answers else None,
        "task_type": flow.task_type,
        "output_location": f"s3://example-output/{flow.name}/{created:%Y/%m/%d/%H/%M/%S}/{name}/output.json",
        "activation_conditions": conditions,
        "answers": answers,
        "fields": fields,
        "agreement": sum(agreements) / len(agreements) if agreements else None,
        "overruled": any(field["outcome"] in ("changed", "added", "removed") for field in fields),
        "seconds_spent": round(sum(answer["seconds_spent"] for answer in answers), 3) if answers else None,
        "invented": True,
        "model_version": flow.version,
        "prediction_source": flow.source if any(field["predicted"] for field in fields) else None,
    }


def _document(flow: _Flow, workers: int, age: float, chance: random.Random) -> tuple[list[Json], list[str]]:
    """Returns the fields of a document, and the conditions that it meets."""
    samples = [
        sample for sample in flow.conditions if isinstance(sample, _Sample) and chance.random() < sample.share
    ]
    easy = any(sample.easy for sample in samples)
    fields = [
        field
        for spec in flow.fields
        if chance.random() >= spec.absent and (field := _field(spec, workers, age, easy, chance)) is not None
    ]
    return fields, _activated(flow, fields) + [sample.name for sample in samples]


def _activated(flow: _Flow, fields: list[Json]) -> list[str]:
    confidence = {field["name"]: field["confidence"] for field in fields}
    return [
        check.name
        for check in flow.conditions
        if isinstance(check, _Below) and (confidence.get(check.field) or 1) < check.confidence
    ]


def _field(spec: _Field, workers: int, age: float, easy: bool, chance: random.Random) -> Json | None:
    truth = _text(spec, chance)
    missed = not easy and chance.random() < spec.missed
    confidence = None if missed else round(min(0.9999, max(0.05, chance.betavariate(7, 1.6))), 4)
    # Overconfident: errors are rarer at high confidence, but not rare enough.
    doubt = 0.0 if easy or confidence is None else 0.4 + 4.6 * (1 - confidence)
    wrong = chance.random() < spec.error * (0.8 + 0.6 * age) * doubt
    predicted = None if missed else _other(spec, truth, chance) if wrong else truth
    # A wrong label or entity does not exist at all, so workers remove it.
    right = None if wrong and spec.kind in ("labels", "span") else truth
    slip = 0.0 if easy else 0.02
    values = [right if chance.random() >= slip else _other(spec, truth, chance) for _ in range(workers)]
    votes: list[Json] = sorted(
        ({"value": value, "count": values.count(value)} for value in dict.fromkeys(values)),
        key=lambda vote: -vote["count"],
    )
    tied = len(votes) > 1 and votes[0]["count"] == votes[1]["count"]
    reviewed = None if tied or not votes else votes[0]["value"]
    if predicted is None and reviewed is None and not tied:
        return None  # neither the model nor the workers found anything
    outcome = "unresolved" if tied or not values else _outcome(predicted, reviewed)
    return {
        "name": spec.name,
        "kind": spec.kind,
        "predicted": predicted,
        "confidence": confidence,
        "reviewed": reviewed,
        "outcome": outcome,
        "votes": votes,
        "agreement": votes[0]["count"] / workers if workers > 1 else None,
        "per_worker": [
            {"worker_index": index, "value": value, "outcome": _outcome(predicted, value)}
            for index, value in enumerate(values)
        ],
    }


def _outcome(predicted: str | None, value: str | None) -> str:
    if value == predicted:
        return "kept"
    return "added" if predicted is None else "removed" if value is None else "changed"


def _text(spec: _Field, chance: random.Random) -> str:
    value = spec.value(chance)
    return json.dumps(value) if spec.kind in ("text", "selection") else value


def _other(spec: _Field, truth: str, chance: random.Random) -> str:
    for _ in range(5):
        if (value := _text(spec, chance)) != truth:
            return value
    return truth


def _answer(flow: _Flow, index: int, created: datetime, fields: list[Json], chance: random.Random) -> Json:
    seconds = round(chance.lognormvariate(0, 0.6) * flow.seconds, 3)
    accepted = created + timedelta(seconds=chance.expovariate(1 / 5400) + index)
    content = {field["name"]: field["per_worker"][index]["value"] for field in fields}
    return {
        "worker_id": f"A{chance.randrange(24):04}WORKER",
        "identity_provider": "Cognito",
        "accepted_at": timestamp(accepted),
        "submitted_at": timestamp(accepted + timedelta(seconds=seconds)),
        "seconds_spent": seconds,
        "content": json.dumps({flow.name: content}, separators=(",", ":")),
    }


if __name__ == "__main__":
    main()
