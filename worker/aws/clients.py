"""The clients of SQS, S3 and EventBridge: region, endpoint, credentials, connections, retries."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, InvalidRegionError, NoRegionError, ProfileNotFound

from worker import __version__
from worker.aws.errors import map_errors
from worker.aws.http_session import HttpSession
from worker.errors import SettingsError

USER_AGENT = f"tidegate/{__version__}"  # botocore would build its own for every call


@asynccontextmanager
async def open_client(service: str, config: AioConfig) -> AsyncIterator[Any]:
    """Open a client with the region, endpoint and credentials that every AWS tool would use.

    The SDK renews the credentials of a container's or an instance's role without blocking the event
    loop. Raises SettingsError for settings that the SDK does not accept.
    """
    # botocore reads only AWS_DEFAULT_REGION, but Fargate sets AWS_REGION, as people do.
    region = os.environ.get("AWS_REGION") or None
    try:
        # Any: the client's type depends on the service's name.
        session: Any = aioboto3.Session(region_name=region, botocore_session=get_session())
        with map_errors("looking for AWS credentials"):
            await session.get_credentials()
        client_context = session.client(service, config=config)
        client = await client_context.__aenter__()
        _share_endpoints(client)
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


def _share_endpoints(client: Any) -> None:  # noqa: ANN401 - see above
    """Let this client resolve one endpoint for each bucket, not one for each key.

    No rule depends on the object's key. botocore still makes that key part of its cache's key, and
    would resolve the endpoint for every file, which takes a third of a millisecond. The parameters
    of the rules are the client's own; the rules that botocore has loaded stay as they are.
    """
    resolver = getattr(client, "_ruleset_resolver", None)
    getattr(resolver, "_param_definitions", {}).pop("Key", None)


def client_config(*, connections: int, read_seconds: float, attempts: int) -> AioConfig:
    """Configure a client: its connections, its read timeout, and its attempts."""
    return AioConfig(
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
        user_agent=USER_AGENT,
        http_session_cls=HttpSession,
    )
