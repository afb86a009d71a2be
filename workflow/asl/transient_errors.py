"""Errors of a Task that a retry can fix, by the names that Step Functions gives them. All retries use these lists.

Source: "Handling errors in Step Functions workflows", and the developer guide's pages on Lambda, DynamoDB and SNS.
"""

from __future__ import annotations

__all__ = ["FUNCTION_DIED", "OF_FUNCTIONS", "OF_SERVICES", "THROTTLED"]

THROTTLED = ("Lambda.TooManyRequestsException",)
"""Throttled functions: worth many retries, because the function runs as soon as there is capacity."""

FUNCTION_DIED = ("Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout")
"""The function crashed or timed out: one or two retries may help, more would not."""

OF_FUNCTIONS = (
    "TransientServiceError",  # Functions of lambdas/ raise it if a service is throttled or unavailable.
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
)

OF_SERVICES = (
    "DynamoDB.AmazonDynamoDBException",
    "DynamoDB.InternalServerError",
    "DynamoDB.InternalServerErrorException",
    "DynamoDB.ProvisionedThroughputExceededException",
    "DynamoDB.ReplicatedWriteConflictException",
    "DynamoDB.RequestLimitExceeded",
    "DynamoDB.ThrottlingException",
    "DynamoDB.TransactionConflictException",
    "DynamoDB.SdkClientException",
    "SNS.AmazonSNSException",
    "SNS.InternalErrorException",
    "SNS.KMSThrottlingException",
    "SNS.ThrottledException",
    "SNS.SdkClientException",
)
"""Errors of the services that the workflow's own states call directly.

An error that the service's model does not name arrives as `DynamoDB.AmazonDynamoDBException` or
`SNS.AmazonSNSException`: a fault such as "Service Unavailable", but also a request that the service finds invalid. The
latter is retried in vain.
"""
