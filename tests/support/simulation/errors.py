"""Errors as botocore raises them for a service's refusal."""

from botocore.exceptions import ClientError


def refused(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    """Make the error of a request that the service answered with this code and HTTP status."""
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
