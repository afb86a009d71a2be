"""The page about what the local engine runs."""

from __future__ import annotations

from docs.generate.markdown import code, fenced, table
from sandbox.supported import OPTIMIZED_FORMS, sdk_actions_that_run

__all__ = ["EXAMPLE", "engine"]

EXAMPLE = {
    "services": {
        "bedrock:invokeModel": {"result": {"Body": {"summary": "A complaint about a late delivery."}}},
        "aws-sdk:comprehend:detectSentiment": [
            {"error": "Comprehend.TooManyRequestsException", "cause": "Rate exceeded"},
            {"result": {"Sentiment": "NEGATIVE"}},
        ],
    },
    "states": {"Tell the shop": {"result": {"StatusCode": 200, "ResponseBody": {"id": 7}}}},
}
"""Canned results of services that the engine does not run."""

_TEXT = """
# What the local engine runs

`make local` runs state machines with all types of states, in JSONPath and JSONata. Functions, activities and the
integrations below run. A call of anything else fails the execution with `States.Runtime`, and the cause says what the
engine does not run. On the local engine, `plan` and `publish` warn about each such state.

## Canned results

Any Task can get a canned result in place of its call. `make local` follows the file `canned_results.json` in the
project's folder: write it, change it or delete it while the engine runs.

{example}

`services` names integrations by what follows `arn:aws:states:::` in the Resource, without `.sync` or
`.waitForTaskToken`. `states` names states, and counts before `services`. Each call takes the next answer of a list, and
the last one repeats. A `result` is what the service would return, before `ResultSelector`. An `error` is handled as if
it came from the service, so `Retry` and `Catch` apply to it. Tasks that wait for a job or a token end at once.

Invalid files, and names of services and actions that do not exist, are reported in the terminal of `make local`, and
the engine keeps the results that it has. `plan` warns about names of states that the state machine does not have. To
follow another file:

{command}

The engine still checks the arguments of the call against the service's API, and whether the role of the state machine
allows it. The history has the call with its arguments.

Tests give results in Python:

{python}

## Optimized integrations

Resources begin with `arn:aws:states:::`. A form of `.sync` waits for the job, and `.waitForTaskToken` for the token.

{optimized}

A training job trains nothing. It checks its name, its role and its data as SageMaker does, goes through the statuses of
a real job within a second, sends its events, and writes an archive that says so in place of the model. The training
image is not read.

## AWS SDK integrations

Resources begin with `arn:aws:states:::aws-sdk:`, and have an action of the service, also with `.waitForTaskToken`.
Databases, containers and instances do not run: their services keep only what their API shows.

{sdk}

## Maps

An inline Map runs as on AWS. A Distributed Map runs with items from its input, and from objects in S3: `s3:getObject`
of a `CSV`, `JSON` or `JSONL` file, and `s3:listObjectsV2`. `ItemBatcher`, `ResultWriter` and other readers do not run.

Paths of JSONPath states have names, indexes and wildcards. Filters, slices and `..` do not run.
"""

_COMMAND = 'make local ARGS="--canned-results other.json"'
_PYTHON = """with sandbox.canned_results.given({"states": {"Tell the shop": {"result": {"StatusCode": 200}}}}):
    ...  # Start an execution, and wait for its end."""


def engine() -> str:
    """Returns the page about the engine."""
    optimized = [[code(name), ", ".join(map(_form, forms))] for name, forms in OPTIMIZED_FORMS.items()]
    sdk = [
        [code(service), ", ".join(map(code, actions))] for service, actions in sdk_actions_that_run().items()
    ]
    return _TEXT.format(
        example=fenced(EXAMPLE),
        command=fenced(_COMMAND, "sh"),
        python=fenced(_PYTHON, "python"),
        optimized=table(["Integration", "Forms"], optimized),
        sdk=table(["Service", "Actions"], sdk),
    )


def _form(form: str) -> str:
    return code(form) if form else "response"
