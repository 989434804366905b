"""What AWS or the machine refuses, with the cause and the next step: one table for each kind."""

import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientConnectorSSLError
from aiohttp.client_reqrep import ConnectionKey
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from worker.advice import machine
from worker.advice.answers import explain, kms_refusal
from worker.advice.connections import on_connection
from worker.advice.machine import on_machine
from worker.advice.texts import Advice

ROLE = "arn:aws:sts::111111111111:assumed-role/worker/session"
KEY = "arn:aws:kms:eu-central-1:111111111111:key/0b1c"


def answered(code: str, message: str = "no", operation: str = "GetObject", **more: str) -> Any:  # noqa: ANN401
    error = {"Code": code, "Message": message} | more
    return ClientError({"Error": error, "ResponseMetadata": {}}, operation)  # type: ignore[typeddict-item]


def not_authorized(action: str, resource: str, operation: str = "GetObject") -> ClientError:
    words = f'User: {ROLE} is not authorized to perform: {action} on resource: "{resource}" because'
    error: ClientError = answered("AccessDenied", f"{words} no policy allows it", operation)
    return error


# What AWS answers, and the words of cause and next step that a person must find.
ANSWERS: list[tuple[ClientError, list[str]]] = [
    (answered("KmsDisabled", "key is disabled"), ["KMS key", "is disabled", "enable the key"]),
    (answered("KMS.NotFoundException"), ["does not exist in this region", "a key that exists"]),
    (answered("KMS.KMSInvalidStateException"), ["deletion", "cancel the deletion"]),
    (answered("KmsOptInRequired"), ["policy of the KMS key", "correct the policy"]),
    (answered("KmsInvalidKeyUsage"), ["not a key for encryption", "ENCRYPT_DECRYPT"]),
    (
        answered("KMS.AccessDeniedException", f"the caller may not use {KEY}", "ReceiveMessage"),
        [KEY, "allow kms:Decrypt and kms:GenerateDataKey on the key", "in that of the key"],
    ),
    (not_authorized("kms:Decrypt", KEY), [KEY, "allow kms:Decrypt on the key"]),
    (
        answered("AccessDenied", "The ciphertext refers to a customer master key that does not"),
        ["may not use the KMS key", "allow kms:Decrypt"],
    ),
    (
        not_authorized("sqs:receivemessage", "arn:aws:sqs:eu:111111111111:q", "ReceiveMessage"),
        ["no permission sqs:receivemessage on arn:aws:sqs:eu:111111111111:q", "policy of the role"],
    ),
    (
        not_authorized("sqs:receivemessage", "arn:aws:sqs:eu:222222222222:q", "ReceiveMessage"),
        ["belongs to the account 222222222222", "the role to the account 111111111111", "check"],
    ),
    (
        not_authorized("s3:ListBucket", "arn:aws:s3:::models"),
        ["the object does not exist", "check the key", "allow s3:ListBucket on the bucket"],
    ),
    (
        answered("AccessDenied", "Access Denied"),
        ["no permission s3:GetObject", "or the object does not exist", "s3:ListBucket"],
    ),
    (
        answered("AccessDenied", "Access Denied", "PutObject"),
        ["no permission s3:PutObject", "allow s3:PutObject"],
    ),
    (
        answered("RequestTimeTooSkewed", RequestTime="20261127T100000Z", ServerTime="2026-11-27T"),
        ["here it was 20261127T100000Z, there 2026-11-27T", "clock of this machine", "set the"],
    ),
    (
        answered(
            "SignatureDoesNotMatch", "Signature expired: 20261122T101500Z is now earlier than"
        ),
        ["clock", "set the clock (NTP)", "more CPU"],
    ),
    (answered("SignatureDoesNotMatch"), ["secret key", "set AWS_SECRET_ACCESS_KEY anew"]),
    (answered("InvalidClientTokenId"), ["does not know", "aws sts get-caller-identity"]),
    (answered("ExpiredToken"), ["have expired", "get new ones"]),
    (answered("QueueDoesNotExist"), ["no such queue", "check WORKER_QUEUE and AWS_REGION"]),
    (answered("PermanentRedirect"), ["another region", "check the region of the bucket"]),
    (
        answered("AuthorizationHeaderMalformed", Region="eu-west-1"),
        ["the bucket is in the region eu-west-1", "check the region of the bucket"],
    ),
    (answered("InvalidObjectState"), ["archived", "restore"]),
    (
        answered("503", "<html><body>Please log in</body></html>", "GetQueueAttributes"),
        ["a page instead of an answer", "not AWS", "check AWS_ENDPOINT_URL and HTTPS_PROXY"],
    ),
]


