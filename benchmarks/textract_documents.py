"""Generates Textract outputs of any size, as A2I writes them: words, keys and values of a form, and one answer.

A page, `document(16)`, has 112 blocks and 136 KB. The same arguments always give the same bytes.
"""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

from lambdas.reviews.output import TEXTRACT

Json = dict[str, Any]

PAIRS_A_PAGE = 16
FLOW_DEFINITION = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/forms"


def document(pairs: int, *, seed: int = 1, changed: float = 0.2) -> bytes:
    """Returns an output with a number of key-value pairs. The worker changed a share of the values."""
    choice = random.Random(seed)
    blocks = [block for _ in range(pairs) for block in _pair(choice)]
    selected = [block for block in blocks if block["blockType"] != "LINE"]
    output = {
        "awsManagedHumanLoopRequestSource": TEXTRACT,
        "flowDefinitionArn": FLOW_DEFINITION,
        "humanAnswers": [
            {
                "acceptanceTime": "2026-03-01T10:00:00.000Z",
                "answerContent": {TEXTRACT: {"blocks": _answered(blocks, choice, changed)}},
                "submissionTime": "2026-03-01T10:01:00.000Z",
                "timeSpentInSeconds": 42.5,
                "workerId": "a12b3cdefg4h5i67",
                "workerMetadata": {
                    "identityData": {
                        "identityProviderType": "Cognito",
                        "issuer": "https://issuer",
                        "sub": "1",
                    }
                },
            }
        ],
        "humanLoopName": "loop-1",
        "inputContent": {
            "aiServiceRequest": {
                "document": {"s3Object": {"bucket": "forms", "name": "page.png"}},
                "featureTypes": ["FORMS"],
            },
            "aiServiceResponse": {"blocks": blocks, "documentMetadata": {"pages": 1}},
            "humanTaskActivationConditionResults": {
                "Conditions": [
                    {
                        "ConditionType": "Sampling",
                        "ConditionParameters": {"RandomSamplingPercentage": 5},
                        "EvaluationResult": True,
                    }
                ]
            },
            "selectedAiServiceResponse": {"blocks": selected},
        },
    }
    return json.dumps(output, separators=(",", ":")).encode()


def event(bucket: str, key: str) -> Json:
    """Returns the status change for an output at this location."""
    return {
        "detail": {
            "humanLoopName": "loop-1",
            "creationTime": "2026-03-01T09:59:00.000Z",
            "humanLoopStatus": "Completed",
            "flowDefinitionArn": FLOW_DEFINITION,
            "humanLoopOutput": {"outputS3Uri": f"s3://{bucket}/{key}"},
        }
    }


def _pair(choice: random.Random) -> list[Json]:
    """Returns the blocks of a line with four words: two are the key and two the value."""
    words = [
        _block(choice, "WORD", text=f"word{choice.randrange(10**6)}", textType="PRINTED") for _ in range(4)
    ]
    ids = [word["id"] for word in words]
    line = _block(choice, "LINE", text=" ".join(word["text"] for word in words), relationships=[_child(ids)])
    value = _block(choice, "KEY_VALUE_SET", entityTypes=["VALUE"], relationships=[_child(ids[2:])])
    key = _block(
        choice,
        "KEY_VALUE_SET",
        entityTypes=["KEY"],
        relationships=[{"type": "VALUE", "ids": [value["id"]]}, _child(ids[:2])],
    )
    return [line, *words, key, value]


def _block(choice: random.Random, kind: str, **more: Any) -> Json:
    left, top = choice.uniform(0, 0.8), choice.uniform(0, 0.9)
    width, height = choice.uniform(0, 0.2), choice.uniform(0, 0.05)
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    return {
        "blockType": kind,
        "confidence": choice.uniform(50, 100),
        "geometry": {
            "boundingBox": {"height": height, "left": left, "top": top, "width": width},
            "polygon": [{"x": x, "y": y} for x, y in corners],
        },
        "id": str(uuid.UUID(int=choice.getrandbits(128))),
        "page": 1,
        **more,
    }


def _child(ids: list[str]) -> Json:
    return {"type": "CHILD", "ids": ids}


def _answered(blocks: list[Json], choice: random.Random, changed: float) -> list[Json]:
    """Returns the keys and values as a worker submits them: with text, without confidence."""
    texts = {block["id"]: block["text"] for block in blocks if "text" in block}
    answered = []
    for block in blocks:
        if block["blockType"] == "KEY_VALUE_SET":
            *_, children = block["relationships"]
            text = " ".join(texts[id_] for id_ in children["ids"])
            if block["entityTypes"] == ["VALUE"] and choice.random() < changed:
                text += "!"
            answered.append({key: block[key] for key in block if key != "confidence"} | {"text": text})
    return answered
