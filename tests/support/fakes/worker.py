"""A whole worker on fakes: everything but AWS and the pool is the real thing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from worker.job import S3Uri
from worker.jobs.limits import PART_BYTES
from worker.lifecycle.stop import Stop
from worker.service.run import serve
from worker.service.wiring import build
from worker.settings import Settings

INPUT = "in"
OUTPUT = "out"


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"WORKER_QUEUE": "q", "model": "m", **changes})


def body(key: str, **more: object) -> str:
    job = {"bucket": INPUT, "key": key, "output_bucket": OUTPUT, "output_key": "p"}
    return json.dumps(job | more)


def output(key: str) -> S3Uri:
    return S3Uri(OUTPUT, f"p/{key}")


def report(key: str) -> S3Uri:
    return S3Uri(OUTPUT, f"p/_failed/{key}.json")


@dataclass
class Cloud:
    """Queue, storage and compute that outlive any one worker."""

    queue: FakeQueue = field(default_factory=FakeQueue)
    storage: FakeStorage = field(default_factory=FakeStorage)
    pool: FakePool = field(default_factory=FakePool)
    part_bytes: int = PART_BYTES

    def submit(self, key: str, content: bytes = b"abc", **more: object) -> str:
        """Put an input and its message; the message's id is returned."""
        self.storage.add(S3Uri(INPUT, key), content)
        return self.queue.send(body(key, **more))

    def outputs(self) -> dict[str, bytes]:
        return {
            uri.key: versions[-1].body
            for uri, versions in self.storage.versions.items()
            if uri.bucket == OUTPUT
        }

    async def work(self, stop: Stop | None = None, **changes: object) -> Stop:
        """Run a worker until it leaves."""
        stop = stop or Stop()
        chosen = settings(**changes)
        parts = build(
            chosen,
            await self.queue.read_attributes(),
            stop=stop,
            queue=self.queue,
            storage=self.storage,
            pool=self.pool,
            model_sha256="0" * 64,
            part_bytes=self.part_bytes,
        )
        await serve(parts, stop, chosen.finish_seconds)
        return stop

    @asynccontextmanager
    async def working(self, **changes: object) -> AsyncIterator[Stop]:
        """Run a worker beside the block, and stop it at its end."""
        stop = Stop()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.work(stop, **changes))
            yield stop
            stop.request("end of test")
