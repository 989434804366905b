"""Start-up: everything that is opened and checked before the first receive."""

from contextlib import AsyncExitStack

import structlog

from worker.lifecycle.stop import Stop
from worker.pool import forkserver
from worker.pool.pool import open_pool
from worker.queue.sqs import QueueAttributes, open_queue
from worker.service.model_fetch import fetch_model
from worker.service.wiring import Worker, build, model_plan
from worker.settings import Settings
from worker.storage.s3 import open_storage
from worker.storage.streaming import HELD_PARTS, READ_AHEAD

log = structlog.get_logger()

MIN_RECEIVE_COUNT = 5
SPARE_CONNECTIONS = 4


async def open_worker(settings: Settings, stop: Stop, opened: AsyncExitStack) -> Worker:
    """Open a worker's queue, storage, model and pool, for as long as `opened` is open.

    Raises SettingsError, FatalError and TransientError.
    """
    queue = await opened.enter_async_context(
        open_queue(
            settings.queue,
            consumers=settings.consumers,
            wait_seconds=settings.wait_seconds,
            visibility_seconds=settings.visibility_seconds,
        )
    )
    storage = await opened.enter_async_context(open_storage(connections=_connections(settings)))
    attributes = await queue.read_attributes()
    _warn_about_redrive(attributes)
    # A contradiction is reported before the model is loaded, which may take a while.
    settings.lease_times(attributes.visibility_seconds)
    model = await opened.enter_async_context(
        fetch_model(settings.model, settings.model_sha256, storage)
    )
    await forkserver.ready()
    pool = await opened.enter_async_context(
        open_pool(model_plan(settings, model.path).load, settings.predict_processes)
    )
    log.info("ready", queue=attributes.name, model=settings.model, model_sha256=model.sha256)
    return build(
        settings,
        attributes,
        stop=stop,
        queue=queue,
        storage=storage,
        pool=pool,
        model_sha256=model.sha256,
    )


def _connections(settings: Settings) -> int:
    """Return how many requests to S3 may be under way at once: none waits for a connection."""
    streaming = settings.predict_processes * (READ_AHEAD + HELD_PARTS)
    return settings.concurrency + streaming + SPARE_CONNECTIONS


def _warn_about_redrive(attributes: QueueAttributes) -> None:
    count = attributes.max_receive_count
    if attributes.dead_letter_queue is None:
        log.warning("no dead-letter queue", effect="a job that fails for good is only reported")
    elif count is not None and count < MIN_RECEIVE_COUNT:
        log.warning(
            "maxReceiveCount is low",
            max_receive_count=count,
            least=MIN_RECEIVE_COUNT,
            effect="each stop of a worker uses one receive of every message in hand",
        )
