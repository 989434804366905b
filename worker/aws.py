"""What the SQS and S3 clients share: credentials, time limits, retries, and errors."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from worker import __version__
from worker.advice.answers import DENIED, explain, is_late
from worker.advice.texts import Advice
from worker.errors import (
    FatalError,
    SettingsError,
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
USER_AGENT = f"tidegate/{__version__}"  # botocore would build its own for every call
ACCESS_DENIED = DENIED


@asynccontextmanager
async def open_client(service: str, config: AioConfig) -> AsyncIterator[Any]:
    """Open a client with the region, endpoint and credentials that every AWS tool would use.

    The SDK renews the credentials of a container's or an instance's role without blocking the event
    loop. Raises SettingsError for settings that the SDK does not accept.
    """
    # botocore reads only AWS_DEFAULT_REGION, but Fargate sets AWS_REGION, as people do.
    region = os.environ.get("AWS_REGION") or None
    try:
        core = get_session()
        _share_endpoints(core, service)
        # Any: the client's type depends on the service's name.
        session: Any = aioboto3.Session(region_name=region, botocore_session=core)
        async with map_errors("looking for AWS credentials"):
            await session.get_credentials()
        client_context = session.client(service, config=config)
        client = await client_context.__aenter__()
    except NoRegionError:
        raise SettingsError("AWS_REGION is required: the region of the queue") from None
    except ProfileNotFound as error:
        raise SettingsError(f"AWS_PROFILE: {error}") from None
    except InvalidRegionError as error:
        raise SettingsError(f"AWS_REGION: {error}") from None
    except ValueError as error:  # botocore's error for an endpoint that is no URL
        raise SettingsError(f"AWS_ENDPOINT_URL: {error}") from None
    except BotoCoreError as error:  # no request is made here: a file or a variable is wrong
        raise SettingsError(f"the AWS settings: {error}") from None
    try:
        yield client
    finally:
        await client_context.__aexit__(None, None, None)


def _share_endpoints(session: AioSession, service: str) -> None:
    """Let botocore's cache hold one endpoint for each bucket, not one for each key.

    No rule depends on the object's key. botocore still makes that key part of the cache's key, and
    would resolve the endpoint for every file, which takes a third of a millisecond.
    """
    rules = session.get_component("data_loader").load_service_model(service, "endpoint-rule-set-1")
    rules["parameters"].pop("Key", None)


def client_config(*, connections: int, read_seconds: float, attempts: int) -> AioConfig:
    """Configure a client: its connections, its read timeout, and its attempts."""
    return AioConfig(
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent=USER_AGENT,
    )


def error_code(error: ClientError) -> str:
    """Return an AWS error's code, without the prefixes of older protocols."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].removeprefix("AWS.SimpleQueueService.")


@asynccontextmanager
async def map_errors(doing: str) -> AsyncIterator[None]:
    """Convert AWS's errors into the worker's own; the message begins with `doing`.

    Raises FatalError if the credentials are refused or missing, and otherwise TransientError.
    """
    try:
        with stray_cancellations_as_errors():
            yield
    except TidegateError:
        raise
    except (NoCredentialsError, PartialCredentialsError) as error:
        text = f"{doing}: no usable AWS credentials: {str(error).rstrip('. ')}"
        raise FatalError(f"{text}. {Advice.NO_CREDENTIALS.fill()}") from error
    except ClientError as error:
        kind = FatalError if _is_refused(error) else TransientError
        raise kind(f"{doing}: {explain(error, error_code(error))}") from error
    except Exception as error:
        # A response may be incomplete or garbled, also that of the credentials' endpoint. The SDK's
        # parsers may then raise any error.
        raise TransientError(f"{doing}: {type(error).__name__}: {error}") from error


def _is_refused(error: ClientError) -> bool:
    """Return whether the credentials are refused for good, so that a retry is useless."""
    code = error_code(error)
    if code in EXPIRED_TOKEN:
        # The SDK renews credentials that it fetched; it cannot renew those of the environment.
        return "AWS_ACCESS_KEY_ID" in os.environ
    # A late signature comes from a lagging event loop or a wrong clock, not from wrong keys.
    return code in CREDENTIALS_REFUSED and not is_late(error)
