"""What an error of AWS means for the worker: fatal, infrastructure, or a matter of the message."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from worker.advice.answers import explain, is_late
from worker.advice.texts import Advice
from worker.errors import (
    FatalError,
    InfrastructureError,
    StrayCancellation,
    TidegateError,
    TransientError,
    stray_cancellations_as_errors,
)

CREDENTIALS_REFUSED = frozenset(
    {
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
EXPIRED_TOKEN = frozenset({"ExpiredToken", "ExpiredTokenException"})
# AWS is overloaded, or the caller asks too often. SQS and KMS say so with the status 400 or 403.
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "Throttling.Rate",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
DISTURBED = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
    }
)
# HTTP statuses. A new bucket may answer 307 again, to a call that was redirected once.
MOVED_FOR_A_WHILE, TOO_MANY_REQUESTS, SERVER_ERROR, NOT_IMPLEMENTED = 307, 429, 500, 501


def error_code(error: ClientError) -> str:
    """Return an AWS error's code, without the prefixes of older protocols."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].removeprefix("AWS.SimpleQueueService.")


@contextmanager
def map_errors(doing: str) -> Iterator[None]:
    """Convert AWS's errors into the worker's own; the message begins with `doing`.

    Raises FatalError if the credentials are refused or missing, InfrastructureError if the same
    call may succeed later, and otherwise TransientError.
    """
    try:
        with stray_cancellations_as_errors():
            yield
    except StrayCancellation as error:
        raise InfrastructureError(f"{doing}: {error}") from error
    except TidegateError:
        raise
    except (NoCredentialsError, PartialCredentialsError) as error:
        text = f"{doing}: no usable AWS credentials: {str(error).rstrip('. ')}"
        raise FatalError(f"{text}. {Advice.NO_CREDENTIALS.fill()}") from error
    except ClientError as error:
        raise _kind(error)(f"{doing}: {explain(error, error_code(error))}") from error
    except (ParamValidationError, UnicodeEncodeError) as error:
        # The request cannot be made: a bucket's name, say, that no bucket can have.
        raise TransientError(f"{doing}: {type(error).__name__}: {error}") from error
    except Exception as error:
        # A response may be incomplete or garbled, also that of the credentials' endpoint. The SDK's
        # parsers may then raise any error.
        raise InfrastructureError(f"{doing}: {type(error).__name__}: {error}") from error


def _kind(error: ClientError) -> type[TidegateError]:
    if _is_refused(error):
        return FatalError
    return InfrastructureError if _is_infrastructure(error) else TransientError


def _is_infrastructure(error: ClientError) -> bool:
    """Return whether the service, or the way to the service, fails, and not this request."""
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == NOT_IMPLEMENTED:
        return False  # an S3 that is not AWS's: no later attempt succeeds either
    if status in {MOVED_FOR_A_WHILE, TOO_MANY_REQUESTS} or status >= SERVER_ERROR:
        return True
    return code in THROTTLED | DISTURBED | EXPIRED_TOKEN or is_late(error)


def _is_refused(error: ClientError) -> bool:
    """Return whether the credentials are refused for good, so that a retry is useless."""
    code = error_code(error)
    if code in EXPIRED_TOKEN:
        # The SDK renews credentials that it fetched; it cannot renew those of the environment.
        return "AWS_ACCESS_KEY_ID" in os.environ
    # A late signature comes from a lagging event loop or a wrong clock, not from wrong keys.
    return code in CREDENTIALS_REFUSED and not is_late(error)
