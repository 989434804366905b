"""One test on two sides: the simulated SQS and S3, and the local cloud through aioboto3's clients.

The simulation must answer as the local cloud does. Where the local cloud differs from AWS, the
simulation answers as AWS does.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from tests.support.fakes.clock import VirtualLoop
from tests.support.simulation.s3 import SimulatedS3
from tests.support.simulation.sqs import SimulatedSqs
from tidegate.localcloud.cloud import REGION, ROOT, Cloud
from worker.aws.errors import error_code

SIMULATED, LOCAL_CLOUD = "simulated", "local cloud"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Side:
    """Real or simulated clients, and the event loop that they run on."""

    sqs: Any  # the two sides share no type; the tests show that they agree
    s3: Any
    runner: asyncio.Runner

    async def queue(self, **attributes: str) -> str:
        """Make a new queue and return its URL."""
        answer = await self.sqs.create_queue(
            QueueName=f"both-{next(_numbers)}", Attributes=attributes
        )
        return str(answer["QueueUrl"])

    async def bucket(self, versioning: str | None = None) -> str:
        """Make a new bucket and return its name."""
        name = f"both-{next(_numbers)}"
        await self.s3.create_bucket(Bucket=name)
        if versioning is not None:
            await self.version(name, versioning)
        return name

    async def version(self, bucket: str, status: str) -> None:
        await self.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": status}
        )


class NotRefused(AssertionError):
    """A call succeeded that should have been refused."""


Story = Callable[[Side], Awaitable[None]]


def on_both(*, local_cloud_differs: str | None = None) -> Callable[[Story], Callable[[Side], None]]:
    """Run a test on both sides.

    `local_cloud_differs` says how the local cloud is known to differ from AWS. The test must then
    fail on the local cloud. When the emulator is mended, the test passes, and the mark must go.
    """
    marks = (
        [pytest.mark.xfail(reason=local_cloud_differs, raises=(NotRefused, ClientError))]
        if local_cloud_differs
        else []
    )

    def decorate(story: Story) -> Callable[[Side], None]:
        @pytest.mark.parametrize(
            "side", [SIMULATED, pytest.param(LOCAL_CLOUD, marks=marks)], indirect=True
        )
        def test(side: Side) -> None:
            side.runner.run(_awaited(story(side)))

        return test

    return decorate


async def _awaited(story: Awaitable[None]) -> None:
    await story


@contextmanager
def simulated_side() -> Iterator[Side]:
    """Open a simulated side, whose virtual clock starts at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield Side(SimulatedSqs(random.Random(0)), SimulatedS3(), runner)  # noqa: S311 - a seed


@contextmanager
def local_cloud_side(cloud: Cloud) -> Iterator[Side]:
    """Open a side whose clients have the rights of the account's root."""
    session: Any = aioboto3.Session(ROOT.key_id, ROOT.secret, region_name=REGION)
    settings = AioConfig(proxies={}, retries={"total_max_attempts": 1})
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        blocks = AsyncExitStack()

        def opened(service: str) -> Any:  # noqa: ANN401 - aioboto3's clients come without types
            opening = session.client(service, endpoint_url=cloud.url, config=settings)
            return runner.run(blocks.enter_async_context(opening))

        try:
            yield Side(opened("sqs"), opened("s3"), runner)
        finally:
            runner.run(blocks.aclose())


@contextmanager
def refused(*codes: str) -> Iterator[None]:
    """Expect an error with one of these codes; raises NotRefused if the call succeeds."""
    found = None
    try:
        yield
    except ClientError as error:
        found = error
    if found is None:
        raise NotRefused(" or ".join(codes))
    assert error_code(found) in codes, found
