"""SQS: what queues have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Queues"]


class Queues:
    """The queues of an account and Region."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client

    def messages(self, queue: str) -> int:
        """About how many messages a queue has, by its URL; 0 if it does not exist."""
        try:
            attributes = self._client.get_queue_attributes(
                QueueUrl=queue,
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )["Attributes"]
        except self._client.exceptions.QueueDoesNotExist:
            return 0
        return sum(map(int, attributes.values()))

    def attributes(self, name: str) -> dict[str, str] | None:
        """The policy and the key of a queue, if it has them, by its name; None if it does not exist."""
        try:
            url = self._client.get_queue_url(QueueName=name)["QueueUrl"]
            answer = self._client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["Policy", "KmsMasterKeyId"]
            )
        except self._client.exceptions.QueueDoesNotExist:
            return None
        return {str(key): value for key, value in answer.get("Attributes", {}).items()}
