"""What both AWS clients share: how patient they are, and what their errors mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from worker.errors import FatalError, SettingsError, TransientError

CREDENTIALS_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})


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

    Raises FatalError when the credentials are refused or missing, SettingsError without a region
    and TransientError for all else.
    """
    try:
        yield
    except NoRegionError:
        raise SettingsError("AWS_REGION is required: the region of the queue") from None
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise FatalError(f"{doing}: no usable AWS credentials: {error}") from error
    except ClientError as error:
        kind = FatalError if code_of(error) in CREDENTIALS_REFUSED else TransientError
        raise kind(f"{doing}: {error}") from error
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:  # OSError: timeouts too
        raise TransientError(f"{doing}: {type(error).__name__}: {error}") from error
