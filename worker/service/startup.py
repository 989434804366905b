"""Start-up: everything that is opened and checked before the first receive."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass
from pathlib import Path

import structlog

from worker.advice.connections import on_connection
from worker.advice.machine import on_killed_while_loading, on_machine
from worker.advice.texts import Advice
from worker.errors import ModelError, ProcessLost, TransientError
from worker.events.bus import EventBus, open_bus
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
from worker.pool import forkserver
from worker.pool.child import LoadModel
from worker.pool.pool import Pool, open_pool
from worker.queue.sqs import QueueAttributes, SqsQueue, open_queue
from worker.service.model_fetch import ModelFile, fetch_model
from worker.service.start_limit import StartLimit
from worker.service.wiring import Worker, build, model_plan
from worker.settings import Settings
from worker.storage.protocol import Storage
from worker.storage.s3 import open_storage
from worker.storage.streaming import HELD_PARTS, MOST_READS

log = structlog.get_logger()

MIN_RECEIVE_COUNT = 5
SPARE_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Openers:
    """How a worker opens each thing that it depends on."""

    queue: Callable[..., AbstractAsyncContextManager[SqsQueue]] = open_queue
    storage: Callable[..., AbstractAsyncContextManager[Storage]] = open_storage
    model: Callable[..., AbstractAsyncContextManager[ModelFile]] = fetch_model
    libraries: Callable[[], Awaitable[None]] = forkserver.ready
    pool: Callable[[LoadModel, int], AbstractAsyncContextManager[Pool]] = open_pool
    bus: Callable[[str], AbstractAsyncContextManager[EventBus]] = open_bus


OPENERS = Openers()


@asynccontextmanager
async def _causes_explained() -> AsyncIterator[None]:
    """Add the next step to a failed connection or a full disk; later it would be an outage."""
    try:
        yield
    except (TransientError, ModelError) as error:
        cause = error.__cause__
        if (advice := on_connection(cause) or on_machine(cause)) is None:
            raise
        raise type(error)(f"{error}. {advice}") from cause


@_causes_explained()
async def open_worker(
    settings: Settings,
    stop: Stop,
    opened: AsyncExitStack,
    limit: StartLimit,
    openers: Openers,
    *,
    metrics: Metrics,
) -> Worker:
    """Open a worker's queue, storage, model and pool, for as long as `opened` is open.

    Raises SettingsError, FatalError and TransientError.
    """
    limit.waits_for("AWS credentials", phase="clients")
    queue = await opened.enter_async_context(_queue(settings, openers))
    storage = await opened.enter_async_context(
        openers.storage(connections=_connections(settings), direct=settings.s3_client == "direct")
    )
    bus = None
    if settings.event_bus is not None:
        bus = await opened.enter_async_context(openers.bus(settings.event_bus))
    limit.waits_for(f"the attributes of the queue {settings.queue}", phase="queue")
    attributes = await queue.read_attributes()
    _warn_about_redrive(attributes)
    # A contradiction is reported before the model is loaded, which may take a while.
    settings.lease_times(attributes.visibility_seconds)
    limit.waits_for(f"the model file {settings.model}", phase="model_file")
    model = await opened.enter_async_context(
        openers.model(settings.model, settings.model_sha256, storage)
    )
    limit.waits_for("the import of the libraries that the pool processes share", phase="libraries")
    advice = await _advice_if_processes_die(settings, model.path, openers)
    limit.waits_for(_loading(settings), phase="pool")
    async with _deaths_explained(advice):
        pool = await opened.enter_async_context(
            openers.pool(model_plan(settings, model).load, settings.predict_processes)
        )
    log.info(
        "ready",
        queue=attributes.name,
        model=settings.model,
        model_sha256=model.sha256,
        **limit.seconds(),
    )
    return build(
        settings,
        attributes,
        stop=stop,
        queue=queue,
        storage=storage,
        pool=pool,
        model_sha256=model.sha256,
        metrics=metrics,
        bus=bus,
    )


async def _advice_if_processes_die(settings: Settings, model: Path, openers: Openers) -> str:
    """Import the libraries; return the likely cause if the pool cannot be opened then."""
    try:
        await openers.libraries()
    except ProcessLost:  # the pool tries again
        return Advice.FORK_FAILED.fill()
    return on_killed_while_loading(model, settings.predict_processes)


@asynccontextmanager
async def _deaths_explained(advice: str) -> AsyncIterator[None]:
    """Raise ModelError if a pool process does not start, or dies while it loads the model."""
    try:
        yield
    except ProcessLost as error:
        raise ModelError(f"{error}. {on_machine(error.__cause__) or advice}") from error


def _queue(settings: Settings, openers: Openers) -> AbstractAsyncContextManager[SqsQueue]:
    return openers.queue(
        settings.queue,
        consumers=settings.consumers,
        wait_seconds=settings.wait_seconds,
        visibility_seconds=settings.visibility_seconds,
    )


def _loading(settings: Settings) -> str:
    processes = f"the pool processes ({settings.predict_processes}) to load the model"
    by = f" by WORKER_PREDICTOR ({settings.predictor})" if settings.predictor else ""
    return f"{processes} {settings.model}{by}"


def _connections(settings: Settings) -> int:
    """Return how many requests to S3 may be under way at once: none waits for a connection."""
    streaming = settings.predict_processes * (MOST_READS + HELD_PARTS)
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