@pytest.mark.parametrize(("error", "words"), ANSWERS, ids=str)
def test_what_aws_answers_is_followed_by_its_cause_and_the_next_step(
    error: ClientError, words: list[str]
) -> None:
    text = explain(error, error.response["Error"]["Code"])
    assert [word for word in words if word not in text] == []
    assert text.index("Cause: ") < text.index("Next step: ")
    assert "{" not in text
    assert "<html>" not in text


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "KmsThrottled", "Unheard"])
def test_an_error_without_a_known_cause_is_left_in_awss_own_words(code: str) -> None:
    error = answered(code)
    assert explain(error, code) == str(error)


KMS_CODES = {
    "AccessDenied": "KMS.AccessDeniedException",
    "Disabled": "KMS.DisabledException",
    "InvalidKeyUsage": "KMS.InvalidKeyUsageException",
    "InvalidState": "KMS.InvalidStateException",
    "NotFound": "KMS.NotFoundException",
    "OptInRequired": "KMS.OptInRequired",
}


@pytest.mark.parametrize(("name", "older"), KMS_CODES.items())
def test_a_refusal_of_kms_is_recognised_in_both_spellings(name: str, older: str) -> None:
    for code in (f"Kms{name}", older):
        assert kms_refusal(answered(code), code) is not None


def test_every_refusal_of_kms_that_sqs_knows_is_recognised() -> None:
    shapes = Loader().load_service_model("sqs", "service-2")["shapes"]
    known = {name for name in shapes if name.startswith("Kms")}
    assert known - {"KmsThrottled"} == {f"Kms{name}" for name in KMS_CODES}


@pytest.mark.parametrize("code", ["KmsThrottled", "KMS.ThrottlingException", "AccessDenied", ""])
def test_a_throttle_of_kms_is_no_refusal(code: str) -> None:
    assert kms_refusal(answered(code), code) is None


KEYS = [
    "kms:Decrypt on resource.csv",
    "The ciphertext refers to a customer master key.csv",
    "User: x is not authorized to perform: kms:Decrypt.csv",
    "Signature expired.csv",
    "version id.csv",
]


@pytest.mark.parametrize("key", KEYS)
def test_the_words_of_a_key_do_not_change_what_an_error_means(key: str) -> None:
    error = not_authorized("s3:GetObject", f"arn:aws:s3:::in/{key}")
    assert kms_refusal(error, "AccessDenied") is None
    assert "no permission s3:GetObject on arn:aws:s3:::in/" in explain(error, "AccessDenied")


def test_the_queues_own_key_is_named_before_what_the_message_names() -> None:
    error = answered("KmsDisabled", f"{KEY} is disabled")
    assert "the KMS key alias/mine is disabled" in explain(
        error, "KmsDisabled", kms_key="alias/mine"
    )


CONNECTION = ConnectionKey("host", 443, True, True, None, None, None)
URL = "https://sqs.eu-central-1.amazonaws.com/"
HTTP = "http://localhost:4566/"


def unreachable(inner: OSError) -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url=URL, error=ClientConnectorError(CONNECTION, inner))


