"""Everything that is opened and checked before the first receive."""

from contextlib import AsyncExitStack

import structlog

from worker.jobs.output_writer import HELD_PARTS
from worker.lifecycle.stop import Stop
from worker.pool import forkserver
from worker.pool.pool import open_pool
from worker.queue.sqs import QueueAttributes, open_queue
from worker.service.model_fetch import fetched
from worker.service.wiring import Parts, assemble, model_plan
from worker.settings import Settings
from worker.storage.download import READ_AHEAD
from worker.storage.s3 import open_storage

log = structlog.get_logger()

LEAST_RECEIVES = 5
SPARE_CONNECTIONS = 4


async def open_worker(settings: Settings, stop: Stop, opened: AsyncExitStack) -> Parts:
    """Put a worker together; what it uses is open for as long as `opened` is.

    Raises SettingsError, FatalError and TransientError.
    """
    opening = open_queue(
        settings.queue,
        consumers=settings.consumers,
        wait_seconds=settings.wait_seconds,
        visibility_seconds=settings.visibility_seconds,
    )
    queue = await opened.enter_async_context(opening)
    storage = await opened.enter_async_context(open_storage(connections=_connections(settings)))
    facts = await queue.look()
    _warn_of_redrive(facts)
    settings.lease_times(facts.visibility_seconds)  # before the model: it may take a while
    model = await opened.enter_async_context(
        fetched(settings.model, settings.model_sha256, storage)
    )
    await forkserver.ready()
    pool = await opened.enter_async_context(
        open_pool(model_plan(settings, model.path), settings.predict_processes)
    )
    log.info("ready", queue=facts.name, model=settings.model, model_sha256=model.sha256)
    return assemble(
        settings,
        facts,
        stop=stop,
        queue=queue,
        storage=storage,
        compute=pool,
        model_sha256=model.sha256,
    )


def _connections(settings: Settings) -> int:
    """Count the requests to S3 that may be under way at once: none has to wait for another."""
    streaming = settings.predict_processes * (READ_AHEAD + HELD_PARTS)
    return settings.concurrency + streaming + SPARE_CONNECTIONS


def _warn_of_redrive(facts: QueueAttributes) -> None:
    if facts.dead_letter_queue is None:
        log.warning("the queue has no dead-letter queue: what fails for good is only reported")
    elif facts.max_receive_count is not None and facts.max_receive_count < LEAST_RECEIVES:
        log.warning(
            "maxReceiveCount is low: every stop of a worker costs the messages in hand a receive",
            max_receive_count=facts.max_receive_count,
            least=LEAST_RECEIVES,
        )
