"""Which of AWS's errors are fatal and which are transient, by their codes and messages."""

import asyncio

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)

from worker.aws.errors import error_code, map_errors
from worker.errors import FatalError, InfrastructureError, NoSuchInput, TransientError

EXPIRED = "Signature expired: 20261122T101500Z is now earlier than 20261122T102000Z"
EARLY = "Signature not yet current: 20261122T102600Z is still later than 20261122T102500Z"
MISMATCH = "The request signature we calculated does not match the signature you provided."


def client_error(code: str, message: str = "no", status: int = 400) -> ClientError:
    response: dict[str, object] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "ReceiveMessage")  # type: ignore[arg-type] # only the fields needed


async def mapped_type(error: Exception) -> type[Exception]:
    """Return the class of the worker's error for an error of AWS."""
    expected = FatalError, TransientError
    with pytest.raises(expected, match=r"^calling: ") as caught, map_errors("calling"):
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
async def test_refused_credentials_are_fatal(code: str) -> None:
    assert await mapped_type(client_error(code, status=403)) is FatalError


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
async def test_a_wrong_secret_is_fatal_and_a_late_signature_is_not(code: str) -> None:
    named = f"The request for signature expired.csv failed. {EXPIRED}"
    assert await mapped_type(client_error(code, named, 403)) is FatalError
    assert await mapped_type(client_error(code, MISMATCH, 403)) is FatalError
    assert await mapped_type(client_error(code, EXPIRED, 403)) is InfrastructureError
    assert await mapped_type(client_error(code, EARLY, 403)) is InfrastructureError


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "RequestExpired"])
async def test_a_wrong_clock_is_not_fatal(code: str) -> None:
    assert await mapped_type(client_error(code, status=403)) is InfrastructureError


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
async def test_an_expired_token_is_fatal_only_if_the_sdk_cannot_renew_it(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert await mapped_type(client_error(code)) is InfrastructureError
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    assert await mapped_type(client_error(code)) is FatalError


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
async def test_throttling_is_infrastructure_by_each_of_its_codes(code: str, status: int) -> None:
    assert await mapped_type(client_error(code, "Rate exceeded", status)) is InfrastructureError


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
        ("TemporaryRedirect", 307),
    ],
)
async def test_a_fault_of_the_service_is_infrastructure(code: str, status: int) -> None:
    assert await mapped_type(client_error(code, status=status)) is InfrastructureError


@pytest.mark.parametrize(
    ("code", "status"), [("InvalidRequest", 400), ("AccessDenied", 403), ("NotImplemented", 501)]
)
async def test_a_request_that_is_refused_is_no_infrastructure(code: str, status: int) -> None:
    assert await mapped_type(client_error(code, status=status)) is TransientError


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
async def test_a_network_error_is_infrastructure(error: Exception) -> None:
    assert await mapped_type(error) is InfrastructureError


@pytest.mark.parametrize(
    "error", [KeyError("AccessKeyId"), UnicodeError(), RuntimeError("expired")]
)
async def test_a_garbled_answer_is_infrastructure(error: Exception) -> None:
    assert await mapped_type(error) is InfrastructureError


@pytest.mark.parametrize(
    "error",
    [
        ParamValidationError(report="no bucket's name"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_request_that_cannot_be_made_is_no_infrastructure(error: Exception) -> None:
    assert await mapped_type(error) is TransientError


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_missing_credentials_are_fatal(error: Exception) -> None:
    assert await mapped_type(error) is FatalError


@pytest.mark.parametrize(
    ("code", "message", "step"),
    [
        ("KMS.DisabledException", "is disabled", "enable the key"),
        ("KMS.NotFoundException", "no", "encrypt the queue or the bucket with a key that exists"),
        (
            "AccessDenied",
            "User: a is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu:1:key/0",
            "allow kms:Decrypt on the key",
        ),
    ],
)
async def test_a_kms_key_of_an_object_is_a_matter_of_its_message(
    code: str, message: str, step: str
) -> None:
    expected = f"Next step: {step}"
    with pytest.raises(TransientError, match=expected), map_errors("reading s3://in/a"):
        raise client_error(code, message)


async def test_a_cancellation_that_nobody_requested_is_infrastructure() -> None:
    expected = r"^calling: .* nobody cancelled it"
    with pytest.raises(InfrastructureError, match=expected), map_errors("calling"):
        raise asyncio.CancelledError


async def test_a_requested_cancellation_is_raised_unchanged() -> None:
    async def call() -> None:
        with map_errors("calling"):
            await asyncio.sleep(1000)

    calling = asyncio.create_task(call())
    await asyncio.sleep(1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_the_workers_own_errors_are_raised_unchanged() -> None:
    with pytest.raises(NoSuchInput, match=r"^s3://in/a$"), map_errors("reading"):
        raise NoSuchInput("s3://in/a")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist"),
        ("AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"),
        ("NoSuchKey", "NoSuchKey"),
    ],
)
def test_an_error_code_has_no_prefix_of_an_older_protocol(code: str, name: str) -> None:
    assert error_code(client_error(code)) == name
