"""What the SQS and S3 clients share: credentials, time limits, retries, and errors."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from worker import __version__
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
# Some services have no error code for an old signature, only these words in the message.
LATE_SIGNATURE = ("signature expired", "signature not yet current")
USER_AGENT = f"tidegate/{__version__}"  # botocore would build its own for every call
ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})


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
    except ValueError as error:  # botocore's error for an endpoint that is no URL
        raise SettingsError(f"AWS_ENDPOINT_URL: {error}") from None
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
        http_session_cls=_HttpSession,
    )


class _HttpSession(AIOHTTPSession):
    """aiobotocore's HTTP session, with two of its faults mended.

    aiohttp would follow redirects by itself, but it cannot send a streamed body again, nor sign.
    Behind a proxy (HTTPS_PROXY), aiobotocore would accept any certificate.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:  # noqa: ANN401 - has only `request`
        session = await super()._get_session(proxy_url)  # type: ignore[misc] # not in the stubs
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))

    def _create_connector(self, _proxy_url: str | None) -> Any:  # noqa: ANN401 - aiohttp's
        return super()._create_connector(None)  # type: ignore[misc] # not in the stubs


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
        raise FatalError(f"{doing}: no usable AWS credentials: {error}") from error
    except ClientError as error:
        kind = FatalError if _is_refused(error) else TransientError
        raise kind(f"{doing}: {error}") from error
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
    late = any(words in str(error).lower() for words in LATE_SIGNATURE)
    return code in CREDENTIALS_REFUSED and not late
