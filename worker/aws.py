"""What both AWS clients share: how patient they are, and what their errors mean."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from worker import __version__
from worker.errors import FatalError, SettingsError, TidegateError, TransientError

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
# How the services that have no code for it say that a request was signed too long ago.
LATE_SIGNATURE = ("signature expired", "signature not yet current")
USER_AGENT = f"tidegate/{__version__}"  # botocore puts its own together anew for every call
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})


@asynccontextmanager
async def open_client(service: str, settings: AioConfig) -> AsyncIterator[Any]:
    """Open a client with the region, endpoint and credentials that every AWS tool would use.

    The credentials of a container's or an instance's role are renewed by the SDK as they age,
    without blocking the loop. Raises SettingsError when a setting makes no sense.
    """
    # botocore itself reads only AWS_DEFAULT_REGION; Fargate and people set AWS_REGION.
    region = os.environ.get("AWS_REGION") or None
    try:
        core = get_session()
        _share_endpoints(core, service)
        # Typed for each service by its name.
        session: Any = aioboto3.Session(region_name=region, botocore_session=core)
        async with map_errors("looking for AWS credentials"):
            await session.get_credentials()
        opening = session.client(service, config=settings)
        client = await opening.__aenter__()
    except NoRegionError:
        raise SettingsError("AWS_REGION is required: the region of the queue") from None
    except ProfileNotFound as error:
        raise SettingsError(f"AWS_PROFILE: {error}") from None
    except ValueError as error:  # how botocore says it
        raise SettingsError(f"AWS_ENDPOINT_URL: {error}") from None
    try:
        yield client
    finally:
        await opening.__aexit__(None, None, None)


def _share_endpoints(session: AioSession, service: str) -> None:
    """Have a bucket's endpoint worked out once: no rule asks for the key, but botocore would anew.

    What takes a third of a millisecond for every file is then found where botocore keeps it.
    """
    rules = session.get_component("data_loader").load_service_model(service, "endpoint-rule-set-1")
    rules["parameters"].pop("Key", None)


def config(*, connections: int, read_seconds: float, attempts: int) -> AioConfig:
    """Configure a client: its pool, how long it waits for an answer, and how often it asks."""
    return AioConfig(
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent=USER_AGENT,
    )


def code_of(error: ClientError) -> str:
    """Name an AWS error as the service does, without the prefixes of its older protocols."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].removeprefix("AWS.SimpleQueueService.")


@asynccontextmanager
async def map_errors(doing: str) -> AsyncIterator[None]:
    """Turn AWS's errors into ours, saying what was being done.

    Raises FatalError when the credentials are refused or missing, and TransientError for all else.
    """
    try:
        yield
    except TidegateError:
        raise
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise FatalError(f"{doing}: no usable AWS credentials: {error}") from error
    except ClientError as error:
        kind = FatalError if _is_refused(error) else TransientError
        raise kind(f"{doing}: {error}") from error
    except Exception as error:
        # An answer may be cut or garbled anywhere, also that of the credentials' endpoint, and then
        # whatever the SDK's parsers meet comes out of it.
        raise TransientError(f"{doing}: {type(error).__name__}: {error}") from error


def _is_refused(error: ClientError) -> bool:
    """Tell whether the credentials will never do, so that asking again is in vain."""
    code = code_of(error)
    if code in EXPIRED_TOKEN:
        # The SDK renews what it has fetched itself; it cannot renew keys of the environment.
        return "AWS_ACCESS_KEY_ID" in os.environ
    # A loop that lags, or a clock that is off, says nothing against the keys.
    late = any(words in str(error).lower() for words in LATE_SIGNATURE)
    return code in CREDENTIALS_REFUSED and not late
