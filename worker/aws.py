"""What both AWS clients share: how patient they are, and what their errors mean."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from worker.errors import FatalError, SettingsError, TransientError

CREDENTIALS_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})


@asynccontextmanager
async def open_client(service: str, settings: AioConfig) -> AsyncIterator[Any]:
    """Open a client with the region, endpoint and credentials that every AWS tool would use.

    Raises SettingsError when one of them makes no sense.
    """
    # botocore itself reads only AWS_DEFAULT_REGION; Fargate and people set AWS_REGION.
    region = os.environ.get("AWS_REGION") or None
    try:
        session: Any = aioboto3.Session(region_name=region)  # typed for each service by its name
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


def config(*, connections: int, read_seconds: float, attempts: int) -> AioConfig:
    """Configure a client: its pool, how long it waits for an answer, and how often it asks."""
    return AioConfig(
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )


def code_of(error: ClientError) -> str:
    """Name an AWS error as the service does, without the prefixes of its older protocols."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].removeprefix("AWS.SimpleQueueService.")


@asynccontextmanager
async def translated(doing: str) -> AsyncIterator[None]:
    """Turn AWS's errors into ours, saying what was being done.

    Raises FatalError when the credentials are refused or missing, and TransientError for all else.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise FatalError(f"{doing}: no usable AWS credentials: {error}") from error
    except ClientError as error:
        kind = FatalError if code_of(error) in CREDENTIALS_REFUSED else TransientError
        raise kind(f"{doing}: {error}") from error
    except (BotoCoreError, ResponseParserError, aiohttp.ClientError, OSError) as error:
        # OSError: timeouts too
        raise TransientError(f"{doing}: {type(error).__name__}: {error}") from error
