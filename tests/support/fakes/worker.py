"""A whole worker on fakes: everything but AWS and the process pool is the real code."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.fakes.bus import FakeBus
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from worker.job import S3Uri
from worker.jobs.limits import PART_BYTES
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
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
    """Queue, storage and pool, which several workers may use, at once or one after the other."""

    queue: FakeQueue = field(default_factory=FakeQueue)
    storage: FakeStorage = field(default_factory=FakeStorage)
    pool: FakePool = field(default_factory=FakePool)
    metrics: Metrics = field(default_factory=lambda: Metrics("tide", None))
    bus: FakeBus | None = None
    part_bytes: int = PART_BYTES

    def submit(self, key: str, content: bytes = b"abc", **more: object) -> str:
        """Write an input and send its message; returns the message's id."""
        self.storage.add(S3Uri(INPUT, key), content)
        return self.queue.send(body(key, **more))

    def outputs(self) -> dict[str, bytes]:
        return {
            uri.key: versions[-1].body
            for uri, versions in self.storage.versions.items()
            if uri.bucket == OUTPUT
        }

    async def run_worker(self, stop: Stop | None = None, **changes: object) -> Stop:
        """Run a worker until it stops by itself or by the stop; returns the stop."""
        stop = stop or Stop()
        worker_settings = settings(**changes)
        worker = build(
            worker_settings,
            await self.queue.read_attributes(),
            stop=stop,
            queue=self.queue,
            storage=self.storage,
            pool=self.pool,
            model_sha256="0" * 64,
            metrics=self.metrics,
            bus=self.bus,
            part_bytes=self.part_bytes,
        )
        await serve(worker, stop, worker_settings.finish_seconds)
        return stop

    @asynccontextmanager
    async def running_worker(self, **changes: object) -> AsyncIterator[Stop]:
        """Run a worker beside the block, and stop it at the block's end."""
        stop = Stop()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run_worker(stop, **changes))
            yield stop
            stop.request("end of test")
