"""What AWS's errors mean to us, by the codes and words that the services use."""

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)

from worker.aws import error_code, map_errors
from worker.errors import FatalError, NoSuchInput, TransientError

EXPIRED = "Signature expired: 20261122T101500Z is now earlier than 20261122T102000Z"
EARLY = "Signature not yet current: 20261122T102600Z is still later than 20261122T102500Z"
MISMATCH = "The request signature we calculated does not match the signature you provided."


def answer(code: str, message: str = "no", status: int = 400) -> ClientError:
    about: dict[str, object] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(about, "ReceiveMessage")  # type: ignore[arg-type] # less than the stubs ask


async def kind(error: Exception) -> type[Exception]:
    """Tell what an error becomes."""
    with pytest.raises((FatalError, TransientError), match=r"^asking: ") as caught:
        async with map_errors("asking"):
            raise error
    assert caught.value.__cause__ is error
    return caught.type


@pytest.mark.parametrize(
    "code",
    [
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "MissingAuthenticationToken",
        "UnrecognizedClientException",
        "com.amazon.coral.service#UnrecognizedClientException",
        "AWS.SimpleQueueService.InvalidSecurity",
    ],
)
async def test_credentials_that_are_refused_are_fatal(code: str) -> None:
    assert await kind(answer(code, status=403)) is FatalError


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
async def test_a_wrong_secret_is_fatal_and_a_late_signature_is_not(code: str) -> None:
    assert await kind(answer(code, MISMATCH, 403)) is FatalError
    assert await kind(answer(code, EXPIRED, 403)) is TransientError
    assert await kind(answer(code, EARLY, 403)) is TransientError


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "RequestExpired"])
async def test_a_clock_that_is_off_is_not_fatal(code: str) -> None:
    assert await kind(answer(code, status=403)) is TransientError


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
async def test_an_expired_token_is_fatal_only_where_nobody_renews_it(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert await kind(answer(code)) is TransientError
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    assert await kind(answer(code)) is FatalError


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("429", 429),
        ("503", 503),
        ("BandwidthLimitExceeded", 400),
        ("KmsThrottled", 400),
        ("LimitExceededException", 400),
        ("OverLimit", 403),
        ("RequestLimitExceeded", 503),
        ("RequestThrottled", 403),
        ("RequestThrottledException", 400),
        ("SlowDown", 503),
        ("ThrottledException", 400),
        ("Throttling", 400),
        ("Throttling.Rate", 400),
        ("ThrottlingException", 400),
        ("TooManyRequests", 429),
        ("TooManyRequestsException", 429),
    ],
)
async def test_a_throttle_is_transient_by_any_name(code: str, status: int) -> None:
    assert await kind(answer(code, "Rate exceeded", status)) is TransientError


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("500", 500),
        ("502", 502),
        ("504", 504),
        ("InternalError", 500),
        ("InternalFailure", 500),
        ("RequestTimeout", 400),
        ("ServiceUnavailable", 503),
    ],
)
async def test_a_fault_of_the_service_is_transient(code: str, status: int) -> None:
    assert await kind(answer(code, status=status)) is TransientError


@pytest.mark.parametrize(
    "error",
    [
        CredentialRetrievalError(provider="container-role", error_msg="500"),
        EndpointConnectionError(endpoint_url="https://sqs"),
        ReadTimeoutError(endpoint_url="https://sqs"),
        ConnectionResetError("by peer"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_lost_network_is_never_fatal(error: Exception) -> None:
    assert await kind(error) is TransientError


@pytest.mark.parametrize(
    "error", [KeyError("AccessKeyId"), UnicodeError(), RuntimeError("expired")]
)
async def test_an_answer_that_makes_no_sense_is_transient(error: Exception) -> None:
    assert await kind(error) is TransientError


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_missing_credentials_are_fatal(error: Exception) -> None:
    assert await kind(error) is FatalError


async def test_our_own_errors_stay_what_they_are() -> None:
    with pytest.raises(NoSuchInput, match=r"^s3://in/a$"):
        async with map_errors("reading"):
            raise NoSuchInput("s3://in/a")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist"),
        ("AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"),
        ("NoSuchKey", "NoSuchKey"),
    ],
)
def test_a_code_is_named_without_the_prefixes_of_older_protocols(code: str, name: str) -> None:
    assert error_code(answer(code)) == name
