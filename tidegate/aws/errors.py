"""AWS's refusals as the commands report them: what is absent is told from what AWS did not say."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import CREDENTIALS_REFUSED, EXPIRED_TOKEN, THROTTLED, error_code
from worker.errors import TidegateError

T = TypeVar("T")
NO_OBJECT = ("404", "NoSuchKey", "NotFound")  # S3's answers to a GET and to a HEAD
_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)


class AwsError(TidegateError):
    """AWS refused a call, or could not be asked: exit status 1."""


class CredentialsError(AwsError):
    """AWS does not know the caller: exit status 4."""


def found(call: Callable[[], T], *absent: str) -> T | None:
    """Return the call's answer, or None if AWS answers with one of the codes for what is absent.

    Every other failure is raised: what could not be asked is not absent.
    """
    try:
        return call()
    except ClientError as error:
        if error_code(error) in absent:
            return None
        raise


def explained(error: Exception) -> TidegateError | None:
    """Return an error of the AWS libraries as one for people, with the next step; else None."""
    if isinstance(error, ClientError):
        return _refusal(error)
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsError(f"{error}: log in, then `aws sts get-caller-identity` must work")
    if isinstance(error, BotoCoreError):
        return AwsError(f"AWS could not be asked: {error}. Nothing is known; try again")
    return None


def _refusal(error: ClientError) -> TidegateError:
    code = error_code(error)
    if code in CREDENTIALS_REFUSED | EXPIRED_TOKEN:
        return CredentialsError(f"{error}: log in, then `aws sts get-caller-identity` must work")
    if code in THROTTLED:
        return AwsError(f"AWS is asked too often: {error}. Nothing is known; try again")
    if code in ACCESS_DENIED:
        return AwsError(f"{error}. Ask whoever gives you rights in this account to allow it")
    return AwsError(str(error))
