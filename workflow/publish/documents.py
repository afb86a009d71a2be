"""Documents that Afterloop keeps in the artifact bucket, such as records of publishes."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lambdas.loops.bounded import bounded
from workflow.errors import PublishError
from workflow.publish.artifacts import ArtifactBucket

__all__ = ["parsed", "read_document"]

Document = TypeVar("Document", bound=BaseModel)


def read_document(artifacts: ArtifactBucket, key: str, form: type[Document]) -> Document | None:
    """Returns a document; None if there is no such object, or it is empty.

    Args:
        artifacts: The bucket.
        key: The object's key.
        form: The model of the document.

    Raises:
        PublishError: The object is not such a document. Who may write to the bucket can put anything there.
    """
    content = artifacts.read(key)
    return parsed(artifacts, key, content, form) if content else None


def parsed(artifacts: ArtifactBucket, key: str, content: bytes, form: type[Document]) -> Document:
    """Returns a document, of the content of an object.

    Raises:
        PublishError: It is not such a document.
    """
    try:
        return form.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        problem = bounded(" ".join(f"{place}: {first['msg']}".split()), 200)
        raise PublishError(
            f"s3://{artifacts.name}/{key} is not a document that Afterloop wrote: {problem}; restore an earlier "
            "version of the object, or delete it"
        ) from None