# What the network refuses, and the words of cause and next step.
CONNECTIONS: list[tuple[Exception, list[str]]] = [
    (
        ConnectTimeoutError(endpoint_url=URL),
        ["no connection to sqs.eu-central-1.amazonaws.com", "NAT gateway", "VPC endpoints"],
    ),
    (unreachable(OSError(errno.ENETUNREACH, "Network is unreachable")), ["NAT gateway"]),
    (TimeoutError(), ["no connection", "NAT gateway"]),
    (unreachable(socket.gaierror(-2, "Name or service not known")), ["not known", "AWS_REGION"]),
    (
        unreachable(ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
        ["nothing listens at sqs.eu-central-1.amazonaws.com", "check AWS_ENDPOINT_URL"],
    ),
    (
        SSLError(
            endpoint_url=URL,
            error=ClientConnectorSSLError(CONNECTION, ssl.SSLError(1, "[SSL: WRONG_VERSION]")),
        ),
        ["does not speak TLS", "write http:// in AWS_ENDPOINT_URL"],
    ),
    (
        SSLError(
            endpoint_url=URL,
            error=ClientConnectorCertificateError(
                CONNECTION, ssl.SSLCertVerificationError(1, "self-signed certificate")
            ),
        ),
        ["is not trusted", "set AWS_CA_BUNDLE to a PEM file"],
    ),
    (
        ConnectionClosedError(endpoint_url=HTTP, error=ConnectionResetError()),
        ["localhost:4566 closed the connection", "write https:// in AWS_ENDPOINT_URL"],
    ),
    (
        ProxyConnectionError(proxy_url="http://proxy:3128", error=OSError()),
        ["the proxy http://proxy:3128 refused", "check HTTPS_PROXY", "NO_PROXY"],
    ),
    (ResponseParserError("no XML"), ["is not AWS", "check AWS_ENDPOINT_URL"]),
]


@pytest.mark.parametrize(
    ("error", "words"), CONNECTIONS, ids=[type(error).__name__ for error, _ in CONNECTIONS]
)
def test_a_failed_connection_is_followed_by_its_cause_and_the_next_step(
    error: Exception, words: list[str]
) -> None:
    text = on_connection(error)
    assert text is not None
    assert [word for word in words if word not in text] == []
    assert text.index("Cause: ") < text.index("Next step: ")


@pytest.mark.parametrize(
    "error", [None, ReadTimeoutError(endpoint_url=URL), ValueError("no"), answered("InternalError")]
)
def test_other_errors_have_no_advice_about_connections(error: Exception | None) -> None:
    assert on_connection(error) is None


MACHINE: list[tuple[Exception, list[str]]] = [
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), ["ulimit -u", "processes"]),
    (RuntimeError("can't start new thread"), ["ulimit -u", "WORKER_PREDICT_PROCESSES"]),
    (OSError(errno.EMFILE, "Too many open files"), ["ulimit -n"]),
    (OSError(errno.ENOSPC, "No space left on device"), ["no space is left", "set TMPDIR"]),
    (OSError(errno.EROFS, "Read-only file system"), ["cannot be written", "mount a volume"]),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), ["memory is used up", "TaskMemory"]),
]


@pytest.mark.parametrize(("error", "words"), MACHINE, ids=str)
def test_what_the_machine_refuses_has_its_cause_and_the_next_step(
    error: Exception, words: list[str]
) -> None:
    text = on_machine(error)
    assert text is not None
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    "error", [None, RuntimeError("another"), OSError(errno.EBADF, "Bad file descriptor"), OSError()]
)
def test_other_errors_of_the_machine_have_no_advice(error: Exception | None) -> None:
    assert on_machine(error) is None


def test_a_process_killed_while_it_loads_the_model_names_memory_size_and_setting(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model.pkl"
    model.write_bytes(b"x" * (3 << 20))
    text = machine.on_killed_while_loading(model, 4)
    memory = f"{machine.memory_bytes() / (1 << 20):,.0f} MiB of memory"
    for words in (memory, "4 processes", "a file of 3 MiB", "lower WORKER_PREDICT_PROCESSES"):
        assert words in text


def test_each_advice_is_a_cause_and_a_step_without_a_full_stop() -> None:
    assert len(Advice) == len(Advice.__members__)  # two members of one text would be one member
    for advice in Advice:
        cause, step = advice.value
        assert cause
        assert step
        assert not (cause + step).endswith(".")
