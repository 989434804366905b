"""Errors as botocore raises them for an error response."""

from botocore.exceptions import ClientError


def refused(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    """Return the error of a response with this code and HTTP status."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {},
                "HostId": "",
                "RequestId": "",
                "RetryAttempts": 0,
            },
        },
        operation,
    )
