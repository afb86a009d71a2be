"""Which errors of a Task pass by themselves, by the names that Step Functions gives them: the one list.

Source: "Handling errors in Step Functions workflows", and the developer guide's pages on Lambda, DynamoDB and SNS.
"""

from __future__ import annotations

__all__ = ["FUNCTION_DIED", "OF_FUNCTIONS", "OF_SERVICES", "THROTTLED"]

THROTTLED = ("Lambda.TooManyRequestsException",)
"""A function that is throttled is a queue: it may take a while, and there is no hurry."""

FUNCTION_DIED = ("Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout")
"""The function died, or ran out of time: once more may help, many times would not."""

OF_FUNCTIONS = (
    "TransientServiceError",  # what a function of lambdas/ raises for a service that is busy or broken
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
)

OF_SERVICES = (
    "DynamoDB.InternalServerError",
    "DynamoDB.InternalServerErrorException",
    "DynamoDB.ProvisionedThroughputExceededException",
    "DynamoDB.RequestLimitExceeded",
    "DynamoDB.ThrottlingException",
    "DynamoDB.SdkClientException",
    "SNS.InternalErrorException",
    "SNS.ThrottledException",
    "SNS.SdkClientException",
)
"""Of the services that the workflow's own states call directly."""
