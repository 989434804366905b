import itertools
import os
import shlex
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.container import ContainerEndpoint, Image
from tidegate.localcloud.cloud import Cloud, local_cloud

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def image() -> Image:
    """The image and the engine that the environment names."""
    engine = shlex.split(os.environ.get("ENGINE", "docker"))
    return Image(engine, os.environ.get("IMAGE", "tidegate"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cloud() -> AsyncIterator[Cloud]:
    async with local_cloud() as cloud:
        yield cloud


@pytest.fixture
def endpoint(cloud: Cloud, image: Image) -> ContainerEndpoint:
    """Buckets and queues on the local cloud, and the image for a worker."""
    own = ContainerEndpoint(cloud.url, f"image-{os.getpid()}-{next(numbers)}", image=image)
    quick_to_leave = {"WORKER_IDLE_SECONDS": "0", "WORKER_CONSUMERS": "1"}
    own.environment = cloud.environment() | own.environment | quick_to_leave
    return own
